"""Distillation: a student whose one step lands where many small steps of its teacher do. Noise predictors in and out.

With alpha = sqrt(alpha_bar) = cos phi and sqrt(1 - alpha_bar) = sin phi, a step of DDIM is a turn by the angle between
two times: x_s = cos(phi_t - phi_s) x_t - sin(phi_t - phi_s) v, v = cos phi_t eps_hat - sin phi_t x_0_hat (Salimans and
Ho 2022, appendix D).
"""

import copy
from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from statesdiff.checkpoints import WEIGHTS, load_model, trained_on
from statesdiff.rng import randn
from statesdiff.samplers import NoisePredictor, ddim_times
from statesdiff.schedule import NoiseSchedule, check_dtype, check_T, per_sample
from statesdiff.training import LearningRate, Step, Training, check_trainable, minimise, one_cycle

STUDENTS = ("8", "4", "2", "1", "consistency")


class Student(nn.Module):
    """A noise predictor whose network (x_t, t) -> v (B, D) predicts the velocity of the turn; `times` it was made for.

    eps_hat = sin phi x_t + cos phi v, and x_0_hat = cos phi x_t - sin phi v: at t = T, where eps_hat alone says nothing
    of x_0, an error of v is no larger an error of x_0_hat, and at t = 0 x_0_hat is x_t, whatever the network.
    """

    def __init__(self, network: nn.Module, schedule: NoiseSchedule, times: Sequence[int]) -> None:
        super().__init__()
        check_T(network, schedule, "network")
        self.network, self.schedule, self.T = network, schedule, schedule.T
        self.times = ddim_times(schedule.T, times)

    def forward(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        cos, sin = _turned(self.schedule, t, x_t)
        return sin * x_t + cos * self.network(x_t, t)

    def x_0_hat(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """Where the student lands if it goes on to 0 in one step, (B, D)."""
        cos, sin = _turned(self.schedule, t, x_t)
        return cos * x_t - sin * self.network(x_t, t)


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
    if len(times) < 2 or not set(times) <= set(finer) or sorted(set(finer), reverse=True) != list(finer):
        raise ValueError(f"finer must fall and have all of the student's times {list(times)}, got {list(finer)}")
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
    check_trainable(student, x_0, schedule, None)
    check_T(teacher, schedule, "teacher")
    stops = stops_between(student.times, finer)

    def loss() -> Tensor:
        path = stops[torch.randint(len(stops), (batch_size,), generator=generator)]
        x_t = _noisy(x_0, path[:, 0], schedule, generator)
        with torch.no_grad():
            target = turn(schedule, x_t, leap(teacher, schedule, x_t, path), path[:, 0], path[:, -1])
        return (student.network(x_t, path[:, 0]) - target).square().mean()

    yield from minimise(student, loss, how)


def turn(schedule: NoiseSchedule, x_t: Tensor, x_s: Tensor, t: int | Tensor, s: int | Tensor) -> Tensor:
    """The v with which one step of DDIM from x_t at t lands on x_s at s < t: (cos x_t - sin phi_ts x_s) solved. (B, D)."""
    (cos_t, sin_t), (cos_s, sin_s) = _turned(schedule, t, x_t.double()), _turned(schedule, s, x_t.double())
    cos, sin = cos_t * cos_s + sin_t * sin_s, sin_t * cos_s - cos_t * sin_s
    return ((cos * x_t.double() - x_s.double()) / sin).to(x_t)


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
    check_trainable(student, x_0, schedule, None)
    check_T(teacher, schedule, "teacher")
    if not 0 <= keep < 1:
        raise ValueError(f"keep must lie in [0, 1), got {keep}")
    stops, average = stops_between(student.times, finer), copy.deepcopy(student)

    def loss() -> Tensor:
        path = stops[torch.randint(len(stops), (batch_size,), generator=generator)]
        x_t = _noisy(x_0, path[:, 0], schedule, generator)
        with torch.no_grad():
            for old, new in zip(average.parameters(), student.parameters(), strict=True):
                old.lerp_(new, 1 - keep)
            target = average.x_0_hat(leap(teacher, schedule, x_t, path), path[:, -1])
        return (student.x_0_hat(x_t, path[:, 0]) - target).square().mean()

    yield from minimise(student, loss, how)


@torch.no_grad()
def book_student(name: str) -> tuple[Student, NoiseSchedule]:
    """The book's students of its `fourier` network, 16-bit weights: "8", "4", "2" or "1" steps, or "consistency".

    Raises ValueError for another name.
    """
    if name not in STUDENTS:
        raise ValueError(f"name must be one of {', '.join(STUDENTS)}, got {name!r}")
    path = WEIGHTS / f"student_{name}.safetensors"
    network, schedule = load_model(path)
    return Student(network, schedule, trained_on(path)["times"]), schedule


def _noisy(x_0: Tensor, t: Tensor, schedule: NoiseSchedule, generator: torch.Generator | None) -> Tensor:
    rows = torch.randint(len(x_0), t.shape, generator=generator)
    eps = randn(len(t), *x_0.shape[1:], generator=generator)
    return schedule.q_sample(x_0[rows], t, eps)


def _turned(schedule: NoiseSchedule, t: int | Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """cos phi and sin phi at t, shaped to multiply x."""
    alpha_bar = per_sample(schedule.alpha_bar, t, x.double())
    return alpha_bar.sqrt().to(x), (1 - alpha_bar).sqrt().to(x)
