"""Guidance by a measurement and replacement, on data that are Gaussian: posteriors and biases in closed form."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import dawsn
from torch.testing import assert_close

from statesdiff.exact import IdealDenoiser
from statesdiff.guidance import ClassifierGuidance
from statesdiff.inverse import MeasurementGuidance, Twist, guided_noise, replacement, reverse_step
from statesdiff.measurements import Box, Linear
from statesdiff.models import Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last, posterior
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.12)
FINE = NoiseSchedule.linear(T=1000, beta_1=1e-5, beta_T=0.02)  # small steps: the differential equation


def gaussian(v, schedule=SCHEDULE, D=1):
    """The exact denoiser of N(0, v I): one point with a jitter."""
    return IdealDenoiser(torch.zeros(1, D).double(), schedule, math.sqrt(v))


def told(y, s, D=1):
    return Linear(torch.eye(D)[:1], [y], s)


def log_likelihood_gradient(v, y, s, x_t, alpha_bar, spread):
    """d/dx log N(y; x_0_hat(x), s^2 + spread) for data N(0, v), by hand."""
    slope = alpha_bar**0.5 * v / (alpha_bar * v + 1 - alpha_bar)  # of x_0_hat
    return slope * (y - slope * x_t) / (s**2 + spread)


@given(st.floats(0.2, 3), st.floats(-2, 2), st.floats(0.1, 2), st.integers(1, 100), st.floats(-3, 3), st.floats(0, 2))
def test_the_guided_noise_of_a_gaussian_is_that_by_hand(v, y, s, t, x, scale):
    x_t, ab, prior = torch.tensor([[x]]).double(), float(SCHEDULE.alpha_bar[t]), gaussian(v)
    for data_variance in (0.0, v):
        spread = v * (1 - ab) / (ab * v + 1 - ab) if data_variance else 0.0
        gradient = log_likelihood_gradient(v, y, s, x_t, ab, spread)
        guided = MeasurementGuidance(prior, told(y, s), SCHEDULE, data_variance=data_variance, scale=scale)
        assert_close(guided(x_t, t), prior(x_t, t) - scale * math.sqrt(1 - ab) * gradient, rtol=1e-6, atol=1e-8)
        assert_close(guided.twist(x_t, t).gradient, gradient, rtol=1e-6, atol=1e-8)


@given(st.floats(0.2, 3), st.floats(-2, 2), st.floats(0.1, 2), st.integers(1, 100), st.floats(-3, 3))
def test_for_gaussian_data_the_right_variance_makes_guidance_exact(v, y, s, t, x):
    """The posterior is N(m, u); its noise is that of a denoiser that knows nothing else."""
    u, m = 1 / (1 / v + 1 / s**2), y * v / (v + s**2)
    exact = IdealDenoiser(torch.tensor([[m]]).double(), SCHEDULE, math.sqrt(u))
    guided = MeasurementGuidance(gaussian(v), told(y, s), SCHEDULE, data_variance=v)
    x_t = torch.tensor([[x]]).double()
    assert_close(guided(x_t, t), exact(x_t, t), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("s", [1.0, 0.6])
def test_what_guidance_without_spread_draws_of_a_gaussian_is_known(s):
    """Not N(m, u): variance v exp(-v / s^2), mean 2 y k D(k), k^2 = v / 2 s^2, D Dawson's function, beyond y itself."""
    v, y = 1.0, 1.5
    guided = MeasurementGuidance(gaussian(v, FINE), told(y, s), FINE)
    start = torch.tensor([[-1.0], [1.0]]).double()
    low, high = last(ddim(guided, FINE, start, steps=500)).ravel().tolist()
    k = math.sqrt(v / 2) / s
    assert ((high - low) / 2) ** 2 == pytest.approx(v * math.exp(-v / s**2), rel=0.02)
    assert (high + low) / 2 == pytest.approx(2 * y * k * dawsn(k), rel=0.01)
    assert (high + low) / 2 > 1.05 * y * v / (v + s**2)
    assert ((high - low) / 2) ** 2 < 0.9 / (1 / v + 1 / s**2)


