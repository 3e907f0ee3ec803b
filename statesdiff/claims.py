"""What the text claims, printed with its numbers: the value that was found, the range that it is held to, and a tick.

For a reader a claim that fails is a line with a cross. Where the chapters are tested, `STATESDIFF_STRICT` is set and it
is an error; the digits of the value, which differ from one processor to the next, are masked there, and the range and
the tick are compared (tests/sanitize.cfg).
"""

import math
import os
from collections.abc import Mapping
from numbers import Real

STRICT = "STATESDIFF_STRICT"
Claim = tuple[float, float | None, float | None]


class BrokenClaim(AssertionError):
    """A value lies outside the range that the text holds it to."""


def claims(claimed: Mapping[str, Claim]) -> None:
    """Print a line for each claim, {sentence: (value, low, high)}: tick or cross, the value, the range, the sentence.

    The claim holds if low <= value <= high; None, or an infinity, leaves that side open. Raises TypeError or
    ValueError for what is no number or no range, and, where STATESDIFF_STRICT is set, `BrokenClaim` with the lines
    that have a cross.
    """
    checked = {sentence: _checked(sentence, claim) for sentence, claim in claimed.items()}
    values = {sentence: _digits(value) for sentence, (value, _, _) in checked.items()}
    ranges = {sentence: f"({_range(low, high)})" for sentence, (_, low, high) in checked.items()}
    wide, wider = (max(map(len, column.values()), default=0) for column in (values, ranges))
    broken = []
    for sentence, (value, low, high) in checked.items():
        holds = low <= value <= high
        line = f"{'✓' if holds else '✗'} {values[sentence]:>{wide}}  {ranges[sentence]:{wider}}  {sentence}"
        print(line)
        broken += [] if holds else [line]
    if broken and os.environ.get(STRICT):
        raise BrokenClaim("\n".join(broken))


def _checked(sentence: str, claim: Claim) -> tuple[float, float, float]:
    if not isinstance(claim, tuple | list) or len(claim) != 3:
        raise TypeError(f"{sentence!r}: a claim is (value, low, high), got {claim!r}")
    value, low, high = claim
    low, high = (-math.inf if low is None else low), (math.inf if high is None else high)
    # an entry of an array or of a tensor is a number too
    numbers = [v.item() if math.prod(getattr(v, "shape", (0,))) == 1 else v for v in (value, low, high)]
    if not all(isinstance(v, Real) and not isinstance(v, bool) for v in numbers):
        raise TypeError(f"{sentence!r}: value, low and high must be numbers, got {claim!r}")
    if not numbers[1] <= numbers[2] or numbers[1:] == [-math.inf, math.inf]:
        raise ValueError(f"{sentence!r}: needs low <= high and at least one of them, got {low!r} and {high!r}")
    return tuple(float(v) + 0.0 for v in numbers)  # no minus before a zero


def _range(low: float, high: float) -> str:
    if low == high:
        return f"exactly {_digits(low)}"
    if low == -math.inf:
        return f"at most {_digits(high)}"
    return f"at least {_digits(low)}" if high == math.inf else f"{_digits(low)} to {_digits(high)}"


def _digits(value: float) -> str:
    """Three significant digits; whole numbers, and all from a thousand on, in full."""
    return f"{value:,.0f}" if not -999.5 < value < 999.5 or value == int(value) else f"{value:.3g}"
