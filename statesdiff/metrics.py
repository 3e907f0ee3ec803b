"""How good are samples? Four numbers, each with its floor, its n and an interval, because none of them says it all."""

import numpy as np
import ot
import pandas as pd
import torch
from scipy.spatial import cKDTree
from scipy.stats import gaussian_kde
from torch import Tensor

from statesdiff.data import JITTER, Dataset, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.intervals import interval
from statesdiff.labels import labels_of
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule


def nll(samples: Tensor, reference: Tensor) -> float:
    """The course project's measure: mean of -log p_KDE(samples), the density a Gaussian KDE of `reference` (nats).

    samples (n, D), reference (N, D); scipy's default (Scott's) bandwidth. Lower is NOT better: the aim is the floor,
    the value for real points. Raises ValueError for empty, non-finite or mismatched points.
    """
    samples, reference = point_arrays(samples, reference)
    return float(-gaussian_kde(reference.T).logpdf(samples.T).mean())


def emd(samples: Tensor, reference: Tensor) -> float:
    """Earth mover's distance: mean Euclidean cost of the best matching between samples (n, D) and reference (m, D).

    Exact, by POT's network simplex; in units of x. Its floor falls with n, so always quote n. About 1 s at n = 1,500.
    Raises ValueError for empty, non-finite or mismatched points.
    """
    samples, reference = point_arrays(samples, reference)
    return float(ot.emd2([], [], ot.dist(samples, reference, metric="euclidean"), numItermax=10_000_000))


def mean_distance(samples: Tensor, target: Tensor) -> float:
    """Precision: mean distance from each sample (n, D) to the nearest point of `target` (M, D), in units of x.

    With `target` the training points it is the distance that the benchmarks quote; with `data.outline_points()` it is
    the distance to the true curve. Raises ValueError for empty, non-finite or mismatched points.
    """
    samples, target = point_arrays(samples, target)
    return float(cKDTree(target).query(samples)[0].mean())


def coverage(samples: Tensor, target: Tensor, radius: float = 0.05) -> float:
    """Recall: share of the points of `target` (M, D) that have a sample (n, D) within `radius` (units of x).

    Raises ValueError for empty, non-finite or mismatched points or a radius that is not positive.
    """
    samples, target = point_arrays(samples, target)
    if not 0 < radius < float("inf"):
        raise ValueError(f"radius must be positive, got {radius}")
    return float((cKDTree(samples).query(target)[0] <= radius).mean())


def class_accuracy(samples: Tensor, y: int | Tensor, data: Dataset | None = None) -> float:
    """Share of the samples (n, D) whose most probable class is y, one label or one a sample, by the exact posterior.

    The posterior is that of `data` (left out: the book's STATES) with a Gaussian of standard deviation JITTER at every
    point, at t = 0. Raises ValueError for empty, non-finite or mismatched points.
    """
    data = states() if data is None else data
    samples, points = (torch.from_numpy(a).float() for a in point_arrays(samples, data.x))
    ideal = IdealDenoiser(points, NoiseSchedule.linear(), JITTER, data.y)
    found = ideal.log_posterior(samples, 0).argmax(dim=1)
    return float((found == labels_of(y, len(found), len(ideal.classes))).double().mean())


def evaluate_part(samples: Tensor, reference: Tensor, target: Tensor) -> dict[str, float]:
    """All four metrics of one set of samples: NLL and EMD against `reference`, distance and coverage against `target`.

    EMD is taken against the first len(samples) rows of `reference`: shuffle it if its order means anything.
    """
    return {
        "NLL": nll(samples, reference),
        "EMD": emd(samples, reference[: len(samples)]),
        "distance": mean_distance(samples, target),
        "coverage": coverage(samples, target),
    }


def evaluate_parts(
    samples: Tensor, reference: Tensor | None = None, target: Tensor | None = None, *, repeats: int = 5, seed: int = 0
) -> pd.DataFrame:
    """The four metrics of each of `repeats` disjoint parts of the samples (n, D): a table, one row a part.

    Left out, the data are STATES: `reference` the book's 5,000 points, `target` the true outline. Samples and reference
    are shuffled, each in an order of its own, before the samples are cut. Raises ValueError for fewer than 2 repeats or
    fewer than 2 points a part.
    """
    if (reference is None) != (target is None):
        raise ValueError("give reference and target together: left out, both are those of STATES")
    reference = states().x if reference is None else reference
    target = outline_points() if target is None else target
    size = len(samples) // max(repeats, 1)
    if repeats < 2 or size < 2:
        raise ValueError(f"needs at least 2 repeats of at least 2 points, got {len(samples)} points, repeats={repeats}")
    parts = _shuffled(samples, seed).split(size)[:repeats]
    rows = [evaluate_part(part, _shuffled(reference, seed + i, "reference"), target) for i, part in enumerate(parts)]
    return pd.DataFrame(rows, index=pd.RangeIndex(repeats, name=f"n = {size}"))


def evaluate(
    samples: Tensor,
    reference: Tensor | None = None,
    held_out: Tensor | None = None,
    target: Tensor | None = None,
    *,
    repeats: int = 5,
    seed: int = 0,
) -> pd.DataFrame:
    """The four metrics next to their floors, with 95% intervals over `repeats` parts of the samples (n, D).

    The floor is the same computation on real points that no model saw, `held_out`; left out, a fresh draw of STATES,
    cut to the number of samples. One row a metric. Other arguments and errors as for `evaluate_parts`.
    """
    if (reference is None) != (held_out is None):
        raise ValueError("give reference and held_out together: left out, both are draws of STATES")
    if held_out is None:
        held_out = states(max(1000, -(-len(samples) // 5)), seed=1).x
    if len(held_out) < len(samples):  # a floor at another n is no floor
        raise ValueError(f"held_out needs at least {len(samples)} points, one for each sample, got {len(held_out)}")
    columns: dict[str, list] = {}
    for name, points in (("samples", samples), ("floor", _shuffled(held_out, seed)[: len(samples)])):
        table = evaluate_parts(points, reference, target, repeats=repeats, seed=seed)
        intervals = [interval(table[metric]) for metric in table]
        columns[name] = [i.mean for i in intervals]
        columns["±" if name == "samples" else "± floor"] = [i.half_width for i in intervals]
    return pd.DataFrame(columns, index=table.columns).assign(n=len(samples) // repeats, repeats=repeats)


def _shuffled(x: Tensor, seed: int, order: str = "shuffle") -> Tensor:
    return x[torch.randperm(len(x), generator=stream(order, seed))]


def point_arrays(*sets: Tensor) -> list[np.ndarray]:
    """Point sets (n, D) as arrays of float64. Raises ValueError for empty, non-finite or mismatched ones."""
    arrays = [np.asarray(torch.as_tensor(s).detach().cpu(), dtype=np.float64) for s in sets]
    for a in arrays:
        if a.ndim != 2 or 0 in a.shape or a.shape[1] != arrays[0].shape[1]:
            raise ValueError(f"need non-empty point sets (n, D) of one D, got shapes {[a.shape for a in arrays]}")
        if not np.isfinite(a).all():
            raise ValueError(f"need finite points, got {int((~np.isfinite(a)).sum())} values that are NaN or infinite")
    return arrays
