"""Self-checks of chapter 4: steps of two samplers, one on paper, spoilt samplers, and the best ten times."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.checkpoints import book_denoiser
from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.metrics import emd
from statesdiff.rng import stream
from statesdiff.samplers import ddim, last, posterior
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
    silent = {"the noise is missing at t = 2 too: only the last step, from t = 1, has none": step(2, sigma=0.0)}
    return first_failing(
        "one step of ancestral sampling, silent at the end",
        lambda: judge(f, (schedule, x, 20, eps_hat, z), step(20), _wrong_steps(step, schedule, x, eps_hat), rtol=1e-3),
        lambda: judge(f, (schedule, x, 1, eps_hat, z), step(1), noisy_end, rtol=1e-3).at("t = 1"),
        lambda: judge(f, (schedule, x, 2, eps_hat, z), step(2), silent, rtol=1e-3).at("t = 2"),
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
    b, a, tilde = schedule.beta[20], schedule.alpha_bar[20], posterior(schedule, x, x, 20)[1]
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
        "you divided x_t alone: sqrt(alpha_t) divides the whole bracket": step(20, noise=((1 - a) / (1 - b)).sqrt()),
        "you divided the noise alone: sqrt(alpha_t) divides the whole bracket": step(
            20, rescale=1.0, noise=((1 - a) * (1 - b)).sqrt()
        ),
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


broken_sampler = FindTheLine(
    source="""
def sample(network, schedule, x, generator):
    T, beta, alpha_bar = schedule.T, schedule.beta, schedule.alpha_bar
    for t in range(T, 0, -1):
        t_bar = 2 * (t - T / 2) / T
        eps_hat = network(x, t_bar)
        noise = (1 - alpha_bar[t]).sqrt()
        x = (x - beta[t] / noise * eps_hat) / (1 - beta[t]).sqrt()
        sigma = beta[t].sqrt()
        z = torch.randn(x.shape, generator=generator) if t > 1 else 0 * x
        x = (x + sigma * z).float()
        yield x
""",
    faults={
        "A": (8, "sigma = beta[t]"),
        "B": (4, "t_bar = t / T"),
        "C": (9, "z = torch.randn(x.shape, generator=generator)"),
        "D": (6, "noise = (1 - alpha_bar[min(t + 1, T)]).sqrt()"),
    },
    innocent={
        1: "it names what comes in, and all of them do that alike",
        2: "the tables are the same in all of them, and so is their length",
        3: "all of them take every step, from T to 1; one left out at the end would leave the points of t = 1",
        4: "it is the time that the network was trained with, -1 at t = 0 and 1 at t = T",
        (
            "A",
            4,
        ): "told times that are far off, the network would not end on the coasts, and these points do; told times "
        "that are a little off, it would draw all of them",
        5: "the network is asked what it was trained for, as long as the time it is told is right",
        6: "the size of the noise divides what is taken away: were it wrong, too much or too little would be left at "
        "every t, and the points would lie off the coasts; these lie on them",
        ("B", 6): "noise of a slightly wrong size leaves lines of a slightly wrong thickness; here there are none",
        ("C", 6): "were the size of the noise wrong, t = 1 would differ from the right program, and it does not",
        7: "it is Eq. 6 without its noise: with another factor the whole map would grow or shrink on the way",
        (
            "A",
            7,
        ): "with another factor most of the coast would still be drawn, or the points would lie off it; these lie "
        "on a fifth of it",
        ("B", 7): "another factor would make the spread larger, or leave the points on the coasts; these are half as "
        "spread as they should be, and on none",
        8: "it says how much noise is added at every step: were it wrong, the spread of the points would be, too",
        (
            "B",
            8,
        ): "with too little fresh noise the points would lie on pieces of coast, and with too much they would be "
        "spread too far; these are half as spread as they should be, and on no coast",
        9: "it draws the noise, and none at the last step; a fault in that last step would leave t = 1 as in the right "
        "program, and here it differs",
        ("C", 8): "were the size of the fresh noise wrong, t = 1 would differ from the right program",
        10: "it adds the noise that lines 8 and 9 have made, and none is lost",
        11: "it hands out each set of points, and changes none",
    },
    praise={
        "A": "a variance in place of its root is far too little noise, and the points crowd into a few stretches",
        "B": "time from 0 to 1, told to a network that learnt it from -1 to 1: it believes (t + T) / 2",
        "C": "noise at the last step; until t = 1 all is as it should be",
        "D": "off by one: divided by a larger noise, too little is taken away at every step",
    },
)

gaussian_step = OnPaper(
    right=0.2 * 0.625 / 0.7,
    wrong={
        "this is beta_t, which would be exact for r = 1": 0.2,
        "this is the posterior variance beta_tilde, which would be exact for r = 0, a known origin": 0.2 * 0.5 / 0.6,
        "this is a standard deviation: the variance is its square": (0.2 * 0.625 / 0.7) ** 0.5,
        "this is a precision: the variance is one over it": 0.7 / (0.2 * 0.625),
        "this is v_{t-1}, the variance before x_t is known": 0.625,
        "v_{t-1} and v_t are swapped": 0.2 * 0.7 / 0.625,
        "r^2 is a variance: in v_{t-1} it is multiplied by alpha_bar_{t-1}": 0.2 * 0.75 / 0.8,
    },
    praise="between beta_tilde and beta_t, as r lies between 0 and 1",
    rtol=1e-3,
)


def emd_at(times: Sequence[int]) -> float:
    """The EMD between 2,000 fresh points and as many samples of DDIM at these times and 0, mean over two predictors."""
    model, schedule = book_denoiser("fourier")
    exact = IdealDenoiser(outline_points(1000), schedule, jitter=JITTER)
    x_T, fresh = torch.randn(2000, 2, generator=stream("ten times")), states(400, seed=11).x
    drawn = [last(ddim(predictor, schedule, x_T, steps=[*times, 0])) for predictor in (model, exact)]
    return sum(emd(x, fresh) for x in drawn) / len(drawn)


def _emd_of_ten_times(times: Any) -> float:
    """`emd_at` for ten whole numbers that fall from at most 500 to at least 1. Raises AgainstTheRules for others."""
    try:
        falling = [int(t) for t in times]
        whole = all(a == b for a, b in zip(falling, times, strict=True))
    except (TypeError, ValueError, RuntimeError):
        falling, whole = [], False
    if len(falling) != 10 or not whole or falling != sorted(set(falling), reverse=True):
        raise AgainstTheRules(f"give ten whole numbers that fall, such as 500, 450, ..., 50; yours are {times!r}")
    if falling[0] > 500 or falling[-1] < 1:
        raise AgainstTheRules(f"the ten times lie in 1 to 500 (0 is added), yours in {falling[-1]} to {falling[0]}")
    return emd_at(falling)


ten_times = ScoreToBeat(
    measure=_emd_of_ten_times,
    what="EMD with ten times",
    target=0.086,
    best=0.0777,
    tolerance=0.02,
)
