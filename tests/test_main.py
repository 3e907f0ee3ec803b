"""The command line: what it writes, what it says, and how it ends."""

import json
import math
import os
import re
import runpy
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from statesdiff import __main__ as cli
from statesdiff.__main__ import main
from statesdiff.ablations import judging, studies
from statesdiff.ablations.configs import Config, Sampling
from statesdiff.ablations.embedded import Embedded
from statesdiff.ablations.homework import HomeworkDenoiser
from statesdiff.ablations.sweep import sweep
from statesdiff.checkpoints import book_denoiser, load_model, save_model
from statesdiff.data import Dataset, in_units, states
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.metrics import emd, mean_distance, nll
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.project import example
from statesdiff.project.grade import grade
from statesdiff.project.measures import Reference
from statesdiff.recipes import RECIPES, train_recipe
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import SCHEDULES, NoiseSchedule
from statesdiff.training import uniform_t
from tests.support import weights


@pytest.fixture
def checkpoint(tmp_path):
    model = init(Denoiser, D=3, T=8, hidden=(8,), generator=stream("init"))
    return str(save_model(tmp_path / "small.safetensors", model, NoiseSchedule.linear(T=8)))


@pytest.fixture
def points(tmp_path):
    x = randn(60, 3, generator=stream("data")) * 5 + 2
    np.save(tmp_path / "points.npy", x.numpy())
    return str(tmp_path / "points.npy"), x


# train


