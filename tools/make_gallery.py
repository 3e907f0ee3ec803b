"""Regenerate the pictures of book/toys.md: points that networks draw of the five toy sets, book/_static/toys-*.png.

python tools/make_gallery.py                        # about a quarter of an hour on one core; goes on where it stopped
python tools/make_gallery.py --figure overview --untrained       # of what has been trained so far

The networks are those of seed 0 of four studies, trained as the tables of chapters 7 to 9 have it: T and the range of
beta as published, the scale of guidance as published, and the book's own settings.
"""

import argparse
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from figures import shrink
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from tqdm.auto import tqdm

from statesdiff.ablations import studies
from statesdiff.ablations.configs import Config, Sampling
from statesdiff.ablations.ensemble import train_ensemble
from statesdiff.ablations.judging import labels_like
from statesdiff.ablations.sweep import grouped
from statesdiff.ablations.toys import points
from statesdiff.files.atomic import write_atomically
from statesdiff.plotting import INK
from statesdiff.samplers import last
from statesdiff.training import denormals_flushed

STATIC = Path(__file__).resolve().parents[1] / "book" / "_static"
SETS, SEED, SHOWN = studies.FIVE_SETS, 0, 1200
# Okabe and Ito's palette: as many colours as manycircles has classes
COLOURS = np.array(["#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000", "#8a8f98"])
Panel = tuple[np.ndarray, np.ndarray | None]  # points (n, D), and labels (n,) if they are to be coloured
Wanted = dict[tuple[str, str], tuple[Config, Sampling]]  # for a data set and the head of a column


def timesteps() -> Wanted:
    """T = 10 to 500 with beta from 1e-4 to 0.02."""
    return {(c.data, f"T = {c.T}"): (c, c.samplings[0]) for c in studies.timesteps()}


def betas() -> Wanted:
    """Six ranges of beta at T = 200."""
    return {(c.data, f"{c.beta_1:g} to {c.beta_T:g}"): (c, c.samplings[0]) for c in studies.betas()}


def scales() -> Wanted:
    """Classifier-free guidance: the published strengths w, which are scales of 1 + w."""
    return {
        (c.data, f"w = {w:g}"): (c, Sampling("beta", guidance=1 + w, n=1200))
        for c in studies.guidance()
        for w in studies.STRENGTHS
    }


def conditional() -> Wanted:
    """Conditional sampling: the published recipe, and the book's settings; and those without labels."""
    found: Wanted = {}
    for name, configs, sampler in (
        ("published recipe", studies.guidance(), "beta"),
        ("our settings", studies.guidance_best(), "beta_tilde"),
    ):
        found |= {(c.data, name): (c, Sampling(sampler, guidance=1.0, n=1200)) for c in configs}
    return found | {(c.data, "our settings, no label"): (c, c.samplings[0]) for c in studies.best()}


def overview() -> Wanted:
    """A short and a longer chain of the published design, its conditional samples, and the book's settings."""
    chains = {place: way for place, way in timesteps().items() if way[0].T in (10, 50)}
    return chains | {
        (data, {"published recipe": "conditional", "our settings, no label": "our settings"}[name]): way
        for (data, name), way in conditional().items()
        if name != "our settings"
    }


FIGURES = {"overview": overview, "timesteps": timesteps, "betas": betas, "scales": scales, "conditional": conditional}


def samples(wanted: Wanted, folder: Path, train: bool = True) -> dict[tuple[str, str], Panel]:
    """The points of every panel; what `folder` does not have is trained and drawn, or left out."""
    if not train:
        return {place: panel(folder, *way) for place, way in wanted.items() if path_of(folder, *way).exists()}
    ways: dict[Config, list[tuple[str, str]]] = {}
    for place, (config, _) in wanted.items():
        if not path_of(folder, *wanted[place]).exists():
            ways.setdefault(config, []).append(place)
    for chunk in tqdm(grouped([(config, SEED) for config in ways]), disable=None):
        jobs = [config.job(seed) for config, seed in chunk]
        with denormals_flushed():
            last(train_ensemble(jobs))
        for (config, _), job in zip(chunk, jobs, strict=True):
            for place in ways[config]:
                sampling = wanted[place][1]
                x = sampling.draw(job.model, job.schedule, labels(config, sampling), SEED).numpy()
                write_atomically(path_of(folder, config, sampling), lambda temporary, x=x: np.save(temporary, x))
    return {place: panel(folder, *way) for place, way in wanted.items()}


