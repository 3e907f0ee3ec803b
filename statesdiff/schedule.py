"""The forward process, and how much noise it adds at which time: beta, alpha, alpha_bar, and schedules by name."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.optimize import brentq
from torch import Tensor, nn

from statesdiff.rng import randn


@dataclass(frozen=True)
class NoiseSchedule:
    """A variance-preserving noise schedule, given by beta (T + 1,) with beta[0] = 0; index 0 is clean data.

    Raises ValueError unless 0 < beta_t < 1 for t = 1..T and alpha_bar falls at every step without reaching 0.
    Everything is stored in float64 and cast at use.
    """

    beta: Tensor
    name: str = "custom"

    def __post_init__(self) -> None:
        beta = torch.as_tensor(self.beta, dtype=torch.float64)
        if beta.ndim != 1 or len(beta) < 2 or beta[0] != 0:
            raise ValueError(f"beta must have shape (T + 1,), T >= 1, and beta[0] = 0, got {tuple(beta.shape)}")
        inside = (beta[1:] > 0) & (beta[1:] < 1)
        if not inside.all():
            t = int((~inside).nonzero()[0]) + 1
            raise ValueError(
                f"beta must satisfy 0 < beta_t < 1 for t = 1..{len(beta) - 1}, got beta_{t} = {beta[t]:.4g}"
            )
        object.__setattr__(self, "beta", beta)
        if not ((self.alpha_bar.diff() < 0).all() and self.alpha_bar_T > 0):
            raise ValueError(
                f"beta, from {beta[1]:.4g} to {beta[-1]:.4g}, is too small or too large: in float64 alpha_bar "
                f"must fall at every step and end above 0, but it ends at {self.alpha_bar_T:.4g}"
            )

    def __repr__(self) -> str:
        ends = f"beta {self.beta[1]:.3g} to {self.beta[-1]:.3g}, alpha_bar_T = {self.alpha_bar_T:.3g}"
        return f"NoiseSchedule({self.name}: {ends})"

    def q_sample(self, x_0: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
        """x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (DDPM, eq. 4).

        x_0 (B, ...), t scalar or (B,), eps (B, ...) standard normal -> x_t (B, ...). Raises ValueError if the shapes
        differ.
        """
        if eps.shape != x_0.shape:
            raise ValueError(f"eps must have the shape of x_0, {tuple(x_0.shape)}, got {tuple(eps.shape)}")
        alpha_bar = per_sample(self.alpha_bar, t, x_0.double())
        return (alpha_bar.sqrt().to(x_0) * x_0) + (1 - alpha_bar).sqrt().to(x_0) * eps

    def q_step(self, x_prev: Tensor, t: int | Tensor, eps: Tensor) -> Tensor:
        """One link: x_t = sqrt(1 - beta_t) x_{t-1} + sqrt(beta_t) eps (DDPM, eq. 2). Shapes as q_sample."""
        beta = per_sample(self.beta, t, x_prev.double())
        return (1 - beta).sqrt().to(x_prev) * x_prev + beta.sqrt().to(x_prev) * eps

    def chain(self, x_0: Tensor, *, generator: torch.Generator | None = None) -> Iterator[Tensor]:
        """The forward process one step at a time: yields x_0, x_1, ..., x_T, each (B, ...)."""
        x = x_0
        yield x
        for t in range(1, self.T + 1):
            x = self.q_step(x, t, randn(*x.shape, generator=generator, device=x.device))
            yield x

    def predict_x_0(self, x_t: Tensor, t: int | Tensor, eps_hat: Tensor) -> Tensor:
        """Eq. 2 solved for x_0: (x_t - sqrt(1 - alpha_bar_t) eps_hat) / sqrt(alpha_bar_t) (DDIM, eq. 9). (B, ...)."""
        alpha_bar = per_sample(self.alpha_bar, t, x_t.double())
        return (x_t - (1 - alpha_bar).sqrt().to(x_t) * eps_hat) / alpha_bar.sqrt().to(x_t)

    def score(self, eps_hat: Tensor, t: int | Tensor) -> Tensor:
        """grad log p_t(x_t) = -eps_hat / sqrt(1 - alpha_bar_t), (B, ...), for t >= 1 (arXiv:2011.13456)."""
        return -eps_hat / (1 - per_sample(self.alpha_bar, t, eps_hat.double())).sqrt().to(eps_hat)

    @property
    def T(self) -> int:
        """The number of noising steps."""
        return len(self.beta) - 1

    @cached_property
    def alpha(self) -> Tensor:
        """1 - beta, (T + 1,)."""
        return 1 - self.beta

    @cached_property
    def alpha_bar(self) -> Tensor:
        """The product of the alphas up to t (DDPM, below eq. 4), (T + 1,), alpha_bar[0] = 1."""
        return self.alpha.cumprod(0)

    @property
    def alpha_bar_T(self) -> float:
        """The share of the data's variance that is left at the end: sampling starts from N(0, I) as if it were 0."""
        return float(self.alpha_bar[-1])

    @cached_property
    def noise_level(self) -> Tensor:
        """sqrt((1 - alpha_bar) / alpha_bar), noise per unit of signal, (T + 1,); EDM and k-diffusion call it sigma."""
        return ((1 - self.alpha_bar) / self.alpha_bar).sqrt()

    @cached_property
    def snr(self) -> Tensor:
        """Signal-to-noise ratio alpha_bar / (1 - alpha_bar), a ratio of variances, (T + 1,); infinite at t = 0."""
        return self.alpha_bar / (1 - self.alpha_bar)

    @cached_property
    def log_snr(self) -> Tensor:
        """log(alpha_bar / (1 - alpha_bar)), (T + 1,), falling from +inf at t = 0: on this axis schedules compare."""
        log_alpha_bar = (-self.beta).log1p().cumsum(0)
        return log_alpha_bar - (-log_alpha_bar.expm1()).log()

    @classmethod
    def linear(cls, T: int = 500, beta_1: float = 1e-4, beta_T: float = 0.02) -> "NoiseSchedule":
        """beta rises evenly from beta_1 to beta_T (DDPM, section 4)."""
        return cls(_after_zero(torch.linspace(beta_1, beta_T, _checked_T(T), dtype=torch.float64)), f"linear, T = {T}")

    @classmethod
    def cosine(cls, T: int = 500, s: float = 0.008, beta_max: float = 0.999) -> "NoiseSchedule":
        """alpha_bar_t follows cos^2(pi/2 (t/T + s) / (1 + s)), beta clipped at beta_max (Improved DDPM, eq. 17)."""
        u = torch.arange(_checked_T(T) + 1, dtype=torch.float64) / T
        alpha_bar = torch.cos(math.pi / 2 * (u + s) / (1 + s)) ** 2
        beta = (1 - alpha_bar[1:] / alpha_bar[:-1]).clamp(max=beta_max)
        return cls(_after_zero(beta), f"cosine, T = {T}")

    @classmethod
    def sigmoid(cls, T: int = 500, beta_1: float = 1e-4, beta_T: float = 0.02) -> "NoiseSchedule":
        """beta_t = beta_1 + (beta_T - beta_1) / (1 + exp(-v_t)), v evenly from -6 to 6 (`diffusers`, "sigmoid").

        The ends are approached, not met: a logistic curve from -6 to 6 runs from 0.0025 to 0.9975.
        """
        _check_ends(beta_1, beta_T)
        ramp = torch.linspace(-6, 6, _checked_T(T), dtype=torch.float64).sigmoid()
        return cls(_after_zero(beta_1 + (beta_T - beta_1) * ramp), f"sigmoid, T = {T}")

    @classmethod
    def scaled_linear(cls, T: int = 500, beta_1: float = 1e-4, beta_T: float = 0.02) -> "NoiseSchedule":
        """sqrt(beta) rises evenly, sqrt(beta_1) to sqrt(beta_T) (latent diffusion; `diffusers`, "scaled_linear")."""
        _check_ends(beta_1, beta_T)
        root = torch.linspace(beta_1**0.5, beta_T**0.5, _checked_T(T), dtype=torch.float64)
        return cls(_after_zero(root**2), f"scaled linear, T = {T}")

    @classmethod
    def sech(cls, T: int = 500, lambda_min: float = -10.0, lambda_max: float = 10.0) -> "NoiseSchedule":
        """The log signal-to-noise ratio falls from lambda_max at t = 1 to lambda_min at t = T as -2 log tan(a u + b).

        u goes evenly from 0 to 1, b = arctan(exp(-lambda_max / 2)), a + b = arctan(exp(-lambda_min / 2)): the
        quantiles of a hyperbolic secant distribution cut at both ends (Ho and Salimans 2022, section 2,
        arXiv:2207.12598). It makes alpha_bar_t = cos^2(a u + b): the cosine schedule in all but its ends. Theirs are
        -20 and 20; but then the last beta is so near 1 that a step of a small T divides the error of the prediction
        by 1e-4. ValueError unless lambda_min < lambda_max.
        """
        if not lambda_min < lambda_max or not math.isfinite(lambda_max - lambda_min):
            raise ValueError(f"needs finite lambda_min < lambda_max, got {lambda_min} and {lambda_max}")
        first, last = (math.atan(math.exp(-v / 2)) for v in (lambda_max, lambda_min))
        angle = _after_zero(torch.linspace(first, last, _checked_T(T), dtype=torch.float64))
        # 1 - cos^2(b) / cos^2(a), written so that a first step of 1e-9 keeps its digits
        beta = angle.diff().sin() * (angle[1:] + angle[:-1]).sin() / angle[:-1].cos() ** 2
        return cls(_after_zero(beta), f"sech, T = {T}")

    @classmethod
    def from_log_snr(cls, log_snr: Tensor, name: str = "custom") -> "NoiseSchedule":
        """The schedule whose log signal-to-noise ratio at t = 1..T is `log_snr` (T,), falling.

        alpha_bar is the logistic function of it. Raises ValueError, saying where, for a curve that does not fall.
        """
        curve = torch.as_tensor(log_snr, dtype=torch.float64)
        if curve.ndim != 1 or not len(curve) or not curve.isfinite().all():
            raise ValueError(f"log_snr must be finite, of shape (T,), T >= 1, got {tuple(curve.shape)}")
        if (rises := (curve.diff() >= 0).nonzero()).numel():
            t = int(rises[0]) + 1
            raise ValueError(f"log_snr must fall, but goes from {curve[t - 1]:.4g} at t = {t} to {curve[t]:.4g}")
        log_alpha_bar = _after_zero(nn.functional.logsigmoid(curve))
        return cls(_after_zero(-log_alpha_bar.diff().expm1()), name)

    @classmethod
    def linear_matched(
        cls, T: int = 500, alpha_bar_T: float | None = None, beta_1: float = 1e-4, beta_T: float = 0.02
    ) -> "NoiseSchedule":
        """beta rises evenly from s beta_1 to s beta_T, with the one s that makes the schedule end at alpha_bar_T.

        So schedules of different T leave the same share of signal; alpha_bar_T left out is that of `linear()`, 0.0064.
        Raises ValueError for an alpha_bar_T outside (0, 1), or that no s with s beta < 1 reaches to within 1e-9 of it.
        """
        target = float(cls.linear().alpha_bar_T if alpha_bar_T is None else alpha_bar_T)
        _check_ends(beta_1, beta_T)
        if not 0 < target < 1:
            raise ValueError(f"alpha_bar_T must lie strictly between 0 and 1, got {target}")
        ramp = torch.linspace(beta_1, beta_T, _checked_T(T), dtype=torch.float64)
        ramp /= ramp.max()

        def excess(s: float) -> float:
            return float((-s * ramp).log1p().sum()) - math.log(target)

        most = 1 - 2**-53  # the largest beta below 1
        s = most if excess(most) > 0 else brentq(excess, 0, most, xtol=1e-300, rtol=1e-15)
        schedule = cls(_after_zero(s * ramp), f"linear matched, T = {T}")
        if abs(schedule.alpha_bar_T / target - 1) > 1e-9:
            raise ValueError(f"alpha_bar_T = {target:.4g} is out of reach of beta < 1 in T = {T} steps of this ramp")
        return schedule