def test_train_writes_the_checkpoint_that_the_recipe_makes(tmp_path, capsys):
    out = tmp_path / "model.safetensors"
    assert main(["train", "--recipe", "plain", "--steps", "3", "--seed", "4", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    model, schedule = load_model(out)
    assert (model.D, schedule.T) == (2, 500)
    same, steps = train_recipe("plain", states().x, NoiseSchedule.linear(), steps=3, seed=4)
    list(steps)
    assert torch.equal(weights(model), weights(same))


@pytest.mark.parametrize("units", [None, "standard", "minmax"])
def test_train_on_a_file_of_ones_own(tmp_path, points, units):
    path, x = points
    out = str(tmp_path / "model.safetensors")
    flag = [] if units is None else ["--units", units]
    assert main(["train", "--data", path, "--steps", "2", "--out", out, *flag]) == 0
    data = Dataset(x, torch.zeros(60, dtype=torch.int64))
    same, steps = train_recipe("fourier", (in_units(data, units) if units else data).x, NoiseSchedule.linear(), steps=2)
    list(steps)
    model, _ = load_model(out)
    assert model.D == 3 and torch.equal(weights(model), weights(same))


def test_units_are_for_a_files_points(tmp_path, capsys):
    out = tmp_path / "model.safetensors"
    assert main(["train", "--units", "minmax", "--out", str(out)]) == 2
    assert "--units is for a file's points, --data" in one_line(capsys) and not out.exists()


@pytest.mark.parametrize("schedule", ["linear", "linear_matched", "cosine"])
@pytest.mark.parametrize("T", ["150", "40"])
def test_train_with_another_schedule(tmp_path, points, capsys, schedule, T):
    out, samples = tmp_path / "model.safetensors", tmp_path / "x.npy"
    flags = ["--steps", "2", "--T", T, "--schedule", schedule, "--units", "standard"]
    assert main(["train", "--data", points[0], "--out", str(out), *flags]) == 0
    want = SCHEDULES[schedule](T=int(T))
    same, steps = train_recipe("fourier", in_units(Dataset(points[1], None), "standard").x, want, steps=2)
    list(steps)
    model, found = load_model(out)
    assert torch.equal(found.beta, want.beta) and torch.equal(weights(model), weights(same))
    said = capsys.readouterr().err
    assert (f"at T = {T} this schedule leaves {want.alpha_bar_T:.2g} of" in said) == (schedule == "linear")
    assert main(["sample", "--checkpoint", str(out), "--n", "7", "--out", str(samples)]) == 0
    assert np.load(samples).shape == (7, 3)


def test_an_array_of_many_dimensions_goes_all_the_way(tmp_path, monkeypatch):
    quickly(monkeypatch, "fourier", steps=3, batch_size=16)
    known = Embedded(64, seed=1).draw(40).x
    np.save(tmp_path / "points.npy", known.numpy())
    model, out = str(tmp_path / "model.safetensors"), str(tmp_path / "own.npy")
    options = ["--data", str(tmp_path / "points.npy"), "--units", "standard", "--T", "150"]
    assert main(["train", *options, "--schedule", "linear_matched", "--out", model]) == 0
    assert main(["sample", "--checkpoint", model, "--n", "50", "--out", out]) == 0
    own = torch.from_numpy(np.load(out))
    assert own.shape == (50, 64) and own.dtype == torch.float32
    # a network that has learnt nothing leaves noise of variance about 1, which comes back in the units of the file
    assert 0.3 < float((own.std(0) / known.std(0)).median()) < 3
    assert emd(own, known[:50]) > emd(known[50:100], known[:50]) and mean_distance(own, known) > 0
    assert math.isfinite(nll(own, known))


def test_the_usual_schedule_needs_no_warning(tmp_path, capsys):
    assert main(["train", "--steps", "2", "--out", str(tmp_path / "model.safetensors")]) == 0
    assert capsys.readouterr().err == ""


def test_a_classifier_of_another_schedule_is_refused(tmp_path, capsys):
    paths = {}
    for recipe, schedule in (("fourier", "cosine"), ("classifier", "linear_matched")):
        paths[recipe] = str(tmp_path / f"{recipe}.safetensors")
        options = ["--recipe", recipe, "--schedule", schedule, "--T", "20", "--steps", "2", "--out", paths[recipe]]
        assert main(["train", *options]) == 0
    capsys.readouterr()
    arguments = ["sample", "--checkpoint", paths["fourier"], "--label", "1", "--classifier", paths["classifier"]]
    assert main([*arguments, "--out", str(tmp_path / "x.npy")]) == 2
    said = one_line(capsys)
    assert "cosine, T = 20" in said and "linear matched, T = 20" in said and "same --T and --schedule" in said


def quickly(monkeypatch, name, **changes):
    """Train this recipe with other options."""
    recipe = RECIPES[name]
    monkeypatch.setitem(RECIPES, name, replace(recipe, training=replace(recipe.training, **changes)))


def test_the_default_is_the_fourier_recipe_with_its_own_number_of_steps(tmp_path, monkeypatch):
    quickly(monkeypatch, "fourier", steps=3, batch_size=16)
    monkeypatch.chdir(tmp_path)
    assert main(["train"]) == 0
    same, steps = train_recipe("fourier", states().x, NoiseSchedule.linear())
    assert len(list(steps)) == 3
    model, _ = load_model(tmp_path / "denoiser.safetensors")
    assert model.config == Denoiser.fourier().config and torch.equal(weights(model), weights(same))


def test_a_network_of_the_homework_can_be_trained_and_sampled(tmp_path, capsys):
    out, samples = tmp_path / "homework.safetensors", tmp_path / "x.npy"
    assert main(["train", "--recipe", "homework", "--steps", "2", "--seed", "3", "--out", str(out)]) == 0
    model, schedule = load_model(out, HomeworkDenoiser)
    same, steps = train_recipe("homework", states().x, schedule, steps=2, seed=3)
    list(steps)
    assert torch.equal(weights(model), weights(same))
    assert main(["sample", "--checkpoint", str(out), "--n", "5", "--steps", "3", "--out", str(samples)]) == 0
    want = last(ddim(model, schedule, randn(5, 2, generator=stream("sample")), steps=3))
    assert torch.equal(torch.from_numpy(np.load(samples)), want)
    capsys.readouterr()
    assert main(["sample", "--checkpoint", str(out), "--label", "1", "--classifier", str(out)]) == 2
    assert "holds a HomeworkDenoiser, not a Classifier" in one_line(capsys)


@pytest.mark.parametrize(("recipe", "kind"), [("conditional", Denoiser), ("classifier", Classifier)])
def test_train_on_labelled_points(tmp_path, recipe, kind):
    out = tmp_path / "model.safetensors"
    assert main(["train", "--recipe", recipe, "--steps", "3", "--out", str(out)]) == 0
    s = states()
    same, steps = train_recipe(recipe, s.x, NoiseSchedule.linear(), s.y, steps=3)
    list(steps)
    assert torch.equal(weights(load_model(out, kind)[0]), weights(same))


@pytest.mark.parametrize("recipe", ["conditional", "classifier"])
def test_points_without_labels_teach_no_labels(tmp_path, points, capsys, recipe):
    out = tmp_path / "model.safetensors"
    assert main(["train", "--recipe", recipe, "--data", points[0], "--out", str(out)]) == 2
    assert f"recipe '{recipe}' needs labelled points" in one_line(capsys) and not out.exists()


def test_an_interrupt_keeps_what_has_been_learnt(tmp_path, monkeypatch, capsys):
    drawn = []

    def draw(T, n, generator):
        drawn.append(n)
        if len(drawn) == 3:
            raise KeyboardInterrupt  # in the middle of the third step
        return uniform_t(T, n, generator)

    out = tmp_path / "model.safetensors"
    quickly(monkeypatch, "fourier", draw_t=draw)
    assert main(["train", "--steps", "50", "--out", str(out)]) == 0
    assert "interrupted after 2 of 50 steps" in capsys.readouterr().err
    quickly(monkeypatch, "fourier", draw_t=uniform_t)
    same, steps = train_recipe("fourier", states().x, NoiseSchedule.linear(), steps=50)
    next(steps), next(steps)
    assert torch.equal(weights(load_model(out)[0]), weights(same))


# sample


@pytest.mark.parametrize("suffix", [".npy", ".pt"])
def test_sample_writes_points_in_the_format_of_the_suffix(tmp_path, checkpoint, suffix, capsys):
    out = tmp_path / f"samples{suffix}"
    assert main(["sample", "--checkpoint", checkpoint, "--n", "7", "--seed", "2", "--out", str(out)]) == 0
    assert capsys.readouterr().out.strip() == str(out)
    x = torch.from_numpy(np.load(out)) if suffix == ".npy" else torch.load(out, weights_only=True)
    g = stream("sample", 2)
    model, schedule = load_model(checkpoint)
    assert torch.equal(x, last(ddpm(model, schedule, randn(7, 3, generator=g), generator=g)))


def test_steps_asks_for_ddim(tmp_path, checkpoint):
    out = tmp_path / "samples.npy"
    assert main(["sample", "--checkpoint", checkpoint, "--n", "5", "--steps", "4", "--out", str(out)]) == 0
    g = stream("sample")
    model, schedule = load_model(checkpoint)
    want = last(ddim(model, schedule, randn(5, 3, generator=g), steps=4))
    assert torch.equal(torch.from_numpy(np.load(out)), want)


@pytest.fixture
def guides(tmp_path):
    """A denoiser with labels and a classifier, untrained, for points of three dimensions and T = 8."""
    schedule, g = NoiseSchedule.linear(T=8), stream("init", 5)
    labelled = init(Denoiser, D=3, T=8, hidden=(8,), n_classes=4, generator=g)
    classifier = init(Classifier, D=3, T=8, hidden=(8,), n_classes=4, generator=g)
    return (
        str(save_model(tmp_path / "labelled.safetensors", labelled, schedule)),
        str(save_model(tmp_path / "classifier.safetensors", classifier, schedule)),
    )


def drawn(arguments, out):
    assert main(["sample", "--n", "6", "--out", str(out), *arguments]) == 0
    return torch.from_numpy(np.load(out))


@pytest.mark.parametrize(("given", "scale"), [([], 1.0), (["--guidance", "2.5"], 2.5), (["--guidance", "0"], 0.0)])
def test_a_label_asks_for_one_class(tmp_path, checkpoint, guides, given, scale):
    (model, schedule), (labelled, _) = load_model(checkpoint), load_model(guides[0])
    classifier, _ = load_model(guides[1], Classifier)
    for arguments, predictor in (
        (
            ["--checkpoint", checkpoint, "--classifier", guides[1]],
            ClassifierGuidance(model, classifier, schedule, 2, scale),
        ),
        (["--checkpoint", guides[0]], ClassifierFreeGuidance(labelled, 2, scale)),
    ):
        g = stream("sample")
        want = last(ddpm(predictor, schedule, randn(6, 3, generator=g), generator=g))
        assert torch.equal(drawn([*arguments, "--label", "2", *given], tmp_path / "x.npy"), want)


def test_eta_asks_for_noise_in_the_steps(tmp_path, checkpoint):
    model, schedule = load_model(checkpoint)
    g = stream("sample")
    want = last(ddim(model, schedule, randn(6, 3, generator=g), steps=4, eta=0.5, generator=g))
    assert torch.equal(drawn(["--checkpoint", checkpoint, "--steps", "4", "--eta", "0.5"], tmp_path / "x.npy"), want)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--guidance", "2"], "--classifier and --guidance need a --label"),
        (["--classifier", "classifier.safetensors"], "--classifier and --guidance need a --label"),
        (["--label", "1", "--classifier", "missing.safetensors"], "no checkpoint at missing.safetensors"),
        (["--label", "1", "--classifier", "labelled.safetensors"], "holds a Denoiser, not a Classifier"),
        (["--label", "4", "--classifier", "classifier.safetensors"], "0..3"),
        (
            ["--label", "1", "--classifier", "classifier.safetensors", "--guidance", "inf"],
            "scale must be a finite number",
        ),
        (
            ["--label", "1", "--checkpoint", "labelled.safetensors", "--classifier", "classifier.safetensors"],
            "without labels",
        ),
        (["--eta", "0.5"], "--eta is for"),
        (["--steps", "4", "--eta", "2"], "eta must lie in [0, 1]"),
    ],
    ids=" ".join,
)
def test_samples_that_cannot_be_guided_end_in_one_line(
    tmp_path, checkpoint, guides, capsys, monkeypatch, arguments, words
):
    monkeypatch.chdir(tmp_path)
    assert main(["sample", "--checkpoint", checkpoint, *arguments]) == 2
    assert words in one_line(capsys) and not (tmp_path / "samples.npy").exists()


