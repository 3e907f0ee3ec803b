"""Every self-check against right answers, against each wrong answer it names, and against what is no answer at all.

Answers are written as a student would write them, not by calling the package.
"""

import itertools
import math

import numpy as np
import pytest
import torch

from statesdiff import check
from statesdiff.check import verdict

# For each check: right answers, and wrong ones with words that the diagnosis must contain.
RIGHT, WRONG = {}, {}


def right(name, *answers):
    RIGHT.setdefault(name, []).extend(answers)


def wrong(name, answer, *words):
    WRONG.setdefault(name, []).append((answer, words))


# standardise(x)

right(
    "standardise",
    lambda x: (x - x.mean(0)) / x.std(0),
    lambda x: (x - x.mean(dim=0)) / x.std(dim=0, correction=0),
    lambda x: (x.numpy() - x.numpy().mean(0)) / x.numpy().std(0),
)
wrong("standardise", lambda x: (x - x.mean(0)) / x.var(0), "divided by the variance", "square root")
wrong("standardise", lambda x: x - x.mean(0), "not divided by the standard deviation")
wrong("standardise", lambda x: x / x.std(0), "mean is not subtracted")
wrong("standardise", lambda x: (x - x.mean()) / x.std(), "one mean and one deviation for both")
wrong("standardise", lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True), "use dim 0")
wrong("standardise", lambda x: (x - x.mean(1, keepdim=True)) / x.std(1, keepdim=True, correction=0), "use dim 0")


# mean_distance(samples, real)


def all_pairs(a, b):
    return (a[:, None] - b[None]).square().sum(2).sqrt()


right(
    "mean_distance",
    lambda samples, real: all_pairs(samples, real).min(1).values.mean(),
    lambda samples, real: np.mean([min(math.dist(s, r) for r in real.tolist()) for s in samples.tolist()]),
)
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(0).values.mean(), "from each real point", "coverage")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).square().min(1).values.mean(), "squared distances", "square root")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).mean(), "mean over all pairs")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1).values.sum(), "the sum over the samples")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).max(1).values.mean(), "farthest")
wrong("mean_distance", lambda s, r: torch.cdist(s, r).min(1).values, "one distance per sample")


# coverage(samples, target, radius)

right(
    "coverage",
    lambda samples, target, radius: (all_pairs(target, samples).min(1).values <= radius).float().mean(),
    lambda samples, target, radius: (torch.cdist(samples, target) <= radius).any(0).double().mean().item(),
)
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(1).values <= r).float().mean(), "measured from the samples")
wrong("coverage", lambda s, m, r: 100 * (torch.cdist(s, m).min(0).values <= r).float().mean(), "percent")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(0).values > r).float().mean(), "NOT covered")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).min(0).values <= r).sum(), "number of covered points")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m) <= r).float().mean(), "share of all pairs")
wrong("coverage", lambda s, m, r: (torch.cdist(s, m).square().min(0).values <= r).float().mean(), "squared distances")


# alpha_bar(beta)


def loop_alpha_bar(beta):
    result = [1.0]
    for b in beta[1:].tolist():
        result.append(result[-1] * (1 - b))
    return torch.tensor(result)


right(
    "alpha_bar", loop_alpha_bar, lambda beta: torch.cumprod(1 - beta, dim=0), lambda beta: np.cumprod(1 - beta.numpy())
)
wrong("alpha_bar", lambda beta: torch.cumprod(beta, 0), "product of the betas")
wrong("alpha_bar", lambda beta: torch.cumsum(1 - beta, 0), "running sum")
wrong("alpha_bar", lambda beta: 1 - torch.cumsum(beta, 0), "1 minus the sum")
wrong("alpha_bar", lambda beta: 1 - beta, "alphas themselves")
wrong("alpha_bar", lambda beta: torch.cumprod(1 - beta, 0)[[*range(1, len(beta)), -1]], "off by one", "includes beta_t")
wrong("alpha_bar", lambda beta: torch.cumprod(1 - beta[1:], 0), "off by one", "t = 0", "missing")
wrong("alpha_bar", lambda beta: torch.cumprod((1 - beta).sqrt(), 0), "square root of alpha_bar")


# add_noise(x_0, t, alpha_bar)


def add_noise(x_0, t, alpha_bar):
    eps = torch.randn_like(x_0)
    a = alpha_bar[t].unsqueeze(1)
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps


