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
wrong("count_updates", lambda e, n, b: e * n / b, "a last batch of its own")
wrong("count_updates", lambda e, n, b: e * n // b, "a last batch of its own")
wrong("count_updates", lambda e, n, b: math.ceil(e * n / b), "a last batch of its own")
wrong("count_updates", lambda e, n, b: math.ceil(n / b), "one epoch")
wrong("count_updates", lambda e, n, b: e * n, "points that are shown")
wrong("count_updates", lambda e, n, b: e, "number of epochs")
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


# copy_ratio(samples, train, fresh)


def nearest(x, train):
    return torch.cdist(x, train).min(dim=1).values


def copy_by_tree(samples, train, fresh):
    tree = cKDTree(train.numpy())
    return tree.query(samples.numpy())[0].mean() / tree.query(fresh.numpy())[0].mean()


right("copy_ratio", lambda s, x, f: nearest(s, x).mean() / nearest(f, x).mean(), copy_by_tree)
wrong("copy_ratio", lambda s, x, f: nearest(f, x).mean() / nearest(s, x).mean(), "turned round")
wrong("copy_ratio", lambda s, x, f: nearest(s, x).mean(), "divide by that of the fresh")
wrong("copy_ratio", lambda s, x, f: nearest(f, x).mean(), "fresh points alone")
wrong("copy_ratio", lambda s, x, f: nearest(s, x).mean() - nearest(f, x).mean(), "difference")
wrong("copy_ratio", lambda s, x, f: torch.cdist(s, x).mean() / torch.cdist(f, x).mean(), "to all training points")
wrong("copy_ratio", lambda s, x, f: nearest(x, s).mean() / nearest(x, f).mean(), "of each sample")
wrong("copy_ratio", lambda s, x, f: (nearest(s, x) ** 2).mean() / (nearest(f, x) ** 2).mean(), "squares")
wrong("copy_ratio", lambda s, x, f: nearest(s, f).mean() / nearest(f, x).mean(), "compare both")
wrong("copy_ratio", lambda s, x, f: nearest(s, x).min() / nearest(f, x).min(), "one nearest pair")
wrong("copy_ratio", lambda s, x, f: nearest(s, x).sum() / nearest(f, x).sum(), "sums")