# what the command line and the sweep call by name; each takes T
SCHEDULES: dict[str, Callable[..., NoiseSchedule]] = {
    "linear": NoiseSchedule.linear,
    "cosine": NoiseSchedule.cosine,
    "sigmoid": NoiseSchedule.sigmoid,
    "scaled_linear": NoiseSchedule.scaled_linear,
    "sech": NoiseSchedule.sech,
    "linear_matched": NoiseSchedule.linear_matched,
}


def per_sample(values: Tensor, t: int | Tensor, x: Tensor) -> Tensor:
    """Pick values[t] and shape the result so that it multiplies x, row by row.

    values (T + 1,), t integer, scalar or (B,), x (B, ...) -> scalar or (B, 1, ...), in x's dtype and on its device.
    Raises TypeError if t is not an integer, ValueError if it lies outside 0..T or does not have one entry per row.
    """
    t = torch.as_tensor(t, device=values.device)
    if t.is_floating_point() or t.is_complex() or t.dtype == torch.bool:
        raise TypeError(f"t must be an integer, got {t.dtype}; the schedule's times are 0..{len(values) - 1}")
    if t.numel() and not 0 <= t.min() <= t.max() < len(values):
        raise ValueError(f"t must lie in 0..{len(values) - 1}, got {int(t.min())}..{int(t.max())}")
    if t.ndim > 1 or (t.ndim == 1 and len(t) != len(x)):
        raise ValueError(f"t must be a scalar or have one entry for each of the {len(x)} rows, got {tuple(t.shape)}")
    picked = values[t.long()].to(x)
    return picked if t.ndim == 0 else picked.reshape(-1, *[1] * (x.ndim - 1))


