"""What the self-checks are made of: verdicts, comparisons with what has a name, stages of which the first counts."""

import math

import pytest
import torch

from statesdiff import check
from statesdiff.check.verdict import Verdict, attempt, close, compare, first_failing, judge, numbers, rule_out

WRONG = {"the sign": -3.0, "a factor": [6.0, 9.0]}
SCALAR = "the shape should be (), yours is (1,)"
HEADS = [(True, "✓ so"), (False, "✗ so"), (None, "so")]


@pytest.mark.parametrize(("passed", "shown"), HEADS)
def test_a_verdict_shows_a_tick_a_cross_or_neither(passed, shown):
    assert repr(Verdict(passed, "so")) == shown


# attempt, numbers, compare


def test_an_attempt_runs_the_function_once_and_hands_on_what_it_returned():
    calls = []
    tried, verdict = attempt(lambda *args: calls.append(args) or (2, "x"), 3, "y")
    assert (tried.got, verdict, calls) == ((2, "x"), None, [(3, "y")])


def test_a_skeleton_is_not_run():
    assert attempt(..., 1)[1].passed is None
    tried, verdict = attempt(lambda x: ..., 1)
    assert repr(verdict) == "not attempted yet" and tried.got is None


def test_nothing_returned_is_no_answer_and_no_skeleton():
    verdict = attempt(lambda: print(end=""))[1]
    assert repr(verdict) == "✗ your function returned None: is `return` missing?"


def test_numbers_come_in_the_type_asked_for_and_without_gradients():
    got, verdict = numbers(torch.tensor([1.0], requires_grad=True))
    assert verdict is None and got.dtype == torch.float64 and not got.requires_grad
    assert numbers([1, 2], dtype=None)[0].dtype == torch.int64
    assert numbers("two")[1].message == "expected numbers, but your function returned str"


@pytest.mark.parametrize(
    ("got", "passed", "message", "recognised"),
    [
        (3.0, True, "well done", True),
        (3.0002, True, "well done", True),
        (-3.0, False, "the sign", True),
        (6.0, False, "a factor", True),
        (9.0, False, "a factor", True),
        ([3.0], False, f"{SCALAR}: the right number, but still in a tensor; [0] takes it out", True),
        ([4.0], False, SCALAR, True),
        ("three", False, "expected numbers, but your function returned str", True),
        (3.25, False, "not the right numbers: off by up to 0.25; compare with the equation", False),
        (math.nan, False, "not the right numbers: 1 of 1 are NaN or infinite", False),
        ((4.0, "x"), False, "expected numbers, but your function returned tuple of 2: return one thing", True),
        (("x", 3.0), False, "of your 2 results, [1] is right: return that alone", True),
    ],
)
def test_an_answer_is_right_or_a_named_mistake_or_not_recognised(got, passed, message, recognised):
    verdict = compare(got, 3.0, WRONG, "well done", rtol=1e-4)
    assert (verdict.passed, verdict.message, verdict.recognised) == (passed, message, recognised)


@pytest.mark.parametrize("filled", [(3.0, ...), [3.0, None], (torch.tensor(3.0), ...)])
def test_of_several_numbers_the_one_that_is_missing_is_named(filled):
    verdict = compare(filled, (3.0, 4.0), {}, rtol=1e-4)
    assert repr(verdict) == "entry 1 is not filled in yet, counted from 0" and verdict.passed is None


def test_of_several_numbers_the_one_that_is_none_is_named():
    for right in ((3.0, 4.0), torch.tensor([3.0, 4.0])):
        message = compare((3.0, "4"), right, {}, rtol=1e-4).message
        assert message == "expected numbers, but [1] is str"
    assert compare("34", (3.0, 4.0), {}, rtol=1e-4).message == "expected numbers, but your function returned str"
    one_thing = "expected numbers, but your function returned tuple of 2: return one thing"
    assert compare((torch.ones(3, 2), ...), torch.zeros(3, 2), {}, rtol=1e-4).message == one_thing


