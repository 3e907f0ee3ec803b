"""Guidance over several trainings: new training points, new weights, new samples and new fresh points in every seed.

python benchmarks/guidance_trainings.py --folder trainings --workers 8   # five seeds, about ten core-minutes each

Two tables come of it. statesdiff/results/guidance-trainings.csv: both kinds of guidance at scales up to eight,
guidance in an interval of t, and guidance away from a worse copy of the network, for the book's network and for a small
one without Fourier inputs; 1,000 samples a state, through the 38 steps of chapters 6 and 7. Each row is the
mean over the five states, or Oklahoma alone. statesdiff/results/guidance-walks.csv: Oklahoma at scale 4 with Langevin
corrections, 2,000 samples at six times, for the network and for the exact score, against the tilted density. Each seed
has two files of its own in the folder, so a run that was stopped goes on; the tables are written from those there are.
"""

import argparse
import multiprocessing
import platform
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor, nn

from statesdiff import results
from statesdiff.data import JITTER, STATE_NAMES, Dataset, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.files.atomic import write_atomically
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.metrics import class_accuracy, coverage, emd, mean_distance
from statesdiff.models import Denoiser, init
from statesdiff.recipes import train_recipe
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import low_noise_t, train_denoiser

SCHEDULE = NoiseSchedule.linear(T=500)
TIMES = [*range(500, 200, -30), *range(200, 20, -10), *range(20, -1, -2)]  # as in chapters 6 and 7
DONE, CLASSIFIER = 12_000, 10_000  # updates, as tools/make_weights.py has them
EARLY = 1000  # of the book's network where it is the worse copy
SMALL, WORSE, HIDDEN = 3000, 500, (32, 32, 32)  # of a small one, and of its own worse copy
OKLAHOMA, SIDE, LIMIT = 3, 26, 2.6  # the window is cut into 26 x 26 squares
SCALES = (0.5, 1.0, 2.0, 4.0, 8.0)
WINDOWS = ((300, 500), (200, 300), (100, 200), (40, 100), (0, 40), (0, 100))  # guided at low < t <= high, else scale 1


# Samples


def trained(name: str, steps: int, seed: int) -> nn.Module:
    """A network of the book's recipe of that name, by that many updates on 5,000 points that the seed has drawn."""
    data = states(seed=1000 + seed)
    model, training = train_recipe(name, data.x, SCHEDULE, data.y, steps=steps, seed=seed)
    for _ in training:
        pass
    return model.eval().requires_grad_(False)


def small(steps: int, seed: int) -> nn.Module:
    """A small network that is given x_t, t_bar and the label, and no sines of them."""
    data = states(seed=1000 + seed)
    model = init(Denoiser, hidden=HIDDEN, n_classes=5, generator=stream("init", seed))
    options = {"lr": 3e-3, "draw_t": low_noise_t, "generator": stream("train", seed)}
    for _ in train_denoiser(model, data.x, SCHEDULE, data.y, steps=steps, **options):
        pass
    return model.eval().requires_grad_(False)


def switched(strong: NoisePredictor, weak: NoisePredictor, low: int, high: int, x_t: Tensor, t: Tensor) -> Tensor:
    """`strong` at low < t <= high, `weak` elsewhere."""
    return (strong if low < int(t) <= high else weak)(x_t, t)


def beyond(start: NoisePredictor, towards: NoisePredictor, scale: float, x_t: Tensor, t: Tensor) -> Tensor:
    """start + scale (towards - start): with a worse copy for `start` this is autoguidance (arXiv:2406.02507)."""
    eps_hat = start(x_t, t)
    return eps_hat + scale * (towards(x_t, t) - eps_hat)


def ways(seed: int, y: Tensor) -> Iterator[tuple[dict, NoisePredictor]]:
    """The settings of every row, and the predictor that goes with it."""
    yield from without_classifier("book", trained("conditional", DONE, seed), trained("conditional", EARLY, seed), y)
    yield from without_classifier("small", small(SMALL, seed), small(WORSE, seed), y)
    denoiser, classifier = trained("fourier", DONE, seed), trained("classifier", CLASSIFIER, seed)
    for scale in SCALES:
        yield row("book", "classifier", scale), ClassifierGuidance(denoiser, classifier, SCHEDULE, y, scale)
    asked, strong = (ClassifierGuidance(denoiser, classifier, SCHEDULE, y, scale) for scale in (1.0, 4.0))
    yield row("book", "classifier", 4.0, 0, 100), partial(switched, strong, asked, 0, 100)


