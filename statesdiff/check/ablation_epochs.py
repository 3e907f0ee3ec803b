"""Self-checks of chapter 10: updates in an epoch, how fast an excess falls, when to stop, samples that are copies."""

from collections.abc import Callable
from copy import deepcopy
from math import inf
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.rng import stream
from statesdiff.training import decay_at


def count_updates(f: Callable[[int, int, int], int]) -> Verdict:
    """f(epochs, n, batch_size) -> the updates of a data loader: every epoch ends with the batch that is left over."""
    epochs, n, batch_size = 7, 1000, 64
    one_too_many = {
        "a batch too many in each epoch: when n is a multiple of the batch size, nothing is left over": epochs * 17
    }
    rounded = {"a small batch that is left over is a batch, too: round up, not to the nearest number": epochs * 10}
    return first_failing(
        "the unit of work is the update, not the epoch",
        lambda: judge(
            f, (epochs, n, batch_size), epochs * -(-n // batch_size), _wrong_updates(epochs, n, batch_size), rtol=1e-5
        ),
        lambda: judge(f, (epochs, 1024, batch_size), epochs * 16, one_too_many, rtol=1e-5),
        lambda: judge(f, (epochs, n, 96), epochs * 11, rounded, rtol=1e-5),
    )


def _wrong_updates(epochs: int, n: int, batch_size: int) -> dict[str, Any]:
    return {
        "the last, smaller batch of each epoch is missing: round up, not down": epochs * (n // batch_size),
        "the batch that is left over is counted once: each epoch ends with its own": float(
            epochs * (n // batch_size) + 1
        ),
        "you multiplied by the batch size: divide n by it": epochs * n * batch_size,
        "this is the batch that is left over": [n % batch_size, epochs * (n % batch_size)],
        "each epoch has a last batch of its own: round up before you multiply by the epochs": [
            epochs * n / batch_size,
            float(epochs * n // batch_size),
            float(-(-epochs * n // batch_size)),
        ],
        "this is one epoch: multiply by their number": -(-n // batch_size),
        "these are the points that are shown: divide by the batch size": epochs * n,
        "this is the number of epochs: each of them makes many updates": epochs,
    }


def power(f: Callable[[Tensor, Tensor, float], float]) -> Verdict:
    """f(updates (k,), loss (k,), floor) -> p, by least squares in logarithms, if loss - floor falls as updates**-p."""
    updates, floor = 50 * 2.0 ** torch.arange(7, dtype=torch.float64), 0.53
    wobble = torch.tensor([0.10, -0.05, -0.12, 0.08, 0.06, -0.09, 0.02], dtype=torch.float64)
    excess = 2 * updates**-0.6 * wobble.exp()
    loss, x, y = excess + floor, updates.log(), excess.log()
    slope = _slope(x, y)
    wrong = {
        "the floor is not subtracted: the whole loss hardly falls": [_slope(x, loss.log()), -_slope(x, loss.log())],
        "the sign is wrong: p is positive when the excess falls": slope,
        "the axes are swapped: updates are the horizontal one": [-_slope(y, x), _slope(y, x)],
        "take the logarithm of both, of the updates too": [_slope(updates, y), -_slope(updates, y)],
        "take the logarithm of both, of the excess too": [_slope(x, excess), -_slope(x, excess)],
        "this is the slope between the first and the last point: let all of them count": -(y[-1] - y[0])
        / (x[-1] - x[0]),
        "this is a line through the origin: give it a constant, log C": [
            -(x * y).sum() / x.square().sum(),
            (x * y).sum() / x.square().sum(),
        ],
    }
    praise = "a straight line, once both axes are logarithmic and the floor is gone"
    return judge(f, (updates, loss, floor), -slope, wrong, praise)


def copy_ratio(f: Callable[[Tensor, Tensor, Tensor], float]) -> Verdict:
    """f(samples (n, 2), train (m, 2), unseen (K, m, 2)) -> how near samples are to training points, over others."""
    g = stream("check")
    train, unseen = torch.randn(40, 2, generator=g), torch.randn(5, 40, 2, generator=g)
    samples = train[torch.randint(40, (50,), generator=g)] + 0.1 * torch.randn(50, 2, generator=g)
    to_train, to_unseen = torch.cdist(samples, train), torch.cdist(samples, unseen)
    right, praise = to_train.amin(1).mean() / to_unseen.amin(2).mean(), "0 for copies, and 1 on average for whatever "
    praise += "does not know which set it was"
    return judge(f, (samples, train, unseen), right, _wrong_ratios(to_train, to_unseen), praise)


def _wrong_ratios(to_train: Tensor, to_unseen: Tensor) -> dict[str, Any]:
    """Of the distances (n, m) and (K, n, m)."""
    near, other = to_train.amin(1), to_unseen.amin(2)
    return {
        "the quotient is turned round: the distance to the training points belongs above": other.mean() / near.mean(),
        "this is a distance: divide by that to the unseen sets": near.mean(),
        "these are the unseen sets alone": other.mean(),
        "this is the difference: divide": [near.mean() - other.mean(), other.mean() - near.mean()],
        "these are mean distances to all points of a set: take the nearest one": to_train.mean() / to_unseen.mean(),
        "this asks how far each point of a set is from a sample: ask it of each sample": (
            to_train.amin(0).mean() / to_unseen.amin(1).mean()
        ),
        "these are squares: take the distances themselves": [
            near.square().mean() / other.square().mean(),
            (near.square().mean() / other.square().mean()).sqrt(),
        ],
        "the unseen sets are thrown together, and a larger set is nearer: take each by itself, then the mean": (
            near.mean() / to_unseen.amin((0, 2)).mean()
        ),
        "this is one unseen set: take the mean over all of them": [near.mean() / other[k].mean() for k in (0, -1)],
        "this is a mean of quotients, one for each sample: take the means first": (near / other.mean(0)).mean(),
        "this is the one nearest pair: take the nearest for each sample, then the mean": near.min() / other.min(),
        "these are sums: there are several unseen sets, so take means": near.sum() / other.sum(),
    }


copier_gap = OnPaper(
    50.0,
    {
        "this is the whole squared error: the loss is its mean over the two coordinates": 100.0,
        "square the distance in units of the noise level": [10.0, 5.0],
        "divide by the noise level: a place is wrong by r, and so is the noise by r / noise level": [0.005, 0.01],
    },
    "it takes the nearest training point for the origin, and all of the way to it for noise",
)

early_stopping = FindTheLine(
    source="""
def train(model, training, on_own, on_fresh, patience):
    average, kept, best, waited = deepcopy(model), None, inf, 0
    for step, _, _ in training:
        for mean, weight in zip(average.parameters(), model.parameters()):
            mean.data.lerp_(weight.data, 1 - decay_at(step, 0.99))
        if step % 50 > 0:
            continue
        loss = on_fresh(average)
        waited = waited + 1
        if loss < best:
            kept, best, waited = deepcopy(average), loss, 0
        if waited == patience:
            break
    return kept
""",
    faults={
        "A": (5, "mean.data.lerp_(weight.data, decay_at(step, 0.99))"),
        "B": (8, "loss = on_own(average)"),
        "C": (11, "kept, best, waited = average, loss, 0"),
    },
    innocent={
        1: "it names what is given",
        2: "it starts from the network as it is, from no network to return, and from a loss that anything beats",
        3: "it asks for one update after another; in the run without a fault it is the same line",
        4: "it pairs each weight of the average with its own in the network",
        5: "were the average wrong, the curve would be another one before the end, too",
        6: "it only says how often one looks, and all curves are looked at as often",
        7: "it only says how often one looks, and all curves are looked at as often",
        8: "it is the fresh points' loss that is drawn, and the training is seen to stop soon after it has turned",
        9: "it counts the looks since the best one, and the stop comes when it should",
        10: "less is better, and the best is seen to be found",
        11: "what is kept is what was best, so the star would stand elsewhere",
        12: "it is reached only by a loss that has not fallen for so many looks; see whether this one has",
        13: "it ends the training, where line 12 says so",
        14: "it returns what was kept; ask what was kept",
        (
            "B",
            9,
        ): "it counts the looks since the best one, and so many in a row without a better one never came: ask by "
        "what loss",
        ("B", 10): "less is better; ask whose loss is compared",
        ("C", 10): "the stop came in time, so the best was seen; ask what was kept",
        ("A", 8): "the right loss is looked at: ask why what is looked at jumps so",
        ("A", 11): "the star stands at the lowest look, as it should",
        ("B", 5): "the curve is as smooth as that of the right program, and the same as far as that goes",
        ("B", 11): "what is returned is what seemed best: ask to whom",
        ("C", 5): "the curve is that of the right program, all along",
    },
    praise={
        "A": "hardly anything of the average is kept at each step, so that it is as restless as the weights",
        "B": "on the network's own points the loss goes on falling, whatever happens to the others",
        "C": "this is a second name for the average, not a copy: it goes on changing after its best look",
    },
    names={"deepcopy": deepcopy, "inf": inf, "decay_at": decay_at},
)


def _slope(x: Tensor, y: Tensor) -> Tensor:
    """The slope of the line that fits y to x by least squares."""
    x, y = x - x.mean(), y - y.mean()
    return (x * y).sum() / x.square().sum()
