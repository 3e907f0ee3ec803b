"""Every self-check against right answers, against each wrong answer it names, and against what is no answer at all."""

import importlib
import inspect
import itertools
import math
import pkgutil
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from statesdiff import check
from statesdiff.check import verdict as machinery
from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import ScoreToBeat
from statesdiff.data import JITTER, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.grids import times_of
from statesdiff.rng import stream
from statesdiff.samplers import last
from statesdiff.schedule import NoiseSchedule
from statesdiff.solvers import dpm_solver
from tests.check.answers import MODULE, RIGHT, WRONG

ROOT = Path(__file__).resolve().parents[2]
MODULES = {module.name for module in pkgutil.iter_modules(check.__path__)}
CHAPTERS = sorted(MODULES & {path.stem[3:] for path in ROOT.glob("notebooks/*.ipynb")})
for chapter in CHAPTERS:
    importlib.import_module(f"tests.check.{chapter}")  # registers its answers

EVERY = sorted(name for name in check.__all__ if name != "Verdict")  # functions, and objects that are called
CHECKS = [name for name in EVERY if inspect.isfunction(getattr(check, name))]  # these take the reader's function
every_check = pytest.mark.parametrize("name", CHECKS)


def kind(of):
    """The checks of another kind, by their names."""
    return pytest.mark.parametrize("name", [name for name in EVERY if isinstance(getattr(check, name), of)])


def cases(table):
    return [pytest.param(name, case, id=f"{name}-{i}") for name in sorted(table) for i, case in enumerate(table[name])]


OBJECTS = sorted(set(EVERY) - set(CHECKS))  # checks that are no functions: they judge what is no function either


def run(name, answer):
    return getattr(check, name)(answer)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)  # the answers draw noise as a student would, from the global state


def test_every_check_is_tested():
    lines = {name for name in EVERY if isinstance(getattr(check, name), FindTheLine)}  # they test themselves, below
    assert set(EVERY) == set(RIGHT) | lines == set(WRONG) | lines


def test_the_answers_stand_in_the_module_named_as_that_of_the_check():
    """A chapter has the checks of its module, and that of tests their answers."""
    for name in sorted(RIGHT):
        assert len(MODULE[name]) == 1, (name, MODULE[name])
        (module,) = MODULE[name]
        chapter = sys.modules[f"statesdiff.{module.removeprefix('tests.')}"]
        assert getattr(chapter, name) is getattr(check, name)


@pytest.mark.parametrize(
    ("name", "answer"),
    cases({name: RIGHT[name] for name in RIGHT if not isinstance(getattr(check, name), ScoreToBeat)}),
)
def test_a_right_answer_passes(name, answer):
    verdict = run(name, answer)
    assert verdict.passed is True, verdict
    assert repr(verdict) == "✓ " + verdict.message and verdict.message


@pytest.mark.parametrize(("name", "case"), cases(WRONG))
def test_a_wrong_answer_gets_its_diagnosis(name, case):
    answer, words = case
    verdict = run(name, answer)
    assert verdict.passed is False
    for word in words:
        assert word in verdict.message
    assert repr(verdict) == "✗ " + verdict.message


def tables_of(function, name, monkeypatch):
    """What a check hands to `compare` or to `rule_out` while it judges a right answer: its tables of mistakes.

    They are written inside the checks, so this is the only way to read them; nothing is asserted about the calls.
    """
    seen, real = [], getattr(machinery, function)

    def recording(*args, **kwargs):
        bound = inspect.signature(real).bind(*args, **kwargs)
        seen.append(bound.arguments)
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        for module in (m for n, m in sys.modules.items() if n.startswith("statesdiff.check.") and hasattr(m, function)):
            patch.setattr(module, function, recording)
        assert run(name, RIGHT[name][0]).passed
    return seen


def named_mistakes(name, monkeypatch):
    """All the comparisons that a check makes: (right answer, {diagnosis: [wrong answers]}, tolerance)."""
    return [
        (table["right"], {k: v if isinstance(v, list) else [v] for k, v in table["wrong"].items()}, table["rtol"])
        for table in tables_of("compare", name, monkeypatch)
    ]


@every_check
def test_each_diagnosis_is_reached_by_some_wrong_answer(name, monkeypatch):
    named = {diagnosis for _, mistakes, _ in named_mistakes(name, monkeypatch) for diagnosis in mistakes}
    named |= {diagnosis for table in tables_of("rule_out", name, monkeypatch) for diagnosis in table["mistakes"]}
    reached = {run(name, answer).message for answer, _ in WRONG[name]}
    assert named and named <= reached


