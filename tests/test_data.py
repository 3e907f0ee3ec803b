"""STATES and its outlines, the units that data come in, and a file of points as a data set."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from statesdiff.data import (
    JITTER,
    OUTLINES,
    STATE_NAMES,
    UNITS,
    Dataset,
    along,
    draw,
    in_units,
    load_states,
    outline_points,
    outlines,
    states,
)
from statesdiff.metrics import nll

# The layout of the original data set: the box of each state's points and their mean, in standardised units.
BOXES = {
    "Michigan": ((-2.082, -0.157), (-0.748, 1.121), (-1.320, 0.547)),
    "Idaho": ((-1.041, -1.686), (-0.208, -0.531), (-0.680, -1.180)),
    "Ohio": ((-0.454, 0.572), (0.460, 1.514), (0.002, 1.072)),
    "Oklahoma": ((-0.114, -1.861), (1.307, -0.506), (0.665, -1.057)),
    "Wisconsin": ((0.773, 0.043), (1.841, 1.140), (1.333, 0.618)),
}
# The original's own floors: mean of -log p_KDE at its points, the density being the KDE of all 5,000.
FLOORS = {"Michigan": 2.146, "Idaho": 1.999, "Ohio": 2.049, "Oklahoma": 2.446, "Wisconsin": 2.120}


def distance_to_polylines(points, rings):
    """Distance of each point to the nearest segment, by brute force in float64."""
    start = torch.cat([ring[:-1] for ring in rings])
    step = torch.cat([ring[1:] - ring[:-1] for ring in rings])
    offset = points.double()[:, None] - start
    share = ((offset * step).sum(-1) / step.square().sum(-1)).clamp(0, 1)
    return (offset - share[..., None] * step).norm(dim=-1).min(1).values


# The committed outlines


def test_the_outlines_are_small_and_say_where_they_come_from():
    assert OUTLINES.stat().st_size < 60_000
    provenance = json.loads(OUTLINES.read_text(encoding="utf-8"))["provenance"]
    assert "Census" in provenance["source"] and "cb_2016_us_state_500k" in provenance["source"]
    assert "public domain" in provenance["licence"]
    assert (Path(__file__).parents[1] / provenance["made_by"].split()[-1]).is_file()


def test_five_states_in_the_order_of_the_labels():
    assert STATE_NAMES == ("Michigan", "Idaho", "Ohio", "Oklahoma", "Wisconsin")
    assert set(json.loads(OUTLINES.read_text(encoding="utf-8"))["outlines"]) == set(STATE_NAMES)
    assert [len(rings) for rings in outlines()] == [2, 1, 1, 1, 1]  # Michigan has two peninsulas


def test_the_rings_are_closed_and_have_no_empty_segment():
    for rings in outlines():
        for ring in rings:
            assert ring.dtype == torch.float64 and ring.shape[1] == 2 and len(ring) >= 4
            assert torch.equal(ring[0], ring[-1])
            assert ((ring[1:] - ring[:-1]).norm(dim=1) > 0).all()


@pytest.mark.parametrize("label", range(5), ids=STATE_NAMES)
def test_the_layout_is_the_original_one(label):
    low, high, mean = map(torch.tensor, BOXES[STATE_NAMES[label]])
    x = states().of_class(label)
    # A simplified outline is not the original's, and a box is two extremes of 1,000 jittered points: a tenth of a unit,
    # 3% of the picture.
    assert_close(x.min(0).values, low, rtol=0, atol=0.1)
    assert_close(x.max(0).values, high, rtol=0, atol=0.1)
    assert_close(x.mean(0), mean, rtol=0, atol=0.1)


# Points along a curve

UNIT_SQUARE = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=torch.float64)


def test_along_a_square_by_hand():
    got = along([UNIT_SQUARE], torch.tensor([0, 0.125, 0.25, 0.5, 0.6875, 1.0]))
    want = [[0, 0], [0.5, 0], [1, 0], [1, 1], [0.25, 1], [0, 0]]
    assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-12)


def test_along_gives_each_ring_its_share_of_the_length():
    rings = [UNIT_SQUARE, 3 * UNIT_SQUARE + 10]  # lengths 4 and 12
    points = along(rings, (torch.arange(1000) + 0.5) / 1000)
    assert int((points.max(1).values < 5).sum()) == 250


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 4))
def test_along_stays_on_the_outline(fractions, label):
    rings = outlines()[label]
    points = along(rings, torch.tensor(fractions, dtype=torch.float64))
    assert points.shape == (len(fractions), 2)
    assert distance_to_polylines(points, rings).max() < 1e-12


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=8, unique=True),
    st.lists(st.floats(0, 1), min_size=2, max_size=10),
)
def test_along_any_closed_polyline(corners, fractions):
    ring = torch.tensor([*corners, corners[0]], dtype=torch.float64)
    u = torch.tensor(sorted(fractions), dtype=torch.float64)
    points = along([ring], u)
    assert distance_to_polylines(points, [ring]).max() < 1e-9
    length = (ring[1:] - ring[:-1]).norm(dim=1).sum()
    # the straight way between two points is never longer than the way along the curve
    assert ((points[1:] - points[:-1]).norm(dim=1) <= (u[1:] - u[:-1]) * length + 1e-9).all()


@pytest.mark.parametrize("label", range(5), ids=STATE_NAMES)
def test_points_are_uniform_in_arc_length(label):
    rings = outlines()[label]
    length = torch.cat([(ring[1:] - ring[:-1]).norm(dim=1) for ring in rings])
    points = along(rings, torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    step = torch.cat([ring[1:] - ring[:-1] for ring in rings])
    middle = torch.cat([(ring[1:] + ring[:-1]) / 2 for ring in rings])
    # the mean of a uniform draw is the length-weighted mean of the segments' middles, its covariance follows likewise
    share = length / length.sum()
    mean = share @ middle
    second = (middle - mean).T @ (share[:, None] * (middle - mean)) + step.T @ (share[:, None] * step) / 12
    error = (second.diagonal() / len(points)).sqrt()
    assert ((points.mean(0) - mean).abs() < 4 * error).all()
    assert_close(points.T.cov(), second, rtol=0.05, atol=0.002)  # four standard errors of a variance are 4%


# The data set


def test_states_is_the_books_data_set():
    s = states()
    assert s.x.shape == (5000, 2) and s.x.dtype == torch.float32
    assert s.y.dtype == torch.int64 and torch.equal(s.y, torch.arange(5).repeat_interleave(1000))
    assert s.names == STATE_NAMES and len(s) == 5000
    # the committed outlines are rounded to five digits; the units were set by this very draw
    assert_close(s.x.mean(0), torch.zeros(2), rtol=0, atol=1e-3)
    assert_close(s.x.var(0, correction=0), torch.ones(2), rtol=0, atol=1e-3)


def test_the_same_arguments_give_the_same_points():
    a, b = states(50, seed=3), states(50, seed=3)
    assert torch.equal(a.x, b.x)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    states(50)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_pooled_floor_is_near_the_originals():
    x = states().x
    assert nll(x, x) == pytest.approx(2.152, abs=0.03)


@pytest.mark.parametrize("label", range(5), ids=STATE_NAMES)
def test_the_floor_of_each_state_is_near_the_originals(label):
    s = states()
    # Fresh draws differ by about 0.02, and the outline is simplified: Michigan's lakeshore most of all.
    assert nll(s.of_class(label), s.x) == pytest.approx(FLOORS[STATE_NAMES[label]], abs=0.05)


def test_held_out_draws_are_other_points_on_the_same_outline():
    a, b = states(), states(seed=1)
    assert not torch.isin(a.x, b.x).all(1).any()
    for s in (a, b):
        for label in range(5):
            off = distance_to_polylines(s.of_class(label), outlines()[label])
            # |N(0, JITTER^2)| across a straight edge has the mean sqrt(2 / pi) JITTER; a corner has a nearer edge
            assert 0.8 < off.mean() / (JITTER * math.sqrt(2 / math.pi)) < 1.02
            assert off.max() < 5 * JITTER
    # 5,000 points have a mean known to 0.014 and a variance known to 2%: four standard errors
    assert_close(b.x.mean(0), torch.zeros(2), rtol=0, atol=0.057)
    assert_close(b.x.var(0), torch.ones(2), rtol=0, atol=0.08)


@given(st.integers(1, 60), st.integers(0, 2**40), st.floats(0, 0.5))
def test_states_of_any_size_and_seed(n, seed, jitter):
    s = states(n, seed, jitter)
    assert s.x.shape == (5 * n, 2) and s.x.dtype == torch.float32 and s.x.isfinite().all()
    assert s.y.bincount().tolist() == [n] * 5
    for label in range(5):
        assert torch.equal(s.of_class(label), s.x[label * n : (label + 1) * n])


def test_without_jitter_the_points_lie_on_the_outline():
    s = states(200, seed=2, jitter=0)
    for label in range(5):
        assert distance_to_polylines(s.of_class(label), outlines()[label]).max() < 1e-6  # float32


def test_the_jitter_is_a_standard_deviation():
    assert 0.015 <= JITTER <= 0.02  # what was measured on the original
    with_jitter, without = states(2000, jitter=0.3), states(2000, jitter=0)
    noise = with_jitter.x - without.x  # the same generator, the same fractions: what differs is the noise
    assert noise.std() / 0.3 == pytest.approx(1, abs=0.02)  # 20,000 numbers: four standard errors


@pytest.mark.parametrize(
    "bad",
    [
        {"n_per_state": 0},
        {"n_per_state": -5},
        {"seed": -1},
        {"jitter": -0.1},
        {"jitter": math.nan},
        {"jitter": math.inf},
    ],
)
def test_states_refuses_senseless_arguments(bad):
    with pytest.raises(ValueError, match="states needs n_per_state >= 1"):
        states(**bad)


def test_draw_makes_a_data_set_of_any_curves():
    s = draw([[UNIT_SQUARE], [UNIT_SQUARE + 5]], 100, seed=0, jitter=0.01)
    assert s.y.tolist() == [0] * 100 + [1] * 100
    assert s.of_class(1).min() > 4.9


def test_outline_points_share_the_points_among_the_states():
    points = outline_points(1000)
    assert points.shape == (1000, 2) and points.dtype == torch.float32
    for label in range(5):
        of_state = points[200 * label : 200 * (label + 1)]
        assert distance_to_polylines(of_state, outlines()[label]).max() < 1e-6
        assert torch.equal(outline_points(200, label=label), of_state)


def test_outline_points_are_evenly_spaced():
    n = 4000
    points = outline_points(n, label=1)
    length = (outlines()[1][0][1:] - outlines()[1][0][:-1]).norm(dim=1).sum()
    gap = (points[1:] - points[:-1]).norm(dim=1)
    assert gap.max() < length / n * 1.01 and gap.median() > length / n * 0.99


@pytest.mark.parametrize("bad", [{"n": 4}, {"n": 0}, {"label": 5}, {"label": -1}, {"label": "Ohio"}])
def test_outline_points_refuses_too_few_and_unknown_states(bad):
    with pytest.raises(ValueError, match="outline_points needs n >= 5"):
        outline_points(**bad)


# Units


def random_data(n, D, seed, shift=0.0, width=1.0):
    x = torch.randn(n, D, generator=torch.Generator().manual_seed(seed)) * width + shift
    return Dataset(x, torch.arange(n) % 2, ("a", "b"))


sizes = {"n": st.integers(2, 40), "D": st.integers(1, 5), "seed": st.integers(0, 2**31)}


anywhere = {"shift": st.floats(-100, 100), "width": st.floats(0.01, 100)}


@given(**sizes, **anywhere)
def test_standard_units_have_mean_0_and_variance_1(n, D, seed, shift, width):
    data = random_data(n, D, seed, shift, width)
    new = in_units(data, "standard")
    z = (data.x.double() - new.shift) / new.width
    assert_close(z.mean(0), torch.zeros(D, dtype=torch.float64), rtol=0, atol=1e-7)
    assert_close(z.square().mean(0), torch.ones(D, dtype=torch.float64), rtol=1e-7, atol=0)
    assert torch.equal(new.x, z.float())


@given(**sizes, **anywhere)
def test_minmax_units_run_from_minus_1_to_1(n, D, seed, shift, width):
    data = random_data(n, D, seed, shift, width)
    new = in_units(data, "minmax")
    z = (data.x.double() - new.shift) / new.width
    assert_close(z.amin(0), -torch.ones(D, dtype=torch.float64), rtol=1e-7, atol=0)
    assert_close(z.amax(0), torch.ones(D, dtype=torch.float64), rtol=1e-7, atol=0)
    assert torch.equal(new.x, z.float())


@pytest.mark.parametrize("units", UNITS)
@given(**sizes)
def test_the_units_before_do_not_matter_and_can_be_had_back(units, n, D, seed):
    data = random_data(n, D, seed)
    new = in_units(data, units)
    other = in_units(replace(data, x=(3 * data.x.double() - 2)), units)
    assert_close(new.x, other.x, rtol=0, atol=1e-6)
    assert new.shift.shape == new.width.shape == (D,)
    assert_close(new.x * new.width + new.shift, data.x.double(), rtol=0, atol=1e-5)
    assert_close(((data.x - new.shift) / new.width).float(), new.x, rtol=0, atol=1e-6)


@pytest.mark.parametrize("units", UNITS)
def test_new_units_change_nothing_else(units):
    data = random_data(7, 2, 0)
    before = data.x.clone()
    new = in_units(data, units)
    assert torch.equal(new.y, data.y) and new.names == data.names
    assert torch.equal(data.x, before) and data.shift is None and data.width is None


@pytest.mark.parametrize("units", UNITS)
def test_coordinates_without_spread_are_named(units):
    x = torch.tensor([[1.0, 7.0, 2.0, 3.0], [2.0, 7.0, 5.0, 3.0]])
    with pytest.raises(ValueError, match=rf"cannot be brought to {units} units: coordinates with no spread: \[1, 3\]"):
        in_units(Dataset(x, torch.zeros(2)), units)
    with pytest.raises(ValueError, match="no spread"):
        in_units(Dataset(torch.ones(1, 2), torch.zeros(1)), units)


@pytest.mark.parametrize("units", ["metres", "", None, "MINMAX"])
def test_other_units_are_refused_and_the_two_are_named(units):
    with pytest.raises(ValueError, match=f"units must be one of minmax, standard; got {units!r}"):
        in_units(random_data(5, 2, 0), units)


# A file of one's own

X = torch.arange(12, dtype=torch.float32).reshape(6, 2) / 7
Y = torch.tensor([4, 0, 2, 2, 1, 3])


@pytest.fixture
def file(tmp_path):
    torch.save({"data": X, "labels": Y}, tmp_path / "states.pt")
    return tmp_path / "states.pt"


def test_a_file_is_a_data_set_of_the_states(file):
    s = load_states(file)
    assert isinstance(s, Dataset) and s.names == STATE_NAMES
    assert torch.equal(s.x, X) and torch.equal(s.y, Y)


def test_the_files_own_units_are_kept_unless_asked(file):
    kept = load_states(file)
    assert torch.equal(kept.x, X) and kept.shift is None and kept.width is None
    for units in UNITS:
        assert torch.equal(load_states(file, units=units).x, in_units(kept, units).x)


def test_other_classes_can_be_named(tmp_path):
    path = tmp_path / "mine.npz"
    np.savez(path, data=X.numpy(), labels=(Y % 2).numpy())
    assert load_states(path, names=("left", "right")).names == ("left", "right")
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.0, got 0\.\.1"):
        load_states(path, names=("left",))


@pytest.mark.parametrize("units", UNITS)
def test_new_units_remember_those_of_the_file(tmp_path, units):
    x = np.random.default_rng(0).normal([-90, 40], [3, 0.5], (50, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    data = load_states(tmp_path / "x.npy", units=units)
    assert_close((data.x * data.width + data.shift).float(), torch.from_numpy(x))


def test_a_bad_file_is_refused_with_its_reason(tmp_path):
    with pytest.raises(FileNotFoundError, match="no data file at .*missing.npy"):
        load_states(tmp_path / "missing.npy")
    (tmp_path / "states.pt").write_bytes(b"hello")
    with pytest.raises(ValueError, match="not a file of plain tensors"):
        load_states(tmp_path / "states.pt")
