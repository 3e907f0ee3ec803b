"""How sure a mean is: Student's interval over repeats, and the one correction for looking at many of them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t


class Interval(NamedTuple):
    """A mean over n repeats and the half-width of its Student t interval (0 if the repeats agree).

    As text it is "mean ± half-width", the half-width to two digits and the mean to as many decimals; `f"{found:+}"`
    writes the sign of a positive mean too.
    """

    mean: float
    half_width: float
    n: int

    def __str__(self) -> str:
        return format(self)

    def __format__(self, sign: str) -> str:
        if sign not in ("", "+"):
            raise ValueError(f"the format of an Interval must be empty or '+', got {sign!r}")
        if not self.half_width > 0:
            return f"{self.mean:{sign}.3g} ± {self.half_width:.2g}"
        decimals = max(0, 1 - math.floor(math.log10(self.half_width)))
        return f"{self.mean:{sign}.{decimals}f} ± {self.half_width:.{decimals}f}"


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean and Student t interval over repeats; k of them hold all at once at level `corrected(k)`.

    It covers what differs between the repeats and nothing else: over parts of one set of samples, the drawing of
    samples but not the training of the model. Raises ValueError for fewer than two values, as one run has no
    interval, and for a level outside (0, 1).
    """
    if len(values) < 2:
        raise ValueError(f"an interval needs at least 2 repeats, got {len(values)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    values = np.asarray(values, dtype=float)
    half_width = student_t.ppf((1 + level) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
    return Interval(float(values.mean()), float(half_width), len(values))


def corrected(count: int, level: float = 0.95) -> float:
    """The level at which each of `count` intervals has to be taken for all to hold at once at `level`: Bonferroni's.

    1 - (1 - level) / count, whatever the intervals have to do with one another. Raises ValueError for a count below 1
    or a level outside (0, 1).
    """
    if count < 1:
        raise ValueError(f"count must be a whole number >= 1, got {count!r}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, got {level!r}")
    return 1 - (1 - level) / count


def verdict(found: Interval, margin: float | None = None) -> str:
    """What an interval of a difference says: "*" it is not zero, "=" it is less than the margin, "" it is open.

    A difference can be both, sure and too small to matter: "* =". `margin` is the largest difference, of either sign,
    that makes no difference; it has to be chosen before the numbers are looked at. The interval lies within it at the
    interval's own level, which is stricter than two one-sided tests at that level. Raises ValueError for a margin that
    is not positive.
    """
    if margin is not None and not margin > 0:
        raise ValueError(f"margin must be positive, got {margin!r}")
    sure = abs(found.mean) > found.half_width
    small = margin is not None and abs(found.mean) + found.half_width < margin
    return " ".join(mark for mark, holds in (("*", sure), ("=", small)) if holds)
