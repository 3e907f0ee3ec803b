"""The book's recipes: a network and how to train it, by name; `register` adds those that a wing brings."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from torch import Tensor, nn

from statesdiff.models import Classifier, Denoiser, init
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import Step, Training, low_noise_t, train_classifier, train_denoiser


@dataclass(frozen=True)
class Recipe:
    """A network, how it is trained, and by what; `labelled` if it needs labels. `build` makes a `kind`."""

    build: Callable[..., nn.Module]
    training: Training
    labelled: bool = False
    kind: type[nn.Module] = Denoiser
    train: Callable[..., Iterator[Step]] = train_denoiser


RECIPES: dict[str, Recipe] = {}


def register(name: str, recipe: Recipe) -> None:
    """Make the recipe known by that name to `train_recipe` and the command line. ValueError if it is taken."""
    if name in RECIPES:
        raise ValueError(f"there is a recipe {name!r} already, name the new one otherwise")
    RECIPES[name] = recipe


# The project's network, trained plainly: half a minute on one core.
register("plain", Recipe(Denoiser, Training(lr=3e-3)))
# Better inputs, a skip, more low-noise steps: sharper in a third of the time (benchmarks/time_to_quality.py).
register("fourier", Recipe(Denoiser.fourier, Training(lr=8e-3, draw_t=low_noise_t)))
# The same network told the label, four times out of five: for classifier-free guidance.
register("conditional", replace(RECIPES["fourier"], labelled=True))
# The project's classifier, for classifier guidance: large batches, since it is its gradient that will be used.
OF_CLASSIFIER = Training(lr=3e-3, batch_size=2048, p_uncond=None)
register("classifier", Recipe(Classifier, OF_CLASSIFIER, labelled=True, kind=Classifier, train=train_classifier))


def train_recipe(
    name: str,
    x_0: Tensor,
    schedule: NoiseSchedule,
    y: Tensor | None = None,
    *,
    steps: int | None = None,
    seed: int = 0,
) -> tuple[nn.Module, Iterator[Step]]:
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
    options = {name: value for name, value in vars(recipe.training).items() if value is not None}
    options |= {"steps": recipe.training.steps if steps is None else steps, "generator": stream("train", seed)}
    return model, recipe.train(model, x_0, schedule, y if recipe.labelled else None, **options)
