"""Fashion-MNIST (Xiao, Rasul & Vollgraf 2017, arXiv:1708.07747): 70,000 grey images of garments, ten classes."""

import gzip
import hashlib
import os
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from statesdiff.data import Dataset

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


def fashion_mnist(split: str = "train", folder: str | os.PathLike = FOLDER) -> Dataset:
    """The 60,000 images of "train" or the 10,000 of "test": x (N, 1, 28, 28) in [-1, 1], paper -1, and labels y (N,).

    They are read from the four idx files in `folder`, packed (.gz) or not; the default is where Debian's package
    `dataset-fashion-mnist` puts them. Raises ValueError for another split or a file that is not the published one,
    FileNotFoundError, naming the file, for one that is missing.
    """
    if split not in SPLITS:
        raise ValueError(f"split must be one of {', '.join(SPLITS)}; got {split!r}")
    start, of_images, of_labels = SPLITS[split]
    images = _content(Path(folder) / f"{start}-images-idx3-ubyte", of_images)[16:]  # after the idx header
    labels = _content(Path(folder) / f"{start}-labels-idx1-ubyte", of_labels)[8:]
    y = torch.from_numpy(np.frombuffer(labels, np.uint8).astype(np.int64))
    return Dataset(as_images(np.frombuffer(images, np.uint8)), y, NAMES)


def as_images(grey: np.ndarray) -> Tensor:
    """Bytes, 0 for paper and 255 for ink, any shape of 784 N -> images (N, 1, 28, 28) in [-1, 1]."""
    return torch.from_numpy(grey.reshape(-1, 1, 28, 28).astype(np.float32)) / 127.5 - 1


def _content(path: Path, sha256: str) -> bytes:
    """The unpacked content of an idx file, which must be the published one to the last byte."""
    packed = path.with_name(f"{path.name}.gz")
    found = next((p for p in (path, packed) if p.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"no {path.name} and no {packed.name} in {path.parent}")
    try:
        content = gzip.decompress(found.read_bytes()) if found == packed else found.read_bytes()
    except (OSError, EOFError) as error:  # gzip says both of a file that is cut off or damaged
        raise ValueError(f"{found} cannot be unpacked ({error})") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise ValueError(f"{found} is not the published file: its sha256, unpacked, should be {sha256}")
    return content
