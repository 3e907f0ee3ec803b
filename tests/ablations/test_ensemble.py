"""Ensembles: the same networks as alone, and as plain PyTorch makes them from the same draws."""

import json
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from torch.testing import assert_close

from statesdiff.ablations import ensemble
from statesdiff.ablations.ensemble import Job, memory, train_ensemble
from statesdiff.ablations.homework import HomeworkDenoiser
from statesdiff.models import Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import (
    Training,
    adam,
    adam_w,
    constant,
    cosine_decay,
    decay_at,
    every_point_once,
    low_noise_t,
    noisy_batches,
    one_cycle,
    train_denoiser,
)
from tests.support import weights

# Products of stacked matrices round otherwise than those of single ones. In float64 that is 1e-16 a product, and Adam,
# which divides by the size of the gradient, has made no more than 1e-12 of it after 40 updates of networks this small.
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
HOW = {"steps": 40, "batch_size": 16, "lr": 1e-3, "lr_schedule": constant, "optimiser": adam}


class Residual(nn.Module):
    """A network as a reader would write it: layers in a dictionary, one with two names, points of any shape."""

    def __init__(self, shape=(2,), T=20, n_classes=0, width=6):
        super().__init__()
        self.T, self.n_classes, self.config = T, n_classes, {"shape": shape, "T": T, "width": width}
        n = int(torch.tensor(shape).prod())
        self.layers = nn.ModuleDict({"last": nn.Linear(width, n), "first": nn.Linear(n + 1, width)})
        self.middle = nn.Linear(width, width)
        self.again = self.middle  # the same layer by another name

    def forward(self, x_t, t):
        h = self.layers["first"](torch.cat([x_t.flatten(1), (t / self.T)[:, None].to(x_t)], dim=1))
        h = h + self.middle(nn.functional.silu(h)) - self.again(h).tanh() / 2
        return x_t / 2 + self.layers["last"](h).unflatten(1, x_t.shape[1:])


def job(seed=0, T=20, N=90, D=2, schedule=None, labelled=False, double=True, build=Denoiser, hidden=(8, 8), **options):
    """A job of a small network, in float64 unless asked otherwise; options of the network and of the training."""
    own = {name: options.pop(name) for name in ("skip", "project") if name in options}
    if build is Residual:
        model = init(build, shape=D if isinstance(D, tuple) else (D,), T=T, generator=stream("init", seed))
    else:
        classes = 3 if labelled else 0
        model = init(build, D=D, T=T, hidden=hidden, n_classes=classes, **own, generator=stream("init", seed))
    x_0 = randn(N, *(D if isinstance(D, tuple) else (D,)), generator=stream("data", seed))
    if double:
        model, x_0 = model.double(), x_0.double()
    schedule = schedule or NoiseSchedule.linear(T, 0.01, 0.3)
    training = Training(**HOW | {"draw_rows": every_point_once} | options)
    return Job(model, x_0, schedule, torch.arange(N) % 3 if labelled else None, training, stream("train", seed))


MIXED = [  # in an order in which they do not finish
    {"N": 90, "steps": 40},
    {"N": 5, "steps": 3, "lr": 3e-3},
    {"N": 300, "steps": 40, "schedule": NoiseSchedule.cosine(20)},
    {"N": 90, "steps": 25, "lr": 1e-2, "lr_schedule": one_cycle, "optimiser": adam_w},
    {"N": 90, "steps": 25, "lr": 1e-2, "lr_schedule": cosine_decay},
    {"N": 1, "steps": 1, "draw_t": low_noise_t},
]
KINDS = {
    "raw": {},
    "skip": {"skip": True},
    "fourier": {"build": Denoiser.fourier},
    "labelled": {"labelled": True},
    "labelled fourier": {"build": Denoiser.fourier, "labelled": True},
    "homework": {"build": HomeworkDenoiser, "project": 5},
    "labelled homework": {"build": HomeworkDenoiser, "labelled": True},
    "sinusoidal": {"build": HomeworkDenoiser, "project": 0},
    "line": {"D": 1},
    "space": {"D": 5, "hidden": (4, 6, 3)},
    "of one's own": {"build": Residual},
    "of small pictures": {"build": Residual, "D": (1, 3, 2)},
}
by_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())


def made(**common):
    return [job(seed, **common, **settings) for seed, settings in enumerate(MIXED)]


def run(*jobs):
    return list(train_ensemble(jobs))


def one_by_one(job):
    """The losses of `train_denoiser` on the same job."""
    steps = train_denoiser(job.model, job.x_0, job.schedule, job.y, **vars(job.training), generator=job.generator)
    return [step.loss for step in steps]


# The same as alone


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(ensemble, "POINTS", 100)  # six batches of 16: several blocks, and a job that ends within one


@pytest.fixture
def blocks_of_a_batch(monkeypatch):
    """Then every batch is drawn by itself, in the order in which `train_denoiser` draws."""
    monkeypatch.setattr(ensemble, "POINTS", 16)


