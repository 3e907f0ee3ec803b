"""Exact likelihood: Gaussians and mixtures in closed form, scipy's integrator, Hutchinson's estimate, and manners."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch import nn
from torch.testing import assert_close

from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.images.unet import UNet
from statesdiff.likelihood import log_likelihood, log_likelihood_and_error
from statesdiff.models import init
from statesdiff.plotting import lattice
from statesdiff.probability_flow import encode
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule
from tests.support import small
from tests.test_probability_flow import COV, EVEN, LINEAR, Dropping, Gaussian, points

ORIGINS = torch.tensor([[-1.0, 0.2], [0.8, 0.5], [0.3, -1.1]], dtype=torch.float64)
ORIGINS -= ORIGINS.mean(0)
MIXTURE = IdealDenoiser(ORIGINS, EVEN, jitter=0.3, y=torch.tensor([0, 0, 1]))


def standard_normal(x):
    return -0.5 * x.square().sum(1) - x.shape[1] / 2 * math.log(2 * math.pi)


# Against closed forms


@pytest.mark.parametrize("schedule", [EVEN, LINEAR], ids=lambda s: s.name)
@pytest.mark.parametrize("t", [1, 30])
def test_a_gaussian_has_the_density_of_the_closed_form(schedule, t):
    predictor, x = Gaussian(schedule), points()
    x_T = predictor.carried(x, t, schedule.T)  # the change of variables, by the determinant of the exact map
    shrink = schedule.alpha_bar[-1] / schedule.alpha_bar[t]
    exact = standard_normal(x_T) + shrink.log() + predictor.growth(t, schedule.T).logdet()
    found = log_likelihood(predictor, schedule, x, t=t, steps=400, order=3)
    assert_close(found, exact, rtol=0, atol=2e-3 if schedule is LINEAR else 1e-4)
    if schedule is EVEN:  # its end is all but N(0, I): so it is the density of the forward process
        ab = schedule.alpha_bar[t]
        q = torch.distributions.MultivariateNormal(
            ab.sqrt() * torch.tensor([0.4, -1.0]), ab * COV + (1 - ab) * torch.eye(2)
        )
        assert_close(found, q.log_prob(x), rtol=0, atol=2e-2)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_error_falls_with_the_order(order):
    x, counts = points(20), np.array([50, 100, 200])
    errors = [
        float((log_likelihood(MIXTURE, EVEN, x, steps=int(n), order=order) - MIXTURE.log_density(x, 1)).abs().mean())
        for n in counts
    ]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(-slope - order) < 0.2 or errors[-1] < 2e-4, (slope, errors)


def test_two_hundred_steps_are_enough_for_the_map():
    """The issue of the whole method: with the exact score, at t = 1 of the book's schedule, within 0.01 nats."""
    schedule, fresh = NoiseSchedule.linear(), states(6, seed=7).x.double()
    ideal = IdealDenoiser(outline_points(2000).double(), schedule, jitter=JITTER)
    x_1 = schedule.q_sample(fresh, 1, torch.randn(30, 2, generator=stream("noise"), dtype=torch.float64))
    exact = ideal.log_density(x_1, 1)
    for order, most in ((2, 0.01), (3, 0.003)):
        assert float((log_likelihood(ideal, schedule, x_1, order=order) - exact).abs().mean()) < most


def test_scipys_integrator_finds_the_same_density():
    x, level = points(1), EVEN.noise_level

    def slope(s, y):  # the mixture in numpy; the divergence by differences
        def eps(u):
            apart = u - ORIGINS.numpy()
            weights = np.exp(-(apart**2).sum(1) / 2 / (s**2 + 0.09))
            return s * (weights[:, None] * apart).sum(0) / weights.sum() / (s**2 + 0.09)

        h = 1e-4 * np.eye(2)
        divergence = sum((eps(y[:2] + h[k]) - eps(y[:2] - h[k]))[k] / 2e-4 for k in range(2))
        return [*eps(y[:2]), divergence]

    root = EVEN.alpha_bar.sqrt()
    start, ends = [*(x[0] / root[1]).tolist(), 0.0], (float(level[1]), float(level[-1]))
    y = solve_ivp(slope, ends, start, method="DOP853", rtol=1e-9, atol=1e-10).y[:, -1]
    theirs = standard_normal(root[-1] * torch.tensor(y[None, :2])) + y[2] + 2 * (root[-1] / root[1]).log()
    assert_close(log_likelihood(MIXTURE, EVEN, x, steps=1000, order=3), theirs, rtol=0, atol=1e-5)