def test_praise_may_be_left_out():
    assert repr(compare(3.0, 3.0, {}, rtol=1e-4)) == repr(judge(lambda: 3.0, (), 3.0, {})) == "✓ right"


@pytest.mark.parametrize(
    ("answer", "passed", "message"),
    [
        (lambda: 3.0, True, "well done"),
        (lambda: 6.0, False, "a factor"),
        (lambda: None, None, "not attempted yet"),
        (lambda: 1 / 0, False, "your function raised ZeroDivisionError: division by zero"),
    ],
)
def test_judging_runs_the_answer_and_compares(answer, passed, message):
    verdict = judge(answer, (), 3.0, WRONG, "well done")
    assert (verdict.passed, verdict.message, verdict.recognised) == (passed, message, True)


def test_the_tolerance_is_relative_and_absolute():
    assert close(torch.tensor(1000.09).double(), 1000.0, 1e-4) and close(torch.tensor(9e-5).double(), 0.0, 1e-4)
    assert not close(torch.tensor(1000.3).double(), 1000.0, 1e-4) and not close(torch.zeros(1).double(), 0.0, 1e-4)


def test_the_first_mistake_that_was_made_is_named():
    verdict = rule_out({"not this": False, "this": torch.tensor(True), "nor this": True})
    assert verdict.passed is False and verdict.message == "this" and verdict.recognised
    assert rule_out({"not this": False}) is None and rule_out({}) is None


# first_failing


class Stages:
    """Stages that note that they ran."""

    def __init__(self, *verdicts):
        self.ran = []
        self.stages = [lambda i=i, verdict=verdict: self.ran.append(i) or verdict for i, verdict in enumerate(verdicts)]


PASSED, FAILED, NOT_YET = Verdict(True, "fine"), Verdict(False, "this one"), Verdict(None, "not attempted yet")


@pytest.mark.parametrize(
    ("verdicts", "ran", "shown"),
    [
        ([], [], "✓ all well"),
        ([None], [0], "✓ all well"),
        ([PASSED, None, PASSED], [0, 1, 2], "✓ all well"),
        ([FAILED, PASSED], [0], "✗ this one"),
        ([None, FAILED, Verdict(False, "that one")], [0, 1], "✗ this one"),
        ([PASSED, PASSED, FAILED], [0, 1, 2], "✗ this one"),
        ([NOT_YET, FAILED], [0], "not attempted yet"),
    ],
)
def test_the_first_stage_that_fails_speaks_and_none_is_run_after_it(verdicts, ran, shown):
    given = Stages(*verdicts)
    verdict = first_failing("all well", *given.stages)
    assert given.ran == ran and repr(verdict) == shown
    failing = next((v for v in verdicts if v is not None and not v.passed), None)
    assert failing is None or verdict is failing  # itself: what it recognised is not lost


def test_an_answer_that_was_not_recognised_is_still_not_after_stages():
    verdict = first_failing("all well", lambda: None, lambda: judge(lambda: 4.0, (), 3.0, WRONG))
    assert verdict.passed is False and verdict.recognised is False


# recognised, as the checks say it


def test_a_check_says_whether_it_knows_the_mistake():
    def denoised(x_t, eps_hat, alpha_bar_t):
        return (x_t - (1 - alpha_bar_t).sqrt() * eps_hat) / alpha_bar_t.sqrt()

    assert check.predict_x_0(denoised).recognised
    assert check.predict_x_0(lambda x, e, a: x - (1 - a).sqrt() * e).recognised
    unknown = check.predict_x_0(lambda x, e, a: denoised(x, e, a) + 0.25)
    assert unknown.passed is False and not unknown.recognised
    calls = []
    check.ddim_step(lambda *args: calls.append(args) or torch.zeros(1))  # a wrong shape has a name
    assert len(calls) == 1, "what is recognised needs no second call"
