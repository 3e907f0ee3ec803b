"""STATES in many dimensions: points (N, D) of any D >= 2 whose distribution, and so whose best denoiser, is known."""

import torch
from torch import Tensor

from statesdiff.data import JITTER, Dataset, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule, per_sample

THIN = 0.1  # standard deviation of the coordinates that hold nothing, standardised units


class Embedded:
    """STATES in the first two of D coordinates, independent Gaussians of deviation THIN in the others, then turned.

    `turn` (D, D) is a rotation drawn from `seed`, the identity if seed is None: x = turn u for u in the coordinates
    before. The data lie about a plane, but no coordinate of x shows it. Raises ValueError for D below 2.
    """

    def __init__(self, D: int, seed: int | None = 0) -> None:
        if D < 2:
            raise ValueError(f"D must be at least 2, which STATES needs, got {D}")
        self.D, self.turn = D, torch.eye(D) if seed is None else rotation(D, seed)

    def draw(self, n_per_state: int = 1000, seed: int = 0) -> Dataset:
        """x (5 n, D) with the labels of the states; each seed is an independent draw, 0 has the book's own STATES."""
        flat = states(n_per_state, seed)
        rest = THIN * randn(len(flat), self.D - 2, generator=stream("embedded", seed))
        return Dataset(torch.cat([flat.x, rest], dim=1) @ self.turn.T, flat.y)

    def turned_back(self, x: Tensor) -> Tensor:
        """The coordinates before the rotation, (n, D) -> (n, D): STATES in the first two."""
        return x @ self.turn.to(x)

    def ideal(self, schedule: NoiseSchedule) -> "EmbeddedIdeal":
        """The exact denoiser of the distribution."""
        return EmbeddedIdeal(self, schedule)


class EmbeddedIdeal:
    """The exact noise predictor of `Embedded` points: eps_hat = E[eps | x_t], x_t (B, D), t in 1..T -> (B, D).

    Noise is the same in every direction, so x_t may be turned back: u_t = turn^T x_t is the noisy point of u, its first
    two coordinates independent of the others. Those two are answered by the `IdealDenoiser` of the outlines. A Gaussian
    coordinate of variance s^2 has variance alpha_bar_t s^2 + 1 - alpha_bar_t at time t, and E[eps | u_t] is u_t times
    the covariance of eps and u_t, sqrt(1 - alpha_bar_t), over it. The answers are turned as the points were.
    """

    def __init__(self, known: Embedded, schedule: NoiseSchedule) -> None:
        self.known, self.schedule, self.T, self.D = known, schedule, schedule.T, known.D
        self.plane = IdealDenoiser(outline_points(4000), schedule, jitter=JITTER)

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        u_t = self.known.turned_back(x_t)
        alpha_bar = per_sample(self.schedule.alpha_bar, t, x_t.double())
        factor = (1 - alpha_bar).sqrt() / (alpha_bar * THIN**2 + 1 - alpha_bar)
        parts = [self.plane(u_t[:, :2].contiguous(), t), factor.to(x_t) * u_t[:, 2:]]
        return torch.cat(parts, dim=1) @ self.known.turn.to(x_t).T


def rotation(D: int, seed: int = 0) -> Tensor:
    """A rotation of D dimensions, uniform among them (Stewart 1980, SIAM J. Numer. Anal. 17), (D, D) float32.

    The Q of a QR decomposition of Gaussian numbers, its signs fixed by R's diagonal; one column changes its sign where
    the determinant is -1.
    """
    q, r = torch.linalg.qr(randn(D, D, generator=stream("rotation", seed)).double())
    q = q * r.diagonal().sign()
    q[:, 0] *= q.det().sign()
    return q.float()
