"""Self-checks of chapter 10: updates in an epoch, how fast an excess falls, and samples that are copies."""

from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.rng import stream


def count_updates(f: Callable[[int, int, int], int]) -> Verdict:
    """f(epochs, n, batch_size) -> the updates of a data loader: every epoch ends with the batch that is left over."""
    epochs, n, batch_size = 7, 1000, 64
    wrong = {
        "the last, smaller batch of each epoch is missing: round up, not down": epochs * (n // batch_size),
        "each epoch has a last batch of its own: round up before you multiply by the epochs": [
            epochs * n / batch_size,
            float(epochs * n // batch_size),
            float(-(-epochs * n // batch_size)),
        ],
        "this is one epoch: multiply by their number": -(-n // batch_size),
        "these are the points that are shown: divide by the batch size": epochs * n,
        "this is the number of epochs: each of them makes many updates": epochs,
    }
    one_too_many = {
        "a batch too many in each epoch: when n is a multiple of the batch size, nothing is left over": epochs * 17
    }
    return first_failing(
        "the unit of work is the update, not the epoch",
        lambda: judge(f, (epochs, n, batch_size), epochs * -(-n // batch_size), wrong, rtol=1e-5),
        lambda: judge(f, (epochs, 1024, batch_size), epochs * 16, one_too_many, rtol=1e-5),
    )


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
    """f(samples (n, 2), train (m, 2), fresh (n, 2)) -> how near samples are to training points, over fresh ones."""
    g = stream("check")
    train, fresh = torch.randn(40, 2, generator=g), torch.randn(60, 2, generator=g)
    samples = train[torch.randint(40, (50,), generator=g)] + 0.1 * torch.randn(50, 2, generator=g)
    of_samples, of_fresh = torch.cdist(samples, train), torch.cdist(fresh, train)
    near, real = of_samples.amin(1), of_fresh.amin(1)
    wrong = {
        "the quotient is turned round: the samples belong above": real.mean() / near.mean(),
        "this is a distance: divide by that of the fresh points": near.mean(),
        "these are the fresh points alone": real.mean(),
        "this is the difference: divide": [near.mean() - real.mean(), real.mean() - near.mean()],
        "these are mean distances to all training points: take the nearest one": of_samples.mean() / of_fresh.mean(),
        "this asks how far each training point is from a sample: ask it of each sample": (
            of_samples.amin(0).mean() / of_fresh.amin(0).mean()
        ),
        "these are squares: take the distances themselves": [
            near.square().mean() / real.square().mean(),
            (near.square().mean() / real.square().mean()).sqrt(),
        ],
        "the samples are compared with the fresh points: compare both with the training points": (
            torch.cdist(samples, fresh).amin(1).mean() / real.mean()
        ),
        "this is the one nearest pair: take the nearest for each point, then the mean": near.min() / real.min(),
        "these are sums: with unequal numbers of points take means": near.sum() / real.sum(),
    }
    praise = "1 for new points, 0 for copies"
    return judge(f, (samples, train, fresh), near.mean() / real.mean(), wrong, praise)


def _slope(x: Tensor, y: Tensor) -> Tensor:
    """The slope of the line that fits y to x by least squares."""
    x, y = x - x.mean(), y - y.mean()
    return (x * y).sum() / x.square().sum()
