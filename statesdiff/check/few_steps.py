"""Self-checks of chapter 14: a step of Heun's, two numbers on paper, spoilt solvers, and the best eight times."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.checkpoints import book_denoiser
from statesdiff.rng import stream
from statesdiff.samplers import last
from statesdiff.schedule import NoiseSchedule
from statesdiff.solvers import dpm_solver, heun


def _bent(x: Tensor, t: int | Tensor) -> Tensor:
    """A predictor that depends on x and on t, and is defined at t = 0 as well."""
    t = torch.as_tensor(t).to(x)
    return torch.tanh(x * (0.5 + t / 80) + torch.tensor([0.3, -0.2]).to(x)) + 0.1 * t / 80


def heun_step(f: Callable[..., Tensor]) -> Verdict:
    """f(schedule, x_t (B, D), t, s, predictor) -> x_s by Heun's step, by Euler's where s = 0."""
    schedule, x = NoiseSchedule.linear(T=80, beta_1=0.005, beta_T=0.1), torch.randn(50, 2, generator=stream("check"))
    right = list(heun(_bent, schedule, x, grid=[60, 40, 0]))[1]
    end, there = list(heun(_bent, schedule, x, grid=[12, 0]))[-1], _bent
    asked_at_0 = {
        "at s = 0 there is no noise to ask about, and no network has learnt to answer: go with the first slope": _mean(
            schedule, x, 12, 0, there
        )
    }
    return first_failing(
        "a step with the mean of the slopes at its two ends",
        lambda: judge(f, (schedule, x, 60, 40, _bent), right, _wrong_steps(schedule, x), rtol=1e-3),
        lambda: judge(f, (schedule, x, 12, 0, _bent), end, asked_at_0, rtol=1e-3).at("s = 0"),
    )


def _mean(schedule: NoiseSchedule, x: Tensor, t: int, s: int, predictor: Callable, **change: Any) -> Tensor:
    """Heun's step from t to s, with an ingredient changed."""
    a_t, a_s = (float(schedule.alpha_bar[u].sqrt()) for u in (t, s))
    width = float(schedule.noise_level[s] - schedule.noise_level[t])
    v = {"a_t": a_t, "a_s": a_s, "width": width, "weights": (0.5, 0.5)} | change
    shrunk, first = x / v["a_t"], predictor(x, t)
    there = v["a_s"] * (shrunk + v["width"] * first)
    second = predictor(*v.get("asked", lambda there: (there, s))(there))
    slope = v["weights"][0] * first + v["weights"][1] * second
    return v["a_s"] * (v.get("start", lambda shrunk, there: shrunk)(shrunk, there / v["a_s"]) + v["width"] * slope)


def _wrong_steps(schedule: NoiseSchedule, x: Tensor) -> dict[str, Tensor]:
    a, level = schedule.alpha_bar.sqrt(), schedule.noise_level
    sin, a_s = (1 - schedule.alpha_bar).sqrt(), float(schedule.alpha_bar[40].sqrt())
    half = float(a[50]) * (x / float(a[60]) + float(level[50] - level[60]) * _bent(x, 60))
    middle = a_s * (x / float(a[60]) + float(level[40] - level[60]) * _bent(half, 50))

    def step(**change: Any) -> Tensor:
        return _mean(schedule, x, 60, 40, _bent, **change)

    return {
        "this is Euler's step, DDIM: ask once more at s, and go again with the mean of the two": step(weights=(1, 0)),
        "you went with the second slope alone: take the mean of both": step(weights=(0, 1)),
        "the two slopes are added: take their mean": step(weights=(1, 1)),
        "the second question was asked at x_t: ask where the first step leads": step(asked=lambda there: (x, 40)),
        "the second question was asked with the time t: it is about s": step(asked=lambda there: (there, 60)),
        "the network was asked about x / sqrt(alpha_bar): it knows x as it is, so multiply by sqrt(alpha_bar_s)": step(
            asked=lambda there: (there / a_s, 40)
        ),
        "you went on from where the first step leads: go again from x_t": step(start=lambda shrunk, there: there),
        "x_t was not divided by sqrt(alpha_bar_t)": step(a_t=1.0),
        "the end was not multiplied by sqrt(alpha_bar_s)": step() / a_s,
        "the noise level falls: the width of the step, from t to s, is negative": step(
            width=float(level[60] - level[40])
        ),
        "the slope belongs to noise_level, not to sqrt(1 - alpha_bar)": step(width=float(sin[40] - sin[60])),
        "this asks in the middle of the step, which is of second order too: Heun asks at its end": middle,
    }


parabola = OnPaper(
    right=1 - 2 * torch.exp(torch.tensor(-1.0, dtype=torch.float64)).item(),
    wrong={
        "this is half of it: the factor by which programs in use go wrong": 0.5 - torch.exp(torch.tensor(-1.0)).item(),
        "the exponential is missing: this is the integral of v^2 alone": 1 / 3,
        "this is the integral of exp(v) v^2: exp(v - h) is smaller by a factor e": torch.e - 2,
        "this is the integral of exp(v - h) v, the weight of the slope": torch.exp(torch.tensor(-1.0)).item(),
        "this is the integral of exp(v - h), the weight of x_0_hat itself": 1 - torch.exp(torch.tensor(-1.0)).item(),
        "the sign of the last exponential: exp(-v) was integrated": 2 - 5 * torch.exp(torch.tensor(-1.0)).item(),
    },
    praise="twice what programs in use take",
    rtol=2e-3,
)

