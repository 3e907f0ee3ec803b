"""The exact posterior against closed forms of Gaussians, a sum over a grid, finite differences, and samplers."""

import math

import pytest
import torch
from torch.testing import assert_close

from statesdiff import exact_posterior
from statesdiff.exact import IdealDenoiser
from statesdiff.exact_posterior import ExactPosterior
from statesdiff.measurements import Box, Linear
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.12)
DATA, LABELS, JITTER = randn(30, 2, generator=stream("data")).double(), torch.arange(30) % 3, 0.25
IDEAL = IdealDenoiser(DATA, SCHEDULE, JITTER, LABELS)
MEASUREMENTS = {
    "longitude": Linear([[1.0, 0.0]], [0.4], 0.2),
    "a sum and a difference": Linear([[1.0, 1.0], [1.0, -1.0]], [0.5, 0.1], 0.6),
    "box": Box([-0.2, -0.5], [0.9, 0.7], 0.15),
    "half-plane": Box([0.3, -math.inf], [math.inf, math.inf], 0.1),
}
every = pytest.mark.parametrize("measurement", MEASUREMENTS.values(), ids=MEASUREMENTS)


def grid(half_width=5.0, n=181):
    side = torch.linspace(-half_width, half_width, n, dtype=torch.float64)
    return torch.cartesian_prod(side, side), float(side[1] - side[0]) ** 2


@every
@pytest.mark.parametrize("y", [None, 1])
def test_prior_times_likelihood_over_evidence_is_a_density(measurement, y):
    posterior, (places, area) = ExactPosterior(IDEAL, measurement, y), grid()
    log_prior, log_l = IDEAL.log_density(places, 0, y), measurement.log_likelihood(places)
    assert math.log(float((log_prior + log_l).exp().sum()) * area) == pytest.approx(posterior.log_evidence(), abs=1e-6)
    assert_close(posterior.log_density(places, 0), log_prior + log_l - posterior.log_evidence(), rtol=1e-9, atol=1e-9)
    for t in (5, 40, 100):
        assert float(posterior.log_density(places, t).exp().sum()) * area == pytest.approx(1, abs=1e-4)


@every
def test_at_time_t_it_is_the_posterior_noised(measurement):
    """p_t(x | y) = the sum over x_0 of p(x_0 | y) N(x; sqrt(alpha_bar) x_0, 1 - alpha_bar), on a grid."""
    posterior, (places, area) = ExactPosterior(IDEAL, measurement), grid(n=201)
    share = posterior.log_density(places, 0).exp() * area
    for t in (20, 60):
        ab, x_t = float(SCHEDULE.alpha_bar[t]), randn(5, 2, generator=stream("x", t)).double()
        square = (x_t[:, None] - ab**0.5 * places).square().sum(dim=2)
        noised = (share * (-0.5 * square / (1 - ab)).exp()).sum(dim=1) / (2 * math.pi * (1 - ab))
        assert_close(posterior.log_density(x_t, t).exp(), noised, rtol=2e-3, atol=1e-6)


def test_one_gaussian_in_closed_form():
    v, A, y, s = 0.8, torch.tensor([[1.0, 2.0]]).double(), 0.7, 0.5
    posterior = ExactPosterior(IdealDenoiser(torch.zeros(1, 2).double(), SCHEDULE, v**0.5), Linear(A, [y], s))
    cov = torch.linalg.inv(torch.eye(2).double() / v + A.T @ A / s**2)
    mean = cov @ A.T[:, 0] * y / s**2
    t, x_t = 30, randn(4, 2, generator=stream("x")).double()
    ab = SCHEDULE.alpha_bar[t]
    score = -(x_t - ab.sqrt() * mean) @ torch.linalg.inv(ab * cov + (1 - ab) * torch.eye(2).double())
    assert_close(posterior(x_t, t), -(1 - ab).sqrt() * score, rtol=1e-9, atol=1e-9)
    total = 5 * v + s**2
    assert posterior.log_evidence() == pytest.approx(-0.5 * (y**2 / total + math.log(2 * math.pi * total)))
    x = posterior.sample(40_000, generator=stream("draw"))
    assert_close(x.mean(dim=0).double(), mean, rtol=0, atol=0.02)
    assert_close(torch.cov(x.double().T), cov, rtol=0, atol=0.02)


