"""Self-checks of chapter 14: a step that remembers, two numbers on paper, spoilt solvers, and the best eight times."""

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
from statesdiff.solvers import dpm_solver


def remembering_step(f: Callable[..., Tensor]) -> Verdict:
    """f(schedule, x_t (B, D), t, s, x_0_hat (B, D), t_before, x_0_before (B, D)) -> x_s; at s = 0 it is x_0_hat."""
    schedule, g = NoiseSchedule.linear(T=80, beta_1=0.005, beta_T=0.1), stream("check")
    x, x_0_hat, x_0_before = (torch.randn(50, 2, generator=g) for _ in range(3))

    def stage(t: int, s: int, before: int, wrong: dict[str, Tensor]) -> Verdict:
        right = _remembering(schedule, x, t, s, x_0_hat, before, x_0_before) if s else x_0_hat
        return judge(f, (schedule, x, t, s, x_0_hat, before, x_0_before), right, wrong, rtol=1e-3)

    return first_failing(
        "what is kept of x_t, and what is taken in along the line",
        lambda: stage(50, 40, 75, _wrong_steps(schedule, x, x_0_hat, x_0_before)),
        lambda: stage(12, 5, 20, {}).at("the step from 12 to 5"),
        lambda: stage(2, 0, 9, {"at s = 0 nothing is kept of x_t, but h is infinite: return x_0_hat": x}).at("s = 0"),
    )


def _remembering(
    schedule: NoiseSchedule, x: Tensor, t: int, s: int, new: Tensor, before: int, old: Tensor, **change: Any
) -> Tensor:
    """The step of second order with an ingredient changed."""
    kappa, alpha_bar = schedule.log_snr / 2, schedule.alpha_bar
    v = {"h": kappa[s] - kappa[t], "last": kappa[t] - kappa[before], "place": 0.5, "of": alpha_bar[s].sqrt()} | change
    kept = v.get("kept", ((1 - alpha_bar[s]) / (1 - alpha_bar[t])).sqrt())
    line = new + v["place"] * v["h"] * (new - old) / v["last"]
    return (kept * x + v["of"] * v.get("weight", 1 - torch.exp(-v["h"])) * line).float()


def _wrong_steps(schedule: NoiseSchedule, x: Tensor, new: Tensor, old: Tensor) -> dict[str, Tensor]:
    t, s, before = 50, 40, 75
    kappa, alpha_bar = schedule.log_snr / 2, schedule.alpha_bar
    h, last_h = kappa[s] - kappa[t], kappa[t] - kappa[before]

    def step(**change: Any) -> Tensor:
        return _remembering(schedule, x, t, s, new, before, old, **change)

    return {
        "this is Euler's step, DDIM: x_0_hat goes on along the line through the last two predictions": step(place=0),
        "the line goes back: its slope is the latest prediction less the one before": step(place=-0.5),
        "the slope is a difference divided by the length of the step before: that length is missing": step(last=1.0),
        "the slope was divided by the length of this step: the two predictions are one step before apart": step(last=h),
        "the line is taken at the end of the step: the middle, h/2, is meant": step(place=1.0),
        "x_t was kept by sqrt(alpha_bar_s / alpha_bar_t), which keeps the noise: the factor is that of Eq. 40": step(
            kept=(alpha_bar[s] / alpha_bar[t]).sqrt()
        ),
        "a square root is missing: x_t is kept by the root of (1 - alpha_bar_s) / (1 - alpha_bar_t)": step(
            kept=(1 - alpha_bar[s]) / (1 - alpha_bar[t])
        ),
        "log_snr is twice kappa: take half of it": step(h=2 * h, last=2 * last_h),
        "the weight is 1 - exp(-h), not exp(h) - 1": step(weight=torch.exp(h) - 1),
        "what is taken in was not multiplied by sqrt(alpha_bar_s)": step(of=1.0),
        "a square root is missing: what is taken in is multiplied by sqrt(alpha_bar_s)": step(of=alpha_bar[s]),
        "sqrt(alpha_bar) belongs to s, the end, not to t": step(of=alpha_bar[t].sqrt()),
        "the two predictions are swapped": _remembering(schedule, x, t, s, old, before, new),
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
        2: "with another ratio more steps would not help, and here they do",
        ("B", 2): "with another ratio samples are off by 1 to 3, not by 23: here the noise that was there has not left",
        3: "before the first step there is nothing to remember",
        4: "it goes through the times, and all versions ask equally often",
        5: "it asks about x at the time of x, as it should: ask what is made of the answer",
        ("B", 5): "asked with the next time in place of its own, the predictor is off by less than 1, not by 23",
        ("C", 5): "a wrong question does less harm in smaller steps; here something stays, however many they are",
        6: "the step to t = 0 is the last, whatever is returned",
        7: "a wrong return would leave the noise of the last time, about as much however many steps there are",
        8: "were the length of a step wrong, more steps would not help, and here they do",
        ("B", 8): "with another length of the steps samples are off by 1 to 3, not by 23",
        9: "a wrong slope does no harm to a single point, for which x_0_hat does not change",
        ("B", 9): "Euler's step has no slope at all, and is off by 0.2 with ten steps, not by 23",
        10: "it remembers x_0_hat and the length of the step that was taken; were that wrong, a single point would not "
        "suffer, and all other data would",
        ("A", 10): "it remembers the latest x_0_hat and the length of the step, as it should: ask what is made of them",
        ("B", 10): "with nothing remembered all steps are Euler's, off by 0.2 with ten of them, not by 23",
        11: "were the share of x that is kept wrong, no number of steps would help, and here it does",
        12: "with a slope of 0 it makes the step of Eq. 7, as it should",
        ("B", 12): "x_0_hat is no larger than the map: a wrong share of it leads 1 or 2 away, not 23",
        (
            "C",
            12,
        ): "with another share ten steps are off by more than 0.1; here they are hardly worse than the right ones",
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
