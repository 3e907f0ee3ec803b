"""Twisted sequential Monte Carlo on Gaussians: unbiased evidence, exact posteriors, weights of the right kind."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from statesdiff.exact import IdealDenoiser
from statesdiff.exact_posterior import ExactPosterior
from statesdiff.inverse import MeasurementGuidance
from statesdiff.measurements import Linear
from statesdiff.particles import Particles, systematic, twisted
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.12)
V, Y, S = 1.5, 1.2, 0.5
PRIOR = IdealDenoiser(torch.zeros(1, 1).double(), SCHEDULE, math.sqrt(V))
TOLD = Linear([[1.0]], [Y], S)
STEPS = 5


def chain_variance(times):
    """Variance of x_0 under the unguided chain with these steps, begun at N(0, 1): each step is a x + sqrt(b) z."""
    total = 1.0
    for t, s in zip(times, times[1:], strict=False):
        a, b = float(SCHEDULE.alpha_bar[t]), float(SCHEDULE.alpha_bar[s])
        noise = (1 - b) / (1 - a) * (1 - a / b)
        eps = (1 - a) ** 0.5 / (a * V + 1 - a)  # eps_hat = eps x_t
        factor = b**0.5 * (1 - (1 - a) ** 0.5 * eps) / a**0.5 + max(1 - b - noise, 0) ** 0.5 * eps
        total = factor**2 * total + noise
    return total


TIMES = [100, 80, 60, 40, 20, 0]
EVIDENCE = math.exp(-0.5 * Y**2 / (chain_variance(TIMES) + S**2)) / math.sqrt(
    2 * math.pi * (chain_variance(TIMES) + S**2)
)
GUIDED = {
    "without spread, weak": MeasurementGuidance(PRIOR, TOLD, SCHEDULE, scale=0.25),
    "half as strong": MeasurementGuidance(PRIOR, TOLD, SCHEDULE, scale=0.5, data_variance=1.0),
    "not guided at all": MeasurementGuidance(PRIOR, TOLD, SCHEDULE, scale=0.0, data_variance=3.0),
    "exact": ExactPosterior(PRIOR, TOLD),
}
TOO_STRONG = MeasurementGuidance(PRIOR, TOLD, SCHEDULE)  # the weights that it leaves are few and large


def test_the_chains_variance_by_hand_is_that_of_ddim():
    x_T = randn(40_000, 1, generator=stream("x")).double()
    x_0 = last(ddim(PRIOR, SCHEDULE, x_T, steps=TIMES, eta=1.0, generator=stream("z")))
    assert float(x_0.var()) == pytest.approx(chain_variance(TIMES), rel=0.03)


@pytest.mark.parametrize("threshold", [0.0, 0.6])
@pytest.mark.parametrize("name", GUIDED)
def test_the_evidence_is_unbiased_whatever_guides_and_whenever_is_resampled(name, threshold):
    """Means of 80 runs of 30 particles; the closed form lies within four standard errors."""
    found = []
    for seed in range(80):
        g = stream(f"run {threshold}", seed)
        x_T = randn(30, 1, generator=g).double()
        end = last(twisted(GUIDED[name], SCHEDULE, x_T, steps=TIMES, threshold=threshold, generator=g))
        found.append(math.exp(end.log_evidence))
    found = torch.tensor(found, dtype=torch.float64)
    error = float(found.std()) / 80**0.5
    assert abs(float(found.mean()) - EVIDENCE) < 4 * error
    assert error < 0.12 * EVIDENCE  # so a factor of 1.5 would be seen


def test_with_many_particles_the_posterior_of_the_chain_comes_out():
    u = 1 / (1 / chain_variance(TIMES) + 1 / S**2)
    for seed, guided in enumerate(GUIDED.values()):
        g = stream("many", seed)
        end = last(twisted(guided, SCHEDULE, randn(20_000, 1, generator=g).double(), steps=TIMES, generator=g))
        x = end.draw(20_000, generator=g)
        assert float(x.mean()) == pytest.approx(u * Y / S**2, abs=0.04)
        assert float(x.var()) == pytest.approx(u, rel=0.1)
        assert end.log_evidence == pytest.approx(math.log(EVIDENCE), abs=0.05)


def test_guidance_alone_misses_what_the_weights_repair():
    """Without spread the guided points are too narrow; the same points with weights are not."""
    u, g = 1 / (1 / chain_variance(TIMES) + 1 / S**2), stream("alone")
    x_T = randn(20_000, 1, generator=g).double()
    alone = last(ddim(TOO_STRONG, SCHEDULE, x_T, steps=TIMES, eta=1.0, generator=g))
    assert abs(float(alone.mean()) - u * Y / S**2) > 0.15


def test_every_time_is_yielded_with_its_weights():
    path = list(twisted(GUIDED["exact"], SCHEDULE, randn(50, 1, generator=stream("x")).double(), steps=TIMES))
    assert [now.t for now in path] == TIMES
    for now in path:
        assert isinstance(now, Particles) and now.x.shape == (50, 1) and now.log_weight.shape == (50,)
        assert 1 <= now.effective <= 50 + 1e-9 and math.isfinite(now.log_evidence)


def test_an_exact_twist_with_small_steps_leaves_the_weights_almost_even():
    """In the limit they are equal; without spread the same steps leave a handful."""
    x_T = randn(500, 1, generator=stream("x")).double()
    options = {"steps": 100, "threshold": 0.0}
    exact, strong = (
        last(twisted(guided, SCHEDULE, x_T, generator=stream("z"), **options)).effective
        for guided in (GUIDED["exact"], TOO_STRONG)
    )
    assert exact > 450 and strong < 100


def test_weights_that_are_uneven_are_resampled_at_the_threshold_and_else_kept():
    x_T = randn(200, 1, generator=stream("x")).double()
    options = {"steps": TIMES, "generator": stream("z")}
    never = list(twisted(GUIDED["not guided at all"], SCHEDULE, x_T, threshold=0.0, **options))
    always = list(twisted(GUIDED["not guided at all"], SCHEDULE, x_T, threshold=1.0, **options))
    # log-likelihoods telescope: without resampling and guidance the weight is p(y | x_0), whatever happened before
    assert_close(never[-1].log_weight, TOLD.log_likelihood(never[-1].x))
    assert always[-1].effective > never[-1].effective


def test_the_same_stream_gives_the_same_particles():
    x_T = randn(30, 1, generator=stream("x")).double()
    a, b = (last(twisted(GUIDED["exact"], SCHEDULE, x_T, steps=TIMES, generator=stream("z"))) for _ in range(2))
    assert torch.equal(a.x, b.x) and a.log_evidence == b.log_evidence


# Systematic resampling


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.integers(1, 60), st.integers(0, 2**31))
def test_each_index_comes_as_often_as_its_share_rounded_up_or_down(log_weights, n, seed):
    log_weight = torch.tensor(log_weights, dtype=torch.float64)
    found = systematic(log_weight, n, generator=torch.Generator().manual_seed(seed))
    share = n * log_weight.softmax(0)
    counts = torch.bincount(found, minlength=len(share))
    assert counts.sum() == n and ((counts - share).abs() < 1 + 1e-6).all()


def test_counts_are_right_on_average():
    log_weight = torch.tensor([0.1, 0.25, 0.65]).double().log()
    g, counts = stream("u"), torch.zeros(3)
    for _ in range(2000):
        counts += torch.bincount(systematic(log_weight, 3, generator=g), minlength=3)
    assert_close(counts / 6000, torch.tensor([0.1, 0.25, 0.65]), atol=0.01, rtol=0)


# What is refused


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_outside_is_refused(threshold):
    with pytest.raises(ValueError, match="threshold must lie in"):
        next(twisted(GUIDED["exact"], SCHEDULE, torch.zeros(3, 1).double(), threshold=threshold))


def test_a_schedule_of_another_length_and_bad_steps_are_refused():
    with pytest.raises(ValueError, match="the guided predictor was built for T = 100"):
        next(twisted(GUIDED["exact"], NoiseSchedule.linear(T=50), torch.zeros(3, 1).double()))
    with pytest.raises(ValueError, match=r"steps must lie in 1\.\.100"):
        next(twisted(GUIDED["exact"], SCHEDULE, torch.zeros(3, 1).double(), steps=0))


def test_weights_that_are_nothing_are_refused():
    for bad in (torch.tensor([math.nan, 0.0]), torch.tensor([-math.inf, -math.inf])):
        with pytest.raises(ValueError, match="all zero, or not numbers"):
            systematic(bad, 3)
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        systematic(torch.zeros(3), 0)


class Bounded:
    """What guides exactly up to a bound; the end is judged by `TOLD`."""

    measurement, scale, T = TOLD, 1.0, 100

    def __init__(self, bound):
        self.bound = bound


class Wild(Bounded):
    """Guides exactly, except that it throws out what lies beyond the bound."""

    def twist(self, x_t, t):
        known = GUIDED["exact"].twist(x_t, t)
        return known._replace(gradient=torch.where(x_t > self.bound, math.inf, known.gradient))


def test_a_particle_that_is_thrown_out_has_no_weight_and_the_others_theirs():
    x_T = torch.linspace(-2, 2, 9).double()[:, None]  # the last begins beyond 1.9
    path = twisted(Wild(1.9), SCHEDULE, x_T, steps=[100, 60, 0], threshold=0.0, generator=stream("z"))
    _, now, end = list(path)
    _, calm, _ = list(twisted(GUIDED["exact"], SCHEDULE, x_T, steps=[100, 60, 0], threshold=0.0, generator=stream("z")))
    assert now.log_weight[-1] == end.log_weight[-1] == -math.inf
    assert_close(now.log_weight[:-1], calm.log_weight[:-1])
    assert 8 not in systematic(end.log_weight, 500) and math.isfinite(end.log_evidence) and end.x.isfinite().all()


class Blind(Bounded):
    """Guides exactly, but finds what lies beyond the bound impossible, at every time."""

    def twist(self, x_t, t):
        known = GUIDED["exact"].twist(x_t, t)
        return known._replace(log_likelihood=known.log_likelihood.where(x_t[:, 0] < self.bound, -math.inf))


def test_a_particle_that_is_impossible_stays_so_to_the_end():
    x_T = torch.linspace(-2, 2, 9).double()[:, None]
    end = last(twisted(Blind(1.9), SCHEDULE, x_T, steps=[100, 0], threshold=0.0))
    assert end.log_weight[-1] == -math.inf and end.log_weight[:-1].isfinite().all()
    assert math.isfinite(end.log_evidence) and end.effective > 0
    with pytest.raises(FloatingPointError, match="all particles are lost at t = 0"):
        last(twisted(Blind(-9.0), SCHEDULE, x_T, steps=[100, 0], threshold=0.0))


def test_if_all_are_thrown_out_that_is_an_error():
    with pytest.raises(FloatingPointError, match="all particles are lost at t = 80: none has a weight above 0"):
        last(twisted(Wild(-9.0), SCHEDULE, torch.ones(3, 1).double(), steps=TIMES))
