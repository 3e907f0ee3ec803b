"""Samplers, guidance, exact answers and metrics of the labs against the package, `diffusers` for the solver."""

import pytest
import torch
from torch import Tensor

from statesdiff import metrics, samplers
from statesdiff.checkpoints import WEIGHTS, load_model
from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser, tilted_density
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.models import Classifier, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from tests.lab.conftest import Engine, close
from tests.lab.test_networks import about

SCHEDULE = NoiseSchedule.linear()
START = randn(6, 2, generator=stream("start"))
LINEAR = "const s = statesdiff.NoiseSchedule.linear(); "


@pytest.fixture(scope="module")
def fourier():
    return load_model(WEIGHTS / "denoiser_fourier.safetensors")[0]


@pytest.fixture(scope="module")
def conditional():
    return load_model(WEIGHTS / "denoiser_conditional.safetensors")[0]


class GivenNoise:
    """Stands for `randn` in the package's samplers: hands out rows of one tensor, in order."""

    def __init__(self, noise: Tensor) -> None:
        self.noise = iter(noise)

    def __call__(self, *shape: int, **options: object) -> Tensor:
        return next(self.noise)


def noises(steps: int) -> Tensor:
    return randn(steps, *START.shape, generator=stream("noise"))


@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_ddpm_step_for_step(plain_engine: Engine, fourier, monkeypatch, variance: str) -> None:
    z = noises(500)
    monkeypatch.setattr(samplers, "randn", GivenNoise(z))
    wanted = list(samplers.ddpm(fourier, SCHEDULE, START, variance=variance))
    script = f"""(config, weights, x_T, z, variance) => {{ {LINEAR}
      const noise = (t) => f32(z.slice(12 * (500 - t), 12 * (501 - t)));
      return [...statesdiff.ddpm(statesdiff.denoiser(network(config, weights)), s, f32(x_T), {{ variance, noise }})];
    }}"""
    found = plain_engine(script, *about(fourier), START, z, variance)
    assert len(found) == 501
    for mine, theirs in zip(found, wanted, strict=True):
        close(mine, theirs, atol=1e-3)  # rounding grows where two states are equally near
    for mine, theirs in zip(found[:20], wanted[:20], strict=True):
        close(mine, theirs, atol=5e-5)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("steps", [[500, 300, 299, 40, 0], 12])
def test_ddim_step_for_step(plain_engine: Engine, fourier, monkeypatch, steps, eta: float) -> None:
    z = noises(12)
    monkeypatch.setattr(samplers, "randn", GivenNoise(z))
    wanted = list(samplers.ddim(fourier, SCHEDULE, START, steps=steps, eta=eta))
    script = f"""(config, weights, x_T, z, steps, eta) => {{ {LINEAR}
      let k = 0;
      const noise = () => f32(z.slice(12 * k, 12 * ++k));
      return [...statesdiff.ddim(statesdiff.denoiser(network(config, weights)), s, f32(x_T), {{ steps, eta, noise }})];
    }}"""
    found = plain_engine(script, *about(fourier), START, z, steps, eta)
    for mine, theirs in zip(found, wanted, strict=True):
        close(mine, theirs, atol=2e-4)


def test_times(plain_engine: Engine) -> None:
    for T, steps in ((500, 50), (500, 7), (10, 4), (500, 500), (7, 2)):
        found = plain_engine("(T, steps) => statesdiff.ddim_times(T, steps)", T, steps)
        assert found.tolist() == samplers.ddim_times(T, steps)
    for steps in (1, 2, 6, 15, 50, 400, 500):
        found = plain_engine(f"(n) => {{ {LINEAR} return statesdiff.log_snr_times(s, n); }}", steps)
        assert len(found) == steps + 1 and found[0] == 500 and found[-1] == 0 and (found.diff() < 0).all()
    even = SCHEDULE.log_snr[plain_engine(f"() => {{ {LINEAR} return statesdiff.log_snr_times(s, 8); }}")[:-1].long()]
    assert even.diff().std() < 0.1 * even.diff().abs().mean()


