"""Answers to the exercises of chapters 8 and 9, right and wrong, for the tests of the self-checks."""

import math

import numpy as np
import torch
from check_answers import right, wrong
from scipy import stats

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
    (lambda a, b, d, n: 0.1, "not the right numbers"),
]
for half_width, words in MISTAKES:
    wrong("paired_difference", mean_and(half_width), words)
wrong("paired_difference", mean_and(lambda a, b, d, n: student(n) * d.std() / n**0.5, sign=-1), "turned round")
wrong("paired_difference", lambda a, b: tuple(stats.ttest_rel(b, a).confidence_interval(0.95)), "two ends")
wrong("paired_difference", lambda a, b: (b - a).mean(), "shape")

# log_snr(alpha_bar)

right(
    "log_snr",
    lambda ab: (ab / (1 - ab)).log(),
    lambda ab: torch.logit(ab),
    lambda ab: np.log(ab.numpy()) - np.log1p(-ab.numpy()),
)
wrong("log_snr", lambda ab: ab / (1 - ab), "ratio itself")
wrong("log_snr", lambda ab: ((1 - ab) / ab).log(), "sign")
wrong("log_snr", lambda ab: (ab / (1 - ab)).log10(), "base 10")
wrong("log_snr", lambda ab: (ab / (1 - ab)).log2(), "base 2")
wrong("log_snr", lambda ab: (ab / (1 - ab)).sqrt().log(), "standard deviations")
wrong("log_snr", lambda ab: ab.log(), "log alpha_bar")
wrong("log_snr", lambda ab: ((1 - ab) / ab).sqrt().log(), "noise level")
wrong("log_snr", lambda ab: (ab / (1 - ab).sqrt()).log(), "not its root")
wrong("log_snr", lambda ab: 0 * ab, "not the right numbers")

# betas_of(alpha_bar)


def betas_in_a_loop(ab):
    return [1 - ab[t].item() / ab[t - 1].item() for t in range(1, len(ab))]


right("betas_of", lambda ab: 1 - ab[1:] / ab[:-1], lambda ab: -ab.log().diff().expm1(), betas_in_a_loop)
wrong("betas_of", lambda ab: 1 - ab, "before it")
wrong("betas_of", lambda ab: 1 - ab[1:], "before it")
wrong("betas_of", lambda ab: ab[1:] / ab[:-1], "these are the alphas")
wrong("betas_of", lambda ab: 1 - ab[:-1] / ab[1:], "quotient is turned round")
wrong("betas_of", lambda ab: ab[:-1] - ab[1:], "differences")
wrong("betas_of", lambda ab: ab.diff(), "differences")
wrong("betas_of", lambda ab: torch.cat([torch.zeros(1), 1 - ab[1:] / ab[:-1]]), "leave out beta_0")
wrong("betas_of", lambda ab: torch.cat([torch.ones(1), 1 - ab[1:] / ab[:-1]]), "leave out beta_0")
wrong("betas_of", lambda ab: (1 - ab[1:] / ab[:-1]).flip(0), "order")
wrong("betas_of", lambda ab: 1 - (ab[1:] / ab[:-1]).sqrt(), "square root too many")
wrong("betas_of", lambda ab: (1 - ab[1:] / ab[:-1])[:-1], "last beta is missing")
wrong("betas_of", lambda ab: 0 * ab[1:], "not the right numbers")
