"""Six toy data sets in two and three dimensions, and the points of a study: to train on, held out, and fresh."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import make_circles, make_moons

from statesdiff.ablations.homework import N_EMD
from statesdiff.data import Dataset, in_units, load_states, states
from statesdiff.files.points import SUFFIXES
from statesdiff.rng import stream

FEWEST = 10 * N_EMD  # points in a data set of one's own: a tenth is held out
PUBLISHED_SEED = 42  # the seed of the published sets, and of the sets that fix the units
Arrays = tuple[np.ndarray, np.ndarray]  # x (N, D), y (N,)


def moons(n: int, seed: int) -> Arrays:
    """Two interleaved half circles, noise 0.04; y tells which."""
    return make_moons(n, noise=0.04, random_state=seed)


def circles(n: int, seed: int) -> Arrays:
    """Circles of radius 1 and 0.7, noise 0.04; y tells which."""
    return make_circles(n, noise=0.04, factor=0.7, random_state=seed)


def blobs(n: int, seed: int) -> Arrays:
    """Three Gaussians of weights 0.80, 0.04 and 0.16; the last two are the positives, y = 1."""
    rng = np.random.default_rng(seed)
    means = np.array([[0.3, 0.4], [0.2, 0.3], [0.8, 0.8]])
    covariances = [[[0.005, 0], [0, 0.005]], [[0.01, 0.004], [0.004, 0.01]], [[0.005, -0.004], [-0.004, 0.005]]]
    k = rng.choice(3, n, p=[0.80, 0.04, 0.16])
    x = means[k] + (np.linalg.cholesky(covariances)[k] @ rng.normal(size=(n, 2, 1)))[..., 0]
    return x, k > 0


def manycircles(n: int, seed: int) -> Arrays:
    """Eight round Gaussians of standard deviation 0.25, their centres evenly spaced on the unit circle; y = 0..7."""
    rng = np.random.default_rng(seed)
    y = rng.integers(8, size=n)
    angle = 2 * np.pi * y / 8
    return np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.25 * rng.normal(size=(n, 2)), y


def helix(n: int, seed: int) -> Arrays:
    """2.2 turns of radius 1 about the z axis, z from -2 to -1, noise 0.03; P(y = 1) = (sin(4xyz) + 1)/2."""
    rng = np.random.default_rng(seed)
    z = rng.uniform(-2, -1, n)
    x = np.stack([np.cos(13.85 * z), np.sin(13.85 * z), z], axis=1) + 0.03 * rng.normal(size=(n, 3))
    return x, rng.random(n) < (np.sin(4 * x.prod(axis=1)) + 1) / 2


def sine(n: int, seed: int) -> Arrays:
    """The surface z = (1 - r) sin(5x) cos(5y) over the unit disc, noise 0.01; one class."""
    rng = np.random.default_rng(seed)
    r, angle = np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)  # the root makes the disc evenly filled
    x, y = r * np.cos(angle), r * np.sin(angle)
    surface = np.stack([x, y, (1 - r) * np.sin(5 * x) * np.cos(5 * y)], axis=1)
    return surface + 0.01 * rng.normal(size=(n, 3)), np.zeros(n)


# name: (generator, number of points, names of the classes)
TOYS: dict[str, tuple[Callable[[int, int], Arrays], int, tuple[str, ...]]] = {
    "moons": (moons, 8_000, ("upper", "lower")),
    "circles": (circles, 8_000, ("outer", "inner")),
    "blobs": (blobs, 8_000, ("negative", "positive")),
    "manycircles": (manycircles, 8_000, tuple(map(str, range(8)))),
    "helix": (helix, 10_000, ("negative", "positive")),
    "sine": (sine, 10_000, ("surface",)),
}


def toy(name: str, n: int | None = None, seed: int = PUBLISHED_SEED) -> Dataset:
    """The toy set `name` in the units of its definition: x (n, 2) or (n, 3) for helix and sine, y (n,).

    Left out, n is the published size. Moons and circles of the default seed are the published points; the other sets
    follow the published definitions, by independent draws. Raises ValueError for an unknown name, n < 1 or a seed
    outside 0..2**32 - 1.
    """
    if name not in TOYS:
        raise ValueError(f"name must be one of {', '.join(TOYS)}; got {name!r}")
    make, published_n, names = TOYS[name]
    n = published_n if n is None else n
    if not isinstance(n, int) or n < 1 or not isinstance(seed, int) or not 0 <= seed < 2**32:
        raise ValueError(f"toy needs integers n >= 1 and 0 <= seed < 2**32; got n={n!r}, seed={seed!r}")
    x, y = make(n, seed)
    return Dataset(torch.from_numpy(x).float(), torch.from_numpy(y).long(), names)


def split(data: Dataset, share: float = 0.9, seed: int = 0) -> tuple[Dataset, Dataset]:
    """A random `share` of the points to train on, and the rest held out.

    Raises ValueError unless 0 < share < 1 leaves at least one point on either side.
    """
    n, n_train = len(data), round(share * len(data)) if 0 < share < 1 else 0
    if not 0 < n_train < n:
        raise ValueError(f"a split with share={share} (allowed: 0 to 1) leaves no point on one side of {n} points")
    order = torch.randperm(n, generator=stream("split", seed))
    train, held_out = (replace(data, x=data.x[i], y=data.y[i]) for i in (order[:n_train], order[n_train:]))
    return train, held_out


@dataclass(frozen=True)
class Points:
    """The points of one study: to train on, held out, and, where the distribution is known, fresh(n, seed)."""

    name: str
    train: Dataset
    held_out: Dataset
    fresh: Callable[[int, int], Dataset] | None = None
    on_outline: bool = False  # whether they are drawn from the true outline of STATES


def toy_split(name: str, *, units: str = "minmax", seed: int = 0) -> Points:
    """The published toy set `name`, brought to `units` as a whole, then split 90 to 10 by `seed`.

    The units are "minmax" (the first course's five sets) or "standard" (the second course's: helix and sine).
    `fresh(n, seed)` are n points in neither part. scikit-learn spaces its moons and circles evenly, so whole sets
    agree better than independent draws could, and a floor taken from them would be too low: a tenth of a larger,
    shuffled set is close to independent. Raises ValueError for a wrong name or units, `fresh` for n < 1 or seed < 0.
    """
    whole = in_units(toy(name), units)

    def fresh(n: int, seed: int = 0) -> Dataset:
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"fresh needs an integer n >= 1, got {n!r}")
        draw = toy(name, 10 * n, stream("fresh", seed).initial_seed())
        x = (draw.x[:n].double() - whole.shift) / whole.width
        return replace(whole, x=x.float(), y=draw.y[:n])

    return Points(name, *split(whole, seed=seed), fresh)


def points(data: str, units: str = "minmax") -> Points:
    """A toy set by its name, "states" (in its own units), or the points of a file, 90% to train on and 10% held out.

    Raises ValueError or FileNotFoundError for anything else, ValueError for fewer than FEWEST points: the tenth that is
    held out would be too small for the earth mover's distance.
    """
    if not isinstance(data, str):
        raise ValueError(f"data must be a name or the path of a file, as text; got {data!r}")
    path = Path(data)
    changed = path.stat().st_mtime_ns if path.suffix in SUFFIXES and path.is_file() else 0
    return _points(data, units, changed)


@cache
def _points(data: str, units: str, changed: int) -> Points:
    if data in TOYS:
        return toy_split(data, units=units)
    if data == "states":
        train, held_out = _mixed(states(), 5000), _mixed(states(seed=1), 5000)
        return Points(data, train, held_out, lambda n, seed: _mixed(states(-(-n // 5), seed=2 + seed), n), True)
    if Path(data).suffix not in SUFFIXES:
        allowed = f"{', '.join(TOYS)}, states, or the path of a {', '.join(SUFFIXES)} file"
        raise ValueError(f"data must be one of {allowed}; got {data!r}")
    own = load_states(data, names=None)
    if len(own) < FEWEST:
        raise ValueError(f"{data}: needs at least {FEWEST} points, has {len(own)}")
    if len(own) <= own.x.shape[1]:
        raise ValueError(f"{data}: {len(own)} points of {own.x.shape[1]} dimensions are too few; is it transposed?")
    return Points(Path(data).stem, *split(in_units(own, units)))


def _mixed(data: Dataset, n: int) -> Dataset:
    order = torch.randperm(len(data), generator=stream("mix", len(data)))[:n]
    return Dataset(data.x[order], data.y[order])
