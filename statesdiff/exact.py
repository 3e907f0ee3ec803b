"""Closed forms for a finite data set: the ideal denoiser, the class posterior, and the smallest loss of any network."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from statesdiff.labels import labels_of
from statesdiff.rng import randn
from statesdiff.schedule import NoiseSchedule, per_sample

MAX_PAIRS = 4_000_000  # pairs of points held at once: 16 MB a float32 matrix, whatever the sizes


class IdealDenoiser:
    """The exact noise predictor of the finite set `data` (N, D): eps_hat = E[eps | x_t] when x_0 is drawn from the set.

    With `jitter` > 0, x_0 is a point of the set plus Gaussian noise of that standard deviation, in units of x. So
    `IdealDenoiser(outline_points(4000), schedule, jitter=JITTER)` knows the distribution of STATES, not just a draw.
    With labels `y` (N,), 0..K-1, it also knows the classes: every method but `log_posterior` then takes a label, one or
    one a row, and speaks of the points of that class alone.

    Callable like any noise predictor, x_t (B, D), t in 1..T, scalar or (B,) -> (B, D). Needs no training and costs
    one pass over the data for every x_t. Memory is bounded by `MAX_PAIRS`, whatever B and N are.
    """

    def __init__(self, data: Tensor, schedule: NoiseSchedule, jitter: float = 0.0, y: Tensor | None = None) -> None:
        if data.ndim != 2 or len(data) == 0 or not data.isfinite().all():
            raise ValueError(f"data must be a non-empty, finite tensor of shape (N, D), got {tuple(data.shape)}")
        if not 0 <= jitter < float("inf"):
            raise ValueError(f"jitter must be a standard deviation >= 0, got {jitter}")
        wrong = y is not None and (y.shape != data.shape[:1] or y.dtype != torch.int64)
        if wrong or (y is not None and (y.min() < 0 or y.max() >= len(y.unique()))):
            raise ValueError(
                f"y must be {len(data)} int64 labels that use all of 0..K-1, got {tuple(y.shape)} {y.dtype}"
            )
        self.data, self.schedule, self.jitter, self.T = data, schedule, jitter, schedule.T
        self.classes = [] if y is None else [data[y == k] for k in range(int(y.max()) + 1)]

    def __call__(self, x_t: Tensor, t: int | Tensor, y: int | Tensor | None = None) -> Tensor:
        alpha_bar = per_sample(self.schedule.alpha_bar, t, x_t.double())
        if (alpha_bar == 1).any():
            raise ValueError("t must be at least 1: at t = 0 there is no noise to predict")
        mean = self.posterior_mean(x_t, t, y)
        return (x_t - alpha_bar.sqrt().to(x_t) * mean) / (1 - alpha_bar).sqrt().to(x_t)

    def posterior_mean(self, x_t: Tensor, t: int | Tensor, y: int | Tensor | None = None) -> Tensor:
        """E[x_0 | x_t], or E[x_0 | x_t, y], (B, D): data by N(x_t; sqrt(alpha_bar_t) x_i, (1 - alpha_bar_t) I).

        With jitter j and noise n per unit of signal, the weights have variance n^2 + j^2, and the mean m of the data
        moves by j^2 / (n^2 + j^2) towards x_t / sqrt(alpha_bar_t): two Gaussian statements about x_0, combined.
        """

        def mean(data: Tensor, query: Tensor, variance: Tensor) -> Tensor:
            m = _by_rows(lambda exponent: exponent.softmax(dim=1) @ data, data, query, variance)
            return m + (self.jitter**2 / variance).to(m) * (query - m)

        return self._of_class(mean, x_t, t, y)

    def log_density(self, x_t: Tensor, t: int | Tensor, y: int | Tensor | None = None) -> Tensor:
        """log p_t(x_t), or log p_t(x_t | y), in nats: a mixture with a Gaussian at every point of the data. (B,)."""
        alpha_bar = per_sample(self.schedule.alpha_bar, t, x_t.double())

        def log_p(data: Tensor, query: Tensor, variance: Tensor) -> Tensor:
            log_sum = _by_rows(lambda exponent: exponent.logsumexp(dim=1, keepdim=True), data, query, variance)
            return log_sum - math.log(len(data)) - 0.5 * data.shape[1] * (2 * math.pi * variance).log().to(log_sum)

        volume = 0.5 * self.data.shape[1] * alpha_bar.log().to(x_t)  # x_t is the query, shrunk by sqrt(alpha_bar)
        return (self._of_class(log_p, x_t, t, y) - volume).squeeze(1)

    def log_posterior(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """log p(y | x_t) of every class, (B, K), by Bayes' rule; the prior is the share of each class in the data."""
        columns = [self.log_density(x_t, t, k) + math.log(len(points)) for k, points in enumerate(self._labelled())]
        return torch.stack(columns, dim=1).log_softmax(dim=1)

    def log_posterior_gradient(self, x_t: Tensor, t: int | Tensor, y: int | Tensor) -> Tensor:
        """grad log p(y | x_t) = grad log p_t(x_t | y) - grad log p_t(x_t), a difference of two scores. (B, D)."""
        return self.schedule.score(self(x_t, t, y) - self(x_t, t), t)

    def _of_class(self, f: Callable, x_t: Tensor, t: int | Tensor, y: int | Tensor | None) -> Tensor:
        """f(data, query, variance) with the data of each row's class, or with all; in the units of x_0."""
        if x_t.ndim != 2 or x_t.shape[1] != self.data.shape[1]:
            raise ValueError(f"x_t must have shape (B, {self.data.shape[1]}), got {tuple(x_t.shape)}")
        alpha_bar = per_sample(self.schedule.alpha_bar, t, x_t.double()).expand(len(x_t), 1)
        query, variance = x_t / alpha_bar.sqrt().to(x_t), (1 - alpha_bar) / alpha_bar + self.jitter**2
        if not (variance > 0).all():
            raise ValueError("t must be at least 1, or jitter positive: at t = 0 the density is a set of spikes")
        if y is None:
            return f(self.data.to(x_t), query, variance)
        labels = labels_of(y, len(x_t), len(self._labelled()))
        out = torch.empty(0)
        for k in labels.unique().tolist():
            rows = labels == k
            part = f(self.classes[k].to(x_t), query[rows], variance[rows])
            out = part.new_empty(len(x_t), part.shape[1]) if not len(out) else out
            out[rows] = part
        return out

    def _labelled(self) -> list[Tensor]:
        if not self.classes:
            raise ValueError("this IdealDenoiser knows no classes: build it with y, the label of every point")
        return self.classes


