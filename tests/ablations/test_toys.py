"""The toy sets against their definitions, and the split, the units and the fresh draws that the tables rest on."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from sklearn.datasets import make_circles, make_moons
from torch.testing import assert_close

from statesdiff.ablations.toys import TOYS, points, split, toy, toy_split
from statesdiff.data import UNITS, Dataset, in_units, load_states, states
from statesdiff.rng import stream

DIMENSIONS = {"moons": 2, "circles": 2, "blobs": 2, "manycircles": 2, "helix": 3, "sine": 3}
by_name = pytest.mark.parametrize("name", TOYS)
by_units = pytest.mark.parametrize("units", UNITS)
datasets = st.builds(
    lambda n, D, seed: Dataset(torch.randn(n, D, generator=torch.Generator().manual_seed(seed)), torch.arange(n)),
    st.integers(2, 60),
    st.integers(1, 4),
    st.integers(0, 2**31),
)


def mean_is(values, want, std, n_std=5):
    """The mean of values drawn with this standard deviation is within five standard errors of what is wanted."""
    return abs(float(np.mean(np.asarray(values, dtype=float))) - want) <= n_std * std / math.sqrt(len(values))


# The definitions


@by_name
def test_shapes_types_sizes_and_names(name):
    data = toy(name)
    assert len(data) == (10_000 if DIMENSIONS[name] == 3 else 8_000)
    assert data.x.shape == (len(data), DIMENSIONS[name]) and data.x.dtype == torch.float32
    assert data.y.dtype == torch.int64 and set(data.y.tolist()) == set(range(len(data.names)))


@by_name
def test_the_seed_decides_the_points(name):
    a, b, c = toy(name, 200, 3), toy(name, 200, 3), toy(name, 200, 4)
    assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and not torch.equal(a.x, c.x)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("moons", lambda: make_moons(8_000, noise=0.04, random_state=42)),
        ("circles", lambda: make_circles(8_000, noise=0.04, factor=0.7, random_state=42)),
    ],
)
def test_moons_and_circles_are_the_published_points(name, make):
    x, y = make()
    np.testing.assert_array_equal(toy(name).x.numpy(), x.astype("float32"))
    np.testing.assert_array_equal(toy(name).y.numpy(), y)


def test_blobs_are_three_gaussians_of_the_published_weights_means_and_covariances():
    data = toy("blobs", 200_000)
    assert mean_is(data.y, 0.2, 0.4)
    negatives, positives = data.of_class(0).double(), data.of_class(1).double()
    # along the diagonal x + y = 1.2 is 4 standard deviations from the one group and 9 from the other
    low = positives.sum(1) < 1.2
    assert mean_is(low, 0.2, 0.4)
    for group, mean, covariance in [
        (negatives, [0.3, 0.4], [[0.005, 0], [0, 0.005]]),
        (positives[low], [0.2, 0.3], [[0.01, 0.004], [0.004, 0.01]]),
        (positives[~low], [0.8, 0.8], [[0.005, -0.004], [-0.004, 0.005]]),
    ]:
        n = len(group)
        assert_close(group.mean(0), torch.tensor(mean).double(), rtol=0, atol=5 * 0.1 / math.sqrt(n))
        # the entries of a Gaussian sample covariance have a standard error of at most sqrt(2 / n) times the variance
        assert_close(group.T.cov(), torch.tensor(covariance).double(), rtol=0, atol=5 * 0.01 * math.sqrt(2 / n))


def test_manycircles_are_eight_gaussians_on_the_unit_circle_and_y_is_the_group():
    data = toy("manycircles", 80_000)
    for k in range(8):
        assert mean_is(data.y == k, 1 / 8, math.sqrt(7) / 8)
        group = data.of_class(k).double()
        centre = torch.tensor([math.cos(k * math.pi / 4), math.sin(k * math.pi / 4)]).double()
        assert_close(group.mean(0), centre, rtol=0, atol=5 * 0.25 / math.sqrt(len(group)))
        variance = 5 * 0.25**2 * math.sqrt(2 / len(group))
        assert_close(group.T.cov(), 0.25**2 * torch.eye(2).double(), rtol=0, atol=variance)


def test_the_helix_has_its_radius_its_pitch_its_height_and_its_jitter():
    x = toy("helix", 50_000).x.double()
    assert kstest(x[:, 2], "uniform", args=(-2, 1)).statistic < 0.02  # not exact: the jitter blurs the two ends
    angle = 13.85 * x[:, 2]
    # undo the turn: the curve becomes the point (1, 0), and the jitter in z adds 13.85 x 0.03 along the tangent
    radial = torch.cos(angle) * x[:, 0] + torch.sin(angle) * x[:, 1]
    tangent = torch.cos(angle) * x[:, 1] - torch.sin(angle) * x[:, 0]
    damping = math.exp(-((13.85 * 0.03) ** 2) / 2)  # the mean of cos(13.85 jitter)
    assert mean_is(radial, damping, 0.2) and mean_is(tangent, 0, 0.5)
    assert mean_is(x[:, :2].square().sum(1), 1 + 2 * 0.03**2, 0.06)
    assert float(x[:, :2].norm(dim=1).std()) == pytest.approx(0.03, rel=0.02)


def test_the_labels_of_the_helix_are_drawn_with_the_published_probability():
    data = toy("helix", 100_000)
    p = (torch.sin(4 * data.x.double().prod(1)) + 1) / 2
    for low in torch.arange(0, 1, 0.1):
        there = (p >= low) & (p < low + 0.1)
        assert there.sum() > 500
        assert mean_is(data.y[there].double() - p[there], 0, 0.5)


def test_the_sine_surface_lies_over_an_evenly_filled_disc():
    x, y, z = toy("sine", 50_000).x.double().T
    r = (x.square() + y.square()).sqrt()
    assert kstest(r.square().clamp(max=1), "uniform").statistic < 0.02  # the jitter blurs the rim
    assert kstest(torch.atan2(y, x), "uniform", args=(-math.pi, 2 * math.pi)).pvalue > 1e-3  # a fixed seed
    residual = z - (1 - r) * torch.sin(5 * x) * torch.cos(5 * y)
    assert mean_is(residual, 0, 0.05)
    # the slope of the surface, up to 5, carries the jitter in x and y into z; where it is flat only that in z is left
    flat = (r - 1).abs() < 0.01
    assert float(residual[flat].std()) == pytest.approx(0.01, rel=0.4)
    assert 0.01 < float(residual.std()) < 0.05


@pytest.mark.parametrize("name", ["", "moon", "MOONS", None, "states"])
def test_an_unknown_name_is_refused_and_the_six_are_named(name):
    with pytest.raises(ValueError, match="name must be one of moons, circles, blobs, manycircles, helix, sine; got"):
        toy(name)
    with pytest.raises(ValueError, match="name must be one of"):
        toy_split(name)


@pytest.mark.parametrize("wrong", [{"n": 0}, {"n": -5}, {"n": 10.0}, {"seed": -1}, {"seed": 2**32}, {"seed": 0.5}])
def test_a_wrong_size_or_seed_is_refused(wrong):
    with pytest.raises(ValueError, match="toy needs integers n >= 1 and 0 <= seed"):
        toy("moons", **wrong)


# The units


@pytest.mark.parametrize("how", ["", "max", None, "Minmax"])
def test_other_units_are_refused(how):
    with pytest.raises(ValueError, match="units must be one of minmax, standard; got"):
        toy_split("moons", units=how)
    with pytest.raises(ValueError, match="units must be one of minmax, standard; got"):
        points("moons", how)


# The split


@given(datasets, st.floats(0.01, 0.99), st.integers(0, 100))
def test_a_split_deals_every_point_to_exactly_one_side(data, share, seed):
    n_train = round(share * len(data))
    if not 0 < n_train < len(data):
        with pytest.raises(ValueError, match="leaves no point on one side"):
            split(data, share, seed)
        return
    train, held_out = split(data, share, seed)
    assert len(train) == n_train
    assert sorted([*train.y.tolist(), *held_out.y.tolist()]) == list(range(len(data)))  # y numbers the points
    for part in (train, held_out):
        assert torch.equal(part.x, data.x[part.y])


def test_the_split_is_random_and_its_seed_decides_it():
    data = toy("moons", 100)
    a, b, c = (split(data, seed=seed)[0].x for seed in (0, 0, 1))
    assert torch.equal(a, b) and not torch.equal(a, c) and not torch.equal(a, data.x[:90])


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, math.nan])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(ValueError, match=f"share={share}"):
        split(toy("moons", 100), share)


@pytest.mark.parametrize("n", [1, 4])
def test_too_few_points_to_hold_any_out_are_refused(n):
    with pytest.raises(ValueError, match=f"leaves no point on one side of {n} points"):
        split(toy("moons", n))


def test_a_file_of_the_readers_own_can_be_brought_to_units_and_split(tmp_path):
    np.save(tmp_path / "mine.npy", np.random.default_rng(0).normal([5, -3, 100, 0], [1, 2, 30, 0.1], (40, 4)))
    train, held_out = split(in_units(load_states(tmp_path / "mine.npy"), "minmax"))
    both = torch.cat([train.x, held_out.x])
    assert both.shape == (40, 4) and len(held_out) == 4
    assert_close(both.amax(0), torch.ones(4))
    assert_close(both.amin(0), -torch.ones(4))


# The published split and fresh points


@by_name
@by_units
def test_the_published_split_is_nine_to_one_of_the_set_in_its_units(name, units):
    parts, want = toy_split(name, units=units, seed=5), in_units(toy(name), units)
    assert len(parts.held_out) == len(want) // 10 and len(parts.train) == len(want) - len(want) // 10
    both = torch.cat([parts.train.x, parts.held_out.x])
    assert_close(both.sort(0).values, want.x.sort(0).values, rtol=0, atol=0)
    assert not torch.equal(parts.train.x, toy_split(name, units=units, seed=6).train.x)


@by_name
@by_units
def test_fresh_points_have_the_units_of_the_published_set(name, units):
    parts, published = toy_split(name, units=units), toy(name).x.double()
    ends = published.amin(0), published.amax(0)
    shift, width = (
        (sum(ends) / 2, (ends[1] - ends[0]) / 2) if units == "minmax" else (published.mean(0), published.std(0))
    )
    parts_seen = {tuple(row) for row in torch.cat([parts.train.x, parts.held_out.x]).tolist()}
    back = parts.fresh(4_000).x.double() * width + shift
    if name == "circles":  # the units are right if the radii come out right
        y = parts.fresh(4_000).y
        for label, radius in ((0, 1.0), (1, 0.7)):
            r = back[y == label].norm(dim=1)
            assert mean_is(r, radius + 0.04**2 / (2 * radius), 0.04)
    for D in range(back.shape[1]):
        a, b = back[:, D], published[:, D]
        assert mean_is(a, float(b.mean()), 2 * float(b.std()))  # twice: the published set has its own error
        assert float(a.std()) == pytest.approx(float(b.std()), rel=0.08)
    assert not parts_seen & {tuple(row) for row in parts.fresh(4_000).x.tolist()}


@by_name
def test_the_seed_decides_the_fresh_points(name):
    parts = toy_split(name)
    a, b, c = parts.fresh(50), parts.fresh(50, 0), parts.fresh(50, 1)
    assert torch.equal(a.x, b.x) and torch.equal(a.y, b.y) and not torch.equal(a.x, c.x)
    assert len(a) == len(a.y) == 50


@pytest.mark.parametrize("name", ["moons", "circles"])
def test_fresh_points_are_close_to_independent_though_the_library_spaces_its_own_evenly(name):
    parts = toy_split(name)
    ones = torch.tensor([int(parts.fresh(100, seed).y.sum()) for seed in range(300)]).double()
    # 100 independent points have 25 +- 2 as the variance of their count of ones, a tenth of a set 0.9 of it, a set none
    assert 15 < float(ones.var()) < 31
    assert float(toy(name, 100).y.double().mean()) == 0.5


@pytest.mark.parametrize("n", [0, -1, 2.0, None])
def test_fresh_needs_a_positive_number_of_points(n):
    with pytest.raises(ValueError, match=f"fresh needs an integer n >= 1, got {n}"):
        toy_split("moons").fresh(n)


def test_fresh_needs_a_seed_that_is_not_negative():
    with pytest.raises(ValueError, match="seed=-1"):
        toy_split("moons").fresh(5, -1)


def test_drawing_leaves_the_global_random_states_alone():
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    toy_split("moons").fresh(10)
    toy_split("blobs").fresh(10)
    assert torch.equal(torch.get_rng_state(), before[0]) and (np.random.get_state()[1] == before[1]).all()
    assert stream("fresh").initial_seed() < 2**32  # what scikit-learn accepts


# Points by a name


@by_name
@by_units
def test_a_toy_set_by_its_name(name, units):
    found, own = points(name, units), toy_split(name, units=units)
    assert torch.equal(found.train.x, own.train.x) and torch.equal(found.held_out.x, own.held_out.x)
    assert torch.equal(found.fresh(20, 3).x, own.fresh(20, 3).x)
    assert points(name, units) is found  # made once


def test_states_in_their_own_units_and_mixed():
    found = points("states")
    for part, source in ((found.train, states()), (found.held_out, states(seed=1))):
        assert len(part) == 5000 and part.x[:, 0].sort().values.equal(source.x[:, 0].sort().values)
        assert part.y[:1000].bincount(minlength=5).min() > 150  # a slice holds all five
        for k in range(5):
            assert part.of_class(k)[:, 0].sort().values.equal(source.of_class(k)[:, 0].sort().values)
    fresh = found.fresh(1001, 0)
    assert len(fresh) == 1001 and len(torch.cat([fresh.x, found.train.x]).unique(dim=0)) == 6001  # none in both
    assert torch.equal(found.fresh(1001, 0).x, fresh.x) and not torch.equal(found.fresh(1001, 1).x, fresh.x)
    assert_close(fresh.y.bincount(minlength=5) / 1001, torch.full((5,), 0.2), rtol=0, atol=0.01)


def test_points_of_ones_own_are_split_nine_to_one(tmp_path):
    x = np.random.default_rng(0).normal(size=(2503, 3))
    np.save(tmp_path / "own.npy", x)
    found = points(str(tmp_path / "own.npy"))
    assert (found.name, len(found.train), len(found.held_out), found.fresh) == ("own", 2253, 250, None)
    both = torch.cat([found.train.x, found.held_out.x])
    assert len(both.unique(dim=0)) == 2503 and both.abs().max() == 1


@pytest.mark.parametrize("data", ["moon", "", "points.csv", None, 3, ["moons"]])
def test_other_data_are_refused(data):
    with pytest.raises(ValueError, match="data must be"):
        points(data)
