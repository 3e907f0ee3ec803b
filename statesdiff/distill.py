"""Distillation: a student learns to land in one step where many small steps of its teacher lead."""

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor

from statesdiff.rng import randn
from statesdiff.samplers import NoisePredictor, falls_to_0
from statesdiff.schedule import NoiseSchedule, check_T
from statesdiff.student import Student, turn
from statesdiff.training import LearningRate, Step, Training, check_trainable, minimise, one_cycle


def leap(predictor: NoisePredictor, schedule: NoiseSchedule, x: Tensor, stops: Tensor) -> Tensor:
    """Take each row of x (B, D) by steps of DDIM through its own stops (B, k + 1), falling times; one twice is no step.

    Returns x at the last stops, (B, D).
    """
    for t, s in pairwise(stops.T):
        eps_hat = predictor(x, t)
        x = schedule.q_sample(schedule.predict_x_0(x, t, eps_hat), s, eps_hat)
    return x


def stops_between(times: Sequence[int], finer: Sequence[int]) -> Tensor:
    """For each step of a student, from one of `times` to the next, the times at which its teacher stops: (n, k + 1).

    Those are the `finer` times between, and both ends; rows that are shorter repeat the last. Raises ValueError unless
    both lists fall to 0 and the finer one has the student's times.
    """
    for name, given in (("times", times), ("finer", finer)):
        if not falls_to_0(given):
            raise ValueError(f"{name} must be at least two times that fall to 0, got {list(given)}")
    if not set(times) <= set(finer):
        raise ValueError(f"finer must have all of the student's times {list(times)}, got {list(finer)}")
    rows = [[u for u in finer if s <= u <= t] for t, s in pairwise(times)]
    length = max(map(len, rows))
    return torch.tensor([row + row[-1:] * (length - len(row)) for row in rows])


def distil(
    student: Student,
    teacher: NoisePredictor,
    x_0: Tensor,
    finer: Sequence[int],
    *,
    steps: int = 8000,
    batch_size: int = 512,
    lr: float = 2e-3,
    lr_schedule: LearningRate = one_cycle,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Progressive distillation (Salimans and Ho 2022, algorithm 2): one step of the student for several of the teacher.

    A real point x_0 (N, D) is noised to one of the student's times; the teacher goes from there to the student's next
    through the `finer` times; the student learns the v that turns it there at once. With every other of the teacher's
    own times this halves the steps. Yields a `Step` after each update. Raises as `train_denoiser` does, and as
    `stops_between`.
    """
    how, schedule = Training(steps, batch_size, lr, lr_schedule), student.schedule
    starts = _starts(student, teacher, x_0, finer, batch_size, generator)

    def loss() -> Tensor:
        x_t, path = next(starts)
        with torch.no_grad():
            target = turn(schedule, x_t, leap(teacher, schedule, x_t, path), path[:, 0], path[:, -1])
        return (student.network(x_t, path[:, 0]) - target).square().mean()

    yield from minimise(student, loss, how)


def consistency(
    student: Student,
    teacher: NoisePredictor,
    x_0: Tensor,
    finer: Sequence[int],
    *,
    steps: int = 8000,
    batch_size: int = 512,
    lr: float = 2e-3,
    lr_schedule: LearningRate = one_cycle,
    keep: float = 0.99,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Consistency distillation (Y. Song and others 2023, algorithm 2): along a path of the teacher x_0_hat is constant.

    The student's x_0_hat at one of its times learns to be that of its own average (`keep` of it stays at each step) at
    the next, where the teacher has taken it; at t = 0 x_0_hat is the point itself. Arguments and errors as `distil`.
    """
    how, schedule = Training(steps, batch_size, lr, lr_schedule), student.schedule
    if not 0 <= keep < 1:
        raise ValueError(f"keep must lie in [0, 1), got {keep}")
    starts = _starts(student, teacher, x_0, finer, batch_size, generator)
    average = copy.deepcopy(student)

    def loss() -> Tensor:
        x_t, path = next(starts)
        with torch.no_grad():
            for old, new in zip(average.parameters(), student.parameters(), strict=True):
                old.lerp_(new, 1 - keep)
            target = average.x_0_hat(leap(teacher, schedule, x_t, path), path[:, -1])
        return (student.x_0_hat(x_t, path[:, 0]) - target).square().mean()

    yield from minimise(student, loss, how)


def _starts(
    student: Student,
    teacher: NoisePredictor,
    x_0: Tensor,
    finer: Sequence[int],
    batch_size: int,
    generator: torch.Generator | None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Without end: points noised to the student's times, x_t (B, D), and where the teacher stops, (B, k + 1)."""
    check_trainable(student, x_0, student.schedule, None)
    check_T(teacher, student.schedule, "teacher")
    stops = stops_between(student.times, finer)
    while True:
        path = stops[torch.randint(len(stops), (batch_size,), generator=generator)]
        rows = torch.randint(len(x_0), (batch_size,), generator=generator)
        eps = randn(batch_size, *x_0.shape[1:], generator=generator)
        yield student.schedule.q_sample(x_0[rows], path[:, 0], eps), path
