"""The STATES data set, drawn from five public-domain outlines; data of your own, and the units that both come in."""

import json
import os
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from statesdiff.files.points import read_points

OUTLINES = Path(__file__).with_name("outlines.json")
STATE_NAMES = ("Michigan", "Idaho", "Ohio", "Oklahoma", "Wisconsin")
UNITS = ("minmax", "standard")
JITTER = 0.0175  # standard deviation of the points about the outline, standardised units


@dataclass(frozen=True)
class Dataset:
    """Points with labels: x (N, D) float32, y (N,) int64 in 0..len(names)-1.

    If `in_units` has brought x to other units, shift and width (D,) are what it took away and divided by: x * width +
    shift is in the old units, and (new - shift) / width brings other points into those of x.
    """

    x: Tensor
    y: Tensor
    names: tuple[str, ...] = STATE_NAMES
    shift: Tensor | None = None
    width: Tensor | None = None

    def __len__(self) -> int:
        return len(self.x)

    def of_class(self, label: int) -> Tensor:
        """The points of one class, (N_y, D)."""
        return self.x[self.y == label]


@cache
def outlines() -> tuple[tuple[Tensor, ...], ...]:
    """The true curves: for each state its closed polylines, (V, 2) float64 in standardised units."""
    rings = json.loads(OUTLINES.read_text(encoding="utf-8"))["outlines"]
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
    """`n_per_state` points on each curve, uniform in arc length, with Gaussian noise of deviation `jitter`."""
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


def in_units(data: Dataset, units: str) -> Dataset:
    """The data with each coordinate brought to [-1, 1] ("minmax") or to mean 0 and variance 1 ("standard").

    Raises ValueError for other units or a coordinate that does not vary.
    """
    if units not in UNITS:
        raise ValueError(f"units must be one of {', '.join(UNITS)}; got {units!r}")
    x = data.x.double()
    low, high = x.amin(0), x.amax(0)
    if not (high > low).all():
        still = (high <= low).nonzero().ravel().tolist()
        raise ValueError(f"the data cannot be brought to {units} units: coordinates with no spread: {still}")
    shift, width = ((low + high) / 2, (high - low) / 2) if units == "minmax" else (x.mean(0), x.std(0, correction=0))
    return replace(data, x=((x - shift) / width).float(), shift=shift, width=width)


def load_states(
    path: str | os.PathLike, *, units: str | None = None, names: tuple[str, ...] | None = STATE_NAMES
) -> Dataset:
    """Read the course's `states.pt` (keys data (N, 2) and labels (N,)), an `.npz` with those keys, or an (N, D) `.npy`.

    A `.pt` may also hold the points alone. Nothing is unpickled. Points without labels get label 0. Data keep the
    units of the file, or are brought to `units`. names = None: as many classes as the labels say, named by their
    numbers. Raises FileNotFoundError for a missing file and ValueError, saying what is wrong, for anything else.
    """
    x, y = read_points(path, None if names is None else len(names))
    data = Dataset(x, y, tuple(map(str, range(int(y.max()) + 1))) if names is None else names)
    return data if units is None else in_units(data, units)