# drop_labels is random: it judges what the answer does, and compares it with nothing
comparing = pytest.mark.parametrize("name", [name for name in CHECKS if name != "drop_labels"])


@comparing
def test_no_two_answers_of_a_check_coincide(name, monkeypatch):
    comparisons = named_mistakes(name, monkeypatch)
    assert comparisons
    for right_answer, mistakes, rtol in comparisons:
        answers = [("the right answer", right_answer)] + [(k, v) for k, values in mistakes.items() for v in values]
        for (a, x), (b, y) in itertools.combinations(answers, 2):
            x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
            # more than two tolerances apart: nothing can be within one tolerance of both
            assert not machinery.close(x, y, 2 * rtol), f"{a!r} and {b!r} are the same"


@comparing
def test_no_mistake_is_praised_even_in_float32(name, monkeypatch):
    for right_answer, mistakes, rtol in named_mistakes(name, monkeypatch):
        for value in itertools.chain(*mistakes.values()):
            assert not machinery.close(torch.as_tensor(value, dtype=torch.float32).double(), right_answer, rtol)
        as_float32 = torch.as_tensor(right_answer, dtype=torch.float32).double()
        assert machinery.close(as_float32, right_answer, rtol)


def not_implemented(*args):
    raise NotImplementedError


@every_check
@pytest.mark.parametrize("skeleton", [lambda *args: ..., lambda *args: None, not_implemented, ...])
def test_a_skeleton_has_not_been_attempted(name, skeleton):
    verdict = run(name, skeleton)
    assert verdict.passed is None
    assert repr(verdict) == "not attempted yet"


@every_check
def test_an_exception_is_reported_not_raised(name):
    def broken(*args):
        raise IndexError("index 500 is out of bounds")

    verdict = run(name, broken)
    assert verdict.passed is False
    assert verdict.message == "your function raised IndexError: index 500 is out of bounds"


@every_check
def test_a_function_with_the_wrong_arguments_is_reported(name):
    verdict = run(name, lambda: 1.0)
    assert verdict.passed is False and "your function raised TypeError" in verdict.message


@every_check
@pytest.mark.parametrize(
    "value", ["text", {"a": 1}, {1.0}, object(), [[1.0], [1.0, 2.0]], print], ids=lambda value: type(value).__name__
)
def test_a_result_of_the_wrong_type_is_named(name, value):
    verdict = run(name, lambda *args: value)
    assert verdict.passed is False
    expected = "return two tensors" if name == "add_noise" else f"your function returned {type(value).__name__}"
    assert expected in verdict.message


@every_check
@pytest.mark.parametrize("value", [torch.zeros(7, 3, 2), torch.zeros(0), math.nan, torch.tensor(True), -12345.0])
def test_any_other_result_is_wrong_and_the_check_survives_it(name, value):
    assert run(name, lambda *args: value).passed is False


# add_noise has two results: its shapes are among the wrong answers above
@pytest.mark.parametrize("name", [name for name in CHECKS if name != "add_noise"])
def test_the_shapes_are_named_when_they_differ(name):
    message = run(name, lambda *args: torch.zeros(7, 3, 2)).message
    assert "the shape should be (" in message and "yours is (7, 3, 2)" in message


@every_check
def test_an_answer_that_writes_to_its_input_cannot_fool_the_check(name):
    def vandal(*args):
        for arg in args:
            if isinstance(arg, torch.Tensor) and arg.is_floating_point():
                arg.zero_()
        return torch.zeros(())

    assert run(name, vandal).passed is False
    assert run(name, RIGHT[name][0]).passed is True


@every_check
def test_a_check_is_deterministic_and_leaves_the_global_state_alone(name):
    before = torch.get_rng_state()
    messages = {run(name, lambda *args: torch.zeros(2)).message for _ in range(3)}
    assert len(messages) == 1 and torch.equal(torch.get_rng_state(), before)


def test_numbers_that_are_off_are_told_how():
    verdict = check.predict_x_0(lambda x, e, a: (x - (1 - a).sqrt() * e) / a.sqrt() + 0.25)
    assert verdict.message == "not the right numbers: right up to an added constant, 0.25"


def test_a_result_of_nan_is_not_taken_for_fresh_noise():
    assert "100 of 100 are NaN" in check.ddim_step(lambda s, x, t, u, e: x * math.nan).message


# what goes wrong anywhere: a right answer, spoilt in the same way for every check

SINGLE = pytest.mark.parametrize(
    "name", [n for n in CHECKS if n not in ("add_noise", "drop_labels")]
)  # no pair, no dice


def after(name, change):
    """The verdict on a right answer to which this was done before it was returned."""
    return run(name, lambda *args: change(RIGHT[name][0](*args)))


