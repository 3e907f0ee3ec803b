"""The samplers: closed forms, a case that can be solved exactly, and `diffusers` step for step."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from statesdiff.models import Denoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddim_times, ddpm, last, posterior
from statesdiff.schedule import NoiseSchedule

LINEAR = NoiseSchedule.linear(T=60, beta_1=1e-3, beta_T=0.15)
SCHEDULES = [LINEAR, NoiseSchedule.cosine(T=40)]
by_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda s: s.name)


def zero(x, t):
    return torch.zeros_like(x)


DRIFT = torch.tensor([0.3, -0.2])


def smooth(x, t):
    """Some predictor that depends on x and t and has no symmetry."""
    return torch.tanh(x * (0.4 + t / 200) + DRIFT)


class Gaussian:
    """The exact predictor for data N(mean, cov): E[eps | x_t] in closed form."""

    def __init__(self, mean, cov, schedule):
        self.mean, self.cov, self.schedule = mean, cov, schedule

    def __call__(self, x, t):
        ab = self.schedule.alpha_bar[int(t)].to(x)
        total = ab * self.cov + (1 - ab) * torch.eye(len(self.mean))
        return (1 - ab).sqrt() * (x - ab.sqrt() * self.mean) @ torch.linalg.inv(total)


# The posterior


@by_schedule
def test_posterior_is_bayes_rule_for_the_two_gaussians(schedule):
    # q(x_{t-1} | x_t, x_0) is proportional to q(x_t | x_{t-1}) q(x_{t-1} | x_0): precisions add
    x_0, x_t = torch.randn(2, 5, 2, generator=stream("data"), dtype=torch.float64)
    for t in range(2, schedule.T + 1):
        beta, alpha, ab_prev = schedule.beta[t], schedule.alpha[t], schedule.alpha_bar[t - 1]
        precision = alpha / beta + 1 / (1 - ab_prev)
        mean = (alpha.sqrt() / beta * x_t + ab_prev.sqrt() / (1 - ab_prev) * x_0) / precision
        mu_tilde, beta_tilde = posterior(schedule, x_0, x_t, t)
        assert_close(mu_tilde, mean, rtol=1e-9, atol=1e-9)
        assert_close(beta_tilde, 1 / precision, rtol=1e-9, atol=0)


def test_the_last_posterior_is_the_clean_point():
    x_0, x_t = torch.randn(2, 5, 2, generator=stream("data"), dtype=torch.float64)
    mu_tilde, beta_tilde = posterior(LINEAR, x_0, x_t, 1)
    assert_close(mu_tilde, x_0, rtol=0, atol=1e-9)
    assert float(beta_tilde) == pytest.approx(0, abs=1e-12)


def test_posterior_takes_a_t_for_each_row():
    x_0, x_t = torch.randn(2, 3, 2, generator=stream("data"))
    t = torch.tensor([1, 30, 60])
    mean, variance = posterior(LINEAR, x_0, x_t, t)
    assert mean.shape == (3, 2) and variance.shape == (3, 1) and mean.dtype == torch.float32
    for i in range(3):
        m, v = posterior(LINEAR, x_0[i : i + 1], x_t[i : i + 1], int(t[i]))
        assert_close(mean[i], m[0])
        assert_close(variance[i, 0], v)


def test_ancestral_sampling_draws_from_the_posterior_of_the_predicted_x_0():
    x_T = randn(6, 2, generator=stream("sample")).double()
    steps = list(ddpm(smooth, LINEAR, x_T, variance="beta_tilde", generator=stream("z")))
    g = stream("z")
    for t, x, x_prev in zip(range(60, 0, -1), steps[:-1], steps[1:], strict=True):
        x_0_hat = LINEAR.predict_x_0(x, t, smooth(x, torch.tensor(t)))
        mean, variance = posterior(LINEAR, x_0_hat, x, t)
        noise = variance.sqrt() * randn(6, 2, generator=g) if t > 1 else 0
        # z is drawn in float32, everything else is float64
        assert_close(x_prev, mean + noise, rtol=1e-6, atol=1e-7)


# What the samplers yield


@pytest.mark.parametrize("sampler", [ddpm, ddim])
def test_every_x_t_is_yielded_x_T_first(sampler):
    x_T = randn(4, 3, generator=stream("sample"))
    path = list(sampler(lambda x, t: 0.1 * x, LINEAR, x_T, generator=stream("z")))
    assert torch.equal(path[0], x_T)
    assert len(path) == (61 if sampler is ddpm else 51)
    assert all(x.shape == (4, 3) and x.dtype == torch.float32 and not x.requires_grad for x in path)
    again = last(sampler(lambda x, t: 0.1 * x, LINEAR, x_T, generator=stream("z")))
    assert torch.equal(path[-1], again)


@pytest.mark.parametrize("sampler", [ddpm, ddim])
def test_the_predictor_is_asked_at_each_time_without_gradients(sampler):
    asked = []
    weight = torch.ones(2, requires_grad=True)

    def predictor(x, t):
        assert t.dtype == torch.int64 and t.shape == ()
        asked.append(int(t))
        return x * weight * 0.1

    x = last(sampler(predictor, LINEAR, randn(3, 2, generator=stream("sample"))))
    times = list(range(60, -1, -1)) if sampler is ddpm else ddim_times(60, 50)
    assert asked == times[:-1] and not x.requires_grad


def test_the_sampler_leaves_gradients_on_for_its_caller():
    path = ddpm(zero, LINEAR, torch.zeros(1, 2))
    next(path), next(path)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("sampler", [ddpm, ddim])
def test_the_start_is_not_written_to(sampler):
    x_T = randn(3, 2, generator=stream("sample"))
    copy = x_T.clone()
    last(sampler(smooth, LINEAR, x_T))
    assert torch.equal(x_T, copy)


def test_last_keeps_only_the_last():
    assert last(iter([torch.zeros(1), torch.ones(1)])) == 1


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_one_ancestral_step_by_hand(variance):
    x_T = randn(5, 2, generator=stream("sample"))
    got = list(ddpm(smooth, LINEAR, x_T, variance=variance, generator=stream("z")))
    z = randn(5, 2, generator=stream("z"))
    beta, ab, ab_prev = 0.15, float(LINEAR.alpha_bar[60]), float(LINEAR.alpha_bar[59])
    sigma2 = beta if variance == "beta" else beta * (1 - ab_prev) / (1 - ab)
    mean = (x_T - beta / math.sqrt(1 - ab) * smooth(x_T, torch.tensor(60))) / math.sqrt(1 - beta)
    assert_close(got[1], mean + math.sqrt(sigma2) * z, rtol=1e-5, atol=1e-6)


def test_the_last_ancestral_step_adds_no_noise():
    schedule = NoiseSchedule.linear(T=2, beta_1=0.1, beta_T=0.3)
    path = list(ddpm(zero, schedule, torch.zeros(1000, 2), generator=stream("z")))
    assert path[1].std() > 0.4
    assert_close(path[2], path[1] / math.sqrt(0.9))


def test_one_ddim_step_by_hand():
    x_T = randn(5, 2, generator=stream("sample"))
    x_t, x_s, _ = ddim(smooth, LINEAR, x_T, steps=[60, 23, 0])
    a, b = float(LINEAR.alpha_bar[60]), float(LINEAR.alpha_bar[23])
    eps_hat = smooth(x_t, torch.tensor(60))
    x_0_hat = (x_t - math.sqrt(1 - a) * eps_hat) / math.sqrt(a)
    assert_close(x_s, math.sqrt(b) * x_0_hat + math.sqrt(1 - b) * eps_hat, rtol=1e-5, atol=1e-5)


@by_schedule
def test_ddim_with_the_true_noise_of_one_point_walks_straight_back(schedule):
    # data of one point: eps is known at every x_t, so every DDIM path is q_sample with one and the same eps
    x_0, eps = torch.tensor([[0.7, -1.1]], dtype=torch.float64), torch.tensor([[0.4, 1.9]], dtype=torch.float64)

    def predictor(x, t):
        ab = schedule.alpha_bar[t]
        return (x - ab.sqrt() * x_0) / (1 - ab).sqrt()

    times = ddim_times(schedule.T, 7)
    path = ddim(predictor, schedule, schedule.q_sample(x_0, schedule.T, eps), steps=7)
    for t, x in zip(times, path, strict=True):
        # the first step divides by sqrt(alpha_bar_T), about 0.001 for the cosine
        assert_close(x, schedule.q_sample(x_0, t, eps), rtol=0, atol=1e-10)


# Data that are Gaussian, where everything is known


MEAN = torch.tensor([0.6, -0.4])
COV = torch.tensor([[0.9, 0.45], [0.45, 0.4]])


def reverse_moments(schedule, times, sigma2):
    """Mean and covariance of x_0 when the exact Gaussian predictor is run from N(0, I): a linear recursion, float64.

    One step from t to s is x_s = A x_t + b + sigma z: A and b come from Eq. 2, solved for x_0 and noised again.
    """
    eye, mean, cov = torch.eye(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64), torch.eye(2).double()
    for t, s in zip(times, times[1:], strict=False):
        a, b, v = schedule.alpha_bar[t], schedule.alpha_bar[s], sigma2(t, s)
        gain = (1 - a).sqrt() * torch.linalg.inv(a * COV.double() + (1 - a) * eye)  # eps_hat = gain (x - sqrt(a) mean)
        of_eps = v[1] - (b / a * (1 - a)).sqrt()
        step = (b / a).sqrt() * eye + of_eps * gain
        mean = step @ mean - of_eps * gain @ (a.sqrt() * MEAN.double())
        cov = step @ cov @ step.T + v[0] * eye
    return mean, cov


def ancestral(schedule):
    """sigma_t^2 = beta_t; the factor of eps_hat is that of the posterior mean."""

    def coefficients(t, s):
        beta_tilde = schedule.beta[t] * (1 - schedule.alpha_bar[s]) / (1 - schedule.alpha_bar[t])
        return schedule.beta[t] * (s > 0), (1 - schedule.alpha_bar[s] - beta_tilde).clamp(min=0).sqrt()

    return coefficients


def deterministic(schedule):
    return lambda t, s: (torch.tensor(0.0).double(), (1 - schedule.alpha_bar[s]).sqrt())


N = 20_000
FINE = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.12)


@pytest.mark.parametrize("name", ["ddpm", "ddim"])
def test_exact_predictor_of_gaussian_data_gives_back_their_mean_and_covariance(name):
    g = stream("sample", 4)
    predictor, x_T = Gaussian(MEAN, COV, FINE), randn(N, 2, generator=g)
    if name == "ddpm":
        x, times, how = last(ddpm(predictor, FINE, x_T, generator=g)), list(range(100, -1, -1)), ancestral(FINE)
    else:
        x, times, how = last(ddim(predictor, FINE, x_T, steps=50)), ddim_times(100, 50), deterministic(FINE)
    mean, cov = reverse_moments(FINE, times, how)
    # Against the recursion only the sampling error is left: four standard errors, which are 0.007 for N = 20,000
    # and 0.009 for a variance of 0.9.
    assert_close(x.mean(0).double(), mean, rtol=0, atol=0.028)
    assert_close(x.T.cov().double(), cov, rtol=0, atol=0.036)
    # Against the data there is also the error of finitely many steps, 0.05 for 50 steps of DDIM.
    assert_close(x.mean(0), MEAN, rtol=0, atol=0.04)
    assert_close(x.T.cov(), COV, rtol=0, atol=0.09)


def test_more_steps_come_closer_to_the_covariance():
    errors = []
    for steps in (4, 16, 64):
        _, cov = reverse_moments(FINE, ddim_times(100, steps), deterministic(FINE))
        x = last(ddim(Gaussian(MEAN, COV, FINE), FINE, randn(N, 2, generator=stream("sample")), steps=steps))
        assert_close(x.T.cov().double(), cov, rtol=0, atol=0.036)
        errors.append(float((cov - COV).abs().max()))
    assert errors[0] > 3 * errors[1] > 9 * errors[2]


# Against diffusers, step for step. Their index is ours minus one; they keep alpha_bar and all coefficients in float32.
# 1 - alpha_bar_1 = 1e-3 then has a relative error of 1e-4, and a step's own coefficients are good to about 1e-5.


def theirs(kind, schedule, **options):
    import diffusers

    return getattr(diffusers, kind)(
        schedule.T, trained_betas=schedule.beta[1:].tolist(), clip_sample=False, prediction_type="epsilon", **options
    )


@pytest.mark.parametrize(("variance", "name"), [("beta", "fixed_large"), ("beta_tilde", "fixed_small")])
@by_schedule
def test_ddpm_equals_diffusers_step_for_step(schedule, variance, name):
    reference = theirs("DDPMScheduler", schedule, variance_type=name)
    reference.set_timesteps(schedule.T)
    assert_close(reference.betas.double(), schedule.beta[1:], rtol=1e-6, atol=0)
    ours = list(
        ddpm(smooth, schedule, randn(64, 2, generator=stream("sample")), variance=variance, generator=stream("z"))
    )
    g = stream("z")
    for t, x, x_prev in zip(range(schedule.T, 0, -1), ours[:-1], ours[1:], strict=True):
        want = reference.step(smooth(x, torch.tensor(t)), t - 1, x, generator=g).prev_sample
        assert_close(x_prev, want, rtol=2e-4, atol=2e-4, msg=lambda m, t=t: f"t = {t}: {m}")


@pytest.mark.parametrize("steps", [1, 2, 5, 20])
@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@by_schedule
def test_ddim_equals_diffusers_step_for_step(schedule, eta, steps):
    reference = theirs("DDIMScheduler", schedule, timestep_spacing="trailing")
    reference.set_timesteps(steps)
    times = ddim_times(schedule.T, steps)
    assert [t + 1 for t in reference.timesteps.tolist()] == times[:-1]
    g = stream("z")
    ours = list(
        ddim(smooth, schedule, randn(64, 2, generator=stream("sample")), steps=steps, eta=eta, generator=stream("z"))
    )
    for t, x, x_s in zip(times, ours[:-1], ours[1:], strict=False):
        # at the last step they would draw noise and multiply it by zero: the streams are compared up to there
        want = reference.step(smooth(x, torch.tensor(t)), t - 1, x, eta=eta, generator=g).prev_sample
        assert_close(x_s, want, rtol=2e-4, atol=2e-4, msg=lambda m, t=t: f"t = {t}: {m}")


@by_schedule
def test_ddim_with_eta_1_and_all_steps_is_ancestral_sampling(schedule):
    x_T = randn(32, 2, generator=stream("sample"))
    a = ddim(smooth, schedule, x_T, steps=schedule.T, eta=1.0, generator=stream("z"))
    b = ddpm(smooth, schedule, x_T, variance="beta_tilde", generator=stream("z"))
    for x, y in zip(a, b, strict=True):
        # the same formula in two forms; float32 rounding grows along the path
        assert_close(x, y, rtol=1e-3, atol=1e-3)


# The times


@given(st.integers(1, 1000), st.data())
def test_times_fall_strictly_and_evenly_from_T_to_0(T, data):
    steps = data.draw(st.integers(1, T))
    times = ddim_times(T, steps)
    assert len(times) == steps + 1 and times[0] == T and times[-1] == 0
    assert all(a > b for a, b in zip(times, times[1:], strict=False))
    # each is the whole number nearest to where even spacing would put it
    assert all(abs(t - T * k / steps) <= 0.5 for t, k in zip(times, range(steps, -1, -1), strict=True))


@given(st.integers(1, 500), st.data())
def test_a_falling_list_of_times_is_kept(T, data):
    inner = data.draw(st.sets(st.integers(1, T), min_size=1))
    times = [*sorted(inner, reverse=True), 0]
    assert ddim_times(T, times) == times
    assert ddim_times(T, torch.tensor(times)) == times


def test_times_by_hand():
    assert ddim_times(500, 5) == [500, 400, 300, 200, 100, 0]
    assert ddim_times(7, 7) == [7, 6, 5, 4, 3, 2, 1, 0]
    assert ddim_times(10, 1) == [10, 0]


@pytest.mark.parametrize("steps", [0, -1, 61])
def test_a_number_of_steps_outside_1_to_T_is_refused(steps):
    with pytest.raises(ValueError, match=rf"steps must lie in 1\.\.60, got {steps}"):
        ddim_times(60, steps)


@pytest.mark.parametrize("times", [[], [0], [60], [60, 30], [60, 30, 30, 0], [30, 60, 0], [61, 0], [10, 0, -1]])
def test_times_that_do_not_fall_to_0_are_refused(times):
    with pytest.raises(ValueError, match="must fall strictly from at most 60 down to 0"):
        ddim_times(60, times)
    with pytest.raises(ValueError, match="must fall strictly"):
        last(ddim(zero, LINEAR, torch.zeros(1, 2), steps=times))


# Bad input


def test_another_variance_is_refused():
    with pytest.raises(ValueError, match="'beta' or 'beta_tilde', got 'learned'"):
        last(ddpm(zero, LINEAR, torch.zeros(1, 2), variance="learned"))


@pytest.mark.parametrize("eta", [-0.1, 1.1, math.nan])
def test_eta_outside_0_to_1_is_refused(eta):
    with pytest.raises(ValueError, match=r"eta must lie in \[0, 1\]"):
        last(ddim(zero, LINEAR, torch.zeros(1, 2), eta=eta))


@pytest.mark.parametrize("sampler", [ddpm, ddim])
@pytest.mark.parametrize("x_T", [torch.zeros(2), torch.tensor(0.5), torch.zeros(3, 2, dtype=torch.int64)])
def test_a_start_that_is_no_batch_of_points_is_refused(sampler, x_T):
    with pytest.raises(ValueError, match=r"x_T must be a floating-point tensor of shape \(B, \.\.\.\)"):
        next(sampler(zero, LINEAR, x_T))


@pytest.mark.parametrize("sampler", [ddpm, ddim])
def test_a_start_that_is_not_finite_is_refused(sampler):
    with pytest.raises(FloatingPointError, match="x_T is not finite"):
        next(sampler(zero, LINEAR, torch.tensor([[0.0, math.nan]])))


@pytest.mark.parametrize("sampler", [ddpm, ddim])
@pytest.mark.parametrize("wrong", [lambda x, t: x[:, :1], lambda x, t: x[0], lambda x, t: x.mean()])
def test_a_prediction_of_the_wrong_shape_is_refused_not_broadcast(sampler, wrong):
    with pytest.raises(ValueError, match=r"the predictor returned shape \(.*\) for x_t of shape \(4, 2\)"):
        last(sampler(wrong, LINEAR, torch.zeros(4, 2)))


@pytest.mark.parametrize("sampler", [ddpm, ddim])
def test_an_explosion_is_noticed_where_it_happens(sampler):
    def predictor(x, t):
        return x * (math.inf if t <= 30 else 1)

    with pytest.raises(FloatingPointError, match=r"stopped being finite at t = (30|29)$"):
        last(sampler(predictor, LINEAR, torch.ones(4, 2)))


def test_a_predictor_with_another_clock_is_refused():
    for sampler in (ddpm, ddim):
        with pytest.raises(ValueError, match="built for T = 400, the schedule has T = 500"):
            next(sampler(Denoiser(T=400), NoiseSchedule.linear(T=500), torch.randn(3, 2)))
