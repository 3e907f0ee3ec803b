"""The networks, their initial weights, and their checkpoints: what comes back, and everything that is refused."""

import json
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.testing import assert_close

from statesdiff.data import states
from statesdiff.metrics import nll
from statesdiff.models import Denoiser, book_denoiser, init, load_model, load_weights, mlp, save_model, sin_cos
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=10)
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


# Checkpoints


@by_kind
def test_a_checkpoint_comes_back_bit_for_bit(tmp_path, build):
    model, schedule = init(build, D=3, T=20, generator=stream("init")), NoiseSchedule.cosine(T=20)
    path = save_model(tmp_path / "model.safetensors", model, schedule)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    back, back_schedule = load_model(path)
    assert torch.equal(torch.get_rng_state(), before)
    assert back.config == model.config and back.state_dict().keys() == model.state_dict().keys()
    for name, value in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], value)
    assert torch.equal(back_schedule.beta, schedule.beta) and back_schedule.beta.dtype == torch.float64
    assert back_schedule.name == schedule.name
    x_t, t = randn(6, 3, generator=stream("data")), torch.arange(6)
    assert torch.equal(back(x_t, t), model(x_t, t))


def test_every_option_survives(tmp_path):
    model = small(activation="silu", x_frequencies=(1.0, 2.5), t_frequencies=(0.5,), skip=True)
    back, _ = load_model(save_model(str(tmp_path / "model.safetensors"), model, SCHEDULE))
    assert back.config == model.config
    assert torch.equal(back(torch.ones(1, 2), 3), model(torch.ones(1, 2), 3))


def test_a_loaded_model_can_be_trained(tmp_path):
    back, _ = load_model(save_model(tmp_path / "model.safetensors", small(), SCHEDULE))
    back(torch.ones(1, 2), 3).sum().backward()
    assert all(p.requires_grad and p.grad is not None for p in back.parameters())


def test_saving_leaves_nothing_else_behind_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("old")
    save_model(path, small(), SCHEDULE)
    assert list(tmp_path.iterdir()) == [path]
    load_model(path)


def test_a_failing_save_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = save_model(tmp_path / "model.safetensors", small(), SCHEDULE)
    content = path.read_bytes()

    def fail(tensors, temporary, metadata):
        temporary.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("statesdiff.models.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(path, small(), SCHEDULE)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def write(path, *, drop=(), tensors=None, **metadata):
    """A checkpoint with some things changed: `drop` leaves out metadata or tensors, the rest replaces them."""
    model = small()
    all_tensors = model.state_dict() | {"schedule.beta": SCHEDULE.beta} | (tensors or {})
    all_metadata = {"config": json.dumps(model.config), "schedule": '"linear"'} | metadata
    keep = [{k: v for k, v in part.items() if k not in drop} for part in (all_tensors, all_metadata)]
    about = ", ".join(f'"{name}": {text}' for name, text in keep[1].items())
    save_file(keep[0], path, {"statesdiff": f"{{{about}}}"})
    return path


def config(**changes):
    return json.dumps(small().config | changes)


def test_a_missing_checkpoint_is_named(tmp_path):
    for path in (tmp_path / "missing.safetensors", tmp_path):
        with pytest.raises(FileNotFoundError, match="no checkpoint at"):
            load_model(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"{}", b"\x08" + bytes(7) + b"notjson!", bytes(100), b"\xff" * 100])
def test_a_file_of_another_kind_is_refused(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_model(path)


def test_a_pickled_model_is_refused(tmp_path):
    torch.save(small(), tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="not a safetensors file"):
        load_model(tmp_path / "model.safetensors")


def test_a_truncated_checkpoint_is_refused_wherever_it_ends(tmp_path):
    path = write(tmp_path / "model.safetensors")
    content = path.read_bytes()
    for length in {*range(0, len(content), 97), len(content) - 1}:
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match="not a safetensors file"):
            load_model(path)


@pytest.mark.parametrize("missing", ["config", "schedule", "schedule.beta"])
def test_a_checkpoint_without_its_description_is_refused(tmp_path, missing):
    path = write(tmp_path / "model.safetensors", drop=[missing])
    with pytest.raises(ValueError, match=f"not a statesdiff checkpoint .*{missing}"):
        load_model(path)


def test_a_safetensors_file_without_metadata_is_refused(tmp_path):
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match="not a statesdiff checkpoint"):
        load_model(tmp_path / "other.safetensors")


