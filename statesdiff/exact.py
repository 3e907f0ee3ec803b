"""Closed forms for a finite data set: the ideal denoiser and the smallest loss that any network can reach."""

from collections.abc import Sequence

import torch
from torch import Tensor

from statesdiff.rng import randn
from statesdiff.schedule import NoiseSchedule, per_sample

MAX_PAIRS = 4_000_000  # pairs of points held at once: 16 MB a float32 matrix, whatever the sizes


class IdealDenoiser:
    """The exact noise predictor of the finite set `data` (N, D): eps_hat = E[eps | x_t] when x_0 is drawn from the set.

    With `jitter` > 0, x_0 is a point of the set plus Gaussian noise of that standard deviation, in units of x. So
    `IdealDenoiser(outline_points(4000), schedule, jitter=JITTER)` knows the distribution of STATES, not just a draw.

    Callable like any noise predictor, x_t (B, D), t in 1..T, scalar or (B,) -> (B, D). Needs no training and costs one pass
    over the data for every x_t. Memory is bounded by `MAX_PAIRS`, whatever B and N are.
    """

    def __init__(self, data: Tensor, schedule: NoiseSchedule, jitter: float = 0.0) -> None:
        if data.ndim != 2 or len(data) == 0 or not data.isfinite().all():
            raise ValueError(f"data must be a non-empty, finite tensor of shape (N, D), got {tuple(data.shape)}")
        if not 0 <= jitter < float("inf"):
            raise ValueError(f"jitter must be a standard deviation >= 0, got {jitter}")
        self.data, self.schedule, self.jitter, self.T = data, schedule, jitter, schedule.T

    def posterior_mean(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """E[x_0 | x_t]: the data, weighted by N(x_t; sqrt(alpha_bar_t) x_i, (1 - alpha_bar_t) I). (B, D).

        With jitter j and noise n per unit of signal, the weights have variance n^2 + j^2, and the mean m of the data moves
        by j^2 / (n^2 + j^2) towards x_t / sqrt(alpha_bar_t): two Gaussian statements about x_0, combined.
        """
        if x_t.ndim != 2 or x_t.shape[1] != self.data.shape[1]:
            raise ValueError(f"x_t must have shape (B, {self.data.shape[1]}), got {tuple(x_t.shape)}")
        alpha_bar = per_sample(self.schedule.alpha_bar, t, x_t.double()).expand(len(x_t), 1)
        if (alpha_bar == 1).any():
            raise ValueError("t must be at least 1: at t = 0 there is no noise to predict")
        rows = max(1, MAX_PAIRS // len(self.data))
        data, query = self.data.to(x_t), x_t / alpha_bar.sqrt().to(x_t)  # compare in the units of x_0
        variance = (1 - alpha_bar) / alpha_bar + self.jitter**2
        precision, share = (1 / variance).to(x_t), (self.jitter**2 / variance).to(x_t)
        mean = torch.empty_like(x_t)
        for i in range(0, len(x_t), rows):
            square = torch.cdist(query[i : i + rows], data, compute_mode="donot_use_mm_for_euclid_dist").square_()
            mean[i : i + rows] = square.mul_(-0.5 * precision[i : i + rows]).softmax(dim=1) @ data
        return mean + share * (query - mean)

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        alpha_bar = per_sample(self.schedule.alpha_bar, t, x_t.double())
        mean = self.posterior_mean(x_t, t)
        return (x_t - alpha_bar.sqrt().to(x_t) * mean) / (1 - alpha_bar).sqrt().to(x_t)


@torch.no_grad()
def loss_per_t(
    predictor, x_0: Tensor, schedule: NoiseSchedule, times: Sequence[int], *, generator: torch.Generator | None = None
) -> Tensor:
    """The denoising loss E |eps - eps_hat(x_t, t)|^2 per coordinate at each time, estimated on x_0 (N, D) -> (len(times),).

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