def without_classifier(name: str, model: nn.Module, worse: nn.Module, y: Tensor) -> Iterator[tuple]:
    """Guided away from no label, and away from a worse copy, at all times or in an interval of them."""
    asked, copy = partial(model, y=y), partial(worse, y=y)
    for scale in SCALES:
        yield row(name, "classifier-free", scale), ClassifierFreeGuidance(model, y, scale)
    for low, high in WINDOWS:
        strong = ClassifierFreeGuidance(model, y, 4.0)
        yield row(name, "classifier-free", 4.0, low, high), partial(switched, strong, asked, low, high)
    for scale in (1.5, 2.0, 3.0):
        strong = partial(beyond, copy, asked, scale)
        yield row(name, "worse copy", scale), strong
        yield row(name, "worse copy", scale, 0, 40), partial(switched, strong, asked, 0, 40)


def row(network: str, method: str, scale: float, low: int = 0, high: int = 500) -> dict:
    return {"network": network, "method": method, "scale": scale, "above": low, "up to": high}


def compare_ways(seed: int, n: int) -> pd.DataFrame:
    """All rows of one seed: n samples a state, and real points in place of samples."""
    y = torch.arange(5).repeat_interleave(n)
    fresh, real = states(n, seed=2000 + seed), states(n, seed=3000 + seed)
    rows = judged(real.x, y, fresh, row("real", "-", 1.0))
    for setting, predictor in ways(seed, y):
        rng = stream("sample", seed)
        x_T = randn(len(y), 2, generator=rng)
        rows += judged(last(ddim(predictor, SCHEDULE, x_T, steps=TIMES, eta=1.0, generator=rng)), y, fresh, setting)
    return pd.DataFrame(rows).assign(seed=seed)


def judged(x: Tensor, y: Tensor, fresh: Dataset, setting: dict) -> list[dict]:
    """Two rows: the mean over the states, and Oklahoma."""
    cards = pd.DataFrame([card(x[y == k], k, fresh.of_class(k)) for k in range(len(STATE_NAMES))])
    means = {"mean": cards.mean(), STATE_NAMES[OKLAHOMA]: cards.loc[OKLAHOMA]}
    return [setting | {"state": name} | values.to_dict() for name, values in means.items()]


def card(x: Tensor, k: int, fresh: Tensor) -> dict[str, float]:
    """Samples (n, 2) of state k, judged by the distribution itself: its outline, its density, its fresh points."""
    outline = outline_points(4000, label=k)
    return {
        "accuracy": class_accuracy(x, k),
        "astray": float((distances(x, outline) > 0.1).double().mean()),
        "coverage": coverage(x, outline),
        "distance": mean_distance(x, outline),
        "EMD": emd(x, fresh),
        "TV": variation(shares(x), class_shares(k)),
    }


def distances(x: Tensor, outline: Tensor) -> Tensor:
    return torch.cdist(x, outline).amin(dim=1)


# Shares of squares


def square(x: Tensor) -> Tensor:
    column, line = ((x / LIMIT + 1) * SIDE / 2).long().clamp(0, SIDE - 1).unbind(1)
    return SIDE * column + line


def shares(x: Tensor, weights: Tensor | None = None) -> Tensor:
    """The share of the points, or of their weights, in each square."""
    counts = square(x).bincount(weights, minlength=SIDE**2).double()
    return counts / counts.sum()


def variation(p: Tensor, q: Tensor) -> float:
    return 0.5 * float((p - q).abs().sum())


@cache
def class_shares(k: int, n: int = 400_000) -> Tensor:
    """The share of each square in the distribution of state k, from points drawn closely along its outline."""
    curve = outline_points(n, label=k)
    return shares(curve + JITTER * randn(*curve.shape, generator=stream("density", k)))


@cache
def exact() -> IdealDenoiser:
    return IdealDenoiser(outline_points(1000), SCHEDULE, JITTER, torch.arange(5).repeat_interleave(200))


@cache
def tilted(t: int, scale: float, n: int) -> tuple[Tensor, Tensor]:
    """Points of Oklahoma at time t, and the weights p(Oklahoma | x)^(scale - 1) that make of them the tilted density.

    By Bayes' rule p(x) p(y | x)^scale is p(x | y) p(y | x)^(scale - 1), up to a factor.
    """
    rng, curve = stream("tilted", t), outline_points(n, label=OKLAHOMA)
    x = curve + JITTER * randn(*curve.shape, generator=rng)
    x = SCHEDULE.q_sample(x, t, randn(*x.shape, generator=rng))
    log_p = torch.cat([exact().log_posterior(part, t)[:, OKLAHOMA] for part in x.split(20_000)])
    return x, ((scale - 1) * log_p.double()).exp()


# Walks


