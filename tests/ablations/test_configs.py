"""Configurations: what they build, and that what cannot be trained is refused by name."""

import os
from dataclasses import replace
from math import inf, nan

import numpy as np
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from statesdiff import training
from statesdiff.ablations.configs import FIRST_SET, NETWORKS, Config, Sampling, is_number
from statesdiff.ablations.homework import TRAINING, HomeworkDenoiser
from statesdiff.ablations.toys import points
from statesdiff.guidance import ClassifierFreeGuidance
from statesdiff.models import Denoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import SCHEDULES, NoiseSchedule
from tests.support import small, weights

SCHEDULE = NoiseSchedule.linear(8, 0.05, 0.5)
SMALL = Config(T=10, network="raw", hidden=(4,), beta_1=0.01, beta_T=0.3)


def start(config, seed=0):
    """The weights that training begins with."""
    return weights(config.job(seed).model)


@pytest.fixture
def own(tmp_path):
    def write(x, name="own"):
        np.save(tmp_path / f"{name}.npy", x)
        return str(tmp_path / f"{name}.npy")

    return write


# What is built


def test_the_defaults_are_the_homeworks():
    job = Config().job(0)
    assert type(job.model) is HomeworkDenoiser
    sizes = [tuple(m.weight.shape) for m in job.model.net if isinstance(m, nn.Linear)]
    assert sizes == [(128, 18), *[(128, 128)] * 5, (2, 128)]
    assert (job.training.batch_size, job.training.lr, job.schedule.T, job.y) == (64, 1e-3, 200, None)
    assert torch.equal(job.schedule.beta, NoiseSchedule.linear(200, 1e-4, 0.02).beta)
    assert torch.equal(job.x_0, points("moons").train.x)
    assert job.training.steps == Config().steps == 11_250  # 100 epochs of 7,200 points, 64 at a time


def test_the_training_of_the_defaults_is_the_homeworks_recipe_but_for_its_length():
    made = Config().training
    assert made == replace(TRAINING, steps=11_250)
    assert (made.optimiser, made.lr_schedule) == (training.adam, training.constant)
    assert (made.draw_t, made.draw_rows) == (training.uniform_t, training.every_point_once)


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("data", ["moons", "helix", "states"])
def test_every_network_is_built_for_every_data_set(network, data):
    job = replace(SMALL, network=network, data=data, labelled=True, activation="silu").job(0)
    known = points(data)
    assert (job.model.D, job.model.T, job.model.n_classes) == (known.train.x.shape[1], 10, len(known.train.names))
    assert job.model(job.x_0[:5], 3, job.y[:5]).shape == (5, job.model.D)
    assert any(isinstance(m, nn.SiLU) for m in job.model.net) and torch.equal(job.y, known.train.y)


@pytest.mark.parametrize("name", SCHEDULES)
def test_every_schedule_is_built(name):
    config = Config(schedule=name, T=40)
    assert torch.equal(config.noise.beta, SCHEDULES[name](T=40).beta)
    assert config.job(0).schedule.T == 40


def test_every_choice_arrives_in_the_job():
    config = replace(
        SMALL,
        beta_1=0.02,
        beta_T=0.5,
        n_train=70,
        epochs=3,
        batch_size=16,
        lr=0.02,
        lr_schedule="one cycle",
        optimiser="adamw",
        draw_t="low noise",
    )
    job = config.job(0)
    assert torch.equal(job.schedule.beta, NoiseSchedule.linear(10, 0.02, 0.5).beta)
    assert torch.equal(job.x_0, points("moons").train.x[:70])
    assert (
        job.training
        == config.training
        == training.Training(
            steps=13,  # 210 points, 16 at a time
            batch_size=16,
            lr=0.02,
            lr_schedule=training.one_cycle,
            optimiser=training.adam_w,
            draw_t=training.low_noise_t,
            draw_rows=training.every_point_once,
        )
    )
    assert replace(config, lr_schedule="cosine").training.lr_schedule is training.cosine_decay


def test_more_training_points_than_there_are_is_all_of_them():
    assert len(replace(SMALL, n_train=10**6).job(0).x_0) == 7200
    assert replace(SMALL, n_train=10**6).steps == SMALL.steps
    assert replace(SMALL, epochs=1e-6).steps == 1