def test_without_a_checkpoint_the_books_own_weights_are_used(tmp_path):
    out = tmp_path / "samples.npy"
    assert main(["sample", "--n", "20", "--steps", "5", "--out", str(out)]) == 0
    model, schedule = book_denoiser()
    want = last(ddim(model, schedule, randn(20, 2, generator=stream("sample")), steps=5))
    assert torch.equal(torch.from_numpy(np.load(out)), want)


def test_what_is_trained_can_be_sampled(tmp_path, points):
    model, samples = str(tmp_path / "model.safetensors"), tmp_path / "samples.pt"
    assert main(["train", "--data", points[0], "--steps", "100", "--out", model]) == 0
    assert main(["sample", "--checkpoint", model, "--n", "4", "--steps", "2", "--out", str(samples)]) == 0
    assert torch.load(samples, weights_only=True).shape == (4, 3)


# grade


@pytest.fixture
def submission(tmp_path):
    """A folder with little in it: one program and one file of samples."""
    (tmp_path / "ada" / "code").mkdir(parents=True)
    (tmp_path / "ada" / "outputs").mkdir()
    (tmp_path / "ada" / "code" / "data.py").write_text("x = 1\n", encoding="utf-8")
    torch.save(states(5000, seed=3).of_class(4), tmp_path / "ada" / "outputs" / "cond_gen_samples_4.pt")
    return tmp_path / "ada"


