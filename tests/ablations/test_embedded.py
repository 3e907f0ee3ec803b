"""STATES in D dimensions: that it is what it says, and that its exact denoiser is exact."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from statesdiff.ablations.embedded import THIN, Embedded, rotation
from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.metrics import emd, mean_distance
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddim_times, last
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=150)


@given(st.integers(2, 40), st.integers(0, 5))
def test_a_rotation_keeps_lengths_angles_and_sides(D, seed):
    q = rotation(D, seed).double()
    assert_close(q @ q.T, torch.eye(D, dtype=torch.float64), atol=1e-6, rtol=0)
    assert float(q.det()) == pytest.approx(1, abs=1e-5)
    assert torch.equal(rotation(D, seed), rotation(D, seed)) and not torch.equal(rotation(D, seed), rotation(D, 6))


def test_rotations_are_uniform_among_all():
    # the first column of a uniform rotation is uniform on the sphere: in 3-D each coordinate is uniform on [-1, 1]
    z = torch.stack([rotation(3, seed)[:, 0] for seed in range(800)])
    assert_close(z.mean(0), torch.zeros(3), atol=4 * math.sqrt(1 / 3 / 800), rtol=0)
    assert_close(z.square().mean(0), torch.full((3,), 1 / 3), atol=4 * math.sqrt(4 / 45 / 800), rtol=0)


@pytest.mark.parametrize("D", [2, 3, 64])
def test_turned_back_the_points_are_states_and_thin_gaussians(D):
    known = Embedded(D, seed=3)
    data = known.draw(400, seed=1)
    u = known.turned_back(data.x)
    assert data.x.shape == (2000, D) and torch.equal(data.y, states(400, seed=1).y)
    assert_close(u[:, :2], states(400, seed=1).x, atol=1e-5, rtol=0)
    rest = u[:, 2:]
    assert_close(rest.square().mean(0).sqrt(), torch.full((D - 2,), THIN), rtol=4 / math.sqrt(2 * 2000), atol=0)
    assert_close(rest.mean(0), torch.zeros(D - 2), atol=4.5 * THIN / math.sqrt(2000), rtol=0)
    assert not torch.equal(known.draw(400, seed=2).x, data.x)
    if D == 64:  # no coordinate shows the plane
        assert data.x.std(0).max() < 0.6 and (known.turn.abs() < 0.6).all()


def test_without_a_rotation_the_first_two_coordinates_are_states():
    assert torch.equal(Embedded(5, seed=None).draw(10).x[:, :2], states(10).x)


def test_in_two_dimensions_it_is_the_ideal_denoiser_turned():
    known = Embedded(2, seed=1)
    x_t, t = randn(50, 2, generator=stream("x")), torch.arange(50) * 3 + 1
    plane = IdealDenoiser(outline_points(4000), SCHEDULE, jitter=JITTER)
    assert_close(known.ideal(SCHEDULE)(x_t, t), plane(x_t @ known.turn, t) @ known.turn.T)
    flat = Embedded(2, seed=None).ideal(SCHEDULE)
    assert_close(flat(x_t, t), plane(x_t, t))


@settings(max_examples=10)
@given(st.integers(2, 6), st.integers(1, 150))
def test_it_is_the_gradient_of_the_density(D, t):
    """The density of x_t written down whole, a mixture of Gaussians with one covariance; autograd does the rest."""
    known = Embedded(D, seed=2)
    a, x_t = float(SCHEDULE.alpha_bar[t]), randn(6, D, generator=stream("x"))
    centres = torch.cat([outline_points(4000), torch.zeros(4000, D - 2)], dim=1).double() @ known.turn.double().T
    spread = torch.tensor([JITTER**2] * 2 + [THIN**2] * (D - 2), dtype=torch.float64)
    turn = known.turn.double()
    precision = turn @ torch.diag(1 / (a * spread + 1 - a)) @ turn.T
    x = x_t.double().requires_grad_()
    away = x[:, None] - math.sqrt(a) * centres
    log_p = (-0.5 * (away @ precision * away).sum(2)).logsumexp(1)
    (gradient,) = torch.autograd.grad(log_p.sum(), x)
    score = SCHEDULE.score(known.ideal(SCHEDULE)(x_t, t), t)
    assert_close(score.double(), gradient, rtol=2e-3, atol=2e-3 * float(gradient.abs().max()))


def test_sampling_with_it_draws_the_distribution():
    known, schedule = Embedded(16), NoiseSchedule.linear()
    x_T, times = randn(300, 16, generator=stream("x_T")), ddim_times(500, 100)
    u = known.turned_back(last(ddim(known.ideal(schedule), schedule, x_T, steps=100)))
    assert mean_distance(u[:, :2], outline_points()) < 0.02 and emd(u[:, :2], states(60, seed=1).x) < 0.3
    # what the steps make of a Gaussian coordinate is a number times it: the product of a factor a step
    a = schedule.alpha_bar
    noise = (1 - a).sqrt() / (a * THIN**2 + 1 - a)
    shrinks = [
        float((a[s] / a[t]).sqrt() * (1 - (1 - a[t]).sqrt() * noise[t]) + (1 - a[s]).sqrt() * noise[t])
        for t, s in zip(times, times[1:], strict=False)
    ]
    assert_close(u[:, 2:], math.prod(shrinks) * known.turned_back(x_T)[:, 2:], rtol=1e-3, atol=1e-4)
    assert math.prod(shrinks) == pytest.approx(THIN, rel=0.12)


@pytest.mark.parametrize("D", [1, 0, -3])
def test_too_few_dimensions_are_refused(D):
    with pytest.raises(ValueError, match=f"D must be at least 2, which STATES needs, got {D}"):
        Embedded(D)