def test_an_average_arrives_in_the_job():
    assert replace(SMALL, average=0.9).job(0).average == 0.9 and SMALL.job(0).average is None


def test_training_sets_drawn_anew():
    config = replace(SMALL, n_train=70, sets=2)
    sets = [config.job(seed).x_0 for seed in range(4)]
    assert [len(x) for x in sets] == [70] * 4 and config.steps == replace(config, sets=None).steps
    assert torch.equal(sets[0], sets[2]) and torch.equal(sets[1], sets[3]) and not torch.equal(sets[0], sets[1])
    fresh = points("moons").fresh
    assert torch.equal(sets[1], fresh(70, FIRST_SET + 1).x)
    assert not torch.cdist(sets[0], points("moons").train.x).amin(1).max() < 1e-3  # not those everyone else has


def test_sets_need_a_distribution_to_draw_from(own):
    with pytest.raises(ValueError, match="sets = 3 needs a distribution to draw from, .*own.npy has none"):
        replace(SMALL, data=own(np.random.default_rng(0).normal(size=(2500, 2))), sets=3)


def test_weights_and_random_numbers_depend_on_the_seed_alone():
    torch.manual_seed(1)
    first, noise = start(SMALL), torch.rand(3, generator=SMALL.job(0).generator)
    torch.manual_seed(2)
    assert torch.equal(start(SMALL), first) and not torch.equal(start(SMALL, 1), first)
    assert torch.equal(torch.rand(3, generator=SMALL.job(0).generator), noise)
    assert not torch.equal(torch.rand(3, generator=SMALL.job(1).generator), noise)


def test_a_row_holds_every_setting_and_how_samples_were_drawn():
    config = replace(SMALL, hidden=(4, 5), labelled=True)
    row = config.row(Sampling("ddim", 3, 0.5, guidance=2.0, n=1500))
    assert row["hidden"] == "4 5" and row["T"] == 10 and row["labelled"] is True
    assert row["grid"] is None
    assert (row["sampler"], row["sampling_steps"], row["eta"], row["guidance"], row["n"]) == ("ddim", 3, 0.5, 2.0, 1500)
    assert row["units"] == "minmax"
    assert config.row(Sampling())["sampling_steps"] == 10
    assert "samplings" not in row and all(not isinstance(value, tuple | dict | list) for value in row.values())


def test_a_dictionary_as_json_holds_it():
    ways = [{"sampler": "ddim", "steps": 3}, {"sampler": "beta_tilde"}]
    config = Config.of({"T": 10, "hidden": [4, 5], "samplings": ways})
    assert config == Config(T=10, hidden=(4, 5), samplings=(Sampling("ddim", 3), Sampling("beta_tilde")))
    assert Config.of({}) == Config()


# Points of one's own


@pytest.mark.parametrize("D", [1, 2, 3, 5])
@pytest.mark.parametrize("network", NETWORKS)
def test_points_of_ones_own(own, D, network):
    x = np.random.default_rng(D).normal(3, 2, (2500, D))
    path = own(x)
    job = replace(SMALL, data=path, network=network).job(0)
    assert job.x_0.shape == (2250, D) and job.x_0.abs().max() <= 1 and job.model(job.x_0[:4], 2).shape == (4, D)
    standard = points(path, "standard")
    everything = torch.cat([standard.train.x, standard.held_out.x]).double()
    assert_close(everything.mean(0), torch.zeros(D).double(), rtol=0, atol=1e-5)
    assert_close(everything.std(0, correction=0), torch.ones(D).double(), rtol=0, atol=1e-5)
    back = everything * standard.train.width + standard.train.shift
    assert_close(back.sort(0).values, torch.from_numpy(x).sort(0).values, rtol=0, atol=1e-5)


def test_a_file_that_has_changed_is_read_again(own):
    x = np.random.default_rng(0).normal(size=(2500, 2))
    first = replace(SMALL, data=own(x)).job(0).x_0
    path = own(np.tanh(x))
    os.utime(path, ns=(1, 1))  # another time, however coarse the clock of the file system
    assert not torch.allclose(replace(SMALL, data=path).job(0).x_0, first)


