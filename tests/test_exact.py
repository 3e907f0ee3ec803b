"""The ideal denoiser: against brute force and closed forms, and as a predictor that gives the data back."""

import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from statesdiff import exact
from statesdiff.data import states
from statesdiff.exact import IdealDenoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=100, beta_1=1e-4, beta_T=0.1)
DATA = randn(40, 2, generator=stream("data"))


def brute_force(data, schedule, x_t, t):
    """E[eps | x_t] in float64, point by point, from Bayes' rule alone."""
    result = torch.empty(x_t.shape, dtype=torch.float64)
    for i, x in enumerate(x_t.double()):
        ab = float(schedule.alpha_bar[int(t[i])])
        eps = (x - math.sqrt(ab) * data.double()) / math.sqrt(1 - ab)  # the noise if x_0 were each data point
        log_weight = -eps.square().sum(1) / 2
        weight = (log_weight - log_weight.max()).exp()
        result[i] = (weight[:, None] * eps).sum(0) / weight.sum()
    return result


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 2e-5)])
def test_the_ideal_denoiser_is_bayes_rule(dtype, tolerance):
    t = torch.arange(1, 101)
    x_0 = DATA[torch.randint(40, (100,), generator=stream("rows"))]
    x_t = SCHEDULE.q_sample(x_0, t, randn(100, 2, generator=stream("eps"))).to(dtype)
    got = IdealDenoiser(DATA.to(dtype), SCHEDULE)(x_t, t)
    assert got.dtype == dtype
    # in float32 x_t is rounded to 2e-7, which is 2e-5 of the noise at t = 1
    assert_close(got.double(), brute_force(DATA, SCHEDULE, x_t, t), rtol=0, atol=tolerance)


def test_float32_is_enough_where_many_points_are_as_close_as_the_noise():
    # Here the weights matter most: distances of 0.01 at 2 from the origin. Taken as differences they keep four digits;
    # by the faster formula with a matrix product they would not (an error of 0.002 instead of 0.00005).
    close = 1.5 + 0.03 * DATA
    x_0 = close[torch.randint(40, (200,), generator=stream("rows"))]
    x_t, t = SCHEDULE.q_sample(x_0, 1, randn(200, 2, generator=stream("eps"))), torch.ones(200, dtype=torch.int64)
    got = IdealDenoiser(close, SCHEDULE)(x_t, t)
    assert_close(got.double(), brute_force(close, SCHEDULE, x_t, t), rtol=0, atol=2e-4)


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 4), st.integers(1, 100), st.integers(0, 2**31))
def test_bayes_rule_in_any_dimension(N, B, D, t, seed):
    g = torch.Generator().manual_seed(seed)
    data = torch.randn(N, D, generator=g, dtype=torch.float64)
    x_t = 2 * torch.randn(B, D, generator=g, dtype=torch.float64)
    ideal = IdealDenoiser(data, SCHEDULE)
    want = brute_force(data, SCHEDULE, x_t, torch.full((B,), t))
    assert_close(ideal(x_t, t), want, rtol=1e-9, atol=1e-9)
    assert_close(ideal(x_t, torch.full((B,), t)), want, rtol=1e-9, atol=1e-9)


def test_one_data_point_has_its_noise_in_closed_form():
    x_0 = torch.tensor([[0.3, -1.4]])
    x_t = 3 * randn(9, 2, generator=stream("x"))
    for t in (1, 50, 100):
        ab = float(SCHEDULE.alpha_bar[t])
        ideal = IdealDenoiser(x_0, SCHEDULE)
        assert_close(ideal.posterior_mean(x_t, t), x_0.expand(9, 2))
        assert_close(ideal(x_t, t), (x_t - math.sqrt(ab) * x_0) / math.sqrt(1 - ab), rtol=1e-5, atol=1e-5)


def test_two_data_points_have_a_hyperbolic_tangent():
    # x_0 = +-1 with equal chances: E[x_0 | x_t] = tanh(sqrt(ab) x_t / (1 - ab))
    x_t = torch.linspace(-2, 2, 21, dtype=torch.float64)[:, None]
    for t in (10, 60, 100):
        ab = float(SCHEDULE.alpha_bar[t])
        got = IdealDenoiser(torch.tensor([[-1.0], [1.0]]), SCHEDULE).posterior_mean(x_t, t)
        assert_close(got, (math.sqrt(ab) * x_t / (1 - ab)).tanh(), rtol=1e-9, atol=1e-9)


