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
