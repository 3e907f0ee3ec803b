"""Self-checks of chapter 12: a step of Heun's, a Gaussian on paper, a spoilt log-density, and the best ten steps."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.likelihood import log_likelihood
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule


def heun_step(f: Callable[..., Tensor]) -> Verdict:
    """f(predictor, schedule, x_t (B, D), t, s) -> x_s (B, D), one of Heun's steps along Eq. 29, up or down."""
    schedule, x = NoiseSchedule.linear(T=100, beta_1=0.005, beta_T=0.08), torch.randn(50, 2, generator=stream("check"))

    def stage(t: int, s: int, *, named: bool) -> Verdict:
        wrong = _wrong_steps(schedule, x, t, s) if named else {}
        return judge(f, (_bent, schedule, x, t, s), _step(schedule, x, t, s), wrong, rtol=1e-3)

    return first_failing(
        "the mean of two slopes, of which the second is taken where the first one leads",
        lambda: stage(40, 60, named=True),
        lambda: stage(90, 80, named=False).at("a step down, from 90 to 80"),
        lambda: stage(1, 2, named=False).at("the step from 1 to 2"),
    )


def _bent(x: Tensor, t: int | Tensor) -> Tensor:
    """Some predictor that bends, and tells times apart."""
    return torch.tanh(x * (0.7 + t / 50) + torch.tensor([0.3, -0.2]).to(x)) * (1 + t / 100)


def _step(schedule: NoiseSchedule, x: Tensor, t: int, s: int, **change: Any) -> Tensor:
    """Heun's step with an ingredient changed."""
    root, level = schedule.alpha_bar.sqrt(), schedule.noise_level
    v = {"h": level[s] - level[t], "later": s, "first": 0.5, "second": 0.5, "proposal": 1.0} | change
    u = v.get("u", x.double() / root[t])
    slope = _bent(v.get("asked", x).double(), t)
    landed = u + v["proposal"] * v["h"] * slope
    again = _bent(v.get("units", root[s]) * landed, v["later"])
    return (v.get("back", root[s]) * (u + v["h"] * (v["first"] * slope + v["second"] * again))).float()


def _wrong_steps(schedule: NoiseSchedule, x: Tensor, t: int, s: int) -> dict[str, Any]:
    root, level, one = schedule.alpha_bar.sqrt(), schedule.noise_level, torch.tensor(1.0, dtype=torch.float64)
    h = level[s] - level[t]
    return {
        "this is Euler's step, DDIM's: look at the slope where it lands, and take the mean of both": _step(
            schedule, x, t, s, first=1.0, second=0.0
        ),
        "the second slope alone was followed: take the mean of both": _step(schedule, x, t, s, first=0.0, second=1.0),
        "the two slopes were added: take their mean, half of the sum": _step(schedule, x, t, s, first=1.0, second=1.0),
        "the second slope belongs to time s, not to t": _step(schedule, x, t, s, later=t),
        "the second slope was taken at the start: take it where Euler's step lands": _step(
            schedule, x, t, s, proposal=0.0
        ),
        "the second slope was taken half-way, as in the midpoint rule: Heun's step goes all the way first": _step(
            schedule, x, t, s, proposal=0.5
        ),
        "the predictor was asked about u the second time: it takes x, which is sqrt(alpha_bar_s) u": _step(
            schedule, x, t, s, units=one
        ),
        "where Euler's step lands, x is sqrt(alpha_bar_s) u: the root belongs to s, not to t": _step(
            schedule, x, t, s, units=root[t]
        ),
        "the predictor was asked about u the first time: it takes x_t": _step(schedule, x, t, s, asked=x / root[t]),
        "the sign of the step is wrong: its length is the noise level at s less that at t": _step(
            schedule, x, t, s, h=-h
        ),
        "the length of the step is a difference of noise levels, not of times": _step(
            schedule, x, t, s, h=(s - t) * one
        ),
        "the length of the step is a difference of noise levels, sqrt((1 - alpha_bar) / alpha_bar), not of their "
        "squares": _step(schedule, x, t, s, h=level[s] ** 2 - level[t] ** 2),
        "this is u: multiply by sqrt(alpha_bar_s) to come back to x": _step(schedule, x, t, s, back=one),
        "on the way back to x the root belongs to s, not to t": _step(schedule, x, t, s, back=root[t]),
        "x_t was not divided by sqrt(alpha_bar_t): the step is taken in u": _step(schedule, x, t, s, u=x.double()),
    }


stretched = OnPaper(
    right=((49.25 / 1.25) ** 0.5, math.log(49.25 / 1.25)),
    wrong={
        "the first is the factor of an area: the factor of a length is its root": (
            49.25 / 1.25,
            math.log(49.25 / 1.25),
        ),
        "the second is the integral for one coordinate: the divergence adds up D = 2": (
            (49.25 / 1.25) ** 0.5,
            0.5 * math.log(49.25 / 1.25),
        ),
        "the first is the factor by which u shrinks on the way back": (
            (1.25 / 49.25) ** 0.5,
            math.log(49.25 / 1.25),
        ),
        "the second has the wrong sign: areas grow as the noise does": (
            (49.25 / 1.25) ** 0.5,
            -math.log(49.25 / 1.25),
        ),
        "this leaves out r: at small noise the data have a width of their own": (7.0, math.log(49.0)),
        "r is a deviation: r^2 belongs beside the square of the noise level": (
            (49.5 / 1.5) ** 0.5,
            math.log(49.5 / 1.5),
        ),
        "the two are swapped": (math.log(49.25 / 1.25), (49.25 / 1.25) ** 0.5),
    },
    praise="every point keeps its distance from the mean, counted in deviations",
)


