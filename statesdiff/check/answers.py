"""The book's answers to the exercises, as the chapters have them in their folded cells, for editions without those.

What each takes and returns stands with its check, in the module of `statesdiff.check` that has the chapter's name.
"""

import math

import numpy as np
import torch
from scipy.stats import norm
from scipy.stats import t as student_t

from statesdiff.schedule import NoiseSchedule


def standardise(x):
    return (x - x.mean(dim=0)) / x.std(dim=0)


def mean_distance(samples, real):
    return torch.cdist(samples, real).min(dim=1).values.mean()


def coverage(samples, target, radius):
    return (torch.cdist(target, samples).min(dim=1).values <= radius).float().mean()


def alpha_bar_from(beta):
    return torch.cumprod(1 - beta, dim=0)


def add_noise(x_0, t, alpha_bar):
    eps = torch.randn_like(x_0)
    a = alpha_bar[t][:, None]
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps


def half_time(alpha_bar):
    return int((alpha_bar <= 0.5).nonzero()[0])


def denoising_loss(predictor, schedule, x_0, t, eps):
    x_t = schedule.q_sample(x_0, t, eps)
    return (predictor(x_t, t) - eps).square().mean()


def t_bar(t, T):
    return 2 * (t - T / 2) / T


def predict_x_0(x_t, eps_hat, alpha_bar_t):
    return (x_t - (1 - alpha_bar_t).sqrt() * eps_hat) / alpha_bar_t.sqrt()


def gaussian_denoiser(v, alpha_bar_t):
    variance = alpha_bar_t * v + 1 - alpha_bar_t  # of x_t
    return (1 - alpha_bar_t) ** 0.5 / variance, alpha_bar_t * v / variance


def ddpm_step(schedule, x_t, t, eps_hat, z):
    beta, alpha, alpha_bar = schedule.beta[t], schedule.alpha[t], schedule.alpha_bar[t]
    mean = (x_t - beta / (1 - alpha_bar).sqrt() * eps_hat) / alpha.sqrt()
    sigma = beta.sqrt() if t > 1 else 0.0
    return mean + sigma * z


def ddim_step(schedule, x_t, t, s, eps_hat):
    x_0_hat = schedule.predict_x_0(x_t, t, eps_hat)
    return schedule.q_sample(x_0_hat, s, eps_hat)


def class_posterior(log_densities, prior):
    return torch.log_softmax(log_densities + prior.log(), dim=1)


def two_gaussians(m, v, alpha_bar_t):
    centre, variance = alpha_bar_t**0.5 * m, alpha_bar_t * v + 1 - alpha_bar_t
    return 2 * centre / variance, norm.cdf(centre / variance**0.5)


def classifier_loss(classifier, schedule, x_0, y, t, eps):
    x_t = schedule.q_sample(x_0, t, eps)
    return torch.nn.functional.cross_entropy(classifier(x_t, t), y)


def overconfidence(probabilities, y):
    confidence, guess = probabilities.max(dim=1)
    return confidence.mean() - (guess == y).float().mean()


def guided_noise(eps_hat, gradient, alpha_bar_t, scale):
    return eps_hat - scale * (1 - alpha_bar_t).sqrt() * gradient


def class_gradient(classifier, x_t, t, y):
    with torch.enable_grad():
        x = x_t.detach().requires_grad_()
        log_p = classifier(x, t).log_softmax(dim=1)
        return torch.autograd.grad(log_p[:, y].sum(), x)[0]


def drop_labels(y, p_uncond, generator):
    hidden = torch.rand(y.shape, generator=generator) < p_uncond
    return y.masked_fill(hidden, -1)


def implied_gradient(eps_cond, eps_uncond, alpha_bar_t):
    return (eps_uncond - eps_cond) / (1 - alpha_bar_t).sqrt()


def classifier_free(eps_uncond, eps_cond, scale):
    return eps_uncond + scale * (eps_cond - eps_uncond)


