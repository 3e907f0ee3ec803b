"""Regenerate book/_static/course-recipes.png: loss and NLL over the epochs of two published solutions.

python tools/make_curves.py
"""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd
from figures import shrink
from make_tables import COURSE, REFRESH
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from statesdiff import plotting
from statesdiff.files.atomic import write_atomically

OUT = Path(__file__).resolve().parents[1] / "book" / "_static" / "course-recipes.png"
TRAIN, FRESH = (plotting.STATE_COLOURS[name] for name in ("Michigan", "Oklahoma"))
NAMES = {"cosine": "solution 1 (cosine)", "step": "solution 2 (step)"}


def losses(rows: pd.DataFrame, ax: Axes) -> None:
    """The loss of each epoch, and that on fresh points where it was taken."""
    ax.plot(rows.epoch, rows.loss, color=TRAIN, linewidth=1.2, label="training, mean of the epoch")
    judged = rows.dropna(subset=["loss (fresh)"])
    ax.plot(judged.epoch, judged["loss (fresh)"], color=FRESH, linewidth=1.2, linestyle="--", label="fresh points")
    settled = rows[rows.epoch > 0.1 * rows.epoch.max()]
    low, high = settled[["loss", "loss (fresh)"]].min().min(), settled[["loss", "loss (fresh)"]].max().max()
    ax.set_ylim(low - 0.1 * (high - low), high + 0.2 * (high - low))


def nlls(rows: pd.DataFrame, ax: Axes, floor: float) -> None:
    """The NLL of 2,000 samples where it was taken, and that of real points."""
    judged = rows.dropna(subset=["NLL"])
    ax.plot(judged.epoch, judged.NLL, color=TRAIN, linewidth=1.2, marker=".", markersize=3, label="2,000 samples")
    ax.axhline(floor, color=plotting.GREY, linestyle=":", label="fresh real points")
    settled = judged[judged.epoch > 0.05 * rows.epoch.max()].NLL
    spread = max(settled.max(), floor) - min(settled.min(), floor)
    ax.set_ylim(min(settled.min(), floor) - 0.1 * spread, max(settled.max(), floor) + 0.5 * spread)


def draw(curve: pd.DataFrame, floor: float) -> Figure:
    """Loss above, NLL below, a column for each recipe; thin lines where the noise is new."""
    figure, axes = plt.subplots(2, 2, figsize=(9.2, 5.4), sharex="col", layout="constrained")
    for column, (recipe, rows) in zip(axes.T, curve.groupby("recipe", sort=False), strict=True):
        losses(rows, column[0])
        nlls(rows, column[1], floor)
        for ax in column:
            for epoch in range(REFRESH[recipe], int(rows.epoch.max()), REFRESH[recipe]):
                ax.axvline(epoch + 0.5, color=plotting.GREY, linewidth=0.5, alpha=0.6)
        column[0].set_title(NAMES[recipe])
        column[1].set_xlabel("epoch")
    for row, name in zip(axes, ("loss per coordinate", "NLL (nats)"), strict=True):
        row[0].set_ylabel(name)
        row[1].legend(loc="upper right", fontsize=9)
    return figure


def picture() -> bytes:
    """The figure of the committed curve and rows, as a PNG."""
    plotting.style()
    curve = pd.read_csv(COURSE / "course_recipes_curve.csv", comment="#").query("part == 'denoiser'")
    judged = pd.read_csv(COURSE / "course_recipes.csv", comment="#").query("samples == 'all'").set_index("solution")
    png = io.BytesIO()
    figure = draw(curve, judged.NLL["held-out real points"])
    figure.savefig(png, dpi=150, format="png", metadata={"Software": None})
    plt.close(figure)
    return shrink(png.getvalue())


def main() -> None:
    """Draw and write."""
    png = picture()
    print(write_atomically(OUT, lambda path: path.write_bytes(png)))


if __name__ == "__main__":
    main()
