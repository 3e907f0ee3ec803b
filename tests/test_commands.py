"""The commands with what people give them: each refusal in one line and before the work, nothing lost on the way."""

import argparse
import errno
import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

import statesdiff
from statesdiff import __main__ as cli
from statesdiff.__main__ import main
from statesdiff.ablations import judging, studies
from statesdiff.ablations.command import place
from statesdiff.ablations.configs import Config, Sampling
from statesdiff.ablations.sweep import Store
from statesdiff.ablations.toys import points
from statesdiff.checkpoints import load_model, save_model, trained_on
from statesdiff.data import states
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.project import command, example
from statesdiff.rng import stream
from statesdiff.samplers import ddpm, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import train_classifier, train_denoiser

ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="signals, pipes and limits as POSIX has them")
SCHEDULE = NoiseSchedule.linear(T=8)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def said(capsys, kind="error"):
    """The one line on stderr."""
    text = capsys.readouterr().err
    assert text.startswith(f"statesdiff: {kind}: ") and text.count("\n") == 1, text
    return text


def network(path, cls=Denoiser, about=None, **changes):
    model = init(cls, **({"T": 8, "hidden": (8,)} | changes), generator=stream("init"))
    return str(save_model(path, model, SCHEDULE, about))


def normal(n, D, mean=0.0, deviation=1.0):
    return (np.random.default_rng(0).normal(size=(n, D)) * deviation + mean).astype("float32")


# Points that have the right form and do not fit the model


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (states().x.numpy() * 100 + 500, "the means reach 500, the deviations 100 to 100; .* add --units standard"),
        (normal(90, 2, 0, 0.001), "the deviations 0.00.* add --units standard"),
        (normal(90, 2, 1e4, 1), "the means reach 1e[+]04"),
        (normal(2, 5000), "2 points of 5000 dimensions are too few to learn from; is it transposed"),
        (normal(9, 2) * 1e20, "values up to .*e[+]20, too large for arithmetic in 32 bits"),
    ],
)
def test_points_that_cannot_be_learnt_are_refused_before_the_training(capsys, monkeypatch, x, words):
    monkeypatch.setattr(cli, "train_recipe", None)
    np.save("x.npy", x)
    assert main(["train", "--data", "x.npy"]) == 2
    assert re.search(words, said(capsys))


@pytest.mark.parametrize(("mean", "deviation"), [(1, 1), (0, 3), (0, 0.3)])
def test_odd_points_are_warned_of_and_learnt(capsys, mean, deviation):
    np.save("x.npy", normal(90, 2, mean, deviation))
    assert main(["train", "--data", "x.npy", "--steps", "1"]) == 0
    assert "add --units standard" in said(capsys, "warning") and Path("denoiser.safetensors").exists()


def test_points_in_the_models_units_are_not_warned_of(capsys):
    np.save("x.npy", normal(90, 2))
    assert main(["train", "--data", "x.npy", "--steps", "1"]) == 0 and capsys.readouterr().err == ""


@pytest.mark.parametrize("units", ["standard", "minmax"])
def test_samples_come_in_the_units_of_the_data(capsys, units):
    np.save("x.npy", normal(900, 2) * np.float32([1, 300]) + np.float32([0, 12345]))
    assert main(["train", "--data", "x.npy", "--units", units, "--steps", "150"]) == 0
    assert main(["sample", "--checkpoint", "denoiser.safetensors", "--n", "400", "--steps", "20"]) == 0
    assert "warning" not in capsys.readouterr().err or units == "minmax"
    drawn = np.load("samples.npy")
    assert abs(drawn[:, 1].mean() - 12345) < 150 and 30 < drawn[:, 1].std() < 900
    about = trained_on("denoiser.safetensors")
    assert about["data"] == "x.npy" and len(about["shift"]) == len(about["width"]) == 2


def test_units_are_kept_to_all_their_digits():
    about = {"data": "x.npy", "shift": [123456789.0, 0.0], "width": [1.0, 0.1]}
    model, _ = load_model(network("m.safetensors", about=about))
    assert main(["sample", "--checkpoint", "m.safetensors", "--n", "5", "--out", "x.pt"]) == 0
    g = stream("sample")
    z = last(ddpm(model, SCHEDULE, torch.randn(5, 2, generator=g), generator=g)).double()
    want = z * torch.tensor(about["width"]).double() + torch.tensor(about["shift"], dtype=torch.float64)
    torch.testing.assert_close(torch.load("x.pt", weights_only=True), want.float())


