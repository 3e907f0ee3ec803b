"""What can be said of an answer that is wrong in no way with a name: how it is like the right one, or where it is."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

Places = tuple[str, Sequence[object]]  # what the entries of the first dimension belong to: ("t", [1, 20, 50])
FACTORS = {2.0: "2", 0.5: "1/2", 3.0: "3", 1 / 3: "1/3", 4.0: "4", 0.25: "1/4", 10.0: "10", 0.1: "1/10",
           100.0: "100", 0.01: "1/100", 1000.0: "1000", 0.001: "1/1000"}  # fmt: skip
FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "the square of the right answer": torch.square,
    "the square root of the right answer": torch.sqrt,
    "the logarithm of the right answer": torch.log,
    "the exponential of the right answer": torch.exp,
    "one over the right answer": torch.reciprocal,
    "1 minus the right answer": lambda x: 1 - x,
}


def likeness(got: Tensor, right: Tensor, rtol: float, places: Places | None = None) -> str:
    """How numbers of the right shape are like the right ones, (...) both; else how far off they are."""
    if not got.isfinite().all():
        return f"{int((~got.isfinite()).sum())} of {got.numel()} are NaN or infinite"
    return (
        _function(got, right, rtol)
        or _order(got, right, rtol)
        or _constant(got, right, rtol)
        or _part(got, right, rtol, places)
        or _size(got, right)
    )


def _near(a: Tensor, b: Tensor, rtol: float) -> bool:
    return a.shape == b.shape and torch.allclose(a, b, rtol=rtol, atol=rtol)


def _function(got: Tensor, right: Tensor, rtol: float) -> str:
    if _near(got, -right, rtol):
        return "right up to the sign"
    names = [name for name, f in FUNCTIONS.items() if _near(got, f(right), rtol)]
    return f"this is {names[0]}" if names else ""


def _order(got: Tensor, right: Tensor, rtol: float) -> str:
    if right.dim() == 2 and _near(got.T, right, rtol):
        return "this is the transpose of the right answer"
    for dim in range(right.dim()):
        if _near(got.flip(dim), right, rtol):
            return f"right, but in the reverse order along dimension {dim}"
    return ""


def _constant(got: Tensor, right: Tensor, rtol: float) -> str:
    """A factor or a summand for all entries; of a single number only a factor that people forget."""
    factor = float((got * right).sum() / right.square().sum()) if right.any() else 0.0
    if abs(factor) > rtol and _near(got, factor * right, rtol):
        known = next((word for value, word in FACTORS.items() if abs(abs(factor) / value - 1) < 10 * rtol), "")
        size = known or format(abs(factor), ".3g")
        if (known or got.numel() > 1) and size != "1":  # a factor of 1, as it is printed, would say that all is right
            return f"right up to a factor, {'-' if factor < 0 else ''}{size}"
    shift = (got - right).mean()
    if got.numel() > 1 and abs(shift) > 4 * rtol * (1 + right.abs().max()) and _near(got - shift, right, rtol):
        return f"right up to an added constant, {shift:.3g}"
    return ""


def _part(got: Tensor, right: Tensor, rtol: float, places: Places | None) -> str:
    """Where the answer is right, and where it is not."""
    if not right.dim() or len(right) < 2:
        return ""
    off = ~torch.isclose(got, right, rtol=rtol, atol=rtol)
    rows = off.reshape(len(off), -1).any(1)
    word, labels = places or ("row" if right.dim() > 1 else "entry", range(len(rows)))
    wrong = [label for label, is_off in zip(labels, rows.tolist(), strict=True) if is_off]
    if len(wrong) <= min(3, len(rows) - 1):
        listed = " and ".join(str(label) for label in wrong)
        return f"wrong at {word} = {listed} only" if places else f"wrong in {word} {listed} only, counted from 0"
    columns = off.any(0) if right.dim() == 2 else torch.ones(1)
    if right.dim() == 2 and 0 < columns.sum() < len(columns):
        return f"right in column {int((~columns).nonzero()[0])}, wrong in column {int(columns.nonzero()[0])}"
    return ""


def _size(got: Tensor, right: Tensor) -> str:
    off = f"off by up to {(got - right).abs().max():.3g}"
    if got.numel() < 8:
        return f"{off}; compare with the equation"
    return f"{off}; their mean is {got.mean():.2g} and their variance {got.var():.2g}, {right.mean():.2g} and " + (
        f"{right.var():.2g} in the right answer"
    )


def misshapen(got: Tensor, right: Tensor, rtol: float) -> str:
    """What is wrong with the shape, and whether the numbers are right nevertheless."""
    shapes = f"the shape should be {tuple(right.shape)}, yours is {tuple(got.shape)}"
    if right.dim() == got.dim() == 2 and _near(got.T, right, rtol):
        return f"{shapes}: this is the transpose"
    if got.numel() == right.numel() == 1:
        what = f": the right number, but still in a tensor; {'[0]' if got.dim() == 1 else '.item()'} takes it out"
        return shapes + what * _near(got.reshape(()), right.reshape(()), rtol)
    if got.numel() == right.numel() and _near(got.reshape(right.shape), right, rtol):
        return f"{shapes}: the right numbers in the wrong shape"
    if not right.dim() and got.numel() and (_near(got.mean(), right, rtol) or _near(got.sum(), right, rtol)):
        return f"{shapes}: the {'mean' if _near(got.mean(), right, rtol) else 'sum'} is missing"
    if right.dim() and got.numel():
        for dim in range(right.dim()):
            if any(_near(got.squeeze(), less.squeeze(), rtol) for less in (right.mean(dim), right.sum(dim))):
                return f"{shapes}: dimension {dim} has been summed over, or averaged"
    B = right.shape[0] if right.dim() else 0
    if B > 1 and got.shape[:2] == (B, B):
        return f"{shapes}: every row has met every other; a number a row is shaped (B, 1), as in a[:, None]"
    return shapes
