"""Answers to the exercises of chapter 13, right and wrong."""

import torch

from tests.check.answers import right, wrong

# flow_loss(velocity, x_0, eps, s)


def loss(point=None, clock=None, target=None, reduce=None):
    """The loss with an ingredient changed: each is a function of (x_0, eps, s), s (B, 1), the last of the error."""

    def answer(velocity, x_0, eps, s):
        r = s[:, None]
        x = point(x_0, eps, r) if point else r * x_0 + (1 - r) * eps
        time = clock(s) if clock else s
        error = velocity(x, time) - (target(x_0, eps, r) if target else x_0 - eps)
        return reduce(error) if reduce else (error**2).mean()

    return answer


def at(pick):
    """One time for all points."""

    def answer(velocity, x_0, eps, s):
        v = pick(s)
        return ((velocity(v * x_0 + (1 - v) * eps, v) - (x_0 - eps)) ** 2).mean()

    return answer


def with_a_library(velocity, x_0, eps, s):
    return torch.nn.functional.mse_loss(velocity(torch.lerp(eps, x_0, s[:, None]), s), x_0 - eps)


right("flow_loss", loss(), with_a_library)
wrong("flow_loss", loss(lambda x, e, r: (1 - r) * x + r * e), "ends are swapped")
wrong("flow_loss", loss(lambda x, e, r: (1 - r) * x + r * e, target=lambda x, e, r: e - x), "from data to noise")
wrong("flow_loss", loss(target=lambda x, e, r: e - x), "sign of the target")
wrong("flow_loss", loss(lambda x, e, r: r.sqrt() * x + (1 - r).sqrt() * e), "no square roots")
wrong("flow_loss", loss(lambda x, e, r: r * x + (1 - r**2).sqrt() * e), "no square roots")
wrong("flow_loss", loss(target=lambda x, e, r: e), "noise alone")
wrong("flow_loss", loss(target=lambda x, e, r: x), "data point alone")
wrong("flow_loss", loss(target=lambda x, e, r: x - (r * x + (1 - r) * e)), "left of the way")
wrong("flow_loss", loss(lambda x, e, r: x), "asked at x_0")
wrong("flow_loss", loss(lambda x, e, r: e), "asked at the noise")
wrong("flow_loss", loss(clock=lambda s: 1 - s), "told 1 - s")
wrong("flow_loss", at(lambda s: s[0]), "one time was used")
wrong("flow_loss", at(lambda s: s.mean()), "one time was used")
wrong("flow_loss", loss(reduce=lambda d: (d**2).sum(1).mean()), "sum over coordinates")
wrong("flow_loss", loss(reduce=lambda d: (d**2).sum()), "this is the sum")
wrong("flow_loss", loss(reduce=lambda d: d.mean() ** 2), "errors cancel")
wrong("flow_loss", loss(reduce=lambda d: (d**2).mean() ** 0.5), "root of the loss")
wrong("flow_loss", loss(reduce=lambda d: d.abs().mean()), "absolute values", "median")
wrong("flow_loss", loss(clock=lambda s: s[:, None]), "raised ValueError", "one entry for each of the 60 rows")

# velocity_from_noise(x_s, s, eps_hat)


def x_0_hat(x, s, e):
    return (x - (1 - s) * e) / s


right("velocity_from_noise", lambda x, s, e: (x - e) / s, lambda x, s, e: x_0_hat(x, s, e) - e)
wrong("velocity_from_noise", x_0_hat, "this is the predicted x_0")
wrong("velocity_from_noise", lambda x, s, e: x - e, "division by s is missing")
wrong("velocity_from_noise", lambda x, s, e: (e - x) / s, "sign is wrong")
wrong("velocity_from_noise", lambda x, s, e: (x - e) / (1 - s), "divided by 1 - s")
wrong("velocity_from_noise", lambda x, s, e: (x - e) * s, "multiplied by s")
wrong("velocity_from_noise", lambda x, s, e: (x - e) / s - e, "has the factor 1 - s")
wrong("velocity_from_noise", lambda x, s, e: x_0_hat(x, s, e) - (1 - s) * e, "the whole of it")
wrong("velocity_from_noise", lambda x, s, e: x_0_hat(x, s, e) - x, "leads from x_s to x_0_hat")
wrong("velocity_from_noise", lambda x, s, e: x_0_hat(x, s, e) + e, "sum of the two ends")
wrong("velocity_from_noise", lambda x, s, e: (x - (1 - s**2).sqrt() * e) / s - e, "keeps its variance")
wrong("velocity_from_noise", lambda x, s, e: (x - e) / s * (s < 1), "right elsewhere, but at s = 1")

# on paper

right("gaussian_flow", (1.2, 0.8, 2.0), (6 / 5, 4 / 5, 2))
wrong("gaussian_flow", (0.6, 0.65, 2.0), "variance of x_s")
wrong("gaussian_flow", (0.667, 0.667, 2.0), "w^2 = 4, not w = 2")
wrong("gaussian_flow", (2.0, 1.0, 2.0), "minus sign")
wrong("gaussian_flow", (1.5, 0.875, 2.0), "this is a covariance")
wrong("gaussian_flow", (1.2, 1.1, 2.0), "where the first has ended")
wrong("gaussian_flow", (1.2, 0.0, 2.0), "half a step")
wrong("gaussian_flow", (1.2, 0.8, 4.0), "squares of lengths")
wrong("gaussian_flow", (1.2, 1.6, 2.0), "it is not 0")
wrong("gaussian_flow", (1.2, 0.8, 3.0), "not the right numbers")

# a score to beat


def book(n, generator):
    return (2 + torch.randn(n, generator=generator)).sigmoid()


right("times_of_training", book)
wrong("times_of_training", 0.5, "give a function")
wrong("times_of_training", lambda n, generator: torch.rand(n, 1, generator=generator), "shape (n,)")
wrong("times_of_training", lambda n, generator: torch.randint(0, 2, (n,), generator=generator), "float tensor")
wrong("times_of_training", lambda n, generator: torch.randn(n, generator=generator), "flow times lie in [0, 1]")
wrong("times_of_training", lambda n, generator: torch.rand(n), "from the generator alone")
wrong("times_of_training", lambda n: torch.rand(n), "raised TypeError")