def test_with_the_right_variance_the_samples_are_the_posterior():
    v, y, s = 1.0, 1.5, 0.6
    guided = MeasurementGuidance(gaussian(v, FINE), told(y, s), FINE, data_variance=v)
    low, high = last(ddim(guided, FINE, torch.tensor([[-1.0], [1.0]]).double(), steps=500)).ravel().tolist()
    assert ((high - low) / 2) ** 2 == pytest.approx(1 / (1 / v + 1 / s**2), rel=0.02)
    assert (high + low) / 2 == pytest.approx(y * v / (v + s**2), rel=0.02)


def test_rows_may_have_times_of_their_own():
    guided = MeasurementGuidance(gaussian(1.0, D=2), told(0.5, 0.3, D=2), SCHEDULE, data_variance=0.7)
    x_t, t = randn(3, 2, generator=stream("x")).double(), torch.tensor([1, 50, 100])
    rows = [guided(x_t[i : i + 1], t[i]) for i in range(3)]
    assert_close(guided(x_t, t), torch.cat(rows))


def test_scale_0_is_the_predictor_bit_for_bit_and_nothing_is_left_behind():
    model = init(Denoiser, T=100, hidden=(8,), generator=stream("init"))
    x_t = randn(5, 2, generator=stream("x"))
    guided = MeasurementGuidance(model, Box([0.0, 0.0], [1.0, 1.0], 0.1), SCHEDULE, scale=0.0)
    with torch.no_grad():
        assert torch.equal(guided(x_t, torch.tensor(40)), model(x_t, torch.tensor(40)))
    known = guided.twist(x_t, torch.tensor(40))
    assert not any(part.requires_grad for part in known) and not x_t.requires_grad
    assert all(weight.grad is None for weight in model.parameters())