BAD_FILES = {
    "line": (np.zeros(3000), r"shape \(N, D\), got \(3000,\)"),
    "nan": (np.full((3000, 2), nan), "6000 values that are NaN or infinite"),
    "few": (np.random.default_rng(0).normal(size=(2499, 2)), "needs at least 2500 points, has 2499"),
    "flat": (np.ones((3000, 2)), r"cannot be brought to minmax units: coordinates with no spread: \[0, 1\]"),
    "text": (np.array([["a", "b"]] * 3000), "must be arrays of numbers"),
}


@pytest.mark.parametrize(("x", "message"), BAD_FILES.values(), ids=BAD_FILES.keys())
def test_a_file_that_cannot_be_used_is_refused(own, x, message):
    with pytest.raises(ValueError, match=message):
        Config(data=own(x))


def test_a_file_that_is_not_there_or_is_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no data file at .*missing\.npy"):
        Config(data=str(tmp_path / "missing.npy"))
    (tmp_path / "words.npy").write_text("no array", encoding="utf-8")
    with pytest.raises(ValueError, match=r"words\.npy: not a plain NumPy array"):
        Config(data=str(tmp_path / "words.npy"))


def test_ddim_visits_even_times_or_the_rungs_of_a_grid():
    schedule = NoiseSchedule.linear()
    assert Sampling("ddim", 10).times(schedule) == 10
    times = Sampling("ddim", 10, grid="linear_matched").times(schedule)
    ten = NoiseSchedule.linear_matched(10)
    assert len(times) == 11 and times[-1] == 0
    assert_close(schedule.log_snr[times[:-1]].flip(0), ten.log_snr[1:], atol=0.15, rtol=0)
    assert (schedule.log_snr[50] - ten.log_snr[1]).abs() > 2  # even times begin with far more noise


# Refused by name

