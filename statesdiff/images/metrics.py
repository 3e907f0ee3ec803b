"""How pictures are judged: by the distance of two clouds of features, and by what a classifier takes them for."""

import numpy as np
import torch
from scipy.linalg import eigvalsh
from torch import Tensor

from statesdiff.images.classifier import PictureClassifier

AT_ONCE = 1000  # images


@torch.no_grad()
def features(classifier: PictureClassifier, x_0: Tensor) -> Tensor:
    """The classifier's features of images (N, 1, 28, 28), (N, 128) in float64, on the processor."""
    return torch.cat([classifier.features(part).double().cpu() for part in x_0.split(AT_ONCE)])


def frechet(a: Tensor, b: Tensor) -> float:
    """Fréchet's distance of two clouds of features (n, F) and (m, F), each taken for a Gaussian.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)) (Heusel et al. 2017, eq. 6, there in features of the Inception
    network). It grows as n falls, so it means nothing without the distance of as many real images beside it. Raises
    ValueError unless both have the same F and more rows than one.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or min(len(a), len(b)) < 2:
        raise ValueError(f"features must be (n, F) and (m, F), n and m > 1; got {tuple(a.shape)}, {tuple(b.shape)}")
    means, covariances = [x.mean(0).numpy() for x in (a, b)], [x.T.cov().numpy() for x in (a, b)]
    return float(np.square(means[0] - means[1]).sum() + _apart(*covariances))


def _apart(a: np.ndarray, b: np.ndarray) -> float:
    """tr(A + B - 2 (A B)^(1/2)) of two covariances: the root's eigenvalues are those of A^(1/2) B A^(1/2), rooted."""
    values, vectors = np.linalg.eigh(a)
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    return float(np.trace(a) + np.trace(b) - 2 * np.sqrt(eigvalsh(root @ b @ root).clip(min=0)).sum())


@torch.no_grad()
def accuracy(classifier: PictureClassifier, x_0: Tensor, y: Tensor) -> float:
    """The share of images (N, 1, 28, 28) that the classifier takes for what y (N,) says."""
    found = torch.cat([classifier(part).argmax(1) for part in x_0.split(AT_ONCE)])
    return float((found == y.to(found.device)).double().mean())


def within(a: Tensor, b: Tensor, k: int = 3) -> float:
    """The share of the rows of a (n, F) that lie nearer to some row of b (m, F) than b's k-th next row does to it.

    Of samples within real images this is precision, of real images within samples recall (Kynkäänniemi et al. 2019,
    eq. 1 and 2): the samples that look real, and the real images that the samples know. Raises ValueError unless both
    have the same F and b has more than k rows.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1] or not 1 <= k < len(b):
        raise ValueError(f"needs (n, F), (m, F) and 1 <= k < m; got {tuple(a.shape)}, {tuple(b.shape)}, k = {k}")
    reach = torch.cdist(b, b).kthvalue(k + 1, dim=1).values  # the nearest of all is the row itself
    return float((torch.cdist(a, b) <= reach).any(dim=1).double().mean())
