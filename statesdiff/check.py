"""The exercises' self-checks: each knows the right answer and the usual wrong ones, and says which one it sees."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from statesdiff.rng import stream
from statesdiff.samplers import ddim, posterior
from statesdiff.schedule import NoiseSchedule, normalised_time


class Verdict:
    """What a check found: `passed` is True, False, or None when the exercise has not been attempted."""

    def __init__(self, passed: bool | None, message: str) -> None:
        self.passed, self.message = passed, message

    def __repr__(self) -> str:
        return {True: "✓ ", False: "✗ ", None: ""}[self.passed] + self.message


def _attempt(answer: Callable[[], Any]) -> tuple[Any, Verdict | None]:
    """Run the reader's function: what it returned, and a verdict if there is nothing to compare."""
    try:
        got = answer()
    except NotImplementedError:
        got = None
    except Exception as error:  # the reader's own code: report it, whatever it is
        return None, Verdict(False, f"your function raised {type(error).__name__}: {error}")
    return got, Verdict(None, "not attempted yet") if got is None or got is ... else None


def _compare(got: Any, right: Any, wrong: dict[str, Any], praise: str, rtol: float = 1e-4) -> Verdict:
    """Compare with the right answer, then with each wrong one that has a name; a list holds variants of one mistake."""
    try:
        got = torch.as_tensor(got, dtype=torch.float64).detach()
    except (TypeError, ValueError, RuntimeError):
        return Verdict(False, f"expected numbers, but your function returned {type(got).__name__}")
    if _close(got, right, rtol):
        return Verdict(True, praise)
    for diagnosis, values in wrong.items():
        if any(_close(got, value, rtol) for value in (values if isinstance(values, list) else [values])):
            return Verdict(False, diagnosis)
    right = torch.as_tensor(right)
    if got.shape != right.shape:
        return Verdict(False, f"the shape should be {tuple(right.shape)}, yours is {tuple(got.shape)}")
    return Verdict(
        False, f"not the right numbers, off by up to {(got - right).abs().max():.3g}: compare with the equation"
    )


def _judge(answer: Callable[[], Any], *comparison: Any, rtol: float = 1e-4) -> Verdict:
    got, verdict = _attempt(answer)
    return verdict or _compare(got, *comparison, rtol=rtol)


def _close(got: Tensor, want: Any, rtol: float) -> bool:
    want = torch.as_tensor(want, dtype=torch.float64)
    return got.shape == want.shape and torch.allclose(got, want, rtol=rtol, atol=rtol)


def standardise(f: Callable[[Tensor], Tensor]) -> Verdict:
    """f(x (N, 2)) -> x with mean 0 and variance 1 in each coordinate."""
    x = torch.randn(500, 2, generator=stream("check")) * torch.tensor([3.0, 0.5]) + torch.tensor([-90.0, 40.0])
    mean, std = x.mean(0), x.std(0, correction=0)
    wrong = {
        "the spread is not 1: you divided by the variance, not by its square root": (x - mean) / std**2,
        "the means are 0, but you have not divided by the standard deviation": x - mean,
        "you divided, but the mean is not subtracted": x / std,
        "one mean and one deviation for both coordinates: average over dim 0, the points": (x - x.mean()) / x.std(),
        "you averaged over the two coordinates of each point: use dim 0, the points": [
            (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True, correction=correction) for correction in (0, 1)
        ],
    }
    praise = "mean 0 and variance 1, one coordinate at a time"
    return _judge(lambda: f(x.clone()), (x - mean) / std, wrong, praise, rtol=3e-3)  # either convention, N or N - 1


