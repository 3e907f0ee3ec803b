"""Answers to the exercises of chapter 10, right and wrong."""

import math

import numpy as np
import torch
from scipy.spatial import cKDTree

from tests.check.answers import right, wrong

# count_updates(epochs, n, batch_size)


def count_in_a_loop(epochs, n, batch_size):
    return sum(len(range(0, n, batch_size)) for _ in range(epochs))


right("count_updates", lambda e, n, b: e * math.ceil(n / b), lambda e, n, b: e * -(-n // b), count_in_a_loop)
wrong("count_updates", lambda e, n, b: e * (n // b), "smaller batch", "round up")
wrong("count_updates", lambda e, n, b: e * round(n / b), "not to the nearest number")
wrong("count_updates", lambda e, n, b: e * int(n / b + 0.5), "not to the nearest number")
wrong("count_updates", lambda e, n, b: e * n / b, "a last batch of its own")
wrong("count_updates", lambda e, n, b: e * n // b, "a last batch of its own")
wrong("count_updates", lambda e, n, b: math.ceil(e * n / b), "a last batch of its own")
wrong("count_updates", lambda e, n, b: math.ceil(n / b), "one epoch")
wrong("count_updates", lambda e, n, b: e * n, "points that are shown")
wrong("count_updates", lambda e, n, b: e, "number of epochs")
wrong("count_updates", lambda e, n, b: e * (n // b) + 1, "is counted once")
wrong("count_updates", lambda e, n, b: e * n * b, "multiplied by the batch size")
wrong("count_updates", lambda e, n, b: n % b, "left over")
wrong("count_updates", lambda e, n, b: e * (n % b), "left over")
wrong("count_updates", lambda e, n, b: [e * math.ceil(n / b)], "still in a tensor")
wrong("count_updates", lambda e, n, b: e * (n // b + 1), "a batch too many", "nothing is left over")


# power(updates, loss, floor)


def fit(x, y):
    return np.polyfit(np.asarray(x), np.asarray(y), 1)[0]


def by_normal_equations(updates, loss, floor):
    design = torch.stack([torch.ones_like(updates), updates.log()], dim=1)
    return -torch.linalg.lstsq(design, (loss - floor).log()[:, None]).solution[1, 0]


def through_the_origin(updates, loss, floor):
    x, y = updates.log(), (loss - floor).log()
    return -(x * y).sum() / (x * x).sum()


def first_to_last(updates, loss, floor):
    return math.log((loss[0] - floor) / (loss[-1] - floor)) / math.log(updates[-1] / updates[0])


right(
    "power",
    lambda u, loss, floor: -fit(u.log(), (loss - floor).log()),
    lambda u, loss, floor: -fit(u.log10(), (loss - floor).log10()),
    by_normal_equations,
)
wrong("power", lambda u, loss, floor: -fit(u.log(), loss.log()), "floor is not subtracted")
wrong("power", lambda u, loss, floor: fit(u.log(), loss.log()), "floor is not subtracted")
wrong("power", lambda u, loss, floor: fit(u.log(), (loss - floor).log()), "sign is wrong")
wrong("power", lambda u, loss, floor: -fit((loss - floor).log(), u.log()), "swapped")
wrong("power", lambda u, loss, floor: -fit(u, (loss - floor).log()), "of the updates too")
wrong("power", lambda u, loss, floor: -fit(u.log(), loss - floor), "of the excess too")
wrong("power", first_to_last, "first and the last")
wrong("power", through_the_origin, "through the origin", "log C")


# copy_ratio(samples, train, unseen)


def nearest(x, train):
    return torch.cdist(x, train).min(dim=-1).values


def copy_by_tree(samples, train, unseen):
    others = [cKDTree(x.numpy()).query(samples.numpy())[0].mean() for x in unseen]
    return cKDTree(train.numpy()).query(samples.numpy())[0].mean() / np.mean(others)


right("copy_ratio", lambda s, x, u: nearest(s, x).mean() / nearest(s, u).mean(), copy_by_tree)
wrong("copy_ratio", lambda s, x, u: nearest(s, u).mean() / nearest(s, x).mean(), "turned round")
wrong("copy_ratio", lambda s, x, u: nearest(s, x).mean(), "divide by that to the unseen")
wrong("copy_ratio", lambda s, x, u: nearest(s, u).mean(), "unseen sets alone")
wrong("copy_ratio", lambda s, x, u: nearest(s, x).mean() - nearest(s, u).mean(), "difference")
wrong("copy_ratio", lambda s, x, u: torch.cdist(s, x).mean() / torch.cdist(s, u).mean(), "to all points")
wrong("copy_ratio", lambda s, x, u: nearest(x, s).mean() / nearest(u, s).mean(), "of each sample")
wrong("copy_ratio", lambda s, x, u: (nearest(s, x) ** 2).mean() / (nearest(s, u) ** 2).mean(), "squares")
wrong("copy_ratio", lambda s, x, u: nearest(s, x).mean() / nearest(s, u.flatten(0, 1)).mean(), "thrown together")
wrong("copy_ratio", lambda s, x, u: nearest(s, x).mean() / nearest(s, u[0]).mean(), "one unseen set")
wrong("copy_ratio", lambda s, x, u: (nearest(s, x) / nearest(s, u).mean(0)).mean(), "means first")
wrong("copy_ratio", lambda s, x, u: nearest(s, x).min() / nearest(s, u).min(), "one nearest pair")
wrong("copy_ratio", lambda s, x, u: nearest(s, x).sum() / nearest(s, u).sum(), "sums")


# copier_gap: a number

right("copier_gap", 50, 50.0, (0.1 / 0.01) ** 2 / 2)
wrong("copier_gap", 0.1**2 / 0.01**2, "over the two coordinates")
wrong("copier_gap", 0.1 / 0.01, "square the distance")
wrong("copier_gap", 0.1**2 / 2, "divide by the noise level")
