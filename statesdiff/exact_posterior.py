"""The exact posterior of a finite data set with a jitter, given a measurement: at every time, and draws from it."""

import math

import torch
from torch import Tensor

from statesdiff.exact import IdealDenoiser
from statesdiff.inverse import Twist, guided_noise
from statesdiff.measurements import Measurement
from statesdiff.schedule import per_sample

MAX_PAIRS = 400_000  # pairs of points held at once; each takes part in an automatic derivative
BATCH = 100_000  # proposals of a rejection sampler at a time
LEAST = 1e-6  # share of the proposals that it must accept


class ExactPosterior:
    """The exact noise predictor of p(x_0 | y), where x_0 is what the `ideal` denoiser knows: points with a jitter.

    p(y | x_t) is a sum over the points of the data: the weight of each as the origin of x_t, times what is to be
    expected of y if it is. Its gradient guides `ideal` at scale 1, which is exact at every t. With a label y the data
    are the points of that class alone. Callable as x_t (B, D), t scalar or (B,) -> eps_hat (B, D), t >= 1.
    Raises ValueError for a jitter of 0, or a label that `ideal` does not know.
    """

    scale = 1.0

    def __init__(self, ideal: IdealDenoiser, measurement: Measurement, y: int | None = None) -> None:
        if not ideal.jitter > 0:
            raise ValueError("the data need a jitter: without it x_0 is one of finitely many points")
        if y is not None and y not in range(len(ideal.classes)):
            raise ValueError(f"y must be a label in 0..{len(ideal.classes) - 1} of the ideal denoiser, got {y!r}")
        self.ideal, self.measurement, self.schedule, self.T, self.y = ideal, measurement, ideal.schedule, ideal.T, y
        self.points = ideal.data if y is None else ideal.classes[y]

    def log_likelihood(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """log p(y | x_t) in nats, (B,), t from 0; at t = 0 it is log p(y | x_0)."""
        return torch.cat([self._log_likelihood(*part) for part in self._parts(x_t, t)])

    def twist(self, x_t: Tensor, t: int | Tensor) -> Twist:
        """The noise without y, log p(y | x_t) and its gradient, all exact."""
        found = []
        for x, alpha_bar in self._parts(x_t.detach(), t):
            with torch.enable_grad():
                log_p = self._log_likelihood(x.requires_grad_(), alpha_bar)
                found.append((log_p.detach(), torch.autograd.grad(log_p.sum(), x)[0]))
        log_p, gradient = (torch.cat(part) for part in zip(*found, strict=True))
        return Twist(self.ideal(x_t, t, self.y), log_p, gradient)

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        return guided_noise(self.twist(x_t, t), self.schedule, t)

    def log_density(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """log p_t(x_t | y) in nats, (B,): prior times likelihood over evidence; the posterior, noised to t."""
        return self.ideal.log_density(x_t, t, self.y) + self.log_likelihood(x_t, t) - self.log_evidence()

    def log_evidence(self) -> float:
        """log p(y) in nats, of a point that is not known at all."""
        each = self.measurement.log_likelihood(self.points.double(), self.ideal.jitter**2)
        return float(each.logsumexp(dim=0)) - math.log(len(each))

    def sample(self, n: int, *, generator: torch.Generator | None = None) -> Tensor:
        """n exact draws of x_0 given y, (n, D): points without y are kept with probability p(y | x_0) over its peak.

        Raises ValueError for n < 1, or if fewer than one in a million would be kept.
        """
        if n < 1:
            raise ValueError(f"n must be at least 1, got {n}")
        if (share := math.exp(self.log_evidence() - self.measurement.log_peak)) < LEAST:
            raise ValueError(f"of a million draws {1e6 * share:.2g} would be kept: the measurement is too improbable")
        kept: list[Tensor] = []
        while sum(map(len, kept)) < n:
            origin = self.points[torch.randint(len(self.points), (BATCH,), generator=generator)]
            x = origin + self.ideal.jitter * torch.randn(origin.shape, generator=generator)
            share = (self.measurement.log_likelihood(x) - self.measurement.log_peak).exp()
            kept.append(x[torch.rand(BATCH, generator=generator) < share])
        return torch.cat(kept)[:n]

    def _parts(self, x_t: Tensor, t: int | Tensor) -> list[tuple[Tensor, Tensor]]:
        if x_t.ndim != 2 or x_t.shape[1] != self.points.shape[1]:
            raise ValueError(f"x_t must have shape (B, {self.points.shape[1]}), got {tuple(x_t.shape)}")
        alpha_bar = per_sample(self.schedule.alpha_bar, t, x_t.double()).expand(len(x_t), 1)
        rows = max(1, MAX_PAIRS // len(self.points))
        return list(zip(x_t.split(rows), alpha_bar.split(rows), strict=True))

    def _log_likelihood(self, x_t: Tensor, alpha_bar: Tensor) -> Tensor:
        """log sum_i w_i p(y | x_0 ~ N(m_i, v)), where given x_t and origin i x_0 is N(m_i, v I)."""
        noise, jitter = (1 - alpha_bar) / alpha_bar, self.ideal.jitter**2
        points, query = self.points.to(x_t), x_t / alpha_bar.sqrt().to(x_t)
        off = query[:, None] - points  # (B, N, D)
        log_w = (off.square().sum(dim=-1) * (-0.5 / (noise + jitter)).to(x_t)).log_softmax(dim=1)
        kept = (jitter / (noise + jitter)).to(x_t)  # of the way from the point to the query
        return (log_w + self.measurement.log_likelihood(points + kept[..., None] * off, kept * noise)).logsumexp(dim=1)
