"""The ordinary equation: DDIM's step, the order of each solver, Gaussians in closed form, scipy's integrator."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch import nn
from torch.testing import assert_close

from statesdiff.exact import IdealDenoiser
from statesdiff.models import Denoiser
from statesdiff.probability_flow import decode, encode, follow, is_whole, log_snr_times
from statesdiff.rng import stream
from statesdiff.samplers import ddim
from statesdiff.schedule import NoiseSchedule
from tests.support import small

LINEAR = NoiseSchedule.linear(T=60, beta_1=1e-3, beta_T=0.15)
EVEN = NoiseSchedule.from_log_snr(torch.linspace(6, -14, 20_000, dtype=torch.float64), "even")  # in log-SNR
COV, MEAN = torch.tensor([[0.5, 0.3], [0.3, 0.9]], dtype=torch.float64), torch.tensor([0.4, -1.0], dtype=torch.float64)


class Gaussian:
    """The exact predictor of data N(MEAN, COV), and where its ordinary equation leads: deviations grow as the noise."""

    def __init__(self, schedule):
        self.schedule, self.T = schedule, schedule.T

    def __call__(self, x, t):
        ab = self.schedule.alpha_bar[int(t)]
        inverse = torch.linalg.inv(ab * COV + (1 - ab) * torch.eye(2))
        return (1 - ab).sqrt() * (x - ab.sqrt() * MEAN) @ inverse

    def growth(self, t, s):
        """The matrix by which u - MEAN is multiplied from t to s."""
        scale, axes = torch.linalg.eigh(COV)
        level = self.schedule.noise_level
        return axes @ torch.diag(((scale + level[s] ** 2) / (scale + level[t] ** 2)).sqrt()) @ axes.T

    def carried(self, x, t, s):
        root = self.schedule.alpha_bar.sqrt()
        return root[s] * (MEAN + (x / root[t] - MEAN) @ self.growth(t, s))


def points(n=6, dtype=torch.float64):
    return torch.randn(n, 2, generator=stream("data"), dtype=dtype)


# Times


@given(st.integers(1, 70), st.integers(1, 59), st.sampled_from([LINEAR, NoiseSchedule.cosine(60)]))
def test_times_rise_from_t_to_T_in_as_many_steps_as_asked_for(steps, t, schedule):
    times = log_snr_times(schedule, steps, t)
    assert times[0] == t and times[-1] == 60 and all(a < b for a, b in zip(times, times[1:], strict=False))
    assert len(times) == min(steps, 60 - t) + 1


def test_times_are_even_where_there_are_enough():
    gaps = -EVEN.log_snr[log_snr_times(EVEN, 50)].diff()
    assert_close(gaps, gaps.mean().expand(50), rtol=0.01, atol=0)
    linear = NoiseSchedule.linear()
    times = log_snr_times(linear, 200)
    gaps = -linear.log_snr[times].diff()
    single = torch.tensor(times).diff() == 1
    assert gaps[~single].max() < 2 * gaps[~single].median()  # even, as far as whole times allow
    assert gaps[single][:10].min() > gaps[~single].max()  # the first times lie apart: each is visited


@pytest.mark.parametrize(
    ("steps", "t", "error"),
    [(0, 1, ValueError), (5, 0, ValueError), (5, 60, ValueError), (5.0, 1, TypeError), (5, True, TypeError)],
)
def test_bad_times_are_refused(steps, t, error):
    with pytest.raises(error, match="whole numbers" if error is TypeError else "1 <= t < T = 60 and steps >= 1"):
        log_snr_times(LINEAR, steps, t)


def test_a_bool_is_no_number():
    assert is_whole(3) and not is_whole(True) and not is_whole(3.0)


# The way


@pytest.mark.parametrize("steps", [1, 7, 59])
def test_the_first_order_is_ddim(steps):
    predictor = small(T=60)
    x_T = torch.randn(20, 2, generator=stream("start"))
    times = log_snr_times(LINEAR, steps)[::-1]
    ours = decode(predictor, LINEAR, x_T, steps=steps, order=1)
    *_, x_1, _ = ddim(predictor, LINEAR, x_T, steps=[*times, 0])
    assert_close(ours, x_1, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("t", [1, 9000])
@pytest.mark.parametrize("order", [2, 3])
def test_a_gaussian_goes_where_the_closed_form_says(t, order):
    predictor, x = Gaussian(EVEN), points()
    x_T = encode(predictor, EVEN, x, t=t, steps=400, order=order)
    assert_close(x_T, predictor.carried(x, t, EVEN.T), rtol=1e-4, atol=1e-4)
    assert_close(decode(predictor, EVEN, x_T, t=t, steps=400, order=order), x, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("forth", [True, False])
def test_the_error_falls_with_the_order(order, forth):
    predictor, x = Gaussian(EVEN), points()
    way, goal = (encode, predictor.carried(x, 1, EVEN.T)) if forth else (decode, predictor.carried(x, EVEN.T, 1))
    counts = np.array([50, 100, 200])
    errors = [float((way(predictor, EVEN, x, steps=int(n), order=order) - goal).norm()) for n in counts]
    slope = np.polyfit(np.log(counts), np.log(errors), 1)[0]
    assert abs(-slope - order) < 0.2, (slope, errors)


def test_scipys_integrator_goes_the_same_way():
    origins = torch.tensor([[-1.0, 0.2], [0.8, 0.5], [0.3, -1.1]], dtype=torch.float64)
    x, level = points(1), EVEN.noise_level

    def slope(s, u):  # E[noise | u] of a mixture of three, each of deviation 0.3, in numpy
        apart = u - origins.numpy()
        weights = np.exp(-(apart**2).sum(1) / 2 / (s**2 + 0.09))
        return s * (weights[:, None] * apart).sum(0) / weights.sum() / (s**2 + 0.09)

    u = (x / EVEN.alpha_bar[1].sqrt())[0].numpy()
    ends = float(level[1]), float(level[-1])
    theirs = solve_ivp(slope, ends, u, method="DOP853", rtol=1e-10, atol=1e-12).y[:, -1]
    ours = encode(IdealDenoiser(origins, EVEN, jitter=0.3), EVEN, x, steps=1000, order=3)
    assert_close(ours[0].numpy(), theirs * float(EVEN.alpha_bar[-1]) ** 0.5, rtol=1e-5, atol=1e-5)


@given(st.integers(1, 40), st.sampled_from([1, 2, 3]), st.sampled_from([1, -1]))
def test_polynomials_up_to_the_order_are_followed_exactly(steps, order, direction):
    steps *= 2 if order == 3 else 1  # Kutta's steps take two
    times = log_snr_times(EVEN, steps + 40)[::direction]
    level, start = EVEN.noise_level, torch.zeros(1, 1, dtype=torch.float64)
    y = follow(lambda y, t: level[t] ** (order - 1) + 0 * y, EVEN, start, times, order)
    assert_close(float(y), float(level[times[-1]] ** order - level[times[0]] ** order) / order, rtol=1e-9, atol=1e-12)


def test_a_step_left_over_and_one_that_kutta_cannot_take_are_heuns():
    start = torch.ones(1, 1, dtype=torch.float64)
    for times in ([1, 2], [1, 30, 60], [60, 59, 20]):  # the last: the middle lies near or beyond two thirds of the way
        if times == [1, 30, 60]:
            times = [60, 20, 1]
        two = follow(lambda y, t: LINEAR.noise_level[t] - 0.1 * y, LINEAR, start, times, 2)
        three = follow(lambda y, t: LINEAR.noise_level[t] - 0.1 * y, LINEAR, start, times, 3)
        level = LINEAR.noise_level[times]
        middle = float((level[1] - level[0]) / (level[-1] - level[0]))
        assert torch.equal(two, three) == (len(times) == 2 or middle >= 0.6), (times, middle)


def test_images_keep_their_shape():
    x = torch.randn(3, 1, 4, 4, generator=stream("data"))
    assert encode(lambda x, t: 0.3 * x, LINEAR, x, steps=5).shape == x.shape


# Manners


class Dropping(nn.Module):
    T = 60

    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 8), nn.Dropout(0.5), nn.Linear(8, 2))

    def forward(self, x, t):
        return self.net(x)


class Holding:
    def __init__(self, network):
        self.predictor = network

    def __call__(self, x, t):
        return self.predictor(x, t)


@pytest.mark.parametrize("wrap", [lambda network: network, Holding])
def test_nothing_is_dropped_on_the_way_and_modes_are_what_they_were(wrap):
    network = Dropping()
    network.net[2].eval()
    before = [module.training for module in network.modules()]
    x = points(dtype=torch.float32)
    a, b = (encode(wrap(network), LINEAR, x, steps=3) for _ in range(2))
    assert torch.equal(a, b) and not a.requires_grad
    assert [module.training for module in network.modules()] == before
    with pytest.raises(RuntimeError):
        encode(wrap(network), LINEAR, torch.ones(2, 3), steps=3)
    assert [module.training for module in network.modules()] == before


def test_the_callers_points_stay_as_they_are():
    x = points()
    kept = x.clone()
    encode(Gaussian(LINEAR), LINEAR, x, steps=3)
    decode(Gaussian(LINEAR), LINEAR, x, steps=3)
    assert torch.equal(x, kept)


@pytest.mark.parametrize("way", [encode, decode])
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"x": [[0.0, 1.0]]}, ValueError, "got list"),
        ({"x": torch.zeros(3)}, ValueError, r"shape \(B, ...\), not empty, got \(3,\) torch.float32"),
        ({"x": torch.zeros(0, 2)}, ValueError, "not empty"),
        ({"x": torch.zeros(3, 2, dtype=torch.int64)}, ValueError, "floating-point"),
        ({"x": torch.full((3, 2), torch.nan)}, FloatingPointError, "not finite"),
        ({"x": torch.zeros(3, 2, dtype=torch.float64)}, ValueError, "must be torch.float32"),
        ({"order": 4}, ValueError, "order must be 1, 2 or 3, got 4"),
        ({"order": True}, ValueError, "order must be 1, 2 or 3"),
        ({"steps": 0}, ValueError, "steps = 0"),
        ({"steps": 2.5}, TypeError, "whole numbers"),
        ({"t": 0}, ValueError, "t = 0"),
        ({"t": 60}, ValueError, "T = 60"),
        ({"predictor": Denoiser(T=10)}, ValueError, "built for T = 10"),
        ({"predictor": lambda x, t: x[:, :1]}, ValueError, r"returned shape \(3, 1\) for x_t of shape \(3, 2\)"),
        ({"predictor": lambda x, t: x / 0}, FloatingPointError, "stopped being finite at t = "),
    ],
)
def test_bad_input_is_refused(way, change, error, words):
    given = {"predictor": small(T=60), "x": torch.zeros(3, 2), "steps": 3} | change
    with pytest.raises(error, match=words):
        way(given.pop("predictor"), LINEAR, given.pop("x"), **given)


def test_times_may_be_given():
    x = points()
    times = log_snr_times(LINEAR, 9)
    assert log_snr_times(LINEAR, times) == times and log_snr_times(LINEAR, tuple(times)) == times
    assert torch.equal(encode(Gaussian(LINEAR), LINEAR, x, steps=times), encode(Gaussian(LINEAR), LINEAR, x, steps=9))
    assert torch.equal(decode(Gaussian(LINEAR), LINEAR, x, steps=times), decode(Gaussian(LINEAR), LINEAR, x, steps=9))


@pytest.mark.parametrize(
    ("times", "t", "error"),
    [
        ([], 1, ValueError),
        ([60], 60, ValueError),
        ([1, 30], 1, ValueError),
        ([2, 60], 1, ValueError),
        ([0, 60], 0, ValueError),
        ([1, 30, 30, 60], 1, ValueError),
        ([60, 1], 60, ValueError),
        ([1, 2.0, 60], 1, TypeError),
    ],
)
def test_bad_lists_of_times_are_refused(times, t, error):
    with pytest.raises(error, match="whole numbers" if error is TypeError else "steps must rise strictly from t = "):
        log_snr_times(LINEAR, times, t)
