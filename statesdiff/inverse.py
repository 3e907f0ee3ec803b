"""Inverse problems: draw x_0 given a measurement, with a noise predictor that was trained without it.

Gradient guidance makes a predictor of a predictor, as in `guidance`; replacement is a sampler, a generator as in
`samplers`. Samples with weights are in `particles`; what is exact for a finite data set is in `exact_posterior`.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from statesdiff.measurements import Measurement
from statesdiff.rng import randn
from statesdiff.samplers import NoisePredictor, ddim_times
from statesdiff.schedule import NoiseSchedule, check_T, per_sample


class Twist(NamedTuple):
    """What is known of y at x_t: the noise without it, eps_hat (B, D), log p(y | x_t) (B,), and its gradient (B, D)."""

    eps_hat: Tensor
    log_likelihood: Tensor
    gradient: Tensor


class MeasurementGuidance:
    """A noise predictor given y: eps_hat - scale sqrt(1 - alpha_bar_t) grad log p(y | x_0 ~ N(x_0_hat, r_t^2 I)).

    x_0_hat(x_t) is the predictor's own guess, and the gradient goes through it. data_variance = 0 takes the guess for
    the truth, r_t = 0: diffusion posterior sampling as it is derived, before its steps are normalised (Chung et al.
    2023, arXiv:2209.14687). A variance v > 0 takes r_t^2 = v (1 - alpha_bar_t) / (v alpha_bar_t + 1 - alpha_bar_t),
    the variance of x_0 given x_t for data N(0, v I), for which this is then exact; v = 1 is the choice of
    pseudoinverse guidance (J. Song et al. 2023).

    predictor(x_t, t) -> eps_hat (B, D), of all points or of one class. Raises ValueError for a predictor built for
    another T, a data_variance below 0 or a scale that is not finite.
    """

    def __init__(
        self,
        predictor: NoisePredictor,
        measurement: Measurement,
        schedule: NoiseSchedule,
        *,
        data_variance: float = 0.0,
        scale: float = 1.0,
    ) -> None:
        check_T(predictor, schedule, "predictor")
        if not 0 <= data_variance < float("inf"):
            raise ValueError(f"data_variance must be a finite number >= 0, got {data_variance}")
        if not -float("inf") < scale < float("inf"):
            raise ValueError(f"scale must be a finite number, got {scale}")
        self.predictor, self.measurement, self.schedule, self.T = predictor, measurement, schedule, schedule.T
        self.data_variance, self.scale = float(data_variance), float(scale)

    def twist(self, x_t: Tensor, t: int | Tensor) -> Twist:
        """The noise without y, log p(y | x_t) as it is taken to be, and its gradient, by one call of the predictor."""
        alpha_bar = per_sample(self.schedule.alpha_bar, t, x_t.double())
        v = self.data_variance
        spread = v * (1 - alpha_bar) / (v * alpha_bar + 1 - alpha_bar)
        spread = spread.reshape(spread.shape[:1])  # scalar or (B,)
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            eps_hat = self.predictor(x, t)
            log_p = self.measurement.log_likelihood(self.schedule.predict_x_0(x, t, eps_hat), spread)
            gradient = torch.autograd.grad(log_p.sum(), x)[0]
        return Twist(eps_hat.detach(), log_p.detach(), gradient)

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        return guided_noise(self.twist(x_t, t), self.schedule, t, self.scale)


def guided_noise(twist: Twist, schedule: NoiseSchedule, t: int | Tensor, scale: float = 1.0) -> Tensor:
    """eps_hat - scale sqrt(1 - alpha_bar_t) gradient, (B, D): the update of `ClassifierGuidance`."""
    noise = (1 - per_sample(schedule.alpha_bar, t, twist.gradient.double())).sqrt().to(twist.gradient)
    return twist.eps_hat - scale * noise * twist.gradient


def reverse_step(schedule: NoiseSchedule, x: Tensor, t: int, s: int, eps_hat: Tensor) -> tuple[Tensor, float]:
    """Mean (B, D) and variance of the step from t to s < t that `ddim` takes with eta = 1; at s = 0 the variance is 0.

    For s = t - 1 it is `samplers.posterior` of the predicted x_0.
    """
    a, b = schedule.alpha_bar[t], schedule.alpha_bar[s]
    variance = float((1 - b) / (1 - a) * (1 - a / b))
    along = max(float(1 - b) - variance, 0.0) ** 0.5
    return float(b.sqrt()) * schedule.predict_x_0(x, t, eps_hat) + along * eps_hat, variance


@torch.no_grad()
def replacement(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_T: Tensor,
    known: Tensor,
    *,
    steps: int | Sequence[int] = 50,
    repeats: int = 1,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """What is known of x_0, noised to each time, replaces the sampler's own coordinates: yields x_T, ..., x_0, (B, D).

    known (D,) or (B, D), NaN where nothing is known. With repeats > 1 each step is taken so many times, with a step of
    the chain back to t in between: the resampling of RePaint (Lugmayr et al. 2022, arXiv:2201.09865). Raises ValueError
    for a `known` of another shape, or in which all is known or nothing, for repeats < 1, and as `ddim` does for steps.
    """
    known = torch.as_tensor(known).to(x_T)
    fits = known.shape in (x_T.shape, x_T.shape[1:])
    told = ~known.isnan()
    if not fits or told.all() or not told.any():
        raise ValueError(f"known must be {tuple(x_T.shape[1:])} or {tuple(x_T.shape)}, in part NaN, got {known}")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    check_T(predictor, schedule, "predictor")
    times, x, known = ddim_times(schedule.T, steps), x_T, known.nan_to_num().expand_as(x_T)

    def noise() -> Tensor:
        return randn(*x_T.shape, generator=generator, device=x_T.device)

    yield x
    for t, s in zip(times, times[1:], strict=False):
        for left in range(repeats - 1, -1, -1):
            mean, variance = reverse_step(schedule, x, t, s, predictor(x, torch.tensor(t, device=x.device)))
            x = torch.where(told, schedule.q_sample(known, s, noise()), mean + variance**0.5 * noise())
            if left:
                kept = float(schedule.alpha_bar[t] / schedule.alpha_bar[s])
                x = kept**0.5 * x + (1 - kept) ** 0.5 * noise()
        yield x