def test_grade_prints_the_rubric(submission, capsys):
    assert main(["grade", str(submission)]) == 0
    shown = capsys.readouterr().out
    assert shown == f"{grade(submission)}\n"
    assert "code/data.py                                  10 / 10  1 line" in shown
    assert "without the marks by hand                     15 / 85, and 15 by hand" in shown


@pytest.fixture
def course_data(tmp_path):
    """A smaller states.pt, in the course's own format."""
    s = states(100, seed=5)
    torch.save({"data": s.x, "labels": s.y}, tmp_path / "states.pt")
    return str(tmp_path / "states.pt"), Reference(s)


def test_grade_takes_the_courses_own_data(submission, course_data, capsys):
    path, reference = course_data
    assert main(["grade", str(submission), "--data", path]) == 0
    assert capsys.readouterr().out == f"{grade(submission, reference)}\n"


def test_grade_writes_json_beside_the_table_or_instead_of_it(submission, course_data, tmp_path, capsys):
    path, reference = course_data
    arguments = ["grade", str(submission), "--data", path, "--json"]
    assert main([*arguments, str(tmp_path / "ada.json")]) == 0
    assert capsys.readouterr().out.startswith("ada, graded against the data given (500 points)")
    written = json.loads((tmp_path / "ada.json").read_text(encoding="utf-8"))
    assert main([*arguments, "-"]) == 0
    assert json.loads(capsys.readouterr().out) == written == json.loads(grade(submission, reference).to_json())
    assert len(written["samples"]) == 1 and written["marks"]["open"] == 15


