"""Self-checks of chapter 11: how many weights a network has, how wide it may be, and how few of them are enough."""

from collections.abc import Callable
from typing import Any

import torch

from statesdiff import metrics
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.data import STATE_NAMES, outline_points
from statesdiff.models import Denoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule

LEAST_COVERED, FARTHEST = 0.9, 0.065  # of each state's outline; five times the distance of real points


def count_weights(f: Callable[[list[int]], int]) -> Verdict:
    """f(sizes) -> the number of weights, biases included, of linear layers from each size to the next."""
    sizes = [19, 30, 50, 70, 2]
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    right = sum((n_in + 1) * n_out for n_in, n_out in pairs)
    products = sum(n_in * n_out for n_in, n_out in pairs)
    wrong = {
        "the biases are missing: each layer has one for each of its outputs": products,
        "a bias belongs to an output, not to an input: n_in * n_out + n_out": sum(a * (b + 1) for a, b in pairs),
        "every layer is counted twice": 2 * right,
        "one bias a layer is too few: each output has its own": products + len(pairs),
        "the layer to the outputs is missing: its weights and biases count too": right - 71 * 2,
        "the layer from the inputs is missing: its weights and biases count too": right - 20 * 30,
        "the last layer has biases too": right - 2,
        "these are the units: a layer from n_in to n_out has n_in * n_out weights, and biases": [
            sum(sizes),
            sum(sizes[1:]),
            sum(sizes[1:-1]),
        ],
    }
    return judge(f, (sizes,), right, wrong, "every line between two units, and a bias for each unit")


def width_for(f: Callable[[int, int, int, int], int]) -> Verdict:
    """f(depth, budget, n_in, n_out) -> the greatest width whose network has at most `budget` weights."""
    asked = 4, 5190, 30, 12
    exact, wrong = _widths(*asked)
    smaller = {"right, but a network that has just as many weights as the budget is allowed: <=, not <": 33}
    return first_failing(
        "as wide as the budget allows",
        lambda: judge(f, asked, int(exact), wrong),
        lambda: judge(f, (4, 5044, 30, 12), 34, smaller).at("a budget that is met exactly"),
        lambda: judge(f, (1, 100, 3, 2), 16, {}).at("depth 1"),
    )


def _widths(depth: int, budget: int, n_in: int, n_out: int) -> tuple[float, dict[str, Any]]:
    """The width before rounding, and wrong ones."""

    def solved(square: float, line: float) -> float:
        return (-line + (line**2 + 4 * square * (budget - n_out)) ** 0.5) / (2 * square)

    line = n_in + n_out + depth
    exact, few = solved(depth - 1, line), int((budget / (depth - 1)) ** 0.5)
    missing = {
        "depth hidden layers have depth - 1 square matrices between them, not depth": int(solved(depth, line)),
        "depth counts the hidden layers: there are depth - 1 square matrices between them, not depth - 2": int(
            solved(depth - 2, line)
        ),
        "the inputs and outputs are forgotten: their layers have weights too": [few, (budget / (depth - 1)) ** 0.5],
        "the layer to the outputs is forgotten": int(solved(depth - 1, n_in + depth)),
        "the layer from the inputs is forgotten": int(solved(depth - 1, n_out + depth - 1)),
    }
    return exact, missing | {
        "this is the width before rounding: a layer has a whole number of units, so round down": exact,
        "this network is larger than the budget: round down, not up": int(exact) + 1,
        "one too few: the width that just fits is allowed": int(exact) - 1,
        "this is the number of weights: return the width": [
            (depth - 1) * w**2 + line * w + n_out for w in (int(exact), int(exact) + 1)
        ],
    }


points_in_weights = OnPaper(
    8260,
    {
        "a point has two coordinates": 16520,
        "eight bits a coordinate are asked for, not the 32 of a float": 2065,
        "these are the bits of all weights: how many points do they make?": 132160,
        "a weight has 32 bits, not one": 258.125,
    },
    "more points than the network was trained on",
    rtol=1e-6,
)


@torch.no_grad()
def weights_of_what_passes(model: Denoiser) -> float:
    """How many thousand weights a denoiser has, if its samples pass the chapter's test; else `AgainstTheRules`.

    2,000 samples of the stream "contest" by DDIM with 100 steps and eta = 1: at least 0.9 of each state's outline is
    covered, and the mean distance to the outlines is at most five times that of real points.
    """
    if not isinstance(model, Denoiser):
        raise AgainstTheRules(f"a trained `Denoiser` may take part, with any hidden layers; got {type(model).__name__}")
    generator, schedule = stream("contest"), NoiseSchedule.linear()
    x_T = randn(2000, 2, generator=generator)
    samples = last(ddim(model, schedule, x_T, steps=100, eta=1.0, generator=generator))
    shares = {name: metrics.coverage(samples, outline_points(1000, label=k)) for k, name in enumerate(STATE_NAMES)}
    name = min(shares, key=shares.get)
    if shares[name] < LEAST_COVERED:
        raise AgainstTheRules(f"{name} is covered to {shares[name]:.2f}: at least {LEAST_COVERED} is asked for")
    if (distance := metrics.mean_distance(samples, outline_points())) > FARTHEST:
        raise AgainstTheRules(f"samples lie {distance:.3f} from the outlines: at most {FARTHEST} is asked for")
    return sum(p.numel() for p in model.parameters()) / 1000


smallest_network = ScoreToBeat(weights_of_what_passes, "thousand weights", target=4.13, best=1.298, tolerance=0.0)