def test_the_density_of_a_network_integrates_to_one():
    schedule, network = LINEAR, small(T=60, activation="silu", skip=True)
    grid = lattice(81, 8.0).double()
    density = log_likelihood(network.double(), schedule, grid, order=3).exp()
    assert_close(float(density.sum()) * 0.2**2, 1.0, rtol=0.01, atol=0)


def log_classes(x, t):
    """log p(y | x_t) of MIXTURE up to a constant, in operations that can be differentiated twice."""
    ab = EVEN.alpha_bar[int(t)]
    near = -((x[:, None] - ab.sqrt() * ORIGINS).square().sum(2)) / 2 / (1 - ab + 0.09 * ab)
    return torch.stack([near[:, :2].logsumexp(dim=1), near[:, 2]], dim=1)


@pytest.mark.parametrize("y", [0, 1])
def test_guidance_of_scale_one_by_exact_parts_has_the_density_of_the_class(y):
    """Also that the divergence of the classifier's gradient is seen, which takes a second derivative."""
    x = points()
    guided = ClassifierGuidance(MIXTURE, log_classes, EVEN, y, scale=1.0)
    free = ClassifierFreeGuidance(MIXTURE, y, scale=1.0)
    exact = MIXTURE.log_density(x, 1, y)
    for predictor in (guided, free):
        assert_close(log_likelihood(predictor, EVEN, x, order=3), exact, rtol=2e-3, atol=2e-3)


# Shapes and dimensions


@pytest.mark.parametrize("shape", [(4, 1), (4, 3), (4, 1, 2, 2)])
def test_any_number_of_coordinates(shape):
    """Shrinking every coordinate alike: a linear map, whose determinant is its factor to the power D."""
    x = torch.randn(*shape, generator=stream("data"), dtype=torch.float64)
    D, level, root = x[0].numel(), EVEN.noise_level, EVEN.alpha_bar.sqrt()

    def predictor(x, t):  # exact for N(0, 0.4): deviations grow as sqrt(0.4 + level^2)
        s = level[int(t)]
        return s * (x / root[int(t)]) / (0.4 + s**2)

    total = 0.4 * root[1] ** 2 + (1 - root[1] ** 2)
    exact = -0.5 * (x.flatten(1).square().sum(1) / total + D * (2 * math.pi * total).log())
    assert_close(log_likelihood(predictor, EVEN, x, order=3), exact, rtol=0, atol=1e-3)


def test_a_u_net_of_images_by_probes():
    network = init(UNet, T=20, channels=16, generator=stream("init"))
    schedule, x = NoiseSchedule.cosine(20), torch.randn(2, 1, 28, 28, generator=stream("data"))
    mean, error = log_likelihood_and_error(network, schedule, x, steps=3, probes=3, generator=stream("probes"))
    assert mean.shape == error.shape == (2,) and mean.isfinite().all() and (error > 0).all()


# Hutchinson's estimate


def test_probes_are_right_on_average_and_their_error_tells_how_far_off():
    x, schedule = points(40), NoiseSchedule.linear(T=60, beta_1=0.01, beta_T=0.15)
    network = small(T=60, activation="silu", hidden=(32, 32)).double()
    exact = log_likelihood(network, schedule, x, steps=30)
    found, error = log_likelihood_and_error(network, schedule, x, steps=30, probes=200, generator=stream("probes"))
    z = (found - exact) / error
    assert 0.6 < float(z.square().mean().sqrt()) < 1.4 and float(z.abs().max()) < 5
    few, wider = log_likelihood_and_error(network, schedule, x, steps=30, probes=20, generator=stream("probes"))
    assert_close(float(wider.mean() / error.mean()), 10**0.5, rtol=0.15, atol=0)


def test_in_one_dimension_any_sign_is_exact():
    x = points()[:, :1]
    ideal = IdealDenoiser(torch.tensor([[-1.0], [0.5]], dtype=torch.float64), EVEN, jitter=0.2)
    one = log_likelihood(ideal, EVEN, x, steps=50, probes=1, generator=stream("probes"))
    assert_close(one, log_likelihood(ideal, EVEN, x, steps=50), rtol=1e-9, atol=1e-9)


