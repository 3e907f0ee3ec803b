"""What is said of an answer that is wrong in no way with a name: how it is like the right one, or where it is."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from statesdiff.check.hints import likeness, misshapen

X = torch.tensor([[1.5, -2.0], [0.25, 3.0], [2.5, 0.7]], dtype=torch.float64)
POSITIVE = X.abs() + 0.5
COLUMN = torch.tensor([0.1, 0.4, 0.3, 0.9, 0.6], dtype=torch.float64)
OFF = torch.tensor([0, 0.2, 0, 0, 0], dtype=torch.float64)
AT = ("t", [1, 5, 10, 20, 50])


@pytest.mark.parametrize(
    ("got", "right", "said"),
    [
        (-X, X, "right up to the sign"),
        (2 * X, X, "right up to a factor, 2"),
        (-X / 2, X, "right up to a factor, -1/2"),
        (X * 1.7, X, "right up to a factor, 1.7"),
        (X + 0.25, X, "right up to an added constant, 0.25"),
        (1.002 * X, X, "off by up to 0.006; compare with the equation"),
        (-1.002 * X, X, "off by up to 6.01; compare with the equation"),
        (X[:2].T, X[:2], "this is the transpose of the right answer"),
        (X.flip(0), X, "right, but in the reverse order along dimension 0"),
        (X.flip(1), X, "right, but in the reverse order along dimension 1"),
        (POSITIVE**2, POSITIVE, "this is the square of the right answer"),
        (POSITIVE.sqrt(), POSITIVE, "this is the square root of the right answer"),
        (POSITIVE.log(), POSITIVE, "this is the logarithm of the right answer"),
        (POSITIVE.exp(), POSITIVE, "this is the exponential of the right answer"),
        (1 / POSITIVE, POSITIVE, "this is one over the right answer"),
        (1 - X, X, "this is 1 minus the right answer"),
        (X / 0, X, "6 of 6 are NaN or infinite"),
        (X * torch.tensor([1, 3.3]), X, "right in column 0, wrong in column 1"),
        (COLUMN + OFF, COLUMN, "wrong in entry 1 only, counted from 0"),
        (COLUMN + OFF + OFF.flip(0), COLUMN, "wrong in entry 1 and 3 only, counted from 0"),
        (torch.tensor(6.0), torch.tensor(3.0), "right up to a factor, 2"),
        (torch.tensor(3.3), torch.tensor(3.0), "off by up to 0.3; compare with the equation"),
    ],
)
def test_a_likeness_is_named(got, right, said):
    assert likeness(got.double(), right.double(), 1e-4) == said


def test_what_misses_by_little_more_than_the_tolerance_has_no_constant():
    right = torch.tensor([6.277, 3.674]).double()
    assert likeness(torch.tensor([6.3, 3.7]).double(), right, 5e-3) == "wrong in entry 1 only, counted from 0"


def test_places_have_the_names_of_their_times():
    assert likeness(COLUMN + OFF, COLUMN, 1e-4, AT) == "wrong at t = 5 only"
    assert likeness(COLUMN + OFF + OFF.flip(0), COLUMN, 1e-4, AT) == "wrong at t = 5 and 20 only"


def test_else_it_says_how_large_things_are():
    g = torch.Generator().manual_seed(0)
    right, other = torch.randn(2, 500, 2, generator=g, dtype=torch.float64)
    said = likeness(1.3 * other + 1, right, 1e-4)
    assert "their mean is 1 and their variance 1.7" in said and "in the right answer" in said


@pytest.mark.parametrize(
    ("got", "right", "said"),
    [
        (X.T, X, "(3, 2), yours is (2, 3): this is the transpose"),
        (X.reshape(1, 3, 2), X, "yours is (1, 3, 2): the right numbers in the wrong shape"),
        (X.mean(0), X, "yours is (2,): dimension 0 has been summed over, or averaged"),
        (X.sum(1), X, "yours is (3,): dimension 1 has been summed over, or averaged"),
        (X, X.mean(), "should be (), yours is (3, 2): the mean is missing"),
        (X, X.sum(), "should be (), yours is (3, 2): the sum is missing"),
        (X.mean().reshape(1, 1), X.mean(), "yours is (1, 1): the right number, but still in a tensor; .item() takes"),
        (X[:, 0][:, None] + X[:, 1], X[:, 0] + X[:, 1], "every row has met every other"),
        (X[:2], X, "the shape should be (3, 2), yours is (2, 2)"),
    ],
)
def test_a_wrong_shape_is_named_with_what_else_is_seen(got, right, said):
    assert said in misshapen(got, right, 1e-4)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(-5, 5), min_size=3, max_size=8), st.lists(st.floats(-5, 5), min_size=3, max_size=8))
def test_something_true_can_always_be_said(got, right):
    n = min(len(got), len(right))
    said = likeness(torch.tensor(got[:n]).double(), torch.tensor(right[:n]).double(), 1e-4)
    assert said and (("sign" in said) <= torch.allclose(torch.tensor(got[:n]), -torch.tensor(right[:n]), 1e-3, 1e-3))
