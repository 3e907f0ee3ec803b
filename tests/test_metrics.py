"""The metrics, each against another library or brute force, and what each of them misses."""

import math

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment
from scipy.stats import gaussian_kde

from statesdiff.data import JITTER, Dataset, outline_points, states
from statesdiff.intervals import interval
from statesdiff.metrics import (
    class_accuracy,
    coverage,
    emd,
    evaluate,
    evaluate_part,
    evaluate_parts,
    mean_distance,
    nll,
)
from statesdiff.rng import randn, stream

METRICS = {
    "nll": nll,
    "emd": emd,
    "mean_distance": mean_distance,
    "coverage": coverage,
}
A = randn(30, 2, generator=stream("a"))
B = randn(45, 2, generator=stream("b")) + 0.5
COLUMNS = ["NLL", "EMD", "distance", "coverage"]

clouds = st.tuples(st.integers(1, 15), st.integers(1, 15), st.integers(1, 4), st.integers(0, 2**31))


def two_clouds(n, m, D, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, D, generator=g), torch.randn(m, D, generator=g)


# NLL


def kde_nll(samples, reference):
    """-log of the Gaussian KDE with Scott's bandwidth, term by term in plain Python."""
    n, d = reference.shape
    cov = np.cov(reference.T.numpy().astype(float)) * n ** (-2 / (d + 4))
    inverse, norm = np.linalg.inv(cov), math.sqrt(np.linalg.det(2 * math.pi * cov))
    total = 0.0
    for x in samples.double().numpy():
        kernel = sum(math.exp(-0.5 * (x - r) @ inverse @ (x - r)) for r in reference.double().numpy())
        total -= math.log(kernel / (n * norm))
    return total / len(samples)


def test_nll_equals_a_hand_written_kde():
    assert nll(A, B) == pytest.approx(kde_nll(A, B), rel=1e-9)
    assert nll(B, A) == pytest.approx(kde_nll(B, A), rel=1e-9)


def test_nll_is_in_nats_and_falls_near_the_mode():
    x = randn(2000, 2, generator=stream("x"))
    # for N(0, I) the entropy is 1 + log(2 pi) = 2.838; Scott's bandwidth widens the density a little, a draw of 2,000
    # has a standard error of 0.022
    assert nll(x, x) == pytest.approx(1 + math.log(2 * math.pi), abs=0.06)
    assert nll(0.1 * x, x) < nll(x, x) < nll(2 * x, x)


def test_a_collapse_beats_the_real_data_on_nll():
    real = states().x
    grid = torch.cartesian_prod(torch.linspace(-2.5, 2.5, 26), torch.linspace(-2.5, 2.5, 26))
    mode = grid[torch.as_tensor(gaussian_kde(real.T.numpy()).logpdf(grid.T.numpy())).argmax()]
    assert nll(mode.repeat(10, 1), real) < nll(real[::10], real) - 0.2


# EMD


def assignment(a, b):
    cost = torch.cdist(a.double(), b.double()).numpy()
    return cost[linear_sum_assignment(cost)].mean()


@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 2**31))
def test_emd_of_equal_numbers_is_the_best_assignment(n, D, seed):
    a, b = two_clouds(n, n, D, seed)
    assert emd(a, b) == pytest.approx(assignment(a, b), rel=1e-6, abs=1e-9)


def test_emd_of_unequal_numbers_splits_points():
    # each point repeated until both sets have the 90 points that 30 and 45 divide
    assert emd(A, B) == pytest.approx(assignment(A.repeat(3, 1), B.repeat(2, 1)), rel=1e-6)


def test_emd_by_hand():
    a = torch.tensor([[0.0, 0], [1, 0]])
    assert emd(a, a.flip(0)) == 0
    assert emd(a, torch.tensor([[0.0, 3], [1, 4]])) == pytest.approx(3.5)
    assert emd(a, torch.tensor([[0.0, 0]])) == pytest.approx(0.5)