def test_the_score_is_the_gradient_of_the_log_density():
    ideal, x_t = IdealDenoiser(DATA.double(), SCHEDULE), randn(20, 2, generator=stream("x")).double().requires_grad_()
    for t in (5, 40, 100):
        ab = SCHEDULE.alpha_bar[t]
        square = (x_t[:, None] - ab.sqrt() * DATA.double()).square().sum(2)
        log_p = torch.logsumexp(-square / (2 * (1 - ab)), dim=1).sum()
        (gradient,) = torch.autograd.grad(log_p, x_t)
        assert_close(SCHEDULE.score(ideal(x_t.detach(), t), t), gradient, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("pairs", [1, 40, 41, 119, 120, 4000])
def test_memory_bounds_do_not_change_the_result(monkeypatch, pairs):
    x_t, t = randn(30, 2, generator=stream("x")), torch.arange(1, 31)
    want = IdealDenoiser(DATA, SCHEDULE)(x_t, t)
    monkeypatch.setattr(exact, "MAX_PAIRS", pairs)
    assert_close(IdealDenoiser(DATA, SCHEDULE)(x_t, t), want, rtol=1e-6, atol=1e-6)


def test_no_more_than_the_stated_number_of_pairs_is_held(monkeypatch):
    held, cdist = [], torch.cdist

    def watch(a, b, **options):
        held.append(len(a) * len(b))
        return cdist(a, b, **options)

    monkeypatch.setattr(torch, "cdist", watch)
    monkeypatch.setattr(exact, "MAX_PAIRS", 200)
    IdealDenoiser(DATA, SCHEDULE)(randn(33, 2, generator=stream("x")), 5)
    assert max(held) <= 200 and sum(held) == 33 * 40


def test_far_from_all_data_the_nearest_point_wins():
    got = IdealDenoiser(DATA, SCHEDULE).posterior_mean(torch.tensor([[500.0, 0.0]]), 1)
    assert_close(got[0], DATA[DATA[:, 0].argmax()])


@pytest.mark.parametrize("data", [torch.zeros(0, 2), torch.zeros(3), torch.tensor([[math.nan, 0.0]])])
def test_data_that_are_no_points_are_refused(data):
    with pytest.raises(ValueError, match=r"data must be a non-empty, finite tensor of shape \(N, D\)"):
        IdealDenoiser(data, SCHEDULE)


def test_t_0_and_wrong_shapes_are_refused():
    ideal = IdealDenoiser(DATA, SCHEDULE)
    for t in (0, torch.tensor([3, 0])):
        with pytest.raises(ValueError, match="t must be at least 1"):
            ideal(torch.zeros(2, 2), t)
    for x_t in (torch.zeros(2, 3), torch.zeros(2)):
        with pytest.raises(ValueError, match=r"x_t must have shape \(B, 2\)"):
            ideal(x_t, 1)


# With jitter


def test_with_jitter_it_knows_the_distribution():
    # a set with jitter is the limit of a large set with the jitter already in it
    g = stream("jitter")
    centres, jitter, schedule = torch.tensor([[0.0, 0.0], [1.0, 0.5]]), 0.3, NoiseSchedule.linear(T=500)
    large = centres.repeat(100_000, 1)
    large = large + jitter * randn(*large.shape, generator=g)
    eps = randn(20, 2, generator=g)
    for t in (60, 120, 400):  # at smaller t even 200,000 points are too few to stand for the limit
        x_t = schedule.q_sample(large[:20], t, eps)
        exact = IdealDenoiser(centres, schedule, jitter=jitter)(x_t, t)
        torch.testing.assert_close(exact, IdealDenoiser(large, schedule)(x_t, t), rtol=0, atol=0.06)


def test_one_centre_with_jitter_is_a_gaussian():
    # x_0 ~ N(m, j^2 I): E[eps | x_t] is linear in x_t, in closed form
    schedule, jitter, m = NoiseSchedule.linear(T=500), 0.7, torch.tensor([[0.4, -1.0]])
    x_t, t = randn(30, 2, generator=stream("one")), 150
    a = schedule.alpha_bar[t].float()
    want = (1 - a).sqrt() * (x_t - a.sqrt() * m) / (a * jitter**2 + 1 - a)
    torch.testing.assert_close(IdealDenoiser(m, schedule, jitter=jitter)(x_t, t), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("jitter", [-0.1, float("nan"), float("inf")])
def test_a_jitter_that_is_no_deviation_is_refused(jitter):
    with pytest.raises(ValueError, match="jitter must be a standard deviation"):
        IdealDenoiser(torch.zeros(3, 2), NoiseSchedule.linear(), jitter=jitter)


def test_a_sampler_refuses_an_ideal_denoiser_of_another_clock():
    with pytest.raises(ValueError, match="built for T = 100, the schedule has T = 500"):
        next(
            ddpm(
                IdealDenoiser(torch.zeros(3, 2), NoiseSchedule.linear(T=100)), NoiseSchedule.linear(), torch.zeros(2, 2)
            )
        )


# As a predictor it gives the data back


def test_the_sampler_lands_on_the_data_points():
    x = last(ddim(IdealDenoiser(DATA, SCHEDULE), SCHEDULE, randn(200, 2, generator=stream("sample")), steps=100))
    # one last step of noise level 0.01 away from a data point, but for the few that end between two close points
    nearest = torch.cdist(x, DATA).min(1).values
    assert nearest.median() < 1e-4 and nearest.mean() < 0.01


def test_ideal_denoiser_and_ancestral_sampling_recover_the_data():
    data, fresh = states(100).x, states(100, seed=1).x
    schedule, g = NoiseSchedule.linear(T=100, beta_1=5e-4, beta_T=0.12), stream("sample")
    x = last(ddpm(IdealDenoiser(data, schedule), schedule, randn(500, 2, generator=g), generator=g))
    # four standard errors of 500 draws, 0.045 for a mean of variance 1 and 0.045 for its (sub-Gaussian) variance
    assert_close(x.mean(0), data.mean(0), rtol=0, atol=0.18)
    assert_close(x.T.cov(), data.T.cov(), rtol=0, atol=0.18)
    assert permutation_p(x, fresh) > 0.01
    # the test can tell: the same samples with one state taken away fail it
    kept = x[(x - torch.tensor([0.7, -1.1])).abs().max(1).values > 0.75]
    assert 350 < len(kept) < 450 and permutation_p(kept, fresh) < 0.01


def permutation_p(x, y, permutations=199):
    """How often a random split of the pooled points has at least the energy distance of x and y (Székely 2013)."""
    pooled = torch.cat([x, y]).double()
    pair = torch.cdist(pooled, pooled)
    n, g = len(x), stream("permutations")

    def energy(order):
        a, b = order[:n], order[n:]
        return 2 * pair[a][:, b].mean() - pair[a][:, a].mean() - pair[b][:, b].mean()

    observed = energy(torch.arange(len(pooled)))
    others = [energy(torch.randperm(len(pooled), generator=g)) for _ in range(permutations)]
    return (1 + sum(float(o) >= float(observed) for o in others)) / (1 + permutations)


def test_samples_are_as_far_from_fresh_data_as_other_fresh_data_are():
    data, schedule, g = states(100).x, NoiseSchedule.cosine(T=60), stream("sample", 1)
    x = last(ddpm(IdealDenoiser(data, schedule), schedule, randn(500, 2, generator=g), generator=g))
    fresh = [states(100, seed=seed).x.double().numpy() for seed in range(1, 6)]

    def distance(a, b):
        return ot.emd2([], [], ot.dist(a, b, metric="euclidean"))

    def mean_distance_to_fresh(points):
        return np.mean([distance(points.double().numpy(), b) for b in fresh])

    # real points drawn as samples are, without equal shares of the states
    real = states(1000, seed=6).x[torch.randperm(5000, generator=stream("rows"))]
    floor = np.mean([mean_distance_to_fresh(part) for part in real.split(500)[:4]])
    # four draws of the floor spread over 5%, and the 500 points the denoiser knows are themselves one draw
    assert mean_distance_to_fresh(x) < 1.25 * floor
    assert mean_distance_to_fresh(x * 1.15) > 1.25 * floor
