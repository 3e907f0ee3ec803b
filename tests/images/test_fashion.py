"""Fashion-MNIST from its four files: the published ones, and every way in which they can be wrong."""

import gzip
import os
from hashlib import sha256

import numpy as np
import pytest
import torch

from statesdiff.images import fashion
from statesdiff.images.fashion import FOLDER, NAMES, SPLITS, as_images, fashion_mnist
from statesdiff.images.metrics import accuracy
from statesdiff.images.pretrained import fashion_classifier, fashion_unet
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last

HERE = FOLDER.is_dir()
needs_data = pytest.mark.skipif(not HERE and "CI" not in os.environ, reason=f"no Fashion-MNIST in {FOLDER}")


@needs_data
def test_the_published_images():
    test = fashion_mnist("test")
    assert test.x.shape == (10_000, 1, 28, 28) and test.x.dtype == torch.float32 and test.names == NAMES
    assert test.x.min() == -1 and test.x.max() == 1 and (test.x[:, :, 0, 0] == -1).float().mean() > 0.9
    assert test.y.bincount().tolist() == [1000] * 10
    assert len(fashion_mnist("train")) == 60_000


@needs_data
def test_the_classifier_that_judges_is_right_as_often_as_is_said():
    test = fashion_mnist("test")
    assert accuracy(fashion_classifier(), test.x, test.y) == pytest.approx(0.911, abs=0.001)


def test_the_unet_draws_what_it_is_told():
    net, schedule = fashion_unet()
    y = torch.arange(10).repeat(2)
    x_T = randn(20, 1, 28, 28, generator=stream("pictures"))
    drawn = last(ddim(lambda x_t, t: net(x_t, t, y), schedule, x_T, steps=15)).clamp(-1, 1)
    assert accuracy(fashion_classifier(), drawn, y) >= 0.75  # 0.89 of 5,000 by 50 steps
    assert (drawn[:, :, 0, 0] < -0.9).float().mean() > 0.8  # paper in the corner


def files(folder, images=b"\0" * (16 + 2 * 784), labels=b"\0" * (8 + 2), pack=gzip.compress, end=".gz"):
    (folder / f"t10k-images-idx3-ubyte{end}").write_bytes(pack(images))
    (folder / f"t10k-labels-idx1-ubyte{end}").write_bytes(pack(labels))


def known(monkeypatch, images, labels):
    hashes = (sha256(part).hexdigest() for part in (images, labels))
    monkeypatch.setitem(fashion.SPLITS, "test", ("t10k", *hashes))


@pytest.mark.parametrize(("pack", "end"), [(gzip.compress, ".gz"), (bytes, "")])
def test_files_packed_or_not(tmp_path, monkeypatch, pack, end):
    images, labels = bytes(16) + (bytes(range(256)) * 7)[: 2 * 784], bytes(8) + bytes([3, 9])
    known(monkeypatch, images, labels)
    files(tmp_path, images, labels, pack, end)
    data = fashion_mnist("test", tmp_path)
    assert data.x.shape == (2, 1, 28, 28) and data.y.tolist() == [3, 9]
    assert data.x.flatten()[:3].tolist() == pytest.approx([-1, 1 / 127.5 - 1, 2 / 127.5 - 1])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda packed: packed[:-9], "cannot be unpacked"),
        (lambda packed: b"not gzip" + packed, "cannot be unpacked"),
        (lambda packed: gzip.compress(b"other"), "is not the published file: its sha256, unpacked, should be"),
        (lambda packed: b"", "is not the published file|cannot be unpacked"),
    ],
)
def test_a_file_that_is_not_the_published_one(tmp_path, spoil, said):
    files(tmp_path)
    path = tmp_path / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(ValueError, match=rf"t10k-images-idx3-ubyte.gz ({said})"):
        fashion_mnist("test", tmp_path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz in"):
        fashion_mnist("train", tmp_path)


def test_there_are_two_splits():
    with pytest.raises(ValueError, match="split must be one of train, test; got 'validation'"):
        fashion_mnist("validation")
    assert set(SPLITS) == {"train", "test"}


def test_bytes_become_images():
    x = as_images(np.array([0] * 783 + [255], np.uint8))
    assert x.shape == (1, 1, 28, 28) and x[0, 0, 0, 0] == -1 and x[0, 0, 27, 27] == 1
