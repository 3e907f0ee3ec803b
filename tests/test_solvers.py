"""The solvers: exact solutions for Gaussian data, orders of convergence, `diffusers` step for step, scipy's solver."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from torch.testing import assert_close

from statesdiff.data import outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.grids import GRIDS, times_of
from statesdiff.models import Denoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.solvers import Counted, dpm_solver, euler, heun, taken_in

LINEAR = NoiseSchedule.linear(T=60, beta_1=1e-3, beta_T=0.15)
FINE = NoiseSchedule.linear(T=20_000, beta_1=1e-5 / 4, beta_T=5e-4)
SPREAD = torch.tensor([1.5, 0.4], dtype=torch.float64)
SOLVERS = {
    "euler": euler,
    "heun": heun,
    "dpm_solver 2": lambda *args, **more: dpm_solver(*args, order=2, **more),
    "dpm_solver 3": lambda *args, **more: dpm_solver(*args, order=3, **more),
}
by_solver = pytest.mark.parametrize("solver", SOLVERS.values(), ids=SOLVERS.keys())


def smooth(x, t):
    """Some predictor that depends on x and t and has no symmetry."""
    return torch.tanh(x * (0.4 + t / 200) + torch.tensor([0.3, -0.2]).to(x))


def gaussian(schedule):
    """The exact predictor for independent coordinates of mean 0 and the deviations SPREAD."""

    def predictor(x, t):
        ab = schedule.alpha_bar[int(t)]
        return (1 - ab).sqrt() * x / (ab * SPREAD**2 + 1 - ab)

    return predictor


def exact_solution(schedule, x_T, t=0):
    """Where the equation takes x_T by time t, for Gaussian data: every coordinate keeps its place in its own bell."""
    deviation = lambda ab: (ab * SPREAD**2 + 1 - ab).sqrt()  # noqa: E731
    return x_T * deviation(schedule.alpha_bar[t]) / deviation(schedule.alpha_bar[schedule.T])


def slope(errors, counts):
    return -np.polyfit(np.log(counts), np.log(errors), 1)[0]


# Against what is known


def even_to(n, end):
    """n even steps of log-SNR from T to `end`, then one to 0."""
    wanted = torch.linspace(float(FINE.log_snr[-1]), float(FINE.log_snr[end]), n + 1, dtype=torch.float64)
    return [*((FINE.log_snr - value).abs().argmin().item() for value in wanted), 0]


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("dpm_solver 2", 2)])
def test_the_error_for_gaussian_data_falls_with_the_order(name, order):
    x_T, counts = torch.tensor([[0.7, -1.1], [-1.6, 0.4]], dtype=torch.float64), (24, 34, 48, 68)
    ends = [list(SOLVERS[name](gaussian(FINE), FINE, x_T, grid=even_to(n, 200)))[-2] for n in counts]
    errors = [float((x - exact_solution(FINE, x_T, 200)).abs().max()) for x in ends]
    assert slope(errors, counts) == pytest.approx(order, abs=0.1)


def test_the_error_for_gaussian_data_is_least_for_the_third_order():
    # its first step is Euler's, and for data this simple, no more than two coordinates, all else is less than that
    x_T = torch.tensor([[0.7, -1.1], [-1.6, 0.4]], dtype=torch.float64)
    ends = {k: list(f(gaussian(FINE), FINE, x_T, grid=even_to(48, 200)))[-2] for k, f in SOLVERS.items()}
    errors = {k: float((x - exact_solution(FINE, x_T, 200)).abs().max()) for k, x in ends.items()}
    assert 5 * errors["dpm_solver 3"] < errors["dpm_solver 2"] < errors["heun"] < errors["euler"] / 5


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("dpm_solver 2", 2), ("dpm_solver 3", 3)])
def test_the_error_for_states_falls_with_the_order(name, order):
    ideal = IdealDenoiser(outline_points(120).double(), FINE, jitter=0.1)
    x_T, counts = torch.randn(40, 2, generator=stream("start"), dtype=torch.float64), (16, 24, 34, 48)

    def end(solver, n):
        return list(SOLVERS[solver](ideal, FINE, x_T, grid=even_to(n, 200)))[-2]

    truth = end("dpm_solver 3", 250)
    errors = [float((end(name, n) - truth).norm(dim=1).median()) for n in counts]
    assert slope(errors, counts) == pytest.approx(order, abs=0.2)


@by_solver
def test_the_way_for_gaussian_data_is_the_exact_one_at_every_time(solver):
    x_T = randn(5, 2, generator=stream("sample")).double()
    times = times_of(FINE, 120, "logsnr")
    for t, x in zip(times, solver(gaussian(FINE), FINE, x_T, grid=times), strict=True):
        assert_close(x, exact_solution(FINE, x_T, t), rtol=0, atol=0.05 if solver is euler else 3e-3)


@by_solver
def test_a_single_point_is_met_exactly_by_any_number_of_steps(solver):
    # x_0_hat is then the same everywhere, and all of these methods are exact for that
    point = torch.tensor([[0.3, -0.8]], dtype=torch.float64)
    ideal = IdealDenoiser(point, LINEAR)
    x_T = randn(20, 2, generator=stream("sample")).double()
    for steps in (1, 2, 5):
        assert_close(last(solver(ideal, LINEAR, x_T, steps=steps)), point.expand(20, 2), rtol=0, atol=1e-9)


@by_solver
def test_scipy_solves_the_same_equation(solver):
    # the exact denoiser of STATES under a thick pencil, between whole times by a smooth formula for its own schedule
    ideal = IdealDenoiser(outline_points(60).double(), FINE, jitter=0.3)
    x_T = randn(6, 2, generator=stream("sample")).double()
    level, end = FINE.noise_level, 400

    def slope_at(u, flat):  # u = log noise_level; d(x / alpha) / du = noise_level eps_hat
        sigma = np.exp(u)
        near = int(torch.searchsorted(level, torch.tensor(sigma, dtype=torch.float64)).clamp(1, FINE.T))
        shrunk = torch.as_tensor(flat).reshape(6, 2)
        alpha = float(FINE.alpha_bar[near].sqrt())
        return (sigma * ideal(alpha * shrunk, torch.tensor(near))).ravel().numpy()

    ends = [float(level[t].log()) for t in (FINE.T, end)]
    start = (x_T / FINE.alpha_bar[-1].sqrt()).ravel().numpy()
    solved = solve_ivp(slope_at, ends, start, rtol=1e-4, atol=1e-5, max_step=0.05).y[:, -1]
    wanted = torch.as_tensor(solved).reshape(6, 2) * FINE.alpha_bar[end].sqrt()
    times = [t for t in times_of(FINE, 150, "logsnr") if t > end]
    found = list(solver(ideal, FINE, x_T, grid=[*times, end, 0]))[-2]
    # the nearest whole time stands for u, which is good to 1e-3 and better
    assert_close(found, wanted, rtol=0, atol=0.03 if solver is euler else 4e-3)


def test_half_the_curvature_costs_an_order():
    # what programs in use do: on a parabola it is seen at once, the integral of exp(v - h) v^2 being halved
    parabola = lambda v: torch.tensor(1 + 2 * v + 3 * v**2, dtype=torch.float64)  # noqa: E731
    nodes, h = [0.0, -0.4, -1.1], 0.6
    known = [(v, parabola(v)) for v in nodes]
    v = torch.linspace(0, h, 20_001, dtype=torch.float64)
    exact = torch.trapezoid((v - h).exp() * (1 + 2 * v + 3 * v**2), v)
    assert float(taken_in(known, h)) == pytest.approx(float(exact), rel=1e-8)
    second = torch.trapezoid((v - h).exp() * 3 * v**2, v)
    assert abs(float(exact - second / 2 - taken_in(known, h))) > 0.04


@given(st.floats(0.01, 3), st.floats(0.05, 2), st.floats(0.05, 2))
def test_what_is_taken_in_is_exact_for_what_is_continued(h, back, further):
    v = torch.linspace(0, h, 4001, dtype=torch.float64)
    nodes = [0.0, -back, -back - further]
    for degree in (0, 2):  # of a line order 2 takes the value in the middle
        known = [(u, torch.tensor(0.5 + u**degree, dtype=torch.float64)) for u in nodes[: degree + 1]]
        exact = torch.trapezoid((v - h).exp() * (0.5 + v**degree), v)
        assert float(taken_in(known, h)) == pytest.approx(float(exact), rel=1e-5, abs=1e-7)
    middle = (1 - np.exp(-h)) * (0.5 + h / 2)
    line = [(u, torch.tensor(0.5 + u, dtype=torch.float64)) for u in nodes[:2]]
    assert float(taken_in(line, h)) == pytest.approx(middle, rel=1e-9)


# Against diffusers, step for step. Their index is ours minus one, their coefficients are in float32.


def theirs(kind, schedule, times, **options):
    import diffusers

    reference = getattr(diffusers, kind)(schedule.T, trained_betas=schedule.beta[1:].tolist(), **options)
    reference.set_timesteps(timesteps=[t - 1 for t in times[:-1]])
    return reference


GRID_CASES = [(n, grid) for n in (1, 2, 5, 16) for grid in GRIDS]
by_grid = pytest.mark.parametrize(("steps", "grid"), GRID_CASES)


def dpm_of_diffusers(schedule, times, order):
    return theirs(
        "DPMSolverMultistepScheduler",
        schedule,
        times,
        solver_order=order,
        algorithm_type="dpmsolver++",
        final_sigmas_type="zero",
        lower_order_final=False,
    )


@by_grid
def test_dpm_solver_of_order_2_equals_diffusers(steps, grid):
    times = times_of(LINEAR, steps, grid)
    reference = dpm_of_diffusers(LINEAR, times, 2)
    ours = list(dpm_solver(smooth, LINEAR, randn(64, 2, generator=stream("sample")), steps=steps, grid=grid, order=2))
    x = ours[0]
    for t, want in zip(reference.timesteps, ours[1:], strict=True):
        x = reference.step(smooth(x, t + 1), t, x).prev_sample
        assert_close(x, want, rtol=5e-4, atol=5e-4, msg=lambda m, t=t: f"t = {t + 1}: {m}")


@by_grid
def test_dpm_solver_of_order_3_equals_diffusers_with_the_whole_curvature(steps, grid, monkeypatch):
    # their D2 is half the second derivative and meets the coefficient of the whole: we give them twice the difference
    times = times_of(LINEAR, steps, grid)
    ours = list(dpm_solver(smooth, LINEAR, randn(64, 2, generator=stream("sample")), steps=steps, grid=grid))
    plain, mended = dpm_of_diffusers(LINEAR, times, 3), dpm_of_diffusers(LINEAR, times, 3)
    third = mended.multistep_dpm_solver_third_order_update

    def whole(outputs, **given):
        once, none = third(outputs, **given), third(bent_straight(mended, outputs), **given)
        return 2 * once - none  # the update is linear in the outputs

    monkeypatch.setattr(mended, "multistep_dpm_solver_third_order_update", whole)
    x = y = ours[0]
    for t, want in zip(mended.timesteps, ours[1:], strict=True):
        x = mended.step(smooth(x, t + 1), t, x).prev_sample
        y = plain.step(smooth(y, t + 1), t, y).prev_sample
        assert_close(x, want, rtol=5e-4, atol=5e-4, msg=lambda m, t=t: f"t = {t + 1}: {m}")
    if steps == 5:
        assert (y - ours[-1]).abs().max() > 1e-3  # and without, they differ


def bent_straight(reference, outputs):
    """The outputs with the oldest replaced so that D2 is 0 while D1 is what it was."""
    i = reference.step_index
    alpha_sigma = [reference._sigma_to_alpha_sigma_t(reference.sigmas[k]) for k in (i + 1, i, i - 1, i - 2)]
    _, l_0, l_1, l_2 = (torch.log(a) - torch.log(s) for a, s in alpha_sigma)
    m_2, m_1, m_0 = outputs[-3:]
    slope = (m_0 - m_1) / (l_0 - l_1)
    bend = (slope - (m_1 - m_2) / (l_1 - l_2)) / (l_0 - l_2)
    straight = slope + (l_0 - l_1) * bend  # the derivative at the newest
    return [m_0 - (l_0 - l_2) * straight, m_0 - (l_0 - l_1) * straight, m_0]


@by_grid
def test_heun_equals_diffusers(steps, grid):
    times = times_of(LINEAR, steps, grid)
    reference = theirs("HeunDiscreteScheduler", LINEAR, times)
    ours = list(heun(smooth, LINEAR, randn(64, 2, generator=stream("sample")), steps=steps, grid=grid))
    x, found = ours[0] / LINEAR.alpha_bar[-1].sqrt().float(), []
    for k, t in enumerate(reference.timesteps):
        eps_hat = smooth(reference.scale_model_input(x, t), t.long() + 1)
        x = reference.step(eps_hat, t, x).prev_sample
        found += [x] if k % 2 == 0 and k == len(reference.timesteps) - 1 or k % 2 else []
    for s, x, want in zip(times[1:], found, ours[1:], strict=True):
        assert_close(x * LINEAR.alpha_bar[s].sqrt().float(), want, rtol=1e-3, atol=1e-3, msg=lambda m, s=s: f"{s}: {m}")


@by_grid
def test_euler_equals_diffusers_and_is_ddim(steps, grid):
    times = times_of(LINEAR, steps, grid)
    x_T = randn(64, 2, generator=stream("sample"))
    reference = theirs("EulerDiscreteScheduler", LINEAR, times)
    ours = list(euler(smooth, LINEAR, x_T, steps=steps, grid=grid))
    x = x_T / LINEAR.alpha_bar[-1].sqrt().float()
    for t, s, want in zip(reference.timesteps, times[1:], ours[1:], strict=True):
        x = reference.step(smooth(reference.scale_model_input(x, t), t.long() + 1), t, x).prev_sample
        assert_close(x * LINEAR.alpha_bar[s].sqrt().float(), want, rtol=1e-3, atol=1e-3)
    for a, b in zip(ours, ddim(smooth, LINEAR, x_T, steps=times), strict=True):
        assert torch.equal(a, b)


# What all have in common


@by_solver
def test_what_is_yielded_and_how_often_the_predictor_is_asked(solver):
    x_T = randn(4, 3, generator=stream("sample"))
    for steps in (1, 2, 3, 10):
        counted = Counted(lambda x, t: 0.1 * x)
        path = list(solver(counted, LINEAR, x_T, steps=steps))
        assert torch.equal(path[0], x_T) and len(path) == steps + 1
        assert all(x.shape == (4, 3) and x.dtype == torch.float32 and not x.requires_grad for x in path)
        assert counted.evaluations == (2 * steps - 1 if solver is heun else steps)


@by_solver
def test_the_last_of_the_path_is_the_last_prediction_of_x_0(solver):
    asked = []

    def predictor(x, t):
        asked.append((x, int(t)))
        return smooth(x, t)

    x_0 = last(solver(predictor, LINEAR, randn(4, 2, generator=stream("sample")), steps=4))
    x, t = asked[-1]
    assert_close(x_0, LINEAR.predict_x_0(x, t, smooth(x, torch.tensor(t))), rtol=1e-5, atol=1e-5)


def test_the_defaults_are_ten_evaluations_of_the_third_order_on_the_books_grid():
    x_T = randn(4, 2, generator=stream("sample"))
    plain = list(dpm_solver(smooth, LINEAR, x_T))
    said = list(dpm_solver(smooth, LINEAR, x_T, steps=10, grid="eased", order=3))
    assert len(plain) == 11 and all(torch.equal(a, b) for a, b in zip(plain, said, strict=True))


def test_one_step_of_any_order_is_the_prediction():
    x_T = randn(4, 2, generator=stream("sample"))
    one = LINEAR.predict_x_0(x_T, 60, smooth(x_T, torch.tensor(60)))
    for solver in SOLVERS.values():
        assert_close(last(solver(smooth, LINEAR, x_T, steps=1)), one, rtol=1e-5, atol=1e-5)


@by_solver
def test_a_list_that_starts_below_T_starts_there(solver):
    x = randn(4, 2, generator=stream("sample"))
    asked = []

    def predictor(x, t):
        asked.append(int(t))
        return smooth(x, t)

    assert len(list(solver(predictor, LINEAR, x, grid=[40, 7, 0]))) == 3 and asked[0] == 40 and 60 not in asked


@by_solver
def test_bad_input_is_refused(solver):
    x_T = randn(4, 2, generator=stream("sample"))
    with pytest.raises(ValueError, match="grid must be one of"):
        list(solver(smooth, LINEAR, x_T, grid="cosine"))
    with pytest.raises(ValueError, match=r"steps must be a whole number in 1\.\.60"):
        list(solver(smooth, LINEAR, x_T, steps=61))
    with pytest.raises(ValueError, match="the predictor was built for T = 10, the schedule has T = 60"):
        list(solver(Denoiser(T=10, hidden=(4,)), LINEAR, x_T))
    with pytest.raises(ValueError, match="x_T must be a floating-point tensor"):
        list(solver(smooth, LINEAR, torch.ones(3, dtype=torch.float64)))
    with pytest.raises(ValueError, match="x_T must be torch.float32"):
        list(solver(Denoiser(T=60, hidden=(4,)), LINEAR, x_T.double()))
    with pytest.raises(ValueError, match="the predictor returned shape"):
        list(solver(lambda x, t: x[:, :1], LINEAR, x_T))
    with pytest.raises(FloatingPointError, match="stopped being finite"):
        list(solver(lambda x, t: x / 0, LINEAR, x_T))


@pytest.mark.parametrize("order", [0, 1, 4, "2", 2.5])
def test_an_order_there_is_not_is_refused(order):
    with pytest.raises(ValueError, match="order must be 2 or 3"):
        list(dpm_solver(smooth, LINEAR, randn(4, 2, generator=stream("sample")), order=order))


def test_a_counted_predictor_keeps_what_it_was_built_for():
    assert Counted(Denoiser(T=60, hidden=(4,))).T == 60 and not hasattr(Counted(smooth), "T")
    counted, x = Counted(smooth), randn(4, 2, generator=stream("sample"))
    assert_close(counted(x, torch.tensor(3)), smooth(x, torch.tensor(3)))
    assert counted.evaluations == 1
