"""The book's recipes: what each builds, from which streams, and that each learns."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from statesdiff.data import states
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.recipes import RECIPES, train_recipe
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import train_classifier, train_denoiser

SCHEDULE = NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.4)
DATA = randn(50, 2, generator=stream("data"))
LABELS = torch.arange(50) % 5


def parameters(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


# Predicting nothing costs 1; however the times are weighted, 150 steps learn to see more than a third of the noise.
# A guess among five states costs log 5 = 1.61; 30 steps tell them apart where the noise is weak.
@pytest.mark.parametrize(
    ("name", "steps", "below"),
    [("plain", 150, 0.65), ("fourier", 150, 0.65), ("conditional", 150, 0.65), ("classifier", 30, 1.3)],
)
def test_the_books_recipes_learn_states(name, steps, below):
    schedule, data = NoiseSchedule.linear(), states()
    model, training = train_recipe(name, data.x, schedule, data.y, steps=steps)
    losses = [record.loss for record in training]
    assert len(losses) == steps and model.T == 500
    assert sum(losses[-20:]) / 20 < below


def test_every_recipe_is_tried_on_states():
    assert set(RECIPES) == {"plain", "fourier", "conditional", "classifier"}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_takes_its_weights_and_its_batches_from_the_streams_of_its_seed(name, seed):
    recipe = RECIPES[name]
    labelled = {"n_classes": 5} if name in ("conditional", "classifier") else {}
    want = init(recipe.build, D=2, T=20, **labelled, generator=stream("init", seed))
    train = train_classifier if name == "classifier" else train_denoiser
    options = {"batch_size": recipe.batch_size, "lr": recipe.lr, "draw_t": recipe.draw_t}
    torch.manual_seed(seed + 5)
    model, steps = train_recipe(name, DATA, SCHEDULE, LABELS, steps=3, seed=seed)
    assert torch.equal(parameters(model), parameters(want))
    y = LABELS if labelled else None
    expected = list(train(want, DATA, SCHEDULE, y, steps=3, generator=stream("train", seed), **options))
    assert list(steps) == expected
    assert torch.equal(parameters(model), parameters(want))


def test_what_the_recipes_are_called_is_what_they_build():
    models = {name: train_recipe(name, DATA, SCHEDULE, LABELS)[0] for name in RECIPES}
    assert {name: type(model) for name, model in models.items()} == {
        "plain": Denoiser,
        "fourier": Denoiser,
        "conditional": Denoiser,
        "classifier": Classifier,
    }
    assert models["plain"].config == Denoiser(T=20).config
    assert models["fourier"].config == Denoiser.fourier(T=20).config
    assert models["conditional"].config == Denoiser.fourier(T=20, n_classes=5).config
    assert models["classifier"].n_classes == 5


@pytest.mark.parametrize("name", ["plain", "fourier"])
def test_a_recipe_without_classes_does_not_look_at_labels(name):
    a, b = (train_recipe(name, DATA, SCHEDULE, y, steps=2) for y in (None, LABELS))
    assert list(a[1]) == list(b[1]) and torch.equal(parameters(a[0]), parameters(b[0]))


@pytest.mark.parametrize("name", ["conditional", "classifier"])
def test_a_recipe_with_classes_needs_labels(name):
    with pytest.raises(ValueError, match=f"recipe '{name}' needs labels y, one a point"):
        train_recipe(name, DATA, SCHEDULE)


def test_a_recipe_takes_any_dimension_and_any_T():
    for name in RECIPES:
        model, steps = train_recipe(name, randn(50, 3, generator=stream("data")), SCHEDULE, LABELS, steps=2)
        assert len(list(steps)) == 2 and (model.D, model.T) == (3, 20)


def test_a_recipe_knows_its_own_number_of_steps(monkeypatch):
    monkeypatch.setitem(RECIPES, "plain", replace(RECIPES["plain"], steps=4, batch_size=8))
    assert len(list(train_recipe("plain", DATA, SCHEDULE)[1])) == 4


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="recipe must be one of .*plain.*, got 'best'"):
        train_recipe("best", DATA, SCHEDULE)
