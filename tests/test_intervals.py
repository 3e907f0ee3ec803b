"""Student's intervals: against the table, against a bootstrap, and how often they cover the truth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import bootstrap

from statesdiff.intervals import Interval, corrected, interval, verdict
from statesdiff.rng import randn, stream


def test_interval_is_students():
    # 1, 2, 3, 4, 5: standard deviation 1.5811, t(0.975, 4) = 2.7764 from the table
    got = interval([1, 2, 3, 4, 5])
    assert isinstance(got, Interval) and got.n == 5 and got.mean == 3
    assert got.half_width == pytest.approx(2.7764 * 1.58114 / math.sqrt(5), rel=1e-4)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20), st.floats(-100, 100), st.floats(0.01, 100))
def test_interval_moves_and_scales_with_its_values(values, shift, scale):
    a, b = interval(values), interval([scale * v + shift for v in values])
    assert min(values) - 1e-9 <= a.mean <= max(values) + 1e-9 and a.half_width >= 0 and a.n == len(values)
    assert b.mean == pytest.approx(scale * a.mean + shift, rel=1e-6, abs=1e-6)
    assert b.half_width == pytest.approx(scale * a.half_width, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("mean", "half_width", "shown"),
    [
        (0.95712, 0.0128, "0.957 ± 0.013"),
        (79.24, 13.4, "79 ± 13"),
        (100.2, 123.4, "100 ± 123"),
        (0.9998, 0.00046, "0.99980 ± 0.00046"),
        (12.345, 0.0, "12.3 ± 0"),
        (math.nan, math.nan, "nan ± nan"),
    ],
)
def test_an_interval_is_rounded_to_two_digits_of_its_half_width(mean, half_width, shown):
    found = Interval(mean, half_width, 5)
    assert str(found) == f"{found}" == shown
    assert f"{found:+}" == f"+{shown}"
    assert f"{found._replace(mean=-mean):+}" == (f"-{shown}" if mean == mean else f"+{shown}")


def test_a_format_that_an_interval_has_not():
    with pytest.raises(ValueError, match="must be empty or '\\+', got '.3f'"):
        format(Interval(1.0, 0.1, 5), ".3f")


def test_interval_covers_the_truth_19_times_in_20():
    rows = randn(4000, 5, generator=stream("rows")).double()
    hits = [abs(i.mean) <= i.half_width for i in map(interval, rows.tolist())]
    assert np.mean(hits) == pytest.approx(0.95, abs=0.014)  # four standard errors of a share of 4,000


@pytest.mark.parametrize(("level", "quantile"), [(0.9, 2.1318), (0.95, 2.7764), (0.99, 4.6041)])
def test_interval_at_another_level(level, quantile):
    assert interval([1, 2, 3, 4, 5], level).half_width == pytest.approx(quantile * 1.58114 / math.sqrt(5), rel=1e-4)


@pytest.mark.parametrize("level", [0, 1, 95, -0.5, math.nan])
def test_a_level_is_a_share(level):
    with pytest.raises(ValueError, match="level must lie between 0 and 1, got"):
        interval([1.0, 2.0], level)


def test_interval_of_equal_values_has_no_width():
    assert interval([2.0, 2.0, 2.0]) == Interval(2.0, 0.0, 3)


def test_interval_agrees_with_a_bootstrap():
    values = randn(400, 1, generator=stream("rows")).ravel().numpy()
    low, high = bootstrap((values,), np.mean, random_state=0, n_resamples=2000).confidence_interval
    assert interval(list(values)).half_width == pytest.approx((high - low) / 2, rel=0.1)


@pytest.mark.parametrize("values", [[], [1.0]])
def test_one_run_has_no_interval(values):
    with pytest.raises(ValueError, match=f"at least 2 repeats, got {len(values)}"):
        interval(values)


@pytest.mark.parametrize(("count", "level"), [(1, 0.95), (2, 0.975), (25, 0.998)])
def test_the_correction_is_bonferronis(count, level):
    assert corrected(count) == pytest.approx(level)


def test_corrected_intervals_hold_all_at_once():
    rows = randn(2000 * 5 * 4, 1, generator=stream("rows")).double().view(2000, 5, 4)  # five intervals of four values
    together = [
        all(abs(i.mean) <= i.half_width for i in (interval(r, corrected(5)) for r in row)) for row in rows.tolist()
    ]
    assert 0.93 < np.mean(together) < 0.97  # independent intervals: 0.99^5 = 0.951


@pytest.mark.parametrize("count", [0, -1])
def test_there_is_something_to_correct(count):
    with pytest.raises(ValueError, match="count must be a whole number >= 1, got"):
        corrected(count)


@pytest.mark.parametrize(
    ("mean", "half_width", "margin", "said"),
    [(1, 2, None, ""), (3, 2, None, "*"), (-3, 2, None, "*"), (1, 2, 4, "="), (3, 1, 5, "* ="), (1, 2, 2.5, "")],
)
def test_a_verdict_is_sure_small_both_or_open(mean, half_width, margin, said):
    assert verdict(Interval(mean, half_width, 5), margin) == said


def test_a_margin_is_positive():
    with pytest.raises(ValueError, match="margin must be positive, got 0"):
        verdict(Interval(0, 1, 5), 0)