@given(clouds)
def test_emd_is_symmetric_and_moves_with_a_shift(cloud):
    a, b = two_clouds(*cloud)
    assert emd(a, b) == pytest.approx(emd(b, a), rel=1e-6, abs=1e-9)
    assert emd(a, a + 0.25) == pytest.approx(0.25 * math.sqrt(a.shape[1]), rel=1e-4)


def test_emd_sees_a_missing_state_that_nll_rewards():
    real, fresh = states(60), states(60, seed=1)
    without = fresh.x[fresh.y != 3]
    assert nll(without, real.x) < nll(fresh.x, real.x)
    assert emd(without, real.x) > 2 * emd(fresh.x, real.x)


# Distance and coverage


@given(clouds)
def test_mean_distance_equals_brute_force(cloud):
    a, b = two_clouds(*cloud)
    want = np.mean([min(math.dist(p, q) for q in b.tolist()) for p in a.tolist()])
    assert mean_distance(a, b) == pytest.approx(want, rel=1e-9)


@given(clouds, st.floats(0.01, 3))
def test_coverage_equals_brute_force(cloud, radius):
    a, b = two_clouds(*cloud)
    want = np.mean([min(math.dist(p, q) for p in a.tolist()) <= radius for q in b.tolist()])
    assert coverage(a, b, radius) == pytest.approx(want, abs=1e-12)


def test_coverage_and_distance_are_precision_and_recall():
    target = torch.tensor([[0.0, 0], [1, 0], [2, 0], [3, 0]])
    one = torch.tensor([[0.0, 0.03]]).repeat(9, 1)
    assert mean_distance(one, target) == pytest.approx(0.03)
    assert coverage(one, target) == 0.25
    assert coverage(one, target, radius=0.02) == 0
    assert coverage(one, target, radius=1.5) == 0.5


@pytest.mark.parametrize("radius", [0, -1, math.nan, math.inf])
def test_a_radius_that_is_not_positive_is_refused(radius):
    with pytest.raises(ValueError, match="radius must be positive"):
        coverage(A, B, radius)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS.keys())
@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        (torch.zeros(0, 2), B, "need non-empty point sets"),
        (A, torch.zeros(0, 2), "need non-empty point sets"),
        (A, torch.zeros(5, 3), "need non-empty point sets"),
        (A[:, 0], B, "need non-empty point sets"),
        (A[None], B, "need non-empty point sets"),
        (torch.tensor([[0.0, math.nan], [math.inf, 1.0]]), B, "got 2 values that are NaN or infinite"),
        (A, torch.tensor([[0.0, -math.inf]]), "got 1 values that are NaN or infinite"),
    ],
    ids=["no samples", "no reference", "other D", "flat", "three axes", "NaN samples", "infinite reference"],
)
def test_points_that_make_no_sense_are_refused(metric, a, b, message):
    with pytest.raises(ValueError, match=message):
        metric(a, b)


def test_samples_with_gradients_and_float64_are_taken():
    assert mean_distance(A.clone().requires_grad_(), B.double()) == pytest.approx(mean_distance(A, B))


# Class accuracy


def test_real_points_have_their_own_class_and_not_a_neighbours():
    real = states(200)
    assert class_accuracy(real.x, real.y) == 1
    for k in range(5):
        of_class = real.x[real.y == k]
        assert class_accuracy(of_class, k) == 1
        assert class_accuracy(of_class, (k + 1) % 5) == 0


def test_held_out_points_have_their_class_too():
    fresh = states(200, seed=1)
    # no two states are closer than several times the jitter, but for the gaps: a handful may fall the other way
    assert class_accuracy(fresh.x, fresh.y) > 0.995


def test_class_accuracy_is_the_share_that_is_right():
    real = states(20)
    y = real.y.clone()
    y[:25] = (y[:25] + 1) % 5
    assert class_accuracy(real.x, y) == pytest.approx(0.75)


