"""Checkpoints: what comes back, everything that is refused, and the book's own weights."""

import json
import math
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from statesdiff.ablations.homework import HomeworkDenoiser
from statesdiff.checkpoints import book_classifier, book_denoiser, load_model, save_model
from statesdiff.data import JITTER, states
from statesdiff.exact import IdealDenoiser
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.images.unet import UNet
from statesdiff.metrics import class_accuracy, coverage, mean_distance, nll
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule
from tests.support import small, weights

SCHEDULE = NoiseSchedule.linear(T=10)
KINDS = {
    "plain": Denoiser,
    "fourier": Denoiser.fourier,
    "conditional": lambda **options: Denoiser.fourier(n_classes=4, **options),
    "homework": lambda **options: HomeworkDenoiser(n_classes=4, hidden=(9,), project=7, activation="silu", **options),
    "classifier": lambda **options: Classifier(n_classes=3, hidden=(9, 7), activation="silu", **options),
}
by_kind = pytest.mark.parametrize("build", KINDS.values(), ids=KINDS.keys())


@by_kind
def test_a_checkpoint_comes_back_bit_for_bit(tmp_path, build):
    model, schedule = init(build, D=3, T=20, generator=stream("init")), NoiseSchedule.cosine(T=20)
    path = save_model(tmp_path / "model.safetensors", model, schedule)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    back, back_schedule = load_model(path, type(model))
    assert torch.equal(torch.get_rng_state(), before)
    assert (
        type(back) is type(model)
        and back.config == model.config
        and back.state_dict().keys() == model.state_dict().keys()
    )
    for name, value in model.state_dict().items():
        assert torch.equal(back.state_dict()[name], value)
    assert torch.equal(back_schedule.beta, schedule.beta) and back_schedule.beta.dtype == torch.float64
    assert back_schedule.name == schedule.name
    x_t, t = randn(6, 3, generator=stream("data")), torch.arange(6)
    assert torch.equal(back(x_t, t), model(x_t, t))


def test_every_option_survives(tmp_path):
    model = small(activation="silu", x_frequencies=(1.0, 2.5), t_frequencies=(0.5,), skip=True, n_classes=3)
    back, _ = load_model(save_model(str(tmp_path / "model.safetensors"), model, SCHEDULE))
    assert back.config == model.config
    assert torch.equal(back(torch.ones(1, 2), 3, 2), model(torch.ones(1, 2), 3, 2))


def test_a_loaded_model_can_be_trained(tmp_path):
    back, _ = load_model(save_model(tmp_path / "model.safetensors", small(), SCHEDULE))
    back(torch.ones(1, 2), 3).sum().backward()
    assert all(p.requires_grad and p.grad is not None for p in back.parameters())


