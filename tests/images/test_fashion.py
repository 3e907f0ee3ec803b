"""Fashion-MNIST from its four files: the published ones, and every way in which they can be wrong."""

import gzip
import os
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch

from statesdiff.data import Dataset
from statesdiff.images import fashion
from statesdiff.images.fashion import FOLDER, NAMES, SPLITS, as_images, fashion_mnist, of_each_class
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


def test_as_many_of_each_class_and_none_twice():
    data = Dataset(torch.arange(9.0)[:, None], torch.tensor([1, 0, 1, 1, 0, 0, 0, 1, 1]), ("a", "b"))
    assert of_each_class(data, 2).x.flatten().tolist() == [1, 4, 0, 2]
    assert of_each_class(data, 2, first=2).x.flatten().tolist() == [5, 6, 3, 7]
    assert of_each_class(data, 2, first=2).y.tolist() == [0, 0, 1, 1]
    with pytest.raises(ValueError, match=r"no 2 of each class from number 3 on: there are \[1, 2\]"):
        of_each_class(data, 2, first=3)


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


def headless(packed):
    return packed[:10] + b"\xff" * 9 + packed[19:]


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (headless, "cannot be unpacked"),
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
    with pytest.raises(FileNotFoundError) as caught:
        fashion_mnist("train", tmp_path)
    assert "no train-images-idx3-ubyte and no train-images-idx3-ubyte.gz in" in str(caught.value)
    assert "three ways" in str(caught.value)


def test_there_are_two_splits():
    with pytest.raises(ValueError, match="split must be one of train, test; got 'validation'"):
        fashion_mnist("validation")
    assert set(SPLITS) == {"train", "test"}


def test_bytes_become_images():
    x = as_images(np.array([0] * 783 + [255], np.uint8))
    assert x.shape == (1, 1, 28, 28) and x[0, 0, 0, 0] == -1 and x[0, 0, 27, 27] == 1


# Fetched


@pytest.fixture
def nothing_here(tmp_path, monkeypatch):
    """No package of Debian's, and an empty cache."""
    monkeypatch.setattr(fashion, "FOLDER", tmp_path / "debian")
    monkeypatch.setenv("STATESDIFF_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "fashion-mnist"


def seventy():
    """What OpenML sends, but a thousandth of it: labels are strings there."""
    grey = np.zeros((70, 784), np.int64)
    grey[:, 300] = np.arange(70)
    return grey, (np.arange(70) % 10).astype(str).astype(object)


@pytest.fixture
def published(monkeypatch):
    """Let these be the published images, sixty and ten."""
    grey, labels = seventy()
    for split, (start, n) in {"train": (0, 60), "test": (60, 10)}.items():
        x, y = grey[start : start + n].astype(np.uint8), labels[start : start + n].astype(np.uint8)
        images = bytes([0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 28, 0, 0, 0, 28]) + x.tobytes()
        sums = (sha256(part).hexdigest() for part in (images, bytes([0, 0, 8, 1, 0, 0, 0, n]) + y.tobytes()))
        monkeypatch.setitem(fashion.SPLITS, split, (SPLITS[split][0], *sums))
        monkeypatch.setitem(fashion.SIZES, split, n)
    return grey, labels


def test_what_openml_sends_is_kept_as_idx_files_and_fetched_once(nothing_here, published):
    calls = []

    def fetch(folder):
        calls.append(os.path.isdir(folder))
        return published

    test = fashion_mnist("test", fetch=fetch)
    train = fashion_mnist("train", fetch=fetch)
    assert calls == [True] and len(train) == 60 and len(test) == 10
    assert sorted(path.name for path in nothing_here.iterdir()) == [
        f"{start}-{kind}.gz" for start in ("t10k", "train") for kind in ("images-idx3-ubyte", "labels-idx1-ubyte")
    ]
    assert test.y.tolist() == [*range(10)] and train.x.shape == (60, 1, 28, 28)
    assert float(test.x.flatten(1)[3, 300]) == pytest.approx(63 / 127.5 - 1)


@needs_data
def test_the_published_files_are_made_of_the_published_images():
    """What is made of 70,000 images and labels is the published files, to the last byte: headers too."""
    data = [fashion_mnist("train"), fashion_mnist("test")]
    grey = torch.cat([((d.x + 1) * 127.5).round().byte().flatten(1) for d in data]).numpy()
    made = fashion.idx_files(grey, torch.cat([d.y for d in data]).numpy())
    assert len(made) == 4 and made["t10k-labels-idx1-ubyte"][:8] == bytes([0, 0, 8, 1, 0, 0, 39, 16])


def half_way(folder):
    """A download that dies: a part of it lies there, and the connection is gone."""
    (Path(folder) / "openml").mkdir()
    (Path(folder) / "openml" / "data.arff.gz").write_bytes(b"half")
    half_way.folder = Path(folder)
    raise ConnectionResetError("reset by peer")


def other_images(folder):
    grey, labels = seventy()
    return grey + 1, labels


def too_few(folder):
    grey, labels = seventy()
    return grey[:5], labels[:5]


def cut_off(folder):
    raise EOFError("Compressed file ended before the end-of-stream marker was reached")


@pytest.mark.parametrize(
    ("fetch", "said"),
    [
        (half_way, "ConnectionResetError: reset by peer"),
        (cut_off, "EOFError: Compressed file ended"),
        (other_images, "60 images came for train, and they are not the published ones"),
        (too_few, "5 images came for train, and they are not the published ones"),
    ],
)
def test_a_download_that_fails_leaves_nothing_and_names_the_three_ways(nothing_here, published, fetch, said):
    with pytest.raises(FileNotFoundError) as caught:
        fashion_mnist("train", fetch=fetch)
    message = str(caught.value)
    assert said in message
    for way in ("dataset-fashion-mnist", "four idx files", "openml.org through scikit-learn"):
        assert way in message
    assert not nothing_here.exists() and not getattr(fetch, "folder", nothing_here).exists()


def test_an_interrupted_download_leaves_nothing_and_the_next_one_works(nothing_here, published):
    def interrupted(folder):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fashion_mnist("test", fetch=interrupted)
    assert not nothing_here.exists()
    assert len(fashion_mnist("test", fetch=lambda folder: published)) == 10


def test_writing_that_stops_half_way_is_made_good(nothing_here, published, monkeypatch):
    """The disk is full after the first of the four files: no half of a file is there, and later all are."""
    real, written = fashion.write_atomically, []

    def full(path, write):
        if written:
            raise OSError(28, "No space left on device")
        written.append(real(path, write))

    monkeypatch.setattr(fashion, "write_atomically", full)
    with pytest.raises(OSError, match="No space left"):
        fashion_mnist("test", fetch=lambda folder: published)
    assert list(nothing_here.iterdir()) == written
    monkeypatch.setattr(fashion, "write_atomically", real)
    assert len(fashion_mnist("test", fetch=lambda folder: published)) == 10


def test_a_file_of_the_cache_that_is_damaged_is_named(nothing_here, published):
    fashion_mnist("test", fetch=lambda folder: published)
    path = nothing_here / "t10k-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(ValueError, match="t10k-images-idx3-ubyte.gz cannot be unpacked"):
        fashion_mnist("test", fetch=lambda folder: published)