def test_class_accuracy_decides_as_a_kernel_density_of_each_class_does():
    # unequal classes that overlap at the scale of the jitter: the share of each class counts
    g, y = stream("x"), torch.tensor([0] * 30 + [1] * 90)
    data = Dataset(0.02 * randn(120, 2, generator=g) + 0.02 * y[:, None], y, ("a", "b"))
    samples = 0.04 * randn(300, 2, generator=g)

    def joint(k):  # share times mean of the kernels is proportional to their sum
        square = torch.cdist(samples.double(), data.x[y == k].double()).square()
        return (-square / (2 * JITTER**2)).exp().sum(1)

    found = (joint(1) > joint(0)).long()
    assert 0.2 < found.double().mean() < 0.8
    assert class_accuracy(samples, found, data) == 1
    assert class_accuracy(samples, 1, data) == pytest.approx(float(found.double().mean()))


def test_class_accuracy_sees_what_the_conditional_nll_does_not():
    # a third of the samples are of the neighbour, and the NLL against all the data does not mind
    real = states(300)
    mixed = torch.cat([real.x[real.y == 0][:200], real.x[real.y == 4][:100]])
    assert abs(nll(mixed, real.x) - nll(real.x[real.y == 0], real.x)) < 0.1
    assert class_accuracy(mixed, 0, real) == pytest.approx(2 / 3)


@pytest.mark.parametrize("samples", [torch.zeros(0, 2), torch.zeros(3, 3), torch.zeros(3)])
def test_class_accuracy_needs_points(samples):
    with pytest.raises(ValueError, match="need non-empty point sets"):
        class_accuracy(samples, 0)


def test_class_accuracy_needs_finite_points_and_labels_that_exist():
    with pytest.raises(ValueError, match="got 1 values that are NaN or infinite"):
        class_accuracy(torch.tensor([[0.0, math.nan]]), 0)
    for y in (5, -1, torch.tensor([0, 5])):
        with pytest.raises(ValueError, match=r"y must lie in 0\.\.4, got"):
            class_accuracy(torch.zeros(2, 2), y)
    with pytest.raises(ValueError, match="one entry for each of the 2 rows"):
        class_accuracy(torch.zeros(2, 2), torch.zeros(3, dtype=torch.int64))
    with pytest.raises(TypeError, match="y must be an integer"):
        class_accuracy(torch.zeros(2, 2), torch.zeros(2))


# All four together


def test_a_part_has_the_four_metrics():
    assert evaluate_part(A, B, B) == {
        "NLL": nll(A, B),
        "EMD": emd(A, B[:30]),
        "distance": mean_distance(A, B),
        "coverage": coverage(A, B),
    }


