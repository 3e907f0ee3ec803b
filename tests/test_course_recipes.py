"""The course recipes in benchmarks/: what an epoch computes, that a stop loses nothing, and what the table holds."""

import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import course_recipes as command
import course_rows as rows
import course_training as training
import pandas as pd
import pytest
import torch
from torch import nn
from torch.testing import assert_close

from statesdiff.data import STATE_NAMES, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.metrics import nll
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from tests.support import weights

BENCHMARKS = Path(command.__file__).parent
SCHEDULE = NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.4)
DATA = states(n_per_state=8)
PARTS = [(recipe, part) for recipe in training.RECIPES for part in training.RECIPES[recipe]]


@pytest.fixture
def small(monkeypatch):
    """The recipes with small batches and new noise after every second epoch; pieces that do not divide a batch."""
    for parts in training.RECIPES.values():
        for name in parts:
            monkeypatch.setitem(parts, name, replace(parts[name], batch_size=300, refresh=2))
    monkeypatch.setattr(training, "PIECE", 128)


def losses(curve):
    return [(record["epoch"], record["loss"], record["lr"]) for record in curve]


def go_on(run, epochs):
    records = run.epochs(DATA, SCHEDULE)
    for _ in range(epochs):
        next(records)
        run.save()
    return run


# What an epoch computes


def test_every_point_is_noised_at_every_time():
    features, eps = training.noisy_points(DATA, SCHEDULE, stream("noise"))
    assert features.shape == (20 * 40, 3) and eps.shape == (20 * 40, 2)
    for t in (1, 7, 20):
        block = slice((t - 1) * 40, t * 40)
        alpha_bar = SCHEDULE.alpha_bar[t]
        x_t = alpha_bar.sqrt() * DATA.x.double() + (1 - alpha_bar).sqrt() * eps[block].double()
        assert_close(features[block, :2].double(), x_t, rtol=1e-5, atol=1e-6)
        assert_close(features[block], Denoiser(T=20).features(features[block, :2], torch.tensor(t)))
    assert len(eps.unique(dim=0)) == len(eps)  # no noise is used twice
    # 1,600 numbers: four standard errors of the mean and of the variance
    assert abs(eps.mean()) < 0.1 and abs(eps.var() - 1) < 0.15


@pytest.mark.parametrize(("recipe", "name"), PARTS)
def test_an_epoch_is_a_plain_pass_over_all_points_in_a_new_order(small, tmp_path, recipe, name):
    part, label = training.RECIPES[recipe][name], f"{recipe}/{name}"
    got = go_on(training.Training(recipe, name, tmp_path / "state.pt"), 3)

    net = init({"denoiser": Denoiser, "classifier": Classifier}[name], generator=stream(f"{label}/init"))
    optimiser = part.optimiser(net.parameters(), lr=1e-3, weight_decay=part.weight_decay)
    loss_of = {"denoiser": nn.MSELoss(), "classifier": nn.CrossEntropyLoss()}[name]
    for record in got.curve:
        draw = (record["epoch"] - 1) // 2  # two epochs with the same noise
        features, eps = training.noisy_points(DATA, SCHEDULE, stream(f"{label}/noise", draw))
        target = eps if name == "denoiser" else DATA.y.repeat(20)
        optimiser.param_groups[0]["lr"], total = record["lr"], 0.0
        for batch in torch.randperm(800, generator=stream(f"{label}/order", record["epoch"])).split(300):
            optimiser.zero_grad()
            loss = loss_of(net.net(features[batch]), target[batch])
            loss.backward()
            optimiser.step()
            total += loss.item() * len(batch)
        assert record["loss"] == pytest.approx(total / 800, rel=1e-5)
    # float32 sums in another order; Adam divides by small numbers in its first steps, the steps are of size 1e-3
    assert_close(weights(got.net), weights(net), rtol=0, atol=2e-5)


@pytest.mark.parametrize("name", ["denoiser", "classifier"])
def test_noise_is_drawn_afresh_when_the_recipe_says(small, tmp_path, monkeypatch, name):
    parts = training.RECIPES["step"]
    monkeypatch.setitem(parts, name, replace(parts[name], lr=0.0))  # what does not learn sees by its loss what is new
    run = go_on(training.Training("step", name, tmp_path / "state.pt"), 5)
    first, second, third, fourth, fifth = (record["loss"] for record in run.curve)
    assert first == pytest.approx(second, rel=1e-5) and third == pytest.approx(fourth, rel=1e-5)
    assert len({round(loss, 5) for loss in (first, third, fifth)}) == 3


