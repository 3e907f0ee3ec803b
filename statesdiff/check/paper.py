"""On paper: the answer is a number, or a few, worked out without a program; a check compares it with likely slips."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from statesdiff.check.attempt import untouched
from statesdiff.check.verdict import NOT_YET, Verdict, compare


@dataclass(frozen=True)
class OnPaper:
    """Called with the reader's number, or a tuple of numbers, it compares it with the right one and with likely slips.

    right   the answer
    wrong   {what went wrong: the number that it leads to}
    praise  what is said of the right answer
    rtol    how closely it must agree, relative or absolute: as closely as the text asks for digits
    """

    right: float | tuple[float, ...]
    wrong: Mapping[str, Any]
    praise: str
    rtol: float = 5e-3

    def __call__(self, answer: Any) -> Verdict:
        """What is to be said of the number."""
        if untouched(answer):
            return Verdict(None, NOT_YET)
        verdict = compare(answer, self.right, dict(self.wrong), self.praise, rtol=self.rtol)
        verdict.message = verdict.message.replace("your function returned", "yours is")
        return verdict
