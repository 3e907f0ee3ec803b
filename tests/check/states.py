"""Answers to the exercises of chapter 1, right and wrong."""

import math

import numpy as np
import torch

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