def test_grade_prints_names_that_the_terminal_cannot_show(tmp_path):
    (tmp_path / "Jürgen").mkdir()
    command = [sys.executable, "-m", "statesdiff", "grade", str(tmp_path / "Jürgen")]
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=plain)
    assert done.returncode == 0 and done.stdout.startswith("J?rgen, graded against STATES"), done.stderr


# submission


def test_submission_writes_the_programs_and_runs_them(tmp_path, capsys, monkeypatch):
    real, short = sorted(path.name for path in example.PROGRAMS.glob("*.py")), tmp_path / "short"
    short.mkdir()
    for name in real:  # the real ones train for minutes
        (short / name).write_text(
            "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\n", encoding="utf-8"
        )
    monkeypatch.setattr(example, "PROGRAMS", short)
    folder = tmp_path / "mine"
    assert main(["submission", str(folder)]) == 0
    assert capsys.readouterr().out.strip() == str(folder)
    assert sorted(path.name for path in folder.glob("code/*.py")) == real
    assert {"uncond_gen.py", "cond_gen.py", "data.py", "classifier.py"} <= set(real)
    ran = {path.with_suffix(".py").name for path in folder.glob("code/*.ran")}
    assert ran == {"uncond_gen.py", "classifier.py", "cond_gen.py", "report.py"}
    assert main(["submission", str(tmp_path)]) == 2
    assert "DIR must be a new or an empty folder" in one_line(capsys)


# Bad input: one line, exit status 2, nothing written


def one_line(capsys):
    text = capsys.readouterr().err
    assert text.startswith("statesdiff: error: ") and text.count("\n") == 1
    return text


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (None, "missing.npy", "no data file"),
        (b"x,y\n1,2\n", "points.csv", "give a .pt, .npy or .npz file"),
        (b"hello", "points.pt", "not a file of plain tensors"),
        (b"hello", "points.npy", "not a plain NumPy array"),
    ],
)
def test_bad_data_end_in_one_line(tmp_path, capsys, content, name, words):
    path, out = tmp_path / name, tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    assert main(["train", "--data", str(path), "--out", str(out)]) == 2
    assert words in one_line(capsys) and not out.exists()


@pytest.mark.parametrize("units", ["standard", "minmax"])
def test_data_without_spread_have_no_such_units_and_end_in_one_line(tmp_path, capsys, units):
    np.save(tmp_path / "flat.npy", np.ones((5, 2)))
    out = tmp_path / "m.safetensors"
    assert main(["train", "--data", str(tmp_path / "flat.npy"), "--units", units, "--out", str(out)]) == 2
    assert "no spread" in one_line(capsys) and not out.exists()


