"""Fréchet's distance against its definition; the classifier that judges, and its training."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from statesdiff.images.classifier import PictureClassifier, train_picture_classifier
from statesdiff.images.metrics import accuracy, features, frechet
from statesdiff.models import init
from statesdiff.rng import randn, stream


@settings(max_examples=20)
@given(st.integers(0, 10**6), st.floats(0.2, 3), st.floats(-2, 2))
def test_frechet_by_the_matrix_root(seed, width, shift):
    rng = stream("clouds", seed)
    a, b = randn(60, 4, generator=rng).double(), width * randn(50, 4, generator=rng).double() + shift
    (m, c), (n, d) = ((x.mean(0).numpy(), np.cov(x.numpy().T)) for x in (a, b))
    by_definition = ((m - n) ** 2).sum() + np.trace(c + d - 2 * sqrtm(c @ d).real)
    assert frechet(a, b) == pytest.approx(by_definition, rel=1e-6, abs=1e-8)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-6, abs=1e-8)


def test_frechet_of_gaussians_in_closed_form():
    a = randn(200_000, 3, generator=stream("a")).double()
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    assert frechet(a, a + torch.tensor([1.0, 2.0, 0.0])) == pytest.approx(5, rel=1e-6)
    assert frechet(a, 2 * a) == pytest.approx(3, rel=0.02)  # (2 - 1)^2 a dimension


@pytest.mark.parametrize(("a", "b"), [((5,), (5, 2)), ((5, 2), (5, 3)), ((1, 2), (5, 2))])
def test_frechet_wants_two_clouds(a, b):
    with pytest.raises(ValueError, match=r"features must be \(n, F\) and \(m, F\)"):
        frechet(torch.zeros(a), torch.zeros(b))


def test_the_classifier_learns_and_is_judged():
    x_0 = -torch.ones(64, 1, 28, 28)
    y = torch.arange(64) % 2
    x_0[y == 1, :, :, 10:18] = 1
    model = init(PictureClassifier, generator=stream("init"))
    *_, last = train_picture_classifier(model, x_0, y, epochs=8, batch_size=16, generator=stream("order"))
    assert last.step == 32 and last.lr < 1e-4
    assert accuracy(model, x_0, y) == 1 and accuracy(model, x_0, 1 - y) == 0
    found = features(model, x_0[:3])
    assert found.shape == (3, 128) and found.dtype == torch.float64 and found.min() >= 0