@pytest.mark.parametrize("units", [{"shift": [1.0]}, {"shift": [1.0], "width": [1.0]}, {"shift": "ab", "width": "cd"}])
def test_a_checkpoint_with_damaged_units_is_refused(capsys, units):
    path = network("m.safetensors", about=units)
    assert main(["sample", "--checkpoint", path]) == 2 and "not a statesdiff checkpoint" in said(capsys)


# Ablations on points of one's own

TINY = Config(T=4, network="raw", hidden=(4,), n_train=64, epochs=60, samplings=(Sampling(n=1000),))


@pytest.fixture
def tiny(monkeypatch):
    configs = [replace(TINY, T=T) for T in (4, 3)]
    monkeypatch.setitem(studies.STUDIES, "tiny", studies.Study("two times", lambda: configs))
    monkeypatch.setattr(judging, "evaluate", lambda samples, *_: {"spread": float(samples.std())})
    return ["ablate", "tiny", "--seeds", "1", "--workers", "1"]


def test_points_called_states_are_not_those_of_the_book():
    np.save("states.npy", normal(2500, 3))
    known = points("states.npy")
    assert known.name == "states" and not known.on_outline and points("states").on_outline
    assert "coverage" not in judging.evaluate(torch.randn(1000, 3), known, known.train.x, 0)


@pytest.mark.parametrize("suffix", [".pt", ".npz", ".npy"])
def test_ablate_reads_what_train_reads(tiny, suffix):
    x, y = normal(2500, 2), np.arange(2500) % 3
    if suffix == ".pt":
        torch.save({"data": torch.from_numpy(x), "labels": torch.from_numpy(y)}, "own.pt")
    elif suffix == ".npz":
        np.savez("own.npz", data=x, labels=y)
    else:
        np.save("own.npy", x)
    assert main([*tiny, "--data", f"own{suffix}"]) == 0
    assert set(pd.read_csv("tiny.csv", comment="#").data) == {f"own{suffix}"}
    assert len(points(f"own{suffix}").train.names) == (1 if suffix == ".npy" else 3)


def test_labels_that_are_no_classes_are_refused(tiny, capsys):
    np.savez("own.npz", data=normal(2500, 2), labels=np.arange(2500) + 10**12)
    assert main([*tiny, "--data", "own.npz"]) == 2 and "labels must lie in 0..999" in said(capsys)


def test_ablate_refuses_more_dimensions_than_points(tiny, capsys):
    np.save("wide.npy", normal(2500, 2500))
    assert main([*tiny, "--data", "wide.npy"]) == 2 and "is it transposed" in said(capsys)


@ON_POSIX
@pytest.mark.parametrize("name", ["C:\\Users\\me\\own.npy", "a#b.npy", "x\ny.npy", "données.npy", "数据" * 30 + ".npy"])
def test_a_name_of_any_letters_keeps_its_results_in_the_folder(tiny, name):
    np.save(name, normal(2500, 2))
    assert main([*tiny, "--data", name]) == 0
    assert len(pd.read_csv("tiny.csv", comment="#", encoding="utf-8")) == 3
    kept = [path.name for path in Path("ablations").iterdir()]
    assert len(kept) == 2 and all("\\" not in n and "\n" not in n and len(n.encode()) < 200 for n in kept)
    assert main([*tiny, "--data", name]) == 0  # and finds them again
    assert "0 networks trained" in Path("tiny.csv").read_text(encoding="utf-8").splitlines()[0]


def test_a_table_says_on_what_card_its_networks_were_trained(monkeypatch):
    monkeypatch.setattr("torch.cuda.get_device_name", lambda device: f"card {device.removeprefix('cuda:')}")
    assert [place(device) for device in ("cpu", "cuda:1", "mps")] == ["", " on card 1", " on mps"]


