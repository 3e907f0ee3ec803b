"""Images and the like: x of shape (B, ...) gives what its rows, flattened to (B, D), give, with the same streams."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from statesdiff.exact import IdealDenoiser
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance, log_prob_gradient
from statesdiff.metrics import coverage, emd, mean_distance, nll
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, posterior
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import Training, every_point_once, noisy_batches, train_classifier, train_denoiser
from tests.support import weights

SCHEDULE = NoiseSchedule.linear(T=6, beta_1=0.05, beta_T=0.5)
shapes = st.lists(st.integers(1, 3), min_size=1, max_size=3).map(tuple)
sizes = st.integers(1, 4)
few = settings(max_examples=15)


class Flat(nn.Module):
    """A network of points (B, D) that also takes x (B, ...) with D numbers a row; logits come out as they are."""

    def __init__(self, net):
        super().__init__()
        self.net, self.T, self.n_classes = net, net.T, net.n_classes

    def forward(self, x, *told):
        out = self.net(x.flatten(1), *told)
        return out if isinstance(self.net, Classifier) else out.reshape(x.shape)


def network(kind, shape, n_classes=3):
    sizes = {"D": math.prod(shape), "T": 6, "hidden": (8,), "n_classes": n_classes}
    return Flat(init(kind, **sizes, activation="silu", generator=stream("init")))


def pair(B, shape, name="x"):
    """The same numbers as (B, ...) and as (B, D)."""
    x = randn(B, *shape, generator=stream(name))
    return x, x.flatten(1)


def times(B, one):
    """A time for all rows, or one for each."""
    return 4 if one else torch.arange(B) % 6 + 1


def same(a, b):
    """Bit for bit, but for the shape."""
    return a.shape[0] == b.shape[0] and b.ndim == 2 and torch.equal(a.flatten(1), b)


def test_the_streams_are_the_same():
    assert same(*pair(5, (3, 2, 4))) and torch.equal(pair(5, (3, 2, 4))[1], randn(5, 24, generator=stream("x")))


# The schedule and the samplers


@given(sizes, shapes, st.booleans())
def test_the_forward_process(B, shape, one):
    (x, flat), (eps, flat_eps), t = pair(B, shape), pair(B, shape, "eps"), times(B, one)
    for f in (SCHEDULE.q_sample, SCHEDULE.q_step, lambda x, t, eps: SCHEDULE.predict_x_0(x, t, eps)):
        assert f(x, t, eps).shape == x.shape and same(f(x, t, eps), f(flat, t, flat_eps))
    assert same(SCHEDULE.score(eps, t), SCHEDULE.score(flat_eps, t))
    mean, variance = posterior(SCHEDULE, x, eps, t)
    flat_mean, flat_variance = posterior(SCHEDULE, flat, flat_eps, t)
    assert mean.shape == x.shape and same(mean, flat_mean)
    assert variance.shape == (() if one else (B, *[1] * len(shape)))
    assert torch.equal(variance.ravel(), flat_variance.ravel())


@given(sizes, shapes)
def test_the_chain(B, shape):
    x, flat = pair(B, shape)
    steps = zip(SCHEDULE.chain(x, generator=stream("z")), SCHEDULE.chain(flat, generator=stream("z")), strict=True)
    assert all(a.shape == x.shape and same(a, b) for a, b in steps)


SAMPLERS = {
    "ddpm": ddpm,
    "ddpm, posterior variance": lambda *a, **k: ddpm(*a, variance="beta_tilde", **k),
    "ddim": lambda *a, **k: ddim(*a, steps=3, **k),
    "ddim with noise": lambda *a, **k: ddim(*a, steps=[6, 5, 2, 0], eta=0.7, **k),
}


@pytest.mark.parametrize("sampler", SAMPLERS.values(), ids=SAMPLERS.keys())
@few
@given(B=sizes, shape=shapes)
def test_the_samplers(sampler, B, shape):
    model, (x, flat) = network(Denoiser, shape), pair(B, shape)
    paths = [sampler(model, SCHEDULE, x_T, generator=stream("z")) for x_T in (x, flat)]
    assert all(a.shape == x.shape and same(a, b) for a, b in zip(*paths, strict=True))


@pytest.mark.parametrize("sampler", [ddpm, lambda *a: ddim(*a, steps=3)], ids=["ddpm", "ddim"])
@pytest.mark.parametrize("wrong", [lambda x, t: x[:, :1], lambda x, t: x.flatten(1), lambda x, t: x.mT])
def test_a_prediction_of_another_shape_is_refused(sampler, wrong):
    with pytest.raises(ValueError, match=r"returned shape \(.*\) for x_t of shape \(4, 3, 1, 2\)"):
        list(sampler(wrong, SCHEDULE, torch.zeros(4, 3, 1, 2)))


# Guidance


@few
@given(sizes, shapes, st.booleans(), st.booleans(), st.sampled_from([0.0, 1.0, 2.5]))
def test_guidance(B, shape, one_t, one_y, scale):
    model, classifier = network(Denoiser, shape), network(Classifier, shape)
    (x, flat), t, y = pair(B, shape), times(B, one_t), 1 if one_y else torch.arange(B) % 3
    gradient = log_prob_gradient(classifier, x, t, y)
    assert gradient.shape == x.shape and same(gradient, log_prob_gradient(classifier, flat, t, y))
    for guided in (ClassifierGuidance(model, classifier, SCHEDULE, y, scale), ClassifierFreeGuidance(model, y, scale)):
        assert guided(x, t).shape == x.shape and same(guided(x, t), guided(flat, t))
        paths = [ddim(guided, SCHEDULE, x_T, steps=2) for x_T in (x, flat)]
        assert all(same(a, b) for a, b in zip(*paths, strict=True))


# Training


@few
@given(st.integers(1, 9), shapes, st.booleans(), st.booleans())
def test_batches(N, shape, labelled, once):
    (x, flat), y = pair(N, shape), torch.arange(N) % 3 if labelled else None
    how = Training(batch_size=5, draw_rows=every_point_once) if once else Training(batch_size=5)
    made = [noisy_batches(x_0, SCHEDULE, y, how, generator=stream("train")) for x_0 in (x, flat)]
    for _, a, b in zip(range(4), *made, strict=False):
        assert a.x_t.shape == a.eps.shape == (5, *shape)
        assert same(a.x_t, b.x_t) and same(a.eps, b.eps) and torch.equal(a.t, b.t)
        assert a.y is None and b.y is None if y is None else torch.equal(a.y, b.y)


@pytest.mark.parametrize("kind", ["without labels", "with labels", "classifier"])
@few
@given(N=st.integers(1, 9), shape=shapes)
def test_training(kind, N, shape):
    def trained(x_0):
        model = network(Classifier if kind == "classifier" else Denoiser, shape)
        train = train_classifier if kind == "classifier" else train_denoiser
        options = {"steps": 3, "batch_size": 4, "generator": stream("train")}
        records = list(
            train(model, x_0, SCHEDULE, None if kind == "without labels" else torch.arange(N) % 3, **options)
        )
        return records, weights(model)

    (records, vector), (flat_records, flat_vector) = map(trained, pair(N, shape))
    assert records == flat_records and torch.equal(vector, flat_vector)


# What stays with points


@pytest.mark.parametrize("metric", [nll, emd, mean_distance, coverage])
def test_the_metrics_take_points_alone(metric):
    images = randn(5, 1, 2, generator=stream("x"))
    for samples, reference in ((images, images), (images, images[:, 0]), (images[:, 0], images)):
        with pytest.raises(ValueError, match=r"need non-empty point sets \(n, D\)"):
            metric(samples, reference)


def test_the_exact_denoiser_takes_points_alone():
    with pytest.raises(ValueError, match=r"data must be a non-empty, finite tensor of shape \(N, D\)"):
        IdealDenoiser(torch.zeros(5, 1, 2), SCHEDULE)
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, 2\)"):
        IdealDenoiser(torch.zeros(5, 2), SCHEDULE)(torch.zeros(3, 1, 2), 4)


@pytest.mark.parametrize("kind", [Denoiser, Classifier])
def test_the_books_networks_take_points_alone(kind):
    with pytest.raises(ValueError, match=r"x_t must have shape \(B, 2\)"):
        kind(T=6)(torch.zeros(3, 1, 2), 4)
