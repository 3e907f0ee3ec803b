"""Self-checks of chapter 9: log signal-to-noise, the betas that make a curve a schedule, and the best ten rungs."""

import math
from collections.abc import Callable, Sequence
from functools import cache

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, judge
from statesdiff.data import JITTER, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule


def log_snr(f: Callable[[Tensor], Tensor]) -> Verdict:
    """f(alpha_bar (n,)) -> the logarithm of the signal-to-noise ratio, of variances, (n,)."""
    ab = NoiseSchedule.cosine(T=20).alpha_bar[1:-1]
    snr = ab / (1 - ab)
    wrong = {
        "this is the ratio itself: take its logarithm": snr,
        "the sign is wrong: this is noise to signal, and rises with t": -snr.log(),
        "this is the logarithm to base 10: take the natural one": snr.log10(),
        "this is the logarithm to base 2: take the natural one": snr.log2(),
        "this is the ratio of standard deviations: leave the square roots out": snr.log() / 2,
        "this is log alpha_bar: divide by the variance of the noise, 1 - alpha_bar": ab.log(),
        "this is the logarithm of the noise level, sqrt((1 - alpha_bar) / alpha_bar)": -snr.log() / 2,
        "this is log(1 - alpha_bar), or minus it: divide alpha_bar by it": [(1 - ab).log(), -(1 - ab).log()],
        "this is a difference: the logarithm of the ratio is asked for": 2 * ab - 1,
        "this is in decibels: take the natural logarithm": 10 * snr.log10(),
        "the noise has the variance 1 - alpha_bar, not its root": (ab / (1 - ab).sqrt()).log(),
    }
    return judge(f, (ab,), snr.log(), wrong, "how much clearer the signal is than the noise")


def betas_of(f: Callable[[Tensor], Tensor]) -> Verdict:
    """f(alpha_bar (T + 1,), alpha_bar[0] = 1) -> the beta_t for t = 1..T, (T,)."""
    ab = NoiseSchedule.cosine(T=12).alpha_bar
    beta = 1 - ab[1:] / ab[:-1]
    wrong = {
        "this is 1 - alpha_bar: divide each alpha_bar by the one before it": [1 - ab, 1 - ab[1:]],
        "these are the alphas: beta = 1 - alpha": 1 - beta,
        "the quotient is turned round: alpha_t = alpha_bar_t / alpha_bar_{t-1}": 1 - ab[:-1] / ab[1:],
        "these are differences: alpha_bar falls by factors, so divide": [ab[:-1] - ab[1:], ab[1:] - ab[:-1]],
        "t runs from 1 to T: leave out beta_0": [torch.cat([torch.zeros(1), beta]), torch.cat([ab[:1], beta])],
        "the order is turned round: the first is beta_1": beta.flip(0),
        "a square root too many: alpha_bar, not its root, is the product of the alphas": 1 - (1 - beta).sqrt(),
        "the last beta is missing": beta[:-1],
        "the first beta is missing: alpha_bar[0] = 1 comes before alpha_bar[1]": beta[1:],
        "this is -log alpha, near beta only where it is small": -(ab[1:] / ab[:-1]).log(),
        "these are square roots of the betas: return the variances": beta.sqrt(),
    }
    return judge(f, (ab,), beta, wrong, "any falling curve from 1 is a schedule", places=("t", range(1, 13)))


def _share(low: float, high: float) -> float:
    """The share of the times u in 0..1 at which -2 log tan(pi u / 2) lies between low and high."""
    return 2 / math.pi * (math.atan(math.exp(-low / 2)) - math.atan(math.exp(-high / 2)))


cosine_share = OnPaper(
    _share(-1, 1),
    {
        "a factor of 2 before the logarithm is missing: the squares of cosine and sine make it": _share(-2, 2),
        "this is one side: between 0 and 1, and between -1 and 0 there is as much": _share(0, 1),
        "this is the slope in the middle, held for all of the way: the curve is steeper at the ends": 1 / math.pi,
    },
    "three steps of ten lie within a factor e of equal signal and noise",
    rtol=3e-3,
)

broken_cosine = FindTheLine(
    source="""
def alpha_bar_of(T, offset=0.008):
    u = torch.arange(T + 1) / T
    angle = math.pi / 2 * (u + offset) / (1 + offset)
    alpha_bar = torch.cos(angle) ** 2
    beta = 1 - alpha_bar[1:] / alpha_bar[:-1]
    beta = beta.clamp(max=0.999)
    return (1 - beta).cumprod(0)
""",
    faults={
        "A": (4, "alpha_bar = torch.cos(angle)"),
        "B": (5, "beta = 1 - alpha_bar[1:]"),
        "C": (6, "beta = beta.clamp(max=0.02)"),
    },
    innocent={
        1: "T and the offset are the right curve's too",
        2: "times that go elsewhere would bend the curve sideways, or end it early",
        3: "the curve would be half of the right one, or would turn back",
        4: "a root too many or too few lifts or lowers the whole curve, and bends it little",
        5: "betas that do not belong to alpha_bar would make another curve from the first steps on",
        6: "the cut acts where betas are large, near the end, and nowhere else",
        ("A", 5): "a root of the quotient would make the same curve, but there is none: beta is 1 less the quotient of "
        "neighbours, as it should be",
        (
            "C",
            5,
        ): "C is the right curve up to t = 36, where the right beta comes to 0.02; from there on all its betas are "
        "one number, and before they were right",
        7: "without the product the curve would stay above 0 almost to the end",
    },
    praise={
        "A": "a square is missing: alpha_bar is the square of the cosine, and more signal is left everywhere",
        "B": "the quotient is missing: what has been lost before is taken away again at every step",
        "C": "the cut is far too low: from t = 37 on all betas are 0.02, and the chain ends with signal left",
    },
    names={"math": math},
)

RUNGS, KNOWN, STARTS = 10, 600, 300


def _arrivals(schedule: NoiseSchedule) -> Tensor:
    """Where the exact denoiser takes the check's starts without noise, (STARTS, 2)."""
    exact = IdealDenoiser(outline_points(KNOWN), schedule, jitter=JITTER)
    return last(ddim(exact, schedule, randn(STARTS, 2, generator=stream("check")), steps=schedule.T))


@cache
def _end_of_a_fine_way() -> Tensor:
    return _arrivals(NoiseSchedule.from_log_snr(torch.linspace(9, -7, 300, dtype=torch.float64)))


def _miss(log_snr: Sequence[float] | Tensor) -> float:
    """How far on average the starts arrive from where 300 steps take them; log_snr falls from t = 1 to t = 10."""
    curve = torch.as_tensor(log_snr, dtype=torch.float64)
    if curve.shape != (RUNGS,):
        raise AgainstTheRules(f"{RUNGS} values of the log signal-to-noise are allowed, got {tuple(curve.shape)}")
    if not curve.isfinite().all() or curve.abs().max() > 20:
        raise AgainstTheRules("the values must lie between -20 and 20")
    if (curve.diff() >= 0).any():
        raise AgainstTheRules("the values must fall: the first is that of t = 1, where there is least noise")
    return float((_arrivals(NoiseSchedule.from_log_snr(curve)) - _end_of_a_fine_way()).norm(dim=1).mean())


ten_rungs = ScoreToBeat(
    _miss, "mean distance from where 300 steps arrive, units of x", target=0.08, best=0.056, tolerance=0.02
)
