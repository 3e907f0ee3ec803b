"""Answers to the exercises of chapters 1 to 4, right and wrong, for the tests of the self-checks.

They are written as a student would write them, not by calling the package.
"""

import math

import numpy as np
import torch

# For each check: right answers, and wrong ones with words that the diagnosis must contain.
RIGHT, WRONG = {}, {}


def right(name, *answers):
    RIGHT.setdefault(name, []).extend(answers)


def wrong(name, answer, *words):
    WRONG.setdefault(name, []).append((answer, words))


# standardise(x)

right(
    "standardise",
    lambda x: (x - x.mean(0)) / x.std(0),
    lambda x: (x - x.mean(dim=0)) / x.std(dim=0, correction=0),
    lambda x: (x.numpy() - x.numpy().mean(0)) / x.numpy().std(0),
)
wrong("standardise", lambda x: (x - x.mean(0)) / x.var(0), "divided by the variance", "square root")
wrong("standardise", lambda x: x - x.mean(0), "not divided by the standard deviation")
wrong("standardise", lambda x: x / x.std(0), "mean is not subtracted")
wrong("standardise", lambda x: (x - x.mean()) / x.std(), "one mean and one deviation for both")
wrong("standardise", lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True), "use dim 0")
wrong("standardise", lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True, correction=0), "use dim 0")


# mean_distance(samples, real)


def all_pairs(a, b):
    return (a[:, None] - b[None]).square().sum(2).sqrt()


right(
    "mean_distance",
    lambda samples, real: all_pairs(samples, real).min(1).values.mean(),
    lambda samples, real: np.mean([min(math.dist(s, r) for r in real.tolist()) for s in samples.tolist()]),
)
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(0).values.mean(), "from each real point", "coverage")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).square().min(1).values.mean(), "squared distances", "square root")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).mean(), "mean over all pairs")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1).values.sum(), "the sum over the samples")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).max(1).values.mean(), "farthest")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1).values, "one distance per sample")


# coverage(samples, target, radius)

right(
    "coverage",
    lambda samples, target, radius: (all_pairs(target, samples).min(1).values <= radius).float().mean(),
    lambda samples, target, radius: (torch.cdist(samples, target) <= radius).any(0).double().mean().item(),
)
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(1).values <= r).float().mean(), "measured from the samples")
wrong("coverage", lambda s, m, r: 100 * (torch.cdist(s, m).min(0).values <= r).float().mean(), "percent")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(0).values > r).float().mean(), "NOT covered")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(0).values <= r).sum(), "number of covered points")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m) <= r).float().mean(), "share of all pairs")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).square().min(0).values <= r).float().mean(), "squared distances")


# alpha_bar(beta)


def loop_alpha_bar(beta):
    result = [1.0]
    for b in beta[1:].tolist():
        result.append(result[-1] * (1 - b))
    return torch.tensor(result)


right(
    "alpha_bar", loop_alpha_bar, lambda beta: torch.cumprod(1 - beta, dim=0), lambda beta: np.cumprod(1 - beta.numpy())
)
wrong("alpha_bar", lambda beta: torch.cumprod(beta, 0), "product of the betas")
wrong("alpha_bar", lambda beta: torch.cumsum(1 - beta, 0), "running sum")
wrong("alpha_bar", lambda beta: 1 - torch.cumsum(beta, 0), "1 minus the sum")
wrong("alpha_bar", lambda beta: 1 - beta, "alphas themselves")
wrong("alpha_bar", lambda beta: torch.cumprod(1 - beta, 0)[[*range(1, len(beta)), -1]], "off by one", "includes beta_t")
wrong("alpha_bar", lambda beta: torch.cumprod(1 - beta[1:], 0), "off by one", "t = 0", "missing")
wrong("alpha_bar", lambda beta: torch.cumprod((1 - beta).sqrt(), 0), "square root of alpha_bar")


# add_noise(x_0, t, alpha_bar)


def add_noise(x_0, t, alpha_bar):
    eps = torch.randn_like(x_0)
    a = alpha_bar[t].unsqueeze(1)
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps


def noisy(signal, noise, draw=torch.randn_like):
    """An answer with the given coefficients, each a function of alpha_bar[t] (B, 1)."""

    def answer(x_0, t, alpha_bar):
        eps, a = draw(x_0), alpha_bar[t][:, None]
        return signal(a) * x_0 + noise(1 - a) * eps, eps

    return answer


def same(a):
    return a


def off_by_one(x_0, t, alpha_bar):
    eps, a = torch.randn_like(x_0), alpha_bar[t - 1][:, None]
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps


def swapped(x_0, t, alpha_bar):
    eps, a = torch.randn_like(x_0), alpha_bar[t][:, None]
    return (1 - a).sqrt() * x_0 + a.sqrt() * eps, eps


def first_t_for_all(x_0, t, alpha_bar):
    eps, a = torch.randn_like(x_0), alpha_bar[t[0]]
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps


right("add_noise", add_noise, lambda *args: list(add_noise(*args)), noisy(torch.sqrt, torch.sqrt))
wrong("add_noise", noisy(same, same), "variance 1", "both square roots")
wrong("add_noise", noisy(same, torch.sqrt), "variance 1", "square root on alpha_bar is missing")
wrong("add_noise", noisy(torch.sqrt, same), "variance 1", "square root on 1 - alpha_bar is missing")
wrong("add_noise", off_by_one, "off by one", "t - 1")
wrong("add_noise", swapped, "swapped")
wrong("add_noise", first_t_for_all, "wrong broadcasting")
wrong("add_noise", noisy(torch.sqrt, lambda a: 0), "no noise was added")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, torch.rand_like), "torch.rand instead of torch.randn")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: 2 * torch.randn_like(x)), "deviation 2.0", "not 0 and 1")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, torch.zeros_like), "deviation 0.00")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(len(x), 1)), "one number per coordinate")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(2)), "one number per coordinate")
wrong("add_noise", lambda *args: add_noise(*args)[0], "return two tensors")
wrong("add_noise", lambda *args: (*add_noise(*args), 1), "return two tensors")
wrong("add_noise", lambda *args: (1.0, 2.0), "return two tensors")
wrong("add_noise", lambda x_0, t, ab: (add_noise(x_0, t, ab)[0], torch.randint(-1, 2, x_0.shape)), "eps")
wrong("add_noise", lambda x_0, t, ab: (add_noise(x_0, t, ab)[0], torch.randn_like(x_0)), "not the right numbers")
wrong("add_noise", lambda x_0, t, ab: (torch.ones(3), torch.randn_like(x_0)), "the shape should be (4000, 2)")


# half_time(alpha_bar)


def half_time(alpha_bar):
    for t, a in enumerate(alpha_bar.tolist()):
        if 1 - a >= a:
            return t


right("half_time", half_time, lambda ab: int((ab <= 0.5).nonzero()[0]), lambda ab: (ab > 0.5).sum())
wrong("half_time", lambda ab: half_time(ab) - 1, "off by one", "signal is still the larger")
wrong("half_time", lambda ab: half_time(ab[1:]), "off by one", "signal is still the larger")
wrong("half_time", lambda ab: half_time(ab) + 1, "off by one", "step before")
wrong("half_time", lambda ab: int((ab.sqrt() <= 0.5).nonzero()[0]), "standard deviations", "variances")
wrong("half_time", lambda ab: len(ab) - 1, "last time of the schedule")
wrong("half_time", lambda ab: (ab <= 0.5).nonzero()[0], "the shape should be ()")


# t_bar(t, T)

right(
    "t_bar",
    lambda t, T: 2 * (t - T / 2) / T,
    lambda t, T: 2 * t / T - 1,
    lambda t, T: [2 * k / T - 1 for k in t.tolist()],
)
wrong("t_bar", lambda t, T: t / T, "t_bar mismatch", "from 0 to 1")
wrong("t_bar", lambda t, T: torch.linspace(-1, 1, T)[t - 1], "t_bar mismatch", "t = 1 to -1")
wrong("t_bar", lambda t, T: 2 * ((t + 1) / T - 1 / 2), "t_bar mismatch", "one step ahead")
wrong("t_bar", lambda t, T: (t - T / 2) / T, "t_bar mismatch", "factor 2")
wrong("t_bar", lambda t, T: 2 * (t - T // 2) // T, "integer division")


# denoising_loss(predictor, schedule, x_0, t, eps)


def denoise(what_the_network_sees="x_t", target="eps", reduce=lambda d: (d**2).mean()):
    def answer(predictor, schedule, x_0, t, eps):
        a = schedule.alpha_bar[t].float()[:, None]
        x_t = a.sqrt() * x_0 + (1 - a).sqrt() * eps
        tensors = {"x_0": x_0, "x_t": x_t, "eps": eps}
        return reduce(predictor(tensors[what_the_network_sees], t) - tensors[target])

    return answer


def compared_with_itself(predictor, schedule, x_0, t, eps):
    eps_hat = predictor(schedule.q_sample(x_0, t, eps), t)
    return ((eps_hat - eps_hat) ** 2).mean()


def wrong_sign(predictor, schedule, x_0, t, eps):
    return ((predictor(schedule.q_sample(x_0, t, eps), t) + eps) ** 2).mean()


def mse_loss(predictor, schedule, x_0, t, eps):
    return torch.nn.functional.mse_loss(predictor(schedule.q_sample(x_0, t, eps), t), eps)


right("denoising_loss", denoise(), mse_loss, lambda *args: mse_loss(*args).item())
wrong("denoising_loss", compared_with_itself, "compared with itself", "misprint")
wrong("denoising_loss", denoise(target="x_0"), "not the clean x_0")
wrong("denoising_loss", denoise(target="x_t"), "not the noisy x_t")
wrong("denoising_loss", denoise("x_0"), "given the clean x_0")
wrong("denoising_loss", denoise("eps"), "given the noise itself")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).sum()), "sum over the batch")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).sum(1).mean()), "sum over coordinates")
wrong("denoising_loss", denoise(reduce=lambda d: d.abs().mean()), "absolute error")
wrong("denoising_loss", wrong_sign, "wrong sign")
wrong("denoising_loss", denoise(reduce=lambda d: d**2), "the mean is missing")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).mean(1)), "the shape should be ()")


