"""The homework's network as it is described; its measures by hand, against POT, and against the floors they gave."""

import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from statesdiff.ablations import homework
from statesdiff.ablations.homework import HomeworkDenoiser, kernel_nll, sinusoids, total_emd
from statesdiff.ablations.toys import split, toy, toy_split
from statesdiff.data import in_units
from statesdiff.metrics import emd
from statesdiff.models import Denoiser
from statesdiff.rng import randn, stream

A = randn(40, 2, generator=stream("a"))
B = randn(60, 2, generator=stream("b")) + 0.5
METRICS = pytest.mark.parametrize("metric", [kernel_nll, lambda a, b: total_emd(a, b, n=1)], ids=["nll", "emd"])


def sets(n, m, D, seed):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(n, D, generator=g), torch.randn(m, D, generator=g)


# The network


def test_sinusoids_by_hand():
    x = torch.zeros(3, 2)
    angles = [[v / 10_000 ** (i / 7) for i in range(8)] for v in (0, 1, 150)]
    want = [[*map(math.sin, row), *map(math.cos, row)] for row in angles]
    assert_close(sinusoids(torch.tensor([0, 1, 150]), x), torch.tensor(want), rtol=0, atol=2e-5)  # 150 in float32
    assert_close(sinusoids(torch.tensor(150), x), torch.tensor([want[2]] * 3), rtol=0, atol=2e-5)
    assert sinusoids(torch.tensor(1), x.double()).dtype == torch.float64


def test_the_homeworks_network_is_what_it_says():
    shapes = [tuple(m.weight.shape) for m in HomeworkDenoiser().net if isinstance(m, nn.Linear)]
    assert shapes == [(128, 18), *[(128, 128)] * 5, (2, 128)]
    kinds = [type(m) for m in HomeworkDenoiser(hidden=(8, 8)).net]
    assert kinds == [nn.Linear, nn.Linear, nn.ReLU, nn.Linear, nn.ReLU, nn.Linear]  # none after the first
    assert [m.in_features for m in HomeworkDenoiser(n_classes=5, hidden=(8,), project=0).net[::2]] == [34, 8]
    assert {type(m) for m in HomeworkDenoiser(project=0, activation="silu").net[1::2]} == {nn.SiLU}
    assert not isinstance(HomeworkDenoiser(), Denoiser)


def test_the_homeworks_network_sees_x_t_then_t_then_the_label():
    model, x_t = HomeworkDenoiser(T=10, n_classes=3, hidden=(4,)), randn(3, 2, generator=stream("data"))
    t, y = torch.tensor([0, 4, 10]), torch.tensor([2, -1, 0])
    told = sinusoids(y, x_t)
    told[1] = 0  # no label is zeros, not the waves of -1
    assert torch.equal(model(x_t, t, y), model.net(torch.cat([x_t, sinusoids(t, x_t), told], dim=1)))
    assert torch.equal(model(x_t, 4), model(x_t, torch.full((3,), 4)))
    assert torch.equal(model(x_t, t), model(x_t, t, -1)) and not torch.equal(model(x_t, t), model(x_t, t, 0))


def test_a_network_is_made_again_from_its_config():
    model = HomeworkDenoiser(D=3, T=10, hidden=(4, 5), activation="silu", n_classes=3, project=0)
    assert str(HomeworkDenoiser(**model.config)) == str(model) and HomeworkDenoiser(**model.config).T == 10


def test_the_homeworks_network_refuses_what_the_others_refuse():
    model = HomeworkDenoiser(T=10, n_classes=3, hidden=(4,))
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, 2\), got"):
        model(torch.zeros(5, 3), 1)
    with pytest.raises(ValueError, match=r"y must lie in -1\.\.2, got 3"):
        model(torch.zeros(5, 2), 1, 3)
    with pytest.raises(TypeError, match="y must be an integer"):
        model(torch.zeros(5, 2), 1, torch.zeros(5))
    with pytest.raises(ValueError, match="built without classes"):
        HomeworkDenoiser(T=10, hidden=(4,))(torch.zeros(5, 2), 1, 0)


# The kernel "NLL"


