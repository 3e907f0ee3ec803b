"""The schedules and the forward process, against what can be derived by hand and against `diffusers`."""

import inspect
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypsecant, ks_2samp
from torch.testing import assert_close

from statesdiff.rng import stream
from statesdiff.schedule import SCHEDULES, NoiseSchedule, check_T, normalised_time, per_sample

EXAMPLES = [NoiseSchedule.linear(), NoiseSchedule.linear(T=7, beta_1=0.1, beta_T=0.6), NoiseSchedule.cosine(T=50)]
EXAMPLES += [SCHEDULES[name](T=40) for name in ("sigmoid", "scaled_linear", "linear_matched")]
by_schedule = pytest.mark.parametrize("schedule", EXAMPLES, ids=lambda s: s.name)
# beta_1 to beta_T rising or falling, from almost no noise to almost nothing but noise
any_schedule = st.builds(
    NoiseSchedule.linear, T=st.integers(1, 60), beta_1=st.floats(1e-6, 0.99), beta_T=st.floats(1e-6, 0.99)
)
ends = {"beta_1": st.floats(1e-6, 0.9), "beta_T": st.floats(1e-6, 0.9)}
ARGUMENTS = {
    "linear": ends,
    "cosine": {"s": st.floats(0, 0.1), "beta_max": st.floats(0.5, 0.9999)},
    "sigmoid": ends,
    "scaled_linear": ends,
    "sech": {"lambda_min": st.floats(-20, -0.1), "lambda_max": st.floats(0, 25)},
    "linear_matched": {**ends, "alpha_bar_T": st.floats(1e-4, 0.99)},
}
by_shape = pytest.mark.parametrize("name", SCHEDULES)


# The schedules


@pytest.mark.parametrize("T", [1, 2, 10, 500])
def test_linear_rises_evenly_from_beta_1_to_beta_T(T):
    beta = NoiseSchedule.linear(T, 1e-3, 0.05).beta
    want = [0.0] + [1e-3 + (0.05 - 1e-3) * k / max(T - 1, 1) for k in range(T)]
    assert_close(beta, torch.tensor(want, dtype=torch.float64), rtol=1e-12, atol=0)


# The table of known values has two digits, three for the last entry: half a unit of the last digit
@pytest.mark.parametrize(
    ("T", "want", "half_unit"),
    [
        (5, 0.95, 0.005),
        (10, 0.90, 0.005),
        (25, 0.78, 0.005),
        (50, 0.60, 0.005),
        (100, 0.36, 0.005),
        (250, 0.08, 0.005),
        (500, 0.006, 0.0005),
    ],
)
def test_where_the_linear_schedule_ends(T, want, half_unit):
    assert NoiseSchedule.linear(T, 1e-4, 0.02).alpha_bar[T] == pytest.approx(want, abs=half_unit)


@by_schedule
def test_alpha_bar_is_the_product_of_the_alphas(schedule):
    exact = Fraction(1)  # exact rational arithmetic on the stored betas
    for t in range(1, min(schedule.T, 40) + 1):
        exact *= 1 - Fraction(float(schedule.beta[t]))
        assert float(schedule.alpha_bar[t]) == pytest.approx(float(exact), rel=1e-12)
    assert_close(schedule.alpha, 1 - schedule.beta, rtol=0, atol=0)


@given(any_schedule)
def test_index_0_is_clean_data_and_alpha_bar_falls(schedule):
    for values in (schedule.beta, schedule.alpha, schedule.alpha_bar, schedule.noise_level, schedule.snr):
        assert values.shape == (schedule.T + 1,) and values.dtype == torch.float64
    assert schedule.beta[0] == 0 and schedule.alpha_bar[0] == 1
    assert schedule.noise_level[0] == 0 and schedule.snr[0] == math.inf
    assert (schedule.alpha_bar.diff() < 0).all() and (schedule.alpha_bar > 0).all()
    assert (schedule.snr.diff() < 0).all() and (schedule.noise_level.diff() > 0).all()


