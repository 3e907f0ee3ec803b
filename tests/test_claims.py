"""Claims: the lines they print, what holds, what is refused, what a test of a chapter makes of them."""

import io
import math
import re
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from nbval.plugin import get_sanitize_patterns

from statesdiff.claims import STRICT, BrokenClaim, claims

SANITIZE = Path(__file__).with_name("sanitize.cfg")
numbers = st.floats(-1e6, 1e6)


@pytest.fixture(autouse=True)
def _as_a_reader_sees_them(monkeypatch):
    monkeypatch.delenv(STRICT, raising=False)


def printed(capsys, **claimed):
    claims({sentence.replace("_", " "): claim for sentence, claim in claimed.items()})
    return capsys.readouterr().out


# The lines


@pytest.mark.parametrize(
    ("claim", "line"),
    [
        ((0.1714, 0.1, 0.25), "✓ 0.171  (0.1 to 0.25)  it holds\n"),
        ((0.3, 0.1, 0.25), "✗ 0.3  (0.1 to 0.25)  it holds\n"),
        ((5.25, 4, None), "✓ 5.25  (at least 4)  it holds\n"),
        ((3, 4, None), "✗ 3  (at least 4)  it holds\n"),
        ((0.2, None, 0.3), "✓ 0.2  (at most 0.3)  it holds\n"),
        ((0.31, None, 0.3), "✗ 0.31  (at most 0.3)  it holds\n"),
        ((7, 7, 7), "✓ 7  (exactly 7)  it holds\n"),
        ((7.01, 7, 7), "✗ 7.01  (exactly 7)  it holds\n"),
        ((1, -math.inf, 2), "✓ 1  (at most 2)  it holds\n"),
        ((1, 0, math.inf), "✓ 1  (at least 0)  it holds\n"),
        ((-0.5, -1, -0.25), "✓ -0.5  (-1 to -0.25)  it holds\n"),
    ],
)
def test_a_line_has_a_tick_or_a_cross_the_value_the_range_and_the_sentence(capsys, claim, line):
    assert printed(capsys, it_holds=claim) == line


@pytest.mark.parametrize(
    ("value", "digits"),
    [
        (199_042, "199,042"),
        (1234.6, "1,235"),
        (-1234.6, "-1,235"),
        (999.4, "999"),
        (999.6, "1,000"),
        (-999.6, "-1,000"),
        (123.0, "123"),
        (0.00012345, "0.000123"),
        (1e-9, "1e-09"),
        (2.0, "2"),
        (-0.0, "0"),
        (math.inf, "inf"),
        (-math.inf, "-inf"),
    ],
)
def test_three_digits_and_whole_or_large_numbers_in_full(capsys, value, digits):
    assert printed(capsys, sentence=(value, 0, None)).split()[1] == digits


def test_claims_are_printed_in_their_order(capsys):
    lines = printed(capsys, first=(1, 0, 2), second=(3, 0, 2), third=(1, 1, 1)).splitlines()
    assert lines == ["✓ 1  (0 to 2)     first", "✗ 3  (0 to 2)     second", "✓ 1  (exactly 1)  third"]


def test_nothing_claimed_is_nothing_printed(capsys):
    claims({})
    assert capsys.readouterr().out == ""


# What holds


@given(numbers, numbers, numbers)
def test_a_claim_holds_between_its_ends_and_at_them(value, a, b):
    low, high = sorted((a, b))
    for claim, holds in (
        ((value, low, high), low <= value <= high),
        ((value, low, None), low <= value),
        ((value, None, high), value <= high),
        ((low, low, high), True),
        ((high, low, high), True),
    ):
        with pytest.MonkeyPatch.context() as strict:
            strict.setenv(STRICT, "1")
            if holds:
                claims({"sentence": claim})
            else:
                with pytest.raises(BrokenClaim):
                    claims({"sentence": claim})


@pytest.mark.parametrize("claim", [(math.nan, 0, 1), (math.nan, 0, None), (math.nan, None, 0)])
def test_what_is_not_a_number_at_all_does_not_hold(capsys, claim):
    assert printed(capsys, sentence=claim).startswith("✗ nan  (")


@pytest.mark.parametrize(
    "number",
    [np.float64, np.float32, np.int64, torch.tensor, lambda v: torch.tensor([v])[0], lambda v: np.array(v)],
    ids=["float64", "float32", "int64", "tensor", "entry of a tensor", "array"],
)
def test_entries_of_arrays_and_tensors_are_numbers(capsys, number):
    assert printed(capsys, s=(number(3), number(2), number(4))) == "✓ 3  (2 to 4)  s\n"


def test_a_tensor_that_wants_gradients_is_a_number(capsys):
    assert printed(capsys, s=(torch.tensor(2.5, requires_grad=True), 2, None)) == "✓ 2.5  (at least 2)  s\n"