def test_the_update_is_that_of_classifier_guidance():
    """A class is a measurement too: the same gradient, the same noise."""
    data = randn(30, 2, generator=stream("data")).double()
    ideal = IdealDenoiser(data, SCHEDULE, 0.2, torch.arange(30) % 2)
    x_t, t = randn(6, 2, generator=stream("x")).double(), torch.tensor(30)
    want = ClassifierGuidance(ideal, ideal.log_posterior, SCHEDULE, y=1, scale=2.0)(x_t, t)
    twist = Twist(ideal(x_t, t), ideal.log_posterior(x_t, t)[:, 1], ideal.log_posterior_gradient(x_t, t, 1))
    assert_close(guided_noise(twist, SCHEDULE, t, 2.0), want, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"data_variance": -0.1}, "data_variance must be a finite number >= 0, got -0.1"),
        ({"data_variance": math.inf}, "data_variance"),
        ({"scale": math.nan}, "scale must be a finite number, got nan"),
    ],
)
def test_bad_options_of_guidance(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        MeasurementGuidance(gaussian(1.0), told(0.5, 0.1), SCHEDULE, **options)


def test_a_predictor_of_another_length_is_refused():
    with pytest.raises(ValueError, match="the predictor was built for T = 1000"):
        MeasurementGuidance(gaussian(1.0, FINE), told(0.5, 0.1), SCHEDULE)
    with pytest.raises(ValueError, match="the predictor was built for T = 1000"):
        next(replacement(gaussian(1.0, FINE, 2), SCHEDULE, torch.zeros(3, 2), torch.tensor([0.1, math.nan])))


# The step


@pytest.mark.parametrize(("t", "s"), [(100, 99), (100, 40), (7, 6)])
def test_the_step_is_that_of_ddim(t, s):
    x, eps_hat = (randn(4, 2, generator=stream(name)).double() for name in ("x", "eps"))
    mean, variance = reverse_step(SCHEDULE, x, t, s, eps_hat)
    step = list(ddim(lambda x, t: eps_hat, SCHEDULE, x, steps=[t, s, 0], eta=1.0, generator=stream("z")))[1]
    assert_close(step, mean + variance**0.5 * randn(4, 2, generator=stream("z")), rtol=1e-6, atol=1e-6)
    if s == t - 1:
        mu_tilde, beta_tilde = posterior(SCHEDULE, SCHEDULE.predict_x_0(x, t, eps_hat), x, t)
        assert_close(mean, mu_tilde)
        assert variance == pytest.approx(float(beta_tilde))


def test_the_last_step_is_the_predicted_origin():
    x, eps_hat = (randn(4, 2, generator=stream(name)).double() for name in ("x", "eps"))
    mean, variance = reverse_step(SCHEDULE, x, 3, 0, eps_hat)
    assert variance == 0
    assert_close(mean, SCHEDULE.predict_x_0(x, 3, eps_hat))


# Replacement

KNOWN = torch.tensor([0.5, math.nan])


def correlated(r, schedule=SCHEDULE):
    """The exact noise predictor of a Gaussian with variances 1 and covariance r: its score is linear."""
    cov = torch.tensor([[1.0, r], [r, 1.0]]).double()

    def predictor(x_t, t):
        ab = schedule.alpha_bar[t]
        inverse = torch.linalg.inv(ab * cov + (1 - ab) * torch.eye(2).double())
        return (1 - ab).sqrt() * x_t @ inverse

    return predictor


def test_what_is_known_ends_as_it_is_and_passes_through_its_noised_versions():
    x_T = randn(4000, 2, generator=stream("x")).double()
    path = list(replacement(correlated(0.8), SCHEDULE, x_T, KNOWN, steps=10, generator=stream("z")))
    assert len(path) == 11 and torch.equal(path[0], x_T)
    assert_close(path[-1][:, 0], torch.full((4000,), 0.5).double())
    ab = float(SCHEDULE.alpha_bar[50])
    middle = path[5][:, 0]
    assert float(middle.mean()) == pytest.approx(ab**0.5 * 0.5, abs=4 * (1 - ab) ** 0.5 / 4000**0.5)
    assert float(middle.var()) == pytest.approx(1 - ab, rel=0.1)


def test_replacement_misses_the_posterior_of_a_gaussian_and_repeats_come_nearer():
    """Given one coordinate the other is N(0.4, 0.36); the means, and their errors, in standard errors of 20,000."""
    x_T, off = randn(20_000, 2, generator=stream("x")).double(), {}
    for repeats in (1, 2, 8):
        path = replacement(
            correlated(0.8), SCHEDULE, x_T, KNOWN, steps=25, repeats=repeats, generator=stream("z", repeats)
        )
        off[repeats] = float((last(path)[:, 1].mean() - 0.4).abs()) / (0.6 / 20_000**0.5)
    assert off[1] > 10 and off[8] < off[2] < off[1]


def test_without_correlation_replacement_is_exact():
    x_T = randn(20_000, 2, generator=stream("x")).double()
    free = last(replacement(correlated(0.0), SCHEDULE, x_T, KNOWN, steps=25, generator=stream("z")))[:, 1]
    assert float(free.mean()) == pytest.approx(0.0, abs=0.03)


def test_every_row_may_know_something_else():
    known = torch.tensor([[0.5, math.nan], [math.nan, -1.0], [2.0, math.nan]]).double()
    x_0 = last(replacement(correlated(0.5), SCHEDULE, torch.zeros(3, 2).double(), known, generator=stream("z")))
    assert_close(x_0[[0, 1, 2], [0, 1, 0]], torch.tensor([0.5, -1.0, 2.0]).double())


@pytest.mark.parametrize(
    ("known", "options", "complaint"),
    [
        (torch.tensor([0.5, 0.5]), {}, "in part NaN"),
        (torch.tensor([math.nan, math.nan]), {}, "in part NaN"),
        (torch.tensor([0.5]), {}, r"known must be \(2,\) or \(3, 2\)"),
        (torch.zeros(4, 2), {}, r"known must be \(2,\) or \(3, 2\)"),
        (KNOWN, {"repeats": 0}, "repeats must be at least 1, got 0"),
        (KNOWN, {"steps": 0}, "steps must lie in 1..100"),
    ],
)
def test_bad_options_of_replacement(known, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        list(replacement(correlated(0.5), SCHEDULE, torch.zeros(3, 2).double(), known, **options))
