"""The book's recipes: what each builds, from which streams, and that each learns."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from statesdiff.data import states
from statesdiff.models import init
from statesdiff.recipes import RECIPES, train_recipe
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import train_denoiser

SCHEDULE = NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.4)
DATA = randn(50, 2, generator=stream("data"))


def parameters(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_the_books_recipes_learn_states(name):
    schedule = NoiseSchedule.linear()
    model, steps = train_recipe(name, states().x, schedule, states().y, steps=150)
    losses = [record.loss for record in steps]
    assert len(losses) == 150 and model.T == 500
    # predicting nothing costs 1; however the times are weighted, 150 steps learn to see more than a third of the noise.
    # A guess among five states costs log 5 = 1.61; from pure noise nobody can do better, on average over t many can.
    assert sum(losses[-20:]) / 20 < (1.1 if name == "classifier" else 0.65)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_recipe_takes_its_weights_and_its_batches_from_the_streams_of_its_seed(seed):
    recipe = RECIPES["fourier"]
    want = init(recipe.build, D=2, T=20, generator=stream("init", seed))
    options = {"batch_size": recipe.batch_size, "lr": recipe.lr, "draw_t": recipe.draw_t}
    torch.manual_seed(seed + 5)
    model, steps = train_recipe("fourier", DATA, SCHEDULE, steps=3, seed=seed)
    assert torch.equal(parameters(model), parameters(want))
    expected = list(train_denoiser(want, DATA, SCHEDULE, steps=3, generator=stream("train", seed), **options))
    assert list(steps) == expected
    assert torch.equal(parameters(model), parameters(want))


def test_a_recipe_takes_any_dimension_and_any_T():
    model, steps = train_recipe("plain", randn(30, 5, generator=stream("data")), SCHEDULE, steps=2)
    assert len(list(steps)) == 2 and (model.D, model.T) == (5, 20)


def test_a_recipe_knows_its_own_number_of_steps(monkeypatch):
    monkeypatch.setitem(RECIPES, "plain", replace(RECIPES["plain"], steps=4, batch_size=8))
    assert len(list(train_recipe("plain", DATA, SCHEDULE)[1])) == 4


def test_an_unknown_recipe_is_refused():
    with pytest.raises(ValueError, match="recipe must be one of .*plain.*, got 'best'"):
        train_recipe("best", DATA, SCHEDULE)