@every
def test_the_predictor_is_the_score_of_the_density(measurement):
    posterior, x_t, h = ExactPosterior(IDEAL, measurement, 2), randn(5, 2, generator=stream("x")).double(), 1e-5
    for t in (3, 50):
        columns = []
        for step in h * torch.eye(2).double():
            up, down = (posterior.log_density(x_t + d, t) for d in (step, -step))
            columns.append((up - down) / (2 * h))
        assert_close(SCHEDULE.score(posterior(x_t, t), t), torch.stack(columns, dim=1), rtol=1e-4, atol=1e-5)
    rows = torch.tensor([3, 50, 50, 3, 50])
    assert_close(posterior(x_t, rows)[1:3], posterior(x_t[1:3], 50))


@every
def test_draws_are_distributed_as_the_density_and_so_are_guided_samples(measurement):
    """Shares of a cell-wise count, quarter by quarter of the plane about the posterior's mean, and both means."""
    posterior, (places, area) = ExactPosterior(IDEAL, measurement), grid(n=151)
    share = posterior.log_density(places, 0).exp() * area
    mean = share @ places
    n, x_T = 1000, randn(1000, 2, generator=stream("x")).double()
    drawn = posterior.sample(n, generator=stream("draw")).double()
    guided = last(ddim(posterior, SCHEDULE, x_T, steps=50, eta=1.0, generator=stream("z")))
    for x, slack in ((drawn, 0.005), (guided, 0.03)):  # the sampler's steps are not infinitely small
        assert_close(x.mean(dim=0), mean, rtol=0, atol=4 / n**0.5 + slack)
        for signs in ((1, 1), (1, -1), (-1, 1)):
            inside = [((p - mean) * torch.tensor(signs) > 0).all(dim=1).double() for p in (x, places)]
            assert float(inside[0].mean()) == pytest.approx(float(share @ inside[1]), abs=2 / n**0.5 + slack)


def test_memory_is_bounded_and_changes_nothing(monkeypatch):
    posterior, x_t = ExactPosterior(IDEAL, MEASUREMENTS["box"]), randn(11, 2, generator=stream("x")).double()
    whole = posterior.twist(x_t, 20)
    monkeypatch.setattr(exact_posterior, "MAX_PAIRS", 70)  # two rows at a time
    for a, b in zip(posterior.twist(x_t, 20), whole, strict=True):
        assert_close(a, b)
    assert not x_t.requires_grad


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: ExactPosterior(IdealDenoiser(DATA, SCHEDULE), MEASUREMENTS["box"]), "need a jitter"),
        (lambda: ExactPosterior(IDEAL, MEASUREMENTS["box"], 3), r"y must be a label in 0\.\.2"),
        (lambda: ExactPosterior(IDEAL, MEASUREMENTS["box"]).sample(0), "n must be at least 1, got 0"),
        (lambda: ExactPosterior(IDEAL, Linear([[1.0, 0.0]], [9.0], 0.1)).sample(5), "too improbable"),
        (lambda: ExactPosterior(IDEAL, MEASUREMENTS["box"])(torch.zeros(3, 3), 5), r"x_t must have shape \(B, 2\)"),
        (lambda: ExactPosterior(IDEAL, MEASUREMENTS["box"])(torch.zeros(3, 2), 0), "t must be at least 1"),
        (lambda: ExactPosterior(IDEAL, MEASUREMENTS["box"])(torch.zeros(3, 2), 101), r"t must lie in 0\.\.100"),
    ],
)
def test_what_is_refused(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
