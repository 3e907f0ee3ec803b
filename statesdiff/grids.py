"""Grids: which falling times a solver with few steps stops at, T first, 0 last, whole numbers all."""

from collections.abc import Sequence

import torch
from torch import Tensor

from statesdiff.samplers import ddim_times, falling_times
from statesdiff.schedule import NoiseSchedule

STEPS = 10  # what the book recommends for STATES
Grid = str | Sequence[int]


def uniform(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Times evenly spaced from T to 0: those of `ddim`."""
    return ddim_times(schedule.T, steps)


def logsnr(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Even steps of the log signal-to-noise ratio from T to 1, then 0 (DPM-Solver, section 3.4)."""
    return nearest(schedule.log_snr[1:], steps, steps)


def edm(schedule: NoiseSchedule, steps: int, rho: float = 7.0) -> list[int]:
    """Even steps of noise_level^(1/rho) from T to 1, then 0 (EDM, arXiv:2206.00364, eq. 5)."""
    return nearest(-(schedule.noise_level[1:] ** (1 / rho)), steps, steps)


def eased(schedule: NoiseSchedule, steps: int) -> list[int]:
    """Even steps of arsinh(8 / noise_level) from T to 1, the last of which goes on to 0: made for STATES.

    That is `logsnr` but for two of its steps. The first are longer, where there is next to nothing but noise: arsinh(u)
    is about log(2 u) for large u, about u for small. And so is the last, as t = 1 is left out.
    """
    return nearest((8 / schedule.noise_level[1:]).asinh(), steps, steps + 1)


GRIDS = {grid.__name__: grid for grid in (uniform, logsnr, edm, eased)}


def times_of(schedule: NoiseSchedule, steps: int | None = None, grid: Grid = "eased") -> list[int]:
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
    times = falling_times(schedule.T, grid, "grid")
    if steps is not None and steps != len(times) - 1:
        raise ValueError(f"grid has {len(times) - 1} steps, but steps = {steps!r}: leave steps out for a list of times")
    return times


def nearest(values: Tensor, steps: int, points: int) -> list[int]:
    """Falling times, then 0, where `values`, for t = 1..T, are nearest to the first `steps` of `points` even ones."""
    T = len(values)
    wanted = torch.linspace(float(values[-1]), float(values[0]), points, dtype=torch.float64)[:steps]
    times = [0]
    for k, value in enumerate(reversed(wanted), 1):
        t = int((values - value).abs().argmin()) + 1
        times.insert(0, min(max(t, times[0] + 1), T - (steps - k)))  # each later than the one below, room for the rest
    return times