def powers_of_2(n):
    """Points (2^k, 0) and (0, 2^k) in turn, k = 0..n-1: the sum of the norms of some of them says which they are."""
    return torch.eye(2).repeat(-(-n // 2), 1)[:n] * 2.0 ** torch.arange(n)[:, None]


def rows_of(sums):
    """The rows of `powers_of_2` behind each sum."""
    return [{k for k in range(60) if round(total) >> k & 1} for total in sums]


def test_the_parts_are_disjoint_and_shuffled():
    samples, origin = powers_of_2(30), torch.zeros(1, 2)
    table = evaluate_parts(samples, samples, origin, repeats=4)
    assert table.shape == (4, 4) and list(table.columns) == COLUMNS
    parts = rows_of(7 * table["distance"])
    assert [len(part) for part in parts] == [7] * 4
    assert len(set.union(*parts)) == 28 and set.union(*parts) <= set(range(30))
    assert parts != [set(range(k, k + 7)) for k in range(0, 28, 7)]
    assert table["NLL"].tolist() == pytest.approx([nll(samples[sorted(part)], samples) for part in parts])


def test_each_part_is_matched_with_as_many_points_of_the_reference_drawn_afresh():
    table = evaluate_parts(torch.zeros(28, 2), powers_of_2(30), B, repeats=4)
    parts = rows_of(7 * table["EMD"])  # from the origin to each of them
    assert [len(part) for part in parts] == [7] * 4 and len(set(map(frozenset, parts))) == 4
    assert set(range(7)) not in parts


def test_no_part_of_the_reference_itself_is_matched_with_its_own_points():
    x = randn(400, 2, generator=stream("itself"))
    found = evaluate_parts(x, x, B, repeats=4)["EMD"]
    assert found.min() > 0.5 * found.mean()  # 0 for the first, if both were shuffled alike


def test_parts_are_reproducible_and_leave_the_global_state_alone():
    before = torch.get_rng_state()
    first = evaluate_parts(A, B, B, repeats=3)
    pd.testing.assert_frame_equal(evaluate_parts(A, B, B, repeats=3), first)
    assert not evaluate_parts(A, B, B, repeats=3, seed=1).equals(first)
    assert torch.equal(torch.get_rng_state(), before)


def test_evaluate_puts_each_metric_next_to_its_floor():
    held_out = randn(30, 2, generator=stream("held out")) + 0.5
    table = evaluate(A, B, held_out, B, repeats=3)
    assert list(table.index) == COLUMNS
    assert set(table.columns) == {"samples", "±", "floor", "± floor", "n", "repeats"}
    assert (table["n"] == 10).all() and (table["repeats"] == 3).all()
    each = evaluate_parts(A, B, B, repeats=3)
    for metric in COLUMNS:
        mean, half_width, _ = interval(each[metric])
        assert table.loc[metric, "samples"] == pytest.approx(mean)
        assert table.loc[metric, "±"] == pytest.approx(half_width)


def test_real_points_evaluate_to_their_floor():
    held_out = states(100, seed=1).x
    table = evaluate(states(100, seed=2).x, states(100).x, held_out, outline_points(2000), repeats=5)
    gap = (table["samples"] - table["floor"]).abs()
    # two means with 95% intervals each: their difference lies within the sum but for one case in two hundred
    assert (gap <= table["±"] + table["± floor"]).all()
    assert table.loc["distance", "floor"] == pytest.approx(0.0133, abs=0.002)  # jitter 0.0175 across an edge


def test_bad_samples_stand_out_from_their_floor():
    g = stream("sample")
    table = evaluate(randn(500, 2, generator=g), states(100).x, states(100, seed=1).x, outline_points(2000), repeats=5)
    gap = (table["samples"] - table["floor"]).abs()
    assert (gap > 2 * (table["±"] + table["± floor"])).all()


def test_the_defaults_are_states():
    x = states(20, seed=5).x
    table = evaluate(x, repeats=2)
    explicit = evaluate(x, states().x, states(seed=1).x, outline_points(), repeats=2)
    pd.testing.assert_frame_equal(table, explicit)


@pytest.mark.parametrize(("n", "repeats"), [(30, 1), (30, 0), (30, -2), (5, 3), (0, 5)])
def test_too_few_points_or_repeats_are_refused(n, repeats):
    with pytest.raises(ValueError, match="at least 2 repeats of at least 2 points"):
        evaluate_parts(A[:n], B, B, repeats=repeats)
    with pytest.raises(ValueError, match="at least 2 repeats of at least 2 points"):
        evaluate(A[:n], B, B, B, repeats=repeats)


def test_too_few_held_out_points_are_refused():
    # a floor from smaller parts would be another n than the table states, and EMD's floor depends on n
    with pytest.raises(ValueError, match="held_out needs at least 30 points, one for each sample, got 20"):
        evaluate(A, B, B[:20], B, repeats=3)


def test_more_samples_than_the_books_data_get_a_floor_of_the_same_n():
    table, fresh = evaluate(randn(6001, 2, generator=stream("x")), repeats=25), states(1201, seed=1).x
    assert (table["n"] == 240).all()
    # both are means over points: of the 6,005, five are left out
    assert table.loc["distance", "floor"] == pytest.approx(mean_distance(fresh, outline_points()), rel=3e-3)
    assert table.loc["NLL", "floor"] == pytest.approx(nll(fresh, states().x), rel=3e-3)


def test_metrics_of_other_data_are_never_mixed_with_those_of_states():
    with pytest.raises(ValueError, match="reference and held_out together"):
        evaluate(A, B, repeats=3)
    with pytest.raises(ValueError, match="reference and target together"):
        evaluate_parts(A, B, repeats=3)
