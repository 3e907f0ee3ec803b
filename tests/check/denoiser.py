"""Answers to the exercises of chapter 3, right and wrong."""

import math

import numpy as np
import torch

from statesdiff.training import low_noise_t
from tests.check.answers import right, wrong

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
wrong("t_bar", lambda t, T: 2 * (t - T // 2) / T, "right for even T", "not T // 2")
wrong("t_bar", lambda t, T: 2 * t / 100 - 1 if T == 100 else t / T, "right elsewhere, but at T = 25")
wrong("t_bar", lambda t, T: 2 * t / T, "from 0 to 2")
wrong("t_bar", lambda t, T: 2 * (T / 2 - t) / T, "runs backwards")
wrong("t_bar", lambda t, T: 2 * (t - T / 2), "division by T")
wrong("t_bar", lambda t, T: t - T / 2, "division by T")
wrong("t_bar", lambda t, T: (2 * t / T - 1).clamp(max=0.99), "wrong at t = 100 only")
wrong("t_bar", lambda t, T: (2 * t / T - 1).clamp(min=-0.98), "wrong at t = 0 only")


# denoising_loss(predictor, schedule, x_0, t, eps)


def roots(a):
    return a.sqrt(), (1 - a).sqrt()


def denoise(
    what_the_network_sees="x_t", target="eps", reduce=lambda d: (d**2).mean(), told=lambda t: t, coefficients=roots
):
    def answer(predictor, schedule, x_0, t, eps):
        a = schedule.alpha_bar[t].float()[:, None]
        signal, noise = coefficients(a)
        x_t = signal * x_0 + noise * eps
        tensors = {"x_0": x_0, "x_t": x_t, "eps": eps}
        return reduce(predictor(tensors[what_the_network_sees], told(t)) - tensors[target])

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
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).mean(1)), "the mean is missing")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).mean().sqrt()), "root of the mean square")
wrong("denoising_loss", denoise(reduce=lambda d: d.mean()), "square it first")
wrong("denoising_loss", denoise(reduce=lambda d: -d.mean()), "square it first")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).mean() / 3), "a factor, 1/3")
wrong("denoising_loss", denoise(reduce=lambda d: -(d**2).mean()), "up to the sign")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).mean(0, keepdim=True).mean(1)), "still in a tensor")
wrong("denoising_loss", denoise(told=lambda t: t / 100), "t / T or t_bar", "rescales time itself")
wrong("denoising_loss", denoise(told=lambda t: 2 * t / 100 - 1), "t / T or t_bar", "rescales time itself")
wrong("denoising_loss", denoise(told=lambda t: t - 1), "told t - 1")
wrong("denoising_loss", denoise(told=lambda t: 0 * t), "told t = 0")
wrong("denoising_loss", denoise(told=lambda t: t[0]), "one t for all")
wrong("denoising_loss", denoise(coefficients=lambda a: (a, 1 - a)), "square roots are missing")
wrong("denoising_loss", denoise(coefficients=lambda a: (1, 1)), "added in full")


def of_its_own_noise(predictor, schedule, x_0, t, eps):
    return mse_loss(predictor, schedule, x_0, t, torch.randn_like(eps))


def loss_backward(predictor, schedule, x_0, t, eps):
    mse_loss(predictor, schedule, x_0.requires_grad_(), t, eps).backward()


wrong("denoising_loss", of_its_own_noise, "two calls differ", "fresh noise")
wrong("denoising_loss", loss_backward, "returned None", "`return` missing")


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
wrong("predict_x_0", lambda x, e, a: x / a.sqrt() - (1 - a).sqrt() * e, "divided x_t alone")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a).sqrt() * e) / a.sqrt().clamp(min=0.1), "but at alpha_bar_t = 0.0064")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a).sqrt().clamp(min=0.1) * e) / a.sqrt(), "but at alpha_bar_t = 0.9999")
wrong("predict_x_0", lambda x, e, a: x - (1 - a).sqrt() / a.sqrt() * e, "divided the noise alone")
wrong("predict_x_0", lambda e, x, a: (x - (1 - a).sqrt() * e) / a.sqrt(), "x_t and eps_hat are swapped")
wrong("predict_x_0", lambda x, e, a: (x - a.sqrt() * e) / (1 - a).sqrt(), "sqrt(1 - alpha_bar) are swapped")
wrong("predict_x_0", lambda x, e, a: a.sqrt() * x + (1 - a).sqrt() * e, "noises once more")
wrong("predict_x_0", lambda x, e, a: x.sub_((1 - a).sqrt() * e).div_(a.sqrt()), "`x` was overwritten")
wrong("predict_x_0", lambda x, e, a: -(x - (1 - a) ** 0.5 * e) / a**0.5, "up to the sign")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a) ** 0.5 * e[:, :1]) / a**0.5, "right in column 0, wrong in column 1")


# gaussian_denoiser(v, alpha_bar_t)


