"""What every self-check is made of: run the reader's function, compare what it returns, and say what was found."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor


class Verdict:
    """What a check found: `passed` is True, False, or None when the exercise has not been attempted.

    `recognised` is False where the check sees that the answer is wrong and knows no mistake that would make it so.
    """

    def __init__(self, passed: bool | None, message: str, recognised: bool = True) -> None:
        self.passed, self.message, self.recognised = passed, message, recognised

    def __repr__(self) -> str:
        return {True: "✓ ", False: "✗ ", None: ""}[self.passed] + self.message


def attempt(answer: Callable[[], Any]) -> tuple[Any, Verdict | None]:
    """Run the reader's function: what it returned, and a verdict if there is nothing to compare."""
    try:
        got = answer()
    except NotImplementedError:
        got = None
    except Exception as error:  # the reader's own code: report it, whatever it is
        return None, Verdict(False, f"your function raised {type(error).__name__}: {error}")
    return got, Verdict(None, "not attempted yet") if got is None or got is ... else None


def numbers(got: Any, dtype: torch.dtype | None = torch.float64) -> tuple[Tensor, Verdict | None]:
    """What the reader's function returned as a tensor, of the given type or of its own, and a verdict if it is none."""
    try:
        return torch.as_tensor(got, dtype=dtype).detach(), None
    except (TypeError, ValueError, RuntimeError):
        message = f"expected numbers, but your function returned {type(got).__name__}"
        return torch.empty(0), Verdict(False, message)


def compare(got: Any, right: Any, wrong: dict[str, Any], praise: str = "right", *, rtol: float) -> Verdict:
    """Compare with the right answer, then with each wrong one that has a name; a list holds variants of one mistake."""
    got, verdict = numbers(got)
    if verdict:
        return verdict
    if close(got, right, rtol):
        return Verdict(True, praise)
    for diagnosis, values in wrong.items():
        if any(close(got, value, rtol) for value in (values if isinstance(values, list) else [values])):
            return Verdict(False, diagnosis)
    right = torch.as_tensor(right)
    if verdict := wrong_shape(got, right):
        return verdict
    most = (got - right).abs().max()
    return Verdict(
        False, f"not the right numbers, off by up to {most:.3g}: compare with the equation", recognised=False
    )


def wrong_shape(got: Tensor, right: Tensor) -> Verdict | None:
    """A verdict if the shapes differ."""
    if got.shape == right.shape:
        return None
    return Verdict(False, f"the shape should be {tuple(right.shape)}, yours is {tuple(got.shape)}")


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


def judge(answer: Callable[[], Any], *comparison: Any, rtol: float = 1e-4) -> Verdict:
    """Run the reader's function and `compare` what it returns with the right answer and the wrong ones."""
    got, verdict = attempt(answer)
    return verdict or compare(got, *comparison, rtol=rtol)


def close(got: Tensor, want: Any, rtol: float) -> bool:
    """The same shape, and the same numbers to within rtol, relative or absolute."""
    want = torch.as_tensor(want, dtype=torch.float64)
    return got.shape == want.shape and torch.allclose(got, want, rtol=rtol, atol=rtol)
