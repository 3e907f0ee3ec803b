"""Flow time, straight lines and velocities: against Gaussians, by hand, and against what a density has to obey."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from statesdiff.data import JITTER, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.models import Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.velocity import (
    ExactVelocity,
    VelocityNetwork,
    flow_time,
    from_flow,
    nearest_t,
    of_rows,
    straight,
    to_flow,
)

SCHEDULES = {
    "linear": NoiseSchedule.linear(T=50, beta_1=0.001, beta_T=0.3),
    "cosine": NoiseSchedule.cosine(T=50),
    "one step": NoiseSchedule(torch.tensor([0, 0.4])),
}
schedules = st.sampled_from(sorted(SCHEDULES)).map(SCHEDULES.get)
flow_times = st.floats(0, 1)


def gaussian_velocity(x, s, mean, variance):
    """E[x_0 - eps | x_s] for x_0 ~ N(mean, variance) in each coordinate."""
    return mean + (s * variance - (1 - s)) / (s**2 * variance + (1 - s) ** 2) * (x - s * mean)


# The lines


@given(flow_times)
def test_the_line_runs_from_noise_to_data(s):
    x_0, eps = randn(6, 2, generator=stream("x")), randn(6, 2, generator=stream("e"))
    torch.testing.assert_close(straight(x_0, eps, s), s * x_0 + (1 - s) * eps)
    assert torch.equal(straight(x_0, eps, 0.0), eps) and torch.equal(straight(x_0, eps, 1.0), x_0)


def test_each_row_has_its_own_time_in_any_shape():
    x_0, eps, s = torch.ones(3, 2, 4), torch.zeros(3, 2, 4), torch.tensor([0.0, 0.25, 1.0])
    assert straight(x_0, eps, s)[:, 1, 2].tolist() == [0.0, 0.25, 1.0]
    assert of_rows(s, x_0.double()).dtype == torch.float64 and of_rows(0.5, x_0).ndim == 0


@pytest.mark.parametrize("s", [-0.01, 1.01, math.nan, torch.tensor([0.5, 1.5, 0.1])])
def test_a_time_outside_is_refused(s):
    with pytest.raises(ValueError, match=r"s must lie in \[0, 1\]"):
        straight(torch.zeros(3, 2), torch.zeros(3, 2), s)


@pytest.mark.parametrize("s", [torch.tensor(60), torch.tensor([1, 2, 3]), torch.tensor(True)])
def test_an_integer_time_is_taken_for_what_it_is(s):
    with pytest.raises(TypeError, match="is it a time t"):
        straight(torch.zeros(3, 2), torch.zeros(3, 2), s)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (1, 3)])
def test_as_many_times_as_rows(shape):
    with pytest.raises(ValueError, match="one entry for each of the 3 rows"):
        straight(torch.zeros(3, 2), torch.zeros(3, 2), torch.full(shape, 0.5))


def test_noise_of_another_shape_is_refused():
    with pytest.raises(ValueError, match="eps must have the shape of x_0"):
        straight(torch.zeros(3, 2), torch.zeros(3, 1), 0.5)


# The two clocks


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_flow_time_is_the_share_of_the_signal(schedule):
    signal, noise = schedule.alpha_bar.sqrt(), (1 - schedule.alpha_bar).sqrt()
    s = flow_time(schedule)
    torch.testing.assert_close(s, signal / (signal + noise))
    assert s[0] == 1 and (s.diff() < 0).all() and s[-1] > 0


@given(schedules, st.data())
def test_a_noisy_point_is_a_point_of_the_line(schedule, data):
    t = data.draw(st.integers(0, schedule.T))
    x_0, eps = randn(5, 2, generator=stream("x", t)).double(), randn(5, 2, generator=stream("e", t)).double()
    x_t, x_s = schedule.q_sample(x_0, t, eps), straight(x_0, eps, flow_time(schedule)[t])
    torch.testing.assert_close(to_flow(schedule, x_t, t), x_s)
    torch.testing.assert_close(from_flow(schedule, x_s, t), x_t)


def test_the_scales_take_a_time_for_each_row():
    schedule, x = SCHEDULES["linear"], randn(3, 2, generator=stream("x"))
    t = torch.tensor([0, 7, 50])
    for f in (to_flow, from_flow):
        torch.testing.assert_close(
            f(schedule, x, t), torch.stack([f(schedule, x[i : i + 1], int(t[i]))[0] for i in range(3)])
        )
    with pytest.raises(TypeError, match="t must be an integer"):
        to_flow(schedule, x, 0.5)


@given(schedules, st.data())
def test_the_nearest_t_is_the_nearest(schedule, data):
    times = flow_time(schedule)
    s = data.draw(st.floats(float(times[-1]), 1))
    t = int(nearest_t(schedule, s))
    assert 1 <= t <= schedule.T
    assert abs(times[t] - s) <= (times[1:] - s).abs().min() + 1e-12


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_on_the_schedule_the_clocks_agree_even_in_float32(schedule):
    s = flow_time(schedule)[1:]
    assert nearest_t(schedule, s).tolist() == nearest_t(schedule, s.float()).tolist() == list(range(1, schedule.T + 1))
    assert nearest_t(schedule, 1.0) == 1


def test_more_noise_than_the_schedule_has_is_refused():
    with pytest.raises(ValueError, match="no more noise than at s = 0.0"):
        nearest_t(NoiseSchedule.linear(), 0.05)
    with pytest.raises(ValueError, match="got s = 0"):
        nearest_t(NoiseSchedule.linear(), torch.tensor([0.5, 0.0]))


# The exact velocity


@pytest.mark.parametrize("s", [0.0, 1e-9, 0.1, 0.5, 0.9, 0.9999, 1.0])
@pytest.mark.parametrize("width", [0.2, 1.0, 3.0])
def test_one_point_with_jitter_is_a_gaussian(s, width):
    mean = torch.tensor([0.7, -0.4], dtype=torch.float64)
    x = randn(20, 2, generator=stream("x")).double()
    got = ExactVelocity(mean[None], width)(x, s)
    torch.testing.assert_close(got, gaussian_velocity(x, s, mean, width**2), rtol=1e-5, atol=1e-6)


@given(st.floats(0.05, 0.95))
def test_two_points_by_hand(s):
    data, x = torch.tensor([[-1.0], [1.0]], dtype=torch.float64), torch.linspace(-2, 2, 9, dtype=torch.float64)[:, None]
    weights = (-0.5 * ((x - s * data.T) / (1 - s)).square()).softmax(dim=1)
    by_hand = ((data.T - (x - s * data.T) / (1 - s)) * weights).sum(dim=1, keepdim=True)
    torch.testing.assert_close(ExactVelocity(data)(x, s), by_hand, rtol=1e-6, atol=1e-6)


def test_rows_may_have_times_of_their_own_the_ends_among_them():
    exact, x = ExactVelocity(outline_points(200), JITTER), randn(6, 2, generator=stream("x"))
    s = torch.tensor([0.5, 0.0, 0.2, 1.0, 0.5, 0.97])
    one_by_one = torch.cat([exact(x[i : i + 1], float(s[i])) for i in range(6)])
    torch.testing.assert_close(exact(x, s), one_by_one, rtol=1e-4, atol=1e-4)


def test_at_the_start_it_points_to_the_mean_and_at_the_end_away_from_the_origin():
    exact, x = ExactVelocity(outline_points(200), JITTER), randn(4, 2, generator=stream("x"))
    torch.testing.assert_close(exact(x, 0.0), outline_points(200).mean(dim=0) - x)
    torch.testing.assert_close(exact(x, 1.0), x)


def test_density_is_neither_made_nor_lost_on_the_way():
    """d p/d s + div(p u) = 0, by central differences of the exact density and the exact velocity."""
    data, h = outline_points(100).double(), 1e-4
    exact, x = ExactVelocity(data, 0.3), randn(50, 2, generator=stream("x")).double()

    def density(x, s):
        schedule = NoiseSchedule.from_log_snr(torch.tensor([2 * math.log(s / (1 - s))]))
        c = math.sqrt(s**2 + (1 - s) ** 2)
        return IdealDenoiser(data, schedule, 0.3).log_density(x / c, 1).exp() / c**2

    for s in (0.2, 0.5, 0.8):
        change = (density(x, s + h) - density(x, s - h)) / (2 * h)
        flux = 0
        for axis in torch.eye(2, dtype=torch.float64):
            ahead, behind = x + h * axis, x - h * axis
            outflow = density(ahead, s)[:, None] * exact(ahead, s) - density(behind, s)[:, None] * exact(behind, s)
            flux = flux + (outflow @ axis) / (2 * h)
        assert change.abs().max() > 0.01
        torch.testing.assert_close(change, -flux, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("data", [torch.zeros(0, 2), torch.zeros(3), torch.full((2, 2), math.nan)])
def test_the_exact_velocity_needs_points(data):
    with pytest.raises(ValueError, match="data must be a non-empty"):
        ExactVelocity(data)
    with pytest.raises(ValueError, match="jitter"):
        ExactVelocity(torch.zeros(2, 2), -1.0)


# The network


def test_a_network_without_an_opinion_starts_from_the_right_ends():
    net = init(Denoiser.fourier, generator=stream("init"))
    with torch.no_grad():
        for p in net.net[-1].parameters():
            p.zero_()
    x = randn(4, 2, generator=stream("x"))
    for s in (0.0, 0.3, 1.0):
        torch.testing.assert_close(VelocityNetwork(net)(x, s), (2 * s - 1) * x)


def test_the_network_reads_the_clock_backwards():
    net = init(Denoiser.fourier, T=100, generator=stream("init"))
    x, s = randn(3, 2, generator=stream("x")), torch.tensor([0.0, 0.25, 1.0])
    want = s[:, None] * x - net(x, torch.tensor([100, 75, 0]))
    torch.testing.assert_close(VelocityNetwork(net)(x, s), want)
    torch.testing.assert_close(VelocityNetwork(net)(x, 0.25)[1], want[1])
    torch.testing.assert_close(VelocityNetwork(net)(x[:1], torch.tensor([0.0])), want[:1])
