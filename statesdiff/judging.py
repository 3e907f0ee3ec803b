"""How the ablations judge a denoiser: the points it learnt from, how samples are drawn, and what is measured on them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import inf
from pathlib import Path

import torch
from sklearn.neighbors import KNeighborsClassifier
from torch import Tensor

from statesdiff import metrics
from statesdiff.data import STATE_NAMES, Dataset, load_states, outline_points, states
from statesdiff.guidance import ClassifierFreeGuidance
from statesdiff.models import Denoiser
from statesdiff.published import kernel_nll, total_emd
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.toys import TOYS, scaled, split, toy_split
from statesdiff.training import uniform_t

SAMPLERS = ("beta", "beta_tilde", "ddim")
N_EMD = 250  # points in one matching, as in the toy-set homework
DRAWS = 40  # matchings; the homework averages 5, whose mean still varies by a tenth: see chapter 8


@dataclass(frozen=True)
class Sampling:
    """How n samples are drawn: ancestrally with variance "beta" or "beta_tilde", or by "ddim" in `steps` steps with `eta`.

    With `scale`, by classifier-free guidance to labels drawn in the proportions of the data; 0 is unconditional, 1
    conditional. Raises ValueError for anything else.
    """

    sampler: str = "beta"
    steps: int | None = None
    eta: float = 0.0
    scale: float | None = None
    n: int = 2000

    def check(self, T: int, labelled: bool) -> None:
        """Raise ValueError, naming the field, if a network of T times, trained with labels or without, cannot do this."""
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler must be one of {', '.join(SAMPLERS)}; got {self.sampler!r}")
        if self.sampler == "ddim":
            if not (is_number(self.steps, int) and 1 <= self.steps <= T):
                raise ValueError(f"steps must be a whole number in 1..{T} for ddim, got {self.steps!r}")
        elif self.steps is not None or self.eta != 0:
            raise ValueError(f"steps and eta are for ddim, not {self.sampler!r}; got {self.steps!r} and {self.eta!r}")
        if not (is_number(self.n, int) and self.n >= 4 * N_EMD and is_number(self.eta) and 0 <= self.eta <= 1):
            needed = f"n must be a whole number >= {4 * N_EMD} and eta lie in [0, 1]"
            raise ValueError(f"{needed}, got {self.n!r} and {self.eta!r}")
        if self.scale is not None and not (is_number(self.scale) and abs(self.scale) < inf):
            raise ValueError(f"scale must be a finite number or None, got {self.scale!r}")
        if self.scale is not None and not labelled:
            raise ValueError(f"scale = {self.scale} needs a network trained with labels: labelled=True")

    def draw(self, model: Denoiser, schedule: NoiseSchedule, y: Tensor, seed: int) -> Tensor:
        """n samples, (n, D); y (n,) are the labels to guide to. Raises FloatingPointError if they explode."""
        generator = stream("sample", seed)
        predictor = model if self.scale is None else ClassifierFreeGuidance(model, y, self.scale)
        x_T = randn(self.n, model.D, generator=generator)
        if self.sampler == "ddim":
            return last(ddim(predictor, schedule, x_T, steps=self.steps, eta=self.eta, generator=generator))
        return last(ddpm(predictor, schedule, x_T, variance=self.sampler, generator=generator))


@dataclass(frozen=True)
class Points:
    """The points of one study: to train on, held out, and, where the distribution is known, fresh(n, seed)."""

    name: str
    train: Dataset
    held_out: Dataset
    fresh: Callable[[int, int], Dataset] | None = None


def points(data: str, scale: str = "minmax") -> Points:
    """A toy set by its name, "states" (in its own units), or the points of a .npy, 90% to train on and 10% held out.

    Raises ValueError or FileNotFoundError for anything else, ValueError for fewer than 10 N_EMD points: the tenth that is
    held out would be too small for the earth mover's distance.
    """
    if not isinstance(data, str):
        raise ValueError(f"data must be a name or the path of a .npy, as text; got {data!r}")
    path = Path(data)
    changed = path.stat().st_mtime_ns if path.suffix == ".npy" and path.is_file() else 0
    return _points(data, scale, changed)


@cache
def _points(data: str, scale: str, changed: int) -> Points:
    if data in TOYS:
        toy = toy_split(data, scale=scale)
        return Points(data, toy.train, toy.held_out, toy.fresh)
    if data == "states":
        return Points(
            data,
            _mixed(states(), 5000),
            _mixed(states(seed=1), 5000),
            lambda n, seed: _mixed(states(-(-n // 5), seed=2 + seed), n),
        )
    if not data.endswith(".npy"):
        raise ValueError(f"data must be one of {', '.join(TOYS)}, states, or the path of a .npy; got {data!r}")
    own = load_states(data, names=("all",))
    if len(own) < 10 * N_EMD:
        raise ValueError(f"{data}: needs at least {10 * N_EMD} points, has {len(own)}")
    return Points(Path(data).stem, *split(scaled(own, scale)))


def judge(samples: Tensor, known: Points, train: Tensor, seed: int) -> dict[str, float]:
    """Every measure of samples (n, D), n >= 4 N_EMD, that needs no labels; `train` are the points that were learnt from.

    In the homework's conventions: "NLL (kernel)" against the held-out points and "EMD (total)" of 250 to 250 of them, mean
    of DRAWS. In ours: "EMD", mean cost per point for 1,000 points against 1,000 fresh ones (or held out, if fewer);
    "to train", mean distance to the nearest training point. For STATES also precision and recall about the true outline.
    """
    real = known.held_out.x if known.fresh is None else known.fresh(1000, seed).x
    n = min(1000, len(real))
    found = {
        "NLL (kernel)": kernel_nll(samples, known.held_out.x),
        "EMD (total)": float(total_emd(samples, known.held_out.x, n=N_EMD, draws=DRAWS, seed=seed).mean()),
        "EMD": metrics.emd(samples[:n], real[:n]),
        "to train": metrics.mean_distance(samples, train),
    }
    return found | (_outline_measures(samples) if known.name == "states" else {})


def judge_labels(samples: Tensor, y: Tensor, known: Points, seed: int) -> dict[str, float]:
    """What needs labels: samples (n, D) that were drawn for the labels y (n,).

    "accuracy": the share that 15 nearest training points would label y; "EMD of a class (total)": for each class 250
    samples (fewer, if it has fewer) to as many fresh points, mean of DRAWS and of the classes.
    """
    vote = KNeighborsClassifier(15).fit(known.train.x.numpy(), known.train.y.numpy())
    fresh = (known.fresh(8000, seed) if known.fresh else known.held_out).of_class
    costs = [
        total_emd(samples[y == k], fresh(k), n=min(N_EMD, int((y == k).sum())), draws=DRAWS, seed=seed).mean()
        for k in range(len(known.train.names))
    ]
    right = torch.from_numpy(vote.predict(samples.numpy())) == y
    return {"accuracy": float(right.double().mean()), "EMD of a class (total)": float(sum(costs) / len(costs))}


def judged(
    model: Denoiser, schedule: NoiseSchedule, sampling: Sampling, known: Points, train: Tensor, seed: int
) -> dict[str, float]:
    """Draw samples of the model and judge them; no measures, which a table shows as NaN, if it or they diverged."""
    y = labels_like(known.train.y, sampling.n, seed)
    try:
        samples = sampling.draw(model, schedule, y, seed)
    except FloatingPointError:
        return {}
    found = judge(samples, known, train, seed) | denoising_losses(model, schedule, known, train, seed)
    return found | (judge_labels(samples, y, known, seed) if sampling.scale is not None else {})


@torch.no_grad()
def denoising_losses(
    model: Denoiser, schedule: NoiseSchedule, known: Points, train: Tensor, seed: int, n: int = 4000
) -> dict[str, float]:
    """The loss per coordinate, t uniform, on training points and on fresh (or held-out) ones: their gap is over-fitting.

    n points of each, with the same times and noise, so that the gap is known better than either.
    """
    fresh = known.held_out.x if known.fresh is None else known.fresh(n, seed).x
    found = {}
    for name, x in (("loss (train)", train), ("loss (fresh)", fresh)):
        generator = stream("loss", seed)
        t, eps = uniform_t(schedule.T, n, generator), randn(n, x.shape[1], generator=generator)
        x_0 = x[torch.randint(len(x), (n,), generator=generator)]
        found[name] = float((model(schedule.q_sample(x_0, t, eps), t) - eps).square().mean())
    return found


def floor(known: Points, sampling: Sampling, seed: int) -> dict[str, float]:
    """The same measures of real points: fresh ones, or training points of a set whose distribution is not known."""
    if known.fresh is None:
        rows = torch.randint(len(known.train), (sampling.n,), generator=stream("floor", seed))
        x, y = known.train.x[rows], known.train.y[rows]
    else:
        real = known.fresh(sampling.n, 1000 + seed)
        x, y = real.x, real.y
    found = judge(x, known, known.train.x, seed)
    return found | (judge_labels(x, y, known, seed) if sampling.scale is not None else {})


def is_number(value: object, kind: type = float) -> bool:
    """Whether the value is a whole number (`int`) or any number (`float`); True and False are neither, nor is text."""
    return isinstance(value, int if kind is int else (int, float)) and not isinstance(value, bool)


def labels_like(y: Tensor, n: int, seed: int) -> Tensor:
    """n labels in the proportions of y, (n,)."""
    return y[torch.randint(len(y), (n,), generator=stream("labels", seed))]


def _outline_measures(samples: Tensor) -> dict[str, float]:
    shares = [metrics.coverage(samples, outline_points(1000, label=k)) for k in range(len(STATE_NAMES))]
    return {
        "distance": metrics.mean_distance(samples, outline_points()),
        "coverage": sum(shares) / len(shares),
        "lowest coverage": min(shares),
    }


def _mixed(data: Dataset, n: int) -> Dataset:
    order = torch.randperm(len(data), generator=stream("mix", len(data)))[:n]
    return Dataset(data.x[order], data.y[order])
