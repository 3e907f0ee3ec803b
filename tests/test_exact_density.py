"""The density of a noisy finite set, its classes and their posterior: scipy, Bayes' rule, finite differences."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from torch.testing import assert_close

from statesdiff import exact
from statesdiff.exact import IdealDenoiser, tilted_density
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=100, beta_1=1e-4, beta_T=0.1)
DATA = randn(40, 2, generator=stream("data"))
LABELS = (torch.arange(40) % 6).clamp(max=2)  # three classes, of 7, 7 and 26 points
SHARES = torch.tensor([7, 7, 26]) / 40


def labelled(jitter=0.0, schedule=SCHEDULE):
    return IdealDenoiser(DATA.double(), schedule, jitter, LABELS)


def scipy_log_density(data, schedule, jitter, x_t, t):
    """log p_t, point by point: the mean of a Gaussian at every point of the data, by scipy."""
    result = []
    for x, time in zip(x_t.numpy(), t.tolist(), strict=True):
        ab = float(schedule.alpha_bar[time])
        variance = ab * jitter**2 + 1 - ab
        p = [multivariate_normal(math.sqrt(ab) * m, variance).pdf(x) for m in data.double().numpy()]
        result.append(math.log(np.mean(p)))
    return torch.tensor(result, dtype=torch.float64)


@pytest.mark.parametrize("jitter", [0.0, 0.3])
def test_the_log_density_is_scipys_mixture(jitter):
    t = torch.tensor([1, 3, 10, 30, 60, 100])
    x_t = SCHEDULE.q_sample(DATA[:6].double(), t, randn(6, 2, generator=stream("eps")).double())
    ideal, y = labelled(jitter), torch.tensor([0, 1, 2, 2, 1, 0])
    got = ideal.log_density(x_t, t)
    assert got.shape == (6,) and got.dtype == torch.float64
    assert_close(got, scipy_log_density(DATA, SCHEDULE, jitter, x_t, t), rtol=1e-9, atol=1e-9)
    of_class = [scipy_log_density(DATA[LABELS == y[i]], SCHEDULE, jitter, x_t[[i]], t[[i]]) for i in range(6)]
    assert_close(ideal.log_density(x_t, t, y), torch.cat(of_class), rtol=1e-9, atol=1e-9)


@given(st.integers(1, 8), st.integers(1, 4), st.integers(0, 100), st.floats(0.2, 2), st.integers(0, 2**31))
def test_the_log_density_in_any_dimension(N, D, t, jitter, seed):
    g = torch.Generator().manual_seed(seed)
    data, x_t = torch.randn(N, D, generator=g).double(), torch.randn(3, D, generator=g).double()
    got = IdealDenoiser(data, SCHEDULE, jitter).log_density(x_t, t)
    want = scipy_log_density(data, SCHEDULE, jitter, x_t, torch.full((3,), t))
    assert_close(got, want, rtol=1e-9, atol=1e-9)


def grid(half_width=6.0, n=241):
    """A square grid (n^2, 2) and the area of one of its cells."""
    line = torch.linspace(-half_width, half_width, n, dtype=torch.float64)
    return torch.cartesian_prod(line, line), float(line[1] - line[0]) ** 2


@pytest.mark.parametrize(("t", "jitter"), [(0, 0.2), (20, 0.2), (60, 0.0), (100, 0.0)])
@pytest.mark.parametrize("y", [None, 1])
def test_the_density_integrates_to_1(t, jitter, y):
    x, area = grid()
    total = labelled(jitter).log_density(x, t, y).exp().sum() * area
    # a sum over a grid four times finer than the narrowest Gaussian is exact; the tails outside are below 1e-4
    assert float(total) == pytest.approx(1, abs=1e-4)


def test_without_noise_the_density_is_that_of_the_jitter():
    ideal = IdealDenoiser(torch.zeros(1, 3).double(), SCHEDULE, jitter=0.5)
    x = randn(9, 3, generator=stream("x")).double()
    want = torch.tensor(multivariate_normal(np.zeros(3), 0.25).logpdf(x.numpy()))
    assert_close(ideal.log_density(x, 0), want, rtol=1e-12, atol=1e-12)
    assert_close(ideal.posterior_mean(x, 0), x, rtol=1e-12, atol=1e-12)  # x_0 is known where there is no noise


def test_the_score_of_the_jittered_set_is_the_gradient_of_its_log_density():
    ideal, x = labelled(0.2), randn(20, 2, generator=stream("x")).double().requires_grad_()
    for t in (1, 40, 100):
        for y in (None, 1, torch.arange(20) % 3):
            (gradient,) = torch.autograd.grad(ideal.log_density(x, t, y).sum(), x)
            assert_close(SCHEDULE.score(ideal(x.detach(), t, y), t), gradient, rtol=1e-8, atol=1e-8)


def test_float32_keeps_the_log_density():
    x = randn(30, 2, generator=stream("x"))
    exactly = labelled(0.02).log_density(x.double(), 1)
    got = IdealDenoiser(DATA, SCHEDULE, 0.02, LABELS).log_density(x, 1)
    assert got.dtype == torch.float32
    # far from the data the log is in the thousands: what counts is the relative error
    assert_close(got.double(), exactly, rtol=1e-5, atol=1e-4)


# Classes


@pytest.mark.parametrize("jitter", [0.0, 0.2])
def test_with_a_label_only_the_points_of_that_class_count(jitter):
    ideal, x, t = labelled(jitter), 2 * randn(12, 2, generator=stream("x")).double(), torch.arange(1, 100, 9)[:12]
    t = torch.cat([t, torch.tensor([100])])
    for k in range(3):
        alone = IdealDenoiser(DATA[LABELS == k].double(), SCHEDULE, jitter)
        for method in ("__call__", "posterior_mean", "log_density"):
            want = getattr(alone, method)(x, t)
            for y in (k, torch.tensor(k), torch.full((12,), k), torch.full((12,), k, dtype=torch.int32)):
                assert_close(getattr(ideal, method)(x, t, y), want, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("t", [1, 50, torch.tensor([1, 100, 50, 3, 60, 7])])
def test_a_label_a_row_gives_each_row_what_that_label_gives_alone(t):
    ideal, x, y = labelled(0.1), randn(6, 2, generator=stream("x")).double(), torch.tensor([2, 0, 1, 1, 0, 2])
    for method in ("__call__", "posterior_mean", "log_density", "log_posterior_gradient"):
        of_class = [getattr(ideal, method)(x, t, k) for k in range(3)]
        rows = torch.stack([of_class[k][i] for i, k in enumerate(y.tolist())])
        assert_close(getattr(ideal, method)(x, t, y), rows, rtol=1e-12, atol=1e-12)


def test_labels_change_nothing_for_those_who_do_not_ask():
    x = randn(9, 2, generator=stream("x"))
    with_labels, without = IdealDenoiser(DATA, SCHEDULE, 0.1, LABELS), IdealDenoiser(DATA, SCHEDULE, 0.1)
    assert torch.equal(with_labels(x, 30), without(x, 30))
    assert torch.equal(with_labels.log_density(x, 30), without.log_density(x, 30))


@given(st.integers(0, 100), st.floats(0.05, 1), st.integers(0, 2**31))
def test_the_class_posterior_is_bayes_rule(t, jitter, seed):
    ideal, x = labelled(jitter), 2 * torch.randn(5, 2, generator=torch.Generator().manual_seed(seed)).double()
    joint = torch.stack([ideal.log_density(x, t, k) + SHARES[k].double().log() for k in range(3)], dim=1)
    posterior = ideal.log_posterior(x, t)
    assert posterior.shape == (5, 3) and posterior.dtype == torch.float64
    assert_close(posterior, joint - ideal.log_density(x, t)[:, None], rtol=1e-7, atol=1e-7)
    assert_close(posterior.exp().sum(1), torch.ones(5).double(), rtol=1e-12, atol=1e-12)


def test_the_class_posterior_by_hand():
    # one point of class 0 at 0, three of class 1 at 1, jitter 0.5, no noise: odds 3 exp((0^2 - (x - 1)^2 + x^2) / 0.5)
    ideal = IdealDenoiser(
        torch.tensor([[0.0], [1.0], [1.0], [1.0]]).double(), SCHEDULE, 0.5, torch.tensor([0, 1, 1, 1])
    )
    x = torch.tensor([[-1.0], [0.0], [0.5], [2.0]]).double()
    odds = 3 * ((2 * x[:, 0] - 1) / 0.5).exp()
    got = ideal.log_posterior(x, 0).exp()
    assert_close(got, torch.stack([1 / (1 + odds), odds / (1 + odds)], dim=1), rtol=1e-12, atol=1e-12)


def test_with_all_noise_the_class_posterior_is_the_prior():
    schedule = NoiseSchedule.cosine(T=200)
    posterior = labelled(schedule=schedule).log_posterior(randn(5, 2, generator=stream("x")).double(), 200)
    # sqrt(alpha_bar_T) = 0.0003 times points of size 2 is all the signal there is
    assert_close(posterior.exp(), SHARES.double().expand(5, 3), rtol=0, atol=2e-3)


def test_far_from_all_data_the_class_posterior_is_still_a_distribution():
    posterior = IdealDenoiser(DATA, SCHEDULE, 0.02, LABELS).log_posterior(torch.tensor([[90.0, 0.0], [0.0, -90.0]]), 0)
    assert not posterior.isnan().any()
    assert_close(posterior.exp().sum(1), torch.ones(2))
    assert posterior.argmax(1).tolist() == [LABELS[DATA[:, 0].argmax()], LABELS[DATA[:, 1].argmin()]]


@pytest.mark.parametrize("jitter", [0.0, 0.2])
@pytest.mark.parametrize("t", [2, 40, 100])
def test_the_gradient_of_the_class_posterior(jitter, t):
    ideal, x, h = labelled(jitter), randn(9, 2, generator=stream("x")).double(), 1e-6
    for y in (0, 2, torch.arange(9) % 3):
        got = ideal.log_posterior_gradient(x, t, y)
        wants = x.clone().requires_grad_()
        columns = torch.as_tensor(y).expand(9)
        (by_autograd,) = torch.autograd.grad(ideal.log_posterior(wants, t)[range(9), columns].sum(), wants)
        assert_close(got, by_autograd, rtol=1e-7, atol=1e-7)
        for d in range(2):
            step = h * torch.eye(2, dtype=torch.float64)[d]
            up, down = (ideal.log_posterior(x + s, t)[range(9), columns] for s in (step, -step))
            # logs of up to 1,000 that are good to 1e-13, over 2e-6
            assert_close(got[:, d], (up - down) / (2 * h), rtol=1e-5, atol=1e-5)


def test_the_gradient_exists_where_a_point_is_a_data_point():
    x = DATA[:5].clone().requires_grad_()
    ideal = IdealDenoiser(DATA, SCHEDULE, 0.2, LABELS)
    (gradient,) = torch.autograd.grad(ideal.log_posterior(x, 0)[:, 1].sum(), x)
    h = 1e-6 * torch.eye(2, dtype=torch.float64)
    up, down = ([labelled(0.2).log_posterior(DATA[:5] + s, 0)[:, 1] for s in steps] for steps in (h, -h))
    want = (torch.stack(up, dim=1) - torch.stack(down, dim=1)) / 2e-6
    assert_close(gradient.double(), want, rtol=1e-4, atol=1e-3)


def test_one_class_has_nothing_to_be_told_apart():
    ideal, x = (
        IdealDenoiser(DATA, SCHEDULE, 0.1, torch.zeros(40, dtype=torch.int64)),
        randn(4, 2, generator=stream("x")),
    )
    assert torch.equal(ideal.log_posterior(x, 30), torch.zeros(4, 1))
    assert torch.equal(ideal.log_posterior_gradient(x, 30, 0), torch.zeros(4, 2))


@given(st.permutations(range(3)), st.integers(1, 100))
def test_renaming_the_classes_moves_the_columns(order, t):
    order, x = torch.tensor(order), randn(5, 2, generator=stream("x")).double()
    renamed = IdealDenoiser(DATA.double(), SCHEDULE, 0.1, order[LABELS])
    assert_close(renamed.log_posterior(x, t)[:, order], labelled(0.1).log_posterior(x, t), rtol=1e-12, atol=1e-12)


METHODS = {
    "predictor": lambda ideal, x, t: ideal(x, t, LABELS[: len(x)]),
    "mean": lambda ideal, x, t: ideal.posterior_mean(x, t, LABELS[: len(x)]),
    "density": lambda ideal, x, t: ideal.log_density(x, t, LABELS[: len(x)]),
    "posterior": lambda ideal, x, t: ideal.log_posterior(x, t),
    "gradient": lambda ideal, x, t: ideal.log_posterior_gradient(x, t, LABELS[: len(x)]),
}


@pytest.mark.parametrize("method", METHODS.values(), ids=METHODS.keys())
@pytest.mark.parametrize("pairs", [1, 27, 200])
def test_all_that_knows_classes_is_bounded_in_memory_too(monkeypatch, method, pairs):
    ideal, x, t, held, cdist = (
        labelled(),
        randn(33, 2, generator=stream("x")).double(),
        torch.arange(1, 34),
        [],
        torch.cdist,
    )
    want = method(ideal, x, t)

    def watch(a, b, **options):
        held.append((len(a), len(b)))
        return cdist(a, b, **options)

    monkeypatch.setattr(torch, "cdist", watch)
    monkeypatch.setattr(exact, "MAX_PAIRS", pairs)
    assert_close(method(ideal, x, t), want, rtol=1e-12, atol=1e-12)
    assert held and all(rows * points <= pairs or rows == 1 for rows, points in held)


# The tilted density


@pytest.mark.parametrize(("t", "jitter"), [(0, 0.2), (40, 0.0)])
def test_the_tilted_density_of_scale_0_and_1(t, jitter):
    (x, area), ideal = grid(), labelled(jitter)
    for scale, y in ((0.0, None), (1.0, 2)):
        got = tilted_density(ideal, x, t, 2, scale)
        assert float(got.sum()) == pytest.approx(1, abs=1e-12)
        assert_close(got, ideal.log_density(x, t, y).exp() * area, rtol=1e-3, atol=1e-12)


def test_the_tilted_density_is_the_power_it_says():
    x, ideal = grid(2.0, 15)[0], labelled(0.3)
    for scale in (-1.0, 0.5, 3.0, 8.0):
        weight = ideal.log_density(x, 30).exp() * ideal.log_posterior(x, 30)[:, 0].exp() ** scale
        assert_close(tilted_density(ideal, x, 30, 0, scale), weight / weight.sum(), rtol=1e-9, atol=0)


def test_the_tilted_density_has_the_score_that_guidance_follows():
    ideal, scale, t, h = labelled(0.2), 3.0, 20, 1e-5
    at = randn(6, 2, generator=stream("x")).double()
    for x in at:
        # on a grid of five points the normalisation drops out of the difference of logs
        cross = x + h * torch.tensor([[0, 0], [1, 0], [-1, 0], [0, 1], [0, -1]], dtype=torch.float64)
        log_p = tilted_density(ideal, cross, t, 1, scale).log()
        want = torch.stack([log_p[1] - log_p[2], log_p[3] - log_p[4]]) / (2 * h)
        score = SCHEDULE.score(ideal(x[None], t), t)
        got = score + scale * ideal.log_posterior_gradient(x[None], t, 1)
        assert_close(got[0], want, rtol=1e-6, atol=1e-6)


# Bad arguments


BAD_LABELS = [LABELS.float(), LABELS.int(), LABELS[:39], LABELS[:, None], LABELS + 1, LABELS - 1, 2 * LABELS, -LABELS]


@pytest.mark.parametrize("y", [*BAD_LABELS, torch.full((40,), 2**40)])
def test_labels_of_the_data_that_make_no_sense_are_refused(y):
    with pytest.raises(ValueError, match=r"y must be 40 int64 labels that use all of 0\.\.K-1, got"):
        IdealDenoiser(DATA, SCHEDULE, y=y)


@pytest.mark.parametrize("y", [3, -1, torch.tensor([0, 3])])
def test_a_class_that_does_not_exist_is_refused(y):
    x = torch.zeros(2, 2).double()
    for method in (labelled(), labelled().posterior_mean, labelled().log_density, labelled().log_posterior_gradient):
        with pytest.raises(ValueError, match=r"y must lie in 0\.\.2, got"):
            method(x, 1, y)
    with pytest.raises(ValueError, match=r"y must lie in 0\.\.2, got"):
        tilted_density(labelled(), x, 1, y, 1.0)


def test_classes_asked_of_data_without_labels_are_refused():
    ideal, x = IdealDenoiser(DATA, SCHEDULE, 0.1), torch.zeros(2, 2)
    for ask in (
        lambda: ideal(x, 1, 0),
        lambda: ideal.log_density(x, 1, 0),
        lambda: ideal.log_posterior(x, 1),
        lambda: ideal.log_posterior_gradient(x, 1, 0),
        lambda: tilted_density(ideal, x, 1, 0, 1.0),
    ):
        with pytest.raises(ValueError, match="knows no classes: build it with y"):
            ask()


def test_spikes_have_no_density():
    x = torch.zeros(2, 2).double()
    for t in (0, torch.tensor([3, 0])):
        for ask in (labelled().log_density, labelled().posterior_mean, labelled().log_posterior):
            with pytest.raises(ValueError, match="t must be at least 1, or jitter positive"):
                ask(x, t)
        with pytest.raises(ValueError, match="t must be at least 1: at t = 0 there is no noise to predict"):
            labelled(0.1)(x, t)
    with pytest.raises(ValueError, match="t must be at least 1"):
        labelled(0.1).log_posterior_gradient(x, 0, 1)


@pytest.mark.parametrize("x_t", [torch.zeros(2, 3), torch.zeros(2), torch.zeros(1, 2, 2)])
def test_points_of_another_dimension_are_refused_by_all(x_t):
    ideal = labelled(0.1)
    for ask in (ideal, ideal.posterior_mean, ideal.log_density, ideal.log_posterior):
        with pytest.raises(ValueError, match=r"x_t must have shape \(B, 2\)"):
            ask(x_t, 1)
