"""Six toy data sets in two and three dimensions, their published split and scale, and fresh points in the same units."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from sklearn.datasets import make_circles, make_moons

from statesdiff.data import Dataset
from statesdiff.rng import stream

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
    """2.2 turns of radius 1 about the z axis, z from -2 to -1, noise 0.03; y is 1 with probability (sin(4xyz) + 1)/2."""
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


def scaled(data: Dataset, how: str) -> Dataset:
    """The data with each coordinate brought to [-1, 1] ("minmax") or to mean 0 and variance 1 ("standard").

    What was taken away and divided by is kept as `mean` and `std` (D,), whichever the scale. Raises ValueError for
    another `how` or a coordinate that does not vary.
    """
    x = data.x.double()
    if how == "minmax":
        low, high = x.amin(0), x.amax(0)
        shift, width = (low + high) / 2, (high - low) / 2
    elif how == "standard":
        shift, width = x.mean(0), x.std(0, correction=0)
    else:
        raise ValueError(f'how must be "minmax" or "standard", got {how!r}')
    if not (width > 0).all():
        raise ValueError(f"the data cannot be scaled: the spreads of the coordinates are {width.tolist()}")
    return replace(data, x=((x - shift) / width).float(), mean=shift, std=width)


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
class Toy:
    """A toy set as the published tables use it: 90% to train on, 10% held out, in the units of the published set."""

    name: str
    train: Dataset
    held_out: Dataset

    def fresh(self, n: int, seed: int = 0) -> Dataset:
        """`n` points that are in neither part, in the same units. Raises ValueError for n < 1 or seed < 0.

        scikit-learn spaces its moons and circles evenly, so whole sets agree better than independent draws could, and a
        floor taken from them would be too low. A tenth of a larger, shuffled set is close to independent.
        """
        if not isinstance(n, int) or n < 1:
            raise ValueError(f"fresh needs an integer n >= 1, got {n!r}")
        draw = toy(self.name, 10 * n, stream("fresh", seed).initial_seed())
        x = (draw.x[:n].double() - self.train.mean) / self.train.std
        return replace(self.train, x=x.float(), y=draw.y[:n])


def toy_split(name: str, *, scale: str = "minmax", seed: int = 0) -> Toy:
    """The published set `name`, scaled as a whole, then split 90 to 10 by `seed`. ValueError for a wrong name or scale.

    `scale` is "minmax" (the first course's five sets) or "standard" (the second course's: helix and sine).
    """
    return Toy(name, *split(scaled(toy(name), scale), seed=seed))