@pytest.mark.parametrize("steps", [6, 15])
def test_dpm_solver_is_that_of_diffusers(plain_engine: Engine, fourier, steps: int) -> None:
    from diffusers import DPMSolverMultistepScheduler

    script = f"""(config, weights, x_T, steps) => {{ {LINEAR}
      const path = statesdiff.dpmpp_2m(statesdiff.denoiser(network(config, weights)), s, f32(x_T), {{ steps }});
      return [statesdiff.log_snr_times(s, steps), [...path]];
    }}"""
    times, found = plain_engine(script, *about(fourier), START, steps)
    theirs = DPMSolverMultistepScheduler(
        trained_betas=SCHEDULE.beta[1:].numpy(), algorithm_type="dpmsolver++", solver_order=2, solver_type="midpoint",
        final_sigmas_type="zero", lower_order_final=True)  # fmt: skip
    theirs.set_timesteps(timesteps=[int(t) - 1 for t in times[:-1]])  # theirs count from 0
    x = START
    close(found[0], x, atol=0)
    for k, t in enumerate(times[:-1].long()):
        with torch.no_grad():
            x = theirs.step(fourier(x, t), t - 1, x).prev_sample
        close(found[k + 1], x, atol=3e-4)


def test_both_guidances(engine: Engine, fourier, conditional) -> None:
    model = init(Classifier, hidden=(16, 16), generator=stream("init", 9))
    t = torch.tensor([1, 40, 200, 300, 499, 500])
    y = torch.tensor([0, 1, 2, 3, 4, 0])
    script = f"""(a, b, c, x_t, t, y) => {{ {LINEAR}
      const [net, both, of] = [a, b, c].map((given) => network(...given)), x = f32(x_t);
      const of_class = statesdiff.classifier(of), of_y = statesdiff.denoiser(both);
      const gradient = (x, t, y) => statesdiff.log_prob_gradient(of_class, x, t, y);
      const guided = (scale) => statesdiff.ClassifierGuidance(statesdiff.denoiser(net), gradient, s, y, scale)(x, t);
      const free = (scale) => statesdiff.ClassifierFreeGuidance(of_y, y, scale)(x, t);
      return [0, 1, 2.5].map((scale) => [guided(scale), free(scale)]);
    }}"""
    found = engine(script, about(fourier), about(conditional), about(model), START, t, y)
    for scale, (guided, free) in zip((0, 1, 2.5), found, strict=True):
        close(guided, ClassifierGuidance(fourier, model, SCHEDULE, y, scale)(START, t), atol=5e-5)
        close(free, ClassifierFreeGuidance(conditional, y, scale)(START, t).detach(), atol=2e-4)


DATA = states(60)
QUERIES = torch.cat([DATA.x[::50] + 0.01, randn(12, 2, generator=stream("queries"))])
IDEAL = "const ideal = new statesdiff.IdealDenoiser(f32(x), s, { jitter, y: labels }); "


@pytest.mark.parametrize("jitter", [0.0, JITTER])
@pytest.mark.parametrize("t", [1, 3, 60, 250, 500])
def test_exact_answers(engine: Engine, t: int, jitter: float) -> None:
    ideal = IdealDenoiser(DATA.x, SCHEDULE, jitter, DATA.y)
    x_t = SCHEDULE.q_sample(QUERIES, t, randn(*QUERIES.shape, generator=stream("eps")))
    y = torch.arange(len(x_t)) % 5
    y_some = torch.where(y == 4, -1, y).tolist()
    script = f"""(x, labels, jitter, x_t, t, y, some) => {{ {LINEAR} {IDEAL}
      const q = f32(x_t);
      return {{ all: ideal.predict(q, t), of: ideal.predict(q, t, y), some: ideal.predict(q, t, some),
        mean: ideal.posterior_mean(q, t), log_p: ideal.log_density(q, t), log_p_of: ideal.log_density(q, t, 2),
        posterior: ideal.log_posterior(q, t), gradient: ideal.log_posterior_gradient(q, t, y),
        belief: ideal.belief(q.subarray(0, 2), t) }};
    }}"""
    found = engine(script, DATA.x, DATA.y, jitter, x_t, t, y, y_some)
    noise = (1 - SCHEDULE.alpha_bar[t]).sqrt().item()
    close(found["mean"], ideal.posterior_mean(x_t, t), atol=2e-5)
    close(found["all"], ideal(x_t, t), atol=2e-5 / noise)
    close(found["of"], ideal(x_t, t, y), atol=2e-5 / noise)
    wanted = torch.where((y == 4)[:, None], ideal(x_t, t), ideal(x_t, t, y))
    close(found["some"], wanted, atol=2e-5 / noise)
    close(found["log_p"], ideal.log_density(x_t, t), atol=1e-4, rtol=3e-5)
    close(found["log_p_of"], ideal.log_density(x_t, t, 2), atol=1e-4, rtol=3e-5)
    close(found["posterior"], ideal.log_posterior(x_t, t), atol=1e-3, rtol=3e-5)
    close(found["gradient"], ideal.log_posterior_gradient(x_t, t, y), atol=4e-5 / noise**2, rtol=1e-5)
    v = 1 - SCHEDULE.alpha_bar[t] + SCHEDULE.alpha_bar[t] * jitter**2
    square = (x_t[0].double() - SCHEDULE.alpha_bar[t].sqrt() * DATA.x.double()).square().sum(1)
    close(found["belief"], (-square / (2 * v)).softmax(0), atol=1e-6)


