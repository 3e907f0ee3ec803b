"""The grids of times: what each is even in, whatever the schedule; lists of one's own; what is refused."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from statesdiff.grids import GRIDS, STEPS, times_of
from statesdiff.samplers import ddim_times
from statesdiff.schedule import NoiseSchedule

BOOK = NoiseSchedule.linear(T=500)
FINE = NoiseSchedule.linear(T=20_000, beta_1=1e-5 / 4, beta_T=5e-4)
schedules = st.sampled_from([BOOK, NoiseSchedule.cosine(T=60), NoiseSchedule.sech(T=33), NoiseSchedule.linear(T=7)])


@given(schedules, st.sampled_from([*GRIDS]), st.data())
def test_every_grid_falls_strictly_from_T_to_0_with_as_many_steps_as_asked(schedule, grid, data):
    steps = data.draw(st.integers(1, schedule.T))
    times = times_of(schedule, steps, grid)
    assert len(times) == steps + 1 and times[0] == schedule.T and times[-1] == 0
    assert all(a > b for a, b in zip(times, times[1:], strict=False)) and all(type(t) is int for t in times)


@given(schedules, st.data())
def test_a_list_of_ones_own_is_kept(schedule, data):
    times = [*sorted(data.draw(st.sets(st.integers(1, schedule.T), min_size=1)), reverse=True), 0]
    assert times_of(schedule, grid=times) == times == times_of(schedule, len(times) - 1, torch.tensor(times))


@pytest.mark.parametrize(
    ("grid", "even"),
    [
        ("uniform", torch.arange(20_001, dtype=torch.float64)),
        ("logsnr", FINE.log_snr),
        ("edm", FINE.noise_level ** (1 / 7)),
        ("eased", (8 / FINE.noise_level).asinh()),
    ],
)
def test_what_each_grid_is_even_in(grid, even):
    # where times are dense enough for whole numbers not to matter; the last step, to 0, is not of the kind
    widths = even[times_of(FINE, 20, grid)[:-1]].diff()
    assert widths[:12].std() < 0.005 * widths[:12].abs().mean()


def test_where_the_grids_end():
    # log-SNR and EDM's ask at t = 1 before the last step; the book's own leaves that step out
    for grid in ("logsnr", "edm"):
        assert times_of(BOOK, 10, grid)[-2] == 1
    assert times_of(FINE, 10, "eased")[-2] > 1
    all_but_last = times_of(FINE, 10, "eased")[:-1]
    even = (8 / FINE.noise_level).asinh()
    step = even[all_but_last[1]] - even[all_but_last[0]]
    assert float(even[1] - even[all_but_last[-1]]) == pytest.approx(
        float(step), rel=0.1
    )  # whole times are sparse there


def test_uniform_is_the_grid_of_ddim():
    assert all(times_of(BOOK, n, "uniform") == ddim_times(500, n) for n in (1, 7, 10, 500))


def test_edm_is_eq_5_of_the_paper():
    level = FINE.noise_level
    top, low, n = float(level[-1]) ** (1 / 7), float(level[1]) ** (1 / 7), 12
    wanted = [(top + i / (n - 1) * (low - top)) ** 7 for i in range(n)]
    found = level[times_of(FINE, n, "edm")[:-1]]
    # at the end whole times are sparse
    assert found[:9].tolist() == pytest.approx(wanted[:9], rel=0.01)


def test_steps_left_out():
    assert len(times_of(BOOK)) == STEPS + 1 == 11
    assert times_of(BOOK) == times_of(BOOK, 10, "eased")
    assert times_of(BOOK, grid=[400, 30, 0]) == [400, 30, 0]


@pytest.mark.parametrize("steps", [0, -1, 501, 2.0, True, "4"])
def test_a_number_of_steps_that_cannot_be_is_refused(steps):
    with pytest.raises(ValueError, match=r"steps must be a whole number in 1\.\.500"):
        times_of(BOOK, steps)


def test_other_bad_grids_are_refused():
    with pytest.raises(ValueError, match="grid must be one of uniform, logsnr, edm, eased or a falling list"):
        times_of(BOOK, 5, "karras")
    with pytest.raises(ValueError, match="grid has 2 steps, but steps = 3"):
        times_of(BOOK, 3, [500, 30, 0])
    for times in ([500, 30], [0], [30, 500, 0], [501, 0], [30, 30, 0]):
        with pytest.raises(ValueError, match="grid must fall strictly from at most 500 down to 0"):
            times_of(BOOK, grid=times)