def as_tensor(result):
    return torch.as_tensor(result, dtype=torch.float64)


@every_check
def test_a_forgotten_return_is_named(name):
    verdict = after(name, lambda result: None)
    assert repr(verdict) == "✗ your function returned None: is `return` missing?"


@every_check
def test_what_a_library_has_not_implemented_is_an_error_of_the_answer(name):
    verdict = run(name, lambda *args: torch.arange(3).log_softmax(0))
    assert verdict.passed is False and "your function raised NotImplementedError: " in verdict.message


@every_check
@pytest.mark.parametrize("container", [tuple, list])
def test_nothing_in_each_place_is_named(name, container):
    verdict = after(name, lambda result: container([None, None]))
    assert repr(verdict).startswith(f"✗ your function returned None alone, in a {container.__name__}: ")


@every_check
def test_a_name_with_nothing_but_dots_in_it_is_not_yet_an_answer(name):
    unfinished = "not finished yet: a `...` is still in it"
    assert repr(run(name, lambda *args: ... * 2)) == repr(after(name, lambda result: ...)) == unfinished
    assert repr(after(name, lambda result: (..., None))) == unfinished


@every_check
def test_whatever_is_the_callers_stays_as_it_is(name):
    args = []

    def right_then_overwrites(*given):
        result = RIGHT[name][0](*given)
        for arg in given:
            if isinstance(arg, torch.Tensor) and arg.dim():
                args.append(arg)
                pair = isinstance(result, tuple)
                result = tuple(as_tensor(r).clone() for r in result) if pair else as_tensor(result).clone()
                arg += 1
        return result.long() if name == "drop_labels" else result

    verdict = run(name, right_then_overwrites)
    if args:
        assert verdict.passed is False
        assert "was overwritten" in verdict.message or "changed in place" in verdict.message
    else:
        assert verdict.passed is True  # nothing that could be overwritten


@SINGLE
def test_a_right_answer_in_the_wrong_shape_is_named(name):
    message = after(name, lambda result: as_tensor(result)[None]).message
    assert "the shape should be " in message and "the right number" in message


@SINGLE
def test_a_right_answer_among_others_is_named(name):
    message = after(name, lambda result: (torch.ones(1), result)).message
    assert message == "of your 2 results, [1] is right: return that alone"


@SINGLE
@pytest.mark.parametrize(
    "change",
    [lambda x: -x, lambda x: 2 * x, lambda x: x.square()],
    ids=["sign", "factor", "square"],
)
def test_a_sign_a_factor_or_a_function_is_said(name, change):
    verdict = after(name, lambda result: change(as_tensor(result)))
    assert verdict.passed is False and "off by up to" not in verdict.message, verdict


@SINGLE
def test_numbers_that_are_none_and_numbers_of_other_types_are_judged(name):
    verdict = after(name, lambda result: as_tensor(result) * math.nan)
    assert verdict.passed is False and "NaN" in verdict.message
    for dtype in (torch.float16, torch.float64):
        assert after(name, lambda result, dtype=dtype: 1.2345 * as_tensor(result).to(dtype)).passed is False


@SINGLE
def test_a_transpose_and_a_summand_are_said(name):
    kept = []
    after(name, lambda found: kept.append(as_tensor(found)) or found)
    if kept[0].dim() == 2:
        message = after(name, lambda found: as_tensor(found).T).message
        assert "this is the transpose" in message
    if kept[0].dim():
        message = after(name, lambda found: as_tensor(found) + 7).message
        assert "right up to an added constant, 7" in message


# checks of other kinds


@pytest.mark.parametrize("name", OBJECTS)
@pytest.mark.parametrize("skeleton", [..., None, {"A": ..., "B": ...}, [..., ...]], ids=repr)
def test_what_was_left_as_it_is_has_not_been_attempted(name, skeleton):
    assert repr(run(name, skeleton)) == "not attempted yet"


@kind(OnPaper)
def test_no_two_numbers_of_a_check_coincide(name):
    on_paper = getattr(check, name)
    values = [("right", on_paper.right), *on_paper.wrong.items()]
    for (a, x), (b, y) in itertools.combinations(values, 2):
        assert not machinery.close(torch.as_tensor(x, dtype=torch.float64), y, 2 * on_paper.rtol), f"{a!r} and {b!r}"


@kind(OnPaper)
def test_each_slip_on_paper_is_reached(name):
    assert {run(name, answer).message for answer, _ in WRONG[name]} >= set(getattr(check, name).wrong)


