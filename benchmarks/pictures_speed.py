"""How fast the U-Net of chapter 16 is trained and drawn from on this machine: images a second, memory, hours.

python benchmarks/pictures_speed.py [--updates 20]   # half a minute; benchmarks/results/pictures_speed.json keeps it

One thread is timed, by the clock and by the processor, and two cores are taken to do twice as much as a second of its
processor time: threads that wait for each other, or for other programs, would count their waiting. By the clock of an
idle machine two threads come near to that.
"""

import argparse
import json
import platform
import resource
import time
from pathlib import Path

import torch

from statesdiff.files.atomic import write_atomically
from statesdiff.images.command import BATCH, CHANNELS, STEPS
from statesdiff.images.training import PictureTraining
from statesdiff.images.unet import UNet
from statesdiff.models import init
from statesdiff.results import processors
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import SCHEDULES

RESULT = Path(__file__).parent / "results" / "pictures_speed.json"
BOOK = 30_000 * 256  # images that the committed weights have seen
WARM = 3  # updates before the clock starts


def rates(work: int, started: tuple[float, float], cores: int) -> dict[str, float]:
    """Images a second since `started`, by the clock on one core, and by the processor on so many."""
    clock, processor = time.perf_counter() - started[0], time.process_time() - started[1]
    return {"by the clock": round(work / clock, 1), "by the processor": round(cores * work / processor, 1)}


def now() -> tuple[float, float]:
    """The clock, and the processor's."""
    return time.perf_counter(), time.process_time()


def measure(updates: int, batch: int = BATCH, channels: int = CHANNELS, cores: int = 2) -> dict:
    """The rates of training and of drawing, the most memory, and the hours that two trainings take at these rates."""
    net = init(UNet, channels=channels, generator=stream("init"))
    x_0 = randn(1000, 1, 28, 28, generator=stream("data")).clamp(-1, 1)
    training = PictureTraining(net, x_0, torch.arange(1000) % 10, steps=updates + WARM, batch_size=batch)
    for step in training.updates():
        if step.step == WARM:
            started = now()
    trained = rates(updates * batch, started, cores)
    started, x_T = now(), randn(100, 1, 28, 28, generator=stream("x_T"))
    last(ddim(training.average, SCHEDULES["cosine"](T=net.T), x_T, steps=10))
    found = {
        "training, images a second": trained,
        "drawing, evaluations of an image a second": rates(1000, started, cores),
    }
    rate = trained["by the processor"]
    found["hours"] = {
        "train --recipe fashion": round(STEPS * batch / rate / 3600, 2),
        "the book's": round(BOOK / rate / 3600, 2),
    }
    found["MiB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return found | {"weights": sum(p.numel() for p in net.parameters()), "cores": cores}


def main() -> None:
    """Print what is found, and keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=20)
    args = parser.parse_args()
    torch.set_num_threads(1)
    machine = f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}, {processors()[0]}"
    text = json.dumps({"machine": machine, **measure(args.updates)}, indent=1) + "\n"
    print(text, end="")
    write_atomically(RESULT, lambda path: path.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
