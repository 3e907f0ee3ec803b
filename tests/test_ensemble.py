"""Ensembles: the same networks as alone, and as plain PyTorch makes them from the same draws."""

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.testing import assert_close

from statesdiff import ensemble
from statesdiff.ensemble import Job, memory, noisy_blocks, train_ensemble
from statesdiff.models import FREQUENCIES, Denoiser, SinusoidalDenoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import adam, adam_w, constant, cosine_decay, low_noise_t, one_cycle

# Products of stacked matrices round otherwise than those of single ones. In float64 that is 1e-16 a product, and Adam,
# which divides by the size of the gradient, has made no more than 1e-12 of it after 40 updates of networks this small.
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def job(seed=0, T=20, N=90, D=2, schedule=None, labelled=False, double=True, **options):
    shape = {"hidden": options.pop("hidden", (8, 8)), "n_classes": 3 if labelled else 0}
    build = options.pop("build", Denoiser)
    extra = {name: options.pop(name) for name in ("skip",) if name in options}
    model = init(build, D=D, T=T, **shape, **extra, generator=stream("init", seed))
    x_0, y = randn(N, D, generator=stream("data", seed)), torch.arange(N) % 3
    if double:
        model, x_0 = model.double(), x_0.double()
    given = {"steps": 40, "batch_size": 16, "optimiser": adam} | options
    schedule = schedule or NoiseSchedule.linear(T, 0.01, 0.3)
    return Job(model, x_0, schedule, y if labelled else None, generator=stream("train", seed), **given)


MIXED = [  # in an order in which they do not finish
    {"T": 20, "N": 90, "steps": 40},
    {"T": 7, "N": 5, "steps": 3, "lr": 3e-3},
    {"T": 50, "N": 300, "steps": 40, "schedule": NoiseSchedule.cosine(50)},
    {"T": 20, "N": 90, "steps": 25, "lr": 1e-2, "lr_schedule": one_cycle, "optimiser": adam_w},
    {"T": 20, "N": 90, "steps": 25, "lr": 1e-2, "lr_schedule": cosine_decay},
    {"T": 3, "N": 1, "steps": 1, "draw_t": low_noise_t},
]
KINDS = {
    "raw": {},
    "skip": {"skip": True},
    "labelled": {"labelled": True},
    "sinusoidal": {"build": SinusoidalDenoiser},
    "labelled sinusoidal": {"build": SinusoidalDenoiser, "labelled": True},
    "line": {"D": 1},
    "space": {"D": 5, "hidden": (4, 6, 3)},
}
by_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def made(**common):
    return [job(seed, **common, **settings) for seed, settings in enumerate(MIXED)]


def weights(model):
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def run(*jobs):
    return list(train_ensemble(jobs))


# The same as alone


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(ensemble, "POINTS", 100)  # six batches of 16: several blocks, and a job that ends within one


@by_kind
def test_together_as_alone(kind, small_blocks):
    together, alone = made(**kind), made(**kind)
    losses = run(*together)
    assert len(losses) == 40 and {len(step) for step in losses} == {len(MIXED)}
    for i, single in enumerate(alone):
        before = weights(single.model)
        expected = [step[0] for step in run(single)]
        got = [step[i] for step in losses]
        assert got[single.steps :] == [None] * (40 - single.steps)
        assert got[: single.steps] == pytest.approx(expected, rel=1e-9)
        assert_close(weights(together[i].model), weights(single.model), **CLOSE)
        assert (weights(single.model) - before).abs().max() > 1e-4


def test_together_as_alone_in_single_precision(small_blocks):
    # 1e-7 a product; 40 updates of 1e-3 make of it at most a hundredth of what was learnt
    together, alone = made(double=False), made(double=False)
    run(*together)
    for a, b in zip(together, alone, strict=True):
        run(b)
        assert_close(weights(a.model), weights(b.model), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adam", {"lr": 2e-3}),
        ("AdamW", {"betas": (0.9, 0.99), "lr": 2e-3}),
    ],
)
@by_kind
def test_as_plain_pytorch_does_it_from_the_same_draws(name, options, kind, small_blocks):
    ours = job(lr=2e-3, optimiser={"Adam": adam, "AdamW": adam_w}[name], **kind)
    theirs = job(lr=2e-3, **kind)
    optimiser = getattr(torch.optim, name)(theirs.model.net.parameters(), **options)
    losses, blocks = [], noisy_blocks(theirs)
    while len(losses) < 40:
        inputs, targets = next(blocks)
        for x, target in zip(inputs.split(16), targets.split(16), strict=True):
            loss = nn.functional.mse_loss(theirs.model.net(x), target.double())
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
    got = [step[0] for step in run(ours, job(1, **kind))]
    assert got == pytest.approx(losses[:40], rel=1e-9)