def normalised_time(t: Tensor, T: int) -> Tensor:
    """t_bar = 2 (t - T/2) / T, which maps t = 0..T onto [-1, 1]; the only place where time is rescaled."""
    return 2 * (t - T / 2) / T


def check_T(network: object, schedule: NoiseSchedule, name: str) -> None:
    """Raise ValueError if the network, called `name` in the message, was built for another number of steps."""
    if getattr(network, "T", schedule.T) != schedule.T:
        raise ValueError(f"the {name} was built for T = {network.T}, the schedule has T = {schedule.T}")


def check_dtype(network: object, x: Tensor, name: str) -> None:
    """Raise ValueError if x, called `name` in the message, has another dtype than the network's weights."""
    weight = next(network.parameters(), x) if isinstance(network, nn.Module) else x
    if weight.dtype != x.dtype:
        dtype = weight.dtype
        raise ValueError(f"{name} must be {dtype} as the network's weights are, got {x.dtype}: give {name}.to({dtype})")


def _after_zero(beta: Tensor) -> Tensor:
    return torch.cat([beta.new_zeros(1), beta])


def _checked_T(T: int) -> int:
    if not isinstance(T, int) or T < 1:
        raise ValueError(f"T must be an integer >= 1, got {T!r}")
    return T


def _check_ends(beta_1: float, beta_T: float) -> None:
    if not (0 < beta_1 < 1 and 0 < beta_T < 1):
        raise ValueError(f"beta_1 and beta_T must lie strictly between 0 and 1, got {beta_1} and {beta_T}")
