"""Answers to the exercises of chapter 8, right and wrong."""

import math

import numpy as np
import torch
from scipy import stats

from tests.check.answers import right, wrong

# end_of_chain(T, beta_1, beta_T)


def ramp(T, beta_1, beta_T):
    return torch.linspace(beta_1, beta_T, T, dtype=torch.float64)


right(
    "end_of_chain",
    lambda T, a, b: (1 - ramp(T, a, b)).prod().item(),
    lambda T, a, b: np.prod(1 - np.linspace(a, b, T)),
    lambda T, a, b: math.exp(sum(math.log1p(-a - (b - a) * i / (T - 1)) for i in range(T))),
)
wrong("end_of_chain", lambda T, a, b: ramp(T, a, b).prod(), "product of the betas")
wrong("end_of_chain", lambda T, a, b: math.exp(-T * (a + b) / 2), "Eq. 17")
wrong("end_of_chain", lambda T, a, b: 1 - (1 - ramp(T, a, b)).prod(), "variance of the noise")
wrong("end_of_chain", lambda T, a, b: (1 - ramp(T, a, b)).prod().sqrt(), "square root")
wrong("end_of_chain", lambda T, a, b: (1 - ramp(T, a, b)).cumprod(0), "return the last")
wrong("end_of_chain", lambda T, a, b: ramp(T, a, b).sum(), "sum of the betas")
wrong("end_of_chain", lambda T, a, b: (1 - ramp(T, a, b))[:-1].prod(), "beta_T is missing")
wrong("end_of_chain", lambda T, a, b: np.prod(1 - np.arange(a, b - 1e-9, (b - a) / T)), "beta_T is missing")
wrong("end_of_chain", lambda T, a, b: 1 - b, "last alpha alone")
wrong("end_of_chain", lambda T, a, b: (1 - ramp(T + 1, a, b)).prod(), "T + 1 betas")
wrong("end_of_chain", lambda T, a, b: (1 - b) ** T, "beta_T at every step")
wrong("end_of_chain", lambda T, a, b: (1 - a) ** T, "beta_1 at every step")
wrong("end_of_chain", lambda T, a, b: (1 - (a + b) / 2) ** T, "mean of the betas")
wrong("end_of_chain", lambda T, a, b: (1 - ramp(T, a, b)).log().sum(), "logarithm of alpha_bar_T")
wrong("end_of_chain", lambda T, a, b: (1 - ramp(T, a, b)).cumprod(0)[-1:], "still in a tensor")
wrong("end_of_chain", lambda T, a, b: T * a, "not the right numbers")


# paired_difference(a, b)


def mean_and(half_width, sign=1):
    def answer(a, b):
        d = b - a
        return sign * d.mean().item(), float(half_width(a, b, d, len(d)))

    return answer


def student(n, p=0.975):
    return stats.t.ppf(p, n - 1)


def by_scipy(a, b):
    found = stats.ttest_rel(b, a).confidence_interval(0.95)
    return (found.high + found.low) / 2, (found.high - found.low) / 2


right("paired_difference", mean_and(lambda a, b, d, n: student(n) * d.std() / n**0.5), by_scipy)
MISTAKES = [
    (lambda a, b, d, n: student(n) * d.std(), "1 / sqrt(n)"),
    (lambda a, b, d, n: d.std(), "1 / sqrt(n)"),
    (lambda a, b, d, n: d.std() / n**0.5, "standard error"),
    (lambda a, b, d, n: 1.96 * d.std() / n**0.5, "1.96"),
    (lambda a, b, d, n: 2 * d.std() / n**0.5, "1.96"),
    (lambda a, b, d, n: stats.norm.ppf(0.975) * d.std() / n**0.5, "1.96"),
    (lambda a, b, d, n: student(n + 1) * d.std() / n**0.5, "n - 1"),
    (lambda a, b, d, n: student(n) * d.std(correction=0) / n**0.5, "correction=1"),
    (lambda a, b, d, n: student(n, 0.95) * d.std() / n**0.5, "one-sided"),
    (lambda a, b, d, n: student(n) * ((a.var() + b.var()) / n).sqrt(), "spreads of a and b"),
    (lambda a, b, d, n: student(2 * n - 1) * ((a.var() + b.var()) / n).sqrt(), "spreads of a and b"),
    (lambda a, b, d, n: 2 * student(n) * d.std() / n**0.5, "whole width"),
    (lambda a, b, d, n: student(n) * d.std() / n, "divides by n"),
    (lambda a, b, d, n: student(n) * d.var() / n**0.5, "these are variances"),
    (lambda a, b, d, n: 0, "half-width is 0"),
    (lambda a, b, d, n: 0.1, "not the right numbers: wrong in entry 1 only"),
]
for half_width, words in MISTAKES:
    wrong("paired_difference", mean_and(half_width), words)
wrong("paired_difference", mean_and(lambda a, b, d, n: student(n) * d.std() / n**0.5, sign=-1), "turned round")
wrong("paired_difference", lambda a, b: tuple(stats.ttest_rel(b, a).confidence_interval(0.95)), "two ends")
wrong("paired_difference", lambda a, b: (b - a).mean(), "shape")
wrong("paired_difference", lambda a, b: by_scipy(a, b)[::-1], "wrong order", "the mean first")
wrong("paired_difference", lambda a, b: (b.mean(), student(5) * b.std() / 5**0.5), "the interval of the mean of b")
wrong("paired_difference", lambda a, b: by_scipy(b.sub_(a) * 0, b), "`b` was overwritten")


# long_enough

right("long_enough", 2 * math.log(1000) / 0.0201, 687, 688)
wrong("long_enough", math.log(1000) / 0.0201, "half of their sum")
wrong("long_enough", 2 * 3 / 0.0201, "base 10")
wrong("long_enough", 2 * math.log(1000**2) / 0.0201, "no square")
wrong("long_enough", 500, "not the right numbers")