def test_the_published_settings():
    expected = {
        ("cosine", "denoiser"): ("Adam", 1e-4, 10_000, 500, 50),
        ("cosine", "classifier"): ("Adam", 1e-5, 20_000, 10, 10),
        ("step", "denoiser"): ("AdamW", 1e-7, 10_000, 250, 25),
        ("step", "classifier"): ("Adam", 1e-4, 10_000, 50, 100),
    }
    found = {}
    for recipe, name in PARTS:
        part = training.RECIPES[recipe][name]
        found[recipe, name] = (
            part.optimiser.__name__,
            part.weight_decay,
            part.batch_size,
            part.epochs,
            part.refresh,
        )
        assert part.lr == 1e-3
    assert found == expected


def rates(recipe, name, tmp_path, loss_of_epoch):
    run, used = training.Training(recipe, name, tmp_path / "state.pt"), []
    for epoch in range(1, run.part.epochs + 1):
        used.append(run.optimiser.param_groups[0]["lr"])
        run.optimiser.step()
        run._anneal(loss_of_epoch(epoch))
    return used


@pytest.mark.parametrize(("name", "epochs", "low"), [("denoiser", 500, 5e-6), ("classifier", 10, 1e-5)])
def test_the_rate_of_cosine_falls_by_half_a_cosine(tmp_path, name, epochs, low):
    want = [low + (1e-3 - low) * (1 + math.cos(math.pi * e / epochs)) / 2 for e in range(epochs)]
    assert rates("cosine", name, tmp_path, lambda epoch: 1.0) == pytest.approx(want, rel=1e-6)