@by_kind
def test_together_as_one_by_one(kind, blocks_of_a_batch):
    together, alone = made(**kind), made(**kind)
    losses = run(*together)
    assert len(losses) == 40 and {len(step) for step in losses} == {len(MIXED)}
    for i, single in enumerate(alone):
        before, steps = weights(single.model), single.training.steps
        expected, got = one_by_one(single), [step[i] for step in losses]
        assert got[steps:] == [None] * (40 - steps)
        assert got[:steps] == pytest.approx(expected, rel=1e-9)
        assert_close(weights(together[i].model), weights(single.model), **CLOSE)
        assert (weights(single.model) - before).abs().max() > 1e-4


def test_together_as_one_by_one_in_single_precision(blocks_of_a_batch):
    # 1e-7 a product; 40 updates of 1e-3 make of it at most a hundredth of what was learnt
    together, alone = made(double=False), made(double=False)
    run(*together)
    for a, b in zip(together, alone, strict=True):
        one_by_one(b)
        assert_close(weights(a.model), weights(b.model), rtol=0, atol=1e-4)


@by_kind
def test_however_many_batches_are_drawn_at_once(kind, small_blocks):
    together, alone = made(**kind), made(**kind)
    losses = run(*together)
    for i, single in enumerate(alone):
        expected = [step[0] for step in run(single)]
        assert [step[i] for step in losses][: len(expected)] == pytest.approx(expected, rel=1e-9)
        assert_close(weights(together[i].model), weights(single.model), **CLOSE)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Adam", {"lr": 2e-3}),
        ("AdamW", {"betas": (0.9, 0.99), "lr": 2e-3}),
    ],
)
@by_kind
def test_as_plain_pytorch_does_it_from_the_same_draws(name, options, kind, small_blocks):
    how = {"lr": 2e-3, "optimiser": {"Adam": adam, "AdamW": adam_w}[name]}
    ours, theirs = job(**how, **kind), job(**how, **kind)
    optimiser, losses = getattr(torch.optim, name)(theirs.model.parameters(), **options), []
    for batch in batches_of(theirs, 40):
        loss = loss_on(theirs, batch)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    got = [step[0] for step in run(ours, job(1, **how, **kind))]
    assert got == pytest.approx(losses, rel=1e-9)


def batches_of(job, steps):
    """The batches of 16 that the ensemble trains this job on, six of them drawn at once."""
    drawn = noisy_batches(job.x_0, job.schedule, job.y, job.training, n=96, generator=job.generator)
    while True:
        block = next(drawn)
        for i in range(0, 96, 16):
            yield [None if part is None else part[i : i + 16] for part in block]
            if (steps := steps - 1) == 0:
                return


def loss_on(job, batch):
    x_t, t, eps, y = batch
    return nn.functional.mse_loss(job.model(x_t, t) if y is None else job.model(x_t, t, y), eps.double())


@pytest.mark.parametrize("rate", [one_cycle, cosine_decay])
def test_the_learning_rate_follows_its_schedule(rate, small_blocks):
    ours, theirs = job(lr_schedule=rate, steps=12), job(steps=12)
    optimiser = torch.optim.Adam(theirs.model.parameters(), lr=1e-3)
    schedule = rate(optimiser, 1e-3, 12)
    for batch in batches_of(theirs, 12):
        optimiser.zero_grad()
        loss_on(theirs, batch).backward()
        optimiser.step()
        schedule.step()
    run(ours, job(1, steps=12))
    assert_close(weights(ours.model), weights(theirs.model), **CLOSE)


def test_the_model_learns():
    # all points in one place: the noise can be read off x_t, and a network that answers 0 has loss 1
    one = job(N=1, double=False, steps=400, lr=5e-3, hidden=(32,), batch_size=64)
    losses = [step[0] for step in run(one)]
    assert sum(losses[-50:]) / 50 < 0.35 * losses[0]


def test_what_was_handed_in_is_trained_itself_and_stays_what_it_was(small_blocks):
    jobs = [job(seed, build=Residual) for seed in (0, 1)]
    layers = [list(j.model.modules()) for j in jobs]
    run(*jobs)
    assert all(a is b for j, own in zip(jobs, layers, strict=True) for a, b in zip(j.model.modules(), own, strict=True))
    assert all(type(layer) is nn.Linear for j in jobs for layer in j.model.layers.values())


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


class Plain(nn.Module):
    """x_t -> x_t, with whatever layers it is given."""

    def __init__(self, *layers, T=20, config=True):
        super().__init__()
        self.T, self.net = T, nn.Sequential(*layers)
        if config:
            self.config = {"T": T}

    def forward(self, x_t, t):
        return self.net(x_t)


class Scaled(nn.Linear):
    """A linear layer by name that computes something else."""

    def forward(self, h):
        return 2 * super().forward(h)