# predict_x_0(x_t, eps_hat, alpha_bar_t)

right(
    "predict_x_0",
    lambda x, e, a: (x - (1 - a) ** 0.5 * e) / a**0.5,
    lambda x, e, a: x / a.sqrt() - (1 / a - 1).sqrt() * e,
)
wrong("predict_x_0", lambda x, e, a: (x - (1 - a) * e) / a, "both square roots")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a) * e) / a.sqrt(), "square root is missing on 1 - alpha_bar")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a).sqrt() * e) / a, "square root is missing on alpha_bar")
wrong("predict_x_0", lambda x, e, a: x - (1 - a).sqrt() * e, "divide by sqrt(alpha_bar)")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a).sqrt() * e) * a.sqrt(), "you multiplied by sqrt(alpha_bar)")
wrong("predict_x_0", lambda x, e, a: (x + (1 - a).sqrt() * e) / a.sqrt(), "the noise was added")
wrong("predict_x_0", lambda x, e, a: (x - e) / a.sqrt(), "unscaled")


# ddpm_step(schedule, x_t, t, eps_hat, z)


def ancestral(**change):
    """Algorithm 2 with one ingredient changed: each is a function of (beta_t, alpha_bar_t, alpha_bar_{t-1}, t)."""
    v = {
        "noise": lambda b, a, p, t: (1 - a).sqrt(),
        "rescale": lambda b, a, p, t: (1 - b).sqrt(),
        "sigma": lambda b, a, p, t: b.sqrt() if t > 1 else 0.0,
    } | change

    def answer(schedule, x_t, t, eps_hat, z):
        args = schedule.beta[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1], t
        mean = (x_t - args[0] / v["noise"](*args) * eps_hat) / v["rescale"](*args)
        return mean + v["sigma"](*args) * z

    return answer


def noise_taken_away_unscaled(schedule, x_t, t, eps_hat, z):
    beta = schedule.beta[t]
    return (x_t - eps_hat) / (1 - beta).sqrt() + beta.sqrt() * (t > 1) * z


right("ddpm_step", ancestral(), lambda *args: ancestral()(*args).float())
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: 1.0), "no factor", "misprint")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: b), "variance beta_t", "square root")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: 0.0), "no noise is added")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: (b * (1 - p) / (1 - a)).sqrt()), "posterior variance")
wrong("ddpm_step", ancestral(rescale=lambda b, a, p, t: a.sqrt()), "divided by sqrt(alpha_bar_t)")
wrong("ddpm_step", ancestral(rescale=lambda b, a, p, t: 1 - b), "square root is missing", "sqrt(alpha_t)")
wrong("ddpm_step", ancestral(noise=lambda b, a, p, t: 1 - a), "square root is missing", "sqrt(1 - alpha_bar_t)")
wrong("ddpm_step", ancestral(noise=lambda b, a, p, t: (1 - p).sqrt()), "off by one", "not to t - 1")
wrong("ddpm_step", noise_taken_away_unscaled, "factor beta_t / sqrt(1 - alpha_bar_t)")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: b.sqrt()), "noise at the last step")


# ddim_step(schedule, x_t, t, s, eps_hat)


def there_and_back(back):
    def answer(schedule, x_t, t, s, eps_hat):
        a, ab = schedule.alpha_bar[t], schedule.alpha_bar
        x_0_hat = (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()
        return back(ab, t, s, x_0_hat, eps_hat)

    return answer


def mixed(ab, x_0_hat, eps_hat):
    return ab.sqrt() * x_0_hat + (1 - ab).sqrt() * eps_hat


def fresh_noise(ab, t, s, x_0_hat, eps_hat):
    return mixed(ab[s], x_0_hat, torch.randn_like(eps_hat))


right("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s], x, e)))
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: x), "predicted x_0", "noised to time s")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s] * x + (1 - ab[s]) * e), "square roots are missing")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[t], x, e)), "came back to x_t")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s - 1], x, e)), "off by one", "s - 1")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s + 1], x, e)), "off by one", "s + 1")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s].sqrt() * x), "not put back")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s], x, -e)), "sign of the noise")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s].sqrt() * x + (1 - ab[t]).sqrt() * e), "not to t")
wrong("ddim_step", there_and_back(fresh_noise), "fresh noise")
wrong("ddim_step", lambda schedule, x_t, t, s, eps_hat: torch.randn(50, 2).tolist(), "fresh noise")
wrong("ddim_step", lambda schedule, x_t, t, s, eps_hat: (2 * x_t).tolist(), "not the right numbers")
