"""What a measurement says of a point that is itself uncertain: scipy's Gaussians, and averages taken by quadrature."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import multivariate_normal, norm
from torch.testing import assert_close

from statesdiff.measurements import Box, Linear
from statesdiff.rng import randn, stream

LONGITUDE = Linear([[1.0, 0.0]], [0.2], 0.3)
A = [[1.0, 0.5, 0.0], [0.0, -1.0, 2.0]]
BOX = Box([0.0, -0.8], [1.0, 0.8], 0.2)
WEST = Box([-math.inf, -math.inf], [0.5, math.inf], 0.2)


@pytest.mark.parametrize("variance", [0.0, 0.7])
def test_a_linear_measurement_is_scipys_gaussian(variance):
    measurement, x = Linear(A, [0.3, -1.0], 0.4), randn(6, 3, generator=stream("x")).double()
    got = measurement.log_likelihood(x, variance)
    matrix = np.array(A)
    covariance = 0.4**2 * np.eye(2) + variance * matrix @ matrix.T
    want = [multivariate_normal(matrix @ point, covariance).logpdf([0.3, -1.0]) for point in x.numpy()]
    assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=1e-10, atol=1e-10)


@given(st.integers(1, 4), st.integers(1, 4), st.floats(0.05, 2), st.floats(0, 3), st.integers(0, 2**31))
def test_a_linear_measurement_in_any_dimension_even_of_one_thing_twice(M, D, width, variance, seed):
    g = torch.Generator().manual_seed(seed)
    matrix, y, x = (torch.randn(*shape, generator=g).double() for shape in ((M, D), (M,), (5, D)))
    covariance = width**2 * torch.eye(M).double() + variance * matrix @ matrix.T
    want = torch.distributions.MultivariateNormal(x @ matrix.T, covariance).log_prob(y)
    assert_close(Linear(matrix, y, width).log_likelihood(x, variance), want, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("measurement", [BOX, WEST], ids=["box", "half-plane"])
@pytest.mark.parametrize("variance", [0.0, 0.5])
def test_a_box_is_a_product_of_scipys_distribution_functions(measurement, variance):
    x, s = randn(50, 2, generator=stream("x")).double(), math.sqrt(0.2**2 + variance)
    low, high = measurement.low.numpy(), measurement.high.numpy()
    want = (norm.cdf((high - x.numpy()) / s) - norm.cdf((low - x.numpy()) / s)).prod(axis=1)
    assert_close(measurement.log_likelihood(x, variance).exp(), torch.from_numpy(want), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("measurement", [LONGITUDE, BOX, WEST], ids=["longitude", "box", "half-plane"])
def test_the_variance_is_that_of_the_point_averaged_over(measurement):
    """E p(y | x + sqrt(v) z) by Gauss and Hermite's rule in two dimensions."""
    v, x = 0.3, torch.tensor([[0.1, 0.7], [-1.0, 2.0]]).double()
    nodes, weights = (torch.from_numpy(a) for a in np.polynomial.hermite_e.hermegauss(80))
    places = math.sqrt(v) * torch.cartesian_prod(nodes, nodes)
    share = torch.cartesian_prod(weights, weights).prod(dim=1) / (2 * math.pi)
    averaged = (measurement.log_likelihood(x[:, None] + places).exp() * share).sum(dim=1)
    assert_close(measurement.log_likelihood(x, v).exp(), averaged, rtol=1e-6, atol=1e-9)


def test_far_from_a_box_numbers_and_gradients_stay_finite_and_lead_to_it():
    """Thirty times as far as the map is wide, in float32, where both distribution functions are 0 or 1."""
    for measurement in (BOX, WEST, Box([-math.inf, 5.0], [math.inf, math.inf], 0.01)):
        x = torch.tensor([[-40.0, -40.0], [40.0, 40.0], [3.0, -7.0]]).requires_grad_()
        log_p = measurement.log_likelihood(x)
        (gradient,) = torch.autograd.grad(log_p.sum(), x)
        assert log_p.isfinite().all() and gradient.isfinite().all()
        inside = torch.tensor([0.4, 0.2]) if measurement is BOX else torch.tensor([0.0, 9.0])
        outside = log_p < -1
        assert outside.any() and (gradient * (inside - x.detach())).sum(dim=1)[outside].min() > 0


