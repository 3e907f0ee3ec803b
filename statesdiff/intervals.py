"""How sure a mean is: Student's interval over repeats."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student_t


class Interval(NamedTuple):
    """A mean over n repeats and the half-width of its Student t interval (0 if the repeats agree)."""

    mean: float
    half_width: float
    n: int


def interval(values: Sequence[float], level: float = 0.95) -> Interval:
    """Mean and Student t interval over repeats. k intervals at level 1 - 0.05 / k hold all at once at 95% (Bonferroni).

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
