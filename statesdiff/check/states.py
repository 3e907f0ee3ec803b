"""Self-checks of chapter 1: standardisation, and two of the rulers by which samples are judged."""

from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor

from statesdiff import metrics
from statesdiff.check.lines import FindTheLine
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, judge
from statesdiff.data import along, outline_points, outlines, states
from statesdiff.rng import stream


def standardise(f: Callable[[Tensor], Tensor]) -> Verdict:
    """f(x (N, 2)) -> x with mean 0 and variance 1 in each coordinate."""
    x = torch.randn(500, 2, generator=stream("check")) * torch.tensor([3.0, 0.5]) + torch.tensor([-90.0, 40.0])
    mean, std = x.mean(0), x.std(0, correction=0)
    wrong = {
        "the spread is not 1: you divided by the variance, not by its square root": (x - mean) / std**2,
        "the means are 0, but you have not divided by the standard deviation": x - mean,
        "you divided, but the mean is not subtracted": x / std,
        "you multiplied by the standard deviation: divide by it": (x - mean) * std,
        "you divided first: subtract the mean, then divide": x / std - mean,
        "you divided by the root mean square: the mean is not subtracted there": (x - mean) / x.square().mean(0).sqrt(),
        "this is one number a column: return the points": [mean, std],
        "one mean and one deviation for both coordinates: average over dim 0, the points": (x - x.mean()) / x.std(),
        "you averaged over the two coordinates of each point: use dim 0, the points": [
            (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True, correction=correction) for correction in (0, 1)
        ],
    }
    praise = "mean 0 and variance 1, one coordinate at a time"
    return judge(f, (x,), (x - mean) / std, wrong, praise, rtol=3e-3)  # either convention, N or N - 1