def test_the_gradient_far_out_is_that_of_float64():
    x = torch.tensor([[4.0, 3.0]]).double().requires_grad_()
    (exact,) = torch.autograd.grad(BOX.log_likelihood(x).sum(), x)
    single = x.detach().float().requires_grad_()
    (got,) = torch.autograd.grad(BOX.log_likelihood(single).sum(), single)
    assert_close(got.double(), exact, rtol=1e-3, atol=1e-3)


@given(st.floats(-4, 4), st.floats(-4, 4), st.floats(0, 2))
def test_nothing_is_likelier_than_the_peak(a, b, variance):
    x = torch.tensor([[a, b]]).double()
    for measurement in (LONGITUDE, BOX, WEST):
        assert measurement.log_likelihood(x, variance) <= measurement.log_peak + 1e-12
    assert_close(LONGITUDE.log_likelihood(torch.tensor([0.2, 5.0])), torch.tensor(LONGITUDE.log_peak))
    assert_close(BOX.log_likelihood(torch.tensor([0.5, 0.0])), torch.tensor(-0.0125), rtol=0.02, atol=0)


def test_variances_broadcast_over_whatever_is_asked():
    x, v = randn(3, 5, 2, generator=stream("x")).double(), torch.tensor([0.1, 0.2, 0.3]).double()
    for measurement in (LONGITUDE, BOX):
        got = measurement.log_likelihood(x, v[:, None])
        assert got.shape == (3, 5)
        for i in range(3):
            assert_close(got[i], measurement.log_likelihood(x[i], float(v[i])))


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Linear([1.0, 0.0], [0.2], 0.3), r"A must be \(M, D\)"),
        (lambda: Linear([[1.0, 0.0]], [0.2, 0.3], 0.3), r"A must be \(M, D\)"),
        (lambda: Linear(torch.empty(0, 2), [], 0.3), r"A must be \(M, D\)"),
        (lambda: Linear([[1.0, math.inf]], [0.2], 0.3), "must be finite"),
        (lambda: Linear([[1.0, 0.0]], [math.nan], 0.3), "must be finite"),
        (lambda: Linear([[1.0, 0.0]], [0.2], 0.0), "width must be .* > 0, got 0.0"),
        (lambda: Box([0.0, 0.0], [1.0, 1.0], -1.0), "width must be .* > 0, got -1.0"),
        (lambda: Box([0.0, 0.0], [1.0, 1.0], math.inf), "width must be"),
        (lambda: Box([0.0], [1.0, 1.0], 0.1), r"must be \(D,\), low below high"),
        (lambda: Box([0.0, 1.0], [1.0, 1.0], 0.1), "low below high"),
        (lambda: Box([0.0, math.nan], [1.0, 1.0], 0.1), "low below high"),
        (lambda: Box([-math.inf] * 2, [math.inf] * 2, 0.1), "says nothing"),
        (lambda: BOX.log_likelihood(torch.zeros(3, 3)), r"\(\.\.\., 2\), got \(3, 3\)"),
        (lambda: LONGITUDE.log_likelihood(torch.zeros(3, 1)), r"\(\.\.\., 2\), got \(3, 1\)"),
        (lambda: LONGITUDE.log_likelihood(torch.tensor(1.0)), r"got \(\)"),
        (lambda: BOX.log_likelihood(torch.zeros(3, 2).long()), "floating-point"),
    ],
)
def test_what_is_refused(make, complaint):
    with pytest.raises(ValueError, match=complaint):
        make()
