"""What every self-check is made of: call the reader's function, compare what it returns, and say what was found."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.attempt import Attempt, untouched
from statesdiff.check.hints import Places, likeness, misshapen


class Verdict:
    """What a check found: `passed` is True, False, or None when the exercise has not been attempted.

    `recognised` is False where the check sees that the answer is wrong and knows no mistake that would make it so.
    """

    def __init__(self, passed: bool | None, message: str, recognised: bool = True) -> None:
        self.passed, self.message, self.recognised = passed, message, recognised

    def at(self, place: str) -> "Verdict":
        """The same, where a failure that has no name of its own says where it was, and that all was right elsewhere."""
        if self.passed is False and (not self.recognised or self.message.startswith("your function")):
            self.message = f"right elsewhere, but at {place}: {self.message}"
        return self

    def __repr__(self) -> str:
        return {True: "✓ ", False: "✗ ", None: ""}[self.passed] + self.message


NOT_YET = "not attempted yet"
UNFINISHED = "not finished yet: a `...` is still in it"


def attempt(f: Callable[..., Any], *args: Any) -> tuple[Attempt, Verdict | None]:
    """Call the reader's function on copies of these arguments: the call, and a verdict if there is nothing to compare.

    Only an untouched skeleton is "not attempted"; a function that returns nothing, or has a `...` left, is told so.
    """
    tried = Attempt(f, *args)
    if tried.untouched:
        return tried, Verdict(None, NOT_YET)
    if tried.unfinished:
        return tried, Verdict(None, UNFINISHED)
    return tried, Verdict(False, tried.fault) if tried.fault else None


def numbers(got: Any, dtype: torch.dtype | None = torch.float64) -> tuple[Tensor, Verdict | None]:
    """What the reader's function returned as a tensor, of the given type or of its own, and a verdict if it is none."""
    try:
        return torch.as_tensor(got, dtype=dtype).detach(), None
    except (TypeError, ValueError, RuntimeError):
        what = f"tuple of {len(got)}: return one thing" if isinstance(got, tuple) else type(got).__name__
        return torch.empty(0), Verdict(False, f"expected numbers, but your function returned {what}")


def compare(
    got: Any, right: Any, wrong: dict[str, Any], praise: str = "right", *, rtol: float, places: Places | None = None
) -> Verdict:
    """Compare with the right answer, then with each wrong one that has a name; a list holds variants of one mistake.

    `places` = (word, labels) says what the entries of the first dimension belong to: ("t", [1, 20, 50]).
    """
    if verdict := _one_of_several(got, right, rtol):
        return verdict
    right = torch.as_tensor(right, dtype=torch.float64)
    several, (got, verdict) = got, numbers(got)
    if verdict:
        return (_no_number(several) if right.dim() == 1 and len(right) < 4 else None) or verdict
    if close(got, right, rtol):
        return Verdict(True, praise)
    for diagnosis, values in wrong.items():
        if any(close(got, value, rtol) for value in (values if isinstance(values, list) else [values])):
            return Verdict(False, diagnosis)
    if verdict := wrong_shape(got, right, rtol):
        return verdict
    return Verdict(False, f"not the right numbers: {likeness(got, right, rtol, places)}", recognised=False)


def _one_of_several(got: Any, right: Any, rtol: float) -> Verdict | None:
    """A verdict if the right answer is one of several things that were returned."""
    if not isinstance(got, tuple):
        return None
    parts = [numbers(part)[0] for part in got]
    places = [k for k, part in enumerate(parts) if close(part, right, rtol)]
    return Verdict(False, f"of your {len(got)} results, [{places[0]}] is right: return that alone") if places else None


def _no_number(got: Any) -> Verdict | None:
    """A verdict on the first of several things that is not a number; None where there are not several."""
    for k, part in enumerate(got if isinstance(got, tuple | list) else ()):
        if untouched(part):
            return Verdict(None, f"entry {k} is not filled in yet, counted from 0")
        if numbers(part)[1]:
            return Verdict(False, f"expected numbers, but [{k}] is {type(part).__name__}")
    return None


def wrong_shape(got: Tensor, right: Tensor, rtol: float = 1e-4) -> Verdict | None:
    """A verdict if the shapes differ; it says what else can be seen."""
    if got.shape == right.shape:
        return None
    return Verdict(False, misshapen(got.double(), right.double(), rtol))


def rule_out(mistakes: dict[str, bool | Tensor]) -> Verdict | None:
    """A verdict with the first diagnosis that holds, where a mistake is seen by what it does, not by its numbers."""
    return next((Verdict(False, diagnosis) for diagnosis, made in mistakes.items() if made), None)


def first_failing(praise: str, *stages: Callable[[], Verdict | None]) -> Verdict:
    """The verdict of the first of these stages that fails, the later ones are not run; praise if none does."""
    for stage in stages:
        verdict = stage()
        if verdict is not None and not verdict.passed:
            return verdict
    return Verdict(True, praise)


def judge(
    f: Callable[..., Any],
    args: Sequence[Any],
    right: Any,
    wrong: dict[str, Any],
    praise: str = "right",
    *,
    rtol: float = 1e-4,
    places: Places | None = None,
) -> Verdict:
    """Call the reader's function and `compare` what it returns with the right answer and the wrong ones.

    Where the answer is right, or wrong in no way that has a name, its manners are looked at: the caller's tensors must
    be as they were, and two calls alike.
    """
    tried, verdict = attempt(f, *args)
    if verdict:
        return verdict
    verdict = compare(tried.got, right, wrong, praise, rtol=rtol, places=places)
    if verdict.passed or not verdict.recognised:
        return manners(tried, random=verdict.passed is True) or verdict
    return verdict


def manners(tried: Attempt, *, random: bool) -> Verdict | None:
    """A verdict where the caller's tensors were overwritten or, unless it may be `random`, two calls differ."""
    if name := tried.overwritten():
        return Verdict(False, f"`{name}` was overwritten, and it is the caller's: make a new tensor, or copy it first")
    if not random and tried.differs_when_called_again():
        return Verdict(False, "two calls differ: fresh noise has been drawn, and none is asked for")
    return None


def close(got: Tensor, want: Any, rtol: float) -> bool:
    """The same shape, and the same numbers to within rtol, relative or absolute."""
    want = torch.as_tensor(want, dtype=torch.float64)
    return got.shape == want.shape and torch.allclose(got, want, rtol=rtol, atol=rtol)
