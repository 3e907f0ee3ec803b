"""What a label is: a whole number 0..K-1, or -1 for "no label"; checked, as one-hot rows, and dropped at random."""

import torch
from torch import Tensor

NO_LABEL = -1


def labels_of(y: int | Tensor, n: int, n_classes: int, lowest: int = 0) -> Tensor:
    """The labels y, one or one a row, as int64 (n,).

    Raises TypeError if y is not integer, ValueError if a label lies outside lowest..n_classes-1 or the length is not n.
    """
    y = torch.as_tensor(y)
    if y.is_floating_point() or y.is_complex() or y.dtype == torch.bool:
        raise TypeError(f"y must be an integer, got {y.dtype}; the labels are {lowest}..{n_classes - 1}")
    if y.ndim > 1 or (y.ndim == 1 and len(y) != n):
        raise ValueError(f"y must be a scalar or have one entry for each of the {n} rows, got {tuple(y.shape)}")
    if y.numel() and not lowest <= y.min() <= y.max() < n_classes:
        raise ValueError(f"y must lie in {lowest}..{n_classes - 1}, got {int(y.min())}..{int(y.max())}")
    return y.long().expand(n)


def one_hot(y: int | Tensor, n_classes: int, x: Tensor) -> Tensor:
    """Labels y, one or one a row, as rows (B, n_classes) of zeros with a 1 at the label, in x's dtype; -1 is all zeros.

    Raises as `labels_of` does unless y holds labels -1..n_classes-1, one or one for each row of x (B, ...).
    """
    labels = labels_of(y, len(x), n_classes, lowest=NO_LABEL).to(x.device)
    return (labels[:, None] == torch.arange(n_classes, device=x.device)).to(x)


def drop_labels(y: Tensor, p_uncond: float, generator: torch.Generator | None = None) -> Tensor:
    """The labels y (B,), each replaced by -1, "no label", with probability p_uncond.

    Algorithm 1 of Ho and Salimans 2022 (arXiv:2207.12598).
    """
    dropped = torch.rand(len(y), generator=generator) < p_uncond
    return y.masked_fill(dropped.to(y.device), NO_LABEL)
