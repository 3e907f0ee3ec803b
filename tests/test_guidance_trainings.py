"""What benchmarks/guidance_trainings.py reckons with what it has trained and drawn; nothing is trained here."""

from functools import partial

import pytest
import torch
from guidance_trainings import (
    OKLAHOMA,
    SCHEDULE,
    beyond,
    class_shares,
    corrected,
    exact,
    shares,
    square,
    switched,
    tilt_card,
    tilted,
    variation,
    without_classifier,
)
from torch.testing import assert_close

from statesdiff import plotting
from statesdiff.data import states
from statesdiff.exact import tilted_density
from statesdiff.rng import stream


def constant(value):
    return lambda x_t, t: torch.full_like(x_t, value)


def test_the_squares_are_26_by_26_and_hold_what_lies_outside_too() -> None:
    corners = torch.tensor([[-2.6, -2.6], [2.59, -2.59], [-9.0, 9.0], [9.0, 9.0]])
    assert square(corners).tolist() == [0, 26 * 25, 25, 26 * 26 - 1]
    assert shares(corners).sum() == 1 and shares(corners)[0] == 0.25
    assert_close(shares(corners, torch.tensor([3.0, 1.0, 0.0, 0.0]))[0].item(), 0.75)


def test_total_variation_goes_from_0_to_1() -> None:
    p, q = torch.tensor([0.5, 0.5, 0.0]), torch.tensor([0.0, 0.0, 1.0])
    assert variation(p, p) == 0 and variation(p, q) == 1 and variation(p, (p + q) / 2) == 0.5


def test_an_interval_has_its_upper_end_and_not_its_lower() -> None:
    guided = partial(switched, constant(4.0), constant(1.0), 100, 200)
    x = torch.zeros(1, 2)
    assert [float(guided(x, torch.tensor(t))[0, 0]) for t in (100, 101, 200, 201)] == [1, 4, 4, 1]


@pytest.mark.parametrize(("scale", "found"), [(0.0, 3.0), (1.0, 1.0), (1.5, 0.0)])
def test_beyond_the_better_network_the_worse_is_left_behind(scale: float, found: float) -> None:
    assert float(beyond(constant(3.0), constant(1.0), scale, torch.zeros(1, 2), torch.tensor(9))[0, 0]) == found


def test_each_setting_without_a_classifier_comes_once() -> None:
    settings = [tuple(row.values()) for row, _ in without_classifier("book", constant(0.0), constant(0.0), 0)]
    assert len(set(settings)) == len(settings) == 17


def test_fresh_points_of_a_state_have_its_shares() -> None:
    points = states(4000, seed=9)
    near, far = (variation(shares(points.of_class(k)), class_shares(OKLAHOMA, 40_000)) for k in (OKLAHOMA, 2))
    assert near < 0.08 and far > 0.99


def test_weighted_points_make_the_tilted_density_of_the_grid() -> None:
    side = ((torch.arange(104) + 0.5) / 104 * 2 - 1) * plotting.LIMIT
    fine = torch.cartesian_prod(side, side)
    grid = shares(fine, tilted_density(exact(), fine, 100, OKLAHOMA, 4.0).double())
    points, weights = tilted(100, 4.0, 40_000)
    assert variation(shares(points, weights), grid) < 0.05
    assert variation(shares(points), grid) > 0.15


def test_draws_from_the_tilted_density_are_at_its_floor() -> None:
    points, weights = tilted(100, 4.0, 40_000)
    drawn = points[torch.multinomial(weights, 2000, replacement=True, generator=stream("sample"))]
    card = tilt_card(drawn, 100, 0, 40_000)
    assert card["TV"] == pytest.approx(card["TV floor"], rel=0.2)
    assert card["left"] == pytest.approx(card["left exact"], abs=0.03)


def test_walks_are_seen_at_their_times_and_are_the_same_again() -> None:
    def standard_normal(x_t, t):  # the noise of a cloud that stays what it is
        return (1 - SCHEDULE.alpha_bar[t]).sqrt().to(x_t) * x_t

    start = torch.randn(2000, 2, generator=stream("start"))
    path, again = (corrected(standard_normal, start, 2, 0.2, stream("walk")) for _ in range(2))
    assert list(path) == [200, 100, 60, 40, 20, 0] and all(path[t].equal(again[t]) for t in path)
    assert all(0.9 < float(x.var()) < 1.2 for x in path.values())