UNSTACKABLE = {
    "a norm": [nn.Linear(2, 2), nn.LayerNorm(2)],
    "a convolution": [nn.Unflatten(1, (1, 2)), nn.Conv1d(1, 1, 1), nn.Flatten(), nn.Linear(2, 2)],
    "slopes": [nn.Linear(2, 2), nn.PReLU()],
    "no bias": [nn.Linear(2, 2), nn.Linear(2, 2, bias=False)],
    "a linear layer of another kind": [nn.Linear(2, 2), Scaled(2, 2)],
}


@pytest.mark.parametrize("layers", UNSTACKABLE.values(), ids=UNSTACKABLE.keys())
def test_a_network_with_other_weights_is_refused(layers):
    with pytest.raises(ValueError, match="model must have no weights but those of plain linear layers, with biases"):
        Job(Plain(*layers), torch.zeros(4, 2), NoiseSchedule.linear(20))


def test_weights_outside_any_layer_are_refused():
    model = Plain(nn.Linear(2, 2))
    model.gain = nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="model must have no weights but those of plain linear layers"):
        Job(model, torch.zeros(4, 2), NoiseSchedule.linear(20))


def test_layers_without_weights_are_welcome(small_blocks):
    layers = [nn.Linear(2, 3), nn.LayerNorm(3, elementwise_affine=False), nn.GELU(), nn.Linear(3, 2)]
    training = Training(**HOW | {"draw_rows": every_point_once})
    one = Job(Plain(*layers), randn(9, 2), NoiseSchedule.linear(20), None, training, stream("train"))
    assert len(run(one)) == 40


def test_a_network_must_say_what_it_is_like():
    with pytest.raises(ValueError, match="model needs a `config`, by which networks of one shape are known"):
        Job(Plain(nn.Linear(2, 2), config=False), torch.zeros(4, 2), NoiseSchedule.linear(20))


OTHERS = {
    "layers": {"hidden": (8,)},
    "widths": {"hidden": (8, 9)},
    "batch size": {"batch_size": 8},
    "dimension": {"D": 3},
    "labels": {"labelled": True},
    "T": {"T": 7},
    "skip": {"skip": True},
    "inputs": {"build": Denoiser.fourier},
    "kind": {"build": HomeworkDenoiser},
}


@pytest.mark.parametrize("change", OTHERS.values(), ids=OTHERS.keys())
def test_jobs_of_different_shape_are_not_stacked(change):
    odd = job(**change)
    before = weights(odd.model)
    assert odd.shape != job().shape == job(1, N=3, lr=0.1, steps=2).shape
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
    events = [e for e in json.loads(path.read_text(encoding="utf-8"))["traceEvents"] if e["name"] == "[memory]"]
    held = most = 0
    for event in sorted(events, key=lambda e: e["ts"]):
        held += event["args"]["Bytes"]
        most = max(most, held)
    return most


SHAPES = {
    "homework": {"build": HomeworkDenoiser, "hidden": (128,) * 5, "batch_size": 64},
    "fourier": {"build": Denoiser.fourier, "hidden": (32,), "batch_size": 64},
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


# An average of the weights


def by_pytorch(job):
    """The average as PyTorch's own class makes it of the same training, decay by decay."""
    kept = job.average
    model = AveragedModel(job.model, avg_fn=lambda mean, new, k: new + (mean - new) * decay_at(int(k), kept))
    model.n_averaged += 1  # the first average is the start itself, not the weights after one update
    steps = train_denoiser(job.model, job.x_0, job.schedule, job.y, **vars(job.training), generator=job.generator)
    for _ in steps:
        model.update_parameters(job.model)
    return weights(model.module)


def test_an_average_is_that_of_pytorch_and_a_neighbour_without_has_none(blocks_of_a_batch):
    averaged, plain = [replace(job(seed), average=0.8) for seed in (0, 1)], [job(seed) for seed in (0, 1)]
    run(averaged[0], plain[0], plain[1], averaged[1])
    for seed, (mean, last) in enumerate(zip(averaged, plain, strict=True)):
        assert_close(weights(mean.model), by_pytorch(replace(job(seed), average=0.8)), **CLOSE)
        one_by_one(alone := job(seed))
        assert_close(weights(last.model), weights(alone.model), **CLOSE)
        assert (weights(mean.model) - weights(last.model)).abs().max() > 1e-3


def test_an_interrupted_average_is_the_average_so_far(blocks_of_a_batch):
    whole, cut = replace(job(steps=7), average=0.9), replace(job(steps=40), average=0.9)
    run(whole)
    for k, _ in enumerate(train_ensemble([cut]), start=1):
        if k == 7:
            break
    assert_close(weights(cut.model), weights(whole.model), **CLOSE)


@pytest.mark.parametrize("average", [0, 1, 1.5, -0.1, float("nan")])
def test_an_average_needs_a_decay(average):
    with pytest.raises(ValueError, match="average must be a decay between 0 and 1, or None, got"):
        replace(job(), average=average)