@pytest.mark.parametrize(("content", "words"), [(None, "no checkpoint at"), (b"hello", "not a safetensors file")])
def test_a_bad_checkpoint_ends_in_one_line(tmp_path, capsys, content, words):
    path, out = tmp_path / "model.safetensors", tmp_path / "samples.npy"
    if content is not None:
        path.write_bytes(content)
    assert main(["sample", "--checkpoint", str(path), "--out", str(out)]) == 2
    assert words in one_line(capsys) and not out.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["missing"], "DIR: no folder"),
        (["file"], "DIR must be a folder"),
        (["folder", "--data", "missing.pt"], "no data file at missing.pt"),
        (
            ["folder", "--data", "unlabelled.npy"],
            "--data must be points in two dimensions with at least two of each label",
        ),
        (["folder", "--json", "nowhere/grade.json"], "must lie in an existing folder, there is no nowhere"),
    ],
    ids=" ".join,
)
def test_a_grade_that_cannot_be_given_ends_in_one_line(tmp_path, capsys, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("", encoding="utf-8")
    np.save(tmp_path / "unlabelled.npy", np.eye(2))
    assert main(["grade", *arguments]) == 2
    assert words in one_line(capsys)


@pytest.mark.parametrize("command", ["train", "sample"])
def test_a_negative_seed_ends_in_one_line(tmp_path, capsys, command):
    out = tmp_path / ("m.safetensors" if command == "train" else "s.npy")
    assert main([command, "--seed", "-1", "--out", str(out)]) == 2
    assert "seed >= 0" in one_line(capsys) and not out.exists()


def test_more_steps_than_the_schedule_has_end_in_one_line(tmp_path, capsys, checkpoint):
    out = tmp_path / "samples.npy"
    assert main(["sample", "--checkpoint", checkpoint, "--steps", "9", "--out", str(out)]) == 2
    assert "steps must lie in 1..8" in one_line(capsys) and not out.exists()


def test_samples_that_explode_end_in_one_line(tmp_path, capsys):
    model = init(Denoiser, T=8, hidden=(8,), generator=stream("init"))
    torch.nn.init.constant_(model.net[-1].bias, float("nan"))
    path = save_model(tmp_path / "model.safetensors", model, NoiseSchedule.linear(T=8))
    assert main(["sample", "--checkpoint", str(path), "--out", str(tmp_path / "samples.npy")]) == 2
    assert "stopped being finite" in one_line(capsys)


# ablate

TINY = Config(T=4, network="raw", hidden=(4,), n_train=64, epochs=60, samplings=(Sampling(n=1000),))


@pytest.fixture
def study(monkeypatch, tmp_path):
    """A study of four small networks on two data sets, judged quickly; the folder it is run in."""
    configs = [replace(TINY, data=data, T=T) for data in ("moons", "circles") for T in (4, 3)]
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("two times", lambda: configs))
    monkeypatch.setattr(judging, "evaluate", lambda samples, *_: {"spread": float(samples.std())})
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(path):
    return pd.read_csv(path, comment="#")


def test_ablate_runs_a_study_quickly_and_writes_its_table(study, capsys):
    assert main(["ablate", "tiny"]) == 0
    assert capsys.readouterr().out.strip() == "tiny.csv"
    rows, comment = read("tiny.csv"), (study / "tiny.csv").read_text(encoding="utf-8").splitlines()[0]
    trained = rows[rows.network == "raw"]
    assert list(trained[["data", "T", "seed"]].itertuples(index=False, name=None)) == [
        (data, T, seed) for data in ("moons", "circles") for T in (4, 3) for seed in (0, 1)
    ]
    assert (trained.steps == 6).all() and len(rows) == 8 + 4 and not rows.spread.isna().any()
    assert re.fullmatch(r"# statesdiff ablate tiny --seeds 2: two times; \d+ s, 8 networks trained", comment)
    assert len(list((study / "ablations").glob("*.json"))) == 8
    direct = sweep(studies.STUDIES["tiny"].quick(), 2, progress=False)
    torch.testing.assert_close(torch.tensor(rows.spread), torch.tensor(direct.spread), rtol=1e-3, atol=1e-4)


def test_ablate_in_full_with_every_option(study):
    options = ["--full", "--seeds", "3", "--workers", "1", "--folder", "kept", "--out", "table.csv"]
    assert main(["ablate", "tiny", *options]) == 0
    rows = read("table.csv")
    assert (rows.steps.dropna() == 60).all() and len(rows) == 12 + 6 and set(rows.seed) == {0, 1, 2}
    assert (study / "table.csv").read_text(encoding="utf-8").startswith("# statesdiff ablate tiny --full --seeds 3: ")
    assert len(list((study / "kept").glob("*.json"))) == 12 and not (study / "ablations").exists()


