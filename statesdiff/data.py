"""The STATES data set, drawn from five public-domain outlines, and readers for data of your own."""

import json
import os
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from statesdiff.tensor_file import read_tensors

OUTLINES = Path(__file__).with_name("outlines.json")
STATE_NAMES = ("Michigan", "Idaho", "Ohio", "Oklahoma", "Wisconsin")
JITTER = 0.0175  # standard deviation of the points about the outline, standardised units


@dataclass(frozen=True)
class Dataset:
    """Points with labels: x (N, D) float32, y (N,) int64 in 0..len(names)-1.

    If `load_states` standardised x, mean and std (D,) are what it took away and divided by: x * std + mean has the units
    of the file, and (new - mean) / std brings other points into those of x.
    """

    x: Tensor
    y: Tensor
    names: tuple[str, ...] = STATE_NAMES
    mean: Tensor | None = None
    std: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def of_class(self, label: int) -> Tensor:
        """The points of one class, (N_y, D)."""
        return self.x[self.y == label]


@cache
def outlines() -> tuple[tuple[Tensor, ...], ...]:
    """The true curves: for each state its closed polylines, (V, 2) float64 in standardised units."""
    rings = json.loads(OUTLINES.read_text())["outlines"]
    return tuple(tuple(torch.tensor(ring, dtype=torch.float64) for ring in rings[name]) for name in STATE_NAMES)


def along(rings: list[Tensor] | tuple[Tensor, ...], u: Tensor) -> Tensor:
    """Points at the fractions u (n,) in [0, 1] of the total arc length of closed polylines -> (n, 2)."""
    start = torch.cat([ring[:-1] for ring in rings])
    step = torch.cat([ring[1:] - ring[:-1] for ring in rings])
    end_length = step.norm(dim=1).cumsum(0)
    s = u.double() * end_length[-1]
    k = torch.searchsorted(end_length, s, right=True).clamp(max=len(start) - 1)
    length = step[k].norm(dim=1)
    fraction = 1 - (end_length[k] - s) / length
    return start[k] + fraction[:, None] * step[k]


def draw(curves: list, n_per_state: int, seed: int, jitter: float = JITTER) -> Dataset:
    """`n_per_state` points on each curve, uniform in arc length, with Gaussian jitter of standard deviation `jitter`."""
    generator = torch.Generator().manual_seed(seed)
    parts = []
    for rings in curves:
        on_curve = along(rings, torch.rand(n_per_state, generator=generator, dtype=torch.float64))
        noise = torch.randn(n_per_state, 2, generator=generator, dtype=torch.float64)
        parts.append((on_curve + jitter * noise).float())
    return Dataset(torch.cat(parts), torch.arange(len(curves)).repeat_interleave(n_per_state))


def states(n_per_state: int = 1000, seed: int = 0, jitter: float = JITTER) -> Dataset:
    """STATES: `n_per_state` points of each of five states, x (5 n, 2) with mean 0 and variance 1, y (5 n,).

    `states()` is the book's data set; any other seed is a held-out draw from the same distribution, in the same units
    (the outlines were standardised once, by the book's own draw). `jitter` is in standardised units.
    Raises ValueError unless n_per_state >= 1, seed >= 0 and jitter >= 0.
    """
    if n_per_state < 1 or seed < 0 or not 0 <= jitter < float("inf"):
        raise ValueError(
            f"states needs n_per_state >= 1, seed >= 0, jitter >= 0; got {n_per_state}, seed={seed}, jitter={jitter}"
        )
    return draw(outlines(), n_per_state, seed, jitter)


def outline_points(n: int = 20_000, label: int | None = None) -> Tensor:
    """`n` points evenly spaced along the true curves, without jitter, (n, 2) float32; of one state if `label` is given.

    Each state gets the same share of the points, as in the data. Raises ValueError for n < 5 or an unknown label.
    """
    if n < len(STATE_NAMES) or label not in (None, *range(len(STATE_NAMES))):
        raise ValueError(f"outline_points needs n >= 5 and label None or 0..4, got n={n}, label={label}")
    curves = outlines() if label is None else outlines()[label : label + 1]
    share = n // len(curves)
    return torch.cat([along(rings, (torch.arange(share) + 0.5) / share) for rings in curves]).float()