def mean_distance(f: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """f(samples (n, D), real (m, D)) -> mean distance from a sample to its nearest real point."""
    g = stream("check")
    samples, real = torch.randn(40, 2, generator=g), torch.randn(60, 2, generator=g) + 0.5
    pair = torch.cdist(samples, real)
    wrong = {
        "you measured from each real point to its nearest sample; that is coverage's direction": pair.min(
            0
        ).values.mean(),
        "these are squared distances: a square root is missing": pair.min(1).values.square().mean(),
        "this is the mean over all pairs; take the nearest real point first": pair.mean(),
        "this is the sum over the samples; take the mean": pair.min(1).values.sum(),
        "this is the farthest real point of each sample; take the nearest": pair.max(1).values.mean(),
        "these are differences along the axes, added up: take the straight line": torch.cdist(samples, real, p=1)
        .min(1)
        .values.mean(),
        "this is the root of the mean square: take the mean of the distances": pair.min(1)
        .values.square()
        .mean()
        .sqrt(),
        "this is the one nearest pair: take the nearest for each sample, then the mean": pair.min(),
        "this is the median: take the mean": pair.min(1).values.median(),
        "these are which points are nearest: take how far they are": [pair.argmin(1), pair.argmin(1).double().mean()],
        "one distance per sample; the mean over the samples is missing": pair.min(1).values,
    }
    return judge(f, (samples, real), pair.min(1).values.mean(), wrong, "each sample finds its nearest real point")


def coverage(f: Callable[[Tensor, Tensor, float], Tensor]) -> Verdict:
    """f(samples (n, D), target (M, D), radius) -> share of the target points with a sample within the radius."""
    g, radius = stream("check"), 0.3
    samples, target = torch.randn(40, 2, generator=g), torch.randn(90, 2, generator=g) * 1.5
    pair = torch.cdist(target, samples)
    share = (pair.min(1).values <= radius).double().mean()
    wrong = {
        "you measured from the samples; coverage asks each point of the target": (pair.min(0).values <= radius)
        .double()
        .mean(),
        "this is in percent: return a share between 0 and 1": 100 * share,
        "this is the share that is NOT covered": 1 - share,
        "this is the number of covered points: divide by how many there are": share * len(target),
        "this is the share of all pairs that are close: one close sample is enough": (pair <= radius).double().mean(),
        "one True or False a point: the mean is missing, which is the share": pair.min(1).values <= radius,
        "this is the mean distance from the target: ask how often it is within the radius": pair.min(1).values.mean(),
        "these are squared distances compared with the radius": (pair.min(1).values ** 2 <= radius).double().mean(),
    }
    return judge(f, (samples, target, radius), share, wrong, "the share of the outline with a sample nearby")


def _on_outline(state: Tensor, place: Tensor) -> Tensor:
    """For each point (n,) its state, and how far along that outline it lies, 0 to 1 -> (n, 2)."""
    x = torch.empty(len(state), 2)
    for k, rings in enumerate(outlines()):
        x[state == k] = along(rings, place[state == k]).float()
    return x


broken_map = FindTheLine(
    source="""
def sample(n, rng):
    state = torch.randint(5, (n,), generator=rng)
    place = torch.rand(n, generator=rng)
    x = on_outline(state, place)
    jitter = 0.0175 * torch.randn(n, 2, generator=rng)
    return x + jitter
""",
    faults={
        "A": (5, "jitter = 0.175 * torch.randn(n, 2, generator=rng)"),
        "B": (3, "place = torch.rand(n, generator=rng) / 2"),
        "C": (2, "state = torch.randint(4, (n,), generator=rng)"),
    },
    innocent={
        1: "it names what is passed",
        2: "it decides which states are drawn, and how often; that leaves every point on an outline, and what is "
        "drawn is drawn whole",
        ("B", 2): "with one of five states missing, the coverage would fall by a fifth; here it falls by far more",
        3: "it decides where along an outline the points lie; that leaves every point on its outline",
        ("C", 3): "with a stretch of each outline missing, earth would be moved within a state; here it goes further",
        4: "it puts a point on its outline; a fault there would show in the distance at once, and by more than this",
        5: "it decides how far from the outline the points lie, and here the distance is at its floor",
        6: "it adds the jitter to the points; without it the distance would be 0",
    },
    praise={
        "A": "the distance is many times its floor, for the bands are ten times as wide",
        "B": "half of each outline is never drawn: the coverage is halved, and the distance cannot see it",
        "C": "a fifth of the outline has no sample, and the earth that is missing there comes from far",
    },
    names={"on_outline": _on_outline},
)


COUNT = 1000  # samples in a set


def _four_rulers(samples: Tensor) -> dict[str, float]:
    """NLL, EMD, distance and coverage of 1,000 samples; the EMD is the mean against three fresh sets."""
    pool = states(20_000, seed=2).x
    holes = [pool[torch.randperm(len(pool), generator=stream("holes", k))[:COUNT]] for k in range(3)]
    return {
        "NLL": metrics.nll(samples, states().x),
        "EMD": sum(metrics.emd(samples, real) for real in holes) / len(holes),
        "distance": metrics.mean_distance(samples, outline_points()),
        "coverage": metrics.coverage(samples, outline_points()),
    }


@cache
def _ranges() -> dict[str, tuple[float, float]]:
    """What each ruler accepts: so wide about the mean of three sets of real points that others of that size pass."""
    pool = states(20_000, seed=1).x
    real = [pool[torch.randperm(len(pool), generator=stream("real", k))[:COUNT]] for k in range(3)]
    cards = [_four_rulers(points) for points in real]
    floor = {name: sum(card[name] for card in cards) / len(cards) for name in cards[0]}
    return {
        "NLL": (floor["NLL"] - 0.04, floor["NLL"] + 0.04),
        "EMD": (0.0, 1.5 * floor["EMD"]),
        "distance": (0.0, 1.2 * floor["distance"]),
        "coverage": (floor["coverage"] - 0.02, 1.0),
    }


def _different(samples: Tensor) -> int:
    """How many different points there are among samples that all four rulers accept."""
    samples = torch.as_tensor(samples).detach().float()
    if samples.shape != (COUNT, 2):
        raise AgainstTheRules(f"hand in {COUNT:,} points of the plane, ({COUNT}, 2); yours are {tuple(samples.shape)}")
    if lost := int((~samples.isfinite()).any(dim=1).sum()):
        raise AgainstTheRules(f"{lost:,} of your {COUNT:,} points are NaN or infinite")
    found = _four_rulers(samples)
    objections = [
        f"{name} {found[name]:.3f}, accepted is {low:.3f} to {high:.3f}"
        for name, (low, high) in _ranges().items()
        if not low <= found[name] <= high
    ]
    if objections:
        raise AgainstTheRules(
            f"{len(samples.unique(dim=0))} different points, but not accepted: " + "; ".join(objections)
        )
    return len(samples.unique(dim=0))


fewest_points = ScoreToBeat(_different, "different points among 1,000 that pass", target=300, best=212, tolerance=0.02)