def noisy(signal, noise, draw=torch.randn_like):
    """An answer with the given coefficients, each a function of alpha_bar[t] (B, 1)."""

    def answer(x_0, t, alpha_bar):
        eps, a = draw(x_0), alpha_bar[t][:, None]
        return signal(a) * x_0 + noise(1 - a) * eps, eps

    return answer


def same(a):
    return a


def off_by_one(x_0, t, alpha_bar):
    eps, a = torch.randn_like(x_0), alpha_bar[t - 1][:, None]
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps


def swapped(x_0, t, alpha_bar):
    eps, a = torch.randn_like(x_0), alpha_bar[t][:, None]
    return (1 - a).sqrt() * x_0 + a.sqrt() * eps, eps


def first_t_for_all(x_0, t, alpha_bar):
    eps, a = torch.randn_like(x_0), alpha_bar[t[0]]
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps, eps


right("add_noise", add_noise, lambda *args: list(add_noise(*args)), noisy(torch.sqrt, torch.sqrt))
wrong("add_noise", noisy(same, same), "variance 1", "both square roots")
wrong("add_noise", noisy(same, torch.sqrt), "variance 1", "square root on alpha_bar is missing")
wrong("add_noise", noisy(torch.sqrt, same), "variance 1", "square root on 1 - alpha_bar is missing")
wrong("add_noise", off_by_one, "off by one", "t - 1")
wrong("add_noise", swapped, "swapped")
wrong("add_noise", first_t_for_all, "wrong broadcasting")
wrong("add_noise", noisy(torch.sqrt, lambda a: 0), "no noise was added")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, torch.rand_like), "torch.rand instead of torch.randn")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: 2 * torch.randn_like(x)), "deviation 2.0", "not 0 and 1")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, torch.zeros_like), "deviation 0.00")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(len(x), 1)), "one number per coordinate")
wrong("add_noise", noisy(torch.sqrt, torch.sqrt, lambda x: torch.randn(2)), "one number per coordinate")
wrong("add_noise", lambda *args: add_noise(*args)[0], "return two tensors")
wrong("add_noise", lambda *args: (*add_noise(*args), 1), "return two tensors")
wrong("add_noise", lambda *args: (1.0, 2.0), "return two tensors")
wrong("add_noise", lambda x_0, t, ab: (add_noise(x_0, t, ab)[0], torch.randint(-1, 2, x_0.shape)), "eps")
wrong("add_noise", lambda x_0, t, ab: (add_noise(x_0, t, ab)[0], torch.randn_like(x_0)), "not the right numbers")
wrong("add_noise", lambda x_0, t, ab: (torch.ones(3), torch.randn_like(x_0)), "the shape should be (4000, 2)")


# half_time(alpha_bar)


def half_time(alpha_bar):
    for t, a in enumerate(alpha_bar.tolist()):
        if 1 - a >= a:
            return t


right("half_time", half_time, lambda ab: int((ab <= 0.5).nonzero()[0]), lambda ab: (ab > 0.5).sum())
wrong("half_time", lambda ab: half_time(ab) - 1, "off by one", "signal is still the larger")
wrong("half_time", lambda ab: half_time(ab[1:]), "off by one", "signal is still the larger")
wrong("half_time", lambda ab: half_time(ab) + 1, "off by one", "step before")
wrong("half_time", lambda ab: int((ab.sqrt() <= 0.5).nonzero()[0]), "standard deviations", "variances")
wrong("half_time", lambda ab: len(ab) - 1, "last time of the schedule")
wrong("half_time", lambda ab: (ab <= 0.5).nonzero()[0], "the shape should be ()")


# t_bar(t, T)