@kind(ScoreToBeat)
def test_the_books_own_score_is_what_it_says_and_passes(name):
    contest = getattr(check, name)
    scores = [contest.measure(answer) for answer in RIGHT[name]]
    assert all(contest.verdict(score).passed for score in scores)
    best = max(scores) if contest.higher else min(scores)
    assert best == pytest.approx(contest.best, rel=contest.tolerance)


def test_ten_times_have_to_do_as_well_as_twenty_evenly_spaced_ones():
    from statesdiff.check.sampling import emd_at

    assert emd_at(range(500, 0, -25)) == pytest.approx(check.ten_times.target, rel=check.ten_times.tolerance)


@kind(FindTheLine)
def test_a_program_with_a_spoilt_line_differs_there_and_runs(name):
    broken = getattr(check, name)
    right = broken.text().split("\n")
    assert callable(broken.run())
    for version, (number, _) in broken.faults.items():
        text = broken.text(version).split("\n")
        assert [k for k, (a, b) in enumerate(zip(text, right, strict=True), 1) if a != b] == [number]
        assert callable(broken.run(version))


@kind(FindTheLine)
def test_each_line_is_guilty_or_told_why_it_is_innocent(name):
    broken = getattr(check, name)
    assert set(broken.praise) == set(broken.faults)
    guilty = {version: number for version, (number, _) in broken.faults.items()}
    assert run(name, guilty).passed is True
    for version, number in guilty.items():
        for line in range(1, len(broken.text().split("\n")) + 1):
            said = run(name, guilty | {version: line})
            assert said.passed is (line == number)
            alone = run(name, {version: line}).message
            assert line == number or (f"line {line} is innocent: " in alone and f"line {number}" not in alone)


def spoilt(name, line, instead):
    """The program of a check with another fault than its own."""
    return replace(getattr(check, name), faults={"X": (line, instead)}).run("X")


def test_what_is_said_of_the_spoilt_cosines_is_so():
    right, *versions = (check.broken_cosine.run(version)(100) for version in (None, "A", "C"))
    assert torch.allclose(
        spoilt("broken_cosine", 5, "beta = 1 - (alpha_bar[1:] / alpha_bar[:-1]).sqrt()")(100), versions[0]
    )
    assert int((versions[1] / right - 1 > 1e-4).nonzero()[0]) + 1 == 37  # the first entry is that of t = 1
    assert spoilt("broken_cosine", 7, "return 1 - beta")(100)[:95].min() > 0.5


@pytest.mark.parametrize(
    ("line", "instead", "least", "most"),
    [
        (2, "ratio = schedule.log_snr", 1.5, 3.2),  # more steps do not help
        (8, "h = (ratio[s] - ratio[t]) / 2", 0.9, 1.1),
        (11, "kept = (1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[t])", 0.9, 1.2),
        (12, "taken = schedule.alpha_bar[t].sqrt() * (1 - torch.exp(-h))", 0.1, 0.4),  # they do, but not with ten
        (5, "x_0_hat = schedule.predict_x_0(x, t, predictor(x, torch.tensor(max(s, 1))))", 0.1, 1),
        (9, "slope = 0", 0.05, 0.25),
    ],
)
def test_what_is_said_of_the_spoilt_solvers_is_so(line, instead, least, most):
    schedule, x = NoiseSchedule.linear(), torch.randn(200, 2, generator=stream("start"))
    for origins, jitter in ((outline_points(250), JITTER), (torch.tensor([[0.5, -0.5]]), 0.0)):
        exact = IdealDenoiser(origins, schedule, jitter=jitter)
        end = last(dpm_solver(exact, schedule, x, steps=100, grid="logsnr"))
        for steps in (10, 20):
            found = spoilt("broken_solver", line, instead)(exact, schedule, x, times_of(schedule, steps, "logsnr"))
            off = float((found - end).norm(dim=1).mean())
            assert least < off < most if len(origins) > 1 else off < 1e-3  # no fault but the return's shows there


def test_a_gradient_by_backward_passes_with_a_remark():
    remarks = [check.class_gradient(answer).message for answer in RIGHT["class_gradient"]]
    assert ["in the network's weights" in remark for remark in remarks] == [
        answer.__name__ == "by_backward" for answer in RIGHT["class_gradient"]
    ]


def test_the_class_gradient_is_judged_the_same_wherever_it_is_called():
    right, wrong = RIGHT["class_gradient"][0], WRONG["class_gradient"][0][0]
    with torch.no_grad():
        assert check.class_gradient(right).passed is True and check.class_gradient(wrong).passed is False
        assert not torch.is_grad_enabled()
    for answer in RIGHT["class_gradient"]:
        assert check.class_gradient(answer).passed and torch.is_grad_enabled()
