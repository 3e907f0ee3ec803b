"""Few steps: solvers of the probability flow equation, on the grids of times of `statesdiff.grids`.

All are called solver(predictor, schedule, x_T, steps=, grid=), and yield x_T and x_t at each time after it, last x_0.
Write alpha = sqrt(alpha_bar), and lambda = log(alpha / sqrt(1 - alpha_bar)), half the log-SNR. The equation is
d(x / alpha) = eps_hat d(noise_level) (DDIM, eq. 14), which `euler` and `heun` take in straight steps. Solved from t
to s with its linear part exact it is x_s = sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) x_t + alpha_s times the
integral of exp(lambda - lambda_s) x_0_hat over lambda (DPM-Solver++, arXiv:2211.01095): `dpm_solver`.
"""

import math
from collections.abc import Iterator
from itertools import pairwise

import torch
from torch import Tensor

from statesdiff.grids import Grid, times_of
from statesdiff.samplers import NoisePredictor, checked_start, ddim, finite, predict
from statesdiff.schedule import NoiseSchedule


def euler(
    predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, *, steps: int | None = None, grid: Grid = "eased"
) -> Iterator[Tensor]:
    """First order, an evaluation a step: DDIM on any grid. Yields x_T (B, ...), ..., x_0; raises as `ddim` does."""
    return ddim(predictor, schedule, x_T, steps=times_of(schedule, steps, grid))


@torch.no_grad()
def heun(
    predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, *, steps: int | None = None, grid: Grid = "eased"
) -> Iterator[Tensor]:
    """Second order, two evaluations a step but one in the last, 2 steps - 1 in all (EDM, algorithm 1).

    Each step goes to s, asks there as well, and goes again with the mean of the two. Yields x_T (B, ...), ..., x_0.
    Raises as `ddim` does.
    """
    times, alpha, level = times_of(schedule, steps, grid), schedule.alpha_bar.sqrt().tolist(), schedule.noise_level
    x = checked_start(predictor, schedule, x_T)
    yield x
    for t, s in pairwise(times):
        width, eps_hat = float(level[s] - level[t]), predict(predictor, x, t)
        if s > 0:
            there = alpha[s] * (x / alpha[t] + width * eps_hat)
            eps_hat = (eps_hat + predict(predictor, there, s)) / 2
        x = alpha[s] * (x / alpha[t] + width * eps_hat)
        yield finite(x, s)


@torch.no_grad()
def dpm_solver(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    steps: int | None = None,
    grid: Grid = "eased",
    order: int = 3,
) -> Iterator[Tensor]:
    """DPM-Solver++, multistep, of order 2 or 3, an evaluation a step. Yields x_T (B, ...), ..., x_0.

    x_0_hat between t and s is continued from the last `order` predictions, from fewer in the first steps; the last step
    is to x_0_hat. Order 2 is algorithm 2 of the paper, and takes the middle for the integral. Order 3 integrates the
    parabola exactly; programs in use take half its curvature (arXiv:2211.01095 has none), and then the order is 2.
    Raises ValueError for another order, and as `ddim` does.
    """
    if order not in (2, 3):
        raise ValueError(f"order must be 2 or 3, got {order!r}")
    times, log_ratio = times_of(schedule, steps, grid), (schedule.log_snr / 2).tolist()
    x, known = checked_start(predictor, schedule, x_T), []
    yield x
    for t, s in pairwise(times):
        x_0_hat = schedule.predict_x_0(x, t, predict(predictor, x, t))
        known = [(log_ratio[t], x_0_hat), *known][:order]
        if s > 0:
            kept = float(((1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[t])).sqrt())
            x = kept * x + float(schedule.alpha_bar[s].sqrt()) * taken_in(known, log_ratio[s])
        else:
            x = x_0_hat
        yield finite(x, s)


def taken_in(known: list[tuple[float, Tensor]], end: float) -> Tensor:
    """The integral of exp(lambda - end) x_0_hat from the newest known lambda to `end`, x_0_hat continued from all."""
    (l_0, x_0), h = known[0], end - known[0][0]
    weight = -math.expm1(-h)
    if len(known) == 1:
        return weight * x_0
    (l_1, x_1) = known[1]
    slope = (x_0 - x_1) / (l_0 - l_1)
    if len(known) == 2:
        return weight * (x_0 + h / 2 * slope)
    (l_2, x_2) = known[2]
    bend = (slope - (x_1 - x_2) / (l_1 - l_2)) / (l_0 - l_2)  # half the second derivative
    # of v and of v^2, the way since l_0
    first = h - weight
    second = h**2 - 2 * first
    return weight * x_0 + first * (slope + (l_0 - l_1) * bend) + second * bend


class Counted:
    """A noise predictor that counts: `evaluations` is how often it was asked for all the points at once."""

    def __init__(self, predictor: NoisePredictor) -> None:
        self.predictor, self.evaluations = predictor, 0
        if hasattr(predictor, "T"):
            self.T = predictor.T

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        self.evaluations += 1
        return self.predictor(x_t, t)
