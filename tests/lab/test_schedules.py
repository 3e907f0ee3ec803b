"""Schedules and the forward process of the labs are the package's; their random numbers are normal and repeatable."""

import pytest
import torch

from statesdiff.ablations.curves import curve
from statesdiff.rng import stream
from statesdiff.schedule import SCHEDULES, NoiseSchedule, normalised_time
from tests.lab.conftest import Engine, close


@pytest.mark.parametrize("T", [10, 500])
@pytest.mark.parametrize("name", SCHEDULES)
def test_schedules(plain_engine: Engine, name: str, T: int) -> None:
    script = """(name, T) => {
      const s = statesdiff.SCHEDULES[name]({ T });
      return { T: s.T, name: s.name, beta: s.beta, alpha_bar: s.alpha_bar, log_snr: s.log_snr.slice(1),
        snr: s.snr.slice(1), noise_level: s.noise_level };
    }"""
    found, wanted = plain_engine(script, name, T), SCHEDULES[name](T=T)
    assert found["T"] == T and found["name"] == wanted.name
    for field in ("beta", "alpha_bar", "noise_level"):
        torch.testing.assert_close(found[field], getattr(wanted, field), rtol=1e-9, atol=1e-15)
    for field in ("log_snr", "snr"):
        torch.testing.assert_close(found[field], getattr(wanted, field)[1:], rtol=1e-9, atol=1e-12)


def test_the_forward_process(plain_engine: Engine) -> None:
    schedule, rng = NoiseSchedule.linear(), stream("forward")
    x_0, eps = torch.randn(7, 2, generator=rng), torch.randn(7, 2, generator=rng)
    t = torch.tensor([0, 1, 2, 50, 250, 499, 500])
    script = """(x_0, t, eps) => {
      const s = statesdiff.NoiseSchedule.linear(), x_t = s.q_sample(f32(x_0), t, f32(eps));
      const late = t.map((v) => Math.max(v, 1));
      return { x_t, one: s.q_sample(f32(x_0), 50, f32(eps)), back: s.predict_x_0(x_t, t, f32(eps)),
        score: s.score(f32(eps), late), t_bar: t.map((v) => statesdiff.normalised_time(v, 500)) };
    }"""
    found = plain_engine(script, x_0, t, eps)
    x_t = schedule.q_sample(x_0, t, eps)
    close(found["x_t"], x_t, atol=1e-6)
    close(found["one"], schedule.q_sample(x_0, 50, eps), atol=1e-6)
    close(found["back"], schedule.predict_x_0(x_t, t, eps), atol=2e-5)
    close(found["score"], schedule.score(eps, t.clamp(1)), atol=1e-5, rtol=1e-6)
    close(found["t_bar"], normalised_time(t, 500), atol=1e-7)


def test_random_numbers_are_normal_and_depend_on_name_and_seed_alone(plain_engine: Engine) -> None:
    script = """() => {
      const draw = (name, seed) => statesdiff.stream(name, seed).randn(20000);
      return [draw("a", 0), draw("a", 0), draw("a", 1), draw("b", 0)];
    }"""
    first, again, other, named = plain_engine(script)
    assert torch.equal(first, again)
    for x in (first, other, named):
        assert abs(x.mean()) < 4 / 20_000**0.5 and abs(x.square().mean() - 1) < 4 * (2 / 20_000) ** 0.5
        assert abs((x < -1).double().mean() - 0.15866) < 4 * (0.1335 / 20_000) ** 0.5
    for x, y in ((first, other), (first, named), (first[1:], first[:-1])):
        assert abs((x * y).mean()) < 4 / 20_000**0.5


def test_a_permutation_has_every_number_once(plain_engine: Engine) -> None:
    found = plain_engine("() => statesdiff.stream('p', 0).permutation(1000)")
    assert torch.equal(found.sort().values, torch.arange(1000.0, dtype=torch.float64))
    assert not torch.equal(found, found.sort().values)


@pytest.mark.parametrize(
    "script",
    [
        "() => statesdiff.NoiseSchedule.linear({ T: 0 })",
        "() => new statesdiff.NoiseSchedule(Float64Array.of(0, 2))",
        "() => statesdiff.NoiseSchedule.linear().q_sample(new Float32Array(4), 1, new Float32Array(2))",
        "() => statesdiff.ddim_times(500, 501)",
        "() => statesdiff.ddim_times(500, [500, 500, 0])",
    ],
)
def test_bad_input(plain_engine: Engine, script: str) -> None:
    caught = plain_engine(f"() => {{ try {{ ({script})(); }} catch (e) {{ return [e.name, e.message]; }} }}")
    assert caught is not None and caught[0] == "RangeError" and "got" in caught[1] or "and" in caught[1]


def test_a_schedule_is_found_from_its_log_snr(plain_engine: Engine) -> None:
    curve = torch.linspace(8, -9, 12, dtype=torch.float64)
    found = plain_engine("(curve) => statesdiff.NoiseSchedule.from_log_snr(curve).beta", curve)
    close(found, NoiseSchedule.from_log_snr(curve).beta, atol=1e-12)
    message = plain_engine(
        "() => { try { statesdiff.NoiseSchedule.from_log_snr([1, 2]); } catch (e) { return e.message; } }"
    )
    assert "must fall" in message


# Curves drawn by knots

KNOTS = 7


def through(knots: list[float], steps: int) -> torch.Tensor:
    """The values at `steps` even places on the curve that is straight between the knots."""
    at = torch.linspace(0, len(knots) - 1, steps, dtype=torch.float64)
    k = at.long().clamp(max=len(knots) - 2)
    values = torch.tensor(knots, dtype=torch.float64)
    return values[k] + (at - k) * (values[k + 1] - values[k])


@pytest.mark.parametrize("shape", ["even", "cosine", "linear"])
def test_the_offered_curves_are_the_packages(plain_engine: Engine, shape: str) -> None:
    """The labs' closed forms, the package's cut ramps: of the linear one the labs' is that of 500 times."""
    found = plain_engine("(shape) => statesdiff.knotsOn(statesdiff.OFFERED[shape])", shape)
    close(found, curve(shape, KNOTS).log_snr[1:], atol=0.05)


def test_a_curve_through_knots(plain_engine: Engine) -> None:
    knots = [6.0, 4.5, 3.0, 0.5, 0.0, -2.0, -6.0]
    found = plain_engine("(knots) => statesdiff.scheduleOfKnots(knots, 20).log_snr.slice(1)", knots)
    close(found, through(knots, 20), atol=1e-9)


def test_a_knot_pushes_its_neighbours_so_that_the_curve_falls(plain_engine: Engine) -> None:
    knots = [7.0, 5, 3, 1, -1, -3, -5]
    for k, value in ((3, 8.0), (3, -9.0), (0, -20.0), (6, 20.0)):
        found = plain_engine("(knots, k, value) => statesdiff.moved(knots, k, value)", knots, k, value)
        assert (found.diff() < 0).all() and found.max() <= 9 and found.min() >= -7
    close(
        plain_engine("(knots) => statesdiff.moved(knots, 3, 2)", knots), torch.tensor([7.0, 5, 3, 2, -1, -3, -5]), 1e-9
    )
