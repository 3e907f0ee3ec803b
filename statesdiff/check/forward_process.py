"""Self-checks of chapter 2: what is left of the signal, noising in one go, and when the noise takes over."""

from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.verdict import Verdict, attempt, close, compare, first_failing, judge, manners, rule_out
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
        "this is exp(-sum of the betas), which is near it for small betas only: multiply": (-beta.cumsum(0)).exp(),
        "this is the end alone: keep every product on the way, torch.cumprod": right[-1],
        "this is 1 - alpha_bar, the variance of the noise": 1 - right,
    }
    praise = "alpha_bar starts at 1 and is the running product of the alphas"
    return judge(f, (beta,), right, wrong, praise, places=("t", range(21)))


def add_noise(f: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> Verdict:
    """f(x_0 (B, D), t (B,), alpha_bar (T + 1,)) -> x_t (B, D) and the standard normal eps (B, D) it was made with."""
    ab = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.1).alpha_bar.float()
    x_0, t = torch.randn(4000, 2, generator=stream("check")), torch.arange(1, 101).repeat(40)
    tried, verdict = attempt(f, x_0, t, ab)
    if verdict:
        return verdict
    got = tried.got
    if isinstance(got, Tensor) and got.shape == x_0.shape:
        return Verdict(False, "return two tensors, x_t and eps: whoever trains a network needs the noise as its target")
    if not (isinstance(got, tuple | list) and len(got) == 2 and all(isinstance(part, Tensor) for part in got)):
        return Verdict(False, "return two tensors: x_t and the eps that made it")
    x_t, eps = (part.detach().double() for part in got)
    return first_failing(
        "the right mixture at every t, and its noise",
        lambda: _wrong_order(x_t, eps, x_0.double(), ab[t]),
        lambda: _odd_noise(eps, x_0),
        lambda: _judge_mixture(x_t, eps, x_0.double(), t, ab.double()),
        lambda: manners(tried, random=True),
    )


def _wrong_order(x_t: Tensor, eps: Tensor, x_0: Tensor, ab: Tensor) -> Verdict | None:
    swapped = x_t.shape == x_0.shape and close(eps, _mix(x_0, x_t, ab), 1e-4)
    return rule_out({"the two are in the wrong order: return x_t first, then eps": swapped})


def _odd_noise(eps: Tensor, x_0: Tensor) -> Verdict | None:
    if eps.shape != x_0.shape:
        return Verdict(False, f"eps needs one number per coordinate, {tuple(x_0.shape)}; yours has {tuple(eps.shape)}")
    shared = {
        "one noise for both coordinates of a point: draw one number for each, torch.randn_like(x_0)": (
            eps.diff(dim=1).abs().max() < 1e-6 < eps.std()
        ),
        "one noise for all points: draw fresh numbers for each, torch.randn_like(x_0)": (
            eps.diff(dim=0).abs().max() < 1e-6 < eps.std()
        ),
        "some rows have the same noise: draw fresh normal numbers for each, torch.randn_like(x_0)": (
            len(eps.unique(dim=0)) < 0.9 * len(eps) and eps.std() > 1e-6  # half precision makes a few rows equal
        ),
    }
    if verdict := rule_out(shared):
        return verdict
    if abs(eps.mean()) < 0.1 and abs(eps.std() - 1) < 0.1:
        return None
    why = ": is it torch.rand instead of torch.randn?" if eps.min() >= 0 and eps.max() <= 1 else ""
    return Verdict(False, f"eps has mean {eps.mean():.2f} and deviation {eps.std():.2f}, not 0 and 1{why}")


def _mix(x_0: Tensor, eps: Tensor, ab: Tensor, signal: float = 0.5, noise: float = 0.5) -> Tensor:
    return (ab**signal).reshape(-1, 1) * x_0 + ((1 - ab) ** noise).reshape(-1, 1) * eps


def _judge_mixture(x_t: Tensor, eps: Tensor, x_0: Tensor, t: Tensor, ab: Tensor) -> Verdict:
    verdict = compare(x_t, _mix(x_0, eps, ab[t]), _wrong_mixtures(x_0, eps, t, ab), rtol=1e-4)
    if verdict.recognised:
        return verdict
    implied = (x_t - ab[t].sqrt()[:, None] * x_0) / (1 - ab[t]).sqrt()[:, None]
    other_noise = {
        "the eps that is returned is not the one in x_t: draw it once and use it twice": (
            abs(implied.mean()) < 0.1 and abs(implied.std() - 1) < 0.1 and abs((implied * eps).mean()) < 0.1
        )
    }
    return rule_out(other_noise) or _where(x_t, eps, x_0, t, ab) or verdict


