"""A score to beat: what the reader made is measured on given draws, and set beside the target and the book's own."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from statesdiff.check.attempt import untouched
from statesdiff.check.verdict import NOT_YET, Verdict


class AgainstTheRules(ValueError):
    """What the reader made may not take part; the message says what is allowed."""


@dataclass(frozen=True)
class ScoreToBeat:
    """Called with what the reader made, times, a schedule, a network, a function, it measures that and judges.

    measure    what the reader made -> the score; draws from named streams alone, raises `AgainstTheRules`
    what       what the number is, with its unit
    target     the score that passes
    best       the book's own, which is shown with the first attempt
    tolerance  the share by which a processor may move a score: who misses the target by less passes
    higher     whether more is better
    """

    measure: Callable[[Any], float]
    what: str
    target: float
    best: float
    tolerance: float
    higher: bool = False

    def __call__(self, made: Any) -> Verdict:
        """Measure, and give the score in the form of a claim; what breaks the rules, or raises, has none."""
        if untouched(made):
            return Verdict(None, NOT_YET)
        try:
            score = float(self.measure(made))
        except AgainstTheRules as broken:
            return Verdict(False, str(broken))
        except Exception as error:  # the reader's own code: report it, whatever it is
            return Verdict(False, f"what you made raised {type(error).__name__}: {error}")
        return self.verdict(score)

    def verdict(self, score: float) -> Verdict:
        """What is to be said of a score: tick or cross, the value, the range, what it is, and the book's own."""
        bound = "at least" if self.higher else "at most"
        slack = f", give or take {100 * self.tolerance:.2g}%" if self.tolerance else ""
        asked = f"({bound} {_digits(self.target)}{slack})"
        return Verdict(
            self.reached(score), f"{_digits(score)}  {asked}  {self.what}; the book's own is {_digits(self.best)}"
        )

    def reached(self, score: float) -> bool:
        """Whether a score passes; one that is not a number does not."""
        slack = self.tolerance * abs(self.target)
        return score >= self.target - slack if self.higher else score <= self.target + slack


def _digits(value: float) -> str:
    """Three significant digits; whole numbers in full."""
    return f"{value:,.0f}" if value == round(value, 0) else f"{value:.3g}"
