"""The other kinds of exercise, on small ones of their own: a spoilt line, a score to beat, a number from paper."""

import math

import pytest

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat

BROKEN = FindTheLine(
    source="""
def power(x, n):
    result = one
    for _ in range(n):
        result = result * x
    return result
""",
    faults={"A": (2, "result = 0 * one"), "B": (3, "for _ in range(n + 1):")},
    innocent={1: "it names the arguments", 2: "it starts at 1", 3: "it counts", 4: "it multiplies", 5: "it ends",
              ("B", 2): "with another start, even n = 0 would be wrong"},
    praise={"A": "nothing times anything is nothing", "B": "a step too many"},
    names={"one": 1},
)  # fmt: skip
ALONE = FindTheLine("x = 1\ndef f():\n    return x", {"A": (3, "return -x")}, {1: "a", 2: "b"}, {"A": "the sign"})


def test_a_program_is_what_it_shows():
    assert BROKEN.run()(3, 4) == 81
    assert BROKEN.run("A")(3, 4) == 0 and BROKEN.run("B")(3, 4) == 243
    assert repr(BROKEN).split("\n")[1] == " 2      result = one"
    assert BROKEN.text("B").split("\n")[2] == "    for _ in range(n + 1):"
    with pytest.raises(ValueError, match="version must be one of A, B, got 'C'"):
        BROKEN.run("C")


@pytest.mark.parametrize(
    ("answer", "passed", "said"),
    [
        ({"A": 2, "B": 3}, True, "A: line 2: nothing times anything is nothing\n  B: line 3: a step too many"),
        ({"A": 2, "B": ...}, None, "A: line 2: nothing times anything is nothing\n  B: not attempted yet"),
        ({"B": 3}, None, "A: not attempted yet\n  B: line 3: a step too many"),
        ({"A": 4, "B": 3}, False, "A: line 4 is innocent: it multiplies\n  B: line 3: a step too many"),
        ({"A": 3, "B": 2}, False, "A: line 3 is innocent: it counts\n  B: line 2 is innocent: with another start, ev"),
        ({"A": 9, "B": "3"}, False, "A: name a line by its number, 1 to 5; yours is 9\n  B: name a line by its number"),
        ({"C": 1}, False, "there is no program C: name a line for each of A, B"),
        ({"A": ..., "B": ...}, None, "not attempted yet"),
        (True, False, "A: name a line by its number, 1 to 5; yours is True"),
    ],
)
def test_a_line_is_guilty_or_innocent(answer, passed, said):
    verdict = BROKEN(answer)
    assert verdict.passed is passed and verdict.message.startswith(said)


def test_one_program_is_answered_by_one_number():
    assert repr(ALONE(3)) == "✓ line 3: the sign" and repr(ALONE(1)) == "✗ line 1 is innocent: a"
    assert repr(ALONE(...)) == repr(ALONE({"A": ...})) == "not attempted yet"
    assert ALONE.run("A")() == -1


def longest(words):
    if len(words) != 2:
        raise AgainstTheRules(f"two words are allowed, got {len(words)}")
    return max(map(len, words))


SHORT = ScoreToBeat(longest, "letters of the longer word", target=4, best=3, tolerance=0.02)
LONG = ScoreToBeat(longest, "letters of the longer word", target=4, best=5, tolerance=0.02, higher=True)


@pytest.mark.parametrize(
    ("contest", "made", "shown"),
    [
        (SHORT, ..., "not attempted yet"),
        (SHORT, [..., ...], "not attempted yet"),
        (SHORT, ["a", "b"], "✓ 1  (at most 4, give or take 2%)  letters of the longer word; the book's own is 3"),
        (SHORT, ["abcde", "b"], "✗ 5  (at most 4, give or take 2%)  letters of the longer word; the book's own is 3"),
        (LONG, ["abcde", "b"], "✓ 5  (at least 4, give or take 2%)  letters of the longer word; the book's own is 5"),
        (LONG, ["a", "b"], "✗ 1  (at least 4, give or take 2%)  letters of the longer word; the book's own is 5"),
        (SHORT, ["a"], "✗ two words are allowed, got 1"),
        (SHORT, 3, "✗ what you made raised TypeError: object of type 'int' has no len()"),
    ],
)
def test_a_score_is_shown_with_what_it_is_held_to(contest, made, shown):
    assert repr(contest(made)) == shown


def test_a_count_is_told_in_full():
    count = ScoreToBeat(lambda made: made, "points", target=1500, best=1200.0, tolerance=0.01)
    assert repr(count(1234.0)) == "✓ 1,234  (at most 1,500, give or take 1%)  points; the book's own is 1,200"
    assert repr(count(float("nan"))).startswith("✗ nan  (") and repr(count(1234.5)).startswith("✓ 1.23e+03")


def test_a_score_that_every_processor_gets_alike_has_nothing_to_give_or_take():
    count = ScoreToBeat(lambda made: made, "points", target=4, best=2, tolerance=0.0)
    assert repr(count(4.0)) == "✓ 4  (at most 4)  points; the book's own is 2"
    assert repr(count(4.01)).startswith("✗ 4.01  (at most 4)")


def test_who_misses_by_less_than_a_processor_does_passes():
    assert SHORT.reached(4.07) and not SHORT.reached(4.09)
    assert LONG.reached(3.93) and not LONG.reached(3.91)
    assert not SHORT.reached(math.nan) and not LONG.reached(math.nan)


def test_a_number_from_paper_is_compared_with_likely_slips():
    variance = OnPaper(0.36, {"a square root too many": 0.6}, "the squares add up")
    assert repr(variance(...)) == repr(variance(None)) == "not attempted yet"
    assert repr(variance(0.36)) == repr(variance(9 / 25)) == "✓ the squares add up"
    assert repr(variance(0.6)) == "✗ a square root too many"
    assert variance(0.72).message == "not the right numbers: right up to a factor, 2"
    assert variance("0.36").message == "expected numbers, but yours is str"
    pair = OnPaper((1.0, 2.5), {"the two are swapped": (2.5, 1.0)}, "both")
    assert repr(pair((1, ...))) == "entry 1 is not filled in yet, counted from 0"
    assert pair((1, "2.5")).message == "expected numbers, but [1] is str"
    assert pair((1, 2.5)).passed and pair([2.5, 1]).message == "the two are swapped"
