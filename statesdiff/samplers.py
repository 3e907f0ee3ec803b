"""From noise to data: samplers are loops that take any noise predictor and any schedule, and yield every x_t."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from statesdiff.rng import randn
from statesdiff.schedule import NoiseSchedule, check_dtype, check_T, per_sample

NoisePredictor = Callable[[Tensor, Tensor], Tensor]


def posterior(schedule: NoiseSchedule, x_0: Tensor, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
    """Mean and variance of q(x_{t-1} | x_t, x_0): mu_tilde (B, ...) and beta_tilde, scalar or (B, 1, ...).

    DDPM, eq. 6 and 7.
    """
    beta = per_sample(schedule.beta, t, x_t.double())
    alpha_bar = per_sample(schedule.alpha_bar, t, x_t.double())
    alpha_bar_prev = alpha_bar / (1 - beta)
    of_x_0 = alpha_bar_prev.sqrt() * beta / (1 - alpha_bar)
    of_x_t = (1 - beta).sqrt() * (1 - alpha_bar_prev) / (1 - alpha_bar)
    beta_tilde = beta * (1 - alpha_bar_prev) / (1 - alpha_bar)
    return of_x_0.to(x_t) * x_0 + of_x_t.to(x_t) * x_t, beta_tilde.to(x_t)


@torch.no_grad()
def ddpm(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    variance: str = "beta",
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """Ancestral sampling (DDPM, algorithm 2): yields x_T, x_{T-1}, ..., x_0, each (B, ...).

    x_{t-1} = (x_t - beta_t / sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_t) + sigma_t z, no noise at t = 1; sigma_t^2
    is beta_t (variance="beta") or the posterior variance ("beta_tilde"). Raises ValueError for another variance, a
    predictor built for another T or a prediction of the wrong shape, FloatingPointError if x_t explodes.
    """
    if variance not in ("beta", "beta_tilde"):
        raise ValueError(f"variance must be 'beta' or 'beta_tilde', got {variance!r}")
    beta, alpha_bar = schedule.beta, schedule.alpha_bar
    beta_tilde = beta[1:] * (1 - alpha_bar[:-1]) / (1 - alpha_bar[1:])
    x = checked_start(predictor, schedule, x_T)
    yield x
    for t in range(schedule.T, 0, -1):
        eps_hat = predict(predictor, x, t)
        x = (x - float(beta[t] / (1 - alpha_bar[t]).sqrt()) * eps_hat) / float(schedule.alpha[t].sqrt())
        if t > 1:
            sigma = float((beta[t] if variance == "beta" else beta_tilde[t - 1]).sqrt())
            x = x + sigma * randn(*x.shape, generator=generator, device=x.device)
        yield finite(x, t)


def ddim_times(T: int, steps: int | Sequence[int]) -> list[int]:
    """The times a sampler with `steps` steps visits, T first, 0 last, evenly spaced; a sequence is checked and kept.

    Raises ValueError unless 1 <= steps <= T, or, for a sequence, unless it falls strictly from at most T to 0.
    """
    if isinstance(steps, int):
        if not 1 <= steps <= T:
            raise ValueError(f"steps must lie in 1..{T}, got {steps}")
        return [round(T * k / steps) for k in range(steps, -1, -1)]
    return falling_times(T, steps, "steps")


def falling_times(T: int, given: Sequence[int], name: str) -> list[int]:
    """A list of times as it was given. Raises ValueError, with its name, unless it falls from at most T to 0."""
    times = [int(t) for t in given]
    if not falls_to_0(times) or times[0] > T:
        raise ValueError(f"{name} must fall strictly from at most {T} down to 0, got {times}")
    return times


def falls_to_0(times: Sequence[int]) -> bool:
    """Whether these are at least two times, each below the one before, and the last is 0."""
    return len(times) > 1 and times[-1] == 0 and all(a > b for a, b in pairwise(times))


@torch.no_grad()
def ddim(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_T: Tensor,
    *,
    steps: int | Sequence[int] = 50,
    eta: float = 0.0,
    generator: torch.Generator | None = None,
) -> Iterator[Tensor]:
    """DDIM (arXiv:2010.02502, eq. 12 and 16): yields x_T (B, ...) and x at each time visited, last x_0.

    steps: how many, evenly spaced, or the falling list of times itself (see `ddim_times`). eta = 0 is deterministic,
    eta = 1 adds as much noise as ancestral sampling with the posterior variance. Raises ValueError for bad steps, eta
    outside [0, 1], a predictor built for another T or a prediction of the wrong shape, FloatingPointError if x_t
    explodes.
    """
    if not 0 <= eta <= 1:
        raise ValueError(f"eta must lie in [0, 1], got {eta}")
    times = ddim_times(schedule.T, steps)
    x = checked_start(predictor, schedule, x_T)
    yield x
    for t, s in zip(times, times[1:], strict=False):
        alpha_bar_t, alpha_bar_s = schedule.alpha_bar[t], schedule.alpha_bar[s]
        variance = eta**2 * (1 - alpha_bar_s) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_s)
        eps_hat = predict(predictor, x, t)
        x_0_hat = schedule.predict_x_0(x, t, eps_hat)
        x = float(alpha_bar_s.sqrt()) * x_0_hat + float((1 - alpha_bar_s - variance).clamp(min=0).sqrt()) * eps_hat
        if variance > 0:
            x = x + float(variance.sqrt()) * randn(*x.shape, generator=generator, device=x.device)
        yield finite(x, t)


def last(path: Iterator[Tensor]) -> Tensor:
    """Run a sampler to its end and return x_0, keeping nothing of the way there."""
    return deque(path, maxlen=1).pop()


def predict(predictor: NoisePredictor, x: Tensor, t: int) -> Tensor:
    """eps_hat at one time for all rows, of the shape of x (B, ...). Raises ValueError if the predictor's differs."""
    eps_hat = predictor(x, torch.tensor(t, device=x.device))
    if eps_hat.shape != x.shape:
        raise ValueError(f"the predictor returned shape {tuple(eps_hat.shape)} for x_t of shape {tuple(x.shape)}")
    return eps_hat


def checked_start(predictor: NoisePredictor, schedule: NoiseSchedule, x_T: Tensor) -> Tensor:
    """x_T, if a sampler may start there: (B, ...), floating point, finite, with a predictor that fits the schedule."""
    check_T(predictor, schedule, "predictor")
    if x_T.ndim < 2 or not x_T.is_floating_point():
        raise ValueError(f"x_T must be a floating-point tensor of shape (B, ...), got {tuple(x_T.shape)} {x_T.dtype}")
    check_dtype(predictor, x_T, "x_T")
    return finite(x_T, None)


def finite(x: Tensor, t: int | None) -> Tensor:
    """x, if it is finite; else FloatingPointError, which names the time t (None: the start)."""
    if not x.isfinite().all():
        raise FloatingPointError("x_T is not finite" if t is None else f"the samples stopped being finite at t = {t}")
    return x
