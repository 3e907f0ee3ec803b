"""Training a denoiser or a classifier: a generator that yields a small record after every step of the optimiser."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from statesdiff.rng import randn
from statesdiff.schedule import NoiseSchedule, check_T

DrawTime = Callable[[int, int, torch.Generator | None], Tensor]
LearningRate = Callable[[torch.optim.Optimizer, float, int], LRScheduler]
Optimiser = Callable[[Iterable[Tensor], float], torch.optim.Optimizer]


class Step(NamedTuple):
    """What one step reports: its number from 1, the batch's mean squared error per coordinate, the learning rate used."""

    step: int
    loss: float
    lr: float


def uniform_t(T: int, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n times drawn uniformly from 1..T (DDPM, algorithm 1), int64 (n,)."""
    return torch.randint(1, T + 1, (n,), generator=generator)


def low_noise_t(T: int, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n times ceil(T u^3), u uniform: half of them in the first eighth of 1..T, where the detail is; int64 (n,)."""
    return (T * (1 - torch.rand(n, generator=generator)) ** 3).ceil().long().clamp(1, T)


def constant(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> LRScheduler:
    """lr from the first step to the last."""
    return ConstantLR(optimiser, factor=1.0)


def one_cycle(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> LRScheduler:
    """Warm up to lr over the first 30% of the steps, then anneal to almost nothing (Smith & Topin 2018)."""
    return OneCycleLR(optimiser, max_lr=lr, total_steps=steps + 1)


def cosine_decay(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> LRScheduler:
    """Half a cosine from lr down to zero (Loshchilov & Hutter 2017)."""
    return CosineAnnealingLR(optimiser, T_max=steps)


def adam_w(parameters: Iterable[Tensor], lr: float) -> torch.optim.Optimizer:
    """The book's optimiser: AdamW (Loshchilov & Hutter 2019), its second moment averaged over about 100 steps."""
    return torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.99), fused=True)


def adam(parameters: Iterable[Tensor], lr: float) -> torch.optim.Optimizer:
    """Adam as it comes (Kingma & Ba 2015): no weight decay, the second moment averaged over about 1,000 steps."""
    return torch.optim.Adam(parameters, lr=lr, fused=True)


@contextmanager
def denormals_flushed() -> Iterator[None]:
    """Inside, this thread takes numbers below the smallest normal one for zero; afterwards all is as it was.

    The optimiser's memory of an idle weight fades to such numbers, and processors multiply them ten times slower.
    """
    flushed_before = torch.tensor(1e-39).mul(1.0).item() == 0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(flushed_before)


def train_denoiser(
    model: nn.Module,
    x_0: Tensor,
    schedule: NoiseSchedule,
    y: Tensor | None = None,
    *,
    p_uncond: float = 0.2,
    steps: int = 4000,
    batch_size: int = 512,
    lr: float = 1e-3,
    draw_t: DrawTime = uniform_t,
    lr_schedule: LearningRate = one_cycle,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Minimise E |eps - eps_theta(x_t, t)|^2 (DDPM, eq. 14 and algorithm 1), noise and t drawn afresh for every batch.

    x_0 (N, D) real points. With labels y (N,) the model is told them, eps_theta(x_t, t, y), except that each is replaced by
    -1, "no label", with probability p_uncond: one network learns both (Ho & Salimans 2022, algorithm 1).
    Yields a `Step` after each update, so the model is whole and usable whenever the caller stops listening, by `break` or
    by an interrupt. Raises ValueError for bad arguments, FloatingPointError if the loss stops being finite.
    """
    _check(model, x_0, schedule, y)
    _check_probability(p_uncond)

    def loss() -> Tensor:
        rows, t, eps, x_t = _noisy_batch(x_0, schedule, batch_size, draw_t, generator)
        if y is None:
            eps_hat = model(x_t, t)
        else:
            eps_hat = model(x_t, t, drop_labels(y[rows], p_uncond, generator))
        return (eps_hat - eps).square().mean()

    yield from _optimise(model, loss, steps, batch_size, lr, lr_schedule)


def train_classifier(
    model: nn.Module,
    x_0: Tensor,
    schedule: NoiseSchedule,
    y: Tensor,
    *,
    steps: int = 4000,
    batch_size: int = 512,
    lr: float = 1e-3,
    draw_t: DrawTime = uniform_t,
    lr_schedule: LearningRate = one_cycle,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Minimise the cross-entropy E[-log p_phi(y | x_t)] on noisy points of every t (Dhariwal & Nichol 2021, section 4).

    x_0 (N, D) real points, y (N,) their labels. Yields and raises as `train_denoiser` does; the loss is in nats.
    """
    _check(model, x_0, schedule, y)

    def loss() -> Tensor:
        rows, t, _, x_t = _noisy_batch(x_0, schedule, batch_size, draw_t, generator)
        return nn.functional.cross_entropy(model(x_t, t), y[rows])

    yield from _optimise(model, loss, steps, batch_size, lr, lr_schedule)


def drop_labels(y: Tensor, p_uncond: float, generator: torch.Generator | None = None) -> Tensor:
    """The labels y (B,), each replaced by -1, "no label", with probability p_uncond (Ho & Salimans 2022, algorithm 1)."""
    dropped = torch.rand(len(y), generator=generator) < p_uncond
    return y.masked_fill(dropped.to(y.device), -1)


def _noisy_batch(
    x_0: Tensor, schedule: NoiseSchedule, batch_size: int, draw_t: DrawTime, generator: torch.Generator | None
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """The rows of x_0 that were picked, their times t, the noise eps and the noisy points x_t."""
    rows = torch.randint(len(x_0), (batch_size,), generator=generator)
    t = draw_t(schedule.T, batch_size, generator)
    eps = randn(batch_size, x_0.shape[1], generator=generator, device=x_0.device)
    return rows, t, eps, schedule.q_sample(x_0[rows], t, eps)


def _optimise(
    model: nn.Module, loss_of_batch: Callable[[], Tensor], steps: int, batch_size: int, lr: float, rate: LearningRate
) -> Iterator[Step]:
    _check_amounts(steps, batch_size, lr)
    optimiser = adam_w(model.parameters(), lr)
    lr_schedule = rate(optimiser, lr, steps)
    for step in range(1, steps + 1):
        loss = loss_of_batch()
        if not loss.isfinite():
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}: is lr = {lr} too high?")
        lr_used = optimiser.param_groups[0]["lr"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        lr_schedule.step()
        yield Step(step, loss.item(), lr_used)


def _check(model: nn.Module, x_0: Tensor, schedule: NoiseSchedule, y: Tensor | None) -> None:
    if x_0.ndim != 2 or len(x_0) == 0 or not x_0.isfinite().all():
        raise ValueError(f"x_0 must be a non-empty, finite tensor of shape (N, D), got {tuple(x_0.shape)}")
    if y is not None and (y.shape != x_0.shape[:1] or y.dtype != torch.int64 or y.min() < 0):
        raise ValueError(f"y must hold {len(x_0)} labels >= 0, int64, one a point; got {tuple(y.shape)} {y.dtype}")
    n_classes = getattr(model, "n_classes", None)
    if y is not None and n_classes is not None and y.max() >= n_classes:
        raise ValueError(f"y holds the label {int(y.max())}, the model was built for {n_classes} classes, 0..K-1")
    check_T(model, schedule, "model")


def _check_probability(p_uncond: float) -> None:
    if not 0 <= p_uncond <= 1:
        raise ValueError(f"p_uncond must be a probability, got {p_uncond}")


def _check_amounts(steps: int, batch_size: int, lr: float) -> None:
    if steps < 1 or batch_size < 1 or not 0 < lr < float("inf"):
        raise ValueError(f"steps and batch_size must be >= 1 and lr > 0, got {steps}, {batch_size}, {lr}")
