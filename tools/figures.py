"""Stored figures, small: 256 colours where nobody can see the difference, every colour where one could.

Two pixels to a point make the file of a figure twice as large, a palette of 256 colours makes it a third. Edges and
points lose nothing that an eye can find: what a palette changes there, it changes in single pixels. A smooth map in
many hues would show bands. So the error is averaged over every square of `PATCH` pixels, four points of a page and
about as fine as an eye sees colour (5 minutes of arc), and the worst square decides: above `VISIBLE`, a just noticeable
difference in CIELAB (Mahy, Van Eycken and Oosterlinck 1994, Color Res. Appl. 19), the figure keeps all its colours.
"""

import io

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter
from scipy.spatial import cKDTree

COLOURS = 256
PATCH = 8
VISIBLE = 2.3
# The sRGB standard (IEC 61966-2-1): linear red, green and blue to X, Y and Z, each as a share of white's.
XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
XYZ /= XYZ.sum(1, keepdims=True)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIELAB: colours (N, 3) uint8 -> (N, 3), in which equal distances look about equal."""
    c = rgb / 255
    linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
    share = (linear[:, None, :] * XYZ).sum(2)
    x, y, z = np.where(share > (6 / 29) ** 3, np.cbrt(share), share / (3 * (6 / 29) ** 2) + 4 / 29).T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def palette(colours: np.ndarray, counts: np.ndarray, steps: int = 20) -> np.ndarray:
    """At most 256 of the distinct colours (N, 3), seen counts (N,) times, that stand for all: k-means in CIELAB.

    A colour weighs the square root of its count, or the few pixels of a rare colour would get no entry. The last step
    weighs by the count itself, so that white and the flat colours come out exact.
    """
    often = np.repeat(colours, np.ceil(counts**0.25).astype(int), axis=0)
    start = Image.fromarray(often[None]).quantize(COLOURS, Image.Quantize.MEDIANCUT)
    points, centres = lab(colours), lab(np.unique(np.reshape(start.getpalette(), (-1, 3)).astype(np.uint8), axis=0))
    for weights in (steps - 1) * [np.sqrt(counts)] + [counts]:
        nearest = cKDTree(centres).query(points)[1]
        total = np.bincount(nearest, weights, len(centres))
        used = total > 0
        for axis in range(3):
            centres[used, axis] = np.bincount(nearest, weights * points[:, axis], len(centres))[used] / total[used]
    return colours[np.unique(cKDTree(points).query(centres)[1])]


def visible_error(error: np.ndarray) -> float:
    """What is left of an error (H, W, 3) in CIELAB where its average over a square of `PATCH` pixels is largest."""
    return float(np.linalg.norm(uniform_filter(error, (PATCH, PATCH, 1)), axis=2).max())


def distinct(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Take the picture (H, W, 3) uint8 apart: its colours (N, 3), which is where (H, W), and their counts (N,)."""
    codes = (pixels * np.array([1 << 16, 1 << 8, 1], np.uint32)).sum(2, dtype=np.uint32)
    found, where, counts = np.unique(codes, return_inverse=True, return_counts=True)
    colours = np.stack([found >> 16, found >> 8 & 255, found & 255], axis=1).astype(np.uint8)
    return colours, where.reshape(codes.shape), counts


def reduce_colours(pixels: np.ndarray) -> Image.Image | None:
    """The picture (H, W, 3) uint8 in 256 colours, or None if that would be seen."""
    colours, where, counts = distinct(pixels)
    entries = palette(colours, counts) if len(colours) > COLOURS else colours
    nearest = cKDTree(lab(entries)).query(lab(colours))[1]
    error = (lab(colours) - lab(entries[nearest])).astype(np.float32)
    if visible_error(error[where]) > VISIBLE:
        return None
    image = Image.fromarray(nearest.astype(np.uint8)[where])
    image.putpalette(entries.tobytes())
    return image


def shrink(png: bytes) -> bytes:
    """The same figure in fewer bytes, always the same ones; a figure that has been here before stays as it is."""
    with Image.open(io.BytesIO(png)) as image:
        if image.mode not in ("RGB", "RGBA"):
            return png
        pixels = np.asarray(image)
    if pixels.shape[2] == 4 and pixels[..., 3].min() == 255:
        pixels = np.ascontiguousarray(pixels[..., :3])
    small = reduce_colours(pixels) if pixels.shape[2] == 3 else None
    file = io.BytesIO()
    (small or Image.fromarray(pixels)).save(file, "PNG", optimize=True)
    return file.getvalue()