@by_schedule
def test_signal_to_noise_and_noise_level_are_ratios_of_alpha_bar(schedule):
    for t in (1, schedule.T // 2, schedule.T):
        ab = float(schedule.alpha_bar[t])
        assert float(schedule.snr[t]) == pytest.approx(ab / (1 - ab), rel=1e-12)
        assert float(schedule.noise_level[t]) == pytest.approx(math.sqrt((1 - ab) / ab), rel=1e-12)


@pytest.mark.parametrize(("T", "s"), [(50, 0.008), (500, 0.008), (100, 0.05)])
def test_cosine_follows_its_formula_until_beta_is_clipped(T, s):
    schedule = NoiseSchedule.cosine(T, s=s)

    def f(t):
        return math.cos((t / T + s) / (1 + s) * math.pi / 2) ** 2

    for t in range(T):  # only the last beta, which would be 1, is clipped
        assert float(schedule.alpha_bar[t]) == pytest.approx(f(t) / f(0), rel=1e-9)
    assert float(schedule.beta[T]) == 0.999


def test_beta_max_clips_the_cosine_schedule():
    assert NoiseSchedule.cosine(100, beta_max=0.3).beta.max() == 0.3


@pytest.mark.parametrize("make", SCHEDULES.values(), ids=SCHEDULES)
@pytest.mark.parametrize("T", [0, -3, 2.0, "5", None])
def test_T_must_be_a_positive_integer(make, T):
    with pytest.raises(ValueError, match="T must be an integer >= 1"):
        make(T)


@pytest.mark.parametrize("beta", [[0.0], [], [[0.0, 0.1]], [0.1, 0.2], 0.0])
def test_beta_must_be_one_row_that_starts_with_0(beta):
    with pytest.raises(ValueError, match=r"shape \(T \+ 1,\)"):
        NoiseSchedule(torch.tensor(beta))


@pytest.mark.parametrize("value", [0.0, -0.1, 1.0, 1.5, math.nan, math.inf])
def test_beta_outside_0_to_1_is_named_with_its_time(value):
    with pytest.raises(ValueError, match="got beta_2 ="):
        NoiseSchedule(torch.tensor([0.0, 0.1, value, 0.2]))


@by_shape
@given(data=st.data(), T=st.integers(1, 300))
def test_every_named_schedule_is_one_whatever_its_arguments(name, data, T):
    given_arguments = {key: data.draw(values, key) for key, values in ARGUMENTS[name].items()}
    try:
        schedule = SCHEDULES[name](T=T, **given_arguments)
    except ValueError:  # 300 steps of beta = 0.9 end at 1e-300: refused, as a test of its own says
        largest = max(given_arguments.get("beta_1", 0), given_arguments.get("beta_T", 0))
        assert name in ("linear", "sigmoid", "scaled_linear") and T * largest > 30
        return
    assert schedule.T == T and schedule.beta[0] == 0 and schedule.alpha_bar[0] == 1
    assert (schedule.beta[1:] > 0).all() and (schedule.beta[1:] < 1).all()
    assert (schedule.alpha_bar.diff() < 0).all() and (schedule.alpha_bar > 0).all()
    assert schedule.alpha_bar_T == pytest.approx(math.prod(1 - b for b in schedule.beta.tolist()), rel=1e-12)
    assert schedule.log_snr.shape == (T + 1,) and schedule.log_snr.dtype == torch.float64
    assert schedule.log_snr[0] == math.inf and (schedule.log_snr.diff() < 0).all()


@by_shape
def test_the_arguments_tried_above_are_all_that_a_schedule_has(name):
    assert {*inspect.signature(SCHEDULES[name]).parameters} == {"T", *ARGUMENTS[name]}


@pytest.mark.parametrize(
    ("T", "beta_1", "beta_T"), [(50, 1e-5, 1.28e-2), (500, 1e-4, 0.02), (7, 0.3, 0.1), (1, 0.1, 0.2)]
)
@pytest.mark.parametrize("name", ["linear", "sigmoid", "scaled_linear"])
def test_the_betas_are_those_of_diffusers(name, T, beta_1, beta_T):
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(T, beta_1, beta_T, name).betas
    assert_close(SCHEDULES[name](T, beta_1, beta_T).beta[1:].float(), theirs, rtol=1e-5, atol=0)  # theirs are float32


def test_the_sigmoid_is_a_logistic_curve_between_beta_1_and_beta_T():
    beta = NoiseSchedule.sigmoid(3, 0.1, 0.3).beta
    low = 1 / (1 + math.exp(6))
    assert beta.tolist() == pytest.approx([0, 0.1 + 0.2 * low, 0.2, 0.3 - 0.2 * low], rel=1e-12)


def test_the_scaled_linear_squares_a_ramp_of_square_roots():
    assert NoiseSchedule.scaled_linear(3, 0.04, 0.16).beta.tolist() == pytest.approx([0, 0.04, 0.09, 0.16], rel=1e-12)


@pytest.mark.parametrize(("T", "low", "high"), [(2, -20, 20), (50, -20, 20), (500, -10, 15), (40, -3, -1), (40, 2, 4)])
def test_the_log_snr_of_sech_has_the_quantiles_of_the_cut_hyperbolic_secant_distribution(T, low, high):
    log_snr = NoiseSchedule.sech(T, low, high).log_snr
    assert log_snr[[1, T]].tolist() == pytest.approx([high, low], rel=1e-6)
    # the distribution of lambda has the density sech(lambda / 2) / (2 pi): scipy's at lambda / 2
    upper, lower = hypsecant.cdf([high / 2, low / 2])
    share = (upper - hypsecant.cdf(log_snr[1:] / 2)) / (upper - lower)
    # the cdf is 1 - 4e-5 at lambda = 20, known to 1e-16: the digits left bound what can be compared
    assert share.tolist() == pytest.approx([k / (T - 1) for k in range(T)], abs=1e-9)


@pytest.mark.parametrize("T", [10, 500])
def test_cosine_is_a_hyperbolic_secant_but_for_its_ends(T):
    # without the offset s the cosine schedule runs through all quantiles of the distribution: t / T of it lies above
    log_snr = NoiseSchedule.cosine(T, s=0).log_snr[1:T]  # the last beta is clipped
    assert hypsecant.sf(log_snr / 2).tolist() == pytest.approx([t / T for t in range(1, T)], rel=1e-9)
    # and sech with its ends at the offset's angle and at the right angle has the alpha_bar of the cosine with it
    s = 0.008
    edge = -2 * math.log(math.tan(math.pi / 2 * s / (1 + s)))
    sech, cosine = NoiseSchedule.sech(T, -30, edge).alpha_bar, NoiseSchedule.cosine(T - 1, s).alpha_bar
    assert_close(sech[1:T] / sech[1], cosine[: T - 1], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("bad", [(1, 1), (2, -2), (-math.inf, 3), (-3, math.inf), (math.nan, 3), (-3, math.nan)])
def test_sech_needs_two_finite_ends_in_order(bad):
    with pytest.raises(ValueError, match="finite lambda_min < lambda_max, got"):
        NoiseSchedule.sech(10, *bad)


@given(st.integers(1, 1000), st.floats(1e-4, 0.999), st.floats(1e-6, 0.9), st.floats(1e-6, 0.9))
def test_linear_matched_hits_its_target_with_a_straight_ramp_in_the_given_proportion(T, target, beta_1, beta_T):
    schedule = NoiseSchedule.linear_matched(T, target, beta_1, beta_T)
    assert schedule.alpha_bar_T == pytest.approx(target, rel=1e-9)
    beta = schedule.beta[1:]
    assert_close(beta[0] * beta_T, (beta[-1] if T > 1 else beta[0] / beta_1 * beta_T) * beta_1, rtol=1e-9, atol=0)
    assert_close(beta.diff().diff(), torch.zeros(max(T - 2, 0)).double(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("T", [10, 50, 100, 150, 200, 500, 1000])
def test_linear_matched_ends_where_the_default_linear_does(T):
    schedule = NoiseSchedule.linear_matched(T)
    assert schedule.alpha_bar_T == pytest.approx(NoiseSchedule.linear(500).alpha_bar_T, rel=1e-9)
    assert float(schedule.beta[T] / schedule.beta[1]) == pytest.approx(200, rel=1e-9)


def test_at_T_500_linear_matched_is_the_linear_schedule():
    assert_close(NoiseSchedule.linear_matched(500).beta, NoiseSchedule.linear(500).beta, rtol=1e-9, atol=0)


@pytest.mark.parametrize(("T", "target"), [(1, 1e-12), (2, 1e-40), (5, 1e-200)])
def test_a_target_that_no_beta_below_1_reaches_is_refused(T, target):
    with pytest.raises(ValueError, match=f"alpha_bar_T = {target} is out of reach of beta < 1 in T = {T} steps"):
        NoiseSchedule.linear_matched(T, target)


@pytest.mark.parametrize("target", [0, 1, -0.5, 1.5, math.nan])
def test_a_target_outside_0_to_1_is_refused(target):
    with pytest.raises(ValueError, match=f"alpha_bar_T must lie strictly between 0 and 1, got {float(target)}"):
        NoiseSchedule.linear_matched(10, target)


@pytest.mark.parametrize("make", [NoiseSchedule.sigmoid, NoiseSchedule.scaled_linear, NoiseSchedule.linear_matched])
@pytest.mark.parametrize("ends", [(0, 0.1), (0.1, 1), (-0.1, 0.1), (0.1, 1.5), (math.nan, 0.1)])
def test_ends_outside_0_to_1_are_refused(make, ends):
    with pytest.raises(ValueError, match="beta_1 and beta_T must lie strictly between 0 and 1, got"):
        make(T=10, beta_1=ends[0], beta_T=ends[1])


@pytest.mark.parametrize(
    ("beta", "end"),
    [([1e-17, 0.1], "0.9"), ([0.1, 1e-17], "0.9"), ([0.999] * 200, "0"), ([0.999] * 108, "0")],
    ids=["no noise at first", "no noise at last", "no signal left", "none at the last step"],
)
def test_an_alpha_bar_that_stands_still_or_vanishes_in_float64_is_refused(beta, end):
    with pytest.raises(ValueError, match=f"alpha_bar must fall at every step and end above 0, but it ends at {end}"):
        NoiseSchedule(torch.tensor([0.0, *beta], dtype=torch.float64))


@by_schedule
def test_log_snr_is_the_logarithm_of_snr(schedule):
    assert_close(schedule.log_snr[1:], schedule.snr[1:].log(), rtol=0, atol=1e-9)


def test_log_snr_keeps_its_digits_where_1_minus_alpha_bar_loses_them():
    schedule = NoiseSchedule(torch.tensor([0.0, 1e-13], dtype=torch.float64))
    assert float(schedule.log_snr[1]) == pytest.approx(13 * math.log(10), rel=1e-12)


@by_schedule
def test_a_schedule_is_found_again_from_its_log_snr(schedule):
    found = NoiseSchedule.from_log_snr(schedule.log_snr[1:], schedule.name)
    assert_close(found.beta, schedule.beta, rtol=1e-9, atol=1e-13)
    assert found.name == schedule.name


@given(st.lists(st.floats(-9, 9), min_size=1, max_size=30, unique_by=lambda v: round(v, 2)))
def test_any_falling_curve_of_log_snr_is_a_schedule(values):
    curve = torch.tensor(sorted(values, reverse=True), dtype=torch.float64)
    assert_close(NoiseSchedule.from_log_snr(curve).log_snr[1:], curve, atol=1e-7, rtol=1e-7)


@pytest.mark.parametrize(
    ("curve", "message"),
    [
        ([3.0, 1.0, 1.0], "goes from 1 at t = 2 to 1"),
        ([0.0, 2.0], "goes from 0 at t = 1 to 2"),
        ([], "got .0,."),
        ([[1.0]], "got .1, 1."),
        ([math.inf, 0.0], "must be finite"),
    ],
)
def test_a_curve_that_does_not_fall_is_refused(curve, message):
    with pytest.raises(ValueError, match=message):
        NoiseSchedule.from_log_snr(torch.tensor(curve))


def test_a_schedule_shows_its_name_its_ends_and_what_signal_it_leaves():
    want = "NoiseSchedule(linear, T = 500: beta 0.0001 to 0.02, alpha_bar_T = 0.00635)"
    assert repr(NoiseSchedule.linear()) == want


def test_a_schedule_cannot_be_changed():
    with pytest.raises(AttributeError):
        NoiseSchedule.linear(5).beta = torch.zeros(6)


def test_names():
    assert NoiseSchedule.linear(5).name == "linear, T = 5"
    assert NoiseSchedule.cosine(5).name == "cosine, T = 5"
    assert NoiseSchedule.scaled_linear(5).name == "scaled linear, T = 5"
    assert NoiseSchedule([0.0, 0.1]).name == "custom"


# The forward process


@by_schedule
def test_variance_is_preserved_by_every_mixture_and_every_link(schedule):
    t = torch.arange(schedule.T + 1)
    one, zero = torch.ones(len(t), 1, dtype=torch.float64), torch.zeros(len(t), 1, dtype=torch.float64)
    for mix in (schedule.q_sample, schedule.q_step):
        total = mix(one, t, zero).square() + mix(zero, t, one).square()
        assert_close(total, one, rtol=1e-12, atol=0)


@by_schedule
def test_q_sample_has_the_coefficients_of_eq_2(schedule):
    for t in {0, 1, schedule.T // 3, schedule.T}:
        ab = float(schedule.alpha_bar[t])
        got = schedule.q_sample(torch.tensor([[3.0]]).double(), t, torch.tensor([[-2.0]]).double())
        assert float(got) == pytest.approx(3 * math.sqrt(ab) - 2 * math.sqrt(1 - ab), rel=1e-12)


def test_q_sample_of_a_gaussian_has_the_marginal_mean_and_variance():
    schedule, n, mean, std = NoiseSchedule.linear(), 100_000, 2.0, 0.5
    g = stream("data")
    x_0 = mean + std * torch.randn(n, 1, generator=g)
    for t in (1, 50, 250, 500):
        x_t = schedule.q_sample(x_0, t, torch.randn(n, 1, generator=g))
        ab = float(schedule.alpha_bar[t])
        variance = ab * std**2 + 1 - ab
        # five standard errors of a mean and of a Gaussian variance
        assert float(x_t.mean()) == pytest.approx(math.sqrt(ab) * mean, abs=5 * math.sqrt(variance / n))
        assert float(x_t.var()) == pytest.approx(variance, rel=5 * math.sqrt(2 / n))


@by_schedule
def test_the_chain_carries_each_noise_to_x_t_with_the_known_coefficient(schedule):
    # row 0 starts at x_0 = 1 without noise; row s starts at 0 and receives a unit of noise at step s only
    T, ab, beta = schedule.T, schedule.alpha_bar, schedule.beta
    x = torch.zeros(T + 1, 1, dtype=torch.float64)
    x[0] = 1
    for t in range(1, T + 1):
        unit = torch.zeros_like(x)
        unit[t] = 1
        x = schedule.q_step(x, t, unit)
        noise = x[1 : t + 1, 0]
        assert_close(x[0, 0], ab[t].sqrt(), rtol=1e-10, atol=0)
        assert_close(noise, (beta[1 : t + 1] * ab[t] / ab[1 : t + 1]).sqrt(), rtol=1e-10, atol=0)
        assert_close(noise.square().sum(), 1 - ab[t], rtol=1e-10, atol=0)


def test_chain_yields_x_0_first_and_then_one_link_at_a_time():
    schedule, x_0 = NoiseSchedule.linear(20, 0.01, 0.3), torch.randn(6, 3, generator=stream("data"))
    path = list(schedule.chain(x_0, generator=stream("sample")))
    assert len(path) == 21 and torch.equal(path[0], x_0)
    g = stream("sample")
    x = x_0
    for t in range(1, 21):
        eps = torch.randn(6, 3, generator=g)
        x = math.sqrt(1 - schedule.beta[t]) * x + math.sqrt(schedule.beta[t]) * eps
        assert_close(path[t], x, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("t", [3, 12, 25])
def test_chain_and_eq_2_have_the_same_distribution(t):
    schedule, n = NoiseSchedule.linear(25, 0.01, 0.2), 4000
    x_0 = torch.tensor([[-1.5], [1.0]]).repeat(n // 2, 1)  # two points: the marginal is not a Gaussian
    chain = list(schedule.chain(x_0, generator=stream("chain")))[t]
    direct = schedule.q_sample(x_0, t, torch.randn(n, 1, generator=stream("direct")))
    # fixed seeds; a right implementation would fail for one seed in a thousand
    assert ks_2samp(chain.ravel(), direct.ravel()).pvalue > 1e-3


@given(any_schedule, st.integers(1, 4), st.integers(1, 5), st.integers(0, 2**31), st.data())
def test_q_sample_is_linear_and_picks_each_rows_own_t(schedule, D, B, seed, data):
    g = torch.Generator().manual_seed(seed)
    x, y, eps, z = torch.randn(4, B, D, generator=g, dtype=torch.float64)
    t = torch.tensor(data.draw(st.lists(st.integers(0, schedule.T), min_size=B, max_size=B)))
    q = schedule.q_sample
    assert_close(q(2 * x - y, t, 2 * eps - z), 2 * q(x, t, eps) - q(y, t, z), rtol=1e-10, atol=1e-10)
    rows = torch.cat([q(x[i : i + 1], int(t[i]), eps[i : i + 1]) for i in range(B)])
    assert_close(q(x, t, eps), rows, rtol=1e-12, atol=1e-12)


@by_schedule
def test_clean_data_stay_clean_at_t_0(schedule):
    x_0, eps = torch.randn(2, 5, 2, generator=stream("data"))
    assert torch.equal(schedule.q_sample(x_0, 0, eps), x_0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_result_has_the_precision_of_x_0(dtype):
    schedule = NoiseSchedule.linear()
    x_0, eps = torch.randn(2, 500, 2, generator=stream("data"), dtype=torch.float64)
    t = torch.arange(1, 501)
    got = schedule.q_sample(x_0.to(dtype), t, eps.to(dtype))
    assert got.dtype == dtype
    # a few roundings of numbers below 5
    assert_close(got.double(), schedule.q_sample(x_0, t, eps), rtol=0, atol=20 * torch.finfo(dtype).eps)


def test_the_first_noise_is_exact_in_float32():
    # 1 - alpha_bar_1 = 1e-4: formed in float32 it would lose three digits
    eps = torch.ones(1, 1)
    got = NoiseSchedule.linear().q_sample(torch.zeros(1, 1), 1, eps)
    assert float(got) == pytest.approx(0.01, rel=2e-7)


@by_schedule
def test_predict_x_0_undoes_q_sample(schedule):
    x_0, eps = torch.randn(2, schedule.T, 2, generator=stream("data"), dtype=torch.float64)
    t = torch.arange(1, schedule.T + 1)
    # dividing by sqrt(alpha_bar_T), as small as 0.0007 for the cosine, multiplies the rounding error by as much
    assert_close(schedule.predict_x_0(schedule.q_sample(x_0, t, eps), t, eps), x_0, rtol=0, atol=1e-11)


@by_schedule
def test_score_of_one_point_is_the_gradient_of_the_gaussian_around_it(schedule):
    x_0 = torch.tensor([[0.7, -1.2]], dtype=torch.float64)
    eps = torch.randn(9, 2, generator=stream("data"), dtype=torch.float64)
    for t in (1, schedule.T // 2, schedule.T):
        ab = schedule.alpha_bar[t]
        x_t = schedule.q_sample(x_0.expand(9, 2), t, eps).requires_grad_()
        log_p = -(x_t - ab.sqrt() * x_0).square().sum() / (2 * (1 - ab))
        (gradient,) = torch.autograd.grad(log_p, x_t)
        assert_close(schedule.score(eps, t), gradient, rtol=1e-9, atol=1e-9)
        assert_close(schedule.score(eps, torch.full((9,), t)), gradient, rtol=1e-9, atol=1e-9)


def test_eps_must_have_the_shape_of_x_0():
    with pytest.raises(ValueError, match=r"eps must have the shape of x_0, \(4, 2\), got \(4, 1\)"):
        NoiseSchedule.linear(5).q_sample(torch.zeros(4, 2), 1, torch.zeros(4, 1))


@by_schedule
def test_q_sample_equals_add_noise_of_diffusers(schedule):
    from diffusers import DDPMScheduler

    theirs = DDPMScheduler(schedule.T, trained_betas=schedule.beta[1:].tolist())
    g = stream("data")
    x_0, eps = torch.randn(2, 64, 2, generator=g)
    t = torch.randint(1, schedule.T + 1, (64,), generator=g)
    want = theirs.add_noise(x_0, eps, t - 1)  # their index 0 is our t = 1
    # they keep alpha_bar in float32: the product of 500 factors and 1 - alpha_bar_1 = 1e-4 are good to about 1e-5
    assert_close(schedule.q_sample(x_0, t, eps), want, rtol=0, atol=5e-5)


# Time


def test_normalised_time_maps_0_to_T_onto_minus_1_to_1():
    t = torch.tensor([0, 125, 250, 500])
    assert_close(normalised_time(t, 500), torch.tensor([-1.0, -0.5, 0.0, 1.0]))
    assert float(normalised_time(torch.tensor(1), 500)) == pytest.approx(-0.996)


# Coefficients per sample


@given(st.integers(1, 20), st.integers(1, 6), st.lists(st.integers(1, 3), max_size=3), st.booleans(), st.data())
def test_per_sample_multiplies_row_by_row(T, B, rest, scalar, data):
    values = torch.arange(T + 1, dtype=torch.float64) + 0.5
    x = torch.ones(B, *rest)
    size = 1 if scalar else B
    t = data.draw(st.lists(st.integers(0, T), min_size=size, max_size=size))
    picked = per_sample(values, t[0] if scalar else torch.tensor(t), x)
    assert picked.dtype == x.dtype
    assert picked.shape == (() if scalar else (B, *[1] * len(rest)))
    product = picked * x
    assert product.shape == x.shape
    for row, k in zip(product, t * B if scalar else t, strict=False):
        assert (row == k + 0.5).all()


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.int16])
def test_per_sample_takes_any_integer_type(dtype):
    picked = per_sample(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([2, 0], dtype=dtype), torch.ones(2, 3))
    assert picked.tolist() == [[2.0], [0.0]]


@pytest.mark.parametrize("t", [0.5, torch.tensor([1.0, 2.0]), True, torch.tensor([True, False]), 1j])
def test_per_sample_refuses_what_is_no_integer(t):
    with pytest.raises(TypeError, match="t must be an integer"):
        per_sample(torch.zeros(5), t, torch.ones(2, 2))


@pytest.mark.parametrize("t", [-1, 5, torch.tensor([0, 5]), torch.tensor([-1, 2])])
def test_per_sample_refuses_a_t_outside_the_schedule(t):
    with pytest.raises(ValueError, match=r"t must lie in 0\.\.4"):
        per_sample(torch.zeros(5), t, torch.ones(2, 2))


@pytest.mark.parametrize("t", [[1], [1, 2, 3], [[1, 2]], [[1], [2]]])
def test_per_sample_refuses_what_is_not_one_t_for_each_row(t):
    with pytest.raises(ValueError, match="one entry for each of the 2 rows"):
        per_sample(torch.zeros(5), torch.tensor(t), torch.ones(2, 2))


def test_per_sample_of_an_empty_batch_is_empty():
    assert per_sample(torch.zeros(5), torch.zeros(0, dtype=torch.int64), torch.ones(0, 2)).shape == (0, 1)


# The same clock


def test_a_network_of_another_T_is_refused_by_its_name():
    class Network:
        T = 4

    check_T(Network(), NoiseSchedule.linear(4), "network")
    check_T(lambda x, t: x, NoiseSchedule.linear(4), "function")  # what does not say its T may have any
    with pytest.raises(ValueError, match="the classifier was built for T = 4, the schedule has T = 5"):
        check_T(Network(), NoiseSchedule.linear(5), "classifier")
