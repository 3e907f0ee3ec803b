"""Students: networks distilled to take few steps. Noise predictors, like their teachers.

With alpha = sqrt(alpha_bar) = cos phi and sqrt(1 - alpha_bar) = sin phi, a step of DDIM is a turn by the angle between
two times: x_s = cos(phi_t - phi_s) x_t - sin(phi_t - phi_s) v, v = cos phi_t eps_hat - sin phi_t x_0_hat (Salimans and
Ho 2022, appendix D).
"""

from collections.abc import Sequence

from torch import Tensor, nn

from statesdiff.checkpoints import WEIGHTS, load_model, trained_on
from statesdiff.samplers import falling_times
from statesdiff.schedule import NoiseSchedule, check_T, per_sample

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
        self.times = falling_times(schedule.T, times, "times")

    def forward(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        cos, sin = _turned(self.schedule, t, x_t)
        return sin * x_t + cos * self.network(x_t, t)

    def x_0_hat(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """Where the student lands if it goes on to 0 in one step, (B, D)."""
        cos, sin = _turned(self.schedule, t, x_t)
        return cos * x_t - sin * self.network(x_t, t)


def turn(schedule: NoiseSchedule, x_t: Tensor, x_s: Tensor, t: int | Tensor, s: int | Tensor) -> Tensor:
    """The v with which one step of DDIM from x_t (B, D) at t lands on x_s at s < t, (B, D): the turn, solved for v."""
    (cos_t, sin_t), (cos_s, sin_s) = _turned(schedule, t, x_t.double()), _turned(schedule, s, x_t.double())
    cos, sin = cos_t * cos_s + sin_t * sin_s, sin_t * cos_s - cos_t * sin_s
    return ((cos * x_t.double() - x_s.double()) / sin).to(x_t)


def book_student(name: str) -> tuple[Student, NoiseSchedule]:
    """The book's students of its `fourier` network, 16-bit weights: "8", "4", "2" or "1" steps, or "consistency".

    Raises ValueError for another name.
    """
    if name not in STUDENTS:
        raise ValueError(f"name must be one of {', '.join(STUDENTS)}, got {name!r}")
    path = WEIGHTS / f"student_{name}.safetensors"
    network, schedule = load_model(path)
    return Student(network, schedule, trained_on(path)["times"]), schedule


def _turned(schedule: NoiseSchedule, t: int | Tensor, x: Tensor) -> tuple[Tensor, Tensor]:
    """cos phi and sin phi at t, shaped to multiply x."""
    alpha_bar = per_sample(schedule.alpha_bar, t, x.double())
    return alpha_bar.sqrt().to(x), (1 - alpha_bar).sqrt().to(x)
