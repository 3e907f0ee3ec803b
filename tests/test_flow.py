"""Converters, training, coupling and Euler's steps: closed forms, scipy and diffusers as oracles, and bad input."""

import math
from itertools import islice

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad, solve_ivp
from scipy.optimize import linear_sum_assignment
from torch import nn

from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.flow import (
    NoiseOf,
    VelocityOf,
    euler_flow,
    euler_times,
    optimal_pairs,
    straightness,
    train_flow,
    uniform_s,
)
from statesdiff.models import Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import adam, constant
from statesdiff.velocity import ExactVelocity, VelocityNetwork, flow_time, straight, to_flow
from tests.test_velocity import gaussian_velocity

SCHEDULE = NoiseSchedule.linear(T=50, beta_1=0.002, beta_T=0.3)
DATA = outline_points(200)
IDEAL, EXACT = IdealDenoiser(DATA, SCHEDULE, JITTER), ExactVelocity(DATA, JITTER)


# Converters: one object in two notations


@settings(max_examples=30)
@given(st.integers(1, 50))
def test_the_exact_denoiser_is_the_exact_velocity(t):
    x_t, s = randn(5, 2, generator=stream("x", t)), flow_time(SCHEDULE)[t]
    x_s = to_flow(SCHEDULE, x_t, t)
    torch.testing.assert_close(VelocityOf(IDEAL, SCHEDULE)(x_s, s), EXACT(x_s, s), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(NoiseOf(EXACT, SCHEDULE)(x_t, t), IDEAL(x_t, t), rtol=1e-3, atol=1e-3)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_there_and_back(times):
    t = torch.tensor(times)
    x_t = randn(len(t), 2, generator=stream("x")).double()
    model = init(Denoiser.fourier, T=50, generator=stream("init")).double()
    with torch.no_grad():
        again = NoiseOf(VelocityOf(model, SCHEDULE), SCHEDULE)(x_t, t)
        torch.testing.assert_close(again, model(x_t, t))
        velocity, s, x_s = VelocityNetwork(model), flow_time(SCHEDULE)[t], to_flow(SCHEDULE, x_t, t)
        torch.testing.assert_close(VelocityOf(NoiseOf(velocity, SCHEDULE), SCHEDULE)(x_s, s), velocity(x_s, s))


def test_between_the_times_of_a_fine_schedule_little_is_lost():
    fine = NoiseSchedule.linear_matched(T=20_000)
    velocity, x = VelocityOf(IdealDenoiser(DATA, fine, 0.3), fine), randn(50, 2, generator=stream("x"))
    for s in (0.1, 0.333, 0.7, 0.95):
        torch.testing.assert_close(velocity(x, s), ExactVelocity(DATA, 0.3)(x, s), rtol=0, atol=0.01)


def test_a_noise_predictor_of_a_flow_says_its_T_and_may_be_asked_at_zero():
    noise = NoiseOf(EXACT, SCHEDULE)
    assert noise.T == 50
    x = randn(3, 2, generator=stream("x"))
    torch.testing.assert_close(noise(x, 0), torch.zeros(3, 2))


def test_a_predictor_of_another_schedule_is_refused():
    with pytest.raises(ValueError, match="built for T = 50"):
        VelocityOf(IDEAL, NoiseSchedule.linear(T=60))


def test_where_the_schedule_has_no_noise_left_to_name_there_is_no_velocity():
    with pytest.raises(ValueError, match="no more noise than at s = "):
        VelocityOf(IDEAL, SCHEDULE)(torch.zeros(2, 2), 0.0)
    with pytest.raises(TypeError, match="is it a time t"):
        VelocityOf(IDEAL, SCHEDULE)(torch.zeros(2, 2), torch.tensor(3))


@settings(max_examples=30)
@given(st.lists(st.integers(1, 50), min_size=1, max_size=8, unique=True))
def test_a_ddim_step_is_an_euler_step(times):
    times = [*sorted(times, reverse=True), 0]
    x_T = randn(20, 2, generator=stream("x"))
    by_ddim = list(ddim(IDEAL, SCHEDULE, x_T, steps=times))
    start, s = to_flow(SCHEDULE, x_T, times[0]), flow_time(SCHEDULE)[times].tolist()
    for velocity in (VelocityOf(IDEAL, SCHEDULE), EXACT):
        for t, x_t, x_s in zip(times, by_ddim, euler_flow(velocity, start, steps=s), strict=True):
            torch.testing.assert_close(to_flow(SCHEDULE, x_t, t), x_s, rtol=1e-3, atol=1e-3)


def test_a_velocity_drives_ancestral_sampling_too():
    x_T = randn(20, 2, generator=stream("x"))
    ours, theirs = (
        last(ddpm(predictor, SCHEDULE, x_T, generator=stream("z"))) for predictor in (NoiseOf(EXACT, SCHEDULE), IDEAL)
    )
    torch.testing.assert_close(ours, theirs, rtol=1e-2, atol=1e-2)


# Euler's steps


@given(st.integers(1, 60), st.floats(0, 0.99))
def test_even_times_rise_from_the_start_to_one(steps, start):
    times = euler_times(steps, start)
    assert len(times) == steps + 1 and times[0] == start and times[-1] == 1
    np.testing.assert_allclose(np.diff(times), (1 - start) / steps)


@given(st.lists(st.floats(0, 0.999), min_size=1, max_size=6, unique=True))
def test_rising_times_are_kept(times):
    times = [*sorted(times), 1]
    assert euler_times(times) == times
    assert len(list(euler_flow(EXACT, torch.zeros(2, 2), steps=times))) == len(times)


@pytest.mark.parametrize(
    ("steps", "start", "complaint"),
    [
        (0, 0.0, "steps >= 1"),
        (5, 1.0, "start < 1"),
        (5, -0.1, "0 <= start"),
        ([0.0], 0, "rise strictly"),
        ([0.0, 0.5], 0, "up to 1"),
        ([0.0, 0.5, 0.5, 1.0], 0, "rise strictly"),
        ([1.0, 0.5, 0.0], 0, "rise strictly"),
        ([-0.1, 1.0], 0, "at least 0"),
        ([0.0, math.nan, 1.0], 0, "rise strictly"),
    ],
)
def test_bad_times_are_refused(steps, start, complaint):
    with pytest.raises(ValueError, match=complaint):
        list(euler_flow(EXACT, torch.zeros(2, 2), steps=steps, start=start))


def test_the_flow_of_a_gaussian_ends_where_optimal_transport_would_send_it():
    """N(0, 1) to N(m, v) in each coordinate: the map is m + sqrt(v) x, and Euler's error falls with the step."""
    mean, v = torch.tensor([1.0, -0.5], dtype=torch.float64), torch.tensor([4.0, 0.25], dtype=torch.float64)
    x = randn(30, 2, generator=stream("x")).double()
    errors = []
    for steps in (100, 200, 400):
        end = last(euler_flow(lambda x, s: gaussian_velocity(x, s, mean, v), x, steps=steps))
        errors.append(float((end - (mean + v.sqrt() * x)).abs().max()))
    assert errors[-1] < 0.02
    np.testing.assert_allclose(np.divide(errors[:-1], errors[1:]), 2, rtol=0.1)


def test_scipy_follows_the_exact_velocity_to_the_same_points():
    exact, x = ExactVelocity(DATA.double(), 0.3), randn(5, 2, generator=stream("x")).double()

    def rate(s, flat):
        return exact(torch.from_numpy(flat).reshape(5, 2), min(s, 1.0)).flatten().numpy()

    solved = solve_ivp(rate, (0, 1), x.flatten().numpy(), rtol=1e-8, atol=1e-8).y[:, -1].reshape(5, 2)
    errors = [np.abs(last(euler_flow(exact, x, steps=n)).numpy() - solved).max() for n in (200, 400)]
    assert errors[1] < 0.02 and errors[0] / errors[1] == pytest.approx(2, rel=0.2)


def test_diffusers_takes_the_same_steps():
    times = [0.0, 0.2, 0.5, 0.9, 1.0]
    scheduler = FlowMatchEulerDiscreteScheduler()
    scheduler.set_timesteps(sigmas=[1 - s for s in times[:-1]])
    x = randn(10, 2, generator=stream("x"))
    ours = list(euler_flow(EXACT, x, steps=times))
    for s, t, want in zip(times, scheduler.timesteps, ours[1:], strict=False):
        x = scheduler.step(-EXACT(x, s), t, x).prev_sample  # their clock runs from 0, data, to 1, noise
        torch.testing.assert_close(x, want, rtol=1e-3, atol=1e-3)


def test_one_step_from_noise_ends_on_the_mean_whatever_the_start():
    end = last(euler_flow(EXACT, randn(20, 2, generator=stream("x")), steps=1))
    torch.testing.assert_close(end, DATA.mean(dim=0).expand(20, 2), rtol=0, atol=1e-5)


def test_a_velocity_of_the_wrong_shape_is_named():
    with pytest.raises(ValueError, match=r"has shape \(2, 1\) for x of shape \(2, 2\)"):
        list(euler_flow(lambda x, s: x[:, :1], torch.zeros(2, 2)))


def test_an_explosion_is_reported_where_it_happens():
    with pytest.raises(FloatingPointError, match="at s = 0.5"):
        list(euler_flow(lambda x, s: x / (0.25 - s), torch.ones(2, 2), steps=4))


def test_sampling_keeps_no_graph():
    model = VelocityNetwork(init(Denoiser, hidden=(8,), generator=stream("init")))
    assert not last(euler_flow(model, torch.zeros(2, 2), steps=2)).requires_grad


# Straightness


def test_straight_lines_at_constant_speed_have_none():
    x_0, eps, times = randn(9, 2, generator=stream("x")), randn(9, 2, generator=stream("e")), [0.0, 0.1, 0.7, 1.0]
    assert straightness([straight(x_0, eps, s) for s in times], times) == pytest.approx(0, abs=1e-10)


def test_straightness_of_a_gaussian_flow_is_an_integral():
    """x_s = w(s) x with w^2 = 4 s^2 + (1 - s)^2, so that the integral of (w(1) - w(0) - w')^2 times E x^2 is meant."""
    times = np.linspace(0, 1, 2001)
    w = np.sqrt(4 * times**2 + (1 - times) ** 2)
    path = [torch.full((3, 1), float(v)).double() for v in w]
    slope = lambda s: (4 * s - (1 - s)) / math.sqrt(4 * s**2 + (1 - s) ** 2)  # noqa: E731
    assert straightness(path, times.tolist()) == pytest.approx(quad(lambda s: (1 - slope(s)) ** 2, 0, 1)[0], rel=1e-4)


@pytest.mark.parametrize(("n", "times"), [(1, [0.0]), (2, [0.0, 0.5, 1.0]), (3, [0.0, 1.0])])
def test_a_path_has_a_time_for_each_set(n, times):
    with pytest.raises(ValueError, match="at least 2 times"):
        straightness([torch.zeros(2, 2)] * n, times)


# Couplings


def test_the_coupling_is_the_best_assignment():
    x_0, eps = randn(60, 2, generator=stream("x")), randn(60, 2, generator=stream("e"))
    paired = optimal_pairs(x_0, eps)
    assert sorted(map(tuple, paired.tolist())) == sorted(map(tuple, eps.tolist()))
    cost = torch.cdist(x_0, eps).square().numpy()
    rows, columns = linear_sum_assignment(cost)
    assert float((x_0 - paired).square().sum()) == pytest.approx(cost[rows, columns].sum(), rel=1e-5)


def test_on_a_line_the_best_coupling_is_sorted():
    x_0, eps = randn(40, 1, generator=stream("x")), randn(40, 1, generator=stream("e"))
    paired = optimal_pairs(x_0, eps)
    assert torch.equal(paired[x_0[:, 0].argsort()], eps.sort(dim=0).values)


# Training


class Slope(nn.Module):
    """u = a x + b, the shape of a Gaussian's velocity at one s."""

    def __init__(self):
        super().__init__()
        self.line = nn.Linear(1, 1)

    def forward(self, x, s):
        return self.line(x)


@pytest.mark.parametrize("s", [0.2, 0.5, 0.8])
def test_training_finds_the_velocity_of_a_gaussian_and_its_floor(s):
    mean, v = 0.5, 4.0
    x_0 = mean + v**0.5 * randn(20_000, 1, generator=stream("data"))
    model = init(Slope, generator=stream("init"))
    how = {"steps": 400, "lr": 0.05, "batch_size": 1024, "generator": stream("train")}
    *_, steps = [list(train_flow(model, x_0, draw_s=lambda n, g: torch.full((n,), s), **how))]
    with torch.no_grad():
        x = torch.tensor([[-1.0], [2.0]])
        torch.testing.assert_close(model(x, s), gaussian_velocity(x, s, mean, v), rtol=0.05, atol=0.1)
    floor = v / (s**2 * v + (1 - s) ** 2)  # Var[x_0 - eps | x_s]
    assert np.mean([step.loss for step in steps[-100:]]) == pytest.approx(floor, rel=0.05)


def first_losses(model, *args, n=1, **options):
    return [step.loss for step in islice(train_flow(model, *args, generator=stream("train"), **options), n)]


def small(**options):
    return VelocityNetwork(init(Denoiser, hidden=(8,), **options, generator=stream("init")))


def test_the_first_loss_by_hand():
    x, g = states(20).x, stream("train")
    rows, s = torch.randint(100, (16,), generator=g), uniform_s(16, g)
    eps = randn(16, 2, generator=g)
    x_s = s[:, None] * x[rows] + (1 - s[:, None]) * eps
    by_hand = (small()(x_s, s) - (x[rows] - eps)).square().mean()
    assert first_losses(small(), x, batch_size=16) == pytest.approx([by_hand.item()])


def test_given_pairs_are_kept_row_by_row():
    x = states(20).x
    seen = []

    class Spy(Slope):
        def forward(self, x_s, s):
            seen.append((x_s, s))
            return 0 * x_s * self.line.weight

    eps = x + 3  # so that x_0 - eps = -3 for each pair, and for no other
    losses = first_losses(init(Spy, generator=stream("init")), x, eps, n=3)
    assert losses == pytest.approx([9.0] * 3, rel=1e-4)
    assert len(seen) == 3


def test_a_coupling_is_asked_for_every_batch():
    x, calls = states(20).x, []

    def couple(x_0, eps):
        calls.append(len(eps))
        return x_0 - 2.0

    losses = first_losses(init(Zero, generator=stream("init")), x, n=2, batch_size=7, couple=couple)
    assert losses == pytest.approx([4.0] * 2, rel=1e-5) and calls == [7, 7]


class Zero(Slope):
    def forward(self, x, s):
        return 0 * x * self.line.weight


def test_better_pairs_have_a_lower_floor():
    x = states(100).x
    independent, coupled = (
        np.mean(
            first_losses(init(Zero, generator=stream("init")), x, n=20, batch_size=128, couple=c, lr_schedule=constant)
        )
        for c in (None, optimal_pairs)
    )
    assert independent == pytest.approx(2, rel=0.1) and coupled < 0.7 * independent


def test_the_same_seed_gives_the_same_network_and_a_break_leaves_a_usable_one():
    x = states(20).x
    models = [small(), small()]
    for model in models:
        for step in train_flow(model, x, steps=50, optimiser=adam, generator=stream("train")):
            if step.step == 3:
                break
    for a, b in zip(*(m.parameters() for m in models), strict=True):
        assert torch.equal(a, b)
    assert last(euler_flow(models[0], torch.zeros(2, 2), steps=2)).isfinite().all()


@pytest.mark.parametrize(
    ("x_0", "eps", "options", "complaint"),
    [
        (torch.zeros(0, 2), None, {}, "x_0 must be a non-empty"),
        (torch.full((4, 2), math.nan), None, {}, "x_0 must be a non-empty, finite"),
        (torch.zeros(4, 2).double(), None, {}, "x_0 must be torch.float32"),
        (torch.zeros(4, 2), torch.zeros(3, 2), {}, "eps must have the shape of x_0"),
        (torch.zeros(4, 2), torch.zeros(4, 2), {"couple": optimal_pairs}, "leaves no pairs to couple"),
        (torch.zeros(4, 2), None, {"steps": 0}, "steps and batch_size"),
        (torch.zeros(4, 2), None, {"lr": math.inf}, "lr > 0"),
        (torch.zeros(4, 2), None, {"draw_s": lambda n, g: torch.full((n,), 1.5)}, r"s must lie in \[0, 1\]"),
    ],
)
def test_what_cannot_be_learnt_is_refused(x_0, eps, options, complaint):
    with pytest.raises(ValueError, match=complaint):
        list(islice(train_flow(small(), x_0, eps, **options), 1))


def test_a_time_t_in_place_of_s_is_refused():
    with pytest.raises(TypeError, match="is it a time t"):
        first_losses(small(), torch.zeros(4, 2), draw_s=lambda n, g: torch.randint(0, 2, (n,), generator=g))


def test_a_loss_that_explodes_is_reported():
    with pytest.raises(FloatingPointError, match="is lr"):
        list(train_flow(init(Slope, generator=stream("init")), 1e30 * torch.ones(4, 1), steps=5, lr=1e30))
