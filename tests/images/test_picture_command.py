"""The command with pictures: a training that is killed and goes on, and what `sample` writes."""

import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from statesdiff.__main__ import main
from statesdiff.checkpoints import load_model, network_of, save_model, trained_on
from statesdiff.images import command, fashion, training
from statesdiff.images.training import PictureTraining
from statesdiff.images.unet import UNet
from statesdiff.models import Denoiser, init
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule
from tests.support import weights

IMAGES = bytes(16) + bytes(range(256)) * 49  # sixteen of them
LABELS = bytes(8) + bytes(range(10)) + bytes(6)
SUMS = [sha256(part).hexdigest() for part in (IMAGES, LABELS)]
TINY = ["--recipe", "fashion", "--T", "20", "--channels", "8", "--batch-size", "2"]
PROGRAM = f"""
import sys
import time
from statesdiff.images import fashion, training
from statesdiff.__main__ import main
fashion.SPLITS["train"] = ("train", *{SUMS!r})
training.BLOCK = 10
real = training.PictureTraining.updates
training.PictureTraining.updates = lambda self: (time.sleep(0.05) or step for step in real(self))
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Sixteen images as the published ones."""
    (tmp_path / "train-images-idx3-ubyte").write_bytes(IMAGES)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(LABELS)
    monkeypatch.setitem(fashion.SPLITS, "train", ("train", *SUMS))
    monkeypatch.setattr(training, "BLOCK", 10)
    return tmp_path


@pytest.fixture
def checkpoint(tmp_path):
    net = init(UNet, T=20, channels=8, generator=stream("init"))
    return str(save_model(tmp_path / "small.safetensors", net, NoiseSchedule.cosine(20)))


def train(folder: Path, name: str, *options: str) -> int:
    return main(["train", *TINY, "--data", str(folder), "--out", str(folder / f"{name}.safetensors"), *options])


def loaded(folder: Path, name: str) -> torch.Tensor:
    return weights(load_model(folder / f"{name}.safetensors", UNet)[0])


def test_train_writes_the_average_of_the_training(folder, capsys):
    assert train(folder, "whole", "--steps", "12", "--seed", "3") == 0
    assert capsys.readouterr().out.strip() == str(folder / "whole.safetensors")
    data = fashion.fashion_mnist("train", folder)
    net = init(UNet, T=20, channels=8, generator=stream("init", 3))
    same = PictureTraining(net, data.x, data.y, steps=12, batch_size=2, seed=3)
    for _ in same.updates():
        pass
    same_weights = torch.cat([p.flatten() for p in same.average.parameters()])
    assert torch.equal(loaded(folder, "whole"), same_weights.half().float())
    assert trained_on(folder / "whole.safetensors")["updates"] == 12
    assert not (folder / "whole.state.pt").exists()


