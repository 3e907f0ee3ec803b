"""Answers to the exercises of chapter 7, right and wrong."""

import math
import random

import numpy as np
import torch

from tests.check.answers import right, wrong

# drop_labels(y, p_uncond, generator)


def drop(new=-1, share=lambda p: p, draw=torch.rand, n=len):
    """An answer that draws n(y) numbers and puts `new` where they lie below share(p_uncond)."""

    def answer(y, p_uncond, generator):
        return torch.where(draw(n(y), generator=generator) < share(p_uncond), new, y)

    return answer


def drop_together(spread):
    """An answer in which labels share random numbers: what `spread` makes of y and a draw of so many numbers."""

    def answer(y, p_uncond, generator):
        return torch.where(spread(y, lambda n: torch.rand(n, generator=generator)) < p_uncond, -1, y)

    return answer


def drop_in_a_loop(y, p_uncond, generator):
    return [-1 if torch.rand(1, generator=generator).item() < p_uncond else k for k in y.tolist()]


def drop_by_numpy(y, p_uncond, generator):
    labels = y.numpy().copy()
    labels[torch.rand(len(labels), generator=generator).numpy() < p_uncond] = -1
    return labels


def drop_by_arithmetic(y, p_uncond, generator):
    kept = (torch.rand(y.shape, generator=generator) >= p_uncond).long()
    return kept * y - (1 - kept)


def drop_by_bernoulli(y, p_uncond, generator):
    return y.masked_fill(torch.bernoulli(torch.full(y.shape, p_uncond), generator=generator).bool(), -1)


def drop_a_fixed_number(y, p_uncond, generator):
    y = y.clone()
    y[torch.randperm(len(y), generator=generator)[: round(p_uncond * len(y))]] = -1
    return y


def drop_in_place(y, p_uncond, generator):
    y[torch.rand(len(y), generator=generator) < p_uncond] = -1
    return y


def drop_from_the_global_state(y, p_uncond, generator):
    return torch.where(torch.rand(len(y)) < p_uncond, -1, y)


def drop_after_a_global_seed(y, p_uncond, generator):
    torch.manual_seed(0)
    return drop_from_the_global_state(y, p_uncond, torch.rand(1, generator=generator))


def drop_by_python(y, p_uncond, generator):
    return torch.tensor([-1 if random.random() < p_uncond else int(k) for k in y])


def drop_with_some_of_both(y, p_uncond, generator):
    u = torch.rand(len(y), generator=generator).numpy() + 0.05 * np.random.default_rng().normal(size=len(y))
    return torch.where(torch.as_tensor(u) < p_uncond, -1, y)


def drop_the_first(y, p_uncond, generator):
    return torch.where(torch.arange(len(y)) < p_uncond * len(y), -1, y)


def drop_and_shuffle(y, p_uncond, generator):
    return drop()(y[torch.randperm(len(y), generator=generator)], p_uncond, generator)


def drop_as_float(y, p_uncond, generator):
    return y.float().masked_fill(torch.rand(len(y), generator=generator) < p_uncond, -1)