@pytest.mark.parametrize("rate", [one_cycle, cosine_decay])
def test_the_learning_rate_follows_its_schedule(rate, small_blocks):
    ours, theirs = job(lr_schedule=rate, steps=12), job(steps=12)
    optimiser = torch.optim.Adam(theirs.model.net.parameters(), lr=1e-3)
    schedule = rate(optimiser, 1e-3, 12)
    inputs, targets = (torch.cat(parts) for parts in zip(*(next(b) for b in [noisy_blocks(theirs)] * 2), strict=True))
    blocks = zip(inputs.split(16)[:12], targets.split(16)[:12], strict=True)
    for x, target in blocks:
        optimiser.zero_grad()
        nn.functional.mse_loss(theirs.model.net(x), target.double()).backward()
        optimiser.step()
        schedule.step()
    run(ours, job(1))
    assert_close(weights(ours.model), weights(theirs.model), **CLOSE)


def test_the_model_learns():
    # all points in one place: the noise can be read off x_t, and a network that answers 0 has loss 1
    one = job(N=1, double=False, steps=400, lr=5e-3, hidden=(32,), batch_size=64)
    losses = [step[0] for step in run(one)]
    assert sum(losses[-50:]) / 50 < 0.35 * losses[0]


# Interruption, divergence


@pytest.mark.parametrize("stop", ["close", "throw"])
def test_whoever_stops_listening_has_usable_models(stop, small_blocks):
    jobs, alone = [job(0), job(1, lr=3e-3)], [job(0, steps=7), job(1, steps=7, lr=3e-3)]
    training = train_ensemble(jobs)
    for _ in range(7):
        next(training)
    if stop == "close":
        training.close()
    else:
        with pytest.raises(KeyboardInterrupt):
            training.throw(KeyboardInterrupt)
    for a, b in zip(jobs, alone, strict=True):
        run(b)
        assert_close(weights(a.model), weights(b.model), **CLOSE)
        assert a.model(a.x_0, 3).isfinite().all() and all(p.is_contiguous() for p in a.model.parameters())


def test_a_network_that_diverges_leaves_its_neighbours_bit_for_bit_as_they_are():
    with_it = [job(i, double=False, lr=lr) for i, lr in enumerate((1e-3, 1e30, 1e-3))]
    without = [job(i, double=False, lr=lr) for i, lr in enumerate((1e-3, 1e-2, 1e-3))]
    losses, expected = run(*with_it), run(*without)
    assert [s[0] for s in losses] == [s[0] for s in expected] and [s[2] for s in losses] == [s[2] for s in expected]
    assert all(torch.equal(weights(with_it[i].model), weights(without[i].model)) for i in (0, 2))
    assert all(s[1] != s[1] for s in losses[2:]) and losses[0][1] == expected[0][1]  # NaN is not itself


def test_functions_of_one_name_are_not_taken_for_one(small_blocks):
    halves = [
        lambda optimiser, lr, steps, f=f: torch.optim.lr_scheduler.LambdaLR(optimiser, lambda _: f) for f in (1, 0)
    ]
    jobs = [job(0, lr_schedule=rate) for rate in halves]
    before = weights(jobs[0].model)
    run(*jobs)
    assert torch.equal(weights(jobs[1].model), before) and not torch.equal(weights(jobs[0].model), before)


# What is drawn


class Spy:
    """A schedule that notes which points it is asked to make noisy."""

    def __init__(self, schedule):
        self.schedule, self.T, self.seen = schedule, schedule.T, []

    def q_sample(self, x_0, t, eps):
        self.seen.append(x_0)
        return self.schedule.q_sample(x_0, t, eps)


def spied(N, blocks=3, **options):
    spy = Spy(NoiseSchedule.linear(20, 0.01, 0.3))
    one = Job(
        Denoiser(T=20, hidden=(4,), **options.pop("shape", {})), torch.arange(2.0 * N).reshape(N, 2), spy, **options
    )
    drawn = [block for _, block in zip(range(blocks), noisy_blocks(one), strict=False)]
    return torch.cat(spy.seen)[:, 0].div(2).long(), drawn