def test_a_path_of_another_system_is_no_folder_of_this_one(tmp_path):
    for data in ("C:/data/x.npy", "..\\..\\x.npy", "/abs/x.npy"):
        config = replace(TINY)
        object.__setattr__(config, "data", data)
        Path("x").touch()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "read_bytes", lambda path: b"")
            assert Store(tmp_path / "kept")._path((config, 0)).parent == tmp_path / "kept"


IN_ASCII = """
import sys
from dataclasses import replace
from statesdiff import __main__ as cli
from statesdiff.ablations import judging, studies
from statesdiff.ablations.command import place
from statesdiff.ablations.configs import Config, Sampling
tiny = Config(T=4, network="raw", hidden=(4,), n_train=64, epochs=2, samplings=(Sampling(n=1000),))
studies.STUDIES["tiny"] = studies.Study("a time", lambda: [tiny])
judging.evaluate = lambda samples, *_: {"spread": 1.0}
sys.exit(cli.main(["ablate", "tiny", "--seeds", "1", "--full", "--data", sys.argv[1]]))
"""


@ON_POSIX
def test_in_a_locale_without_letters_nothing_is_trained_in_vain():
    np.save("数据.npy", normal(2500, 2))
    poor = {**os.environ, "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
    command = [sys.executable, "-c", IN_ASCII, "数据.npy"]
    done = subprocess.run(command, capture_output=True, timeout=120, env=poor)
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv("tiny.csv", comment="#", encoding="utf-8")
    assert set(rows.data) == {"数据.npy"}
    assert b"\r" not in done.stderr  # no bar where nobody watches


# Which data a checkpoint knows


def test_the_books_classifier_guides_what_was_trained_on_its_data_alone(capsys):
    model = init(Denoiser, hidden=(8,), generator=stream("init"))
    for about, words in (
        ({"data": "moons.npy"}, "was trained on moons.npy"),
        (None, "does not say what it was trained"),
    ):
        save_model("m.safetensors", model, NoiseSchedule.linear(), about)
        assert main(["sample", "--checkpoint", "m.safetensors", "--label", "1"]) == 2
        assert words in (line := said(capsys)) and "give a --classifier" in line
    save_model("m.safetensors", model, NoiseSchedule.linear(), {"data": "STATES"})
    options = ["--checkpoint", "m.safetensors", "--label", "1", "--n", "3", "--steps", "2"]
    assert main(["sample", *options]) == 0 and "warning" not in capsys.readouterr().err


def test_what_train_writes_says_what_it_was_trained_on(capsys):
    assert main(["train", "--steps", "1"]) == 0
    assert trained_on("denoiser.safetensors") == {"data": "STATES"}
    assert trained_on(network("m.safetensors")) == {}


@pytest.mark.parametrize(
    ("denoiser", "classifier", "kind", "words"),
    [
        ({"data": "a.npy"}, {"data": "b.npy"}, "warning", "the denoiser was trained on a.npy, the classifier on b.npy"),
        (
            {"data": "a.npy", "shift": [1.0, 1.0], "width": [2.0, 2.0]},
            {"data": "a.npy"},
            "error",
            "were trained in different units",
        ),
        ({"data": "a.npy"}, None, "warning", "the classifier on unknown"),
    ],
)
def test_a_classifier_of_other_data_is_told_of(capsys, denoiser, classifier, kind, words):
    d, c = network("d.safetensors", about=denoiser), network("c.safetensors", Classifier, about=classifier)
    status = main(["sample", "--checkpoint", d, "--classifier", c, "--label", "1", "--n", "3"])
    assert words in said(capsys, kind) and status == (2 if kind == "error" else 0)


def test_a_classifier_of_other_dimensions_is_refused(capsys):
    d, c = network("d.safetensors", D=3), network("c.safetensors", Classifier, D=2)
    assert main(["sample", "--checkpoint", d, "--classifier", c, "--label", "1"]) == 2
    assert "the denoiser draws points of 3 dimensions, the classifier knows 2" in said(capsys)


# Outputs


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--out", "folder.safetensors"], "folder.safetensors is a folder"),
        (["sample", "--out", "folder.npy"], "folder.npy is a folder"),
        (["data", "--out", "nowhere/x.pt"], "there is no nowhere"),
        (["grade-class", ".", "--csv", "nowhere/x.csv"], "there is no nowhere"),
        (["grade", ".", "--gradescope", "x.txt"], "must end in .json"),
        (["sample", "--out", "x" * 300 + ".npy"], "File name too long"),
        (["ablate", "betas", "--out", "nowhere/x.csv"], "there is no nowhere"),
    ],
)
def test_an_output_is_checked_before_anything_is_done(capsys, arguments, words):
    for suffix in (".safetensors", ".npy"):
        Path(f"folder{suffix}").mkdir()
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2 and words in capsys.readouterr().err


