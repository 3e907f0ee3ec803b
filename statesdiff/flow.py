"""Flow matching: training and sampling a velocity, and converters between it and a noise predictor, both ways.

Flow time s runs from 0, noise, to 1, data; `statesdiff.velocity` says how it maps to the schedule's times t.
"""

from collections.abc import Callable, Iterator, Sequence

import ot
import torch
from torch import Tensor, nn

from statesdiff.rng import randn
from statesdiff.samplers import NoisePredictor
from statesdiff.schedule import NoiseSchedule, check_T
from statesdiff.training import LearningRate, Optimiser, Step, Training, adam_w, check_data, minimise, one_cycle
from statesdiff.velocity import Velocity, flow_time, nearest_t, of_rows, straight, to_flow

DrawS = Callable[[int, torch.Generator | None], Tensor]
Couple = Callable[[Tensor, Tensor], Tensor]


class VelocityOf:
    """The velocity of a noise predictor, (x_s - eps_hat) / s: a trained denoiser, sampled as a flow.

    The predictor is asked at the `nearest_t`, which is exact at the flow times of the schedule. ValueError below s_T.
    """

    def __init__(self, predictor: NoisePredictor, schedule: NoiseSchedule) -> None:
        check_T(predictor, schedule, "predictor")
        self.predictor, self.schedule = predictor, schedule

    def __call__(self, x_s: Tensor, s: float | Tensor) -> Tensor:
        rows = of_rows(s, x_s)
        t = nearest_t(self.schedule, s).to(x_s.device)
        eps_hat = self.predictor(x_s / (rows.square() + (1 - rows).square()).sqrt(), t)
        return (x_s - eps_hat) / rows


class NoiseOf:
    """The noise predictor of a velocity, x_s - s u_hat: a flow's network for any sampler, x_t (B, ...), t in 0..T."""

    def __init__(self, velocity: Velocity, schedule: NoiseSchedule) -> None:
        self.velocity, self.schedule, self.T = velocity, schedule, schedule.T

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        x_s = to_flow(self.schedule, x_t, t)
        s = flow_time(self.schedule)[torch.as_tensor(t).long()]
        return x_s - of_rows(s, x_s) * self.velocity(x_s, s)


def uniform_s(n: int, generator: torch.Generator | None = None) -> Tensor:
    """n flow times, uniform on [0, 1) (Lipman et al. 2023)."""
    return torch.rand(n, generator=generator)


def logit_normal_s(
    n: int, generator: torch.Generator | None = None, *, mean: float = 2.0, width: float = 1.0
) -> Tensor:
    """n flow times whose log(s / (1 - s)), half the log signal-to-noise ratio, is normal (Esser et al. 2024).

    The defaults put most of them where STATES' coasts are decided, about a noise level of 0.14.
    """
    return (mean + width * torch.randn(n, generator=generator)).sigmoid()


def optimal_pairs(x_0: Tensor, eps: Tensor) -> Tensor:
    """The rows of eps, reordered so that the sum of |x_0 - eps|^2 over pairs is least; (B, D), (B, D) -> (B, D).

    Minibatch optimal transport (Tong et al. 2024), exact by POT's network simplex.
    """
    cost = ot.dist(x_0.detach().double().numpy(), eps.detach().double().numpy())
    return eps[torch.from_numpy(ot.emd([], [], cost, numItermax=10_000_000).argmax(axis=1))]


def train_flow(
    model: nn.Module,
    x_0: Tensor,
    eps: Tensor | None = None,
    *,
    steps: int = 4000,
    batch_size: int = 512,
    lr: float = 1e-3,
    lr_schedule: LearningRate = one_cycle,
    optimiser: Optimiser = adam_w,
    draw_s: DrawS = uniform_s,
    couple: Couple | None = None,
    generator: torch.Generator | None = None,
) -> Iterator[Step]:
    """Minimise E |(x_0 - eps) - u_theta(x_s, s)|^2 (Lipman et al. 2023, eq. 23): yields a `Step` after each update.

    x_0 (N, ...) real points; the noise is drawn afresh, and paired with the batch by `couple`, if given. With eps
    (N, ...) the pairs are fixed, row by row: reflow (Liu et al. 2023). Rows, s, then eps are drawn from the generator.
    Raises ValueError for bad arguments, FloatingPointError if the loss stops being finite.
    """
    how = Training(steps, batch_size, lr, lr_schedule, optimiser)
    check_data(model, x_0)
    if eps is not None and (eps.shape != x_0.shape or couple is not None):
        raise ValueError(f"eps must have the shape of x_0, {tuple(x_0.shape)}, and leaves no pairs to couple")
    draws = how.draw_rows(len(x_0), batch_size, generator)

    def loss() -> Tensor:
        rows, s = next(draws), draw_s(batch_size, generator)
        x = x_0[rows]
        noise = randn(*x.shape, generator=generator, device=x.device) if eps is None else eps[rows]
        noise = noise if couple is None else couple(x, noise)
        return (model(straight(x, noise, s), s) - (x - noise)).square().mean()

    yield from minimise(model, loss, how)


def euler_times(steps: int | Sequence[float], start: float = 0.0) -> list[float]:
    """The flow times visited: evenly from `start` to 1, or a rising sequence that ends at 1, which is kept."""
    if isinstance(steps, int):
        if steps < 1 or not 0 <= start < 1:
            raise ValueError(f"needs steps >= 1 and 0 <= start < 1, got {steps} and {start}")
        return [start + (1 - start) * k / steps for k in range(steps)] + [1.0]
    times = [float(s) for s in steps]
    rising = all(a < b for a, b in zip(times, times[1:], strict=False))
    if len(times) < 2 or times[0] < 0 or times[-1] != 1 or not rising:
        raise ValueError(f"steps must rise strictly from at least 0 up to 1, got {times}")
    return times


@torch.no_grad()
def euler_flow(
    velocity: Velocity, x: Tensor, *, steps: int | Sequence[float] = 50, start: float = 0.0
) -> Iterator[Tensor]:
    """Follow dx/ds = u(x, s) by straight steps from x (B, ...) at flow time `start`: yields x at each time, last x_0.

    steps: how many, or the rising times themselves (`euler_times`). Raises ValueError for bad steps or a velocity of
    the wrong shape, FloatingPointError if x explodes.
    """
    times = euler_times(steps, start)
    yield x
    for s, s_next in zip(times, times[1:], strict=False):
        u = velocity(x, s)
        if u.shape != x.shape:
            raise ValueError(f"the velocity has shape {tuple(u.shape)} for x of shape {tuple(x.shape)}")
        x = x + (s_next - s) * u
        if not x.isfinite().all():
            raise FloatingPointError(f"the points stopped being finite at s = {s_next:.4g}")
        yield x


def straightness(path: Sequence[Tensor], times: Sequence[float]) -> float:
    """How far paths are from straight: the integral of E |(x_end - x_start) - dx/ds|^2 over s (Liu et al. 2023).

    path: x (B, ...) at each of the times, as `euler_flow` yields them. 0 for straight lines at constant speed.
    """
    if len(path) != len(times) or len(path) < 2:
        raise ValueError(f"needs a point set for each of at least 2 times, got {len(path)} for {len(times)}")
    whole = (path[-1] - path[0]) / (times[-1] - times[0])
    steps = zip(path, path[1:], times, times[1:], strict=False)
    return float(sum((b - a) * ((whole - (y - x) / (b - a)).flatten(1).square().sum(1).mean()) for x, y, a, b in steps))
