"""The Bayes floor: the smallest loss of any network, in closed form where there is one."""

import math

import pytest
import torch
from torch.testing import assert_close

from statesdiff.exact import IdealDenoiser, bayes_loss, loss_per_t
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=100, beta_1=1e-4, beta_T=0.1)
DATA = randn(40, 2, generator=stream("data"))


def test_the_floor_of_one_data_point_is_zero():
    floor = bayes_loss(torch.tensor([[0.5, 2.0]]), SCHEDULE, range(1, 101), generator=stream("floor"))
    assert (
        floor.shape == (100,) and floor.max() < 1e-8
    )  # float32: (rounding of x_t) / sqrt(1 - alpha_bar_1 = 1e-4), squared


def test_the_floor_of_gaussian_data_is_alpha_bar():
    # x_0 ~ N(0, 1): E[eps | x_t] = sqrt(1 - alpha_bar) x_t, and what is left of eps has the variance alpha_bar.
    # A finite set looks Gaussian while its points lie closer than the noise: 10,000 points on a line do from t = 10.
    data = randn(10_000, 1, generator=stream("data"))
    times = [10, 40, 100]
    n = 2000
    floor = bayes_loss(data, SCHEDULE, times, n=n, generator=stream("floor"))
    for t, value in zip(times, floor, strict=True):
        # the remainder is Gaussian, so its square has the relative standard error sqrt(2 / n) = 3.2%: four of them
        assert float(value) == pytest.approx(float(SCHEDULE.alpha_bar[t]), rel=4 * math.sqrt(2 / n))


def test_no_predictor_beats_the_floor_on_the_same_noise():
    times = [1, 10, 30, 60, 100]
    x_0 = DATA[torch.randint(40, (3000,), generator=stream("rows"))]
    floor = loss_per_t(IdealDenoiser(DATA, SCHEDULE), x_0, SCHEDULE, times, generator=stream("eps"))
    ideal = IdealDenoiser(DATA, SCHEDULE)
    for other in (
        lambda x, t: torch.zeros_like(x),
        lambda x, t: 0.9 * ideal(x, t),
        lambda x, t: ideal(x, t) + 0.1,
        IdealDenoiser(DATA + 0.05, SCHEDULE),
    ):
        assert (loss_per_t(other, x_0, SCHEDULE, times, generator=stream("eps")) > floor).all()


def test_loss_per_t_by_hand():
    x_0 = randn(50, 2, generator=stream("data"))
    eps = randn(50, 2, generator=stream("eps"))
    got = loss_per_t(lambda x, t: 0.5 * x, x_0, SCHEDULE, [3, 70], generator=stream("eps"))
    want = [(eps - 0.5 * SCHEDULE.q_sample(x_0, t, eps)).square().mean() for t in (3, 70)]
    assert_close(got, torch.stack(want))


def test_loss_per_t_takes_no_gradients():
    weight = torch.ones(1, requires_grad=True)
    assert not loss_per_t(lambda x, t: weight * x, DATA, SCHEDULE, [1], generator=stream("eps")).requires_grad


def test_the_floor_needs_at_least_one_draw():
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        bayes_loss(DATA, SCHEDULE, [1], n=0)
