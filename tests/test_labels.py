"""Labels: one or one a row, what is refused, as one-hot rows, and dropped at random."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from statesdiff.labels import NO_LABEL, drop_labels, labels_of, one_hot
from statesdiff.rng import stream

# One or one a row


@given(
    st.integers(1, 8),
    st.integers(1, 6),
    st.booleans(),
    st.sampled_from([torch.int64, torch.int32, torch.uint8]),
    st.data(),
)
def test_labels_are_one_or_one_a_row(n_classes, n, scalar, dtype, data):
    size = 1 if scalar else n
    drawn = data.draw(st.lists(st.integers(0, n_classes - 1), min_size=size, max_size=size))
    labels = labels_of(drawn[0] if scalar else torch.tensor(drawn, dtype=dtype), n, n_classes)
    assert labels.shape == (n,) and labels.dtype == torch.int64
    assert labels.tolist() == (drawn * n if scalar else drawn)


def test_the_lowest_label_can_be_minus_1():
    assert labels_of(torch.tensor([-1, 2]), 2, 3, lowest=-1).tolist() == [-1, 2]
    with pytest.raises(ValueError, match=r"y must lie in -1\.\.2, got -2\.\.0"):
        labels_of(torch.tensor([0, -2]), 2, 3, lowest=-1)


@pytest.mark.parametrize("y", [-1, 3, torch.tensor([0, 3]), torch.tensor([-1, 0])])
def test_a_label_outside_the_classes_is_refused(y):
    with pytest.raises(ValueError, match=r"y must lie in 0\.\.2, got"):
        labels_of(y, 2, 3)


@pytest.mark.parametrize("y", [0.5, torch.tensor([1.0, 2.0]), True, torch.tensor([True, False]), 1j])
def test_a_label_that_is_no_integer_is_refused(y):
    with pytest.raises(TypeError, match=r"y must be an integer, got torch\..*; the labels are 0\.\.2"):
        labels_of(y, 2, 3)


@pytest.mark.parametrize("y", [[1], [1, 2, 0], [[1, 2]], [[1], [2]]])
def test_labels_that_are_not_one_for_each_row_are_refused(y):
    with pytest.raises(ValueError, match="y must be a scalar or have one entry for each of the 2 rows, got"):
        labels_of(torch.tensor(y), 2, 3)


def test_labels_of_an_empty_batch_are_empty():
    assert labels_of(torch.zeros(0, dtype=torch.int64), 0, 3).shape == labels_of(2, 0, 3).shape == (0,)


# One-hot rows


def test_one_hot_by_hand():
    x = torch.zeros(3, 2)
    want = torch.tensor([[0.0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]])
    assert torch.equal(one_hot(torch.tensor([1, -1, 3]), 4, x), want)
    assert torch.equal(one_hot(2, 4, x), torch.tensor([0.0, 0, 1, 0]).expand(3, 4))
    assert torch.equal(one_hot(-1, 4, x), torch.zeros(3, 4))
    assert one_hot(0, 4, x.double()).dtype == torch.float64 and one_hot(0, 4, x).dtype == torch.float32


@given(st.integers(1, 6), st.integers(1, 5), st.data())
def test_one_hot_is_that_of_torch(n_classes, B, data):
    y = torch.tensor(data.draw(st.lists(st.integers(0, n_classes - 1), min_size=B, max_size=B)))
    want = nn.functional.one_hot(y, n_classes).float()
    assert torch.equal(one_hot(y, n_classes, torch.zeros(B, 2)), want)


@pytest.mark.parametrize("shape", [(2,), (2, 3), (2, 1, 4, 4)])
def test_one_hot_looks_at_the_rows_of_x_alone(shape):
    assert one_hot(torch.tensor([1, 0]), 2, torch.zeros(shape)).tolist() == [[0, 1], [1, 0]]


@pytest.mark.parametrize("y", [3, -2, torch.tensor([0, 3]), torch.tensor([-2, 0])])
def test_one_hot_refuses_a_label_outside_the_classes(y):
    with pytest.raises(ValueError, match=r"y must lie in -1\.\.2, got"):
        one_hot(y, 3, torch.zeros(2, 2))


# Dropped at random


@given(st.lists(st.integers(0, 9), max_size=30), st.floats(0, 1), st.integers(0, 2**31))
def test_a_label_is_dropped_or_stays_what_it_was(y, p_uncond, seed):
    y = torch.tensor(y, dtype=torch.int64)
    before = y.clone()
    got = drop_labels(y, p_uncond, torch.Generator().manual_seed(seed))
    dropped = torch.rand(len(y), generator=torch.Generator().manual_seed(seed)) < p_uncond
    assert got.dtype == torch.int64 and torch.equal(got, torch.where(dropped, NO_LABEL, y))
    assert torch.equal(y, before)


@pytest.mark.parametrize("p_uncond", [0.0, 0.2, 0.7, 1.0])
def test_labels_are_dropped_with_the_probability_given(p_uncond):
    share = (drop_labels(torch.zeros(20_000, dtype=torch.int64), p_uncond, stream("drop")) == NO_LABEL).double().mean()
    assert float(share) == pytest.approx(p_uncond, abs=4 * math.sqrt(p_uncond * (1 - p_uncond) / 20_000))


@pytest.mark.parametrize(("p_uncond", "drawn"), [(0.0, 0.0), (1.0, 1 - 2**-24)])
def test_never_and_always_hold_at_both_ends_of_the_uniform_draw(monkeypatch, p_uncond, drawn):
    monkeypatch.setattr(torch, "rand", lambda n, generator: torch.full((n,), drawn))
    labels = drop_labels(torch.arange(9), p_uncond)
    assert ((labels == NO_LABEL) == (p_uncond == 1)).all()
