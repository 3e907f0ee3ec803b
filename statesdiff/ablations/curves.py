"""Schedules that differ in the shape of their log signal-to-noise alone: the same two ends, the same number of times.

A curve is cut where it passes the ends and walked through evenly again, so that it keeps where it lingers and loses
where it begins and ends. Drawing times with a curve's density, or visiting a curve's values, is then possible with a
network that was trained on any other of them.
"""

from collections.abc import Callable
from functools import cache, partial

import numpy as np
import torch
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from statesdiff.schedule import NoiseSchedule

ENDS = (7.0, -5.0)  # a noise of 0.03, finer than the data's own, and the end of the linear schedule of 500 steps
DENSE = 1000  # times of the curves that others are cut from


def even(T: int = 500, first: float = ENDS[0], last: float = ENDS[1]) -> NoiseSchedule:
    """The log signal-to-noise ratio falls evenly from `first` at t = 1 to `last` at t = T: a straight line."""
    return NoiseSchedule.from_log_snr(torch.linspace(first, last, T, dtype=torch.float64), f"even, T = {T}")


def cut(schedule: NoiseSchedule, T: int, first: float = ENDS[0], last: float = ENDS[1]) -> NoiseSchedule:
    """The part of a schedule's curve of log signal-to-noise from `first` to `last`, walked through evenly in T times.

    Between the schedule's own times the curve is interpolated, so that it keeps falling. Raises ValueError if it does
    not go from `first` or above to `last` or below.
    """
    log_snr = schedule.log_snr[1:].flip(0).numpy()  # rising
    if not log_snr[0] <= last < first <= log_snr[-1]:
        raise ValueError(f"the curve goes from {log_snr[-1]:.3g} to {log_snr[0]:.3g}, not from {first} to {last}")
    times = np.arange(schedule.T, 0, -1)
    begin, end = PchipInterpolator(log_snr, times)([first, last])
    values = PchipInterpolator(times[::-1], log_snr[::-1])(np.linspace(begin, end, T))
    values[0], values[-1] = first, last
    return NoiseSchedule.from_log_snr(torch.from_numpy(values), f"{schedule.name}, cut, T = {T}")


# ramps of DENSE times that leave as little as the linear one of 500 does, and cosine: the curves of chapter 9
FROM: dict[str, NoiseSchedule] = {
    "linear": NoiseSchedule.linear(DENSE, 5e-5, 0.0101),
    "scaled_linear": NoiseSchedule.scaled_linear(DENSE, 5e-5, 0.0144),
    "sigmoid": NoiseSchedule.sigmoid(DENSE, 5e-5, 0.0101),
    "cosine": NoiseSchedule.cosine(DENSE),
}


def curve(name: str, T: int = 500) -> NoiseSchedule:
    """The schedule of T times with the shape of that name, "even" or one of FROM, between the ENDS."""
    return even(T) if name == "even" else cut(FROM[name], T)


SHAPES = (*FROM, "even")
CURVES: dict[str, Callable[..., NoiseSchedule]] = {f"cut {name}": partial(curve, name) for name in SHAPES}


@cache
def _times(name: str, T: int) -> Tensor:
    """Where on the even schedule of T times the DENSE values of a curve lie, int64 (DENSE,)."""
    down = (ENDS[0] - curve(name, DENSE).log_snr[1:]) / (ENDS[0] - ENDS[1])
    return (1 + down * (T - 1)).round().long()


def draw_as(name: str, T: int, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n times of `even` whose noise is drawn as uniform times of another curve would have it, int64 (n,)."""
    return _times(name, T)[torch.randint(DENSE, (n,), generator=generator)]


DRAWS = {f"as {name}": partial(draw_as, name) for name in SHAPES}


def rungs(schedule: NoiseSchedule, grid: NoiseSchedule) -> list[int]:
    """The times of a schedule whose log signal-to-noise is nearest to each of the grid's, falling, and 0: for `ddim`.

    Raises ValueError if two of the grid's values have the same nearest time.
    """
    apart = (schedule.log_snr[1:, None] - grid.log_snr[1:]).abs()
    times = (apart.argmin(dim=0) + 1).flip(0).tolist()
    if any(a <= b for a, b in zip(times, times[1:], strict=False)):
        raise ValueError(f"{schedule.name} is too coarse for the rungs of {grid.name}: it has {times}")
    return [*times, 0]