SEEN = (200, 100, 60, 40, 20, 0)
WALKS = {  # how many steps a time, and their size
    "network": ((0, 0.2), (2, 0.2), (10, 0.2), (30, 0.2), (100, 0.2), (120, 0.05)),
    "exact": ((0, 0.2), (10, 0.2), (30, 0.2), (40, 0.05)),
}


def walk(guided: NoisePredictor, x: Tensor, t: int, n: int, h: float, rng: torch.Generator) -> Tensor:
    """n steps of Langevin dynamics under the guided score of time t, of size h (1 - alpha_bar_t)."""
    h = h * float(1 - SCHEDULE.alpha_bar[t])
    for _ in range(n):
        score = SCHEDULE.score(guided(x, torch.tensor(t)), t)
        x = x + h * score + (2 * h) ** 0.5 * randn(*x.shape, generator=rng)
    return x


@torch.no_grad()
def corrected(guided: NoisePredictor, x: Tensor, n: int, h: float, rng: torch.Generator) -> dict[int, Tensor]:
    """Steps without fresh noise, n corrections after each; the points at the times of `SEEN`."""
    path = {}
    for t, to in zip(TIMES, TIMES[1:], strict=False):
        eps_hat = guided(x, torch.tensor(t))
        x = SCHEDULE.q_sample(SCHEDULE.predict_x_0(x, t, eps_hat), to, eps_hat)
        path[to] = x = walk(guided, x, to, n, h, rng) if to > 0 else x
    return {t: path[t] for t in SEEN}


def compare_walks(seed: int, n: int) -> pd.DataFrame:
    """All rows of one seed: the network and the exact score, each number of walks, each time."""
    rows = []
    for name, model in (("network", trained("conditional", DONE, seed)), ("exact", exact())):
        for steps, h in WALKS[name]:
            rng = stream("sample", seed)
            x_T = randn(n, 2, generator=rng)
            path = corrected(ClassifierFreeGuidance(model, OKLAHOMA, 4.0), x_T, steps, h, rng)
            rows += [{"score": name, "walks": steps, "h": h, "t": t} | tilt_card(x, t, seed) for t, x in path.items()]
    return pd.DataFrame(rows).assign(seed=seed)


def tilt_card(x: Tensor, t: int, seed: int, n: int = 200_000) -> dict[str, float]:
    """Points at time t against the tilted density: total variation, its floor, and the share on the left."""
    points, weights = tilted(t, 4.0, n)
    drawn = points[torch.multinomial(weights, len(x), replacement=True, generator=stream("floor", seed))]
    want, middle = shares(points, weights), float(SCHEDULE.alpha_bar[t].sqrt()) * 0.38
    left = [float((of[:, 0] < middle).double().mean()) for of in (x, drawn)]
    whole = float(weights[points[:, 0] < middle].sum() / weights.sum())
    return {
        "TV": variation(shares(x), want),
        "TV floor": variation(shares(drawn), want),
        "left": left[0],
        "left floor": left[1],
        "left exact": whole,
    }


# Tables


def one(job: tuple[Callable, int, Path, int]) -> None:
    """One seed's part of one table, unless it is there."""
    make, seed, folder, n = job
    torch.set_num_threads(1)
    path = folder / f"{make.__name__}-{seed}.csv"
    if not path.exists():
        frame = make(seed, n)
        write_atomically(path, lambda temporary: frame.to_csv(temporary, index=False))
    print(path, flush=True)


def written(make: Callable, folder: Path, name: str, about: str) -> None:
    """The table of all seeds that are finished."""
    parts = [pd.read_csv(path) for path in sorted(folder.glob(f"{make.__name__}-*.csv"))]
    versions = f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}"
    command = f"python benchmarks/guidance_trainings.py --seeds {len(parts)}"
    lines = [f"{command}: {about}", f"{versions}, one thread each"]
    text = "".join(f"# {line}\n" for line in lines) + pd.concat(parts).to_csv(index=False, float_format="%.5g")
    write_atomically(results.FOLDER / f"{name}.csv", lambda temporary: temporary.write_text(text, encoding="utf-8"))


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("trainings"), help="keeps what is finished")
    parser.add_argument("--workers", type=int, default=2, help="how many processes")
    parser.add_argument("--seeds", type=int, default=5, help="how many trainings of each network")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    jobs = [(make, seed, args.folder, n) for seed in range(args.seeds) for make, n in TABLES]
    with multiprocessing.get_context("spawn").Pool(args.workers) as pool:
        for _ in pool.imap_unordered(one, jobs):
            pass
    written(compare_ways, args.folder, "guidance-trainings", "1000 samples a state in every row")
    written(compare_walks, args.folder, "guidance-walks", "2000 samples of Oklahoma in every row")


TABLES = ((compare_ways, 1000), (compare_walks, 2000))

if __name__ == "__main__":
    main()
