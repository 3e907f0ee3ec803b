"""Answers to the exercises of chapter 9, right and wrong."""

import math

import numpy as np
import torch

from statesdiff.ablations.curves import curve
from tests.check.answers import right, wrong

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
wrong("log_snr", lambda ab: (1 - ab).log(), "log(1 - alpha_bar)")
wrong("log_snr", lambda ab: -torch.log1p(-ab), "log(1 - alpha_bar)")
wrong("log_snr", lambda ab: ab - (1 - ab), "a difference")
wrong("log_snr", lambda ab: 10 * (ab / (1 - ab)).log10(), "decibels")
wrong("log_snr", lambda ab: ab.div_(1 - ab).log_(), "`ab` was overwritten")
wrong("log_snr", lambda ab: (ab / (1 - ab)).log()[1:], "the shape should be (19,), yours is (18,)")
wrong("log_snr", lambda ab: (ab / (1 - ab)).log() - 1, "an added constant, -1")
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
wrong("betas_of", lambda ab: (1 - ab[1:] / ab[:-1])[1:], "first beta is missing")
wrong("betas_of", lambda ab: -ab.log().diff(), "-log alpha")
wrong("betas_of", lambda ab: (1 - ab[1:] / ab[:-1]).sqrt(), "square roots of the betas")
wrong("betas_of", lambda ab: (1 - ab[1:] / ab[:-1]).clamp(max=0.9), "wrong at t = 12 only")
wrong("betas_of", lambda ab: torch.cat([ab[:1] * 0, 1 - ab[2:] / ab[1:-1]]), "wrong at t = 1 only")
wrong("betas_of", lambda ab: ab[1:].div_(ab[:-1].clone()).neg_().add_(1), "`ab` was overwritten")
wrong("betas_of", lambda ab: 0 * ab[1:], "not the right numbers")


# cosine_share


def between(low, high):
    return 2 / math.pi * (math.atan(math.exp(-low / 2)) - math.atan(math.exp(-high / 2)))


right("cosine_share", between(-1, 1), 0.306, 0.305)
wrong("cosine_share", between(-2, 2), "factor of 2")
wrong("cosine_share", between(0, 1), "one side")
wrong("cosine_share", 1 / math.pi, "slope in the middle")
wrong("cosine_share", 0.5, "not the right numbers")


# ten_rungs

OWN_RUNGS = [6.6, 4.0, 2.6, 1.7, 1.2, 0.8, 0.5, 0.1, -0.2, -0.6]
right("ten_rungs", OWN_RUNGS, torch.tensor(OWN_RUNGS))
wrong("ten_rungs", curve("cosine", 10).log_snr[1:], "at most 0.08")
wrong("ten_rungs", curve("even", 10).log_snr[1:].tolist(), "at most 0.08")
wrong("ten_rungs", [7, 5, 3, 1], "10 values")
wrong("ten_rungs", list(range(10)), "must fall")
wrong("ten_rungs", [math.inf, *range(9, 0, -1)], "between -20 and 20")
wrong("ten_rungs", ["seven"] * 10, "raised")
