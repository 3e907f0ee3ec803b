"""Answers to the exercises of chapter 16, right and wrong."""

import math

import torch

from tests.check.answers import right, wrong

# narrow_layer: a number

right("narrow_layer", 528 / 784, (784 - 256) / 784, 0.673)
wrong("narrow_layer", 256 / 784, "the share of the noise that can be told")
wrong("narrow_layer", 784 - 256, "divide by 784")
wrong("narrow_layer", math.sqrt(528 / 784), "no root")
wrong("narrow_layer", 528 / 1312, "not of 528 + 784")
wrong("narrow_layer", 0, "at least 784 units")
wrong("narrow_layer", 1, "a layer with no units")


# noise_of_v(v_hat, x_t, alpha_bar_t)


def roots(ab):
    return ab.sqrt(), (1 - ab).sqrt()


def by_x_0(v, x_t, ab):
    a, b = roots(ab.double())
    x_0 = a * x_t - b * v
    return ((x_t - a * x_0) / b).float()


def combined(first, second):
    """first v + second x_t, the factors made of both roots."""

    def answer(v, x_t, ab):
        a, b = roots(ab)
        return first(a, b) * v + second(a, b) * x_t

    return answer


right("noise_of_v", combined(lambda a, b: a, lambda a, b: b), by_x_0)
wrong("noise_of_v", combined(lambda a, b: -b, lambda a, b: a), "this is the clean image")
wrong("noise_of_v", lambda v, x_t, ab: ab * v + (1 - ab) * x_t, "square roots are missing")
wrong("noise_of_v", combined(lambda a, b: b, lambda a, b: a), "factors are swapped")
wrong("noise_of_v", combined(lambda a, b: a, lambda a, b: -b), "a sign")
wrong("noise_of_v", combined(lambda a, b: -a, lambda a, b: b), "a sign")
wrong("noise_of_v", combined(lambda a, b: a, lambda a, b: 0), "the part that is in x_t is missing")
wrong("noise_of_v", lambda v, x_t, ab: v, "v itself is noise and image mixed")
wrong("noise_of_v", combined(lambda a, b: 1 / a, lambda a, b: b / a), "divide by nothing")
wrong("noise_of_v", combined(lambda a, b: 1 / a, lambda a, b: b), "divide by nothing")
wrong("noise_of_v", combined(lambda a, b: a, lambda a, b: 1 / b), "divide by nothing")


def only_in_the_middle(v, x_t, ab):
    a, b = roots(ab.clamp(0.1, 0.9))
    return a * v + b * x_t


wrong("noise_of_v", only_in_the_middle, "right elsewhere, but at alpha_bar_t = 0.9999")


# arc(a, b, w)


def angle(a, b):
    return torch.acos(torch.cosine_similarity(a, b, dim=0))


def slerp(a, b, w):
    h = angle(a, b)
    return (torch.sin((1 - w) * h) * a + torch.sin(w * h) * b) / torch.sin(h)


def turned(a, b, w):
    """In the plane of a and b: the lengths have to be put back."""
    h, p = angle(a, b), a / a.norm()
    q = b / b.norm() - (b / b.norm() @ p) * p
    q = q / q.norm()
    first, second = torch.sin((1 - w) * h) * a.norm(), torch.sin(w * h) * b.norm()
    return (first * p + second * (torch.cos(h) * p + torch.sin(h) * q)) / torch.sin(h)


def stretched(a, b, w):
    line = (1 - w) * a + w * b
    return line / line.norm() * ((1 - w) * a.norm() + w * b.norm())


def of_the_cosine(a, b, w):
    h = torch.cosine_similarity(a, b, dim=0)
    return (torch.sin((1 - w) * h) * a + torch.sin(w * h) * b) / torch.sin(h)


right("arc", slerp, turned)
wrong("arc", lambda a, b, w: torch.lerp(a, b, w), "this is the straight line")
wrong("arc", lambda a, b, w: slerp(b, a, w), "at w = 0 you must be at a")
wrong("arc", lambda a, b, w: slerp(a, b, w) * torch.sin(angle(a, b)), "division by the sine of the angle is missing")
wrong("arc", of_the_cosine, "take the arc cosine")
wrong("arc", stretched, "goes unevenly")
wrong("arc", lambda a, b, w: slerp(a / a.norm(), b / b.norm(), w), "keep the lengths")
wrong("arc", lambda a, b, w: math.cos(w * math.pi / 2) * a + math.sin(w * math.pi / 2) * b, "ends at right angles")
wrong("arc", lambda a, b, w: slerp(a, b, w) if w else 0 * a, "right elsewhere, but at w = 0")
