"""Answers to the exercises of chapter 11, right and wrong."""

import math
from pathlib import Path

import torch
from safetensors.torch import load_file

from statesdiff.data import outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.models import Denoiser, mlp
from statesdiff.schedule import NoiseSchedule
from tests.check.answers import right, wrong
from tests.support import small

# count_weights(sizes)


def layers(sizes):
    return list(zip(sizes[:-1], sizes[1:], strict=True))


def count_in_a_loop(sizes):
    n = 0
    for k in range(len(sizes) - 1):
        n += sizes[k] * sizes[k + 1] + sizes[k + 1]
    return n


right(
    "count_weights",
    lambda sizes: sum((a + 1) * b for a, b in layers(sizes)),
    lambda sizes: sum(p.numel() for p in mlp(sizes).parameters()),
    count_in_a_loop,
)
wrong("count_weights", lambda sizes: sum(a * b for a, b in layers(sizes)), "biases are missing")
wrong("count_weights", lambda sizes: sum(a * (b + 1) for a, b in layers(sizes)), "belongs to an output")
wrong("count_weights", lambda sizes: sum(a * b + 1 for a, b in layers(sizes)), "one bias a layer")
wrong("count_weights", lambda sizes: sum((a + 1) * b for a, b in layers(sizes[:-1])), "to the outputs is missing")
wrong("count_weights", lambda sizes: sum((a + 1) * b for a, b in layers(sizes[1:])), "from the inputs is missing")
wrong("count_weights", lambda sizes: sum((a + 1) * b for a, b in layers(sizes)) - sizes[-1], "last layer has biases")
wrong("count_weights", lambda sizes: 2 * count_in_a_loop(sizes), "counted twice")
wrong("count_weights", lambda sizes: count_in_a_loop(sizes[::-1]), "belongs to an output")  # from the outputs back
wrong("count_weights", lambda sizes: sizes.append(0) or count_in_a_loop(sizes), "`sizes` was overwritten")
wrong("count_weights", lambda sizes: [(a + 1) * b for a, b in layers(sizes)], "the sum is missing")
wrong("count_weights", sum, "these are the units")
wrong("count_weights", lambda sizes: sum(sizes[1:-1]), "these are the units")
wrong("count_weights", math.prod, "not the right numbers")


# width_for(depth, budget, n_in, n_out)


def solve(depth, budget, n_in, n_out, square=0, line=0, end=int):
    """The width by the quadratic formula, with the two coefficients off by so much, and rounded by `end`."""
    a, b, c = depth - 1 + square, n_in + n_out + depth + line, n_out - budget
    return end(-c / b if a == 0 else (-b + (b**2 - 4 * a * c) ** 0.5) / (2 * a))


def n_weights(depth, width, n_in, n_out):
    return count_in_a_loop([n_in, *[width] * depth, n_out])


def search(depth, budget, n_in, n_out):
    width = 1
    while n_weights(depth, width + 1, n_in, n_out) <= budget:
        width += 1
    return width


def divide(depth, budget, n_in, n_out):
    a, b, c = depth - 1, n_in + n_out + depth, n_out - budget
    return int((-b + math.sqrt(b**2 - 4 * a * c)) / (2 * a))


right("width_for", solve, search, lambda *args: torch.tensor(search(*args)))
wrong("width_for", lambda *args: solve(*args, end=float), "whole number of units")
wrong("width_for", lambda *args: solve(*args, end=math.ceil), "larger than the budget", "round down")
wrong("width_for", lambda *args: search(*args) - 1, "one too few")
wrong("width_for", lambda *args: solve(*args, end=lambda width: math.ceil(width) - 1), "<=, not <")
wrong("width_for", lambda *args: [search(*args)], "still in a tensor")
wrong("width_for", lambda *args: solve(*args, square=1), "not depth")
wrong("width_for", lambda *args: solve(*args, square=-1), "not depth - 2")
wrong("width_for", lambda depth, budget, n_in, n_out: int((budget / (depth - 1)) ** 0.5), "are forgotten")
wrong("width_for", lambda d, b, n_in, n_out: solve(d, b, n_in, n_out, line=-n_out), "to the outputs is forgotten")
wrong("width_for", lambda d, b, n_in, n_out: solve(d, b, n_in, n_out, line=-n_in - 1), "from the inputs is forgotten")
wrong("width_for", lambda *args: n_weights(args[0], search(*args), *args[2:]), "this is the number of weights")
wrong("width_for", lambda depth, budget, n_in, n_out: depth, "not the right numbers")
wrong("width_for", divide, "right elsewhere, but at depth 1", "ZeroDivisionError")
wrong("width_for", lambda depth, *rest: search(depth, *rest) if depth > 1 else 3, "right elsewhere, but at depth 1")


# points_in_weights: a number

right("points_in_weights", 8260, 4130 * 32 // 16, 4130 * 4 / 2)
wrong("points_in_weights", 4130 * 32 / 8, "two coordinates")
wrong("points_in_weights", 4130 * 32 / 64, "eight bits a coordinate")
wrong("points_in_weights", 4130 * 32, "bits of all weights")
wrong("points_in_weights", 4130 / 16, "32 bits, not one")


# smallest_network: a trained denoiser


def trained(hidden=(16, 16, 16, 16)):
    """What the chapter's solution trains, its weights kept in a file beside this one."""
    model = Denoiser.fourier(hidden=hidden)
    model.load_state_dict(load_file(Path(__file__).with_name("smallest.safetensors")))
    return model


class List(torch.nn.Module):
    """A list of places on the outlines: it passes the test, and is no network."""

    def forward(self, x_t, t):
        return IdealDenoiser(outline_points(200), NoiseSchedule.linear(), jitter=0.03)(x_t, t)


right("smallest_network", trained())
wrong("smallest_network", List(), "a trained `Denoiser` may take part", "got List")
wrong("smallest_network", small(T=500), "is covered to 0.", "at least 0.9 is asked for")
wrong("smallest_network", trained, "a trained `Denoiser` may take part", "got function")
