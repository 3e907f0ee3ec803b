"""Self-checks of chapter 13: a flow's loss, noise turned into velocity, a Gaussian, spoilt flows, times to choose."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.data import outline_points, states
from statesdiff.flow import euler_flow, train_flow
from statesdiff.metrics import mean_distance
from statesdiff.models import Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.samplers import last
from statesdiff.velocity import VelocityNetwork, of_rows


def _some_velocity(x: Tensor, s: Tensor) -> Tensor:
    """A velocity without symmetries."""
    rows = of_rows(s, x)
    return torch.tanh(1.3 * x) + torch.cos(3 * rows) * x.flip(1) + rows.square()


def flow_loss(f: Callable[..., Tensor]) -> Verdict:
    """f(velocity, x_0 (B, D), eps (B, D), s (B,)) -> mean of |velocity(x_s, s) - (x_0 - eps)|^2, a scalar."""
    g = stream("check")
    x_0, eps, s = 1 + torch.randn(60, 2, generator=g), torch.randn(60, 2, generator=g), torch.rand(60, generator=g)
    r = s[:, None]
    x_s, way = r * x_0 + (1 - r) * eps, x_0 - eps

    def loss(x: Tensor = x_s, time: Tensor = s, target: Tensor = way) -> Tensor:
        return (_some_velocity(x, time) - target).square().mean()

    error = _some_velocity(x_s, s) - way
    turned = (1 - r) * x_0 + r * eps
    wrong = {
        "the ends are swapped: at s = 0 the point is the noise, at s = 1 the data": loss(turned),
        "this clock runs from data to noise, with the velocity eps - x_0: here s = 1 is data": loss(
            turned, target=-way
        ),
        "the sign of the target is wrong: from the noise to the data it is x_0 - eps": loss(target=-way),
        "a straight line has no square roots: x_s = s x_0 + (1 - s) eps": [
            loss(r.sqrt() * x_0 + (1 - r).sqrt() * eps),
            loss(r * x_0 + (1 - r.square()).sqrt() * eps),
        ],
        "the target is the noise alone: a velocity is the difference of the two ends": loss(target=eps),
        "the target is the data point alone: a velocity is the difference of the two ends": loss(target=x_0),
        "the target is what is left of the way, x_0 - x_s: the speed is that of the whole way, x_0 - eps": loss(
            target=x_0 - x_s
        ),
        "the velocity was asked at x_0, which it never sees: ask it at x_s": loss(x_0),
        "the velocity was asked at the noise: ask it at x_s": loss(eps),
        "the velocity was told 1 - s: its clock is that of the point": loss(time=1 - s),
        "one time was used for all points: each row has its own": [
            loss(v * x_0 + (1 - v) * eps, v) for v in (s[0], s.mean())
        ],
        "the sum over coordinates: the loss is their mean": error.square().sum(dim=1).mean(),
        "this is the sum: the loss is a mean": error.square().sum(),
        "the errors cancel: square each before the mean is taken": error.mean().square(),
        "this is the root of the loss": error.square().mean().sqrt(),
        "absolute values in place of squares: their best answer is a median, not a mean": error.abs().mean(),
    }
    return judge(f, (_some_velocity, x_0, eps, s), loss(), wrong, "a regression on the ways of single pairs")


def velocity_from_noise(f: Callable[..., Tensor]) -> Verdict:
    """f(x_s (B, D), s a number in (0, 1], eps_hat (B, D)) -> the velocity x_0_hat - eps_hat, (B, D)."""
    g, s = stream("check"), torch.tensor(0.3)
    x, e = torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g)
    x_0_hat = (x - (1 - s) * e) / s
    wrong = {
        "this is the predicted x_0: the velocity is what it has more than the predicted noise": x_0_hat,
        "the division by s is missing": x - e,
        "the sign is wrong: from the noise to the data": (e - x) / s,
        "you divided by 1 - s: the noise is known, and it is x_0 that has the factor s": (x - e) / (1 - s),
        "you multiplied by s: divide by it": (x - e) * s,
        "in x_s the noise has the factor 1 - s: x_0_hat = (x_s - (1 - s) eps_hat) / s": (x - e) / s - e,
        "the noise taken away is the whole of it: x_0_hat - eps_hat": x_0_hat - (1 - s) * e,
        "this leads from x_s to x_0_hat: the velocity is that of the whole way, from eps_hat": x_0_hat - x,
        "this is the sum of the two ends: a velocity is their difference": x_0_hat + e,
        "this takes x_s for a point that keeps its variance: on a straight line the noise has the factor 1 - s": (
            (x - (1 - s.square()).sqrt() * e) / s - e
        ),
    }
    return first_failing(
        "one number more or less, and a noise is a velocity",
        lambda: judge(f, (x, s, e), (x - e) / s, wrong),
        lambda: judge(f, (x, torch.tensor(1.0), e), x - e, {}).at("s = 1"),
    )


gaussian_flow = OnPaper(
    right=(1.2, 0.8, 2.0),
    wrong={
        "the variance of x_s is s^2 w^2 + (1 - s)^2: at s = 1/2 it is 1.25, not 2.5": (0.6, 0.65, 2.0),
        "the variance of the data is w^2 = 4, not w = 2": (2 / 3, 2 / 3, 2.0),
        "the noise comes in with a minus sign: x_0 - eps has the covariance s w^2 - (1 - s) with x_s": (2.0, 1.0, 2.0),
        "this is a covariance: divide it by the variance of x_s": (1.5, 0.875, 2.0),
        "the second step starts where the first has ended, at 1/2, not at 1": (1.2, 1.1, 2.0),
        "half a step is missing: two steps have the length 1/2 each": (1.2, 0.0, 2.0),
        "the true way ends at w, not at w^2: variances are squares of lengths": (1.2, 0.8, 4.0),
        "at s = 0 the velocity is the mean of the data less x, here -x: it is not 0": (1.2, 1.6, 2.0),
    },
    praise="the first step goes the wrong way, and the second does not find back",
    rtol=1e-3,
)

broken_flow = FindTheLine(
    source="""