def test_a_full_study_has_twenty_seeds(study):
    assert main(["ablate", "tiny", "--full", "--data", "moons"]) == 0
    assert set(read("tiny.csv").seed) == set(range(20))


def test_a_study_that_confirms_has_seeds_of_its_own(study, monkeypatch):
    again = replace(studies.STUDIES["tiny"], first_seed=100)
    monkeypatch.setitem(studies.STUDIES, "tiny", again)
    assert main(["ablate", "tiny", "--seeds", "1"]) == 0
    assert set(read("tiny.csv").seed) == {100}


def written(folder):
    """The finished runs, each with the time at which it was written."""
    return {path: path.stat().st_mtime_ns for path in (folder / "ablations").glob("*.json")}


def test_ablate_goes_on_where_it_was(study):
    assert main(["ablate", "tiny", "--workers", "1"]) == 0
    first, before = read("tiny.csv"), written(study)
    lost = list((study / "ablations").glob("moons*.json"))[:2]
    for path in lost:
        path.unlink()
    assert main(["ablate", "tiny", "--workers", "1"]) == 0
    after = written(study)
    assert {path for path in after if after[path] != before[path]} == set(lost) and after.keys() == before.keys()
    assert (
        (study / "tiny.csv").read_text(encoding="utf-8").splitlines()[0].endswith(" s, 2 networks trained")
    )  # not the time of all
    pd.testing.assert_frame_equal(read("tiny.csv"), first, rtol=1e-3, atol=1e-3)


def test_an_interrupted_ablation_says_how_to_go_on(study, monkeypatch, capsys):
    quick = judging.evaluate
    judged = iter(range(100))

    def interrupted(*arguments):
        if next(judged) == 5:
            raise KeyboardInterrupt
        return quick(*arguments)

    monkeypatch.setattr(judging, "evaluate", interrupted)
    assert main(["ablate", "tiny", "--workers", "1"]) == 130
    assert capsys.readouterr().err.endswith("statesdiff: interrupted: the same command goes on from here\n")
    assert not (study / "tiny.csv").exists() and 0 < len(finished := written(study)) < 8
    assert main(["ablate", "tiny", "--workers", "1"]) == 0
    assert finished.items() <= written(study).items() and len(read("tiny.csv")) == 8 + 4


@pytest.mark.parametrize("D", [1, 2, 3, 5])
def test_ablate_takes_points_of_ones_own_in_place_of_the_study_s(study, D):
    np.save("own.npy", np.random.default_rng(0).normal(size=(2500, D)))
    assert main(["ablate", "tiny", "--data", "own.npy", "--seeds", "1"]) == 0
    rows = read("tiny.csv")
    assert list(rows["T"].dropna()) == [4, 3] and set(rows.data) == {"own.npy"} and len(rows) == 3
    assert "--data own.npy --seeds 1" in (study / "tiny.csv").read_text(encoding="utf-8")


def test_ablate_takes_a_toy_set_or_states(study):
    for data in ("helix", "states"):
        assert main(["ablate", "tiny", "--data", data, "--seeds", "1"]) == 0
        assert set(read("tiny.csv").data) == {data}


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("moon", "data must be one of moons, circles, blobs, manycircles, helix, sine, states, or the path of a .pt"),
        ("none.npy", "no data file at none.npy"),
        ("few.npy", "few.npy: needs at least 2500 points, has 30"),
        ("line.npy", "line.npy: data must be a non-empty real array of shape (N, D)"),
        ("words.npy", "words.npy: not a plain NumPy array"),
    ],
)
def test_ablate_refuses_other_data_in_one_line(study, capsys, data, words):
    np.save("few.npy", np.random.default_rng(0).normal(size=(30, 2)))
    np.save("line.npy", np.zeros(3000))
    (study / "words.npy").write_text("no array", encoding="utf-8")
    assert main(["ablate", "tiny", "--data", data]) == 2
    assert words in one_line(capsys)
    assert not (study / "ablations").exists() and not (study / "tiny.csv").exists()


