"""Two processes that train together over gloo come to the weights of one."""

import os
import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

from statesdiff.images import fashion, training
from statesdiff.images.parallel import ParallelTraining
from statesdiff.images.training import PictureTraining
from statesdiff.images.unet import UNet
from statesdiff.models import init
from statesdiff.rng import stream
from tests.images.test_picture_command import SUMS, folder  # noqa: F401  the fixture

UPDATES, TOLERANCE = 12, 5e-4  # Adam divides by the size of gradients, so those that are all rounding count too
PROGRAM = f"""
import sys
import torch
from statesdiff.images import command, fashion, parallel, training
fashion.SPLITS["train"] = ("train", *{SUMS!r})
training.WARM_UP = 2
command.save_unet = lambda path, net, about: torch.save(net.state_dict(), path.with_suffix(".pt"))  # all digits
parallel.main(sys.argv[1:])
"""


def test_two_processes_come_to_the_weights_of_one(folder, monkeypatch):  # noqa: F811
    (folder / "program.py").write_text(PROGRAM, encoding="utf-8")
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    options = ["--data", str(folder), "--out", str(folder / "two.safetensors"), "--steps", str(UPDATES), "--T", "20"]
    options += ["--channels", "16", "--batch-size", "4"]  # with 8, a group has one channel, and some weights do nothing
    alone = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    subprocess.run([*start, str(folder / "program.py"), *options], env=alone, check=True, timeout=300)
    two = torch.load(folder / "two.pt", weights_only=True)

    monkeypatch.setattr(training, "WARM_UP", 2)
    data = fashion.fashion_mnist("train", folder)
    net = init(UNet, T=20, channels=16, generator=stream("init"))
    before = {name: value.clone() for name, value in net.state_dict().items()}
    one = PictureTraining(net, data.x, data.y, steps=UPDATES, batch_size=4)
    for _ in one.updates():
        pass
    moved = max(float((value - before[name]).abs().max()) for name, value in one.average.state_dict().items())
    assert moved > 15 * TOLERANCE
    for name, value in one.average.state_dict().items():
        torch.testing.assert_close(two[name], value, atol=TOLERANCE, rtol=0)


@pytest.fixture
def one_process(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_a_process_alone_is_the_usual_training(one_process):
    made = []
    for kind in (PictureTraining, ParallelTraining):
        net = init(UNet, T=20, channels=8, generator=stream("init"))
        of = kind(net, torch.zeros(4, 1, 28, 28) - 1, torch.arange(4), steps=3, batch_size=4)
        assert [step.step for step in of.updates()] == [1, 2, 3]
        made.append(of.average.state_dict())
    for name, value in made[0].items():
        torch.testing.assert_close(made[1][name], value, atol=1e-6, rtol=0)


def test_a_batch_that_cannot_be_shared_out_is_refused(one_process, monkeypatch):
    monkeypatch.setattr(dist, "get_world_size", lambda: 3)
    net = init(UNet, T=20, channels=8, generator=stream("init"))
    with pytest.raises(ValueError, match="shared out evenly: 4 images, 3 processes"):
        ParallelTraining(net, torch.zeros(4, 1, 28, 28), torch.arange(4), steps=3, batch_size=4)
