"""Self-checks of chapter 1: standardisation, and two of the rulers by which samples are judged."""

from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.check.verdict import Verdict, judge
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