def mean_distance(f: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """f(samples (n, D), real (m, D)) -> mean distance from a sample to its nearest real point."""
    g = stream("check")
    samples, real = torch.randn(40, 2, generator=g), torch.randn(60, 2, generator=g) + 0.5
    pair = torch.cdist(samples, real)
    wrong = {
        "you measured from each real point to its nearest sample; that is coverage's direction": pair.min(
            0
        ).values.mean(),
        "these are squared distances: a square root is missing": pair.min(1).values.square().mean(),
        "this is the mean over all pairs; take the nearest real point first": pair.mean(),
        "this is the sum over the samples; take the mean": pair.min(1).values.sum(),
        "this is the farthest real point of each sample; take the nearest": pair.max(1).values.mean(),
        "one distance per sample; the mean over the samples is missing": pair.min(1).values,
    }
    return _judge(
        lambda: f(samples, real), pair.min(1).values.mean(), wrong, "each sample finds its nearest real point"
    )


def coverage(f: Callable[[Tensor, Tensor, float], Tensor]) -> Verdict:
    """f(samples (n, D), target (M, D), radius) -> share of the target points with a sample within the radius."""
    g, radius = stream("check"), 0.3
    samples, target = torch.randn(40, 2, generator=g), torch.randn(90, 2, generator=g) * 1.5
    pair = torch.cdist(target, samples)
    share = (pair.min(1).values <= radius).double().mean()
    wrong = {
        "you measured from the samples; coverage asks each point of the target": (pair.min(0).values <= radius)
        .double()
        .mean(),
        "this is in percent: return a share between 0 and 1": 100 * share,
        "this is the share that is NOT covered": 1 - share,
        "this is the number of covered points: divide by how many there are": share * len(target),
        "this is the share of all pairs that are close: one close sample is enough": (pair <= radius).double().mean(),
        "these are squared distances compared with the radius": (pair.min(1).values ** 2 <= radius).double().mean(),
    }
    return _judge(lambda: f(samples, target, radius), share, wrong, "the share of the outline with a sample nearby")


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
    return _judge(lambda: f(beta), right, wrong, "alpha_bar starts at 1 and is the running product of the alphas")


def add_noise(f: Callable[[Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]) -> Verdict:
    """f(x_0 (B, D), t (B,), alpha_bar (T + 1,)) -> x_t (B, D) and the standard normal eps (B, D) it was made with."""
    ab = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.1).alpha_bar.float()
    x_0, t = torch.randn(4000, 2, generator=stream("check")), torch.arange(1, 101).repeat(40)
    got, verdict = _attempt(lambda: f(x_0.clone(), t, ab))
    if verdict:
        return verdict
    if not (isinstance(got, tuple | list) and len(got) == 2 and all(isinstance(part, Tensor) for part in got)):
        return Verdict(False, "return two tensors: x_t and the eps that made it")
    x_t, eps = got
    return _odd_noise(eps, x_0) or _compare(
        x_t, _mix(x_0, eps, ab[t]), _wrong_mixtures(x_0, eps, t, ab), "the right mixture at every t, and its noise"
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
    return _judge(lambda: f(ab), right, wrong, "from here on the noise is the larger part", rtol=1e-6)


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
    return _judge(lambda: f(t, T), right, wrong, "the same clock in training and in sampling")


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
    return _judge(lambda: f(predictor, schedule, x_0, t, eps), right, wrong, "DDPM's loss, eq. 14")


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
    return _judge(lambda: f(x_t, eps_hat, ab), right, wrong, "Eq. 2, solved for x_0")


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
    middle = _judge(lambda: f(schedule, x, 20, eps_hat, z), step(20), wrong, "", rtol=1e-3)
    if not middle.passed:
        return middle
    end = {
        "noise at the last step: at t = 1 there must be none, or the result stays noisy": step(
            1, sigma=schedule.beta[1].sqrt()
        )
    }
    praise = "one step of ancestral sampling, silent at the end"
    return _judge(lambda: f(schedule, x, 1, eps_hat, z), step(1), end, praise, rtol=1e-3)


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
    verdict = _judge(
        lambda: f(schedule, x, t, s, eps_hat), right, wrong, "there and back: to x_0, then to time s", rtol=1e-3
    )
    if verdict.passed is False and verdict.message.startswith("not the right numbers"):
        one, two = (torch.as_tensor(f(schedule, x, t, s, eps_hat)) for _ in range(2))
        if not torch.allclose(one, two, equal_nan=True):
            return Verdict(False, "two calls differ: fresh noise has been added, and this step has none")
    return verdict
