"""The networks: what goes into them, what comes out, and their initial weights."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from statesdiff.models import Denoiser, init, mlp, sin_cos
from statesdiff.rng import randn, stream

KINDS = {"plain": Denoiser, "fourier": Denoiser.fourier}
by_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS.keys())


def small(**changes):
    return init(Denoiser, **({"T": 10, "hidden": (8, 8)} | changes), generator=stream("init"))


def parameters(model):
    return nn.utils.parameters_to_vector(model.parameters())


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