NAMES = {
    "data": "data must be one of moons, circles, blobs, manycircles, helix, sine, states, or the path of a "
    ".pt, .npy, .npz file; got",
    "units": "units must be one of minmax, standard; got",
    "schedule": "schedule must be one of linear, cosine, sigmoid, scaled_linear, sech, linear_matched, cut .*; got",
    "network": r"network must be one of raw, raw \+ skip, position, position \+ skip, fourier, sinusoidal, "
    "homework; got",
    "activation": "activation must be one of relu, silu; got",
    "lr_schedule": "lr_schedule must be one of constant, one cycle, cosine; got",
    "optimiser": "optimiser must be one of adam, adamw; got",
    "draw_t": "draw_t must be one of uniform, low noise, as linear, .*; got",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_wrong_name_is_answered_with_the_right_ones(name):
    with pytest.raises(ValueError, match=f"{NAMES[name]} 'tanhh'"):
        replace(SMALL, **{name: "tanhh"})


@pytest.mark.parametrize("value", [None, True, 3, ["linear"], {"a": 1}])
@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_name_at_all_is_refused_too(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*; got"):
        replace(SMALL, **{name: value})


WHOLE = "must be a whole number >= 1"
RATE = "must be a number above 0 and below"
NUMBERS = {
    "T": WHOLE,
    "n_train": WHOLE,
    "batch_size": WHOLE,
    "epochs": RATE,
    "lr": RATE,
    "beta_1": RATE,
    "beta_T": RATE,
    "average": RATE,
    "sets": WHOLE,
}


@pytest.mark.parametrize("value", [0, -1, -0.5, nan, inf, True, False, "3", [3], 1j, np.float32(0.5), torch.tensor(1)])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_wrong_number_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name} {NUMBERS[name]}"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize("name", ["T", "n_train", "batch_size", "sets"])
def test_half_a_step_is_none(name):
    with pytest.raises(ValueError, match=f"{name} {WHOLE}.*got 2.5"):
        replace(SMALL, **{name: 2.5})


@pytest.mark.parametrize("name", ["beta_1", "beta_T", "average"])
@pytest.mark.parametrize("value", [1, 1.0, 1.5])
def test_beta_and_decay_lie_inside_0_to_1(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a number above 0 and below 1 or None; got {value}"):
        replace(SMALL, **{name: value})


@pytest.mark.parametrize("name", ["T", "batch_size", "epochs", "lr"])
def test_only_what_may_be_left_out_may_be_none(name):
    with pytest.raises(ValueError, match=f"{name} must be .*got None"):
        replace(SMALL, **{name: None})
    assert replace(SMALL, n_train=None, beta_1=None, beta_T=None).n_train is None


@pytest.mark.parametrize("given", [(), (0,), (4, -1), (4.0,), (True,), ("4",), [4], 4, None, "44"])
def test_hidden_sizes_are_whole_numbers(given):
    with pytest.raises(ValueError, match="hidden must be a tuple of whole numbers >= 1, got"):
        replace(SMALL, hidden=given)


@pytest.mark.parametrize("given", [(), None, Sampling(), [Sampling()], ("beta",), ({"sampler": "beta"},)])
def test_samplings_are_samplings(given):
    with pytest.raises(ValueError, match="samplings must be a tuple of one Sampling or more, got"):
        replace(SMALL, samplings=given)


@pytest.mark.parametrize("given", [1, 0, "no", None])
def test_labelled_is_yes_or_no(given):
    with pytest.raises(ValueError, match="labelled must be True or False, got"):
        replace(SMALL, labelled=given)


def test_labels_need_classes(own):
    with pytest.raises(ValueError, match="labelled needs classes, sine has one"):
        replace(SMALL, data="sine", labelled=True)
    with pytest.raises(ValueError, match="labelled needs classes, .*own.npy has one"):
        replace(SMALL, data=own(np.random.default_rng(0).normal(size=(2500, 2))), labelled=True)


@pytest.mark.parametrize(("name", "given"), [("cosine", {"beta_1": 1e-4}), ("sech", {"beta_1": 1e-4, "beta_T": 0.02})])
def test_a_schedule_without_a_ramp_takes_no_ends(name, given):
    with pytest.raises(ValueError, match=f"schedule '{name}' takes no {' and no '.join(given)}"):
        Config(schedule=name, **given)


def test_a_schedule_that_cannot_be_is_refused():
    with pytest.raises(ValueError, match="alpha_bar"):
        Config(T=500, beta_1=0.999999, beta_T=0.999999)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epoch": 3}, r"unknown: epoch; a Config has data, units, .*epochs"),
        (
            {"samplings": [{"sampler": "beta", "step": 2}]},
            "unknown: step; a Sampling has sampler, steps, eta, guidance, n, grid",
        ),
        ({1: 2}, "unknown: 1; a Config has"),
        ("moons", "a Config is wanted, or a dictionary of data, .*; got 'moons'"),
        ({"samplings": ["beta"]}, "a Sampling is wanted, or a dictionary of sampler, .*; got 'beta'"),
        ({"samplings": 3}, "samplings must be a tuple of one Sampling or more, got 3"),
        ({"hidden": 3}, "hidden must be a tuple of whole numbers >= 1, got 3"),
        ({"T": "3"}, "T must be a whole number >= 1; got '3'"),
    ],
)
def test_a_dictionary_that_describes_none_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        Config.of(given)


BAD_SAMPLINGS = {
    "sampler": ({"sampler": "ddpm"}, "sampler must be one of beta, beta_tilde, ddim; got 'ddpm'"),
    "steps left out": ({"sampler": "ddim"}, r"steps must be a whole number in 1\.\.10 for ddim, got None"),
    "steps > T": ({"sampler": "ddim", "steps": 11}, r"in 1\.\.10 for ddim, got 11"),
    "no steps": ({"sampler": "ddim", "steps": 0}, r"in 1\.\.10 for ddim, got 0"),
    "half steps": ({"sampler": "ddim", "steps": 2.5}, r"in 1\.\.10 for ddim, got 2\.5"),
    "true steps": ({"sampler": "ddim", "steps": True}, r"in 1\.\.10 for ddim, got True"),
    "steps of beta": ({"steps": 5}, "steps, eta and grid are for ddim, not 'beta'; got 5, 0.0 and None"),
    "eta of beta": ({"eta": 0.5}, "steps, eta and grid are for ddim, not 'beta'; got None, 0.5 and None"),
    "grid of beta": ({"grid": "cosine"}, "for ddim, not 'beta'; got None, 0.0 and 'cosine'"),
    "grid": ({"sampler": "ddim", "steps": 5, "grid": "kosine"}, "grid must be one of linear, .* or None; got 'kosine'"),
    "eta": ({"sampler": "ddim", "steps": 5, "eta": 1.5}, r"eta lie in \[0, 1\], got 2000 and 1.5"),
    "eta as text": ({"sampler": "ddim", "steps": 5, "eta": "0"}, r"eta lie in \[0, 1\], got 2000 and '0'"),
    "n": ({"n": 999}, "n must be a whole number >= 1000 .* got 999"),
    "n as text": ({"n": "2000"}, "n must be a whole number >= 1000"),
    "half n": ({"n": 2000.5}, "n must be a whole number >= 1000"),
    "guidance": ({"guidance": 1.0}, "guidance = 1.0 needs a network trained with labels: labelled=True"),
    "guidance as text": ({"guidance": "1"}, "guidance must be a finite number or None, got '1'"),
    "endless guidance": ({"guidance": inf}, "guidance must be a finite number or None, got inf"),
}


