"""Measurements of x_0, which tell something about a point but not the point: coordinates with noise, a blurred box.

A **measurement** is anything with two things: `log_likelihood(x, variance)`, log p(y | x_0), averaged over x_0 ~
N(x, variance I), and `log_peak`, which no log p(y | x_0) exceeds. With variance = 0 the first is the likelihood itself.
"""

import math
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

FAR = 100.0  # standard deviations beyond the other edge, or the point, at which an infinite bound is put


class Measurement(Protocol):
    """What every method of `inverse` asks of a measurement."""

    log_peak: float

    def log_likelihood(self, x: Tensor, variance: float | Tensor = 0.0) -> Tensor:
        """log E p(y | x_0), x_0 ~ N(x, variance I): x (..., D), variance broadcasting to (...) -> (...)."""


class Linear:
    """y = A x_0 + width z, z standard normal: A (M, D), y (M,). One row (1, 0) tells the first coordinate alone.

    Raises ValueError for shapes that do not fit, numbers that are not finite, or a width that is not positive.
    """

    def __init__(self, A: Tensor | Sequence, y: Tensor | Sequence, width: float) -> None:
        self.A, self.y, self.width = _floats(A), _floats(y), _positive(width)
        if self.A.ndim != 2 or self.y.shape != self.A.shape[:1] or not len(self.y):
            raise ValueError(f"A must be (M, D) and y (M,), got {tuple(self.A.shape)} and {tuple(self.y.shape)}")
        if not (self.A.isfinite().all() and self.y.isfinite().all()):
            raise ValueError("A and y must be finite")
        self._squares, self._axes = torch.linalg.eigh(self.A @ self.A.T)  # along these axes the noises are independent
        self.log_peak = -len(self.y) * math.log(self.width * math.sqrt(2 * math.pi))

    def log_likelihood(self, x: Tensor, variance: float | Tensor = 0.0) -> Tensor:
        """log N(y; A x, width^2 I + variance A A^T), in nats; x (..., D) -> (...)."""
        _checked(x, self.A.shape[1])
        off = (self.y.to(x) - x @ self.A.T.to(x)) @ self._axes.to(x)
        total = self.width**2 + _floats(variance).to(x)[..., None] * self._squares.clamp(min=0).to(x)
        return -0.5 * (off.square() / total + (2 * math.pi * total).log()).sum(dim=-1)


class Box:
    """Whether x_0 + width z, z standard normal, lies in the box low <= x <= high, (D,) each; the answer was yes.

    Bounds may be infinite: a half-plane is a box too. Raises ValueError for shapes that do not fit, bounds that leave
    nothing or rule nothing out, or a width that is not positive.
    """

    log_peak = 0.0

    def __init__(self, low: Tensor | Sequence, high: Tensor | Sequence, width: float) -> None:
        self.low, self.high, self.width = _floats(low), _floats(high), _positive(width)
        if self.low.ndim != 1 or self.low.shape != self.high.shape or not (self.low < self.high).all():
            raise ValueError(f"low and high must be (D,), low below high, got {low} and {high}")
        self._told = (self.low.isfinite() | self.high.isfinite()).nonzero().ravel()
        if not len(self._told):
            raise ValueError("a box without a finite bound says nothing")

    def log_likelihood(self, x: Tensor, variance: float | Tensor = 0.0) -> Tensor:
        """The log of the product over the coordinates of Phi((high - x) / s) - Phi((low - x) / s), s^2 = width^2 +
        variance; x (..., D) -> (...).
        """
        _checked(x, len(self.low))
        x, s = x[..., self._told], (self.width**2 + _floats(variance).to(x)).sqrt()[..., None]
        low, high = ((bound[self._told].to(x) - x) / s for bound in (self.low, self.high))
        low = torch.where(low.isinf(), high.clamp(max=0) - FAR, low)
        high = torch.where(high.isinf(), low.clamp(min=0) + FAR, high)
        above = low > 0  # by symmetry, so that no small number is a difference of two near 1
        a, b = torch.where(above, -high, low), torch.where(above, -low, high)
        log_a, log_b = torch.special.log_ndtr(a), torch.special.log_ndtr(b)
        return (log_b + torch.log1p(-(log_a - log_b).exp())).sum(dim=-1)


def _floats(values: float | Tensor | Sequence) -> Tensor:
    return torch.as_tensor(values, dtype=torch.float64)


def _positive(width: float) -> float:
    if not 0 < width < float("inf"):
        raise ValueError(f"width must be a standard deviation > 0, got {width}")
    return float(width)


def _checked(x: Tensor, D: int) -> None:
    if x.ndim < 1 or x.shape[-1] != D or not x.is_floating_point():
        raise ValueError(f"x must be floating-point, of shape (..., {D}), got {tuple(x.shape)} {x.dtype}")
