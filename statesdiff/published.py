"""The two metrics of the first toy-set course in its own conventions, so that its tables and ours can be laid side by side.

They are not the book's: `metrics.nll` and `metrics.emd` are, and the docstrings here say how these differ.
"""

import math

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from torch import Tensor

from statesdiff.metrics import _points

CHUNK = 2_000_000  # distances held at once: 16 MB


def kernel_nll(samples: Tensor, reference: Tensor, tau: float = 0.1) -> float:
    """The course's "NLL": -log of the mean over samples x of (1/N) sum_i (2 pi tau)^(-D/2) exp(-|x - x_i|^2 / (4 tau)).

    samples (n, D), reference x_i (N, D). Three conventions in one: the exponent is that of a Gaussian of variance
    2 tau, the factor in front that of variance tau, and the logarithm stands outside the mean over the samples, where
    a likelihood has it inside. So it is no likelihood, a sample far from all data costs next to nothing, and only
    differences from the floor, the value of real points, mean anything. Memory is bounded: samples go through in parts.
    Raises ValueError for empty, non-finite or mismatched points or a tau that is not positive and finite.
    """
    samples, reference = _points(samples, reference)
    if not 0 < tau < math.inf:
        raise ValueError(f"tau must be positive and finite, got {tau}")
    rows = max(1, CHUNK // len(reference))
    parts = [
        logsumexp(-cdist(samples[i : i + rows], reference, "sqeuclidean") / (4 * tau))
        for i in range(0, len(samples), rows)
    ]
    log_mean = logsumexp(parts) - math.log(len(samples)) - math.log(len(reference))
    return float(samples.shape[1] / 2 * math.log(2 * math.pi * tau) - log_mean)


def total_emd(samples: Tensor, reference: Tensor, n: int = 250, draws: int = 5, seed: int = 0) -> np.ndarray:
    """The course's "EMD", one value a draw, (draws,): its tables give the mean of five.

    Each draw takes n of the samples (m, D) and n of the reference points (N, D), without repeats, and finds the matching
    of least total Euclidean distance: the TOTAL over n pairs, where `metrics.emd` has the mean, so it grows with n.
    The draws share the two sets: their spread covers the choice of points, not the making of the samples.
    Raises ValueError for empty, non-finite or mismatched points, n outside 1..min(m, N), draws < 1 or seed < 0.
    """
    samples, reference = _points(samples, reference)
    most = min(len(samples), len(reference))
    if not 1 <= n <= most or draws < 1 or seed < 0:
        raise ValueError(f"needs n in 1..{most}, draws >= 1 and seed >= 0; got n={n}, draws={draws}, seed={seed}")
    rng = np.random.default_rng(seed)
    return np.array(
        [_assignment_cost(rng.permutation(samples)[:n], rng.permutation(reference)[:n]) for _ in range(draws)]
    )


def _assignment_cost(a: np.ndarray, b: np.ndarray) -> float:
    cost = cdist(a, b)
    return float(cost[linear_sum_assignment(cost)].sum())
