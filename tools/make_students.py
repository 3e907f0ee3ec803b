"""Distil the book's students and write their weights, 16 bits each, into the package.

    python tools/make_students.py                       # all, into statesdiff/weights/
    python tools/make_students.py --folder students --steps 200         # fewer steps each, for a trial

The teacher is the book's `fourier` network. A student of 8 steps learns from its DDIM with six times as many, the
student of 4 from that of 8, of 2 from 4, of 1 from 2 (progressive distillation); the consistency model, which starts
from the weights of the first, learns from the teacher itself. A file that is there is not made again, so that the
program goes on where it was stopped; delete what is to be made anew. One thread, about six minutes of processor time.
The table printed at the end judges 5,000 samples of each from the same starts.
"""

import argparse
import copy
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from statesdiff.checkpoints import WEIGHTS, book_denoiser, load_model, save_model, trained_on
from statesdiff.data import states
from statesdiff.distill import consistency, distil
from statesdiff.grids import nearest
from statesdiff.metrics import mean_distance
from statesdiff.models import FREQUENCIES, Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.samplers import last
from statesdiff.schedule import NoiseSchedule
from statesdiff.solvers import euler
from statesdiff.student import Student
from statesdiff.training import Step


def even_times(steps: int) -> list[int]:
    """Even steps of arsinh(1 / noise_level) from T to 1, then 0 in place of 1: longer ones where a leap is easy."""
    return nearest((1 / NoiseSchedule.linear().noise_level[1:]).asinh(), steps, steps + 1)


STEPS, BATCH = {"8": 12_000, "4": 8_000, "2": 8_000, "1": 8_000, "consistency": 8_000}, 512
EIGHT = even_times(16)[::2]
FINER = sorted({*even_times(48), *EIGHT}, reverse=True)
LADDER = {"8": EIGHT, "4": EIGHT[::2], "2": EIGHT[::4], "1": EIGHT[::8]}
CONSISTENT = even_times(24)


def file_of(name: str, folder: Path) -> Path:
    """Where a student is kept."""
    return folder / f"student_{name}.safetensors"


def read(name: str, folder: Path) -> Student:
    """A student that has been made, its weights as they were rounded."""
    network, schedule = load_model(file_of(name, folder))
    return Student(network, schedule, trained_on(file_of(name, folder))["times"])


def fresh_network() -> nn.Module:
    """The book's Fourier network without its skip, which is a guess at the noise and none at v."""
    return init(Denoiser, 2, 500, (128, 128, 128), "relu", *FREQUENCIES, generator=stream("init", 1))


def training(name: str, folder: Path, steps: int) -> tuple[Student, Iterator[Step]]:
    """The student of that name, untrained, and what trains it."""
    teacher, schedule = book_denoiser()
    teacher.requires_grad_(False)
    options = {"steps": steps, "batch_size": BATCH, "generator": stream(f"student {name}")}
    x_0 = states().x
    if name == "consistency":
        student = Student(copy.deepcopy(read("8", folder).network), schedule, CONSISTENT)
        return student, consistency(student, teacher, x_0, CONSISTENT, **options)
    if name == "8":
        student = Student(fresh_network(), schedule, EIGHT)
        return student, distil(student, teacher, x_0, FINER, lr=4e-3, **options)
    above = read(str(2 * int(name)), folder).requires_grad_(False)
    student = Student(copy.deepcopy(above.network).requires_grad_(True), schedule, LADDER[name])
    return student, distil(student, above, x_0, above.times, **options)


def make(name: str, folder: Path, steps: int) -> None:
    """Train a student and write it with 16 bits a weight."""
    student, steps_of_it = training(name, folder, steps)
    start, losses = time.process_time(), [step.loss for step in steps_of_it]
    tail = losses[-max(1, len(losses) // 10) :]
    seconds = time.process_time() - start
    print(f"{name}: {len(losses)} steps in {seconds:.0f} s of processor time, loss {sum(tail) / len(tail):.5f}")
    about = {"data": "states", "times": student.times}
    print("wrote", save_model(file_of(name, folder), student.network.half(), student.schedule, about), flush=True)


def judge(name: str, folder: Path) -> str:
    """The table's row: steps, and the distance of 5,000 samples to the training points."""
    student = read(name, folder)
    times = [student.T, 0] if name == "consistency" else student.times
    x = last(euler(student, student.schedule, randn(5000, 2, generator=stream("start")), grid=times))
    return f"{name:12s} {len(times) - 1:>5} {mean_distance(x, states().x):>10.4f}"


def main() -> None:
    """Make what is not there yet, then judge all."""
    parser = argparse.ArgumentParser(description="Distil the book's students and write their weights.")
    parser.add_argument("--folder", type=Path, default=WEIGHTS)
    parser.add_argument("--steps", type=int, default=None, help="default: those of the book")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)  # sums depend on the number of threads
    names = [*LADDER, "consistency"]
    for name in names:
        if not file_of(name, args.folder).exists():
            make(name, args.folder, args.steps or STEPS[name])
    print(f"{'':12s} steps   distance", *(judge(name, args.folder) for name in names), sep="\n")


if __name__ == "__main__":
    main()