def standardise(x: Tensor) -> Tensor:
    """Shift and scale each coordinate of x (N, D) to mean 0 and variance 1 over the whole set.

    Raises ValueError if a coordinate does not vary.
    """
    std = x.std(0, correction=0)
    if not (std > 0).all():
        raise ValueError(
            f"x cannot be standardised: coordinates with no spread: {(~(std > 0)).nonzero().ravel().tolist()}"
        )
    return (x - x.mean(0)) / std


def load_states(
    path: str | os.PathLike, *, standardise_x: bool = False, names: tuple[str, ...] = STATE_NAMES
) -> Dataset:
    """Read the course's `states.pt` ({"data": (N, 2), "labels": (N,)}), an `.npz` with those keys, or any (N, D) `.npy`.

    Nothing is unpickled. Points without labels get label 0. Data are left in their units unless `standardise_x`.
    Raises FileNotFoundError for a missing file and ValueError, saying what is wrong, for anything else.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no data file at {path}")
    readers = {".pt": _read_pt, ".npy": _read_npy, ".npz": _read_npz}
    if path.suffix not in readers:
        raise ValueError(f"{path}: cannot read {path.suffix or 'a file without suffix'}; give a .pt, .npy or .npz file")
    x, y = readers[path.suffix](path)
    x, y = _checked(path, x, y, len(names))
    if standardise_x:
        return Dataset(standardise(x), y, names, x.mean(0), x.std(0, correction=0))
    return Dataset(x, y, names)


def _read_pt(path: Path) -> tuple:
    try:
        content = read_tensors(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not a file of plain tensors, refused to read it ({error})") from error
    return _by_key(path, content)


def _read_npy(path: Path) -> tuple:
    try:
        # mapped first: a header that promises more than the file holds is refused before any memory is taken
        return np.array(np.lib.format.open_memmap(path, mode="r")), None
    except Exception as error:
        raise ValueError(f"{path}: not a plain NumPy array, refused to read it ({error})") from error


def _read_npz(path: Path) -> tuple:
    try:
        with np.load(path, allow_pickle=False) as archive:
            content = dict(archive)
    except Exception as error:
        raise ValueError(f"{path}: not an archive of plain NumPy arrays, refused to read it ({error})") from error
    return _by_key(path, content)


def _by_key(path: Path, content: object) -> tuple:
    if not isinstance(content, dict) or "data" not in content:
        found = sorted(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise ValueError(f"{path}: expected the keys 'data' and 'labels', found {found}")
    return content["data"], content.get("labels")


def _plain(values: object) -> Tensor:
    if not isinstance(values, Tensor | np.ndarray):
        raise TypeError(f"not an array but {type(values).__name__}")
    return torch.as_tensor(values)


def _checked(path: Path, x: object, y: object, n_classes: int) -> tuple[Tensor, Tensor]:
    try:
        x = _plain(x)
        y = torch.zeros(x.shape[:1], dtype=torch.int64) if y is None else _plain(y)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"{path}: data and labels must be arrays of numbers ({error})") from error
    if x.is_complex() or x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"{path}: data must be a non-empty real array of shape (N, D), got {tuple(x.shape)} {x.dtype}")
    if not x.float().isfinite().all():
        raise ValueError(f"{path}: data has {(~x.float().isfinite()).sum()} values that are NaN or infinite")
    if y.shape != x.shape[:1] or y.is_floating_point() or y.is_complex():
        raise ValueError(f"{path}: labels must be {len(x)} integers, one per point, got {tuple(y.shape)} {y.dtype}")
    y = y.long()
    if y.min() < 0 or y.max() >= n_classes:
        raise ValueError(f"{path}: labels must lie in 0..{n_classes - 1}, got {y.min()}..{y.max()}")
    return x.float(), y
