"""Answers to the exercises of chapter 1, right and wrong."""

import math

import numpy as np
import torch

from statesdiff.data import outline_points, states
from tests.check.answers import right, wrong

# standardise(x)

right(
    "standardise",
    lambda x: (x - x.mean(0)) / x.std(0),
    lambda x: (x - x.mean(dim=0)) / x.std(dim=0, correction=0),
    lambda x: (x.numpy() - x.numpy().mean(0)) / x.numpy().std(0),
)
wrong("standardise", lambda x: (x - x.mean(0)) / x.var(0), "divided by the variance", "square root")
wrong("standardise", lambda x: x - x.mean(0), "not divided by the standard deviation")
wrong("standardise", lambda x: x / x.std(0), "mean is not subtracted")
wrong("standardise", lambda x: (x - x.mean()) / x.std(), "one mean and one deviation for both")
wrong("standardise", lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True), "use dim 0")
wrong("standardise", lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True, correction=0), "use dim 0")
wrong("standardise", lambda x: (x - x.mean(0)) * x.std(0), "you multiplied")
wrong("standardise", lambda x: x / x.std(0) - x.mean(0), "divided first")
wrong("standardise", lambda x: (x - x.mean(0)) / x.square().mean(0).sqrt(), "root mean square")
wrong("standardise", lambda x: x.mean(0), "one number a column")
wrong("standardise", lambda x: x.std(0), "one number a column")
wrong("standardise", lambda x: ((x - x.mean(0)) / x.std(0)).T, "this is the transpose")
wrong("standardise", lambda x: (x - x.mean(0)) / x.std(0) + 3, "an added constant, 3")
wrong("standardise", lambda x: (x.mean(0) - x) / x.std(0), "right up to the sign")
wrong("standardise", lambda x: (x - x.mean(0)) / x.std(0) / 2, "a factor, 1/2")
wrong(
    "standardise",
    lambda x: torch.stack([x[:, 0], (x[:, 1] - x[:, 1].mean()) / x[:, 1].std()], 1),
    "in column 1, wrong in",
)


def standardise_in_place(x):
    x -= x.mean(0)
    x /= x.std(0)
    return x


def standardise_without_return(x):
    x = (x - x.mean(0)) / x.std(0)


wrong("standardise", standardise_in_place, "`x` was overwritten")
wrong("standardise", standardise_without_return, "returned None", "`return` missing")


# mean_distance(samples, real)


def all_pairs(a, b):
    return (a[:, None] - b[None]).square().sum(2).sqrt()


right(
    "mean_distance",
    lambda samples, real: all_pairs(samples, real).min(1).values.mean(),
    lambda samples, real: np.mean([min(math.dist(s, r) for r in real.tolist()) for s in samples.tolist()]),
)
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(0).values.mean(), "from each real point", "coverage")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).square().min(1).values.mean(), "squared distances", "square root")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).mean(), "mean over all pairs")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1).values.sum(), "the sum over the samples")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).max(1).values.mean(), "farthest")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1).values, "one distance per sample")
wrong("mean_distance", lambda s, r: torch.cdist(s, r, p=1).min(1).values.mean(), "straight line")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1).values.square().mean().sqrt(), "root of the mean square")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(), "one nearest pair")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1).values.median(), "the median")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).argmin(1), "how far they are")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).argmin(1).float().mean(), "how far they are")
wrong("mean_distance", lambda s, r: (s - r).norm(dim=1).min(), "your function raised RuntimeError")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1), "expected numbers")  # values and indices


# coverage(samples, target, radius)

right(
    "coverage",
    lambda samples, target, radius: (all_pairs(target, samples).min(1).values <= radius).float().mean(),
    lambda samples, target, radius: (torch.cdist(samples, target) <= radius).any(0).double().mean().item(),
)
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(1).values <= r).float().mean(), "measured from the samples")
wrong("coverage", lambda s, m, r: 100 * (torch.cdist(s, m).min(0).values <= r).float().mean(), "percent")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(0).values > r).float().mean(), "NOT covered")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(0).values <= r).sum(), "number of covered points")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m) <= r).float().mean(), "share of all pairs")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).square().min(0).values <= r).float().mean(), "squared distances")
wrong("coverage", lambda s, m, r: torch.cdist(s, m).min(0).values <= r, "the mean is missing")
wrong("coverage", lambda s, m, r: torch.cdist(s, m).min(0).values.mean(), "this is the mean distance")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m) <= r).any(0)[:, None], "the mean is missing")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m) <= r).any(0).float().mean(0, keepdim=True), "still in a tensor")


# fewest_points: what is handed in are 1,000 samples


def spread(count):
    """Evenly spaced points of the outline, repeated."""
    points = outline_points(count)
    return points[torch.arange(1000) * len(points) // 1000]


def greedy():
    """The next point is always the one that reaches most of what is left."""
    target = outline_points(3000)
    near = (torch.cdist(target, target) < 0.048).float()
    left, chosen = torch.ones(len(target)), []
    while left.mean() > 0.03:
        chosen.append((near @ left).argmax())
        left *= 1 - near[chosen[-1]]
    centres = target[torch.stack(chosen)]
    nearest = torch.cdist(outline_points(1000), centres).argmin(dim=1)
    return torch.cat([centres, centres[nearest[torch.linspace(0, 999, 1000 - len(centres)).long()]]])


right("fewest_points", spread(280), greedy())
wrong("fewest_points", states(200, seed=7).x, "at most 300", "different points among 1,000 that pass")
wrong("fewest_points", spread(200), "200 different points, but not accepted", "coverage")
wrong("fewest_points", states().x[:1000], "not accepted", "EMD", "coverage")
wrong("fewest_points", outline_points(280), "1,000 points of the plane", "(280, 2)")
wrong("fewest_points", torch.full((1000, 2), math.nan), "1,000 of your 1,000 points are NaN or infinite")
wrong("fewest_points", torch.cat([spread(280)[1:], torch.tensor([[0, math.inf]])]), "1 of your 1,000 points are NaN")
