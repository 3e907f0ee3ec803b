"""Self-checks of chapter 8: where the forward process ends, differences with their intervals, a broken ablation."""

import math
from collections.abc import Callable
from typing import Any

import torch
from scipy.stats import t as student_t
from torch import Tensor

from statesdiff.ablations.homework import total_emd
from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.verdict import Verdict, judge
from statesdiff.exact import IdealDenoiser
from statesdiff.rng import stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule


def end_of_chain(f: Callable[[int, float, float], float]) -> Verdict:
    """f(T, beta_1, beta_T) -> alpha_bar_T of a linear ramp of T betas, one number."""
    T, beta_1, beta_T = 40, 1e-3, 0.05
    beta = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
    alpha_bar_T = (1 - beta).prod().item()
    wrong = {
        "this is the product of the betas: alpha_bar is that of the alphas, 1 - beta": beta.prod(),
        "this is Eq. 17, the approximation: multiply the factors 1 - beta": math.exp(-T * (beta_1 + beta_T) / 2),
        "this is 1 - alpha_bar_T, the variance of the noise": 1 - alpha_bar_T,
        "this is the square root of alpha_bar_T: the share of the variance is asked for": alpha_bar_T**0.5,
        "these are all of the alpha_bars: return the last": (1 - beta).cumprod(0),
        "this is the sum of the betas: what is left is a product": beta.sum(),
        "beta_T is missing: torch.linspace includes both ends, numpy.arange and steps by hand do not": [
            (1 - beta[:-1]).prod(),
            (1 - (beta_1 + (beta_T - beta_1) * torch.arange(T, dtype=torch.float64) / T)).prod(),
        ],
        "this ramp has T + 1 betas, or T - 1: it has one for each t from 1 to T": [
            (1 - torch.linspace(beta_1, beta_T, n, dtype=torch.float64)).prod() for n in (T + 1, T - 1)
        ],
        "this takes beta_T at every step: beta rises from beta_1": (1 - beta_T) ** T,
        "this takes beta_1 at every step: beta rises to beta_T": (1 - beta_1) ** T,
        "this takes the mean of the betas at every step: multiply the factors themselves": (1 - beta.mean()) ** T,
        "this is the logarithm of alpha_bar_T": math.log(alpha_bar_T),
        "this is the last alpha alone: multiply them all": 1 - beta_T,
    }
    return judge(f, (T, beta_1, beta_T), alpha_bar_T, wrong, "what the noise leaves of the data", rtol=1e-5)


def paired_difference(f: Callable[[Tensor, Tensor], tuple[float, float]]) -> Verdict:
    """f(a (n,), b (n,)) -> the mean of b - a and the half-width of its 95% interval over the n pairs."""
    g = stream("check")
    a = 30 + 5 * torch.randn(5, generator=g, dtype=torch.float64)
    b = a + 2 + torch.randn(5, generator=g, dtype=torch.float64)
    d = b - a
    right = torch.stack([d.mean(), float(student_t.ppf(0.975, 4)) * d.std() / 5**0.5])
    praise = "seed by seed, with an interval"
    return judge(f, (a, b), right, _wrong_intervals(a, b), praise)


def _wrong_intervals(a: Tensor, b: Tensor) -> dict[str, Tensor | list[Tensor]]:
    d, n = b - a, 5
    quantile, mean = float(student_t.ppf(0.975, n - 1)), d.mean()
    half = quantile * d.std() / n**0.5
    wrong = _wrong_spreads(a, b, float(mean), quantile) | {
        "the pair is in the wrong order: the mean first, then the half-width": (half, mean),
        "this is the interval of the mean of b: take the differences b - a": (b.mean(), quantile * b.std() / n**0.5),
        "this divides by n: the half-width falls as 1 / sqrt(n)": (mean, quantile * d.std() / n),
        "the mean is there, the half-width is 0: how much do the differences vary?": (mean, 0.0),
        "the order is turned round: b - a is asked for": (-mean, half),
        "this is the whole width: the half-width is asked for": (mean, 2 * half),
        "these are the two ends: return the mean and the half-width": (mean - half, mean + half),
    }
    return {k: [torch.tensor(x) for x in v] if isinstance(v, list) else torch.tensor(v) for k, v in wrong.items()}


