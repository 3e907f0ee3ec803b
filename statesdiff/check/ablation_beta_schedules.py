"""Self-checks of chapter 9: the scale on which schedules are compared, and the betas that make a curve a schedule."""

from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.check.verdict import Verdict, judge
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
    }
    return judge(f, (ab,), beta, wrong, "any falling curve from 1 is a schedule")
