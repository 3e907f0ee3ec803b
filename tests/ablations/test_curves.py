"""Curves with the same ends: what cutting keeps, drawing times as another curve would, and the rungs of another."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from statesdiff.ablations.curves import CURVES, DENSE, DRAWS, ENDS, FROM, SHAPES, curve, cut, draw_as, even, rungs
from statesdiff.rng import stream
from statesdiff.samplers import ddim_times
from statesdiff.schedule import NoiseSchedule


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("T", [2, 20, 1000])
def test_every_curve_has_the_same_ends(name, T):
    found = curve(name, T)
    assert found.T == T
    assert_close(found.log_snr[[1, -1]], torch.tensor(ENDS, dtype=torch.float64))


def test_an_even_curve_is_a_straight_line():
    assert_close(even(25).log_snr[1:], torch.linspace(*ENDS, 25, dtype=torch.float64))


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 60), st.floats(3, 8), st.floats(-4, 1))
def test_the_whole_of_a_straight_line_cut_anywhere_is_straight(T, first, last):
    found = cut(even(400, 9, -6), T, first, last).log_snr[1:]
    assert_close(found, torch.linspace(first, last, T, dtype=torch.float64), atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", FROM)
def test_a_cut_curve_lingers_where_its_schedule_does(name):
    """The share of the times above 0 is that of the whole between the ends, as counted on the schedule itself."""
    whole = FROM[name].log_snr[1:]
    inside = whole[(whole <= ENDS[0]) & (whole >= ENDS[1])]
    assert (curve(name, 1000).log_snr[1:] > 0).double().mean() == pytest.approx(
        (inside > 0).double().mean().item(), abs=0.01
    )


def test_a_curve_that_does_not_reach_the_ends_is_refused():
    with pytest.raises(ValueError, match=r"goes from .* not from 7.0 to -5.0"):
        cut(NoiseSchedule.linear(200), 10)


@pytest.mark.parametrize("name", SHAPES)
def test_times_drawn_as_another_curve_have_its_noise(name):
    """Same distribution of the log signal-to-noise: the quantiles of 20,000 draws beside those of the curve."""
    drawn = even(1000).log_snr[draw_as(name, 1000, 20_000, stream("t"))]
    q = torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9], dtype=torch.float64)
    assert_close(drawn.quantile(q), curve(name, DENSE).log_snr[1:].quantile(q), atol=0.15, rtol=0)
    assert DRAWS[f"as {name}"](50, 7, stream("t")).shape == (7,)


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("trained", CURVES)
def test_the_rungs_of_any_curve_are_found_on_any_other(trained, name):
    fine, grid = CURVES[trained](1000), CURVES[name](50)
    times = rungs(fine, grid)
    assert ddim_times(1000, times) == times and len(times) == 51  # falling, from at most T to 0
    apart = (fine.log_snr[times[:-1]].flip(0) - grid.log_snr[1:]).abs()
    assert apart.max() < 0.1


def test_a_schedules_own_rungs_are_its_times():
    assert rungs(even(30), even(30)) == list(range(30, -1, -1))


def test_a_coarse_schedule_has_no_rungs_for_a_fine_grid():
    with pytest.raises(ValueError, match="too coarse"):
        rungs(even(10), even(30))