def test_saving_leaves_nothing_else_behind_and_replaces_what_was_there(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_text("old", encoding="utf-8")
    save_model(path, small(), SCHEDULE)
    assert list(tmp_path.iterdir()) == [path]
    load_model(path)


def test_a_failing_save_keeps_the_old_checkpoint(tmp_path, monkeypatch):
    path = save_model(tmp_path / "model.safetensors", small(), SCHEDULE)
    content = path.read_bytes()

    def fail(temporary, content):
        with open(temporary, "wb") as file:
            file.write(content[:9])
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", fail)
    with pytest.raises(OSError, match="disk full"):
        save_model(path, small(), SCHEDULE)
    assert path.read_bytes() == content and list(tmp_path.iterdir()) == [path]


def write(path, *, drop=(), tensors=None, **metadata):
    """A checkpoint with some things changed: `drop` leaves out metadata or tensors, the rest replaces them."""
    model = small()
    all_tensors = model.state_dict() | {"schedule.beta": SCHEDULE.beta} | (tensors or {})
    all_metadata = {"network": '"Denoiser"', "config": json.dumps(model.config), "schedule": '"linear"'} | metadata
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


@pytest.mark.parametrize("missing", ["network", "config", "schedule", "schedule.beta"])
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
        config(n_classes=-4),
        config(n_classes="3"),
        config(n_classes=1.5),
        config(n_classes=None),
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


@pytest.mark.parametrize("T", [9, 11, "10", None, 10**12])
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


@pytest.mark.parametrize(("kind", "other"), [(Denoiser, Classifier), (Classifier, Denoiser)])
def test_a_network_of_another_kind_is_refused(tmp_path, kind, other):
    path = save_model(tmp_path / "model.safetensors", init(kind, T=10, generator=stream("init")), SCHEDULE)
    load_model(path, kind)
    with pytest.raises(ValueError, match=f"model.safetensors: holds a {kind.__name__}, not a {other.__name__}$"):
        load_model(path, other)


KINDS_OF_NETWORK = (Denoiser, HomeworkDenoiser, Classifier)


@by_kind
def test_one_of_several_kinds_comes_back_as_what_it_is(tmp_path, build):
    model = init(build, T=10, generator=stream("init"))
    path = save_model(tmp_path / "model.safetensors", model, SCHEDULE)
    for kinds in (KINDS_OF_NETWORK, KINDS_OF_NETWORK[::-1], (type(model),)):
        back, _ = load_model(path, kinds)
        assert type(back) is type(model) and torch.equal(weights(back), weights(model))


def test_a_network_that_is_none_of_several_kinds_is_refused(tmp_path):
    path = save_model(tmp_path / "model.safetensors", init(Classifier, T=10, generator=stream("init")), SCHEDULE)
    with pytest.raises(ValueError, match="holds a Classifier, not a Denoiser or a HomeworkDenoiser$"):
        load_model(path, (Denoiser, HomeworkDenoiser))


@pytest.mark.parametrize("network", ['"Tensor"', '"os.system"', "3", "null", "[]", "{}"])
def test_the_name_of_the_network_is_compared_and_never_looked_up(tmp_path, network):
    with pytest.raises(ValueError, match="holds a .*, not a Denoiser"):
        load_model(write(tmp_path / "model.safetensors", network=network))


def test_a_checkpoint_is_a_denoisers_unless_another_kind_is_asked_for(tmp_path):
    assert type(load_model(write(tmp_path / "model.safetensors"))[0]) is Denoiser


# The book's own weights


@pytest.mark.parametrize("name", ["plain", "fourier", "conditional"])
def test_the_books_weights_make_states(name):
    model, schedule = book_denoiser(name)
    assert (model.D, model.T, schedule.T) == (2, 500, 500)
    assert torch.equal(schedule.beta, NoiseSchedule.linear().beta)
    x = last(ddim(model, schedule, randn(3000, 2, generator=stream("sample")), steps=50))
    real, fresh = states().x, states(seed=1).x
    # 0.03 is what the book promises; the standard errors of the two means are 0.010 and 0.008
    assert abs(nll(x, real) - nll(fresh, real)) < 0.03


def test_the_books_networks_are_the_ones_they_are_called():
    assert book_denoiser("plain")[0].config == Denoiser().config
    assert book_denoiser()[0].config == book_denoiser("fourier")[0].config == Denoiser.fourier().config
    assert book_denoiser("conditional")[0].config == Denoiser.fourier(n_classes=5).config
    assert book_classifier()[0].config == Classifier().config


@pytest.mark.parametrize("kind", ["classifier", "classifier-free"])
def test_the_books_weights_make_the_state_that_is_asked_for(kind):
    y = torch.arange(3000) % 5
    model, schedule = book_denoiser("fourier" if kind == "classifier" else "conditional")
    if kind == "classifier":
        predictor = ClassifierGuidance(model, book_classifier()[0], schedule, y)
    else:
        predictor = ClassifierFreeGuidance(model, y)
    x = last(ddim(predictor, schedule, randn(3000, 2, generator=stream("sample")), steps=50))
    real, fresh = states(), states(seed=1)
    for k in range(5):
        of_class, outline = x[y == k], real.x[real.y == k]
        # 600 samples: what the book promises of 5,000 (99.5%, 0.015, 97%, 0.03), and four standard errors of each
        assert class_accuracy(of_class, k) >= 0.983
        assert mean_distance(of_class, outline) < 0.02
        assert coverage(of_class, outline) > 0.96
        assert abs(nll(of_class, real.x) - nll(fresh.x[fresh.y == k], real.x)) < 0.13


def test_the_books_classifier_is_near_the_exact_posterior():
    classifier, schedule = book_classifier()
    real, fresh, g = states(), states(seed=1), stream("x")
    rows, t = torch.randint(5000, (1000,), generator=g), torch.randint(1, 501, (1000,), generator=g)
    x_t, y = schedule.q_sample(fresh.x[rows], t, randn(1000, 2, generator=g)), fresh.y[rows]
    exact = IdealDenoiser(real.x, schedule, JITTER, real.y).log_posterior(x_t, t)
    with torch.no_grad():
        learnt = classifier(x_t, t).log_softmax(1)
    # total variation of the two posteriors, and the cross-entropy against its floor on the same draws, in nats
    assert (learnt.exp() - exact.exp()).abs().sum(1).mean() / 2 < 0.02
    assert abs(float((exact - learnt)[range(1000), y].mean())) < 0.02


def test_the_same_weights_give_the_same_file(tmp_path):
    paths = [save_model(tmp_path / f"{k}.safetensors", small(), SCHEDULE) for k in range(5)]
    assert len({path.read_bytes() for path in paths}) == 1


def test_an_unknown_name_is_refused():
    with pytest.raises(ValueError, match="'plain', 'fourier' or 'conditional', got 'best'"):
        book_denoiser("best")


def test_a_checkpoint_is_an_ordinary_safetensors_file(tmp_path):
    path = save_model(tmp_path / "model.safetensors", small(), SCHEDULE)
    with safe_open(path, framework="pt") as file:
        assert set(json.loads(file.metadata()["statesdiff"])) == {"network", "config", "schedule"}
        assert "schedule.beta" in file.keys()


def test_a_u_net_that_says_it_has_a_schedule_of_any_length_takes_no_memory(tmp_path):
    about = {"network": '"UNet"', "config": json.dumps({"T": 10**11})}  # float64: 800 GB
    path = write(tmp_path / "model.safetensors", **about)
    with pytest.raises(ValueError, match=f"built for T = {10**11}, the schedule has T = 10"):
        load_model(path, UNet)
