"""The book's recipes: a network and how to train it, by name."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from torch import Tensor

from statesdiff.models import Classifier, Denoiser, init
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import DrawTime, Step, low_noise_t, train_classifier, train_denoiser, uniform_t


@dataclass(frozen=True)
class Recipe:
    """A network and how to train it; `labelled` if it is trained on points with labels."""

    build: Callable[..., Denoiser | Classifier]
    steps: int
    lr: float
    draw_t: DrawTime
    batch_size: int = 512
    labelled: bool = False
    train: Callable[..., Iterator[Step]] = train_denoiser


RECIPES = {
    # The project's network, trained plainly: half a minute on one core.
    "plain": Recipe(Denoiser, steps=4000, lr=3e-3, draw_t=uniform_t),
    # Better inputs and more low-noise steps: sharper in a third of the time (benchmarks/time_to_quality.py).
    "fourier": Recipe(Denoiser.fourier, steps=4000, lr=8e-3, draw_t=low_noise_t),
    # The same network told the label, four times out of five: for classifier-free guidance.
    "conditional": Recipe(Denoiser.fourier, steps=4000, lr=8e-3, draw_t=low_noise_t, labelled=True),
    # The project's classifier, for classifier guidance: large batches, since it is its gradient that will be used.
    "classifier": Recipe(Classifier, 4000, 3e-3, uniform_t, batch_size=2048, labelled=True, train=train_classifier),
}


def train_recipe(
    name: str,
    x_0: Tensor,
    schedule: NoiseSchedule,
    y: Tensor | None = None,
    *,
    steps: int | None = None,
    seed: int = 0,
) -> tuple[Denoiser | Classifier, Iterator[Step]]:
    """A fresh model and the iterator that trains it by the recipe of that name.

    x_0 (N, D), labels y (N,) for the recipes that need them. Raises ValueError for another name or missing labels.
    """
    if name not in RECIPES:
        raise ValueError(f"recipe must be one of {sorted(RECIPES)}, got {name!r}")
    recipe = RECIPES[name]
    if recipe.labelled and y is None:
        raise ValueError(f"recipe {name!r} needs labels y, one a point")
    classes = {"n_classes": int(y.max()) + 1} if recipe.labelled else {}
    model = init(recipe.build, D=x_0.shape[1], T=schedule.T, **classes, generator=stream("init", seed))
    options = {
        "steps": recipe.steps if steps is None else steps,
        "batch_size": recipe.batch_size,
        "lr": recipe.lr,
        "draw_t": recipe.draw_t,
        "generator": stream("train", seed),
    }
    return model, recipe.train(model, x_0, schedule, y if recipe.labelled else None, **options)
