"""Whether there is an answer at all, and what a call does besides returning something."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from statesdiff.check.attempt import Attempt, untouched


def documented(x):
    """Nothing but words."""


def passing(x):
    pass


def dotted(x):
    # your turn
    ...


def unimplemented(x):
    raise NotImplementedError("your turn")


def refusing(x):
    raise NotImplementedError(x)


def half_done(x):
    y = x + 1  # noqa: F841


SKELETONS = [
    documented,
    passing,
    dotted,
    unimplemented,
    lambda x: ...,
    lambda x: None,
    None,
    lambda x: (None, None),
    ...,
    [...],
    {"A": None},
]
ANSWERS = [refusing, half_done, lambda x: 0, lambda x: x, print, torch.nn.Identity(), 0, [], [..., 1], {"A": 3}, "..."]


@pytest.mark.parametrize("skeleton", SKELETONS)
def test_a_skeleton_is_untouched(skeleton):
    assert untouched(skeleton)


@pytest.mark.parametrize("answer", ANSWERS)
def test_whatever_else_is_an_answer(answer):
    assert not untouched(answer)


DOTTED = [lambda x: (x + 1, ...)[1], lambda x: ... * x, lambda x: [...] * int(x.numel()), lambda x: (x and ...).sqrt()]


@pytest.mark.parametrize("answer", DOTTED)
def test_an_answer_in_which_dots_are_left_is_not_finished(answer):
    tried = Attempt(answer, torch.ones(1))
    assert tried.unfinished and not tried.untouched


def test_a_library_that_has_not_implemented_something_is_an_error():
    tried = Attempt(lambda logits, y: cross_entropy(y, logits), torch.randn(4, 3), torch.tensor([0, 1, 2, 0]))
    assert not tried.untouched and tried.fault.startswith("your function raised ")
    assert tried.fault.endswith("are two arguments in the wrong order?")
    tried = Attempt(lambda y: torch.zeros(2, dtype=torch.complex64).floor_divide(y), torch.ones(2))
    assert not tried.untouched and "raised" in tried.fault
    assert Attempt(refusing, 3).fault == "your function raised NotImplementedError: 3"


@pytest.mark.parametrize("draw", [torch.rand_like, torch.randn_like])
def test_random_numbers_like_labels_are_told_of_their_type(draw):
    fault = Attempt(draw, torch.tensor([0, 3, 1])).fault
    assert "torch.rand(y.shape)" in fault and "wrong order" not in fault
    assert Attempt(draw, torch.zeros(3)).fault == ""


def test_nothing_returned_is_told():
    assert Attempt(half_done, 1).fault == "your function returned None: is `return` missing?"


@pytest.mark.parametrize("made", [tuple, list])
def test_nothing_in_each_place_is_told(made):
    tried = Attempt(lambda x: made([None] * x), 2)
    assert tried.fault == f"your function returned None alone, in a {made.__name__}: give each entry its value"
    assert not tried.untouched and not tried.unfinished
    assert Attempt(lambda x: {"A": [None] * x}, 2).fault.startswith("your function returned None alone, in a dict: ")
    assert Attempt(lambda x: made([None] * (x - 2)), 2).fault == Attempt(lambda x: made([None, x]), 2).fault == ""


def test_one_number_a_row_that_meets_the_rows_is_explained():
    fault = Attempt(lambda x, a: x * a, torch.ones(7, 2), torch.ones(7)).fault
    assert "(7)" in fault and "shaped (B, 1) to meet (B, D), as in a[:, None]" in fault
    assert "a[:, None]" not in Attempt(lambda x, a: x * a, torch.ones(7, 2), torch.ones(5)).fault


def add_in_place(points, shift):
    points += shift
    return points


def test_an_argument_that_is_overwritten_is_named_and_the_callers_is_left_alone():
    points, shift = torch.zeros(3), torch.ones(3)
    assert Attempt(add_in_place, points, shift).overwritten() == "points"
    assert Attempt(lambda x, y: y.zero_(), points, shift).overwritten() == "y"
    assert Attempt(lambda x, y: x.requires_grad_(), points, shift).overwritten() == "x"
    assert Attempt(lambda x: x.append(1), [1]).overwritten() == "x"
    assert Attempt(torch.Tensor.add_, points, shift).overwritten() in ("self", "argument 1")
    assert Attempt(lambda x, y: x + y, points, shift).overwritten() == ""
    assert points.tolist() == [0, 0, 0] and not points.requires_grad


def test_fresh_noise_is_seen_by_calling_again():
    x = torch.zeros(3)
    assert Attempt(torch.randn_like, x).differs_when_called_again()
    assert not Attempt(lambda x: x / 0, x).differs_when_called_again()  # NaN twice is the same
    assert not Attempt(lambda x: "words", x).differs_when_called_again()