@pytest.mark.parametrize("D", [1, 2, 3])
def test_a_sample_on_the_one_data_point_costs_the_logarithm_of_the_factor(D):
    x = torch.full((1, D), 0.7)
    assert kernel_nll(x, x) == pytest.approx(D / 2 * math.log(0.2 * math.pi), rel=1e-12)
    assert kernel_nll(x, x, tau=0.5) == pytest.approx(D / 2 * math.log(math.pi), rel=1e-12)


def test_two_samples_and_three_data_points_by_hand():
    samples = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    data = torch.tensor([[0.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    # squared distances 0, 1, 4 and 1, 2, 1; 4 tau = 0.4
    kernels = [0, 1, 4, 1, 2, 1]
    want = -math.log(sum(math.exp(-s / 0.4) for s in kernels) / 6 / (2 * math.pi * 0.1))
    assert kernel_nll(samples, data) == pytest.approx(want, rel=1e-12)


def test_in_three_dimensions_by_hand():
    samples, data = torch.tensor([[0.0, 0.0, 0.0]]), torch.tensor([[1.0, 2.0, 2.0], [0.0, 0.0, 1.0]])
    want = -math.log((math.exp(-9 / 2) + math.exp(-1 / 2)) / 2 * math.pi**-1.5)  # tau = 1/2
    assert kernel_nll(samples, data, tau=0.5) == pytest.approx(want, rel=1e-12)


def test_the_logarithm_stands_outside_the_mean_so_a_sample_far_away_costs_log_2_and_no_more():
    near, far = torch.zeros(1, 2), torch.full((1, 2), 1e4)
    data = torch.zeros(1, 2)
    assert kernel_nll(torch.cat([near, far]), data) == pytest.approx(kernel_nll(near, data) + math.log(2), rel=1e-12)


def test_where_every_kernel_underflows_the_number_is_still_finite():
    # exp(-1e8 / 0.4) is 0 in float64: the logarithm of the plain sum would be -inf
    want = 1e8 / 0.4 + math.log(0.2 * math.pi)
    assert kernel_nll(torch.tensor([[1e4, 0.0]]), torch.zeros(3, 2)) == pytest.approx(want, rel=1e-12)


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 4), st.floats(0.01, 10), st.integers(0, 2**31))
def test_the_formula_term_by_term(n, m, D, tau, seed):
    samples, data = (x.double().numpy() for x in sets(n, m, D, seed))
    square = ((samples[:, None] - data) ** 2).sum(-1)
    density = ((2 * math.pi * tau) ** (-D / 2) * np.exp(-square / (4 * tau))).mean()
    if density > 1e-250:  # below that the plain sum loses digits, which is why the metric does not use it
        assert kernel_nll(*sets(n, m, D, seed), tau) == pytest.approx(-math.log(density), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("chunk", [1, 61, 100_000, 300])
def test_the_number_does_not_depend_on_the_size_of_the_parts_which_bounds_the_memory(monkeypatch, chunk):
    whole = kernel_nll(A, B)
    held, really = [], homework.cdist
    monkeypatch.setattr(homework, "cdist", lambda a, b, *how: held.append(a.shape) or really(a, b, *how))
    monkeypatch.setattr(homework, "CHUNK", chunk)
    assert kernel_nll(A, B) == pytest.approx(whole, rel=1e-12)
    rows = [shape[0] for shape in held]
    assert sum(rows) == len(A) and max(rows) == min(len(A), max(1, chunk // len(B)))


@pytest.mark.parametrize("tau", [0, -0.1, math.nan, math.inf])
def test_a_wrong_tau_is_refused(tau):
    with pytest.raises(ValueError, match="tau must be positive and finite"):
        kernel_nll(A, B, tau)


# The total EMD


def test_the_best_matching_of_three_points_by_hand():
    a = torch.tensor([[0.0, 0.0], [10.0, 0.0], [0.0, 20.0]])
    b = torch.tensor([[0.0, 21.0], [3.0, 4.0], [10.0, 2.0]])
    # the pairs cost 1, 5 and 2; the total, not the mean; each draw takes all three points in another order
    assert total_emd(a, b, n=3, draws=4).tolist() == pytest.approx([8.0] * 4, rel=1e-12)


@given(st.integers(1, 25), st.integers(1, 4), st.integers(0, 2**31))
def test_the_assignment_is_that_of_the_transport_library(n, D, seed):
    a, b = sets(n, n, D, seed)
    cost = ot.dist(a.double().numpy(), b.double().numpy(), metric="euclidean")
    assert total_emd(a, b, n=n, draws=1)[0] == pytest.approx(n * ot.emd2([], [], cost), rel=1e-9)
    assert total_emd(a, b, n=n, draws=1)[0] == pytest.approx(n * emd(a, b), rel=1e-9)


def test_there_is_one_value_a_draw_and_each_draw_takes_other_points_of_both_sets():
    costs = total_emd(A, B, n=10, draws=7)
    assert costs.shape == (7,) and len(set(costs.tolist())) == 7
    only_samples, only_reference = total_emd(A, B, n=40, draws=6), total_emd(B, A, n=40, draws=6)
    assert len(set(only_samples.tolist())) == len(set(only_reference.tolist())) == 6


def test_a_draw_takes_no_point_twice():
    # with all points drawn on both sides the sets coincide, unless one was drawn twice and another not at all
    assert total_emd(A, A, n=len(A), draws=10).tolist() == pytest.approx([0.0] * 10, abs=1e-9)
    assert (total_emd(A, A, n=len(A) // 2, draws=10) > 1).all()


def test_the_seed_decides_the_draws():
    a, b, c = (total_emd(A, B, n=10, seed=seed) for seed in (0, 0, 1))
    assert (a == b).all() and (a != c).all()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"n": 0}, "n in 1..40, draws >= 1 and seed >= 0; got n=0"),
        ({"n": 41}, "n in 1..40, .*got n=41"),
        ({}, "n in 1..40, .*got n=250"),
        ({"n": 5, "draws": 0}, "draws=0"),
        ({"n": 5, "seed": -1}, "seed=-1"),
    ],
)
def test_wrong_draws_are_refused(wrong, said):
    with pytest.raises(ValueError, match=said):
        total_emd(A, B, **wrong)


@METRICS
@pytest.mark.parametrize(
    ("a", "b"),
    [(A, torch.zeros(0, 2)), (torch.zeros(0, 2), B), (A, torch.zeros(5, 3)), (A[:, 0], B), (torch.zeros(3, 0), B)],
    ids=["no data", "no samples", "another D", "one row", "no coordinates"],
)
def test_points_of_the_wrong_shape_are_refused(metric, a, b):
    with pytest.raises(ValueError, match="need non-empty point sets"):
        metric(a, b)


@METRICS
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_points_that_are_no_numbers_are_refused(metric, value):
    broken = A.clone()
    broken[3, 1] = value
    for pair in ((broken, B), (B, broken)):
        with pytest.raises(ValueError, match="1 values that are NaN or infinite"):
            metric(*pair)


# The floors, as they were measured elsewhere: one split of one set, and for the EMD the mean of five draws

FLOORS = [("moons", 0.957, 24.4), ("circles", 0.987, 27.4), ("blobs", 0.023, 15.6)]
FLOORS += [("manycircles", 0.579, 24.9), ("helix", 1.521, 41.7)]


@pytest.mark.parametrize(("name", "want", "_"), FLOORS, ids=[f[0] for f in FLOORS])
def test_the_floor_of_the_nll(name, want, _):
    seeds = range(8)
    # moons and circles: the same points, other splits. The others: another draw, whose extremes set other units
    draws = [42] * 8 if name in ("moons", "circles") else seeds
    parts = [split(in_units(toy(name, seed=d), "minmax"), seed=s) for d, s in zip(draws, seeds, strict=True)]
    values = [kernel_nll(held_out.x, train.x) for train, held_out in parts]
    assert np.std(values, ddof=1) < 0.05  # or the next line would accept anything
    assert abs(np.mean(values) - want) < 3 * np.std(values, ddof=1)


@pytest.mark.parametrize(("name", "_", "want"), FLOORS, ids=[f[0] for f in FLOORS])
def test_the_floor_of_the_emd(name, _, want):
    parts = [toy_split(name, seed=s) for s in range(20)]
    costs = np.array([total_emd(p.train.x, p.held_out.x, draws=1, seed=s)[0] for s, p in enumerate(parts)])
    # a mean of 20 against a mean of 5
    assert abs(costs.mean() - want) < 3 * costs.std(ddof=1) * math.sqrt(1 / 20 + 1 / 5)
    assert costs.std(ddof=1) < 0.3 * want
