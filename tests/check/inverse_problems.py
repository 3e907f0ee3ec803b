"""Answers to the exercises of chapter 15, right and wrong."""

import math

import numpy as np
import torch
from torch.distributions import Normal

from statesdiff.schedule import NoiseSchedule
from tests.check.answers import right, wrong

# expected_likelihood(belief, origins, y, width)


def density(off, width):
    return torch.exp(-(off**2) / (2 * width**2)) / (width * math.sqrt(2 * math.pi))


def averaged(each):
    """An answer that weighs each(origins, y, width) (N,) with the beliefs."""
    return lambda belief, origins, y, width: belief @ each(origins, y, width)


def likelihood(origins, y, width):
    return density(y - origins[:, 0], width)


right(
    "expected_likelihood",
    averaged(likelihood),
    lambda b, o, y, w: (b * Normal(o[:, 0], w).log_prob(torch.tensor(y)).exp()).sum(dim=1),
    lambda b, o, y, w: (b.log() + Normal(o[:, 0], w).log_prob(torch.tensor(y))).logsumexp(dim=1).exp(),
    lambda b, o, y, w: [sum(p * likelihood(o, y, w)[i] for i, p in enumerate(row)) for row in b],
)
NAME = "expected_likelihood"
wrong(NAME, lambda b, o, y, w: density(y - (b @ o)[:, 0], w), "likelihood of the mean origin", "not the origins")
wrong(NAME, lambda *args: averaged(likelihood)(*args).log(), "its logarithm")
wrong(NAME, averaged(lambda *args: likelihood(*args).log()), "logarithms are averaged")
wrong(NAME, lambda *args: averaged(lambda *a: likelihood(*a).log())(*args).exp(), "logarithms are averaged")
wrong(NAME, averaged(lambda o, y, w: density(y - o[:, 1], w)), "second coordinate")
wrong(NAME, averaged(lambda o, y, w: torch.exp(-((y - o[:, 0]) ** 2) / (2 * w**2))), "sqrt(2 pi)) is missing")
wrong(NAME, averaged(lambda o, y, w: density(y - o[:, 0], w**0.5)), "taken for a variance")
wrong(NAME, lambda b, *args: likelihood(*args).mean() * torch.ones(len(b)), "all origins count alike")
wrong(NAME, lambda b, *args: likelihood(*args).sum() * torch.ones(len(b)), "without their beliefs")
wrong(NAME, lambda b, *args: likelihood(*args)[b.argmax(1)], "only the likeliest origin")
wrong(NAME, lambda b, *args: b * likelihood(*args), "one likelihood for each origin")
wrong(
    NAME,
    averaged(lambda o, y, w: torch.exp((y - o[:, 0]) ** 2 / (2 * w**2)) / (w * math.sqrt(2 * math.pi))),
    "minus sign in the exponent",
)
wrong(NAME, lambda b, o, y, w: (b @ likelihood(o, y, w))[:, None], "the right numbers in the wrong shape")
wrong(NAME, lambda b, o, y, w: likelihood(o, y, w) @ b, "your function raised RuntimeError")
wrong(NAME, lambda b, o, y, w: 2 * averaged(likelihood)(b, o, y, w), "a factor, 2")
wrong(NAME, lambda b, o, y, w: b.mul_(likelihood(o, y, w)).sum(1), "`b` was overwritten")


# measured_gradient(predictor, schedule, x_t, t, y, width)


def gradient_of(objective, guess=None, through=lambda x: x):
    """An answer that differentiates the sum of objective(the guess, y, width)."""

    @torch.enable_grad()
    def answer(predictor, schedule, x_t, t, y, width):
        x = x_t.detach().requires_grad_()
        x_0_hat = (guess or guessed)(predictor, schedule, x, t)
        return through(torch.autograd.grad(objective(x_0_hat, y, width).sum(), x)[0])

    return answer


def guessed(predictor, schedule, x, t):
    return schedule.predict_x_0(x, t, predictor(x, t))


def frozen(predictor, schedule, x, t):
    return schedule.predict_x_0(x, t, predictor(x, t).detach())


def log_p(x_0_hat, y, width):
    return -((y - x_0_hat[:, 0]) ** 2) / (2 * width**2)


def by_hand(predictor, schedule, x_t, t, y, width):
    """The guess moves with x_t by its Jacobian, taken by differences."""
    columns, h = [], 1e-4
    x, back = x_t.double(), guessed(predictor, schedule, x_t, t)[:, 0]
    for step in h * torch.eye(2).double():
        up, down = (guessed(predictor, schedule, x + s, t)[:, 0] for s in (step, -step))
        columns.append((up - down) / (2 * h))
    return ((y - back) / width**2)[:, None] * torch.stack(columns, dim=1)


@torch.enable_grad()
def by_backward(predictor, schedule, x_t, t, y, width):
    x = x_t.clone().detach().requires_grad_()
    Normal(guessed(predictor, schedule, x, t)[:, 0], width).log_prob(torch.tensor(y)).sum().backward()
    return x.grad


