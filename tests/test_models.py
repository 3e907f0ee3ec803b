"""The networks: what goes into them, what comes out, and their initial weights."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from statesdiff.ablations.homework import HomeworkDenoiser
from statesdiff.models import Classifier, Denoiser, init, mlp, sin_cos
from statesdiff.rng import randn, stream
from tests.support import parameters, small

KINDS = {
    "plain": Denoiser,
    "fourier": Denoiser.fourier,
    "conditional": lambda **options: Denoiser.fourier(n_classes=3, **options),
    "homework": HomeworkDenoiser,
    "homework, conditional": lambda **options: HomeworkDenoiser(n_classes=3, hidden=(32, 32), project=0, **options),
}
CLASSIFIERS = {
    "plain": Classifier,
    "waves": partial(Classifier, activation="silu", x_frequencies=(1.0, 2.0), t_frequencies=(3.0,)),
}
by_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS.keys())
by_classifier = pytest.mark.parametrize("build", CLASSIFIERS.values(), ids=CLASSIFIERS.keys())


# Networks


@pytest.mark.parametrize(("activation", "module"), [("relu", nn.ReLU), ("silu", nn.SiLU)])
def test_mlp_has_an_activation_between_its_layers_and_none_at_the_end(activation, module):
    net = mlp([3, 5, 4, 2], activation)
    assert [type(layer) for layer in net] == [nn.Linear, module, nn.Linear, module, nn.Linear]
    assert [tuple(layer.weight.shape) for layer in net[::2]] == [(5, 3), (4, 5), (2, 4)]


@pytest.mark.parametrize(("sizes", "activation"), [([2, 0, 2], "relu"), ([2, -1], "relu"), ([2, 2], "tanh")])
def test_mlp_refuses_empty_layers_and_unknown_activations(sizes, activation):
    with pytest.raises(ValueError, match="mlp needs sizes >= 1 and an activation"):
        mlp(sizes, activation)


def test_sin_cos_by_hand():
    v = torch.tensor([[0.5, -1.0], [2.0, 0.1]])
    got = sin_cos(v, (1.0, 3.0))
    for row, (a, b) in zip(got.tolist(), v.tolist(), strict=True):
        angles = [a, 3 * a, b, 3 * b]
        assert row == pytest.approx([*map(math.sin, angles), *map(math.cos, angles)], abs=1e-6)


@by_kind
@pytest.mark.parametrize("D", [1, 2, 3, 784])
@pytest.mark.parametrize("B", [1, 5])
def test_any_dimension_and_t_for_all_or_for_each(build, D, B):
    model = init(build, D=D, T=10, generator=stream("init"))
    x_t = randn(B, D, generator=stream("data"))
    out = model(x_t, torch.full((B,), 7))
    assert out.shape == (B, D) and out.dtype == torch.float32 and out.isfinite().all()
    for t in (7, torch.tensor(7)):
        assert_close(model(x_t, t), out)
    assert not torch.allclose(model(x_t, 1), out, atol=1e-6)  # the time is seen


@by_kind
def test_each_row_sees_its_own_t(build):
    model = init(build, T=10, generator=stream("init"))
    x_t, t = randn(4, 2, generator=stream("data")), torch.tensor([0, 3, 10, 3])
    alone = torch.cat([model(x_t[i : i + 1], int(t[i])) for i in range(4)])
    assert_close(model(x_t, t), alone, rtol=1e-4, atol=1e-6)


def test_the_network_sees_x_and_t_bar_and_then_their_waves():
    x = torch.tensor([[0.5, -1.0]])
    assert_close(Denoiser(T=10).features(x, torch.tensor(10)), torch.tensor([[0.5, -1.0, 1.0]]))
    model = Denoiser(T=10, hidden=(4,), x_frequencies=(2.0,), t_frequencies=(3.0,))
    got = model.features(x, torch.tensor([5]))[0].tolist()
    s, c = math.sin, math.cos
    assert got == pytest.approx([0.5, -1.0, 0.0, s(1.0), s(-2.0), c(1.0), c(-2.0), s(0.0), c(0.0)], abs=1e-6)


def test_skip_adds_a_first_guess_that_is_right_where_all_is_noise():
    plain, skip = small(), small(skip=True)
    x_t, t = randn(4, 2, generator=stream("data")), torch.tensor([0, 1, 5, 10])
    assert_close(skip(x_t, t), plain(x_t, t) + torch.tensor([0.0, 0.1, 0.5, 1.0])[:, None] * x_t)
    assert_close(skip(x_t, 5), plain(x_t, 5) + 0.5 * x_t)


def test_the_default_is_the_projects_own_denoiser():
    model = Denoiser()
    assert not model.skip
    assert [tuple(layer.weight.shape) for layer in model.net[::2]] == [(256, 3), *[(256, 256)] * 3, (2, 256)]
    assert (model.D, model.T) == (2, 500)


def test_the_fourier_network_is_much_smaller():
    assert parameters(Denoiser.fourier()).numel() < parameters(Denoiser()).numel() / 2


@pytest.mark.parametrize("shape", [(5, 3), (5,), (5, 1), (1, 5, 2)])
def test_x_t_of_the_wrong_shape_is_refused(shape):
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, 2\), got"):
        small()(torch.zeros(shape), 1)


@given(st.floats(-3, 3), st.integers(0, 10))
def test_the_output_follows_the_precision_of_the_model(value, t):
    model = small().double()
    assert model(torch.full((1, 2), value, dtype=torch.float64), t).dtype == torch.float64


# Labels


def test_no_label_is_the_label_minus_1_row_for_row():
    model, x_t = small(n_classes=3), randn(5, 2, generator=stream("data"))
    for t in (3, torch.tensor([0, 1, 5, 9, 10])):
        unlabelled = model(x_t, t)
        for y in (-1, torch.tensor(-1), torch.full((5,), -1)):
            assert torch.equal(model(x_t, t, y), unlabelled)
        mixed = model(x_t, t, torch.tensor([-1, 0, -1, 2, -1]))
        assert_close(mixed[::2], unlabelled[::2])
        assert not torch.isclose(mixed[1::2], unlabelled[1::2], atol=1e-4).any()


def test_each_label_has_an_answer_of_its_own():
    model, x_t = small(n_classes=3), randn(5, 2, generator=stream("data"))
    answers = [model(x_t, 4, y) for y in (-1, 0, 1, 2)]
    for i, a in enumerate(answers):
        assert not any(torch.isclose(a, b, atol=1e-4).any() for b in answers[:i])
    rows = model(x_t, 4, torch.tensor([2, 0, -1, 1, 0]))
    assert_close(rows, torch.stack([answers[y + 1][i] for i, y in enumerate((2, 0, -1, 1, 0))]))


@pytest.mark.parametrize("options", [{}, {"skip": True}, {"x_frequencies": (1.0,), "t_frequencies": (2.0,)}])
def test_the_label_enters_after_what_the_network_sees_of_the_point(options):
    model, x_t = small(n_classes=3, **options), randn(4, 2, generator=stream("data"))
    features = torch.cat([model.features(x_t, torch.tensor(7)), torch.tensor([0.0, 0, 1]).expand(4, 3)], dim=1)
    want = model.net(features) + (0.7 * x_t if model.skip else 0)
    assert_close(model(x_t, 7, 2), want)


def test_labels_cost_one_row_of_weights_each():
    assert parameters(small(n_classes=3)).numel() - parameters(small()).numel() == 3 * 8


@pytest.mark.parametrize("y", [3, -2, torch.tensor([0, 3]), torch.tensor([-2, 0])])
def test_a_label_outside_the_classes_is_refused(y):
    with pytest.raises(ValueError, match=r"y must lie in -1\.\.2, got"):
        small(n_classes=3)(torch.zeros(2, 2), 1, y)


def test_a_denoiser_without_classes_takes_no_label():
    for y in (0, 1, torch.tensor([0, 1])):
        with pytest.raises(ValueError, match="built without classes"):
            small()(torch.zeros(2, 2), 1, y)


def test_labels_that_do_not_match_the_rows_are_refused():
    for y in (torch.zeros(3, dtype=torch.int64), torch.zeros(2, 1, dtype=torch.int64)):
        with pytest.raises(ValueError, match="one entry for each of the 2 rows"):
            small(n_classes=3)(torch.zeros(2, 2), 1, y)
    with pytest.raises(TypeError, match="y must be an integer, got torch.float32; the labels are -1..2"):
        small(n_classes=3)(torch.zeros(2, 2), 1, torch.zeros(2))


# Classifiers


@by_classifier
@pytest.mark.parametrize("D", [1, 2, 3])
def test_a_classifier_gives_a_logit_a_class(build, D):
    model = init(build, D=D, T=10, n_classes=4, generator=stream("init"))
    x_t = randn(5, D, generator=stream("data"))
    out = model(x_t, torch.full((5,), 7))
    assert out.shape == (5, 4) and out.dtype == torch.float32 and out.isfinite().all()
    for t in (7, torch.tensor(7)):
        assert_close(model(x_t, t), out)
    assert not torch.allclose(model(x_t, 1), out, atol=1e-6)  # the time is seen
    assert (out < 0).any() and not torch.allclose(out.exp().sum(1), torch.ones(5))  # logits, not probabilities
    t = torch.tensor([0, 3, 10, 3, 5])
    alone = torch.cat([model(x_t[i : i + 1], int(t[i])) for i in range(5)])
    assert_close(model(x_t, t), alone, rtol=1e-4, atol=1e-6)


def test_the_default_is_the_projects_own_classifier():
    model = Classifier()
    assert [tuple(layer.weight.shape) for layer in model.net[::2]] == [(100, 3), (200, 100), (500, 200), (5, 500)]
    assert {type(layer) for layer in model.net[1::2]} == {nn.ReLU}
    assert (model.D, model.T, model.n_classes) == (2, 500, 5)


@by_classifier
def test_a_classifier_refuses_points_of_another_dimension(build):
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, 2\), got"):
        build(T=10)(torch.zeros(5, 3), 1)


# Initial weights


@by_kind
def test_initial_weights_come_from_the_generator_alone(build):
    torch.manual_seed(0)
    first = parameters(init(build, T=10, generator=stream("init")))
    torch.manual_seed(99)
    before = torch.get_rng_state()
    assert torch.equal(parameters(init(build, T=10, generator=stream("init"))), first)
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(parameters(init(build, T=10, generator=stream("init", 1))), first)


def test_init_advances_its_generator():
    g = stream("init")
    a, b = init(nn.Linear, 3, 2, generator=g), init(nn.Linear, 3, 2, generator=g)
    assert not torch.equal(a.weight, b.weight)


def test_threads_that_build_networks_at_once_do_not_mix_their_weights():
    def built(seed):
        return parameters(init(Denoiser, T=10, generator=stream("init", seed)))

    alone = [built(seed) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            assert all(map(torch.equal, pool.map(built, range(8)), alone))
