"""Few steps: solvers of the probability flow equation, and the grids of times at which they stop.

All are called solver(predictor, schedule, x_T, steps=, grid=), and yield x_T and x_t at each time after it, last x_0.
Write alpha = sqrt(alpha_bar), and lambda = log(alpha / sqrt(1 - alpha_bar)), half the log-SNR. The equation is
d(x / alpha) = eps_hat d(noise_level) (DDIM, eq. 14), which `euler` and `heun` take in straight steps. Solved from t to s
with its linear part exact it is x_s = sqrt((1 - alpha_bar_s) / (1 - alpha_bar_t)) x_t + alpha_s times the integral of
exp(lambda - lambda_s) x_0_hat over lambda (DPM-Solver++, arXiv:2211.01095, eq. 8): `dpm_solver`.
"""

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from statesdiff.samplers import NoisePredictor, checked_start, ddim, ddim_times, finite, predict
from statesdiff.schedule import NoiseSchedule

STEPS = 10  # what the book recommends for STATES
Grid = str | Sequence[int]


def uniform(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Times evenly spaced from T to 0: those of `ddim`."""
    return ddim_times(schedule.T, steps)


def logsnr(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Even steps of the log signal-to-noise ratio from T to 1, then 0 (DPM-Solver, section 3.4)."""
    return _nearest(schedule.log_snr[1:], steps, steps)


def edm(schedule: NoiseSchedule, steps: int, rho: float = 7.0) -> list[int]:
    """Even steps of noise_level^(1/rho) from T to 1, then 0 (EDM, arXiv:2206.00364, eq. 5)."""
    return _nearest(-(schedule.noise_level[1:] ** (1 / rho)), steps, steps)


def signal(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Even steps of the integral of alpha d lambda, which is arsinh(1 / noise_level): the book's own grid.

    On the way the signal comes in by dx = alpha x_0_hat d lambda - ..., so that each step takes in an equal share of
    it: as `logsnr` where there is little noise, longer where there is almost nothing else. The last step, from T to 1
    as even as the others, goes on to 0.
    """
    return _nearest((1 / schedule.noise_level[1:]).asinh(), steps, steps + 1)


GRIDS = {grid.__name__: grid for grid in (uniform, logsnr, edm, signal)}


def times_of(schedule: NoiseSchedule, steps: int | None = None, grid: Grid = "signal") -> list[int]:
    """The times that a solver visits, at most T first, 0 last: as many steps as asked for, on a grid or a list given.

    Left out, there are `STEPS` of them, or as many as the list has. Raises ValueError unless 1 <= steps <= T, for an
    unknown grid, and for a list that does not fall to 0 or has another number of steps.
    """
    if isinstance(grid, str):
        if grid not in GRIDS:
            raise ValueError(f"grid must be one of {', '.join(GRIDS)} or a falling list of times, got {grid!r}")
        steps = STEPS if steps is None else steps
        if not isinstance(steps, int) or isinstance(steps, bool) or not 1 <= steps <= schedule.T:
            raise ValueError(f"steps must be a whole number in 1..{schedule.T}, got {steps!r}")
        return GRIDS[grid](schedule, steps)
    times = ddim_times(schedule.T, grid)
    if steps is not None and steps != len(times) - 1:
        raise ValueError(f"grid has {len(times) - 1} steps, but steps = {steps!r}: leave steps out for a list of times")
    return times


def euler(
    predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, *, steps: int | None = None, grid: Grid = "signal"
) -> Iterator[Tensor]:
    """First order, an evaluation a step: DDIM on any grid. Yields x_T (B, ...), ..., x_0; raises as `ddim` does."""
    return ddim(predictor, schedule, x_T, steps=times_of(schedule, steps, grid))


@torch.no_grad()
def heun(
    predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor, *, steps: int | None = None, grid: Grid = "signal"
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
    grid: Grid = "signal",
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
            x = kept * x + float(schedule.alpha_bar[s].sqrt()) * _taken_in(known, log_ratio[s])
        else:
            x = x_0_hat
        yield finite(x, s)


def _taken_in(known: list[tuple[float, Tensor]], end: float) -> Tensor:
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


def _nearest(values: Tensor, steps: int, points: int) -> list[int]:
    """Falling times, then 0, at which `values`, for t = 1..T, come near to the first `steps` of even `points`."""
    T = len(values)
    wanted = torch.linspace(float(values[-1]), float(values[0]), points, dtype=torch.float64)[:steps]
    times = [0]
    for k, value in enumerate(reversed(wanted), 1):
        t = int((values - value).abs().argmin()) + 1
        times.insert(0, min(max(t, times[0] + 1), T - (steps - k)))  # each later than the one below, room for the rest
    return times


class Counted:
    """A noise predictor that counts: `evaluations` is how often it was asked for all the points at once."""

    def __init__(self, predictor: NoisePredictor) -> None:
        self.predictor, self.evaluations = predictor, 0
        if hasattr(predictor, "T"):
            self.T = predictor.T

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        self.evaluations += 1
        return self.predictor(x_t, t)
