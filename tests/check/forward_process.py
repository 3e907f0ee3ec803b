"""Answers to the exercises of chapter 2, right and wrong."""

import numpy as np
import torch

from tests.check.answers import right, wrong

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
wrong("alpha_bar", lambda beta: torch.exp(-torch.cumsum(beta, 0)), "exp(-sum of the betas)")
wrong("alpha_bar", lambda beta: torch.prod(1 - beta), "the end alone")
wrong("alpha_bar", lambda beta: 1 - torch.cumprod(1 - beta, 0), "variance of the noise")


def without_the_clean_data(beta):
    result = torch.cumprod(1 - beta, 0)
    result[0] = 0
    return result


wrong("alpha_bar", without_the_clean_data, "wrong at t = 0 only")
wrong("alpha_bar", lambda beta: torch.cumprod(1 - beta, 0).flip(0), "reverse order")
wrong("alpha_bar", lambda beta: torch.cumprod(1 - beta, 0)[:, None], "right numbers in the wrong shape")
wrong("alpha_bar", lambda beta: beta.neg_().add_(1).cumprod_(0), "`beta` was overwritten")


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


def one_noise_a_time(x_0, t, alpha_bar):
    return noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(len(alpha_bar), 2)[t])(x_0, t, alpha_bar)


def drawn_as(dtype):
    """Noise that is drawn in low precision, in which some rows come out equal."""
    return noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(x.shape, dtype=dtype).float())


right("add_noise", add_noise, lambda *args: list(add_noise(*args)), noisy(torch.sqrt, torch.sqrt))
right("add_noise", drawn_as(torch.half), drawn_as(torch.bfloat16))
wrong("add_noise", one_noise_a_time, "some rows have the same noise", "fresh")
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
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(len(x), 1).expand(-1, 2)), "both coordinates")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(1, 2).expand(len(x), 2)), "all points")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(len(x) // 2, 2).repeat(2, 1)), "some rows")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randint(2, x.shape) * 2.0 - 1), "some rows", "normal")
wrong("add_noise", lambda *args: add_noise(*args)[::-1], "wrong order", "x_t first")
wrong("add_noise", noisy(torch.ones_like, torch.sqrt), "signal is not shrunk")
wrong("add_noise", noisy(torch.sqrt, torch.ones_like), "noise is added in full")
wrong("add_noise", noisy(torch.ones_like, torch.ones_like), "as they are")
wrong("add_noise", noisy(torch.sqrt, lambda a: -a.sqrt()), "noise is taken away")
wrong("add_noise", noisy(lambda a: 1.2 * a.sqrt(), torch.sqrt), "wrong, at t = ", "whose variance is", "not 1")


def without_a_second_dimension(x_0, t, alpha_bar):
    eps, a = torch.randn_like(x_0), alpha_bar[t]
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps


def clean_at_the_first_step(x_0, t, alpha_bar):
    x_t, eps = add_noise(x_0, t, alpha_bar)
    return torch.where(t[:, None] == 1, x_0, x_t), eps


def noise_alone_at_the_last_step(x_0, t, alpha_bar):
    x_t, eps = add_noise(x_0, t, alpha_bar)
    return torch.where(t[:, None] == t.max(), eps, x_t), eps


def shrinking_the_callers_points(x_0, t, alpha_bar):
    eps, a = torch.randn_like(x_0), alpha_bar[t][:, None]
    x_0 *= a.sqrt()
    return x_0 + (1 - a).sqrt() * eps, eps


wrong("add_noise", without_a_second_dimension, "raised RuntimeError", "shaped (B, 1) to meet (B, D)", "a[:, None]")
wrong("add_noise", clean_at_the_first_step, "wrong at t = 1 only", "1.00 x_0")
wrong("add_noise", noise_alone_at_the_last_step, "wrong at t = 100 only: there x_t is 0.00 x_0 + 1.00 eps", "is 0.0")


def other_share(alpha_bar_at):
    """Answers that keep the variance at 1, with alpha_bar from elsewhere: a function of (alpha_bar, t)."""

    def answer(x_0, t, alpha_bar):
        eps, a = torch.randn_like(x_0), alpha_bar_at(alpha_bar, t)[:, None]
        return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps

    return answer


EQ_2 = "but sqrt(alpha_bar) x_0 + sqrt(1 - alpha_bar) eps is "
wrong("add_noise", other_share(lambda ab, t: ab[t.clamp(max=99)]), "wrong at t = 100 only: there x_t is 0.08", EQ_2)
wrong("add_noise", other_share(lambda ab, t: ab[t.clamp(min=2)]), "wrong at t = 1 only: there x_t is 1.00", EQ_2)
wrong("add_noise", other_share(lambda ab, t: ab[t] / 2), "wrong, at t = ", EQ_2)
wrong(
    "add_noise", other_share(lambda ab, t: ab[t] - 3e-3 * (t == 60)), "wrong at t = 60 only", "0.389 x_0", "0.393 x_0"
)
wrong("add_noise", shrinking_the_callers_points, "`x_0` was overwritten")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(2)), "one number per coordinate")
wrong("add_noise", noisy(lambda a: (a - 1).sqrt(), torch.sqrt), "8000 of 8000 are NaN")
wrong("add_noise", noisy(lambda a: 1 / (a - a), torch.sqrt), "8000 of 8000 are NaN or infinite")
wrong("add_noise", noisy(lambda a: 1.2 * a.double().sqrt(), torch.sqrt), "wrong, at t = ", "whose variance is")
wrong(
    "add_noise", noisy(lambda a: 1.2 * a.sqrt(), torch.sqrt, lambda x: torch.randn_like(x, requires_grad=True)), "x_0"
)


