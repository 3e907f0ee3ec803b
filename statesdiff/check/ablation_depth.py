"""Self-checks of chapter 11: how many weights a network has, and how wide it may be for a given number of them."""

from collections.abc import Callable

from statesdiff.check.verdict import Verdict, first_failing, judge


def count_weights(f: Callable[[list[int]], int]) -> Verdict:
    """f(sizes) -> the number of weights, biases included, of linear layers from each size to the next."""
    sizes = [19, 30, 50, 70, 2]
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    right = sum((n_in + 1) * n_out for n_in, n_out in pairs)
    products = sum(n_in * n_out for n_in, n_out in pairs)
    wrong = {
        "the biases are missing: each layer has one for each of its outputs": products,
        "a bias belongs to an output, not to an input: n_in * n_out + n_out": sum(a * (b + 1) for a, b in pairs),
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
    depth, budget, n_in, n_out = 4, 5190, 30, 12

    def solved(square: float, line: float) -> float:
        return (-line + (line**2 + 4 * square * (budget - n_out)) ** 0.5) / (2 * square)

    exact = solved(depth - 1, n_in + n_out + depth)
    wrong = {
        "this is the width before rounding: a layer has a whole number of units, so round down": exact,
        "this network is larger than the budget: round down, not up": int(exact) + 1,
        "depth hidden layers have depth - 1 square matrices between them, not depth": int(
            solved(depth, n_in + n_out + depth)
        ),
        "depth counts the hidden layers: there are depth - 1 square matrices between them, not depth - 2": int(
            solved(depth - 2, n_in + n_out + depth)
        ),
        "the inputs and outputs are forgotten: their layers have weights too": [
            int((budget / (depth - 1)) ** 0.5),
            (budget / (depth - 1)) ** 0.5,
        ],
        "the layer to the outputs is forgotten": int(solved(depth - 1, n_in + depth)),
        "the layer from the inputs is forgotten": int(solved(depth - 1, n_out + depth - 1)),
        "this is the number of weights: return the width": [
            (depth - 1) * w**2 + (n_in + n_out + depth) * w + n_out for w in (int(exact), int(exact) + 1)
        ],
    }

    def shallow() -> Verdict:
        verdict = judge(f, (1, 100, 3, 2), 16, {})
        message = f"right for depth {depth}, not for depth 1: {verdict.message}"
        return verdict if verdict.passed else Verdict(False, message)

    return first_failing(
        "as wide as the budget allows",
        lambda: judge(f, (depth, budget, n_in, n_out), int(exact), wrong),
        shallow,
    )