def of_the_guess(predictor, schedule, x_t, t, y, width):
    off = y - guessed(predictor, schedule, x_t, t)[:, 0]
    return torch.stack([off / width**2, 0 * off], dim=1)


def without_enable_grad(predictor, schedule, x_t, t, y, width):
    x = x_t.detach().requires_grad_()
    return torch.autograd.grad(log_p(guessed(predictor, schedule, x, t), y, width).sum(), x)[0]


@torch.enable_grad()
def forgotten_index(predictor, schedule, x_t, t, y, width):
    x = x_t.detach().requires_grad_()
    return torch.autograd.grad(log_p(guessed(predictor, schedule, x, t), y, width).sum(), x)


@torch.enable_grad()
def on_the_callers_tensor(predictor, schedule, x_t, t, y, width):
    x_t.requires_grad_()
    return torch.autograd.grad(log_p(guessed(predictor, schedule, x_t, t), y, width).sum(), x_t)[0]


def as_noise(sign):
    def answer(predictor, schedule, x_t, t, *args):
        gradient = gradient_of(log_p)(predictor, schedule, x_t, t, *args)
        return sign * float(1 - schedule.alpha_bar[int(t)]) ** 0.5 * gradient

    return answer


right("measured_gradient", gradient_of(log_p), by_hand, by_backward)
NAME = "measured_gradient"
wrong(NAME, of_the_guess, "with respect to the guess", "through the denoiser")
wrong(NAME, gradient_of(log_p, frozen), "taken for a constant", "do not detach it")
wrong(NAME, gradient_of(log_p, lambda predictor, schedule, x, t: x), "the noisy point is measured")
wrong(NAME, gradient_of(lambda *args: -log_p(*args)), "the sign is wrong")
wrong(NAME, gradient_of(lambda x, y, w: density(y - x[:, 0], w)), "gradient of p:", "log p")
wrong(NAME, gradient_of(lambda x, y, w: -0.5 * (y - x[:, 0]) ** 2), "the width is missing")
wrong(NAME, gradient_of(lambda x, y, w: -0.5 * (y - x[:, 0]) ** 2 / w), "by the width, not its square")
wrong(NAME, gradient_of(lambda x, y, w: -(((y - x[:, 0]) / w) ** 2)), "the half is missing")
wrong(NAME, gradient_of(lambda x, y, w: log_p(x[:, 1:], y, w)), "second coordinate")
wrong(NAME, gradient_of(lambda x, y, w: -((y - x) ** 2) / (2 * w**2)), "both coordinates")
wrong(NAME, gradient_of(log_p, through=lambda g: g / len(g)), "size of the batch")
wrong(NAME, as_noise(1), "this is a noise")
wrong(NAME, as_noise(-1), "this is a noise")
wrong(NAME, without_enable_grad, "samplers run without gradients", "torch.enable_grad()")
wrong(NAME, forgotten_index, "returns a tuple", "[0]")
wrong(NAME, on_the_callers_tensor, "caller's x_t", "x_t.detach()")
wrong(NAME, gradient_of(log_p, through=lambda g: None), "returned None: is `return` missing?")
wrong(NAME, gradient_of(log_p, through=lambda g: g.T), "this is the transpose")


# guessed_variances: v = 1, nu^2 = 1/2

right("guessed_variances", (1 / 3, math.exp(-2)), (0.3333, 0.1353), [1 / (1 + 2), np.exp(-2)])
wrong("guessed_variances", (0.1353, 0.3333), "wrong order")
wrong("guessed_variances", (0.5774, 0.3679), "standard deviations")
wrong("guessed_variances", (3, 7.389), "one over the variances")
wrong("guessed_variances", (1 / 3, 0.3679), "by the square")
wrong("guessed_variances", (1 / 3, 1 / 3), "the point of the second question")
wrong("guessed_variances", (0.5, 0.1353), "the prior is forgotten")
wrong("guessed_variances", (1.5, 0.1353), "it is the precisions that add")
wrong("guessed_variances", (1 / (1 + 4), math.exp(-4)), "taken for nu")
wrong("guessed_variances", (1 / 3, 1), "the guidance is forgotten")


# best_spread(spread_at)

SCHEDULE = NoiseSchedule.linear(T=500)


def of_gaussian_data(t):  # v = 1
    return float((1 - SCHEDULE.alpha_bar[t]).sqrt())


right("best_spread", lambda t: np.interp(t, (30, 60, 100), (0.3, 0.5, 0.8)) * of_gaussian_data(t))
wrong("best_spread", of_gaussian_data, "EMD with your spread", "at most 0.046")
wrong("best_spread", lambda t: 0.0, "EMD with your spread")
wrong("best_spread", lambda t: -0.1, "at t = 500 yours is -0.1")
wrong("best_spread", lambda t: math.inf, "a standard deviation, 0 or more")
wrong("best_spread", lambda t: "wide", "yours is 'wide'")
wrong("best_spread", lambda t: 1 / (t - 500), "raised ZeroDivisionError")
wrong("best_spread", 0.3, "raised TypeError")
