"""Twisted sequential Monte Carlo: guided samples with weights that take back what the guidance got wrong.

L. Wu et al. 2023, "Practical and asymptotically exact conditional sampling in diffusion models", arXiv:2306.17775.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from statesdiff.inverse import Twist, guided_noise, reverse_step
from statesdiff.measurements import Measurement
from statesdiff.rng import randn
from statesdiff.samplers import ddim_times
from statesdiff.schedule import NoiseSchedule, check_T


class Twisting(Protocol):
    """A guided predictor that can say what it takes log p(y | x_t) to be: `MeasurementGuidance`, `ExactPosterior`."""

    measurement: Measurement
    scale: float

    def twist(self, x_t: Tensor, t: int | Tensor) -> Twist:
        """The noise without y, log p(y | x_t) and its gradient."""


class Particles(NamedTuple):
    """Samples with weights at time t: x (P, D), log_weight (P,), and log p(y) as estimated from all times down to t."""

    t: int
    x: Tensor
    log_weight: Tensor
    log_evidence: float

    @property
    def effective(self) -> float:
        """The effective sample size (sum w)^2 / sum w^2, 1 to P."""
        return float(1 / self.log_weight.softmax(dim=0).square().sum())

    def draw(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n points without weights, (n, D): each particle about n times its share of the weight."""
        return self.x[systematic(self.log_weight, n, generator=generator)]


def systematic(log_weight: Tensor, n: int, *, generator: torch.Generator | None = None) -> Tensor:
    """n indices drawn in proportion to the weights, (n,), by one random number: the counts are n w rounded up or down.

    Raises ValueError for n < 1 or weights that are all zero or not numbers.
    """
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    ends = log_weight.double().softmax(dim=0).cumsum(dim=0)
    if not ends.isfinite().all():
        raise ValueError("the weights are all zero, or not numbers")
    at = (torch.arange(n) + torch.rand(1, generator=generator, dtype=torch.float64)) / n
    return torch.searchsorted(ends, at.to(ends.device), right=True).clamp(max=len(ends) - 1)


@torch.no_grad()
def twisted(
    guided: Twisting,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    steps: int | Sequence[int] = 50,
    threshold: float = 0.5,
    generator: torch.Generator | None = None,
) -> Iterator[Particles]:
    """Guided steps of `ddim` with eta = 1, weighted, and resampled where the weights are uneven: yields `Particles`.

    Whatever the guidance, the weighted particles tend with their number to what the unguided sampler would make with
    these steps, given y; exp(log_evidence) is an unbiased estimate of p(y) under it. They are resampled before a step
    if fewer than `threshold` of them are effective: 0 is never, 1 always. The last step, which has no noise, is not
    guided. A particle that the guidance has thrown out of the range of numbers has the weight 0. Raises ValueError for
    a threshold outside [0, 1] and as `ddim` does, FloatingPointError if all particles are lost.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"threshold must lie in [0, 1], got {threshold}")
    check_T(guided, schedule, "guided predictor")
    times, x = ddim_times(schedule.T, steps), x_T
    known = guided.twist(x, torch.tensor(times[0], device=x.device))
    now = Particles(times[0], x, known.log_likelihood.double(), 0.0)
    log_z = 0.0  # of the stretches between resamplings
    for s in times[1:]:
        yield now._replace(log_evidence=log_z + _log_mean(now.log_weight))
        if now.effective < threshold * len(x) or threshold == 1:
            log_z += _log_mean(now.log_weight)
            kept = systematic(now.log_weight, len(x), generator=generator)
            known = Twist(*(part[kept] for part in known))
            now = now._replace(x=now.x[kept], log_weight=torch.zeros_like(now.log_weight))
        now, known = _moved(guided, schedule, now, known, s, generator)
    yield now._replace(log_evidence=log_z + _log_mean(now.log_weight))


def _moved(
    guided: Twisting, schedule: NoiseSchedule, now: Particles, known: Twist, s: int, generator: torch.Generator | None
) -> tuple[Particles, Twist]:
    """One guided step to time s. The weight gains p(x_s | x_t) p(y | x_s) / (p_guided(x_s | x_t) p(y | x_t))."""
    mean, variance = reverse_step(schedule, now.x, now.t, s, known.eps_hat)
    if s == 0:
        gain = guided.measurement.log_likelihood(mean).double() - known.log_likelihood.double()
        return _weighted(0, mean, now.log_weight, gain), known
    led, _ = reverse_step(schedule, now.x, now.t, s, guided_noise(known, schedule, now.t, guided.scale))
    z = randn(*now.x.shape, generator=generator, device=now.x.device)
    shift = (led - mean) / variance**0.5  # in standard deviations of the step
    ratio = -(shift * (z + 0.5 * shift)).double().sum(dim=1)
    x = led + variance**0.5 * z
    kept = x.isfinite().all(dim=1)
    x = torch.where(kept[:, None], x, 0.0)
    after = guided.twist(x, torch.tensor(s, device=x.device))
    gain = ratio + after.log_likelihood.double() - known.log_likelihood.double()
    return _weighted(s, x, now.log_weight, torch.where(kept, gain, -math.inf)), after


def _weighted(t: int, x: Tensor, log_weight: Tensor, gain: Tensor) -> Particles:
    """Particles at time t, their weights multiplied by exp(gain): by 0 where that is no number."""
    log_weight = torch.where(gain.isfinite(), log_weight + gain, -math.inf)
    if (log_weight == -math.inf).all():
        raise FloatingPointError(f"all particles are lost at t = {t}: none has a weight above 0")
    return Particles(t, x, log_weight, 0.0)


def _log_mean(log_weight: Tensor) -> float:
    return float(log_weight.logsumexp(dim=0)) - math.log(len(log_weight))