@pytest.mark.parametrize(("given", "message"), BAD_SAMPLINGS.values(), ids=BAD_SAMPLINGS.keys())
def test_a_sampling_that_cannot_be_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        replace(SMALL, samplings=(Sampling(), Sampling(**given)))


def test_raw_with_the_skip_and_fourier_differ_in_their_inputs_alone():
    raw, fourier = (replace(SMALL, network=name).job(0).model.config for name in ("raw + skip", "fourier"))
    assert {name for name in raw if raw[name] != fourier[name]} == {"x_frequencies", "t_frequencies"}
    assert raw["x_frequencies"] == [] and raw["skip"] is True


def test_raw_is_the_books_plain_network_without_a_skip():
    raw, skip = (replace(SMALL, network=name).job(0).model.config for name in ("raw", "raw + skip"))
    assert raw == Denoiser(T=10, hidden=(4,)).config and raw == skip | {"skip": False}


def test_epochs_are_a_number_however_they_are_written():
    whole, decimal = replace(SMALL, epochs=3), replace(SMALL, epochs=3.0)
    assert whole == decimal and repr(whole) == repr(decimal)


@pytest.mark.parametrize(
    ("value", "whole", "number"),
    [(3, True, True), (3.0, False, True), (True, False, False), ("3", False, False), (None, False, False)],
)
def test_what_is_a_number(value, whole, number):
    assert is_number(value, int) is whole and is_number(value) is number


# Samples


@pytest.mark.parametrize(
    ("sampling", "direct"),
    [
        (Sampling(n=1000), lambda m, x, g: ddpm(m, SCHEDULE, x, generator=g)),
        (Sampling("beta_tilde", n=1000), lambda m, x, g: ddpm(m, SCHEDULE, x, variance="beta_tilde", generator=g)),
        (Sampling("ddim", 3, 0.5, n=1000), lambda m, x, g: ddim(m, SCHEDULE, x, steps=3, eta=0.5, generator=g)),
    ],
    ids=["beta", "beta_tilde", "ddim"],
)
def test_samples_are_those_of_the_sampler(sampling, direct):
    model, g = small(T=8), stream("sample", 4)
    want = last(direct(model, randn(1000, 2, generator=g), g))
    assert torch.equal(sampling.draw(model, SCHEDULE, torch.zeros(1000), 4), want)
    assert not torch.equal(sampling.draw(model, SCHEDULE, torch.zeros(1000), 5), want)


@pytest.mark.parametrize("guidance", [0.0, 1.0, 2.5])
def test_a_strength_asks_for_guidance_to_the_labels(guidance):
    model, g, y = small(T=8, n_classes=3), stream("sample", 0), torch.arange(1000) % 3
    x_T = randn(1000, 2, generator=g)
    want = last(ddpm(ClassifierFreeGuidance(model, y, guidance), SCHEDULE, x_T, generator=g))
    assert torch.equal(Sampling(guidance=guidance, n=1000).draw(model, SCHEDULE, y, 0), want)
    assert torch.equal(want, Sampling(n=1000).draw(model, SCHEDULE, y, 0)) == (guidance == 0)
