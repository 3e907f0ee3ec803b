"""The toy-set homework's network and its two measures in its own conventions, so that its tables and ours compare.

They are not the book's: `models.Denoiser`, `metrics.nll` and `metrics.emd` are. The docstrings say how these differ.
"""

import math

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import cdist
from scipy.special import logsumexp
from torch import Tensor, nn

from statesdiff.labels import NO_LABEL, labels_of
from statesdiff.metrics import point_arrays
from statesdiff.models import check_label_wanted, check_points, mlp, sin_cos
from statesdiff.recipes import Recipe, register
from statesdiff.training import Training, adam, constant, every_point_once, uniform_t

N_EMD = 250  # points in one matching
CHUNK = 2_000_000  # distances held at once: 16 MB


class HomeworkDenoiser(nn.Module):
    """The homework's noise predictor: x_t beside 16 sines and cosines of t, without t_bar; called as a `Denoiser` is.

    t enters as in the Transformer, sin(t / 10000^(i/7)) and cos for i = 0..7 (Vaswani et al. 2017, section 3.5), and so
    does the label, no label as zeros. A linear layer of `project` units without activation comes first (0: none), then
    `hidden` layers with it. x_t (B, D), t in 0..T, scalar or (B,) -> (B, D).
    """

    def __init__(
        self,
        D: int = 2,
        T: int = 200,
        hidden: tuple[int, ...] = (128,) * 5,
        activation: str = "relu",
        n_classes: int = 0,
        project: int = 128,
    ) -> None:
        super().__init__()
        self.D, self.T, self.n_classes = D, T, n_classes
        self.config = {"D": D, "T": T, "hidden": list(hidden), "activation": activation}
        self.config |= {"n_classes": n_classes, "project": project}
        n_in = D + (32 if n_classes else 16)
        first = [nn.Linear(n_in, project)] if project else []
        self.net = nn.Sequential(*first, *mlp([project or n_in, *hidden, D], activation))

    def forward(self, x_t: Tensor, t: int | Tensor, y: int | Tensor | None = None) -> Tensor:
        check_points(x_t, self.D)
        check_label_wanted(y, self.n_classes)
        inputs = [x_t, sinusoids(torch.as_tensor(t, device=x_t.device), x_t)]
        if self.n_classes:
            labels = labels_of(NO_LABEL if y is None else y, len(x_t), self.n_classes, lowest=NO_LABEL).to(x_t.device)
            inputs.append(sinusoids(labels, x_t) * (labels != NO_LABEL)[:, None].to(x_t))
        return self.net(torch.cat(inputs, dim=1))


def sinusoids(v: Tensor, x: Tensor) -> Tensor:
    """sin and cos of v / 10000^(i/7), i = 0..7: v a number, one or one a row of x (B, ...) -> (B, 16) in x's dtype."""
    frequencies = tuple(10_000 ** (-i / 7) for i in range(8))
    return sin_cos(v.to(x).expand(len(x))[:, None], frequencies)


# The homework's training: Adam at a constant rate, small batches, every point once an epoch; on STATES 100 epochs.
TRAINING = Training(7812, 64, 1e-3, constant, adam, uniform_t, every_point_once)
register("homework", Recipe(HomeworkDenoiser, TRAINING, kind=HomeworkDenoiser))


def kernel_nll(samples: Tensor, reference: Tensor, tau: float = 0.1) -> float:
    """The course's "NLL": -log of the mean over samples x of (1/N) sum_i (2 pi tau)^(-D/2) exp(-|x - x_i|^2 / (4 tau)).

    samples (n, D), reference x_i (N, D). Three conventions in one: the exponent is that of a Gaussian of variance
    2 tau, the factor in front that of variance tau, and the logarithm stands outside the mean over the samples, where
    a likelihood has it inside. So it is no likelihood, a sample far from all data costs next to nothing, and only
    differences from the floor, the value of real points, mean anything. Memory is bounded: samples go through in parts.
    Raises ValueError for empty, non-finite or mismatched points or a tau that is not positive and finite.
    """
    samples, reference = point_arrays(samples, reference)
    if not 0 < tau < math.inf:
        raise ValueError(f"tau must be positive and finite, got {tau}")
    rows = max(1, CHUNK // len(reference))
    parts = [
        logsumexp(-cdist(samples[i : i + rows], reference, "sqeuclidean") / (4 * tau))
        for i in range(0, len(samples), rows)
    ]
    log_mean = logsumexp(parts) - math.log(len(samples)) - math.log(len(reference))
    return float(samples.shape[1] / 2 * math.log(2 * math.pi * tau) - log_mean)


def total_emd(samples: Tensor, reference: Tensor, n: int = N_EMD, draws: int = 5, seed: int = 0) -> np.ndarray:
    """The course's "EMD", one value a draw, (draws,): its tables give the mean of five.

    Each draw takes n of the samples (m, D) and n of the reference points (N, D), without repeats, and finds the
    matching of least total Euclidean distance: the TOTAL over n pairs, where `metrics.emd` has the mean, so it grows
    with n. The draws share the two sets: their spread covers the choice of points, not the making of the samples.
    Raises ValueError for empty, non-finite or mismatched points, n outside 1..min(m, N), draws < 1 or seed < 0.
    """
    samples, reference = point_arrays(samples, reference)
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
