"""The ordinary equation with the marginals of the forward process: from a point to its latent and back, without noise.

In the variable u = x_t / sqrt(alpha_bar_t), with the noise level as time, its slope is what a network predicts: du / d
noise_level = eps_hat(x_t, t) (Song et al. 2021, arXiv:2011.13456, eq. 13; DDIM, arXiv:2010.02502, eq. 14).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from statesdiff.samplers import NoisePredictor
from statesdiff.schedule import NoiseSchedule, check_dtype, check_T


def encode(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_t: Tensor,
    *,
    t: int = 1,
    steps: int | Sequence[int] = 200,
    order: int = 2,
) -> Tensor:
    """From x_t at time t to its latent x_T, (B, ...) -> (B, ...), without noise.

    The times are `log_snr_times`: `steps` + 1 of them, all if there are fewer, or the rising times given. order: 1 is
    DDIM's step, 2 is Heun's, 3 is Kutta's over pairs of steps. Raises TypeError or ValueError for bad input,
    FloatingPointError if x explodes.
    """
    return _walk(predictor, schedule, x_t, checked_times(predictor, schedule, x_t, t, steps, order), order)


def decode(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    t: int = 1,
    steps: int | Sequence[int] = 200,
    order: int = 2,
) -> Tensor:
    """From a latent x_T to x_t at time t, (B, ...) -> (B, ...): `encode` backwards, through the same times."""
    return _walk(predictor, schedule, x_T, checked_times(predictor, schedule, x_T, t, steps, order)[::-1], order)


@torch.no_grad()
def _walk(predictor: NoisePredictor, schedule: NoiseSchedule, x: Tensor, times: Sequence[int], order: int) -> Tensor:
    root = schedule.alpha_bar.sqrt().to(x.device)
    with evaluating(predictor):
        u = x.double() / root[times[0]]
        u = follow(lambda u, t: predict(predictor, (root[t] * u).to(x), t).double(), schedule, u, times, order)
    return (root[times[-1]] * u).to(x)


def log_snr_times(schedule: NoiseSchedule, steps: int | Sequence[int], t: int = 1) -> list[int]:
    """`steps` + 1 rising times from t to T, as even in log-SNR as whole times allow; all of them if there are fewer.

    Where neighbouring times lie farther apart than the even distance, each of them is visited. A sequence of times is
    checked and kept. Raises TypeError for what is no whole number, ValueError unless 1 <= t < T and steps >= 1, or,
    for a sequence, unless it rises strictly from t to T.
    """
    times = list(steps) if isinstance(steps, Sequence) else []
    if not all(map(is_whole, [t, *(times if isinstance(steps, Sequence) else [steps])])):
        raise TypeError(f"t and steps must be whole numbers, got {t!r} and {steps!r}")
    if isinstance(steps, Sequence):
        rising = all(a < b for a, b in zip(times, times[1:], strict=False))
        if t < 1 or len(times) < 2 or not rising or (times[0], times[-1]) != (t, schedule.T):
            raise ValueError(f"steps must rise strictly from t = {t} >= 1 to T = {schedule.T}, got {times}")
        return times
    if not 1 <= t < schedule.T or steps < 1:
        raise ValueError(f"needs 1 <= t < T = {schedule.T} and steps >= 1, got t = {t}, steps = {steps}")
    gaps = -schedule.log_snr[t:].diff()
    if steps >= len(gaps):
        return list(range(t, schedule.T + 1))
    low, high = 0.0, float(gaps.sum())  # the even distance: gaps above it count as one step each
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if float(gaps.clamp(max=middle).sum()) > steps * middle else (low, middle)
    reached = torch.cat([gaps.new_zeros(1), gaps.clamp(max=high).cumsum(0)]) / high
    inner = torch.searchsorted(reached, torch.arange(1, steps, dtype=reached.dtype) - 1e-6)
    return [t, *(t + inner).tolist(), schedule.T]


def follow(
    slope: Callable[[Tensor, int], Tensor], schedule: NoiseSchedule, y: Tensor, times: Sequence[int], order: int
) -> Tensor:
    """Carry y along dy / d noise_level = slope(y, t) through the times, rising or falling, by steps of that order."""
    level, k = schedule.noise_level.tolist(), 0
    while k + 1 < len(times):
        a, b, *rest = times[k : k + 3 if order == 3 else k + 2]
        h, first = level[b] - level[a], slope(y, a)
        whole = level[rest[0]] - level[a] if rest else h
        if h / whole < 0.6:
            y, k = _kutta(slope, y, first, (b, rest[0]), whole, h / whole), k + 2
        else:
            y, k = y + (h * first if order == 1 else h / 2 * (first + slope(y + h * first, b))), k + 1
    return y


def _kutta(slope: Callable, y: Tensor, first: Tensor, times: tuple[int, int], h: float, share: float) -> Tensor:
    """Kutta's third-order step of length h, with its middle slope after any share of it but 2/3 (Kutta 1901)."""
    second = slope(y + share * h * first, times[0])
    mix = (1 - share) / (share * (2 - 3 * share))
    third = slope(y + h * ((1 - mix) * first + mix * second), times[1])
    b, c = 1 / (6 * share * (1 - share)), (2 - 3 * share) / (6 * (1 - share))
    return y + h * ((1 - b - c) * first + b * second + c * third)


def predict(predictor: NoisePredictor, x: Tensor, t: int) -> Tensor:
    """eps_hat at one time. Raises ValueError for a wrong shape, FloatingPointError for what is not finite."""
    eps_hat = predictor(x, torch.tensor(t, device=x.device))
    if eps_hat.shape != x.shape:
        raise ValueError(f"the predictor returned shape {tuple(eps_hat.shape)} for x_t of shape {tuple(x.shape)}")
    if not eps_hat.isfinite().all():
        raise FloatingPointError(f"the way stopped being finite at t = {t}")
    return eps_hat


def checked_times(
    predictor: NoisePredictor, schedule: NoiseSchedule, x: Tensor, t: int, steps: int | Sequence[int], order: int
) -> list[int]:
    """`log_snr_times`, once predictor, points and order are found to be sound; raises as `encode` says."""
    check_T(predictor, schedule, "predictor")
    if not isinstance(x, Tensor) or x.ndim < 2 or not x.numel() or not x.is_floating_point():
        raise ValueError(f"x must be a floating-point tensor of shape (B, ...), not empty, got {_look(x)}")
    if not x.isfinite().all():
        raise FloatingPointError("x is not finite")
    if not is_whole(order) or order not in (1, 2, 3):
        raise ValueError(f"order must be 1, 2 or 3, got {order!r}")
    check_dtype(predictor, x, "x")
    return log_snr_times(schedule, steps, t)


def _look(x: object) -> str:
    return f"{tuple(x.shape)} {x.dtype}" if isinstance(x, Tensor) else type(x).__name__


def is_whole(number: object) -> bool:
    """Whether it is an int, and no bool."""
    return isinstance(number, int) and not isinstance(number, bool)


@contextmanager
def evaluating(predictor: NoisePredictor) -> Iterator[None]:
    """No dropout on the way, for a network or one that the predictor holds; afterwards each mode is what it was."""
    held = [predictor, *getattr(predictor, "__dict__", {}).values()]
    modes = [(m, m.training) for module in held if isinstance(module, nn.Module) for m in module.modules()]
    try:
        for module, _ in modes:
            module.training = False
        yield
    finally:
        for module, training in modes:
            module.training = training