def _wrong_spreads(a: Tensor, b: Tensor, mean: float, quantile: float) -> dict[str, Any]:
    """Pairs in which the mean is right and the half-width is taken from another spread or another quantile."""
    d, n = b - a, 5
    error, unpaired = d.std() / n**0.5, ((a.var() + b.var()) / n).sqrt()
    among_n, one_sided, of_two = (float(student_t.ppf(*at)) for at in ((0.975, n), (0.95, n - 1), (0.975, 2 * n - 2)))
    spreads = {
        "these are variances: take the standard deviation of the differences": quantile * d.var() / n**0.5,
        "the half-width lacks 1 / sqrt(n): this is the spread of one pair, not of their mean": [
            quantile * d.std(),
            d.std(),
        ],
        "this is the standard error: multiply it by Student's quantile": error,
        "1.96 is for many repeats: with five, Student's quantile is 2.78": [1.96 * error, 2.0 * error],
        "the degrees of freedom are n - 1": among_n * error,
        "the standard deviation needs n - 1 in the denominator: correction=1, in numpy ddof=1": (
            quantile * d.std(correction=0) / n**0.5
        ),
        "this is one-sided: 95% between two ends leaves 2.5% beyond each, the quantile at 0.975": one_sided * error,
        "you took the spreads of a and b: take that of the differences, where what a seed shares drops out": [
            q * unpaired for q in (quantile, of_two)
        ],
    }
    return {k: [(mean, half) for half in v] if isinstance(v, list) else (mean, v) for k, v in spreads.items()}


# the T at which, by Eq. 17, a thousandth of the variance is left
LONG_ENOUGH = 2 * math.log(1000) / (1e-4 + 0.02)
long_enough = OnPaper(
    LONG_ENOUGH,
    {
        "the mean of the betas is half of their sum: this chain is half as long as it has to be": LONG_ENOUGH / 2,
        "Eq. 17 has the exponential of base e: this is with the logarithm to base 10": LONG_ENOUGH / math.log(10),
        "the share of the variance is a thousandth, not that of the length: no square": 2 * LONG_ENOUGH,
    },
    "a good third longer than the book's chain",
)

broken_ablation = FindTheLine(
    source="""
def total_for(T, x, fresh):
    schedule = NoiseSchedule.linear_matched(T)
    denoiser = IdealDenoiser(x, schedule, jitter=0.05)
    x_T = torch.randn(500, 2, generator=stream("start"))
    path = ddim(denoiser, schedule, x_T, steps=T, eta=1.0, generator=stream("z"))
    x_0 = last(path)
    return total_emd(x_0, fresh, draws=20).mean()
""",
    faults={
        "A": (2, "schedule = NoiseSchedule.linear(T)"),
        "B": (5, 'path = ddim(denoiser, schedule, x_T, steps=min(T, 10), eta=1.0, generator=stream("z"))'),
        "C": (7, "return total_emd(x_0, x, draws=20).mean()"),
    },
    innocent={
        1: "it only says what goes in",
        2: "with another schedule the chains would end in different places, and few levels suffer from that most",
        3: "another denoiser, or other points, would spoil long chains and short ones alike",
        4: "N(0, I) is the right start for every T of a matched chain; a wrong one would spoil them all",
        5: "with fewer steps than levels the long chains would be no better than the short ones",
        6: "the last of the way is x_0, whatever T is",
        7: "other points to compare with would move the whole curve, its floor with it",
        ("A", 7): "other points to compare with would move the long chains too",
        ("B", 2): "with betas that do not grow as T falls it is the short chains that would suffer",
        ("C", 5): "fewer steps never bring samples nearer than real points are",
    },
    praise={
        "A": "the betas are kept, so few levels leave the data in place, and N(0, I) is the wrong start",
        "B": "the sampler takes at most ten steps, so that more levels cannot help it: the other knob",
        "C": "the samples are compared with the points that the denoiser knows, and real points would do worse",
    },
    names={
        "NoiseSchedule": NoiseSchedule,
        "IdealDenoiser": IdealDenoiser,
        "stream": stream,
        "ddim": ddim,
        "last": last,
        "total_emd": total_emd,
    },
)