def _by_rows(f: Callable[[Tensor], Tensor], data: Tensor, query: Tensor, variance: Tensor) -> Tensor:
    """f(-|query - data|^2 / 2 variance) for a few rows of the query at a time, so that memory stays bounded."""
    rows, precision = max(1, MAX_PAIRS // len(data)), (1 / variance).to(query)
    parts = []
    for i in range(0, len(query), rows):
        square = torch.cdist(query[i : i + rows], data, compute_mode="donot_use_mm_for_euclid_dist").square()
        parts.append(f(square.mul_(-0.5 * precision[i : i + rows])))
    return torch.cat(parts)


def tilted_density(ideal: IdealDenoiser, grid: Tensor, t: int, y: int, scale: float) -> Tensor:
    """p_t(x) p(y | x)^scale at the points of a regular grid (G, D), normalised to sum to 1 over them; (G,).

    Divided by the area of a cell it is the density whose score guidance of that scale follows at time t: the score of
    p_t plus scale times the gradient of log p(y | x_t). scale = 1 is p_t(x | y). At t = 0 the `ideal` needs a jitter.
    Raises ValueError for a label that is not among the classes.
    """
    log_posterior = ideal.log_posterior(grid, t)
    labels = labels_of(y, *log_posterior.shape).to(grid.device)
    return (ideal.log_density(grid, t) + scale * log_posterior.gather(1, labels[:, None])[:, 0]).softmax(dim=0)


@torch.no_grad()
def loss_per_t(
    predictor, x_0: Tensor, schedule: NoiseSchedule, times: Sequence[int], *, generator: torch.Generator | None = None
) -> Tensor:
    """The loss E |eps - eps_hat(x_t, t)|^2 per coordinate at each time, estimated on x_0 (N, D) -> (len(times),).

    With an `IdealDenoiser` of the points that x_0 is drawn from this is the Bayes floor, which no network can go below.
    The same noise is used at all times, so that curves are smooth and predictors are compared on equal terms.
    """
    eps = randn(*x_0.shape, generator=generator, device=x_0.device)
    losses = []
    for t in times:
        eps_hat = predictor(schedule.q_sample(x_0, t, eps), torch.tensor(t))
        losses.append((eps - eps_hat).square().mean())
    return torch.stack(losses)


def bayes_loss(
    data: Tensor,
    schedule: NoiseSchedule,
    times: Sequence[int],
    *,
    n: int = 2000,
    generator: torch.Generator | None = None,
) -> Tensor:
    """The Bayes loss floor E |eps - E[eps | x_t]|^2 per coordinate, x_0 drawn from `data` (N, D) -> (len(times),).

    Estimated on n draws; the standard error is about the floor divided by sqrt(n). Raises ValueError if n < 1.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    x_0 = data[torch.randint(len(data), (n,), generator=generator)]
    return loss_per_t(IdealDenoiser(data, schedule), x_0, schedule, times, generator=generator)