def sample(predictor, schedule, x, times):
    a = schedule.alpha_bar[times].sqrt()
    s = 1 / (1 + schedule.noise_level[times])
    x = x * s[0] / a[0]
    for k in range(len(times) - 1):
        x_t = (x * a[k] / s[k]).float()
        eps_hat = predictor(x_t, torch.tensor(times[k]))
        u = (x - eps_hat) / s[k]
        x = x + (s[k + 1] - s[k]) * u
        yield x.float()
""",
    faults={
        "A": (6, "x_t = x.float()"),
        "B": (8, "u = x - eps_hat"),
        "C": (9, "x = x + u / (len(times) - 1)"),
        "D": (4, "x = x"),
    },
    innocent={
        1: "it names what comes in, and all of them do that alike",
        2: "the roots of the same table in all of them; they serve to change between two scales, and do so rightly",
        3: "these are the flow times of the schedule; were they wrong, no step would be as long as it should, and none "
        "of the lines would be thin",
        (
            "C",
            3,
        ): "these are the flow times of the schedule, 1 / (1 + noise level), and they are not even: ask what the "
        "steps make of them",
        4: "it moves the starts by a few per cent, and the field leads whoever comes from there to the same coasts",
        5: "it takes every step, and there is one less than times",
        6: "were the network asked in another scale, it would take points for others that lie farther in, and send "
        "them too far out, beyond the map",
        7: "the network is asked at the time of the point, as in the right program",
        8: "were the velocity too small early on, the later steps would make good for most of it: there would be all "
        "five states in thin lines, and some strays",
        9: "the step is as long as the time that passes; were it not, the points would be stopped on their way, and "
        "no line would be thin",
        10: "it hands out each set of points, and changes none",
    },
    praise={
        "A": "the network was shown x_s, which lies nearer to the middle than the x_t that it knows",
        "B": "without the division by s early velocities are far too small; later steps make good for most of it",
        "C": "steps of one length, although the times are not even: the clock says 1 before the points have arrived",
        "D": "x_T is not x_s: the starts lie 8% too far out, and the map is as good",
    },
)


def distance_after(draw_s: Callable[[int, torch.Generator], Tensor], updates: int = 500) -> float:
    """The mean distance to the outline of 1,500 samples of 50 steps, after so many updates at these flow times."""
    model = VelocityNetwork(init(Denoiser.fourier, generator=stream("times of training")))
    how = {"lr": 8e-3, "batch_size": 256, "generator": stream("times of training", 1)}
    for _ in train_flow(model, states().x, steps=updates, draw_s=draw_s, **how):
        pass
    x = randn(1500, 2, generator=stream("times of training", 2))
    return mean_distance(last(euler_flow(model, x, steps=50)), outline_points())


def _distance_with(draw_s: Any) -> float:
    """`distance_after`, if draw_s(n, generator) gives n flow times. Raises AgainstTheRules for anything else."""
    if not callable(draw_s):
        raise AgainstTheRules(f"give a function draw_s(n, generator); yours is {draw_s!r}")
    s = draw_s(1000, stream("try"))
    if not isinstance(s, Tensor) or s.shape != (1000,) or not s.is_floating_point():
        raise AgainstTheRules("draw_s(n, generator) has to return a float tensor of shape (n,)")
    if not ((s >= 0) & (s <= 1)).all():
        raise AgainstTheRules(f"flow times lie in [0, 1], yours in {s.min():.3g} to {s.max():.3g}")
    if not torch.equal(s, draw_s(1000, stream("try"))):
        raise AgainstTheRules("draw from the generator alone, so that the score can be measured again")
    return distance_after(draw_s)


times_of_training = ScoreToBeat(
    measure=_distance_with, what="mean distance to the outline", target=0.05, best=0.0352, tolerance=0.07
)
