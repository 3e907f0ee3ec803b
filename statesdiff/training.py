"""Training a denoiser or a classifier: a generator that yields a small record after every step of the optimiser."""

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler, OneCycleLR

from statesdiff.labels import drop_labels
from statesdiff.rng import randn
from statesdiff.schedule import NoiseSchedule, check_dtype, check_T

DrawTime = Callable[[int, int, torch.Generator | None], Tensor]
DrawRows = Callable[[int, int, torch.Generator | None], Iterator[Tensor]]
LearningRate = Callable[[torch.optim.Optimizer, float, int], LRScheduler]
Optimiser = Callable[[Iterable[Tensor], float], torch.optim.Optimizer]


class Step(NamedTuple):
    """What one step reports: its number from 1, the batch's mean loss per coordinate, the learning rate used."""

    step: int
    loss: float
    lr: float


def uniform_t(T: int, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n times drawn uniformly from 1..T (DDPM, algorithm 1), int64 (n,)."""
    return torch.randint(1, T + 1, (n,), generator=generator)


def low_noise_t(T: int, n: int, generator: torch.Generator | None = None) -> Tensor:
    """n times ceil(T u^3), u uniform: half of them in the first eighth of 1..T, where the detail is; int64 (n,)."""
    return (T * (1 - torch.rand(n, generator=generator)) ** 3).ceil().long().clamp(1, T)


def with_replacement(N: int, n: int, generator: torch.Generator | None = None) -> Iterator[Tensor]:
    """For ever, n of N rows drawn independently of each other, int64 (n,)."""
    while True:
        yield torch.randint(N, (n,), generator=generator)


def every_point_once(N: int, n: int, generator: torch.Generator | None = None) -> Iterator[Tensor]:
    """For ever, the next n of N shuffled rows, int64 (n,): each once an epoch, the epochs joined end to end."""
    left = torch.empty(0, dtype=torch.int64)
    while True:
        while len(left) < n:
            left = torch.cat([left, torch.randperm(N, generator=generator)])
        yield left[:n]
        left = left[n:]


def constant(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> LRScheduler:
    """lr from the first step to the last."""
    return ConstantLR(optimiser, factor=1.0)


def one_cycle(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> LRScheduler:
    """Warm up to lr over the first 30% of the steps, then anneal to almost nothing (Smith & Topin 2018).

    As PyTorch has it, the momentum (Adam's first beta) falls from 0.95 to 0.85 meanwhile, and rises again.
    """
    return OneCycleLR(optimiser, max_lr=lr, total_steps=steps + 1)


def cosine_decay(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> LRScheduler:
    """Half a cosine from lr down to zero (Loshchilov & Hutter 2017)."""
    return CosineAnnealingLR(optimiser, T_max=steps)


def decay_at(step: int, decay: float) -> float:
    """What an exponential moving average of the weights keeps of itself at this step, from 1: at most `decay`.

    (1 + step) / (10 + step) while that is less, so that a short training is not averaged with its random start: the
    average then spans about a tenth of the updates so far, later about 1 / (1 - decay) updates.
    """
    return min(decay, (1 + step) / (10 + step))


def adam_w(parameters: Iterable[Tensor], lr: float) -> torch.optim.Optimizer:
    """The book's optimiser: AdamW (Loshchilov & Hutter 2019), its second moment averaged over about 100 steps."""
    return torch.optim.AdamW(parameters, lr=lr, betas=(0.9, 0.99), fused=True)


def adam(parameters: Iterable[Tensor], lr: float) -> torch.optim.Optimizer:
    """Adam as it comes (Kingma & Ba 2015): no weight decay, the second moment averaged over about 1,000 steps."""
    return torch.optim.Adam(parameters, lr=lr, fused=True)


@dataclass(frozen=True)
class Training:
    """How a network is trained; the fields are the options of `train_denoiser`, with the same meanings and defaults.

    p_uncond = None, for a classifier, drops no label. Raises ValueError, naming the field, for what cannot be used.
    """

    steps: int = 4000
    batch_size: int = 512
    lr: float = 1e-3
    lr_schedule: LearningRate = one_cycle
    optimiser: Optimiser = adam_w
    draw_t: DrawTime = uniform_t
    draw_rows: DrawRows = with_replacement
    p_uncond: float | None = 0.2

    def __post_init__(self) -> None:
        if self.steps < 1 or self.batch_size < 1 or not 0 < self.lr < float("inf"):
            got = f"{self.steps}, {self.batch_size}, {self.lr}"
            raise ValueError(f"steps and batch_size must be >= 1 and lr > 0, got {got}")
        if self.p_uncond is not None and not 0 <= self.p_uncond <= 1:
            raise ValueError(f"p_uncond must be a probability, got {self.p_uncond}")


class Batch(NamedTuple):
    """What a loss may ask for: noisy points x_t (n, ...), t (n,), the noise eps (n, ...), labels (n,) or None."""

    x_t: Tensor
    t: Tensor
    eps: Tensor
    y: Tensor | None


def noisy_batches(
    x_0: Tensor,
    schedule: NoiseSchedule,
    y: Tensor | None,
    how: Training,
    *,
    n: int | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Batch]:
    """For ever, the next n noisy points (left out: one batch) of x_0 (N, ...), with their labels if y (N,) is given.

    Rows, then t, then eps, then the labels to drop are drawn from the generator, in this order.
    """
    n = how.batch_size if n is None else n
    for rows in how.draw_rows(len(x_0), n, generator):
        t = how.draw_t(schedule.T, n, generator).to(x_0.device)
        eps = randn(n, *x_0.shape[1:], generator=generator, device=x_0.device)
        labels = None if y is None else y[rows.to(y.device)]
        if labels is not None and how.p_uncond is not None:
            labels = drop_labels(labels, how.p_uncond, generator)
        yield Batch(schedule.q_sample(x_0[rows.to(x_0.device)], t, eps), t, eps, labels)


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
    steps: int = 4000,
    batch_size: int = 512,
    lr: float = 1e-3,
    lr_schedule: LearningRate = one_cycle,
    optimiser: Optimiser = adam_w,
    draw_t: DrawTime = uniform_t,
    draw_rows: DrawRows = with_replacement,
    p_uncond: float = 0.2,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Minimise E |eps - eps_theta(x_t, t)|^2 (DDPM, eq. 14 and algorithm 1), noise and t drawn afresh for every batch.

    x_0 (N, ...) real points. With labels y (N,) the model is told them, eps_theta(x_t, t, y), except that each is
    replaced by -1, "no label", with probability p_uncond: one network learns both (Ho & Salimans 2022, algorithm 1).
    Yields a `Step` after each update, so the model is whole and usable whenever the caller stops listening, by `break`
    or by an interrupt. Raises ValueError for bad arguments, FloatingPointError if the loss stops being finite.
    """
    how = Training(steps, batch_size, lr, lr_schedule, optimiser, draw_t, draw_rows, p_uncond)
    check_trainable(model, x_0, schedule, y)
    batches = noisy_batches(x_0, schedule, y, how, generator=generator)

    def loss() -> Tensor:
        x_t, t, eps, labels = next(batches)
        eps_hat = model(x_t, t) if labels is None else model(x_t, t, labels)
        return (eps_hat - eps).square().mean()

    yield from minimise(model, loss, how)


def train_classifier(
    model: nn.Module,
    x_0: Tensor,
    schedule: NoiseSchedule,
    y: Tensor,
    *,
    steps: int = 4000,
    batch_size: int = 512,
    lr: float = 1e-3,
    lr_schedule: LearningRate = one_cycle,
    optimiser: Optimiser = adam_w,
    draw_t: DrawTime = uniform_t,
    draw_rows: DrawRows = with_replacement,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Minimise the cross-entropy E[-log p_phi(y | x_t)] on noisy points of every t (Dhariwal & Nichol 2021, section 4).

    x_0 (N, ...) real points, y (N,) their labels. Yields and raises as `train_denoiser` does; the loss is in nats.
    """
    how = Training(steps, batch_size, lr, lr_schedule, optimiser, draw_t, draw_rows, p_uncond=None)
    check_trainable(model, x_0, schedule, y)
    batches = noisy_batches(x_0, schedule, y, how, generator=generator)

    def loss() -> Tensor:
        x_t, t, _, labels = next(batches)
        return nn.functional.cross_entropy(model(x_t, t), labels)

    yield from minimise(model, loss, how)


def check_trainable(model: nn.Module, x_0: Tensor, schedule: NoiseSchedule, y: Tensor | None) -> None:
    """Raise ValueError, naming the argument, unless the model can learn x_0 (N, ...) and the labels y (N,), if any."""
    check_data(model, x_0)
    if y is not None and (y.shape != x_0.shape[:1] or y.dtype != torch.int64 or y.min() < 0):
        raise ValueError(f"y must hold {len(x_0)} labels >= 0, int64, one a point; got {tuple(y.shape)} {y.dtype}")
    n_classes = getattr(model, "n_classes", None)
    if y is not None and n_classes is not None and y.max() >= n_classes:
        raise ValueError(f"y holds the label {int(y.max())}, the model was built for {n_classes} classes, 0..K-1")
    check_T(model, schedule, "model")


def check_data(model: nn.Module, x_0: Tensor) -> None:
    """Raise ValueError unless x_0 (N, ...) is there, finite, and of the dtype of the model's weights."""
    if x_0.ndim < 2 or 0 in x_0.shape or not x_0.isfinite().all():
        raise ValueError(f"x_0 must be a non-empty, finite tensor of shape (N, ...), got {tuple(x_0.shape)}")
    check_dtype(model, x_0, "x_0")


def minimise(model: nn.Module, loss_of_next_batch: Callable[[], Tensor], how: Training) -> Iterator[Step]:
    """The loop of every training: how.steps times the next loss, a step down its gradient, and a `Step`.

    Of `how` it takes the steps, the optimiser, the learning rate and its schedule. Raises FloatingPointError if the
    loss stops being finite, before the weights are touched.
    """
    optimiser = how.optimiser(model.parameters(), how.lr)
    lr_schedule = how.lr_schedule(optimiser, how.lr, how.steps)
    for step in range(1, how.steps + 1):
        loss = loss_of_next_batch()
        if not loss.isfinite():
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}: is lr = {how.lr} too high?")
        lr_used = optimiser.param_groups[0]["lr"]
        optimiser.zero_grad()
        descend(optimiser, loss)
        lr_schedule.step()
        yield Step(step, loss.item(), lr_used)


def descend(optimiser: torch.optim.Optimizer, loss: Tensor, longest: float = math.inf) -> None:
    """One step down the loss's gradient, cut to the length `longest`; the gradient of the step before must be gone."""
    loss.backward()
    if longest < math.inf:
        nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]], longest)
    optimiser.step()