def test_a_training_that_was_killed_ends_as_if_it_had_not_been(folder):
    """Killed by the system after a state has been written: no cleaning up, no last words."""
    options = ["--steps", "40", "--data", str(folder), "--save-every", "0", "--out"]
    command_line = [sys.executable, "-c", PROGRAM, "train", *TINY, *options, str(folder / "killed.safetensors")]
    process = subprocess.Popen(command_line, env=os.environ | {"OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    state, until = folder / "killed.state.pt", time.monotonic() + 120
    while not state.exists() and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL and state.exists() and not (folder / "killed.safetensors").exists()
    assert torch.load(state, weights_only=True)["done"] in (10, 20, 30)
    assert train(folder, "killed", "--steps", "40") == 0 == train(folder, "whole", "--steps", "40")
    assert torch.equal(loaded(folder, "killed"), loaded(folder, "whole")) and not state.exists()


def parts(folder: Path) -> tuple:
    data = fashion.fashion_mnist("train", folder)
    return init(UNet, T=20, channels=8, generator=stream("init")), data.x, data.y


@pytest.mark.parametrize("stop_at", [4, 25])
def test_an_interrupt_keeps_what_was_learnt_and_going_on_ends_where_no_interrupt_does(
    folder, monkeypatch, capsys, stop_at
):
    assert train(folder, "whole", "--steps", "40") == 0
    real = PictureTraining.updates

    def interrupted(self):
        for step in real(self):
            yield step
            if step.step == stop_at:
                raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(PictureTraining, "updates", interrupted)
        assert train(folder, "stopped", "--steps", "40", "--save-every", "0") == 130
    said = capsys.readouterr().err
    assert f"interrupted after {stop_at} of 40 updates" in said
    assert trained_on(folder / "stopped.safetensors")["updates"] == stop_at
    assert ("the same command goes on from" in said) == (folder / "stopped.state.pt").exists() == (stop_at > 10)
    assert train(folder, "stopped", "--steps", "40") == 0
    assert ("going on after 20 of 40 updates" in capsys.readouterr().err) == (stop_at > 10)
    assert torch.equal(loaded(folder, "stopped"), loaded(folder, "whole"))
    assert not (folder / "stopped.state.pt").exists()


def test_a_state_of_another_training_is_refused(folder, capsys):
    net, x, y = parts(folder)
    PictureTraining(net, x, y, steps=7, batch_size=2).save(folder / "other.state.pt")
    assert train(folder, "other", "--steps", "9") == 2
    assert "other.state.pt was made with" in capsys.readouterr().err and (folder / "other.state.pt").exists()


def test_without_the_data_the_three_ways_are_named(tmp_path, capsys):
    assert train(tmp_path, "none", "--steps", "3") == 2
    said = capsys.readouterr().err
    assert "dataset-fashion-mnist" in said and "four idx files" in said and "openml.org" in said


@pytest.mark.parametrize("option", [["--batch-size", "9"], ["--channels", "16"], ["--save-every", "5"]])
def test_what_is_of_pictures_is_refused_for_points(tmp_path, capsys, option):
    assert main(["train", *option, "--steps", "2", "--out", str(tmp_path / "x.safetensors")]) == 2
    assert f"{option[0]} is for --recipe fashion" in capsys.readouterr().err


def test_what_is_of_points_is_refused_for_pictures(tmp_path, capsys):
    options = ["--units", "standard", "--steps", "2", "--out", str(tmp_path / "x.safetensors")]
    assert main(["train", "--recipe", "fashion", *options]) == 2
    assert "--units is for points" in capsys.readouterr().err


def test_sample_writes_an_array_or_a_grid(checkpoint, tmp_path, capsys):
    shared = ["sample", "--checkpoint", checkpoint, "--n", "7", "--steps", "2", "--label", "4", "--seed", "1"]
    paths = [tmp_path / name for name in ("x.npy", "x.pt", "x.png")]
    for path in paths:
        assert main([*shared, "--out", str(path)]) == 0
    x = np.load(paths[0])
    assert x.shape == (7, 28, 28) and x.dtype == np.float32 and np.abs(x).max() <= 1
    assert torch.equal(torch.load(paths[1], weights_only=True), torch.from_numpy(x))
    page = np.asarray(Image.open(paths[2]))
    assert page.shape == (3 * 88, 3 * 88)  # three by three, with gaps of two
    ink = 255 - page[::3, ::3][:28, 30:58]
    np.testing.assert_allclose(ink, (x[1] + 1) * 127.5, atol=0.51)
    capsys.readouterr()


def test_guided_samples_are_others_and_chunks_change_nothing(checkpoint, tmp_path, monkeypatch):
    def drawn(*options: str) -> np.ndarray:
        path = str(tmp_path / "y.npy")
        assert main(["sample", "--checkpoint", checkpoint, "--n", "5", "--steps", "2", "--out", path, *options]) == 0
        return np.load(path)

    told = drawn("--label", "2")
    np.testing.assert_allclose(drawn("--label", "2", "--guidance", "1"), told, atol=1e-4)
    monkeypatch.setattr(command, "CHUNK", 2)
    np.testing.assert_allclose(drawn("--label", "2"), told, atol=1e-4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--label", "10"], "--label must lie in 0..9, got 10"),
        (["--guidance", "2"], "--guidance needs a --label"),
        (["--label", "1", "--classifier", "x"], "--classifier is for points"),
    ],
)
def test_what_sample_refuses(checkpoint, tmp_path, capsys, options, said):
    assert main(["sample", "--checkpoint", checkpoint, "--out", str(tmp_path / "x.png"), *options]) == 2
    assert said in capsys.readouterr().err and not (tmp_path / "x.png").exists()


def test_points_are_no_grid(tmp_path, capsys):
    assert main(["sample", "--out", str(tmp_path / "x.png")]) == 2
    assert "a .png is for pictures" in capsys.readouterr().err


def test_a_checkpoint_says_what_it_holds(checkpoint, tmp_path):
    assert network_of(checkpoint) == "UNet"
    points = init(Denoiser, T=8, hidden=(8,), generator=stream("init"))
    assert network_of(save_model(tmp_path / "p.safetensors", points, NoiseSchedule.linear(8))) == "Denoiser"