broken_likelihood = FindTheLine(
    source="""
def log_density(predictor, schedule, x, times):
    level, root, D = schedule.noise_level, schedule.alpha_bar.sqrt(), x.shape[1]
    u = x / root[times[0]]
    grown = 0
    for t, s in zip(times, times[1:]):
        x = (root[t] * u).requires_grad_()
        eps_hat = predictor(x, t)
        rows = [grad(e.sum(), x, retain_graph=k + 1 < D)[0] for k, e in enumerate(eps_hat.T)]
        rate = root[t] * sum(row[:, k] for k, row in enumerate(rows))
        h = level[s] - level[t]
        u, grown = u + h * eps_hat.detach(), grown + h * rate
    x_T = root[times[-1]] * u
    latent = -0.5 * x_T.square().sum(dim=1) - 0.5 * D * math.log(2 * math.pi)
    return latent + grown + D * (root[times[-1]] / root[times[0]]).log()
""",
    faults={
        "A": (9, "rate = sum(row[:, k] for k, row in enumerate(rows))"),
        "B": (14, "return latent + grown"),
        "C": (13, "latent = -0.5 * x_T.square().sum(dim=1) - 0.5 * math.log(2 * math.pi)"),
        "D": (11, "u, grown = u + h * eps_hat.detach(), grown - h * rate"),
    },
    innocent={
        1: "it names what comes in, and all versions do that alike",
        2: "the tables are right: a wrong one would have spoilt the ends of the ways as well",
        3: "were the start wrong, the latents would not be standard normal, and the error would differ from point to "
        "point",
        4: "nothing has grown yet at the start, whatever the noise level",
        5: "every version takes all the steps",
        6: "the predictor is asked about x, as it must be; otherwise the ways would end elsewhere",
        7: "it asks the predictor once a step, at the right time",
        8: "it takes all derivatives of every coordinate with respect to x, those that count among them",
        9: "were the rate wrong by a factor that changes with the noise, so would be the error, and it would vanish "
        "where the way is over",
        ("B", 9): "with twice the rate the error would be near this, 13.7 in the first row and 12.9 in the second, but "
        "not this",
        ("D", 9): "a rate of the wrong sign would do the same, but this one is right: ask what is done with it",
        10: "with another length of the steps the ways would end elsewhere",
        11: "were the sum taken with the wrong sign, the error would be minus twice the integral: large and negative "
        "where the way is long",
        12: "were the latent in other units, the error would be in the hundred thousands",
        13: "were the latent's density wrong, the error would not change with the noise level, as the latents are the "
        "same standard normal ones whatever the start",
        14: "were the change of units left out, the error would be 12 nats where the noise is small, and positive",
        ("C", 14): "the change of units depends on the noise level of the start, and this error does not",
    },
    praise={
        "A": "the divergence with respect to x, not u: it lacks a root that falls as the noise grows",
        "B": "the change of units is forgotten: D log sqrt(alpha_bar_t / alpha_bar_T) too much, less from later starts",
        "C": "the constant for one coordinate in place of two: half of log 2 pi too much, from wherever one starts",
        "D": "the density must grow by what the areas grow: with the wrong sign it is off by twice the integral",
    },
    names={"math": math, "grad": torch.autograd.grad},
)


def error_with(times: list[int]) -> float:
    """Mean |error| in nats of Heun's log-density at t = 1, with these times from 1 to 500, over sixty points."""
    schedule, g = NoiseSchedule.linear(), stream("ten steps")
    exact = IdealDenoiser(outline_points(1000), schedule, jitter=JITTER)
    x_0 = states(12, seed=12).x
    x_1 = schedule.q_sample(x_0, 1, torch.randn(x_0.shape, generator=g))
    return float((log_likelihood(exact, schedule, x_1, steps=times) - exact.log_density(x_1, 1)).abs().mean())


def _error_with_nine(times: Any) -> float:
    """`error_with` for 1, nine whole numbers that rise from at least 2 to at most 499, and 500."""
    try:
        rising = [int(t) for t in times]
        whole = all(a == b for a, b in zip(rising, times, strict=True))
    except (TypeError, ValueError, RuntimeError):
        rising, whole = [], False
    if len(rising) != 9 or not whole or rising != sorted(set(rising)):
        raise AgainstTheRules(f"give nine whole numbers that rise, such as 50, 100, ..., 450; yours are {times!r}")
    if rising[0] < 2 or rising[-1] > 499:
        raise AgainstTheRules(f"the nine lie in 2 to 499 (1 and 500 are added), yours in {rising[0]} to {rising[-1]}")
    return error_with([1, *rising, 500])


ten_steps = ScoreToBeat(
    measure=_error_with_nine,
    what="mean error with ten steps, nats",
    target=0.45,
    best=0.362,
    tolerance=0.02,
)
