"""Files of points, `.pt`, `.npy` or `.npz`: written, and read from other people; nothing in them is unpickled."""

import io
import os
import shutil
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from statesdiff.files.atomic import write_atomically
from statesdiff.files.formats import kind_of
from statesdiff.files.tensors import read_tensors

SUFFIXES = (".pt", ".npy", ".npz")
FARTHEST = 1e15  # beyond it squares of distances overflow in float32
MOST_CLASSES = 1000  # where nobody says how many there are


def read_points(path: str | os.PathLike, n_classes: int | None) -> tuple[Tensor, Tensor]:
    """The points x (N, D) float32 and labels y (N,) int64, 0 where there are none, that a file holds.

    A `.pt` or `.npz` has the keys "data" and "labels"; a `.npy`, and a `.pt` with one tensor, the points alone. Raises
    FileNotFoundError for a missing file and ValueError, saying what is wrong, for anything else, labels outside
    0..n_classes-1 included (None: any label up to MOST_CLASSES - 1).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no data file at {path}")
    if path.suffix not in SUFFIXES:
        suffix, how = path.suffix or "a file without suffix", ""
        if path.suffix in (".csv", ".txt"):
            how = f': numpy.save("{path.stem}.npy", numpy.loadtxt("{path.name}", delimiter=",")) makes one'
        raise ValueError(f"{path}: cannot read {suffix}; give a .pt, .npy or .npz file{how}")
    read = {".pt": _read_pt, ".npy": _read_npy, ".npz": _read_npz}[path.suffix]
    return _checked(path, *read(path), n_classes)


def _read_pt(path: Path) -> tuple:
    try:
        content = read_tensors(path.read_bytes(), path.name)
    except ValueError as error:
        raise ValueError(f"{path}: not a file of plain tensors, refused to read it ({error})") from error
    return (content, None) if isinstance(content, Tensor) else _by_key(path, content)


def _read_npy(path: Path) -> tuple:
    try:
        # mapped first: a header that promises more than the file holds is refused before any memory is taken
        return np.array(np.lib.format.open_memmap(path, mode="r")), None
    except Exception as error:
        raise ValueError(f"{path}: not a plain NumPy array{_but(path)}, refused to read it ({error})") from error


def _read_npz(path: Path) -> tuple:
    try:
        with np.load(path, allow_pickle=False) as archive:
            content = dict(archive)
    except Exception as error:
        but = _but(path)
        raise ValueError(f"{path}: not an archive of plain NumPy arrays{but}, refused to read it ({error})") from error
    return _by_key(path, content)


def _but(path: Path) -> str:
    """What the file seems to be instead, for a message."""
    kind = kind_of(path.read_bytes())
    return f" but {kind}" if kind and "NumPy" not in kind else ""


def _by_key(path: Path, content: object) -> tuple:
    if not isinstance(content, dict) or "data" not in content:
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: expected the keys 'data' and 'labels', found {found}")
    return content["data"], content.get("labels")


def _plain(values: object) -> Tensor:
    if not isinstance(values, Tensor | np.ndarray):
        raise TypeError(f"not an array but {type(values).__name__}")
    return torch.as_tensor(values)


def _checked(path: Path, x: object, y: object, n_classes: int | None) -> tuple[Tensor, Tensor]:
    try:
        x = _plain(x)
        y = torch.zeros(x.shape[:1], dtype=torch.int64) if y is None else _plain(y)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: data and labels must be arrays of numbers ({error})") from error
    _check_data(path, x)
    if y.shape != x.shape[:1] or y.is_floating_point() or y.is_complex():
        raise ValueError(f"{path}: labels must be {len(x)} integers, one per point, got {tuple(y.shape)} {y.dtype}")
    y, most = y.long(), (n_classes or MOST_CLASSES) - 1
    if y.min() < 0 or y.max() > most:
        raise ValueError(f"{path}: labels must lie in 0..{most}, got {y.min()}..{y.max()}")
    return x.float(), y


def _check_data(path: Path, x: Tensor) -> None:
    if x.is_complex() or x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"{path}: data must be a non-empty real array of shape (N, D), got {tuple(x.shape)} {x.dtype}")
    if not x.float().isfinite().all():
        raise ValueError(f"{path}: data has {(~x.float().isfinite()).sum()} values that are NaN or infinite")
    if x.float().abs().max() > FARTHEST:
        raise ValueError(f"{path}: data has values up to {x.abs().max():.3g}, too large for arithmetic in 32 bits")


def check_room(path: str | os.PathLike, n_bytes: int) -> None:
    """Refuse, by a ValueError, a file that is larger than what the disk has left."""
    folder = Path(path).parent
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise ValueError(f"the samples take {n_bytes / 1e9:,.1f} GB, and {folder} has {free / 1e9:,.1f} left")


def write_points(path: str | os.PathLike, x: Tensor, y: Tensor | None = None) -> Path:
    """Write points x (N, D), and labels y (N,) if there are any, so that `read_points` reads them; atomically.

    Labels need a `.pt` or a `.npz`, with the keys "data" and "labels"; points alone a `.pt` or a `.npy`.
    """

    def write(temporary: Path) -> None:
        if temporary.suffix == ".pt":
            buffer = io.BytesIO()  # into a file, torch.save hides a full disk in an error of its own
            torch.save(x if y is None else {"data": x, "labels": y}, buffer)
            temporary.write_bytes(buffer.getbuffer())
        elif y is None:
            np.save(temporary, x.numpy())
        else:
            np.savez(temporary, data=x.numpy(), labels=y.numpy())

    return write_atomically(path, write)