right(
    "t_bar",
    lambda t, T: 2 * (t - T / 2) / T,
    lambda t, T: 2 * t / T - 1,
    lambda t, T: [2 * k / T - 1 for k in t.tolist()],
)
wrong("t_bar", lambda t, T: t / T, "t_bar mismatch", "from 0 to 1")
wrong("t_bar", lambda t, T: torch.linspace(-1, 1, T)[t - 1], "t_bar mismatch", "t = 1 to -1")
wrong("t_bar", lambda t, T: 2 * ((t + 1) / T - 1 / 2), "t_bar mismatch", "one step ahead")
wrong("t_bar", lambda t, T: (t - T / 2) / T, "t_bar mismatch", "factor 2")
wrong("t_bar", lambda t, T: 2 * (t - T // 2) // T, "integer division")


# denoising_loss(predictor, schedule, x_0, t, eps)


def denoise(what_the_network_sees="x_t", target="eps", reduce=lambda d: (d**2).mean()):
    def answer(predictor, schedule, x_0, t, eps):
        a = schedule.alpha_bar[t].float()[:, None]
        x_t = a.sqrt() * x_0 + (1 - a).sqrt() * eps
        tensors = {"x_0": x_0, "x_t": x_t, "eps": eps}
        return reduce(predictor(tensors[what_the_network_sees], t) - tensors[target])

    return answer


def compared_with_itself(predictor, schedule, x_0, t, eps):
    eps_hat = predictor(schedule.q_sample(x_0, t, eps), t)
    return ((eps_hat - eps_hat) ** 2).mean()


def wrong_sign(predictor, schedule, x_0, t, eps):
    return ((predictor(schedule.q_sample(x_0, t, eps), t) + eps) ** 2).mean()


def mse_loss(predictor, schedule, x_0, t, eps):
    return torch.nn.functional.mse_loss(predictor(schedule.q_sample(x_0, t, eps), t), eps)


right("denoising_loss", denoise(), mse_loss, lambda *args: mse_loss(*args).item())
wrong("denoising_loss", compared_with_itself, "compared with itself", "misprint")
wrong("denoising_loss", denoise(target="x_0"), "not the clean x_0")
wrong("denoising_loss", denoise(target="x_t"), "not the noisy x_t")
wrong("denoising_loss", denoise("x_0"), "given the clean x_0")
wrong("denoising_loss", denoise("eps"), "given the noise itself")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).sum()), "sum over the batch")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).sum(1).mean()), "sum over coordinates")
wrong("denoising_loss", denoise(reduce=lambda d: d.abs().mean()), "absolute error")
wrong("denoising_loss", wrong_sign, "wrong sign")
wrong("denoising_loss", denoise(reduce=lambda d: d**2), "the mean is missing")
wrong("denoising_loss", denoise(reduce=lambda d: (d**2).mean(1)), "the shape should be ()")


# predict_x_0(x_t, eps_hat, alpha_bar_t)

right(
    "predict_x_0",
    lambda x, e, a: (x - (1 - a) ** 0.5 * e) / a**0.5,
    lambda x, e, a: x / a.sqrt() - (1 / a - 1).sqrt() * e,
)
wrong("predict_x_0", lambda x, e, a: (x - (1 - a) * e) / a, "both square roots")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a) * e) / a.sqrt(), "square root is missing on 1 - alpha_bar")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a).sqrt() * e) / a, "square root is missing on alpha_bar")
wrong("predict_x_0", lambda x, e, a: x - (1 - a).sqrt() * e, "divide by sqrt(alpha_bar)")
wrong("predict_x_0", lambda x, e, a: (x - (1 - a).sqrt() * e) * a.sqrt(), "you multiplied by sqrt(alpha_bar)")
wrong("predict_x_0", lambda x, e, a: (x + (1 - a).sqrt() * e) / a.sqrt(), "the noise was added")
wrong("predict_x_0", lambda x, e, a: (x - e) / a.sqrt(), "unscaled")


# ddpm_step(schedule, x_t, t, eps_hat, z)


def ancestral(**change):
    """Algorithm 2 with one ingredient changed: each is a function of (beta_t, alpha_bar_t, alpha_bar_{t-1}, t)."""
    v = {
        "noise": lambda b, a, p, t: (1 - a).sqrt(),
        "rescale": lambda b, a, p, t: (1 - b).sqrt(),
        "sigma": lambda b, a, p, t: b.sqrt() if t > 1 else 0.0,
    } | change

    def answer(schedule, x_t, t, eps_hat, z):
        args = schedule.beta[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1], t
        mean = (x_t - args[0] / v["noise"](*args) * eps_hat) / v["rescale"](*args)
        return mean + v["sigma"](*args) * z

    return answer


def noise_taken_away_unscaled(schedule, x_t, t, eps_hat, z):
    beta = schedule.beta[t]
    return (x_t - eps_hat) / (1 - beta).sqrt() + beta.sqrt() * (t > 1) * z


