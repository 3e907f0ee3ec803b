"""Self-checks of chapter 8: where the forward process ends, and differences with their intervals."""

import math
from collections.abc import Callable

import torch
from scipy.stats import t as student_t
from torch import Tensor

from statesdiff.check.verdict import Verdict, judge
from statesdiff.rng import stream


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
        "this is the last alpha alone: multiply them all": 1 - beta_T,
    }
    return judge(f, (T, beta_1, beta_T), alpha_bar_T, wrong, "what the noise leaves of the data", rtol=1e-5)


def paired_difference(f: Callable[[Tensor, Tensor], tuple[float, float]]) -> Verdict:
    """f(a (n,), b (n,)) -> the mean of b - a and the half-width of its 95% interval over the n pairs."""
    g = stream("check")
    a = 30 + 5 * torch.randn(5, generator=g, dtype=torch.float64)
    b = a + 2 + torch.randn(5, generator=g, dtype=torch.float64)
    d, n = b - a, 5
    quantile, mean = float(student_t.ppf(0.975, n - 1)), d.mean()
    half = quantile * d.std() / n**0.5
    unpaired = ((a.var() + b.var()) / n).sqrt()
    wrong = {
        "the order is turned round: b - a is asked for": (-mean, half),
        "the half-width lacks 1 / sqrt(n): this is the spread of one pair, not of their mean": [
            (mean, quantile * d.std()),
            (mean, d.std()),
        ],
        "this is the standard error: multiply it by Student's quantile": (mean, d.std() / n**0.5),
        "1.96 is for many repeats: with five, Student's quantile is 2.78": [
            (mean, z * d.std() / n**0.5) for z in (1.96, 2.0)
        ],
        "the degrees of freedom are n - 1": (mean, float(student_t.ppf(0.975, n)) * d.std() / n**0.5),
        "the standard deviation needs n - 1 in the denominator: correction=1, in numpy ddof=1": (
            mean,
            quantile * d.std(correction=0) / n**0.5,
        ),
        "this is one-sided: 95% between two ends leaves 2.5% beyond each, the quantile at 0.975": (
            mean,
            float(student_t.ppf(0.95, n - 1)) * d.std() / n**0.5,
        ),
        "you took the spreads of a and b: take that of the differences, where what a seed shares drops out": [
            (mean, q * unpaired) for q in (quantile, float(student_t.ppf(0.975, 2 * n - 2)))
        ],
        "this is the whole width: the half-width is asked for": (mean, 2 * half),
        "these are the two ends: return the mean and the half-width": (mean - half, mean + half),
    }
    wrong = {k: [torch.tensor(x) for x in v] if isinstance(v, list) else torch.tensor(v) for k, v in wrong.items()}
    praise = "seed by seed, with an interval"
    return judge(f, (a, b), torch.tensor([mean, half]), wrong, praise)