@given(N=st.integers(1, 70), batch_size=st.integers(1, 40))
def test_each_epoch_shows_each_point_once(N, batch_size):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ensemble, "POINTS", 64)
        rows, drawn = spied(N, batch_size=batch_size)
    assert {len(inputs) % batch_size for inputs, _ in drawn} == {0}
    epochs = rows.split(N)
    for epoch in epochs[: len(rows) // N]:
        assert epoch.sort().values.tolist() == list(range(N))
    assert len(epochs[-1].unique()) == len(epochs[-1])


def test_epochs_are_shuffled_anew():
    rows, _ = spied(500)
    first, second = rows[:500], rows[500:1000]
    assert not torch.equal(first, second) and not torch.equal(first, torch.arange(500))


@pytest.mark.parametrize("skip", [False, True])
def test_the_answer_wanted_is_the_noise_less_the_first_guess(skip):
    one = job(skip=skip, N=6)
    inputs, targets = next(noisy_blocks(one))
    x_t, t = inputs[:, :2], ((inputs[:, 2] + 1) * 10).round().long()
    eps = targets + (t / 20)[:, None] * x_t if skip else targets
    x_0 = one.schedule.predict_x_0(x_t, t, eps)
    assert torch.cdist(x_0, one.x_0).amin(1).max() < 1e-6  # float32 noise
    assert set(t.tolist()) == set(range(1, 21))
    assert eps.std() == pytest.approx(1, abs=0.04)  # 8,000 numbers: five standard errors


@pytest.mark.parametrize("p_uncond", [0.0, 0.2, 1.0])
def test_a_share_of_the_labels_is_dropped_and_the_others_are_those_of_their_points(p_uncond):
    y = torch.arange(30) % 3
    rows, drawn = spied(30, y=y, p_uncond=p_uncond, shape={"n_classes": 3})
    labels = torch.cat([inputs for inputs, _ in drawn])[:, -3:]
    told = labels.sum(1) == 1
    assert torch.equal(labels[told].argmax(1), y[rows][told]) and not labels[~told].any()
    # 12,288 labels: five standard errors of the share are 0.018
    assert float((~told).double().mean()) == pytest.approx(p_uncond, abs=0.018 if 0 < p_uncond < 1 else 0)


# Bad jobs


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, r"steps and batch_size must be >= 1 and lr > 0, got 0, 16, 0\.001"),
        ({"batch_size": 0}, "batch_size must be >= 1"),
        ({"lr": 0.0}, "lr > 0"),
        ({"lr": float("nan")}, "lr > 0"),
        ({"N": 0}, "x_0 must be a non-empty, finite tensor"),
        ({"p_uncond": 1.5}, "p_uncond must be a probability, got 1.5"),
        ({"schedule": NoiseSchedule.linear(T=9)}, "the model was built for T = 20, the schedule has T = 9"),
    ],
)
def test_a_job_that_cannot_be_trained_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        job(**change)


def test_labels_must_suit_the_points_and_the_network():
    x_0, schedule = torch.zeros(4, 2), NoiseSchedule.linear(20)
    with pytest.raises(ValueError, match="y must hold 4 labels"):
        Job(Denoiser(T=20, n_classes=2), x_0, schedule, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match="y holds the label 2, the model was built for 2 classes"):
        Job(Denoiser(T=20, n_classes=2), x_0, schedule, torch.tensor([0, 1, 2, 0]))


@pytest.mark.parametrize("change", [{"hidden": (8,)}, {"batch_size": 8}, {"D": 3}, {"labelled": True}])
def test_jobs_of_different_shape_are_not_stacked(change):
    odd = job(**change)
    before = weights(odd.model)
    with pytest.raises(ValueError, match="an ensemble needs jobs of one shape, got"):
        run(job(), odd)
    assert torch.equal(weights(odd.model), before)


def test_an_ensemble_of_none_is_refused():
    with pytest.raises(ValueError, match="an ensemble needs jobs"):
        run()


# Memory


def peak_of(jobs, path):
    """The most that PyTorch had allocated at once while it trained the jobs, in bytes."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        run(*jobs)
    profile.export_chrome_trace(str(path))
    events = [e for e in json.loads(path.read_text())["traceEvents"] if e["name"] == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda e: e["ts"]):
        held += event["args"]["Bytes"]
        most = max(most, held)
    return most


SHAPES = {
    "homework": {"build": SinusoidalDenoiser, "hidden": (128,) * 5, "batch_size": 64},
    "fourier": {
        "build": lambda **shape: Denoiser(x_frequencies=FREQUENCIES[0], t_frequencies=FREQUENCIES[1], **shape),
        "hidden": (32,),
        "batch_size": 64,
        "skip": True,
    },
    "tiny": {"hidden": (4,), "batch_size": 64, "D": 1, "skip": True},
    "large batch": {"hidden": (64, 128, 128), "batch_size": 1024, "D": 3, "labelled": True},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_memory_bounds_what_is_allocated_and_not_by_much(shape, tmp_path):
    for K in (1, 6):
        three_blocks = 2 * 4096 // shape["batch_size"] + 1
        jobs = [job(i, N=500, steps=three_blocks, double=False, **shape) for i in range(K)]
        bound = K * memory(jobs[0])
        own = sum(p.numel() * 4 for j in jobs for p in j.model.parameters())  # counted, but there before
        peak = own + peak_of(jobs, tmp_path / "trace.json")
        assert bound / 3 < peak <= bound


def test_constant_is_the_rate_that_was_asked_for():
    optimiser = adam([nn.Parameter(torch.zeros(1))], 0.25)
    rate = constant(optimiser, 0.25, 10)
    for _ in range(10):
        assert optimiser.param_groups[0]["lr"] == 0.25
        optimiser.step()
        rate.step()