# What is refused


@pytest.mark.parametrize(
    "value", [True, np.True_, torch.tensor(True), "3", None, 1j, [1], np.arange(2), torch.zeros(2), torch.zeros(0)]
)
def test_a_value_that_is_no_number_is_refused(value):
    with pytest.raises(TypeError, match="'sentence': value, low and high must be numbers, got"):
        claims({"sentence": (value, 0, 1)})


@pytest.mark.parametrize("ends", [(False, 2), (0, True), ("0", 1), (0, "1"), (0, np.True_), (torch.tensor(False), 2)])
def test_ends_that_are_no_numbers_are_refused(ends):
    with pytest.raises(TypeError, match="'sentence': value, low and high must be numbers, got"):
        claims({"sentence": (1, *ends)})


@pytest.mark.parametrize("claim", [1, (1,), (1, 2), (1, 2, 3, 4), None, "abc", {1, 2, 3}])
def test_what_is_not_a_value_and_a_range_is_refused(claim):
    with pytest.raises(TypeError, match=r"'sentence': a claim is \(value, low, high\), got"):
        claims({"sentence": claim})


@pytest.mark.parametrize(
    "ends",
    [(2, 1), (None, None), (-math.inf, math.inf), (None, math.inf), (math.nan, 1), (0, math.nan), (None, math.nan)],
)
def test_what_is_no_range_is_refused(ends):
    with pytest.raises(ValueError, match="'sentence': needs low <= high and at least one of them"):
        claims({"sentence": (1, *ends)})


# Where a chapter is tested


def test_a_reader_sees_a_cross_and_goes_on(capsys):
    assert printed(capsys, broken=(3, 0, 2)).startswith("✗")


def test_under_test_a_cross_is_an_error_with_its_line_after_all_are_printed(capsys, monkeypatch):
    monkeypatch.setenv(STRICT, "1")
    with pytest.raises(BrokenClaim) as error:
        claims({"one": (3, 0, 2), "two": (1, 0, 2), "three": (0.5, 1, None)})
    broken = ["✗   3  (0 to 2)      one", "✗ 0.5  (at least 1)  three"]
    assert str(error.value).splitlines() == broken and isinstance(error.value, AssertionError)
    assert capsys.readouterr().out.splitlines() == [broken[0], "✓   1  (0 to 2)      two", broken[1]]


def test_under_test_what_holds_is_no_error(capsys, monkeypatch):
    monkeypatch.setenv(STRICT, "1")
    assert printed(capsys, holds=(1, 0, 2)) == "✓ 1  (0 to 2)  holds\n"


# What nbval compares


def masked(text):
    """The text as nbval compares it."""
    for pattern, replacement in get_sanitize_patterns(SANITIZE.read_text(encoding="utf-8")):
        text = re.sub(pattern, replacement, text)
    return text


def line_of(value, low, high, sentence="the share of 0.5  (of 2)"):
    with redirect_stdout(io.StringIO()) as out:
        claims({sentence: (value, low, high)})
    return out.getvalue()


finite = st.floats(allow_nan=False, allow_infinity=False)
ends = st.tuples(finite, finite).map(sorted)
ranges = st.one_of(ends, ends.map(lambda e: (e[0], None)), ends.map(lambda e: (None, e[1])))


@given(st.one_of(finite, st.sampled_from([math.nan, math.inf])), ranges)
def test_the_digits_of_the_value_are_masked_and_nothing_else(value, ends):
    line = line_of(value, *ends)
    tick, _, rest = line.split(" ", 2)
    assert masked(line) == f"{tick} # {rest}" and rest.endswith(")  the share of 0.5  (of 2)\n")


def test_the_tick_the_range_and_the_sentence_are_compared():
    same = masked(line_of(0.5, 0, 1))
    assert masked(line_of(0.25, 0, 1)) == same
    others = [line_of(2, 0, 1), line_of(0.5, 0, 1.1), line_of(0.5, 0, None), line_of(0.5, 0, 1, "another")]
    assert all(masked(other) != same for other in others)


def test_the_room_that_a_value_takes_is_not_compared(capsys):
    narrow, wide = (printed(capsys, one=(value, 0, None), two=(1, 0, 2)) for value in (0.5, 12_345))
    assert narrow != wide and masked(narrow) == masked(wide)


def test_every_line_of_several_is_masked_and_other_output_is_not():
    between = "✓ done\nloss 0.171  (0.1 to 0.25)\n 3 of 4\n"
    text = line_of(1, 0, 2) + between + line_of(5, 0, 2)
    assert masked(text) == masked(line_of(1.5, 0, 2)) + between + masked(line_of(9, 0, 2))