def test_probes_come_from_the_generator():
    x, network = points(dtype=torch.float32), small(T=60)
    a, b, c = (
        log_likelihood(network, LINEAR, x, steps=5, probes=1, generator=stream("probes", seed)) for seed in (0, 0, 1)
    )
    assert torch.equal(a, b) and not torch.equal(a, c)


# Manners


@settings(max_examples=15)
@given(
    st.integers(1, 6), st.integers(1, 50), st.sampled_from([1, 2, 3]), st.sampled_from([torch.float32, torch.float64])
)
def test_one_number_a_row_of_the_rows_alone(n, t, order, dtype):
    x, network = points(n, dtype), small(T=60).to(dtype)
    found = log_likelihood(network, LINEAR, x, t=t, steps=6, order=order)
    assert found.shape == (n,) and found.dtype == dtype and found.isfinite().all()
    alone = log_likelihood(network, LINEAR, x[:1], t=t, steps=6, order=order)
    assert_close(found[:1], alone, rtol=1e-4, atol=1e-4)


def test_no_gradient_leaks():
    network, x = small(T=60), points(dtype=torch.float32).requires_grad_()
    with torch.no_grad():
        quiet = log_likelihood(network, LINEAR, x, steps=5)
    with torch.inference_mode():
        inference = log_likelihood(network, LINEAR, x.detach().clone(), steps=5)
        drawn = log_likelihood(network, LINEAR, x.detach().clone(), steps=5, probes=2)
    found = log_likelihood(network, LINEAR, x, steps=5)
    assert torch.equal(found, quiet) and torch.equal(found, inference) and drawn.isfinite().all()
    assert not found.requires_grad and x.grad is None and all(p.grad is None for p in network.parameters())
    assert torch.is_grad_enabled()


def test_modes_are_what_they_were():
    network = Dropping()
    a, b = (log_likelihood(network, LINEAR, points(dtype=torch.float32), steps=3) for _ in range(2))
    assert torch.equal(a, b) and network.training
    network.eval()
    log_likelihood(network, LINEAR, points(dtype=torch.float32), steps=3)
    assert not any(module.training for module in network.modules())


class Silent(nn.Module):
    def forward(self, x, t):
        with torch.no_grad():
            return 0.5 * x


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": torch.zeros(3)}, ValueError, "shape"),
        ({"x": torch.full((3, 2), torch.inf)}, FloatingPointError, "not finite"),
        ({"probes": 0}, ValueError, "probes must be None or a whole number >= 1, got 0"),
        ({"probes": 2.0}, ValueError, "probes must be None or a whole number"),
        ({"probes": True}, ValueError, "got True"),
        ({"steps": -1}, ValueError, "steps = -1"),
        ({"order": 0}, ValueError, "order must be"),
        ({"t": 60}, ValueError, "t = 60"),
        ({"predictor": Silent()}, ValueError, "no gradient with respect to x_t: does it detach"),
        ({"predictor": lambda x, t: x.sum(dim=1)}, ValueError, "returned shape"),
        ({"predictor": lambda x, t: x * torch.nan}, FloatingPointError, "at t = "),
        ({"predictor": small(T=10)}, ValueError, "built for T = 10"),
    ],
)
def test_bad_input_is_refused(change, error, words):
    given = {"predictor": small(T=60), "x": torch.zeros(3, 2), "steps": 3} | change
    with pytest.raises(error, match=words):
        log_likelihood(given.pop("predictor"), LINEAR, given.pop("x"), **given)


@pytest.mark.parametrize("probes", [None, 1, 0, 2.0, True])
def test_an_error_needs_two_probes(probes):
    with pytest.raises(ValueError, match="an error needs at least 2 probes"):
        log_likelihood_and_error(small(T=60), LINEAR, torch.zeros(3, 2), steps=3, probes=probes)


def test_the_latent_is_where_the_density_comes_from():
    """A change of variables by hand: the determinant of the encoder's Jacobian, by differences."""
    x, network, h = points(3), small(T=60, activation="silu").double(), 1e-5
    columns = [
        (encode(network, LINEAR, x + h * e, steps=20) - encode(network, LINEAR, x - h * e, steps=20)) / (2 * h)
        for e in torch.eye(2, dtype=torch.float64)
    ]
    jacobian = torch.stack(columns, dim=2)
    by_hand = standard_normal(encode(network, LINEAR, x, steps=20)) + jacobian.det().abs().log()
    assert_close(log_likelihood(network, LINEAR, x, steps=20), by_hand, rtol=0, atol=0.02)