def path_of(folder: Path, config: Config, sampling: Sampling) -> Path:
    """Where the points of a panel are kept."""
    which = [config.network, config.T, config.beta_1, config.beta_T, config.epochs, config.labelled, sampling.guidance]
    return folder / ("-".join(map(str, [config.data, *which])) + ".npy")


def labels(config: Config, sampling: Sampling) -> torch.Tensor:
    """The labels that the samples are drawn for, in the proportions of the data."""
    return labels_like(points(config.data).train.y, sampling.n, SEED)


def panel(folder: Path, config: Config, sampling: Sampling) -> Panel:
    """What was drawn, coloured by the label that was asked for."""
    y = None if sampling.guidance is None else labels(config, sampling).numpy()
    return np.load(path_of(folder, config, sampling)), y


def real(data: str, coloured: bool) -> Panel:
    """Points of the set itself."""
    drawn = points(data).fresh(SHOWN, SEED)
    return drawn.x.numpy(), drawn.y.numpy() if coloured else None


def draw_panel(ax: Axes, x: np.ndarray, y: np.ndarray | None) -> None:
    """Points on equal axes; in three dimensions the view from the side, x across and z up."""
    across, up = x[:SHOWN, 0], x[:SHOWN, -1]
    ax.scatter(across, up, s=1.1, c=INK if y is None else COLOURS[y[:SHOWN]], linewidths=0)
    ax.set(xlim=(-1.5, 1.5), ylim=(-1.5, 1.5), aspect="equal", xticks=[], yticks=[])
    ax.spines[:].set_visible(False)


def grid(rows: Sequence[str], columns: Sequence[str], panels: dict[tuple[str, str], Panel]) -> Figure:
    """A row for each data set, a column for each setting."""
    size = (1.3 * len(columns) + 0.2, 1.3 * len(rows) + 0.2)
    figure, axes = plt.subplots(len(rows), len(columns), figsize=size, layout="constrained", squeeze=False)
    for i, j, ax in places(axes):
        if (rows[i], columns[j]) in panels:
            draw_panel(ax, *panels[rows[i], columns[j]])
        else:
            ax.set_axis_off()
        if i == 0:
            ax.set_title(columns[j], fontsize=9, color=INK)
        if j == 0:
            ax.set_ylabel(rows[i], fontsize=9, color=INK)
    return figure


def places(axes: np.ndarray) -> Iterator[tuple[int, int, Axes]]:
    """The axes of a grid with their row and column."""
    yield from ((i, j, axes[i, j]) for i in range(axes.shape[0]) for j in range(axes.shape[1]))


def make(name: str, folder: Path, train: bool = True) -> Path:
    """One figure, written to book/_static."""
    wanted = FIGURES[name]()
    panels = samples(wanted, folder, train)
    columns = list(dict.fromkeys(column for _, column in wanted))
    rows = [data for data in SETS if any(found == data for found, _ in panels)]
    coloured = any(y is not None for _, y in panels.values())
    panels |= {(data, "real points"): real(data, coloured) for data in rows}
    figure, png = grid(rows, ["real points", *columns], panels), io.BytesIO()
    figure.savefig(png, dpi=150, format="png", metadata={"Software": None})
    plt.close(figure)
    return write_atomically(STATIC / f"toys-{name}.png", lambda path: path.write_bytes(shrink(png.getvalue())))


def main() -> None:
    """Make the figures that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--figure", choices=FIGURES, help="only this one")
    parser.add_argument("--untrained", action="store_true", help="train nothing, draw what the folder has")
    parser.add_argument("--folder", type=Path, default=Path("_build/gallery"), help="keeps the points")
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    for name in [args.figure] if args.figure else FIGURES:
        print(make(name, args.folder, train=not args.untrained))


if __name__ == "__main__":
    main()