def test_the_rate_of_step_falls_by_a_hundredth_every_second_epoch(tmp_path):
    want = [1e-3 * 0.99 ** (e // 2) for e in range(250)]
    assert rates("step", "denoiser", tmp_path, lambda epoch: 1.0) == pytest.approx(want, rel=1e-9)


def test_the_rate_of_the_classifier_of_step_halves_when_the_loss_has_not_fallen_for_four_epochs(tmp_path):
    # it falls until epoch 10; epochs 11 to 14 are no better, so epoch 15 is the first at half the rate, then 19, 23
    used = rates("step", "classifier", tmp_path, lambda epoch: max(1.0, 11.0 - epoch))
    assert used == pytest.approx([1e-3 * 0.5 ** max(0, (e - 11) // 4) for e in range(1, 51)], rel=1e-9)


# Stopping and going on


@pytest.mark.parametrize("stop", [1, 2, 3])
@pytest.mark.parametrize(("recipe", "name"), PARTS)
def test_a_resumed_run_gives_the_numbers_of_an_uninterrupted_one(small, tmp_path, recipe, name, stop):
    whole = go_on(training.Training(recipe, name, tmp_path / "whole.pt"), 4)
    go_on(training.Training(recipe, name, tmp_path / "stopped.pt"), stop)
    torch.manual_seed(stop)  # nothing may depend on the global stream
    resumed = go_on(training.Training(recipe, name, tmp_path / "stopped.pt"), 4 - stop)
    assert losses(resumed.curve) == losses(whole.curve) and len(whole.curve) == 4
    assert torch.equal(weights(resumed.net), weights(whole.net))
    assert resumed.curve[-1]["cpu_seconds"] > resumed.curve[stop - 1]["cpu_seconds"]  # the clocks go on too


SMALL = """
from dataclasses import replace
import course_recipes, course_training
from statesdiff.data import states
from statesdiff.schedule import NoiseSchedule
parts = course_training.RECIPES["step"]
for name in parts:
    patch(parts, name, replace(parts[name], batch_size=300, refresh=2, epochs=6))
patch(vars(course_recipes), "states", lambda seed=0: states(n_per_state=8, seed=seed))
patch(vars(course_recipes), "N_CURVE", 20)
patch(vars(course_recipes), "is_judged", lambda epoch, refresh: epoch == 6)
patch(vars(course_recipes), "SCHEDULE", NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.4))
"""
KILLED = f"""
import sys
patch = dict.__setitem__
{SMALL}
import os, torch
calls, backward = [], torch.Tensor.backward
def until_killed(loss):
    calls.append(loss)
    if len(calls) == 8:  # an epoch has 3 batches: this is the second of the third epoch
        os.kill(os.getpid(), int(sys.argv[2]))
    backward(loss)
torch.Tensor.backward = until_killed
course_recipes.main(["step", "--folder", sys.argv[1]])
"""


@pytest.fixture
def run_step(monkeypatch):
    """The command `step`, with few points, few times and six epochs for each network."""
    return step_with(monkeypatch)


def step_with(patch):
    exec(SMALL, {"patch": patch.setitem})
    patch.setattr(command.signal, "signal", lambda *_: None)  # pytest keeps its own
    return lambda folder, *options: command.main(["step", "--folder", str(folder), *options])


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        step_with(patch)(folder)
    return folder


def stored(folder, name="denoiser"):
    return torch.load(folder / "step" / f"{name}.pt", weights_only=True)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_run_repeats_only_the_epoch_under_way(run_step, whole, tmp_path, capsys, how):
    arguments = [sys.executable, "-c", KILLED, str(tmp_path / "killed"), str(int(how))]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(BENCHMARKS), str(BENCHMARKS.parent)])}
    run = subprocess.run(arguments, env=env, capture_output=True, text=True, timeout=120)
    assert run.returncode == (1 if how == signal.SIGTERM else -how)
    assert ("stopped: the state after the last whole epoch is kept" in run.stderr) == (how == signal.SIGTERM)
    assert [path.name for path in (tmp_path / "killed" / "step").iterdir()] == ["denoiser.pt"]
    assert len(stored(tmp_path / "killed")["curve"]) == 2
    run_step(tmp_path / "killed")
    assert capsys.readouterr().out.count("step/denoiser") == 4
    for name in ("denoiser", "classifier"):
        killed, want = stored(tmp_path / "killed", name), stored(whole, name)
        assert losses(killed["curve"]) == losses(want["curve"]) and len(want["curve"]) == 6
        assert all(torch.equal(value, want["net"][key]) for key, value in killed["net"].items())


def test_a_run_stops_at_the_epochs_asked_for_and_goes_on_when_asked_again(run_step, tmp_path):
    for asked, epochs in ((2, 2), (1, 2), (99, 6)):
        run_step(tmp_path, "--part", "denoiser", "--epochs", str(asked))
        assert len(stored(tmp_path)["curve"]) == epochs
    assert not (tmp_path / "step" / "classifier.pt").exists()


def test_a_state_of_another_recipe_is_refused(small, tmp_path):
    go_on(training.Training("step", "denoiser", tmp_path / "state.pt"), 1)
    with pytest.raises(ValueError, match="state.pt was made with .*AdamW.*; now they are .*Adam,"):
        training.Training("cosine", "denoiser", tmp_path / "state.pt")


@pytest.mark.parametrize("bad", [["best"], ["step", "--epochs", "0"], ["step", "--part", "both"], []])
def test_senseless_arguments_are_refused(bad, capsys):
    with pytest.raises(SystemExit) as error:
        command.main(bad)
    assert error.value.code == 2 and "usage" in capsys.readouterr().err


def test_a_network_is_judged_often_at_first_and_after_new_noise():
    judged = [epoch for epoch in range(1, 61) if command.is_judged(epoch, 25)]
    assert judged == [*range(1, 11), 20, 25, 26, 27, 28, 30, 40, 50, 51, 52, 53, 60]


@pytest.mark.parametrize("name", ["denoiser", "classifier"])
def test_a_network_is_judged_on_its_way(small, tmp_path, monkeypatch, name):
    monkeypatch.setattr(command, "states", lambda seed=0: states(n_per_state=8, seed=seed))
    monkeypatch.setattr(command, "SCHEDULE", SCHEDULE)
    monkeypatch.setattr(command, "is_judged", lambda epoch, refresh: epoch % refresh == 0)
    monkeypatch.setattr(command, "ancestral", lambda net, n, g, device: DATA.x + net(DATA.x, 1) + randn(1, generator=g))
    run = training.Training("step", name, tmp_path / "state.pt")
    command.train(run, 4)
    assert ["loss (fresh)" in record for record in run.curve] == [False, True, False, True]
    assert training.Training("step", name, tmp_path / "state.pt").curve == run.curve
    again = command.judge_on_its_way(run, states(n_per_state=8, seed=1))
    assert again.items() <= run.curve[-1].items() and ("NLL" in again) == (name == "denoiser")
    features, eps = training.noisy_points(states(n_per_state=8, seed=1), SCHEDULE, stream(f"step/{name}/fresh"))
    target = eps if name == "denoiser" else DATA.y.repeat(20)
    plain = training.RECIPES["step"][name].loss(run.net.net(features), target).detach()
    assert again["loss (fresh)"] == pytest.approx(float(plain), rel=1e-5)


@pytest.mark.parametrize("name", ["denoiser", "classifier"])
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a graphics card")
def test_a_graphics_card_is_given_the_same_random_numbers(small, tmp_path, name):
    here, there = (
        go_on(training.Training("step", name, tmp_path / f"{device}.pt", device), 4) for device in ("cpu", "cuda")
    )
    assert [a["loss"] for a in here.curve] == pytest.approx([b["loss"] for b in there.curve], rel=1e-4)
    again = training.Training("step", name, tmp_path / "cuda.pt")  # a state from there is read here
    assert torch.equal(weights(again.net), weights(there.net).cpu()) and again.curve[0]["device"] != "cpu"


# The table


def test_real_points_of_a_class_are_judged_as_such():
    data, held_out = states(), states(n_per_state=300, seed=1)
    for label in range(5):
        got = rows.judge(held_out.of_class(label), label)
        assert got["accuracy"] > 0.98 and got["coverage"] > 0.98 and got["distance"] < 0.02
        assert got["gap"] == pytest.approx(got["NLL"] - nll(data.of_class(label), data.x), abs=1e-4)
        assert abs(got["gap"]) < 0.1
    wrong = rows.judge(held_out.of_class(2), 3)
    assert wrong["accuracy"] < 0.02 and wrong["distance"] > 0.5 and wrong["coverage"] < 0.1


def test_all_points_are_judged_without_a_class():
    got = rows.judge(states(seed=1).x)
    assert set(got) == {"NLL", "gap", "distance", "coverage"}
    assert got["coverage"] > 0.99 and abs(got["gap"]) < 0.02


def test_the_samples_of_a_class_are_drawn_with_the_predictor_of_that_class(monkeypatch):
    monkeypatch.setattr(rows, "N_FINAL", 60)
    points = {label: outline_points(2000, label) for label in range(5)}
    ideal = {label: IdealDenoiser(x[::4], rows.SCHEDULE) for label, x in points.items()}
    sets = rows.judge_model(IdealDenoiser(outline_points(500), rows.SCHEDULE), ideal.get)
    assert list(sets) == ["all", *STATE_NAMES]
    for name in STATE_NAMES:
        assert sets[name]["accuracy"] > 0.95 and sets[name]["distance"] < 0.03
    assert set(sets["all"]) == {"NLL", "gap", "distance", "coverage"} and sets["all"]["distance"] < 0.03


def test_a_run_is_judged_by_what_it_has_got_to(small, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "N_FINAL", 40)
    assert rows.trained_here("step", tmp_path) is None
    (tmp_path / "step").mkdir()
    go_on(training.Training("step", "denoiser", tmp_path / "step" / "denoiser.pt"), 2)
    before = rows.trained_here("step", tmp_path)
    assert before.make()["trained"] == "2 of 250 epochs" and list(before.make()["sets"]) == ["all"]
    run = go_on(training.Training("step", "classifier", tmp_path / "step" / "classifier.pt"), 1)
    after = rows.trained_here("step", tmp_path)
    row = after.make()
    assert after.key != before.key and after.key == rows.trained_here("step", tmp_path).key
    assert row["trained"] == "2 of 250 epochs + 1 of 50 epochs" and list(row["sets"]) == list(rows.SETS)
    assert row["device"] == "cpu" and row["seconds"]["classifier"] == run.curve[-1]["cpu_seconds"]


def test_a_quick_look_takes_the_curve_and_few_samples_of_each_class(small, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "N_QUICK", 30)
    monkeypatch.setattr(rows, "STEPS_QUICK", 2)
    (tmp_path / "step").mkdir()
    for name in ("denoiser", "classifier"):
        run = go_on(training.Training("step", name, tmp_path / "step" / f"{name}.pt"), 2)
        if name == "denoiser":
            run.curve[0] |= {"NLL": 3.0, "gap": 0.9, "distance": 0.5, "coverage": 0.1}
            run.save()
    quick = rows.trained_here("step", tmp_path, quick=True)
    row = quick.make()
    assert quick.key != rows.trained_here("step", tmp_path).key
    assert row["judged"] == {"all": "epoch 1 of the denoiser, by the curve", "classes": "30 samples in 2 steps"}
    lines = command.flat({"step, trained here": row, "real": {"sets": {"all": {"NLL": 2.0}}}}).set_index("samples")
    assert lines.judged["Ohio"] == row["judged"]["classes"]
    assert lines.judged["all"].to_list()[0] == row["judged"]["all"] and pd.isna(lines.judged["all"].iloc[1])
    assert row["sets"]["all"] == {"NLL": 3.0, "gap": 0.9, "distance": 0.5, "coverage": 0.1}
    assert list(row["sets"]) == list(rows.SETS) and row["sets"]["Ohio"]["distance"] > 0.1


def test_each_part_of_a_run_has_the_clock_of_its_own_device(small, tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "judge_model", lambda denoiser, guided: {})
    (tmp_path / "step").mkdir()
    for name, devices in (("denoiser", ["cpu", "a card"]), ("classifier", ["cpu", "cpu"])):
        run = go_on(training.Training("step", name, tmp_path / "step" / f"{name}.pt"), 2)
        for record, device in zip(run.curve, devices, strict=True):
            record |= {"device": device, "cpu_seconds": 7.0, "wall_seconds": 30.0}
        run.save()
    assert rows.trained_here("step", tmp_path).make()["seconds"] == {"denoiser": 30.0, "classifier": 7.0}


def test_the_published_rows_hold_the_published_figures():
    sets = rows.as_published("cosine").make()["sets"]
    assert sets["all"] == {"NLL": 2.156, "distance": 0.0180, "gap": 0.004}
    assert sets["Ohio"] == {"NLL": 2.053, "distance": 0.023, "accuracy": 0.987, "gap": 0.004}
    step = rows.as_published("step").make()
    assert step["trained"] == "250 epochs + 50 epochs"
    assert step["sets"]["Oklahoma"] == {"NLL": 2.4367, "gap": pytest.approx(-0.0093)}


def test_the_books_weights_are_judged_again_when_they_change(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "WEIGHTS", tmp_path)
    for name in ("denoiser_fourier", "denoiser_conditional", "classifier"):
        (tmp_path / f"{name}.safetensors").write_bytes(b"old")
    guided, free = rows.book_weights("fourier").key, rows.book_weights("conditional", classifier_free=True).key
    (tmp_path / "classifier.safetensors").write_bytes(b"new")
    assert rows.book_weights("fourier").key != guided
    assert rows.book_weights("conditional", classifier_free=True).key == free


def test_the_committed_rows_of_the_books_weights_are_those_of_the_committed_weights():
    stored = json.loads((BENCHMARKS / "results" / "course_recipes.json").read_text(encoding="utf-8"))
    made_now = rows.solutions(BENCHMARKS)
    for name in ("book, recipes trained here", "book, weights", "book, weights, classifier-free"):
        assert stored[name]["key"] == made_now[name].key, name


def test_the_committed_seconds_of_what_was_trained_on_a_processor_are_its_own():
    stored = json.loads((BENCHMARKS / "results" / "course_recipes.json").read_text(encoding="utf-8"))
    curve = pd.read_csv(BENCHMARKS / "results" / "course_recipes_curve.csv", comment="#")
    known = curve[curve.device == "cpu"].set_index(["recipe", "part", "epoch"]).cpu_seconds
    row = stored["cosine, trained here"]
    assert row["seconds"]["classifier"] == known["cosine", "classifier", 10]


@pytest.mark.parametrize(
    ("recipe", "trained", "luck"),
    [
        ("cosine", "500 of 500 epochs + 10 of 10 epochs", 0.01),
        ("step", "250 of 250 epochs + 50 of 50 epochs", 0.02),
    ],
)
def test_the_committed_rows_are_those_of_trainings_that_have_come_to_their_end(recipe, trained, luck):
    name = f"{recipe}, trained here"
    stored = json.loads((BENCHMARKS / "results" / "course_recipes.json").read_text(encoding="utf-8"))[name]["sets"]
    curve = pd.read_csv(BENCHMARKS / "results" / "course_recipes_curve.csv", comment="#")
    judged = pd.read_csv(BENCHMARKS / "results" / "course_recipes.csv", comment="#").set_index(["solution", "samples"])
    ends = curve[curve.recipe == recipe].groupby("part").epoch.max()
    planned = {part: of.epochs for part, of in training.RECIPES[recipe].items()}
    assert dict(ends) == planned
    assert set(judged.trained[name]) == {trained}
    assert judged.judged[name].isna().all()  # by 5,000 samples in 500 steps
    assert judged.NLL[name].to_dict() == {samples: values["NLL"] for samples, values in stored.items()}
    last = curve[(curve.recipe == recipe) & (curve.part == "denoiser")].dropna(subset=["NLL"]).iloc[-1]
    assert last.epoch == planned["denoiser"] and abs(last.NLL - stored["all"]["NLL"]) < luck  # of other samples


def made(value, calls):
    def make():
        calls.append(value)
        return {"sets": {"all": {"NLL": value}}}

    return make


def test_rows_are_made_once_and_again_when_there_is_something_new(tmp_path):
    calls, result = [], tmp_path / "result.json"
    command.update({"a": rows.Row("1", made(1.0, calls)), "b": rows.Row("1", made(2.0, calls))}, result)
    got = command.update({"a": rows.Row("1", made(3.0, calls)), "b": rows.Row("2", made(4.0, calls))}, result)
    assert calls == [1.0, 2.0, 4.0]
    assert [row["sets"]["all"]["NLL"] for row in got.values()] == [1.0, 4.0]
    kept = command.update({"b": None, "c": None}, result)
    assert list(kept) == ["b"] and kept["b"]["torch"] == torch.__version__


def test_a_row_that_fails_leaves_the_others(tmp_path):
    def fail():
        raise RuntimeError("no such weights")

    result = tmp_path / "result.json"
    with pytest.raises(RuntimeError):
        command.update({"a": rows.Row("1", made(1.0, [])), "b": rows.Row("1", fail)}, result)
    assert list(json.loads(result.read_text(encoding="utf-8"))) == ["a"]


def test_curves_of_runs_that_are_elsewhere_are_kept(small, tmp_path):
    file = tmp_path / "curve.csv"
    (tmp_path / "here" / "step").mkdir(parents=True)
    assert command.curves(tmp_path / "nowhere", file).empty
    go_on(training.Training("step", "denoiser", tmp_path / "here" / "step" / "denoiser.pt"), 3)
    command.curves(tmp_path / "here", file).to_csv(file, index=False)
    kept = command.curves(tmp_path / "nowhere", file)
    assert kept.epoch.tolist() == [1, 2, 3] and set(kept.recipe) == {"step"} and set(kept.part) == {"denoiser"}
    text = file.read_text(encoding="utf-8").replace(",0.001,", ",0.0009757729755661011,")
    file.write_text(text, encoding="utf-8")
    assert "1011," in text and command.curves(tmp_path / "nowhere", file).to_csv(index=False) == text  # to the digit
    go_on(training.Training("step", "denoiser", tmp_path / "here" / "step" / "denoiser.pt"), 1)
    assert command.curves(tmp_path / "here", file).epoch.tolist() == [1, 2, 3, 4]


def test_the_table_holds_every_figure_and_marks_what_is_unknown(tmp_path, monkeypatch):
    chosen = {
        "cosine, published": rows.as_published("cosine"),
        "mine": rows.Row(
            "1",
            lambda: {
                "device": "cpu",
                "seconds": {"denoiser": 8.25, "classifier": 1.5},
                "sets": {"all": {"NLL": 2.15, "gap": -0.001, "distance": 0.0123, "coverage": 0.999}},
            },
        ),
    }
    monkeypatch.setattr(command, "solutions", lambda folder, quick: chosen)
    text = command.table(tmp_path, tmp_path)
    assert "| cosine, published | 500 epochs + 10 epochs | - | - | 2.156 | +0.004 | 0.0180 | - |" in text
    assert "| mine | - | cpu | 8 + 2 | 2.150 | -0.001 | 0.0123 | 0.999 |" in text
    assert "| 0.991 0.980 0.987 0.986 0.989 |" in text and "| mine | - - - - - |" in text
    frame = pd.read_csv(tmp_path / "course_recipes.csv", comment="#")
    assert len(frame) == 7
    michigan = frame[(frame.solution == "cosine, published") & (frame.samples == "Michigan")].iloc[0]
    assert (michigan.NLL, michigan.accuracy, michigan.distance) == (2.135, 0.991, 0.025)
    assert frame.denoiser_seconds.iloc[-1] == 8.25
    assert command.table(tmp_path, tmp_path) == text  # everything stored, nothing made again