@pytest.mark.parametrize("path", ["nowhere/x.json", "."])
def test_json_that_cannot_be_written_is_found_out_before_the_grading(capsys, monkeypatch, path):
    monkeypatch.setattr(command, "grade", None)
    assert main(["grade", ".", "--json", path]) == 2 and "the output must" in said(capsys)


def test_a_table_that_cannot_be_written_is_found_out_before_the_training(tiny, capsys, monkeypatch):
    Path("tiny.csv").mkdir()
    assert main(tiny) == 2 and "tiny.csv is a folder" in said(capsys) and not Path("ablations").exists()
    Path("file").touch()
    assert main([*tiny, "--out", "x.csv", "--folder", "file"]) == 2
    assert "File exists" in said(capsys)

    def refuse(**options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(ValueError, match=r"cannot write .*run.json \(Permission denied\)"):
        Store("kept")


def test_samples_that_would_fill_the_disk_are_not_begun(capsys, monkeypatch):
    monkeypatch.setattr(cli, "_draws", None)
    assert main(["sample", "--n", "1e13"]) == 2
    assert "the samples take 80,000.0 GB, and . has " in said(capsys)


@pytest.fixture
def full_disk():
    """No file may grow beyond 20 kB."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    "arguments",
    [
        ["sample", "--checkpoint", "m.safetensors", "--n", "20000", "--out", "x.npy"],
        ["sample", "--checkpoint", "m.safetensors", "--n", "20000", "--out", "x.pt"],
        ["train", "--steps", "1", "--out", "x.safetensors"],
        ["data", "--out", "x.pt"],
        ["data", "--out", "x.npz"],
    ],
    ids=" ".join,
)
@ON_POSIX
def test_a_full_disk_is_one_line_and_leaves_nothing(here, capsys, full_disk, arguments):
    network("m.safetensors")
    assert main(arguments) == 2
    assert re.search("File too large|is the disk full", said(capsys))
    assert [path.name for path in here.iterdir()] == ["m.safetensors"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="where there is none, no disk is always full")
def test_output_that_nobody_can_take_is_one_line_or_none(capsys, monkeypatch):
    with open("/dev/full", "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["data", "--out", "x.pt", "--n", "2"]) == 2
        assert "No space left on device" in said(capsys)
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", encoding="utf-8") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert main(["data", "--out", "x.pt", "--n", "2"]) == 2  # as for `statesdiff grade ada | head -1`
        assert capsys.readouterr().err == ""


# Interrupts


def raising(error):
    def run(*arguments, **options):
        raise error

    return run


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (["sample", "--n", "3"], "statesdiff.__main__.ddpm"),
        (["grade", "ada"], "statesdiff.project.grade.measure"),
        (["grade", "ada"], "statesdiff.project.command.load_states"),
        (["submission", "mine"], "statesdiff.project.command.run_programs"),
        (["data"], "statesdiff.__main__.states"),
        (["ablate", "betas"], "statesdiff.ablations.command.sweep"),
    ],
    ids=" ".join,
)
def test_an_interrupt_is_one_line_and_a_status(capsys, monkeypatch, arguments, what):
    Path("ada/outputs").mkdir(parents=True)
    torch.save(states(1000).x, "ada/outputs/uncond_gen_samples.pt")
    monkeypatch.setattr(what, raising(KeyboardInterrupt))
    options = ["--data", "x.pt"] if what.endswith("load_states") else []
    assert main([*arguments, *options]) == 130
    line = capsys.readouterr().err
    assert line.endswith("\n") and line.startswith("statesdiff: interrupted") and line.count("\n") == 1
    assert ("the same command goes on from here" in line) is (arguments[0] in ("submission", "ablate"))


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
def test_too_little_memory_is_one_line(capsys, monkeypatch, error):
    monkeypatch.setattr(cli, "states", raising(error))
    assert main(["data"]) == 2 and said(capsys) == "statesdiff: error: not enough memory\n"


def test_a_mistake_in_the_package_is_not_hidden(monkeypatch):
    monkeypatch.setattr(cli, "states", raising(RuntimeError("a bug")))
    with pytest.raises(RuntimeError, match="a bug"):
        main(["data"])


@ON_POSIX
def test_a_request_to_end_is_an_interrupt(capsys, monkeypatch):
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "states", lambda *_: signal.raise_signal(signal.SIGTERM))
    assert main(["data"]) == 130 and capsys.readouterr().err.endswith("statesdiff: interrupted\n")
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_command_may_run_in_another_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(main(["data", "--n", "2"])))
    thread.start()
    thread.join()
    assert found == [0]


# A submission goes on where it was

PROGRAM = "import sys; from pathlib import Path; f = Path(__file__).parents[1]; open(f / 'log', 'a').write('{name} ');"
WRITES = PROGRAM + "(f / '{product}').write_bytes(Path('good.pt').read_bytes())\n"
FAILS = (
    PROGRAM
    + "(f / '{product}').write_bytes(Path('good.pt').read_bytes()[:99]); Path('again').exists() or sys.exit(3)\n"
)


@pytest.fixture
def programs(here, monkeypatch):
    """Four programs that copy what they should compute; the second writes half a file and fails."""
    torch.save(torch.zeros(3), "good.pt")
    folder = here / "programs"
    folder.mkdir()
    for name, product in example.ORDER.items():
        text = FAILS if name == "classifier.py" else WRITES
        (folder / name).write_text(text.format(name=name, product=product or "outputs/report.pdf"), encoding="utf-8")
    monkeypatch.setattr(example, "PROGRAMS", folder)
    return folder


def test_a_submission_goes_on_where_it_was(programs, capsys):
    assert main(["submission", "mine"]) == 2
    assert "classifier.py ended with exit status 3" in said(capsys)
    assert Path("mine/log").read_text(encoding="utf-8").split() == ["uncond_gen.py", "classifier.py"]
    Path("again").touch()
    assert main(["submission", "mine"]) == 0
    assert Path("mine/log").read_text(encoding="utf-8").split()[2:] == ["classifier.py", "cond_gen.py", "report.py"]


def test_another_folder_is_left_alone(programs, capsys):
    assert main(["submission", "mine"]) == 2
    Path("mine/code/uncond_gen.py").write_text("mine", encoding="utf-8")
    capsys.readouterr()
    assert main(["submission", "mine"]) == 2 and "DIR must be a new or an empty folder" in said(capsys)


@ON_POSIX
def test_an_interrupted_submission_ends_its_program(programs, capsys):
    """The program asks for the interrupt itself, and again, since Python may drop one that falls into a destructor."""
    asks = "import os, signal, time\nwhile True:\n    os.kill(os.getppid(), signal.SIGINT)\n    time.sleep(3)\n"
    (programs / "uncond_gen.py").write_text(asks, encoding="utf-8")
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        assert main(["submission", "mine"]) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "statesdiff: interrupted: the same command goes on from here\n"


# Many samples


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux says how much a program took, and not its parent")
def test_a_million_points_take_less_than_a_gibibyte():
    code = (
        "from pathlib import Path; from statesdiff.__main__ import main;"
        "main(['sample', '--n', '1e6', '--steps', '1']);"
        "print(Path('/proc/self/status').read_text(encoding='utf-8').split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert int(done.stdout.split()[1]) < 2**20, done.stderr  # kibibytes
    assert np.load("samples.npy").shape == (10**6, 2)


def test_chunks_are_drawn_one_after_the_other_from_one_stream(monkeypatch):
    path = network("m.safetensors")
    monkeypatch.setattr(cli, "CHUNK", 4)
    assert main(["sample", "--checkpoint", path, "--n", "10"]) == 0
    model, g, parts = load_model(path)[0], stream("sample"), []
    for n in (4, 4, 2):
        parts.append(last(ddpm(model, SCHEDULE, torch.randn(n, 2, generator=g), generator=g)))
    assert torch.equal(torch.from_numpy(np.load("samples.npy")), torch.cat(parts))


# Small print


def test_the_version(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0 and capsys.readouterr().out == f"statesdiff {statesdiff.__version__}\n"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--label", "7"], "--label must lie in 0..4, got 7"),
        (["--label", "-1"], "--label must lie in 0..4, got -1"),
        (["--label", "1", "--guidance", "nan"], "scale must be a finite number, got nan"),
        (["--label", "1", "--guidance", "1e38", "--n", "9"], "is the guidance too strong, or the training too short?"),
    ],
    ids=" ".join,
)
def test_guidance_that_cannot_be_is_refused(capsys, options, words):
    assert main(["sample", "--steps", "5", *options]) == 2 and words in said(capsys)


def test_guidance_that_drives_the_samples_away_is_warned_of(capsys):
    assert main(["sample", "--label", "1", "--guidance", "1e9", "--n", "9", "--steps", "5"]) == 0
    assert "is the guidance too strong" in said(capsys, "warning")


def test_numbers_may_be_written_short():
    assert cli.parser().parse_args(["sample", "--n", "1e3"]).n == 1000


@pytest.mark.parametrize("suffix", [".pt", ".npy"])
def test_what_sample_writes_train_reads(suffix):
    assert main(["sample", "--n", "90", "--steps", "3", "--out", f"x{suffix}"]) == 0
    assert main(["train", "--data", f"x{suffix}", "--steps", "1", "--units", "standard"]) == 0


@pytest.mark.parametrize("suffix", [".pt", ".npz"])
def test_what_data_writes_the_grader_and_train_read(capsys, suffix):
    assert main(["data", "--seed", "3", "--n", "20", "--out", f"x{suffix}"]) == 0
    assert main(["train", "--recipe", "classifier", "--data", f"x{suffix}", "--steps", "1"]) == 0
    Path("ada").mkdir()
    assert main(["grade", "ada", "--data", f"x{suffix}", "--cut", "1.5", "--clean", "1.25", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out.split("\n", 2)[2])
    assert (found["cut"], found["clean"]) == (1.5, 1.25) and found["data"] == "the data given (100 points)"


def test_the_grader_is_told_the_seed(capsys):
    Path("ada").mkdir()
    options = argparse.Namespace(data=None, seed=3, cut=2.5, clean=2.3)
    reference = command.reference_of(options)
    assert torch.equal(reference.data.x, states(seed=3).x) and reference.name == "STATES, seed 3 (5,000 points)"
    assert main(["grade", "ada", "--seed", "-1"]) == 2 and "seed >= 0" in said(capsys)
    assert main(["grade", "ada", "--seed", "1", "--data", "x.pt"]) == 2 and "give one of them" in said(capsys)


# Numbers of another precision, through the API


def test_other_precisions_are_refused_by_the_name_of_the_argument():
    model = init(Denoiser, T=8, hidden=(8,), generator=stream("init"))
    classifier = init(Classifier, T=8, hidden=(8,), generator=stream("init"))
    x, y = torch.randn(20, 2).double(), torch.zeros(20, dtype=torch.int64)
    for name, call in {
        "x_t": lambda: model(x, 3),
        "x_T": lambda: last(ddpm(model, SCHEDULE, x)),
        "x_0": lambda: next(train_denoiser(model, x, SCHEDULE)),
        "x_0 ": lambda: next(train_classifier(classifier, x, SCHEDULE, y)),
    }.items():
        words = rf"{name.strip()} must be torch.float32 .* got torch.float64: give {name.strip()}.to\(torch.float32\)"
        with pytest.raises(ValueError, match=words):
            call()


def test_a_network_of_double_precision_takes_points_of_double_precision():
    model = init(Denoiser, T=8, hidden=(8,), generator=stream("init")).double()
    x = torch.randn(20, 2).double()
    assert model(x, 3).dtype == last(ddpm(model, SCHEDULE, x)).dtype == torch.float64
    assert next(train_denoiser(model, x, SCHEDULE)).step == 1
    with pytest.raises(ValueError, match="x_0 must be torch.float64"):
        next(train_denoiser(model, x.float(), SCHEDULE))
