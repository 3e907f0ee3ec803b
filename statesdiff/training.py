"""Training a denoiser: a generator that yields a small record after every step of the optimiser."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR

from statesdiff.models import Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule

DrawTime = Callable[[int, int, torch.Generator | None], Tensor]
LearningRate = Callable[[torch.optim.Optimizer, float, int], LRScheduler]


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


def one_cycle(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> LRScheduler:
    """Warm up to lr over the first 30% of the steps, then anneal to almost nothing (Smith & Topin 2018)."""
    return OneCycleLR(optimiser, max_lr=lr, total_steps=steps + 1)


def cosine_decay(optimiser: torch.optim.Optimizer, lr: float, steps: int) -> LRScheduler:
    """Half a cosine from lr down to zero (Loshchilov & Hutter 2017)."""
    return CosineAnnealingLR(optimiser, T_max=steps)


def train_denoiser(
    model: nn.Module,
    x_0: Tensor,
    schedule: NoiseSchedule,
    *,
    steps: int = 4000,
    batch_size: int = 512,
    lr: float = 1e-3,
    draw_t: DrawTime = uniform_t,
    lr_schedule: LearningRate = one_cycle,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Minimise E |eps - eps_theta(x_t, t)|^2 (DDPM, eq. 14 and algorithm 1), noise and t drawn afresh for every batch.

    x_0 (N, D) real points. Yields a `Step` after each update, so the model is whole and usable whenever the caller
    stops listening, by `break` or by an interrupt. Raises ValueError for bad arguments, FloatingPointError if the loss
    stops being finite.
    """
    _check(model, x_0, schedule, steps, batch_size, lr)
    optimiser = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.99), fused=True)
    rate = lr_schedule(optimiser, lr, steps)
    for step in range(1, steps + 1):
        rows = torch.randint(len(x_0), (batch_size,), generator=generator)
        t = draw_t(schedule.T, batch_size, generator)
        eps = randn(batch_size, x_0.shape[1], generator=generator, device=x_0.device)
        x_t = schedule.q_sample(x_0[rows], t, eps)
        loss = (model(x_t, t) - eps).square().mean()
        if not loss.isfinite():
            raise FloatingPointError(f"the loss is {loss.item()} at step {step}: is lr = {lr} too high?")
        lr_used = optimiser.param_groups[0]["lr"]
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        rate.step()
        yield Step(step, loss.item(), lr_used)


def _check(model: nn.Module, x_0: Tensor, schedule: NoiseSchedule, steps: int, batch_size: int, lr: float) -> None:
    if x_0.ndim != 2 or len(x_0) == 0 or not x_0.isfinite().all():
        raise ValueError(f"x_0 must be a non-empty, finite tensor of shape (N, D), got {tuple(x_0.shape)}")
    if steps < 1 or batch_size < 1 or not 0 < lr < float("inf"):
        raise ValueError(f"steps and batch_size must be >= 1 and lr > 0, got {steps}, {batch_size}, {lr}")
    if getattr(model, "T", schedule.T) != schedule.T:
        raise ValueError(f"the model was built for T = {model.T}, the schedule has T = {schedule.T}")


@dataclass(frozen=True)
class Recipe:
    """A network and how to train it; `RECIPES` holds the book's two."""

    build: Callable[..., Denoiser]
    steps: int
    lr: float
    draw_t: DrawTime
    batch_size: int = 512


RECIPES = {
    # The project's network, trained plainly: half a minute on one core.
    "plain": Recipe(Denoiser, steps=4000, lr=3e-3, draw_t=uniform_t),
    # Better inputs and more low-noise steps: sharper in a third of the time (benchmarks/time_to_quality.py).
    "fourier": Recipe(Denoiser.fourier, steps=4000, lr=8e-3, draw_t=low_noise_t),
}


def train_recipe(
    name: str, x_0: Tensor, schedule: NoiseSchedule, *, steps: int | None = None, seed: int = 0
) -> tuple[Denoiser, Iterator[Step]]:
    """A fresh model and the iterator that trains it by the recipe of that name. Raises ValueError for another name."""
    if name not in RECIPES:
        raise ValueError(f"recipe must be one of {sorted(RECIPES)}, got {name!r}")
    recipe = RECIPES[name]
    model = init(recipe.build, D=x_0.shape[1], T=schedule.T, generator=stream("init", seed))
    options = {
        "steps": steps or recipe.steps,
        "batch_size": recipe.batch_size,
        "lr": recipe.lr,
        "draw_t": recipe.draw_t,
    }
    return model, train_denoiser(model, x_0, schedule, generator=stream("train", seed), **options)