right("drop_labels", drop(), drop_in_a_loop, drop_by_numpy, drop_by_bernoulli, drop_by_arithmetic)
wrong("drop_labels", lambda y, p, g: torch.rand(len(y), generator=g) < p, "this is the mask")
wrong("drop_labels", drop(new=math.nan), "whole numbers", "not NaN")
wrong("drop_labels", drop_as_float, "whole numbers")
wrong("drop_labels", drop(new=0), "Michigan", "-1")
wrong("drop_labels", drop(new=5), "you put another number")
wrong("drop_labels", drop(n=lambda y: 1), "all labels are dropped, or none", "for each label")
wrong("drop_labels", drop(share=lambda p: 1), "all labels are dropped, or none")
wrong("drop_labels", lambda y, p, g: y, "all labels are dropped, or none")
wrong("drop_labels", drop_and_shuffle, "that are kept must stay")
wrong("drop_labels", lambda y, p, g: drop()(y + 1, p, g), "that are kept must stay")
wrong("drop_labels", drop_together(lambda y, draw: draw(5)[y]), "each state is dropped whole", "for each label")
wrong("drop_labels", drop_together(lambda y, draw: draw(len(y) // 2).repeat(2)), "share a random number", "len(y)")
wrong("drop_labels", drop_together(lambda y, draw: draw(len(y) // 2).repeat_interleave(2)), "share a random number")
wrong("drop_labels", drop_together(lambda y, draw: draw(100).repeat(len(y) // 100)), "share a random number")
wrong("drop_labels", drop(share=lambda p: 1 - p), "share is inverted")
wrong("drop_labels", drop(draw=torch.randn), "torch.randn", "uniform")
wrong("drop_labels", drop(share=lambda p: 0.2), "about p_uncond")
wrong("drop_labels", drop_a_fixed_number, "exactly the same number", "a coin for each label")
wrong("drop_labels", drop_in_place, "changed in place", "y.clone()")
wrong("drop_labels", drop_from_the_global_state, "generator was not used")
wrong("drop_labels", drop_after_a_global_seed, "generator was not used")
wrong("drop_labels", drop_by_python, "generator was not used")
wrong("drop_labels", drop_the_first, "generator was not used")
wrong("drop_labels", drop_with_some_of_both, "equal generators differ")


# classifier_free(eps_uncond, eps_cond, scale)

right(
    "classifier_free",
    lambda u, c, s: u + s * (c - u),
    lambda u, c, s: (1 - s) * u + s * c,
    lambda u, c, s: torch.lerp(u, c, s),
    lambda u, c, s: (1 + (s - 1)) * c - (s - 1) * u,  # w = scale - 1
)
wrong("classifier_free", lambda u, c, s: (1 + s) * c - s * u, "convention of w", "scale = 1 + w")
wrong("classifier_free", lambda u, c, s: c + s * (u - c), "swapped")
wrong("classifier_free", lambda u, c, s: u + (c - u), "scale is forgotten")
wrong("classifier_free", lambda u, c, s: u + s**2 * (c - u), "scale is squared")
wrong("classifier_free", lambda u, c, s: u + (c - u) / s, "scale divides")
wrong("classifier_free", lambda u, c, s: s * u + (1 + s) * c, "add up to 1")
wrong("classifier_free", lambda u, c, s: c.sub_(u).mul_(s).add_(u), "`c` was overwritten")
wrong("classifier_free", lambda c, u, s: u + s * (c - u), "swapped")  # the arguments in the wrong order
wrong("classifier_free", lambda u, c, s: (u + s * (c - u)).T, "this is the transpose")
wrong("classifier_free", lambda u, c, s: s * c, "eps_cond alone")
wrong("classifier_free", lambda u, c, s: u + c, "sum of both")
wrong("classifier_free", lambda u, c, s: u + s * c, "sum of both")
wrong("classifier_free", lambda u, c, s: s * (u + c), "sum of both")
wrong("classifier_free", lambda u, c, s: (u + c) / 2, "average")
wrong("classifier_free", lambda u, c, s: u + s * (u - c), "sign of the difference")
wrong("classifier_free", lambda u, c, s: s * (c - u), "difference alone")


# implied_gradient(eps_cond, eps_uncond, alpha_bar_t)

right(
    "implied_gradient",
    lambda c, u, a: (u - c) / torch.sqrt(1 - a),
    lambda c, u, a: -c / (1 - a) ** 0.5 + u / (1 - a) ** 0.5,
)
wrong("implied_gradient", lambda c, u, a: (c - u) / (1 - a).sqrt(), "sign is wrong", "MINUS")
wrong("implied_gradient", lambda c, u, a: (u - c) / (1 - a), "square root is missing")
wrong("implied_gradient", lambda c, u, a: (u - c) * (1 - a).sqrt(), "you multiplied")
wrong("implied_gradient", lambda c, u, a: (u - c) / a.sqrt(), "this is sqrt(alpha_bar_t)")
wrong("implied_gradient", lambda c, u, a: u - c, "difference of noises")
wrong("implied_gradient", lambda c, u, a: -c / (1 - a).sqrt(), "one score alone")
wrong("implied_gradient", lambda c, u, a: -u / (1 - a).sqrt(), "one score alone")
wrong("implied_gradient", lambda c, u, a: -(c + u) / (1 - a).sqrt(), "the two scores are added")
wrong("implied_gradient", lambda c, u, a: (1 - a).sqrt() / (u - c), "upside down")
wrong("implied_gradient", lambda u, c, a: (u - c) / (1 - a).sqrt(), "sign is wrong")  # arguments in the wrong order
wrong("implied_gradient", lambda c, u, a: u.sub_(c).div_((1 - a).sqrt()), "`u` was overwritten")
wrong("implied_gradient", lambda c, u, a: 2 * (u - c) / (1 - a).sqrt(), "a factor, 2")


# on_each_other: k = 3

right("on_each_other", (1.5, 0.9), (3 / 2, 9 / 10))
wrong("on_each_other", (0.9, 1.5), "wrong order")
wrong("on_each_other", (-0.5, 0.1), "start at the worse one")
wrong("on_each_other", (0.5, -0.1), "count like w")
wrong("on_each_other", (0.75, 0.9), "has to vanish")
wrong("on_each_other", (1.5, 0.75), "add as squares")
wrong("on_each_other", (1.5, 1.5), "never cancel")


# ten_scales(scale_at)


def early_and_late(t):
    return dict(zip(range(500, 0, -50), (1.9, 2.1, 2.1, 2.0, 1.3, 0.7, 0.4, 0.3, 0.8, 0.9), strict=True))[t]


right("ten_scales", early_and_late)
wrong("ten_scales", lambda t: 1.0, "EMD from fresh points")
wrong("ten_scales", lambda t: 2, "at most 0.12,")
wrong("ten_scales", lambda t: 100.0, "from -10 to 10", "t = 500")
wrong("ten_scales", lambda t: "1.7 at first", "raised ValueError")
