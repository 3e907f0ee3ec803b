"""Self-checks of chapter 4: one step of ancestral sampling, and one of the deterministic sampler."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.rng import stream
from statesdiff.samplers import ddim, posterior
from statesdiff.schedule import NoiseSchedule


def ddpm_step(f: Callable[..., Tensor]) -> Verdict:
    """f(schedule, x_t (B, D), t, eps_hat (B, D), z (B, D)) -> x_{t-1}, sigma_t^2 = beta_t, no noise at t = 1."""
    schedule, g = NoiseSchedule.linear(T=50, beta_1=0.01, beta_T=0.3), stream("check")
    x, eps_hat, z = (torch.randn(50, 2, generator=g) for _ in range(3))
    step = partial(_step, schedule, x, eps_hat, z)
    noisy_end = {
        "noise at the last step: at t = 1 there must be none, or the result stays noisy": step(
            1, sigma=schedule.beta[1].sqrt()
        )
    }
    return first_failing(
        "one step of ancestral sampling, silent at the end",
        lambda: judge(f, (schedule, x, 20, eps_hat, z), step(20), _wrong_steps(step, schedule, x, eps_hat), rtol=1e-3),
        lambda: judge(f, (schedule, x, 1, eps_hat, z), step(1), noisy_end, rtol=1e-3).at("t = 1"),
        lambda: judge(f, (schedule, x, 50, eps_hat, z), step(50), {}, rtol=1e-3).at("t = T"),
    )


def _step(schedule: NoiseSchedule, x: Tensor, eps_hat: Tensor, z: Tensor, t: int, **change: Any) -> Tensor:
    """Algorithm 2 from t to t - 1, with an ingredient changed."""
    beta, ab = schedule.beta[t], schedule.alpha_bar[t]
    v = {"rescale": (1 - beta).sqrt(), "noise": (1 - ab).sqrt(), "sigma": beta.sqrt() * (t > 1)} | change
    inside, sign = v.get("inside", 0), v.get("sign", 1)  # whether z stands in the bracket, and what becomes of eps_hat
    bracket = x - sign * beta / v["noise"] * eps_hat + inside * v["sigma"] * z
    return (bracket / v["rescale"] + (1 - inside) * v["sigma"] * z).float()


def _wrong_steps(step: Callable[..., Tensor], schedule: NoiseSchedule, x: Tensor, eps_hat: Tensor) -> dict[str, Any]:
    b, a = schedule.beta[20], schedule.alpha_bar[20]
    tilde = posterior(schedule, x, x, 20)[1]
    return {
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
        "z stands inside the bracket: it is added after the division by sqrt(alpha_t)": step(20, inside=1),
        "the noise was added, not taken away": step(20, sign=-1),
        "you multiplied by sqrt(alpha_t): divide by it": step(20, rescale=1 / (1 - b).sqrt()),
        "nothing was rescaled: divide the bracket by sqrt(alpha_t)": step(20, rescale=1.0),
        "sigma_t is not sqrt(1 - alpha_bar_t), all of the noise: it is sqrt(beta_t)": step(20, sigma=(1 - a).sqrt()),
        "off by one: this is the step of t + 1": step(21),
        "off by one: this is the step of t - 1": step(19),
        "this is the predicted x_0: a step goes back to t - 1": schedule.predict_x_0(x, 20, eps_hat),
    }


def ddim_step(f: Callable[..., Tensor]) -> Verdict:
    """f(schedule, x_t (B, D), t, s, eps_hat (B, D)) -> x at the earlier time s < t, deterministic."""
    schedule, g = NoiseSchedule.linear(T=100), stream("check")
    x, eps_hat = torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g)
    t, s = 60, 40
    right = list(ddim(lambda x, t: eps_hat, schedule, x, steps=[t, s, 0]))[1]

    def end(t: int, s: int) -> Verdict:
        there = schedule.q_sample(schedule.predict_x_0(x, t, eps_hat), s, eps_hat)
        return judge(f, (schedule, x, t, s, eps_hat), there, {}, rtol=1e-3).at(f"the step from {t} to {s}")

    return first_failing(
        "there and back: to x_0, then to time s",
        lambda: judge(f, (schedule, x, t, s, eps_hat), right, _wrong_ways(schedule, x, t, s, eps_hat), rtol=1e-3),
        lambda: end(10, 0),
        lambda: end(100, 90),
    )


def _wrong_ways(schedule: NoiseSchedule, x: Tensor, t: int, s: int, eps_hat: Tensor) -> dict[str, Tensor]:
    a, b = schedule.alpha_bar[t].float(), schedule.alpha_bar[s].float()
    x_0_hat = schedule.predict_x_0(x, t, eps_hat)
    return {
        "this is the predicted x_0: it still has to be noised to time s": x_0_hat,
        "square roots are missing when noising to time s": b * x_0_hat + (1 - b) * eps_hat,
        "you came back to x_t: use alpha_bar_s for the way back": x,
        "off by one: this noises to s - 1": schedule.q_sample(x_0_hat, s - 1, eps_hat),
        "this noises to t - 1, the time before t: the next time that is visited is s": schedule.q_sample(
            x_0_hat, t - 1, eps_hat
        ),
        "x_t itself was noised: put the predicted x_0 in its place": b.sqrt() * x + (1 - b).sqrt() * eps_hat,
        "the predicted x_0 is not shrunk: multiply it by sqrt(alpha_bar_s)": x_0_hat + (1 - b).sqrt() * eps_hat,
        "sqrt(alpha_bar) belongs to s on the way back, not to t": a.sqrt() * x_0_hat + (1 - b).sqrt() * eps_hat,
        "the two times are swapped: from t to s": schedule.q_sample(schedule.predict_x_0(x, s, eps_hat), t, eps_hat),
        "off by one: this noises to s + 1": schedule.q_sample(x_0_hat, s + 1, eps_hat),
        "the predicted noise is not put back: add sqrt(1 - alpha_bar_s) eps_hat": b.sqrt() * x_0_hat,
        "the sign of the noise is wrong": b.sqrt() * x_0_hat - (1 - b).sqrt() * eps_hat,
        "1 - alpha_bar belongs to s on the way back, not to t": b.sqrt() * x_0_hat + (1 - a).sqrt() * eps_hat,
    }