def _where(x_t: Tensor, eps: Tensor, x_0: Tensor, t: Tensor, ab: Tensor) -> Verdict | None:
    """Where a mixture is wrong, and what it is made of there; None where numbers are no numbers."""
    if not x_t.isfinite().all():
        return None
    off = ~torch.isclose(x_t, _mix(x_0, eps, ab[t]), rtol=1e-4, atol=1e-4).all(1)
    times = t[off].unique().tolist()
    if not off[torch.isin(t, torch.tensor(times))].all():
        return None  # at one time right and wrong
    at = times[len(times) // 2]
    rows = t == at
    parts = torch.stack([x_0[rows].flatten(), eps[rows].flatten()], dim=1)
    found = torch.linalg.lstsq(parts, x_t[rows].flatten()[:, None]).solution[:, 0]
    if not torch.allclose(parts @ found, x_t[rows].flatten(), rtol=1e-3, atol=1e-3):
        return None
    where = f"wrong at t = {' and '.join(map(str, times))} only" if len(times) < 4 else f"wrong, at t = {at} for one"
    made, due = _told_apart(found.tolist(), [float(ab[at]) ** 0.5, float(1 - ab[at]) ** 0.5])
    if abs((variance := float(found.square().sum())) - 1) > 0.01:
        return Verdict(False, f"{where}: there x_t is {made}, whose variance is {variance:.2f}, not 1", False)
    eq_2 = "sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps"
    return Verdict(False, f"{where}: there x_t is {made}, but {eq_2} is {due}", False)


def _told_apart(*mixtures: list[float]) -> list[str]:
    """Two mixtures in words, each from its factors of x_0 and eps, with as many decimals as it takes, 2 at least."""
    for decimals in range(2, 7):
        rounded = [[round(factor, decimals) + 0.0 for factor in factors] for factors in mixtures]  # + 0.0: no "-0.00"
        told = [f"{a:.{decimals}f} x_0 + {b:.{decimals}f} eps" for a, b in rounded]
        if len(set(told)) == len(told):
            break
    return told


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
        uneven + "the signal is not shrunk, it needs the factor sqrt(alpha_bar)": _mix(x_0, eps, ab[t], 0, 0.5),
        uneven + "the noise is added in full, it needs the factor sqrt(1 - alpha_bar)": _mix(x_0, eps, ab[t], 0.5, 0),
        uneven + "x_0 and eps are added as they are": x_0 + eps,
        "the noise is taken away: the eps that is returned must be the one that was added": _mix(x_0, -eps, ab[t]),
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
        "this is alpha_bar there: return the time": float(ab[right]),
        "this counts the times at which the noise is the larger part: return the first of them": 201 - right,
        "these are all of those times: return the first": torch.arange(right, 201),
    }
    equal = {"right, but where signal and noise are equal, at alpha_bar = 1/2, the noise has as much: <=, not <": 3}
    return first_failing(
        "from here on the noise is the larger part",
        lambda: judge(f, (ab,), right, wrong, rtol=1e-6),
        lambda: judge(f, (torch.tensor([1.0, 0.75, 0.5, 0.25, 0.1]),), 2, equal, rtol=1e-6),
    )


dried_up = OnPaper(
    0.25,
    {
        "that is beta / 2, which is right for small beta alone: keep the term in beta squared": 0.2,
        "that is the variance that one step adds; the old variance, shrunk, comes on top": 0.16,
        "that is the variance after one step from 1; go on until it no longer changes": 0.52,
        "that is the variance that Eq. 1 adds in a step; without roots beta is squared": 0.4,
        "Eq. 1 would leave it at 1; without roots the factors are (1 - beta) and beta, and both count squared": 1.0,
    },
    "what a step takes away, the noise puts back: the variance no longer changes",
)
gaussian_guess = OnPaper(
    (0.6, 1.131),
    {
        "dividing by the root of alpha_bar undoes the shrinking and takes the noise for signal": (1 / 0.6, 1.886),
        "the guess is right, and it misses by this much in each coordinate: there are two": (0.6, 0.8),
        "the guess is right, and this is the mean square: take its root": (0.6, 1.28),
        "the guess is right, and this is the share that is signal: what is missed is the rest": (0.6, 0.849),
        "the covariance of x_0 and x_t is the root of alpha_bar, not alpha_bar": (0.36, 1.319),
    },
    "the guess keeps the share of x_t that is signal, and misses the rest",
)
broken_noise = FindTheLine(
    source="""
def noisy(x_0, t, rng):
    beta = torch.linspace(1e-4, 0.02, 500)
    beta = torch.cat([torch.zeros(1), beta])
    alpha_bar = torch.cumprod(1 - beta, dim=0)
    a = alpha_bar[t]
    eps = torch.randn(x_0.shape, generator=rng)
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps
""",
    faults={
        "A": (4, "alpha_bar = 1 - beta"),
        "B": (7, "return a * x_0 + (1 - a) * eps"),
        "C": (2, "beta = torch.linspace(1e-4, 0.2, 500)"),
        "D": (6, "eps = torch.rand(x_0.shape, generator=rng)"),
    },
    innocent={
        1: "it names what is passed",
        2: "with other betas there would be more or less noise, as at another time, and Gaussian noise",
        ("A", 2): "smaller betas would do it, but by chance: this width is that of a single step, the root of beta_100",
        3: "it adds the entry of t = 0; without it every time is one step late, too little to be seen here",
        4: "whatever share it makes, signal and noise are mixed so that the squares add up to 1; here they do not",
        ("C", 4): "without the product there would be the noise of a single step; here there is too much",
        5: "it could only take the entry of another time: the first would leave a width near 0, the last a mean of 0.1",
        6: "the noise has mean 0 and variance 1, and the shape of a Gaussian",
        7: "its factors are such that their squares add up to 1: compute that from mean and width",
        ("D", 7): "its factors move and stretch the noise; they do not change its shape",
    },
    praise={
        "A": "without the product there is the noise of step t alone",
        "B": "the squares of signal and noise do not add up to 1: the roots are missing",
        "C": "all is as it should be at a later time: each beta is too large",
        "D": "the noise is a box from 0 to 1, which is neither centred nor of variance 1",
    },
)