def scale_at(t):  # from 500 to 50: found by trying, one scale after the other, many times
    return (1.9, 2.1, 2.1, 2.0, 1.3, 0.7, 0.4, 0.3, 0.8, 0.9)[10 - t // 50]


def end_of_chain(T, beta_1, beta_T):
    beta = torch.linspace(beta_1, beta_T, T, dtype=torch.float64)
    return (1 - beta).prod().item()


def difference(a, b):
    d = torch.as_tensor(b, dtype=torch.float64) - torch.as_tensor(a, dtype=torch.float64)
    n = len(d)
    half_width = student_t.ppf(0.975, n - 1) * d.std().item() / n**0.5
    return d.mean().item(), half_width


def log_snr(alpha_bar):
    return (alpha_bar / (1 - alpha_bar)).log()


def betas_of(alpha_bar):
    return 1 - alpha_bar[1:] / alpha_bar[:-1]


def count_updates(epochs, n, batch_size):
    return epochs * ((n + batch_size - 1) // batch_size)


def power(updates, loss, floor):
    slope, _ = np.polyfit(updates.log(), (loss - floor).log(), 1)
    return -slope


def copy_ratio(samples, train, unseen):
    nearest = torch.cdist(samples, train).amin(dim=1)
    others = torch.cdist(samples, unseen).amin(dim=2)
    return nearest.mean() / others.mean()


def count_weights(sizes):
    return sum((n + 1) * m for n, m in zip(sizes[:-1], sizes[1:]))  # noqa: B905


def width_for(depth, budget, n_in, n_out):
    width = 1
    while count_weights([n_in, *[width + 1] * depth, n_out]) <= budget:
        width += 1
    return width


def flow_loss(velocity, x_0, eps, s):
    x_s = s[:, None] * x_0 + (1 - s[:, None]) * eps
    return (velocity(x_s, s) - (x_0 - eps)).square().mean()


def velocity_from_noise(x_s, s, eps_hat):
    return (x_s - eps_hat) / s


def draw_s(n, generator):
    return (2 + torch.randn(n, generator=generator)).sigmoid()


def expected_likelihood(belief, origins, y, width):
    off = (y - origins[:, 0]) / width
    return belief @ (-0.5 * off**2).exp() / (width * math.sqrt(2 * math.pi))


def measured_gradient(predictor, schedule, x_t, t, y, width):
    with torch.enable_grad():
        x = x_t.detach().requires_grad_()
        x_0_hat = schedule.predict_x_0(x, t, predictor(x, t))
        log_p = -0.5 * ((y - x_0_hat[:, 0]) / width) ** 2
        return torch.autograd.grad(log_p.sum(), x)[0]


def spread_at(t):  # found by trying: less than v = 1 has, and much less at low noise
    share = np.interp(t, (30, 60, 100), (0.3, 0.5, 0.8))
    return share * float((1 - NoiseSchedule.linear(T=500).alpha_bar[t]).sqrt())


def remembering_step(schedule, x_t, t, s, x_0_hat, t_before, x_0_before):
    if s == 0:
        return x_0_hat
    kappa, alpha_bar = schedule.log_snr / 2, schedule.alpha_bar
    h = kappa[s] - kappa[t]
    slope = (x_0_hat - x_0_before) / (kappa[t] - kappa[t_before])
    kept = ((1 - alpha_bar[s]) / (1 - alpha_bar[t])).sqrt()
    taken = (1 - torch.exp(-h)) * (x_0_hat + h / 2 * slope)
    return (kept * x_t + alpha_bar[s].sqrt() * taken).float()


def heun_step(predictor, schedule, x_t, t, s):
    root, level = schedule.alpha_bar.sqrt(), schedule.noise_level
    u, h = x_t / root[t], level[s] - level[t]
    first = predictor(x_t, t)
    second = predictor(root[s] * (u + h * first), s)
    return root[s] * (u + h / 2 * (first + second))


def noise_of_v(v_hat, x_t, alpha_bar_t):
    return alpha_bar_t.sqrt() * v_hat + (1 - alpha_bar_t).sqrt() * x_t


def arc(a, b, w):
    h = torch.acos(torch.cosine_similarity(a, b, dim=0))
    return (torch.sin((1 - w) * h) * a + torch.sin(w * h) * b) / torch.sin(h)
