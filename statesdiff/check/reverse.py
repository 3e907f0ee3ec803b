"""Self-checks of chapters 3 and 4: the denoiser, its loss, and the steps of the samplers."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.verdict import Verdict, judge
from statesdiff.rng import stream
from statesdiff.samplers import ddim, posterior
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
    return judge(lambda: f(t, T), right, wrong, "the same clock in training and in sampling")


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
    return judge(lambda: f(predictor, schedule, x_0, t, eps), right, wrong, "DDPM's loss, eq. 14")


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
    return judge(lambda: f(x_t, eps_hat, ab), right, wrong, "Eq. 2, solved for x_0")


def ddpm_step(f: Callable[..., Tensor]) -> Verdict:
    """f(schedule, x_t (B, D), t, eps_hat (B, D), z (B, D)) -> x_{t-1} with sigma_t^2 = beta_t, and no noise at t = 1."""
    schedule, g = NoiseSchedule.linear(T=50, beta_1=0.01, beta_T=0.3), stream("check")
    x, eps_hat, z = (torch.randn(50, 2, generator=g) for _ in range(3))

    def step(t: int, **change: Any) -> Tensor:
        beta, ab = schedule.beta[t], schedule.alpha_bar[t]
        v = {"rescale": (1 - beta).sqrt(), "noise": (1 - ab).sqrt(), "sigma": beta.sqrt() * (t > 1)} | change
        return ((x - beta / v["noise"] * eps_hat) / v["rescale"] + v["sigma"] * z).float()

    b, a = schedule.beta[20], schedule.alpha_bar[20]
    tilde = posterior(schedule, x, x, 20)[1]
    wrong = {
        "z is added with no factor, as in the misprint: it must be sigma_t z, sigma_t = sqrt(beta_t)": step(
            20, sigma=1.0
        ),
        "z is scaled by the variance beta_t: sigma_t is its square root": step(20, sigma=b),
        "no noise is added: before the last step sigma_t z belongs there": step(20, sigma=0.0),
        "this is the posterior variance beta_tilde, also a fair choice, but here sigma_t^2 = beta_t": step(
            20, sigma=tilde.sqrt()
        ),
        "you divided by sqrt(alpha_bar_t): a single step undoes only sqrt(alpha_t)": step(20, rescale=a.sqrt()),
        "a square root is missing: divide by sqrt(alpha_t)": step(20, rescale=1 - b),
        "a square root is missing: eps_hat is divided by sqrt(1 - alpha_bar_t)": step(20, noise=1 - a),
        "off by one: 1 - alpha_bar belongs to t, not to t - 1": step(20, noise=(1 - schedule.alpha_bar[19]).sqrt()),
        "eps_hat needs the factor beta_t / sqrt(1 - alpha_bar_t)": step(20, noise=b),
    }
    middle = judge(lambda: f(schedule, x, 20, eps_hat, z), step(20), wrong, "", rtol=1e-3)
    if not middle.passed:
        return middle
    end = {
        "noise at the last step: at t = 1 there must be none, or the result stays noisy": step(
            1, sigma=schedule.beta[1].sqrt()
        )
    }
    praise = "one step of ancestral sampling, silent at the end"
    return judge(lambda: f(schedule, x, 1, eps_hat, z), step(1), end, praise, rtol=1e-3)


def ddim_step(f: Callable[..., Tensor]) -> Verdict:
    """f(schedule, x_t (B, D), t, s, eps_hat (B, D)) -> x at the earlier time s < t, deterministic."""
    schedule, g = NoiseSchedule.linear(T=100), stream("check")
    x, eps_hat = torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g)
    t, s = 60, 40
    a, b = schedule.alpha_bar[t].float(), schedule.alpha_bar[s].float()
    x_0_hat = schedule.predict_x_0(x, t, eps_hat)
    right = list(ddim(lambda x, t: eps_hat, schedule, x, steps=[t, s, 0]))[1]
    wrong = {
        "this is the predicted x_0: it still has to be noised to time s": x_0_hat,
        "square roots are missing when noising to time s": b * x_0_hat + (1 - b) * eps_hat,
        "you came back to x_t: use alpha_bar_s for the way back": x,
        "off by one: this noises to s - 1": schedule.q_sample(x_0_hat, s - 1, eps_hat),
        "off by one: this noises to s + 1": schedule.q_sample(x_0_hat, s + 1, eps_hat),
        "the predicted noise is not put back: add sqrt(1 - alpha_bar_s) eps_hat": b.sqrt() * x_0_hat,
        "the sign of the noise is wrong": b.sqrt() * x_0_hat - (1 - b).sqrt() * eps_hat,
        "1 - alpha_bar belongs to s on the way back, not to t": b.sqrt() * x_0_hat + (1 - a).sqrt() * eps_hat,
    }
    verdict = judge(
        lambda: f(schedule, x, t, s, eps_hat), right, wrong, "there and back: to x_0, then to time s", rtol=1e-3
    )
    if verdict.passed is False and verdict.message.startswith("not the right numbers"):
        one, two = (torch.as_tensor(f(schedule, x, t, s, eps_hat)) for _ in range(2))
        if not torch.allclose(one, two, equal_nan=True):
            return Verdict(False, "two calls differ: fresh noise has been added, and this step has none")
    return verdict
