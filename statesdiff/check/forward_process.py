"""Self-checks of chapter 2: what is left of the signal, noising in one go, and when the noise takes over."""

from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.check.verdict import Verdict, attempt, compare, first_failing, judge, manners
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule


def alpha_bar(f: Callable[[Tensor], Tensor]) -> Verdict:
    """f(beta (T + 1,)) -> alpha_bar (T + 1,), with alpha_bar[0] = 1."""
    beta = NoiseSchedule.linear(T=20, beta_1=0.01, beta_T=0.3).beta
    right = (1 - beta).cumprod(0)
    wrong = {
        "this is the product of the betas: alpha_t = 1 - beta_t": beta.cumprod(0),
        "this is a running sum: alpha_bar is a product": (1 - beta).cumsum(0),
        "1 minus the sum of the betas: the alphas multiply": 1 - beta.cumsum(0),
        "these are the alphas themselves: multiply them up to t": 1 - beta,
        "off by one: alpha_bar[0] is 1 and belongs to clean data, so alpha_bar[t] includes beta_t": torch.cat(
            [right[1:], right[-1:]]
        ),
        "off by one: the entry of t = 0, which is 1, is missing": right[1:],
        "this is the square root of alpha_bar": right.sqrt(),
    }
    return judge(f, (beta,), right, wrong, "alpha_bar starts at 1 and is the running product of the alphas")


def add_noise(f: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> Verdict:
    """f(x_0 (B, D), t (B,), alpha_bar (T + 1,)) -> x_t (B, D) and the standard normal eps (B, D) it was made with."""
    ab = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.1).alpha_bar.float()
    x_0, t = torch.randn(4000, 2, generator=stream("check")), torch.arange(1, 101).repeat(40)
    tried, verdict = attempt(f, x_0, t, ab)
    if verdict:
        return verdict
    got = tried.got
    if not (isinstance(got, tuple | list) and len(got) == 2 and all(isinstance(part, Tensor) for part in got)):
        return Verdict(False, "return two tensors: x_t and the eps that made it")
    x_t, eps = got
    return first_failing(
        "the right mixture at every t, and its noise",
        lambda: _odd_noise(eps, x_0),
        lambda: compare(x_t, _mix(x_0, eps, ab[t]), _wrong_mixtures(x_0, eps, t, ab), rtol=1e-4),
        lambda: manners(tried, random=True),
    )


def _odd_noise(eps: Tensor, x_0: Tensor) -> Verdict | None:
    if eps.shape != x_0.shape:
        return Verdict(False, f"eps needs one number per coordinate, {tuple(x_0.shape)}; yours has {tuple(eps.shape)}")
    eps = eps.double()
    if abs(eps.mean()) < 0.1 and abs(eps.std() - 1) < 0.1:
        return None
    why = ": is it torch.rand instead of torch.randn?" if eps.min() >= 0 and eps.max() <= 1 else ""
    return Verdict(False, f"eps has mean {eps.mean():.2f} and deviation {eps.std():.2f}, not 0 and 1{why}")


def _mix(x_0: Tensor, eps: Tensor, ab: Tensor, signal: float = 0.5, noise: float = 0.5) -> Tensor:
    return (ab**signal).reshape(-1, 1) * x_0 + ((1 - ab) ** noise).reshape(-1, 1) * eps


def _wrong_mixtures(x_0: Tensor, eps: Tensor, t: Tensor, ab: Tensor) -> dict[str, Tensor]:
    uneven = "x_t does not keep variance 1: "
    return {
        uneven + "both square roots are missing": _mix(x_0, eps, ab[t], 1, 1),
        uneven + "the square root on alpha_bar is missing": _mix(x_0, eps, ab[t], 1, 0.5),
        uneven + "the square root on 1 - alpha_bar is missing": _mix(x_0, eps, ab[t], 0.5, 1),
        "off by one: you used alpha_bar of t - 1": _mix(x_0, eps, ab[t - 1]),
        "signal and noise are swapped: at t = 0 only x_0 should be left": _mix(eps, x_0, ab[t]),
        "wrong broadcasting: every row got the first t; index alpha_bar with all of t and shape it (B, 1)": _mix(
            x_0, eps, ab[t[:1]]
        ),
        "no noise was added: x_t is only x_0, shrunk": _mix(x_0, eps * 0, ab[t]),
    }


def half_time(f: Callable[[Tensor], int]) -> Verdict:
    """f(alpha_bar (T + 1,)) -> the first t at which the noise has at least the variance of the signal."""
    ab = NoiseSchedule.linear(T=200).alpha_bar
    right = int((ab <= 0.5).nonzero()[0])
    wrong = {
        "off by one: at this t the signal is still the larger part": right - 1,
        "off by one: the step before already has more noise than signal": right + 1,
        "this compares standard deviations with 1/2: compare variances": int((ab.sqrt() <= 0.5).nonzero()[0]),
        "this is the last time of the schedule": 200,
    }
    return judge(f, (ab,), right, wrong, "from here on the noise is the larger part", rtol=1e-6)
