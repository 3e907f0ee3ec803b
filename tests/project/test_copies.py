"""Copies of training points are seen, whatever the course's own data file repeats."""

import pytest
import torch

from statesdiff.data import Dataset, states
from statesdiff.project.measures import Reference, measure
from tests.project.good_folder import FRESH
from tests.project.pages import PROJECT

Y = 3


@pytest.fixture(scope="module")
def repeating():
    """A data file like one in use: 436 of its 5,000 rows stand in it twice."""
    data = states()
    x, y = data.x.clone(), data.y
    for label, n in enumerate((87, 87, 87, 87, 88)):
        rows = (y == label).nonzero().ravel()
        x[rows[-n:]] = x[rows[:n]]
    return Reference(Dataset(x, y))


def test_rows_that_the_data_repeat_lower_no_floor(repeating, full):
    for label in (None, Y):
        copies, distance = repeating.floors[label][2], repeating.floors[label][1]
        assert copies <= 0.005 and distance == pytest.approx(full.floors[label][1], rel=0.1)


@pytest.mark.parametrize(("share", "seen"), [(0.1, True), (0.03, True), (0.0, False)])
def test_training_points_among_the_samples_are_warned_of(repeating, share, seen):
    n = int(5000 * share)
    samples = torch.cat([FRESH.of_class(Y)[: 5000 - n], repeating.points(Y).unique(dim=0)[:n]]).double()
    found = measure(samples, Y, repeating)
    assert found.copies == pytest.approx(share, abs=0.003)
    assert any("copies of training points" in warning for warning in found.warnings) is seen


def test_rounded_to_four_decimals_they_are_still_copies(full):
    rows = full.points(Y)[:500].double()
    samples = torch.cat([FRESH.of_class(Y)[:4500].double(), (rows * 1e4).round() / 1e4])
    assert measure(samples, Y, full).copies == pytest.approx(0.1, abs=0.003)


def test_the_page_promises_no_more_than_that():
    page = PROJECT.read_text(encoding="utf-8")
    assert "show at once" not in page and "rows that the data repeat do not count" in page