def test_exact_answers_with_a_time_for_every_row(plain_engine: Engine) -> None:
    ideal, t = IdealDenoiser(DATA.x, SCHEDULE), torch.arange(1, len(QUERIES) + 1) * 10
    script = f"(x, labels, jitter, x_t, t) => {{ {LINEAR} {IDEAL} return ideal.predict(f32(x_t), t); }}"
    found = plain_engine(script, DATA.x, DATA.y, 0, QUERIES, t)
    close(found, ideal(QUERIES, t), atol=5e-5)


@pytest.mark.parametrize("t", [0, 100])
def test_the_tilted_density(plain_engine: Engine, t: int) -> None:
    side = torch.linspace(-2, 2, 15)
    grid = torch.cartesian_prod(side, side)
    script = f"""(x, labels, jitter, grid, t) => {{ {LINEAR} {IDEAL}
      const [log_p, log_posterior] = [ideal.log_density(f32(grid), t), ideal.log_posterior(f32(grid), t)];
      return [statesdiff.tiltOf({{ log_p, log_posterior, K: ideal.K }}, 3, 4), log_p];
    }}"""
    found, log_p = plain_engine(script, DATA.x, DATA.y, 0.2, grid, t)
    ideal = IdealDenoiser(DATA.x, SCHEDULE, 0.2, DATA.y)
    close(found, tilted_density(ideal, grid, t, 3, 4.0), atol=1e-6)
    close(log_p, ideal.log_density(grid, t), atol=1e-4, rtol=2e-5)


def test_metrics(engine: Engine) -> None:
    data, held_out = states(), states(60, seed=1)
    samples = held_out.x + 0.1 * randn(300, 2, generator=stream("blur"))
    target, reference = outline_points(2000), data.x[torch.randperm(5000, generator=stream("rows"))]
    script = f"""(samples, reference, target, x, labels, jitter, y) => {{ {LINEAR} {IDEAL}
      const m = statesdiff, [a, r, o] = [samples, reference, target].map(f32);
      return {{ nll: m.nll(a, r), emd: m.emd(a, r.subarray(0, a.length)), distance: m.mean_distance(a, o),
        coverage: m.coverage(a, o), accuracy: m.class_accuracy(a, y, ideal), two: m.class_accuracy(a, 2, ideal) }};
    }}"""
    found = engine(script, samples, reference, target, data.x, data.y, JITTER, held_out.y)
    wanted = metrics.evaluate_part(samples, reference, target)
    assert found["nll"] == pytest.approx(wanted["NLL"], rel=1e-5)
    assert found["emd"] == pytest.approx(wanted["EMD"], rel=1e-6)
    assert found["distance"] == pytest.approx(wanted["distance"], rel=1e-5)
    assert found["coverage"] == pytest.approx(wanted["coverage"], abs=1e-3)  # a point may lie on the rim
    assert found["accuracy"] == pytest.approx(metrics.class_accuracy(samples, held_out.y), abs=0.004)
    assert found["two"] == pytest.approx(metrics.class_accuracy(samples, 2), abs=0.004)


def test_samplers_refuse_what_they_cannot_use(plain_engine: Engine) -> None:
    script = f"""() => {{ {LINEAR}
      const said = (f) => {{ try {{ f(); }} catch (e) {{ return e.message; }} }};
      const zero = (x) => x.map(() => 0), x = new Float32Array(2);
      return [said(() => [...statesdiff.ddpm(zero, s, x)]),
        said(() => [...statesdiff.ddpm(zero, s, x, {{ variance: "b" }})]),
        said(() => [...statesdiff.ddim(zero, s, x, {{ eta: 2 }})]),
        said(() => [...statesdiff.ddim(zero, s, f32([NaN, 0]))]),
        said(() => [...statesdiff.ddim(Object.assign(zero, {{ T: 9 }}), s, x)]),
        said(() => statesdiff.emd(x, new Float32Array(4)))];
    }}"""
    found = plain_engine(script)
    words = ("needs random", 'must be "beta"', "eta must lie", "not finite", "T = 9", "two sets of one size")
    assert all(word in text for word, text in zip(words, found, strict=True)), found
