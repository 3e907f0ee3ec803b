"""A small sample of Fashion-MNIST that comes with the package, and what is drawn and measured of pictures."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from PIL import Image
from torch import Tensor

from statesdiff.data import Dataset
from statesdiff.images.fashion import NAMES, as_images

SAMPLE = Path(__file__).with_name("garments.npz")
# images to train on and to test with; training images next to samples of chapter 16; what its two perceptrons drew
PARTS = ("train", "test", "neighbours", "perceptron eps", "perceptron x_0")
SIDE = 6  # outer columns, left and right, where most shirts have their sleeves and nothing else


def garments(part: str = "test") -> Dataset:
    """Real images that come with the package: 40 of each class of "train", 20 of "test"; x (N, 1, 28, 28), y (N,).

    "neighbours" are the training images next to ten samples of chapter 16, one of each class; "perceptron eps" and
    "perceptron x_0" are not real: eight T-shirts each, as perceptrons draw them that answer with the noise or the clean
    image. Raises ValueError for another part.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}; got {part!r}")
    with np.load(SAMPLE) as file:
        x, y = file[f"{part}_x"], file[f"{part}_y"]
    return Dataset(as_images(x), torch.from_numpy(y.astype(np.int64)), NAMES)


def in_bytes(x_0: Tensor) -> np.ndarray:
    """Images (..., 28, 28) in [-1, 1], what is beyond cut off -> bytes of the same shape, 0 for paper, 255 for ink."""
    return ((x_0.clamp(-1, 1) + 1) * 127.5).round().byte().cpu().numpy()


def sheet(x_0: Tensor, columns: int = 10, gap: int = 2) -> np.ndarray:
    """Images (N, 1, 28, 28) side by side, in rows of so many -> bytes (H, W); between them, white."""
    rows, side = -(-len(x_0) // columns), 28 + gap
    page = np.full((rows * side - gap, min(columns, len(x_0)) * side - gap), 255, np.uint8)
    for k, image in enumerate(255 - in_bytes(x_0[:, 0])):
        i, j = (side * n for n in divmod(k, columns))
        page[i : i + 28, j : j + 28] = image
    return page


def save_sheet(path: str | Path, x_0: Tensor, columns: int = 10) -> None:
    """Write images (N, 1, 28, 28), dark on white, as one PNG, each pixel three dots wide."""
    page = Image.fromarray(sheet(x_0, columns))
    page.resize((3 * page.width, 3 * page.height), Image.Resampling.NEAREST).save(path, "PNG", optimize=True)


def show(
    x_0: Tensor,
    columns: int = 10,
    ax: Axes | None = None,
    *,
    title: str = "",
    rows: Sequence[str] = (),
    size: float = 0.55,
) -> Axes:
    """Images (N, 1, 28, 28), dark on white, in rows of so many, each of `size` inches; `rows` are words beside."""
    page = sheet(x_0, columns)
    if ax is None:
        wide = 0.3 + 0.085 * max(map(len, rows)) if rows else 0.0
        _, ax = plt.subplots(figsize=(size * page.shape[1] / 30 + wide, size * page.shape[0] / 30 + 0.3 * bool(title)))
    ax.imshow(page, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    ax.set(title=title, xticks=[], yticks=[30 * k + 14 for k in range(len(rows))], yticklabels=rows)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return ax


def sleeves(x_0: Tensor) -> Tensor:
    """How far down the sleeves reach in images (N, 1, 28, 28): the lowest row with ink at a side, 1 to 28, (N,).

    At a side are the `SIDE` outer columns, and ink is at least half of what the garment has in its middle, so a dark
    garment counts like a light one, and a shadow where a sleeve might be does not. The mean over both sides; 0 where
    there is nothing. It means something for shirts and pullovers, whose bodies are narrower.
    """
    ink = (x_0[:, 0].clamp(-1, 1) + 1) / 2  # (N, 28, 28)
    enough = 0.5 * ink[:, 8:24, 10:18].flatten(1).median(dim=1).values[:, None, None]
    seen = torch.stack([ink[:, :, :SIDE] >= enough, ink[:, :, -SIDE:] >= enough]).any(dim=3)  # (2, N, 28)
    return (seen * torch.arange(1, 29)).amax(2).double().mean(0)