def test_points_without_labels_cannot_be_guided(study, capsys):
    np.save("own.npy", np.random.default_rng(0).normal(size=(2500, 2)))
    assert main(["ablate", "toy-guidance", "--data", "own.npy"]) == 2
    assert "labelled needs classes, own.npy has one" in one_line(capsys)


def test_a_damaged_file_of_an_ablation_is_named(study, capsys):
    assert main(["ablate", "tiny", "--seeds", "1"]) == 0
    path = next((study / "ablations").glob("*.json"))
    path.write_text("{", encoding="utf-8")
    capsys.readouterr()
    assert main(["ablate", "tiny", "--seeds", "1"]) == 2
    assert f"{path.name} is not a finished run" in one_line(capsys)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "required"),
        (["grow"], "invalid choice"),
        (["train", "--recipe", "best"], "invalid choice: 'best'"),
        (["train", "--units", "metres"], "invalid choice: 'metres'"),
        (["train", "--standardise"], "unrecognized arguments: --standardise"),
        (["sample", "--guidance", "strong"], "invalid float value: 'strong'"),
        (["sample", "--scale", "2"], "unrecognized arguments: --scale"),
        (["train", "--steps", "0"], "must be a whole number from 1 on, got 0"),
        (["train", "--steps", "many"], "must be a whole number from 1 on, got many"),
        (["train", "--seed", "x"], "invalid int value"),
        (["train", "--out", "model.pt"], "must end in .safetensors"),
        (["train", "--out", "nowhere/model.safetensors"], "lie in an existing folder"),
        (["sample", "--n", "0"], "must be a whole number from 1 on, got 0"),
        (["sample", "--n", "-3"], "must be a whole number from 1 on, got -3"),
        (["sample", "--steps", "0"], "must be a whole number from 1 on, got 0"),
        (["sample", "--out", "samples.csv"], "must end in .npy or .pt"),
        (["grade"], "the following arguments are required: DIR"),
        (["ablate"], "the following arguments are required: NAME"),
        (["ablate", "time"], "invalid choice: 'time' (choose from"),
        (["ablate", "betas", "--device", "nonsense"], "must be a device that PyTorch finds here, got nonsense"),
        (["ablate", "betas", "--seeds", "0"], "must be a whole number from 1 on, got 0"),
        (["ablate", "betas", "--workers", "0"], "must be a whole number from 1 on, got 0"),
        (["ablate", "betas", "--out", "betas.txt"], "must end in .csv"),
        (["ablate", "betas", "--out", "nowhere/betas.csv"], "lie in an existing folder"),
    ],
    ids=" ".join,
)
def test_arguments_that_make_no_sense_are_refused(arguments, words, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2 and words in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@given(st.integers(1, 10**9))
def test_counts_are_read_as_they_are(n):
    assert cli.parser().parse_args(["sample", "--n", str(n)]).n == n


def run_as_module(monkeypatch, *arguments):
    """`python -m statesdiff` in this process: the exit status. (The wheel is run from a shell, see test_wheel.)"""
    monkeypatch.setattr(sys, "argv", ["statesdiff", *arguments])
    monkeypatch.delitem(sys.modules, "statesdiff.__main__")
    with pytest.raises(SystemExit) as end:
        runpy.run_module("statesdiff", run_name="__main__")
    return end.value.code


def test_the_module_can_be_run(monkeypatch, capsys):
    assert run_as_module(monkeypatch, "--help") in (0, None)
    shown = capsys.readouterr().out
    assert shown.startswith("usage: statesdiff")
    assert all(command in shown for command in ("train", "sample", "ablate", "grade"))


def test_the_exit_status_reaches_the_shell(monkeypatch, tmp_path, capsys):
    assert run_as_module(monkeypatch, "train", "--data", str(tmp_path / "missing.npy")) == 2
    said = capsys.readouterr().err
    assert said.startswith("statesdiff: error: no data file at") and "Traceback" not in said