@pytest.mark.parametrize(
    "text",
    [
        "not json",
        "[1, 2]",
        "3",
        "null",
        "{}x",
        "[" * 100_000,
        config(unknown=1),
        config(hidden=8),
        config(hidden=["8"]),
        config(hidden=[8.5]),
        config(hidden=[0]),
        config(hidden=[-1]),
        config(hidden=None),
        config(D="2"),
        config(D=-2),
        config(D=10**30),
        config(activation="tanh"),
        config(activation=[]),
        config(x_frequencies=["a"]),
        config(x_frequencies=3),
        config(t_frequencies=[[1.0]]),
    ],
    ids=lambda text: text[:40],
)
def test_a_description_that_makes_no_sense_is_refused(tmp_path, text):
    path = write(tmp_path / "model.safetensors", config=text)
    with pytest.raises(ValueError, match="not a statesdiff checkpoint"):
        load_model(path)


@pytest.mark.parametrize("size", [10**9, 10**12])
def test_a_description_of_an_enormous_network_takes_no_memory(tmp_path, size):
    # 10^9 hidden units are 24 GB of weights, 10^12 are more than any machine has
    path = write(tmp_path / "model.safetensors", config=config(hidden=[size]))
    with pytest.raises(
        ValueError, match=rf"does not fit the model:\n.*net.0.bias: the model has \({size},\), the file \(8,\)"
    ):
        load_model(path)


@pytest.mark.parametrize("T", [9, 11, "10", None])
def test_a_network_and_a_schedule_of_different_T_are_refused(tmp_path, T):
    path = write(tmp_path / "model.safetensors", config=config(T=T))
    with pytest.raises(ValueError, match=f"built for T = {T}, the schedule has T = 10"):
        load_model(path)


@pytest.mark.parametrize("beta", [torch.zeros(11), torch.full((11,), 2.0), torch.zeros(0), torch.full((11,), math.nan)])
def test_a_beta_that_makes_no_sense_is_refused(tmp_path, beta):
    path = write(tmp_path / "model.safetensors", tensors={"schedule.beta": beta})
    with pytest.raises(ValueError, match="not a statesdiff checkpoint .*beta"):
        load_model(path)


def test_all_differences_of_shape_are_listed(tmp_path):
    path = write(
        tmp_path / "model.safetensors",
        drop=["net.0.bias"],
        tensors={"net.0.weight": torch.zeros(8, 5), "net.4.bias": torch.zeros(7), "extra": torch.zeros(1)},
    )
    with pytest.raises(ValueError) as error:
        load_model(path)
    assert str(error.value).splitlines() == [
        f"{path} does not fit the model:",
        "  extra: the model has no such weight, the file (1,)",
        "  net.0.bias: the model has (8,), the file none",
        "  net.0.weight: the model has (8, 3), the file (8, 5)",
        "  net.4.bias: the model has (2,), the file (7,)",
    ]


def test_load_weights_copies_or_changes_nothing():
    source, target = small(), init(Denoiser, T=10, hidden=(8, 8), generator=stream("init", 1))
    before = parameters(target).clone()
    with pytest.raises(ValueError, match="weights does not fit the model"):
        load_weights(target, {"net.0.bias": torch.zeros(8)})
    assert torch.equal(parameters(target), before)
    load_weights(target, source.state_dict())
    assert torch.equal(parameters(target), parameters(source))


# The book's own weights


@pytest.mark.parametrize("name", ["plain", "fourier"])
def test_the_books_weights_make_states(name):
    model, schedule = book_denoiser(name)
    assert (model.D, model.T, schedule.T) == (2, 500, 500)
    assert torch.equal(schedule.beta, NoiseSchedule.linear().beta)
    x = last(ddim(model, schedule, randn(3000, 2, generator=stream("sample")), steps=50))
    real, fresh = states().x, states(seed=1).x
    # 0.03 is what the book promises; the standard errors of the two means are 0.010 and 0.008
    assert abs(nll(x, real) - nll(fresh, real)) < 0.03


def test_the_books_two_networks_are_the_ones_they_are_called():
    assert book_denoiser("plain")[0].config == Denoiser().config
    assert book_denoiser()[0].config == book_denoiser("fourier")[0].config == Denoiser.fourier().config


def test_the_same_weights_give_the_same_file(tmp_path):
    paths = [save_model(tmp_path / f"{k}.safetensors", small(), SCHEDULE) for k in range(5)]
    assert len({path.read_bytes() for path in paths}) == 1


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'plain' or 'fourier', got 'best'"):
        book_denoiser("best")


def test_a_checkpoint_is_an_ordinary_safetensors_file(tmp_path):
    path = save_model(tmp_path / "model.safetensors", small(), SCHEDULE)
    with safe_open(path, framework="pt") as file:
        assert set(json.loads(file.metadata()["statesdiff"])) == {"config", "schedule"}
        assert "schedule.beta" in file.keys()
