"""The book's recipes: what each builds, from which streams, and that each learns."""

from dataclasses import replace

import pytest
import torch

from statesdiff.ablations.homework import HomeworkDenoiser
from statesdiff.data import states
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.recipes import RECIPES, Recipe, register, train_recipe
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import Training, adam, constant, every_point_once, train_classifier, train_denoiser, uniform_t
from tests.support import weights

SCHEDULE = NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.4)
DATA = randn(50, 2, generator=stream("data"))
LABELS = torch.arange(50) % 5


# Predicting nothing costs 1; however the times are weighted, 150 steps learn to see more than a third of the noise.
# A guess among five states costs log 5 = 1.61; 30 steps tell them apart where the noise is weak.
@pytest.mark.parametrize(
    ("name", "steps", "below"),
    [
        ("plain", 150, 0.65),
        ("fourier", 150, 0.65),
        ("conditional", 150, 0.65),
        ("classifier", 30, 1.3),
        ("homework", 150, 0.65),
    ],
)
def test_the_books_recipes_learn_states(name, steps, below):
    schedule, data = NoiseSchedule.linear(), states()
    model, training = train_recipe(name, data.x, schedule, data.y, steps=steps)
    losses = [record.loss for record in training]
    assert len(losses) == steps and model.T == 500
    assert sum(losses[-20:]) / 20 < below


def test_every_recipe_is_tried_on_states():
    assert set(RECIPES) == {"plain", "fourier", "conditional", "classifier", "homework"}


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("name", sorted(RECIPES))
def test_a_recipe_takes_its_weights_and_its_batches_from_the_streams_of_its_seed(name, seed):
    recipe = RECIPES[name]
    labelled = {"n_classes": 5} if name in ("conditional", "classifier") else {}
    want = init(recipe.build, D=2, T=20, **labelled, generator=stream("init", seed))
    train = train_classifier if name == "classifier" else train_denoiser
    options = {key: value for key, value in vars(recipe.training).items() if key != "steps" and value is not None}
    torch.manual_seed(seed + 5)
    model, steps = train_recipe(name, DATA, SCHEDULE, LABELS, steps=3, seed=seed)
    assert torch.equal(weights(model), weights(want))
    y = LABELS if labelled else None
    expected = list(train(want, DATA, SCHEDULE, y, steps=3, generator=stream("train", seed), **options))
    assert list(steps) == expected
    assert torch.equal(weights(model), weights(want))


def test_what_the_recipes_are_called_is_what_they_build():
    models = {name: train_recipe(name, DATA, SCHEDULE, LABELS)[0] for name in RECIPES}
    assert {name: type(model) for name, model in models.items()} == {
        "plain": Denoiser,
        "fourier": Denoiser,
        "conditional": Denoiser,
        "classifier": Classifier,
        "homework": HomeworkDenoiser,
    }
    assert all(type(model) is RECIPES[name].kind for name, model in models.items())
    assert models["plain"].config == Denoiser(T=20).config
    assert models["fourier"].config == Denoiser.fourier(T=20).config
    assert models["conditional"].config == Denoiser.fourier(T=20, n_classes=5).config
    assert models["classifier"].n_classes == 5


@pytest.mark.parametrize("name", ["plain", "fourier", "homework"])
def test_a_recipe_without_classes_does_not_look_at_labels(name):
    a, b = (train_recipe(name, DATA, SCHEDULE, y, steps=2) for y in (None, LABELS))
    assert list(a[1]) == list(b[1]) and torch.equal(weights(a[0]), weights(b[0]))


@pytest.mark.parametrize("name", ["conditional", "classifier"])
def test_a_recipe_with_classes_needs_labels(name):
    with pytest.raises(ValueError, match=f"recipe '{name}' needs labels y, one a point"):
        train_recipe(name, DATA, SCHEDULE)


def test_a_recipe_takes_any_dimension_and_any_T():
    for name in RECIPES:
        model, steps = train_recipe(name, randn(50, 3, generator=stream("data")), SCHEDULE, LABELS, steps=2)
        assert len(list(steps)) == 2 and (model.D, model.T) == (3, 20)


def test_a_recipe_knows_its_own_number_of_steps(monkeypatch):
    training = replace(RECIPES["plain"].training, steps=4, batch_size=8)
    monkeypatch.setitem(RECIPES, "plain", replace(RECIPES["plain"], training=training))
    assert len(list(train_recipe("plain", DATA, SCHEDULE)[1])) == 4


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="recipe must be one of .*plain.*, got 'best'"):
        train_recipe("best", DATA, SCHEDULE)


def test_the_books_recipes_are_trained_as_the_docs_say():
    of = {name: recipe.training for name, recipe in RECIPES.items()}
    assert of["conditional"] == of["fourier"] == replace(of["plain"], lr=8e-3, draw_t=of["fourier"].draw_t)
    assert of["plain"] == Training(lr=3e-3) and of["classifier"].p_uncond is None
    assert [name for name, recipe in RECIPES.items() if recipe.labelled] == ["conditional", "classifier"]


def test_the_homeworks_recipe_trains_the_homeworks_network_in_its_own_way():
    recipe, N = RECIPES["homework"], len(states())
    how = recipe.training
    assert recipe.build is HomeworkDenoiser and recipe.train is train_denoiser and not recipe.labelled
    assert (how.batch_size, how.lr, how.lr_schedule, how.optimiser) == (64, 1e-3, constant, adam)
    assert (how.draw_t, how.draw_rows) == (uniform_t, every_point_once)
    assert 99 < how.steps * how.batch_size / N <= 100  # epochs


@pytest.fixture
def known():
    before = dict(RECIPES)
    yield RECIPES
    RECIPES.clear()
    RECIPES.update(before)


def test_a_recipe_that_is_registered_can_be_trained_by_its_name(known):
    def tiny(**options):
        return Denoiser(hidden=(4,), **options)

    register("tiny", Recipe(tiny, Training(steps=3, batch_size=8), labelled=True))
    model, steps = train_recipe("tiny", DATA, SCHEDULE, LABELS)
    assert len(list(steps)) == 3 and model.config == Denoiser(T=20, hidden=(4,), n_classes=5).config
    with pytest.raises(ValueError, match="recipe must be one of .*tiny.*, got 'best'"):
        train_recipe("best", DATA, SCHEDULE)


@pytest.mark.parametrize("name", ["plain", "homework", "mine"])
def test_a_name_that_is_taken_is_refused_and_the_recipe_stays(known, name):
    known.setdefault("mine", RECIPES["plain"])
    before = dict(known)
    with pytest.raises(ValueError, match=f"there is a recipe '{name}' already"):
        register(name, Recipe(Denoiser.fourier, Training()))
    assert known == before
