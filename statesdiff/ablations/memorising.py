"""Has a network learnt its training points by heart? Two tests that blur cannot fool, where fresh points can be had."""

from collections.abc import Sequence

import torch
from torch import Tensor

from statesdiff import metrics
from statesdiff.rng import randn
from statesdiff.schedule import NoiseSchedule

TIMES = (1, 3, 10, 30, 100, 300)


class GapTest:
    """The gap: by how much a predictor's loss is lower on its training points than on fresh ones, at each of `times`.

    train (N, D) and fresh (M, D) points, `n` of each noised in the same way at all times. `truth` is the noise
    predictor of the distribution that both were drawn from: it can know no point by heart, so the gap that it has on
    these points is the luck of the draw, and is subtracted. `test(predictor)` is the gap per coordinate,
    (len(times),): 0 on average for whatever does not depend on which points were drawn. Raises ValueError for sets of
    points of different dimension.
    """

    def __init__(
        self,
        train: Tensor,
        fresh: Tensor,
        truth,
        schedule: NoiseSchedule,
        times: Sequence[int] = TIMES,
        *,
        n: int = 4000,
        generator: torch.Generator | None = None,
    ) -> None:
        if train.shape[1:] != fresh.shape[1:]:
            raise ValueError(f"train and fresh need one dimension, got {tuple(train.shape)} and {tuple(fresh.shape)}")
        x_0 = torch.cat([_repeated(train, n), _repeated(fresh, n)])
        self.eps, self.times, self.n = randn(*x_0.shape, generator=generator), tuple(times), n
        self.x_t = [schedule.q_sample(x_0, t, self.eps) for t in self.times]
        self.luck = self.losses(truth)

    @torch.no_grad()
    def losses(self, predictor) -> Tensor:
        """The loss of every noisy point, those of training points first, (len(times), 2 n)."""
        said = [predictor(x_t, torch.tensor(t)) for x_t, t in zip(self.x_t, self.times, strict=True)]
        return torch.stack([(eps_hat - self.eps).square().mean(dim=1) for eps_hat in said])

    def __call__(self, predictor) -> Tensor:
        more = (self.losses(predictor) - self.luck).double()
        return more[:, self.n :].mean(dim=1) - more[:, : self.n].mean(dim=1)


def copy_ratio(samples: Tensor, train: Tensor, unseen: Sequence[Tensor]) -> float:
    """Mean distance of samples to the nearest training point, over that to the nearest point of an unseen set.

    samples (n, D), train (N, D), unseen: sets (N, D) of the same size and from the same distribution, whose mean
    distances are averaged. 0 for copies; 1 on average for samples that do not depend on which of the sets was trained
    on, blurred or not. Raises ValueError for no unseen set or one of another size.
    """
    sizes = {len(points) for points in unseen}
    if sizes != {len(train)}:
        raise ValueError(f"unseen must hold sets of {len(train)} points, as many as train, got sizes {sorted(sizes)}")
    others = [metrics.mean_distance(samples, points) for points in unseen]
    return metrics.mean_distance(samples, train) / (sum(others) / len(others))


def _repeated(x: Tensor, n: int) -> Tensor:
    """n rows of x, each as often as the others to within one."""
    return x[torch.arange(n) % len(x)]
