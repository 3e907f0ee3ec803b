"""Self-checks of chapter 3: the denoiser's clock, its loss, and the clean point that it implies."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.verdict import Verdict, judge
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule, normalised_time


def t_bar(f: Callable[[Tensor, int], Tensor]) -> Verdict:
    """f(t (B,), T) -> normalised time in [-1, 1]: t = 0 is -1, t = T is +1."""
    t, T = torch.tensor([0, 1, 25, 50, 99, 100]), 100
    right = normalised_time(t, T)
    wrong = {
        "t_bar mismatch: this is t / T, which runs from 0 to 1": t / T,
        "t_bar mismatch: this maps t = 1 to -1; with T + 1 times, it is t = 0 that maps to -1": [
            2 * (t - 1) / (T - 1) - 1,
            torch.linspace(-1, 1, T)[t - 1],
        ],
        "t_bar mismatch: one step ahead, as if t started at 0 for the first noisy step": 2 * ((t + 1) / T - 0.5),
        "t_bar mismatch: the factor 2 is missing": (t - T / 2) / T,
        "this is integer division, which forgets the time within": 2 * (t - T // 2) // T,
    }
    return judge(f, (t, T), right, wrong, "the same clock in training and in sampling")


def denoising_loss(f: Callable[..., Tensor]) -> Verdict:
    """f(predictor, schedule, x_0 (B, D), t (B,), eps (B, D)) -> the mean squared error of the predicted noise."""
    schedule, g = NoiseSchedule.linear(T=100), stream("check")
    x_0, eps = torch.randn(64, 2, generator=g), torch.randn(64, 2, generator=g)
    t = torch.randint(1, 101, (64,), generator=g)

    def predictor(x: Tensor, t: Tensor) -> Tensor:
        return x * (0.3 + t[:, None] / 200)

    x_t = schedule.q_sample(x_0, t, eps)
    eps_hat = predictor(x_t, t)
    wrong = {
        "this is zero for every network: the target is compared with itself, as in the misprint": 0.0,
        "the target is the noise eps, not the clean x_0": (eps_hat - x_0).square().mean(),
        "the target is the noise eps, not the noisy x_t": (eps_hat - x_t).square().mean(),
        "the network was given the clean x_0: it should see x_t": (predictor(x_0, t) - eps).square().mean(),
        "the network was given the noise itself: it should see x_t": (predictor(eps, t) - eps).square().mean(),
        "this is the sum over the batch: take the mean": (eps_hat - eps).square().sum(),
        "this is the sum over coordinates: take the mean over them too": (eps_hat - eps).square().sum(1).mean(),
        "this is the absolute error: square it": (eps_hat - eps).abs().mean(),
        "the noise has the wrong sign": (eps_hat + eps).square().mean(),
        "one number per coordinate: the mean is missing": (eps_hat - eps).square(),
    }
    right = (eps_hat - eps).square().mean()
    return judge(f, (predictor, schedule, x_0, t, eps), right, wrong, "DDPM's loss, eq. 14")


def predict_x_0(f: Callable[..., Tensor]) -> Verdict:
    """f(x_t (B, D), eps_hat (B, D), alpha_bar_t scalar) -> the clean point that the predicted noise implies."""
    g = stream("check")
    x_t, eps_hat, ab = torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g), torch.tensor(0.3)
    signal, noise = ab.sqrt(), (1 - ab).sqrt()
    wrong = {
        "both square roots are missing": (x_t - (1 - ab) * eps_hat) / ab,
        "a square root is missing on 1 - alpha_bar": (x_t - (1 - ab) * eps_hat) / signal,
        "a square root is missing on alpha_bar": (x_t - noise * eps_hat) / ab,
        "the signal is still shrunk: divide by sqrt(alpha_bar)": x_t - noise * eps_hat,
        "you multiplied by sqrt(alpha_bar): divide by it": (x_t - noise * eps_hat) * signal,
        "the noise was added, not taken away": (x_t + noise * eps_hat) / signal,
        "the noise was taken away unscaled": (x_t - eps_hat) / signal,
    }
    right = (x_t - noise * eps_hat) / signal
    return judge(f, (x_t, eps_hat, ab), right, wrong, "Eq. 2, solved for x_0")


def gaussian_denoiser(f: Callable[[float, float], Any]) -> Verdict:
    """f(v, alpha_bar_t) -> (k, floor) for x_0 ~ N(0, v) in one dimension: E[eps | x_t] = k x_t, and the Bayes loss."""
    v, ab = 0.25, 0.6
    right = _of_gaussian(ab * v, ab)
    k, floor = right
    wrong = {
        "the order is k first, then the floor": (floor, k),
        "the sign of k is wrong: a point to the right was pushed there by noise to the right": (-k, floor),
        "k: a square root is missing, the covariance of eps and x_t is sqrt(1 - alpha_bar_t)": (k * 0.4**0.5, floor),
        "k: this is E[x_0 | x_t] / x_t: ask for the noise": (ab**0.5 * v / (ab * v + 1 - ab), floor),
        "k: this is 1 / sqrt(1 - alpha_bar_t), right only if all data are at 0": [(0.4**-0.5, 0.0), (0.4**-0.5, floor)],
        "the variance of x_t: v is a variance already, do not square it": _of_gaussian(ab * v * v, ab),
        "the variance of x_t: Eq. 2 shrinks x_0, and so its variance by alpha_bar_t": _of_gaussian(v, ab),
        "the variance of x_t: a variance is multiplied by the square of the factor": _of_gaussian(ab**0.5 * v, ab),
        "the floor: this is the part that is known, 1 minus what is left": (k, 1 - floor),
        "the floor: this is the variance of x_0 given x_t: ask for that of the noise": (k, floor * (1 - ab) / ab),
        "the floor: this is a standard deviation: the loss is squared": (k, floor**0.5),
    }
    praise = "at t = T, where k is 1 and nothing is left, down to clean data, where the noise cannot be seen"
    return judge(f, (v, ab), right, wrong, praise)


def _of_gaussian(signal: float, alpha_bar_t: float) -> tuple[float, float]:
    """k and the floor for data whose share of the variance of x_t is `signal`."""
    total = signal + 1 - alpha_bar_t
    return (1 - alpha_bar_t) ** 0.5 / total, signal / total