right("ddpm_step", ancestral(), lambda *args: ancestral()(*args).float())
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: 1.0), "no factor", "misprint")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: b), "variance beta_t", "square root")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: 0.0), "no noise is added")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: (b * (1 - p) / (1 - a)).sqrt()), "posterior variance")
wrong("ddpm_step", ancestral(rescale=lambda b, a, p, t: a.sqrt()), "divided by sqrt(alpha_bar_t)")
wrong("ddpm_step", ancestral(rescale=lambda b, a, p, t: 1 - b), "square root is missing", "sqrt(alpha_t)")
wrong("ddpm_step", ancestral(noise=lambda b, a, p, t: 1 - a), "square root is missing", "sqrt(1 - alpha_bar_t)")
wrong("ddpm_step", ancestral(noise=lambda b, a, p, t: (1 - p).sqrt()), "off by one", "not to t - 1")
wrong("ddpm_step", noise_taken_away_unscaled, "factor beta_t / sqrt(1 - alpha_bar_t)")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: b.sqrt()), "noise at the last step")


# ddim_step(schedule, x_t, t, s, eps_hat)


def there_and_back(back):
    def answer(schedule, x_t, t, s, eps_hat):
        a, ab = schedule.alpha_bar[t], schedule.alpha_bar
        x_0_hat = (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()
        return back(ab, t, s, x_0_hat, eps_hat)

    return answer


def mixed(ab, x_0_hat, eps_hat):
    return ab.sqrt() * x_0_hat + (1 - ab).sqrt() * eps_hat


def fresh_noise(ab, t, s, x_0_hat, eps_hat):
    return mixed(ab[s], x_0_hat, torch.randn_like(eps_hat))


right("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s], x, e)))
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: x), "predicted x_0", "noised to time s")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s] * x + (1 - ab[s]) * e), "square roots are missing")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[t], x, e)), "came back to x_t")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s - 1], x, e)), "off by one", "s - 1")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s + 1], x, e)), "off by one", "s + 1")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s].sqrt() * x), "not put back")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s], x, -e)), "sign of the noise")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s].sqrt() * x + (1 - ab[t]).sqrt() * e), "not to t")
wrong("ddim_step", there_and_back(fresh_noise), "fresh noise")
wrong("ddim_step", lambda schedule, x_t, t, s, eps_hat: torch.randn(50, 2).tolist(), "fresh noise")
wrong("ddim_step", lambda schedule, x_t, t, s, eps_hat: (2 * x_t).tolist(), "not the right numbers")


# The tests

CHECKS = sorted(
    name
    for name, value in vars(check).items()
    if callable(value) and getattr(value, "__module__", "").startswith("statesdiff.check.") and name != "Verdict"
)
every_check = pytest.mark.parametrize("name", CHECKS)


def cases(table):
    return [pytest.param(name, case, id=f"{name}-{i}") for name in sorted(table) for i, case in enumerate(table[name])]


def run(name, answer):
    return getattr(check, name)(answer)


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)  # the answers draw noise as a student would, from the global state


def test_every_check_is_tested():
    assert set(CHECKS) == set(RIGHT) == set(WRONG)


@pytest.mark.parametrize(("name", "answer"), cases(RIGHT))
def test_a_right_answer_passes(name, answer):
    verdict = run(name, answer)
    assert verdict.passed is True, verdict
    assert repr(verdict) == "✓ " + verdict.message and verdict.message


@pytest.mark.parametrize(("name", "case"), cases(WRONG))
def test_a_wrong_answer_gets_its_diagnosis(name, case):
    answer, words = case
    verdict = run(name, answer)
    assert verdict.passed is False
    for word in words:
        assert word in verdict.message
    assert repr(verdict) == "✗ " + verdict.message


def named_mistakes(name, monkeypatch):
    """All the comparisons that a check makes: (right answer, {diagnosis: [wrong answers]}, tolerance)."""
    seen, compare = [], verdict.compare

    def spy(got, right_answer, wrong_answers, praise, rtol=1e-4):
        variants = {k: v if isinstance(v, list) else [v] for k, v in wrong_answers.items()}
        seen.append((right_answer, variants, rtol))
        return compare(got, right_answer, wrong_answers, praise, rtol=rtol)

    with monkeypatch.context() as patch:
        patch.setattr(verdict, "compare", spy)
        assert run(name, RIGHT[name][0]).passed
    assert seen
    return seen