def in_half_precision(x_0, t, alpha_bar):
    x_t, eps = noisy(lambda a: 1.2 * a.sqrt(), torch.sqrt)(x_0, t, alpha_bar)
    return x_t.half(), eps.half()


wrong("add_noise", in_half_precision, "wrong, at t = ", "whose variance is")
wrong("add_noise", lambda *args: add_noise(*args)[0], "return two tensors, x_t and eps", "target")
wrong("add_noise", lambda *args: (*add_noise(*args), 1), "return two tensors")
wrong("add_noise", lambda *args: (1.0, 2.0), "return two tensors")
wrong("add_noise", lambda x_0, t, ab: (add_noise(x_0, t, ab)[0], torch.randint(-1, 2, x_0.shape)), "the same noise")
wrong("add_noise", lambda x_0, t, ab: (add_noise(x_0, t, ab)[0], torch.randn_like(x_0)), "not the one in x_t")
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
wrong("half_time", lambda ab: (ab <= 0.5).nonzero()[0], "the shape should be ()", "right number", "[0] takes it out")
wrong("half_time", lambda ab: ab[half_time(ab)], "alpha_bar there", "the time")
wrong("half_time", lambda ab: (ab <= 0.5).sum(), "this counts the times")
wrong("half_time", lambda ab: (ab <= 0.5).nonzero()[:, 0], "return the first")
wrong("half_time", lambda ab: (ab < 0.5).nonzero()[0].item(), "<=, not <")


wrong("half_time", lambda ab: (ab <= 0.5).nonzero()[0], "the shape should be ()")


# dried_up, gaussian_guess: numbers worked out on paper

right("dried_up", 0.25, 0.4 / 1.6, torch.tensor(1 / 4))
wrong("dried_up", 0.2, "beta / 2", "small beta")
wrong("dried_up", 0.16, "one step adds")
wrong("dried_up", 0.52, "after one step from 1")
wrong("dried_up", 0.4, "without roots beta is squared")
wrong("dried_up", 1.0, "Eq. 1 would leave it at 1")
right("gaussian_guess", (0.6, 1.131), [0.36**0.5, (2 * 0.64) ** 0.5])
wrong("gaussian_guess", (1 / 0.6, (2 * 0.64 / 0.36) ** 0.5), "takes the noise for signal")
wrong("gaussian_guess", (0.6, 0.8), "in each coordinate", "two")
wrong("gaussian_guess", (0.6, 1.28), "mean square")
wrong("gaussian_guess", (0.6, (2 * 0.36) ** 0.5), "the share that is signal")
wrong("gaussian_guess", (0.36, 1.319), "not alpha_bar")
