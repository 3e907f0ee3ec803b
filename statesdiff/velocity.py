"""Flow time and velocity: straight lines from noise to data, x_s = s x_0 + (1 - s) eps, and what moves points on them.

Flow time s is a float from 0, pure noise, to 1, clean data: the direction of Lipman et al. 2023. The book's integer
times run the other way. Both describe one process, in two scales: with c_t = sqrt(alpha_bar_t) + sqrt(1 - alpha_bar_t),

    s_t = sqrt(alpha_bar_t) / c_t = 1 / (1 + noise_level_t)    and    x_s = x_t / c_t,

so that t = 0 is s = 1, and t = T is a small s_T, not quite 0. A **velocity** is anything that can be called as
u_hat = velocity(x_s, s), x_s (B, D), s one number or (B,) -> (B, D); the best one is E[x_0 - eps | x_s].
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from statesdiff.exact import IdealDenoiser
from statesdiff.models import Denoiser
from statesdiff.schedule import NoiseSchedule, per_sample

Velocity = Callable[[Tensor, float | Tensor], Tensor]


def straight(x_0: Tensor, eps: Tensor, s: float | Tensor) -> Tensor:
    """x_s = s x_0 + (1 - s) eps, the point at flow time s of the line from eps to x_0 (Lipman et al. 2023, eq. 22).

    x_0, eps (B, ...), s in [0, 1], one number or (B,) -> (B, ...).
    """
    if eps.shape != x_0.shape:
        raise ValueError(f"eps must have the shape of x_0, {tuple(x_0.shape)}, got {tuple(eps.shape)}")
    s = of_rows(s, x_0)
    return s * x_0 + (1 - s) * eps


def of_rows(s: float | Tensor, x: Tensor) -> Tensor:
    """s so that it multiplies x (B, ...) row by row: scalar or (B, 1, ...), in x's dtype.

    Raises TypeError if s is an integer tensor, ValueError if it lies outside [0, 1] or is not one number or (B,).
    """
    if isinstance(s, Tensor) and not s.is_floating_point():
        raise TypeError(f"s must be a float, 0 for noise, 1 for data, got {s.dtype}: is it a time t?")
    s = torch.as_tensor(s, dtype=torch.float64, device=x.device)
    if not ((s >= 0) & (s <= 1)).all():
        raise ValueError(f"s must lie in [0, 1], got {s.min():.4g} to {s.max():.4g}")
    if s.ndim > 1 or (s.ndim == 1 and len(s) != len(x)):
        raise ValueError(f"s must be a scalar or have one entry for each of the {len(x)} rows, got {tuple(s.shape)}")
    return (s if s.ndim == 0 else s.reshape(-1, *[1] * (x.ndim - 1))).to(x)


def flow_time(schedule: NoiseSchedule) -> Tensor:
    """The flow time s_t of every t, (T + 1,) float64, falling from 1 at t = 0."""
    return 1 / (1 + schedule.noise_level)


def nearest_t(schedule: NoiseSchedule, s: float | Tensor) -> Tensor:
    """The t in 1..T whose flow time is nearest, int64, in the shape of s. ValueError where s < s_T: too much noise."""
    times, s = flow_time(schedule), torch.as_tensor(s, dtype=torch.float64)
    if (s < times[-1] * (1 - 1e-6)).any():
        raise ValueError(f"the schedule has no more noise than at s = {times[-1]:.4g}, got s = {s.min():.4g}")
    return schedule.T - torch.searchsorted(((times[1:-1] + times[2:]) / 2).flip(0).contiguous(), s)


def to_flow(schedule: NoiseSchedule, x_t: Tensor, t: int | Tensor) -> Tensor:
    """x_s = x_t / c_t: noisy points (B, ...) of the schedule, moved to the straight lines; t scalar or (B,)."""
    return x_t / per_sample(_stretch(schedule), t, x_t.double()).to(x_t)


def from_flow(schedule: NoiseSchedule, x_s: Tensor, t: int | Tensor) -> Tensor:
    """x_t = c_t x_s: the way back."""
    return x_s * per_sample(_stretch(schedule), t, x_s.double()).to(x_s)


def _stretch(schedule: NoiseSchedule) -> Tensor:
    return schedule.alpha_bar.sqrt() + (1 - schedule.alpha_bar).sqrt()


class ExactVelocity:
    """E[x_0 - eps | x_s] where x_0 is drawn from the points `data` (N, D) plus Gaussian noise of deviation `jitter`."""

    def __init__(self, data: Tensor, jitter: float = 0.0) -> None:
        self.data, self.jitter = IdealDenoiser(data, NoiseSchedule.linear(1), jitter).data, jitter

    def __call__(self, x_s: Tensor, s: float | Tensor) -> Tensor:
        rows = of_rows(s, x_s).double().expand(len(x_s), 1)
        # a schedule with a time for each s; at the very ends and for the last digits, the nearest that has one
        levels, t = rows.clamp(1e-7, 1 - 1e-7).round(decimals=9).unique(return_inverse=True)
        ideal = IdealDenoiser(self.data, NoiseSchedule.from_log_snr(2 * levels.logit().flip(0)), self.jitter)
        x_t = x_s / (rows.square() + (1 - rows).square()).sqrt().to(x_s)
        mean = ideal.posterior_mean(x_t, len(levels) - t.reshape(-1))  # t = 1 is the largest s
        at_data = rows > 1 - 1e-7  # no noise is left to point away from
        return torch.where(at_data, x_s, (mean - x_s) / (1 - rows).clamp(min=1e-7).to(x_s))


class VelocityNetwork(nn.Module):
    """A `Denoiser` made a velocity: s x_s - net(x_s, T (1 - s)); its clock runs from T, noise, to 0, data.

    With the skip connection of `Denoiser.fourier` it starts from (2 s - 1) x_s, right at both ends for centred data.
    """

    def __init__(self, net: Denoiser) -> None:
        super().__init__()
        self.net = net

    def forward(self, x_s: Tensor, s: float | Tensor) -> Tensor:
        rows = of_rows(s, x_s)
        return rows * x_s - self.net(x_s, self.net.T * (1 - rows.flatten()).squeeze())