@every_check
def test_each_diagnosis_is_reached_by_some_wrong_answer(name, monkeypatch):
    reached = {run(name, answer).message for answer, _ in WRONG[name]}
    named = {diagnosis for _, mistakes, _ in named_mistakes(name, monkeypatch) for diagnosis in mistakes}
    assert named and named <= reached


@every_check
def test_no_two_answers_of_a_check_coincide(name, monkeypatch):
    for right_answer, mistakes, rtol in named_mistakes(name, monkeypatch):
        answers = [("the right answer", right_answer)] + [(k, v) for k, values in mistakes.items() for v in values]
        for (a, x), (b, y) in itertools.combinations(answers, 2):
            x, y = torch.as_tensor(x, dtype=torch.float64), torch.as_tensor(y, dtype=torch.float64)
            # more than two tolerances apart: nothing can be within one tolerance of both
            assert not verdict.close(x, y, 2 * rtol), f"{a!r} and {b!r} are the same"


@every_check
def test_no_mistake_is_praised_even_in_float32(name, monkeypatch):
    for right_answer, mistakes, rtol in named_mistakes(name, monkeypatch):
        for value in itertools.chain(*mistakes.values()):
            assert not verdict.close(torch.as_tensor(value, dtype=torch.float32).double(), right_answer, rtol)
        as_float32 = torch.as_tensor(right_answer, dtype=torch.float32).double()
        assert verdict.close(as_float32, right_answer, rtol)


def not_implemented(*args):
    raise NotImplementedError


@every_check
@pytest.mark.parametrize("skeleton", [lambda *args: ..., lambda *args: None, not_implemented])
def test_a_skeleton_has_not_been_attempted(name, skeleton):
    verdict = run(name, skeleton)
    assert verdict.passed is None
    assert repr(verdict) == "not attempted yet"


@every_check
def test_an_exception_is_reported_not_raised(name):
    def broken(*args):
        raise IndexError("index 500 is out of bounds")

    verdict = run(name, broken)
    assert verdict.passed is False
    assert verdict.message == "your function raised IndexError: index 500 is out of bounds"


@every_check
def test_a_function_with_the_wrong_arguments_is_reported(name):
    verdict = run(name, lambda: 1.0)
    assert verdict.passed is False and "your function raised TypeError" in verdict.message


@every_check
@pytest.mark.parametrize("value", ["text", {"a": 1}, {1.0}, object(), [[1.0], [1.0, 2.0]], print], ids=repr)
def test_a_result_of_the_wrong_type_is_named(name, value):
    verdict = run(name, lambda *args: value)
    assert verdict.passed is False
    expected = "return two tensors" if name == "add_noise" else f"your function returned {type(value).__name__}"
    assert expected in verdict.message


@every_check
@pytest.mark.parametrize("value", [torch.zeros(7, 3, 2), torch.zeros(0), math.nan, torch.tensor(True), -12345.0])
def test_any_other_result_is_wrong_and_the_check_survives_it(name, value):
    assert run(name, lambda *args: value).passed is False


# add_noise has two results: its shapes are among the wrong answers above
@pytest.mark.parametrize("name", [name for name in CHECKS if name != "add_noise"])
def test_the_shapes_are_named_when_they_differ(name):
    message = run(name, lambda *args: torch.zeros(7, 3, 2)).message
    assert "the shape should be (" in message and "yours is (7, 3, 2)" in message


@every_check
def test_an_answer_that_writes_to_its_input_cannot_fool_the_check(name):
    def vandal(*args):
        for arg in args:
            if isinstance(arg, torch.Tensor) and arg.is_floating_point():
                arg.zero_()
        return torch.zeros(())

    assert run(name, vandal).passed is False
    assert run(name, RIGHT[name][0]).passed is True


@every_check
def test_a_check_is_deterministic_and_leaves_the_global_state_alone(name):
    before = torch.get_rng_state()
    messages = {run(name, lambda *args: torch.zeros(2)).message for _ in range(3)}
    assert len(messages) == 1 and torch.equal(torch.get_rng_state(), before)


def test_numbers_that_are_off_are_told_by_how_much():
    verdict = check.predict_x_0(lambda x, e, a: (x - (1 - a).sqrt() * e) / a.sqrt() + 0.25)
    assert "not the right numbers, off by up to 0.25" in verdict.message


def test_a_result_of_nan_is_not_taken_for_fresh_noise():
    assert "not the right numbers" in check.ddim_step(lambda s, x, t, u, e: x * math.nan).message
