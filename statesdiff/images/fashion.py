"""Fashion-MNIST (Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747): 70,000 grey images of garments, ten classes."""

import gzip
import hashlib
import os
import tempfile
import zlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from statesdiff.data import Dataset
from statesdiff.files.atomic import write_atomically

NAMES = ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "boot")
FOLDER = Path("/usr/share/datasets/fashion-mnist")  # of Debian's package dataset-fashion-mnist
# split: (how its two files begin, sha256 of the images and of the labels, both unpacked)
SPLITS = {
    "train": (
        "train",
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    ),
    "test": (
        "t10k",
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    ),
}
SIZES = {"train": 60_000, "test": 10_000}  # images
WAYS = """\
Fashion-MNIST comes in one of three ways: install Debian's package dataset-fashion-mnist; give the folder of your own \
four idx files (train- and t10k-, images-idx3-ubyte and labels-idx1-ubyte, packed or not); or be connected, and it is \
fetched from openml.org through scikit-learn, once"""
Fetch = Callable[[str], tuple[np.ndarray, np.ndarray]]


def from_openml(folder: str) -> tuple[np.ndarray, np.ndarray]:
    """The 70,000 images (70000, 784) and their labels, as scikit-learn fetches them; its own files go to `folder`."""
    from sklearn.datasets import fetch_openml  # takes a second, and hardly anyone needs it

    found = fetch_openml("Fashion-MNIST", version=1, as_frame=False, parser="pandas", data_home=folder)
    return found.data, found.target


def fashion_mnist(
    split: str = "train", folder: str | os.PathLike | None = None, *, fetch: Fetch = from_openml
) -> Dataset:
    """The 60,000 images of "train" or the 10,000 of "test": x (N, 1, 28, 28) in [-1, 1], paper -1, and labels y (N,).

    From the idx files in `folder`, if it is given; else from those of Debian's package `dataset-fashion-mnist`; else
    from OpenML, through `fetch`, and then from the files that this has left in `cache()`. All are held to the sha256
    of the published ones. Raises ValueError for another split or a file that is not the published one,
    FileNotFoundError, with the three ways, where there is none.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
    if folder is None:
        folder = FOLDER if FOLDER.is_dir() else _fetched(split, fetch)
    start, of_images, of_labels = SPLITS[split]
    images = _content(Path(folder) / f"{start}-images-idx3-ubyte", of_images)[16:]  # after the idx header
    labels = _content(Path(folder) / f"{start}-labels-idx1-ubyte", of_labels)[8:]
    y = torch.from_numpy(np.frombuffer(labels, np.uint8).astype(np.int64))
    return Dataset(as_images(np.frombuffer(images, np.uint8)), y, NAMES)


def of_each_class(data: Dataset, n: int, first: int = 0) -> Dataset:
    """n of each class of `data`, class by class: those of number `first`, `first` + 1, ... in their class.

    Raises ValueError if a class has not so many.
    """
    rows = [(data.y == k).nonzero()[first : first + n, 0] for k in range(len(data.names))]
    if any(len(part) < n for part in rows):
        raise ValueError(f"no {n} of each class from number {first} on: there are {[len(part) for part in rows]}")
    return Dataset(data.x[torch.cat(rows)], data.y[torch.cat(rows)], data.names)


def as_images(grey: np.ndarray) -> Tensor:
    """Bytes, 0 for paper and 255 for ink, any shape of 784 N -> images (N, 1, 28, 28) in [-1, 1]."""
    return torch.from_numpy(grey.reshape(-1, 1, 28, 28).astype(np.float32)) / 127.5 - 1


def cache() -> Path:
    """Where fetched files are kept: fashion-mnist in $STATESDIFF_CACHE, by default ~/.cache/statesdiff."""
    return Path(os.environ.get("STATESDIFF_CACHE", Path.home() / ".cache" / "statesdiff")) / "fashion-mnist"


def _content(path: Path, sha256: str) -> bytes:
    """The unpacked content of an idx file, which must be the published one to the last byte."""
    packed = path.with_name(f"{path.name}.gz")
    found = next((p for p in (path, packed) if p.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no {path.name} and no {packed.name} in {path.parent}. {WAYS}")
    try:
        content = gzip.decompress(found.read_bytes()) if found == packed else found.read_bytes()
    except (OSError, EOFError, zlib.error) as error:  # gzip says these of a file that is cut off or damaged
        raise ValueError(f"{found} cannot be unpacked ({error}). {WAYS}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{found} is not the published file: its sha256, unpacked, should be {sha256}. {WAYS}")
    return content


def _fetched(split: str, fetch: Fetch) -> Path:
    """The folder with the four files, fetched unless they are there; nothing is left of a download that failed."""
    names = [f"{SPLITS[split][0]}-{name}.gz" for name in ("images-idx3-ubyte", "labels-idx1-ubyte")]
    if all((cache() / name).is_file() for name in names):
        return cache()
    try:
        with tempfile.TemporaryDirectory() as folder:
            grey, labels = fetch(folder)
        files = idx_files(np.asarray(grey), np.asarray(labels))
    except (OSError, HTTPException, EOFError, ValueError, TypeError) as error:
        said = f"{type(error).__name__}: {error}"
        raise FileNotFoundError(f"no Fashion-MNIST here, and openml.org gave none ({said}). {WAYS}") from error
    cache().mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        packed = gzip.compress(content, mtime=0)
        write_atomically(cache() / f"{name}.gz", lambda path, packed=packed: path.write_bytes(packed))
    return cache()


def idx_files(grey: np.ndarray, labels: np.ndarray) -> dict[str, bytes]:
    """The content of the four published files, from all images (70000, 784) and labels, training images first.

    Raises ValueError if they are others.
    """
    files, start = {}, 0
    for split, n in SIZES.items():
        name, of_images, of_labels = SPLITS[split]
        x, y = (part[start : start + n].astype(np.uint8) for part in (grey, labels))
        header = b"\0\0\x08\x03" + b"".join(k.to_bytes(4, "big") for k in (len(x), 28, 28))
        parts = {"images-idx3-ubyte": header + x.tobytes()}
        parts["labels-idx1-ubyte"] = b"\0\0\x08\x01" + len(y).to_bytes(4, "big") + y.tobytes()
        for (kind, content), sha256 in zip(parts.items(), (of_images, of_labels), strict=True):
            if hashlib.sha256(content).hexdigest() != sha256:
                raise ValueError(f"{len(x)} {kind.split('-')[0]} came for {split}, and they are not the published ones")
            files[f"{name}-{kind}"] = content
        start += n
    return files