def of_gaussian(k=lambda v, a, total: (1 - a) ** 0.5 / total, floor=lambda v, a, total: a * v / total, data=None):
    """An answer with this k, this floor, and this share of the data in the variance of x_t."""

    def answer(v, alpha_bar_t):
        total = (alpha_bar_t * v if data is None else data(v, alpha_bar_t)) + 1 - alpha_bar_t
        signal = total - 1 + alpha_bar_t
        return k(v, alpha_bar_t, total), (floor(v, alpha_bar_t, total) if data is None else signal / total)

    return answer


def by_regression(v, alpha_bar_t):
    """Least squares on a grid of Gaussian quantiles, without a formula."""
    u = torch.special.ndtri((torch.arange(4000, dtype=torch.float64) + 0.5) / 4000)
    u = u / u.square().mean().sqrt()
    x_0, eps = v**0.5 * u[:, None], u[None]
    x_t = alpha_bar_t**0.5 * x_0 + (1 - alpha_bar_t) ** 0.5 * eps
    k = (x_t * eps).mean() / x_t.square().mean()
    return torch.stack([k, (eps - k * x_t).square().mean()])


def with_roots_of_tensors(v, alpha_bar_t):
    k = (1 - alpha_bar_t).sqrt() / (alpha_bar_t * v + 1 - alpha_bar_t)
    return torch.stack([k, alpha_bar_t * v / (alpha_bar_t * v + 1 - alpha_bar_t)])


def with_roots_of_numbers(v, alpha_bar_t):
    total = alpha_bar_t * v + 1 - alpha_bar_t
    return math.sqrt(1 - alpha_bar_t) / total, float(alpha_bar_t) * np.float64(v) / total


right("gaussian_denoiser", of_gaussian(), by_regression, with_roots_of_tensors, with_roots_of_numbers)
wrong("gaussian_denoiser", lambda v, a: of_gaussian()(v, a)[::-1], "the order is k first")
wrong("gaussian_denoiser", of_gaussian(k=lambda v, a, total: -((1 - a) ** 0.5) / total), "sign of k")
wrong("gaussian_denoiser", of_gaussian(k=lambda v, a, total: (1 - a) / total), "k: a square root is missing")
wrong("gaussian_denoiser", of_gaussian(k=lambda v, a, total: a**0.5 * v / total), "ask for the noise")
wrong("gaussian_denoiser", of_gaussian(k=lambda v, a, total: (1 - a) ** -0.5), "all data are at 0")
wrong("gaussian_denoiser", lambda v, a: ((1 - a) ** -0.5, 0), "all data are at 0")
wrong("gaussian_denoiser", of_gaussian(data=lambda v, a: a * v**2), "do not square it")
wrong("gaussian_denoiser", of_gaussian(data=lambda v, a: v), "Eq. 2 shrinks x_0")
wrong("gaussian_denoiser", of_gaussian(data=lambda v, a: a**0.5 * v), "the square of the factor")
wrong("gaussian_denoiser", of_gaussian(floor=lambda v, a, total: (1 - a) / total), "the part that is known")
wrong("gaussian_denoiser", of_gaussian(floor=lambda v, a, total: v * (1 - a) / total), "variance of x_0 given x_t")
wrong("gaussian_denoiser", of_gaussian(floor=lambda v, a, total: (a * v / total) ** 0.5), "standard deviation")


# sharpest_map(settings)

NETWORK = {"hidden": (128, 128, 128), "x_frequencies": (1.0, 2.0, 4.0, 8.0), "skip": True}
TRAINING = {"lr": 8e-3, "draw_t": low_noise_t}

right("sharpest_map", {"network": NETWORK, "training": TRAINING})
wrong("sharpest_map", {"network": NETWORK, "training": {"lr": 8e-3}}, "(at most 0.031", "the book's own is")
wrong("sharpest_map", {"network": {"hidden": (256,) * 4}, "training": {}}, "40,000 weights, yours has 198,914")
wrong("sharpest_map", {"network": NETWORK, "training": {"steps": 801}}, "800 updates of 512 points")
wrong("sharpest_map", {"network": NETWORK, "training": {"batch_size": 1024}}, "800 updates of 512 points")
wrong("sharpest_map", {"network": NETWORK, "training": {"generator": None}}, "generator: the check gives that")
wrong("sharpest_map", {"network": {}, "training": 800}, '"training" must be a dictionary of settings, yours is 800')
wrong("sharpest_map", {"network": (128, 128), "training": {}}, '"network" must be a dictionary', "(128, 128)")
wrong("sharpest_map", {"network": {...}, "training": {}}, '"network" must be a dictionary')
wrong("sharpest_map", {"network": NETWORK}, 'what is judged is {"network"')
wrong("sharpest_map", {"network": NETWORK, "training": {"steps": 1}}, "a sharp map of a part is no map")
wrong("sharpest_map", {"network": {"width": 3}, "training": {}}, "raised TypeError")