bridge = OnPaper(
    right=torch.special.erf(torch.tensor(0.125 / 2**0.5, dtype=torch.float64)).item(),
    wrong={
        "this is one side only: x_0 may be negative as well": 0.5
        * torch.special.erf(torch.tensor(0.125 / 2**0.5)).item(),
        "this is the whole slope, |x_0| < 1: asked is the middle, |x_0| < 1/2": torch.special.erf(
            torch.tensor(0.25 / 2**0.5)
        ).item(),
        "the slope k is missing: |x_0| < 1/2 means |x_T| < 1/(2 k)": torch.special.erf(
            torch.tensor(0.5 / 2**0.5)
        ).item(),
        "1/(2 k), not k/2": torch.special.erf(torch.tensor(2.0 / 2**0.5)).item(),
        "this is the width of the strip, 1/k: multiply by the density": 0.25,
        "these are the points outside of the middle": 1 - torch.special.erf(torch.tensor(0.125 / 2**0.5)).item(),
    },
    praise="about the density at the border times 1/k: a map ten times as steep leaves a tenth",
    rtol=4e-3,
)


broken_solver = FindTheLine(
    source="""
def solve(predictor, schedule, x, times):
    ratio = schedule.log_snr / 2
    before = None
    for t, s in zip(times, times[1:]):
        x_0_hat = schedule.predict_x_0(x, t, predictor(x, torch.tensor(t)))
        if s == 0:
            return x_0_hat
        h = ratio[s] - ratio[t]
        slope = 0 if before is None else (x_0_hat - before) / width
        before, width = x_0_hat, h
        kept = ((1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[t])).sqrt()
        taken = schedule.alpha_bar[s].sqrt() * (1 - torch.exp(-h))
        x = kept * x + taken * (x_0_hat + h / 2 * slope)
""",
    faults={
        "A": (9, "slope = 0 if before is None else (before - x_0_hat) / width"),
        "B": (11, "kept = (schedule.alpha_bar[s] / schedule.alpha_bar[t]).sqrt()"),
        "C": (7, "return x"),
    },
    innocent={
        1: "it names what comes in, which is the same for all",
        2: "with another ratio every step would take in a wrong share, and more steps would not help; a single point "
        "would be missed by far",
        ("B", 2): "with another ratio a wrong share would be taken in; but here the noise that was there has not left",
        3: "before the first step there is nothing to remember",
        4: "it goes through the times, and all versions ask equally often",
        5: "asked with a wrong time, the predictor would be off for the single point as well, less for small steps",
        ("C", 5): "a wrong question would do harm at every step; here what is wrong does not fall with their number",
        6: "the step to t = 0 is the last, whatever is returned",
        7: "a wrong return would leave the noise of the last time, about as much however many steps there are",
        8: "were the length of a step wrong, the single point would be missed in all of them",
        9: "a wrong slope does no harm to a single point, for which x_0_hat does not change",
        10: "it remembers x_0_hat and the length of the step that was taken; were that wrong, a single point would not "
        "suffer, and all other data would",
        ("A", 10): "that would spoil the size of the slope; the error would be smaller than Euler's, not larger",
        11: "were the share of x that is kept wrong, no number of steps would help",
        12: "were the share of x_0_hat that is taken in wrong, no number of steps would help, and the single point "
        "would be missed",
        ("B", 12): "a wrong share of x_0_hat moves the middle of the cloud; here it is its spread that is wrong",
        13: "it adds up what the lines above it have made",
    },
    praise={
        "A": "a slope of the wrong sign: the prediction is continued backwards, worse than not at all",
        "B": "the factor of another form of the equation, in which the noise is continued: here it keeps all the noise",
        "C": "x at the last time, with its noise: the last step is to x_0_hat",
    },
)


@cache
def _starts_and_ends() -> tuple[Tensor, Tensor]:
    """2,000 starts, and where the equation takes them, by 100 evaluations."""
    model, schedule = book_denoiser("fourier")
    x_T = torch.randn(2000, 2, generator=stream("eight times"))
    return x_T, last(dpm_solver(model, schedule, x_T, steps=100))


def missed_by(times: list[int]) -> float:
    """The mean distance between the ends of 2,000 paths through these times and 0, and those of the exact paths."""
    model, schedule = book_denoiser("fourier")
    x_T, ends = _starts_and_ends()
    return float((last(dpm_solver(model, schedule, x_T, grid=[*times, 0])) - ends).norm(dim=1).mean())


def _missed_with_eight(times: Any) -> float:
    """`missed_by` for eight whole numbers that fall from 500 to at least 1. Raises AgainstTheRules for others."""
    try:
        falling = [int(t) for t in times]
        whole = all(a == b for a, b in zip(falling, times, strict=True))
    except (TypeError, ValueError, RuntimeError):
        falling, whole = [], False
    if len(falling) != 8 or not whole or falling != sorted(set(falling), reverse=True):
        raise AgainstTheRules(f"give eight whole numbers that fall, such as 500, 400, ..., 5; yours are {times!r}")
    if falling[0] != 500 or falling[-1] < 1:
        raise AgainstTheRules(f"the first time is 500, where the starts are, and the last at least 1; yours {falling}")
    return missed_by(falling)


eight_times = ScoreToBeat(
    measure=_missed_with_eight,
    what="mean distance from the exact ends, with eight times",
    target=0.075,
    best=0.0671,
    tolerance=0.02,
)
