"""Regenerate statesdiff/outlines.json from the US Census Bureau's cartographic boundary file.

    pip install pyshp shapely plotly-geo==1.0.0
    python tools/make_outlines.py

The boundary file (cb_2016_us_state_500k, public domain) is read from the plotly-geo package. Each state is simplified,
fitted into its box of the STATES layout, and all five are moved together so that `statesdiff.states()`, the book's data
set, has mean 0 and variance 1 in each coordinate.
"""

import json
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import shapefile
from shapely import LineString

from statesdiff import data
from statesdiff.files.atomic import write_atomically

TOLERANCE = 0.03  # degrees; finer coasts would drown in the jitter of the points
MARGIN = 0.025  # the layout boxes are the extremes of jittered points, which overshoot the curve
# name, number of polygons kept (largest first), lower left and upper right corner in standardised units
LAYOUT = [
    ("Michigan", 2, (-2.082, -0.157), (-0.748, 1.121)),
    ("Idaho", 1, (-1.041, -1.686), (-0.208, -0.531)),
    ("Ohio", 1, (-0.454, 0.572), (0.460, 1.514)),
    ("Oklahoma", 1, (-0.114, -1.861), (1.307, -0.506)),
    ("Wisconsin", 1, (0.773, 0.043), (1.841, 1.140)),
]
PROVENANCE = {
    "source": "US Census Bureau, Cartographic Boundary Files, cb_2016_us_state_500k (1:500,000)",
    "licence": "public domain (work of the United States government)",
    "obtained_from": "the Python package plotly-geo 1.0.0",
    "made_by": "python tools/make_outlines.py",
    "processing": f"largest polygons, simplified to {TOLERANCE} degrees, fitted into the boxes of the STATES layout, "
    "then standardised so that states(n_per_state=1000, seed=0) has mean 0 and variance 1 in each coordinate",
}


def polygons(record: shapefile.ShapeRecord, keep: int) -> list[np.ndarray]:
    """The `keep` polygons of a state with the most points, simplified, (V, 2) degrees, closed."""
    ends = [*record.shape.parts, len(record.shape.points)]
    rings = [np.array(record.shape.points[a:b]) for a, b in zip(ends, ends[1:], strict=False)]
    rings = sorted(rings, key=len, reverse=True)[:keep]
    return [np.array(LineString(ring).simplify(TOLERANCE).coords) for ring in rings]


def fit(rings: list[np.ndarray], low: tuple, high: tuple) -> list[np.ndarray]:
    """Stretch x and y separately so that the rings fill the box from `low` to `high`, less the margin."""
    points = np.concatenate(rings)
    low, high = np.array(low) + MARGIN, np.array(high) - MARGIN
    return [low + (ring - points.min(0)) / np.ptp(points, 0) * (high - low) for ring in rings]


def centred(states: list[list[np.ndarray]]) -> list[list[np.ndarray]]:
    """Move all outlines by one affine map until the book's own draw has mean 0 and variance 1."""
    for _ in range(30):
        curves = [[data.torch.tensor(ring) for ring in rings] for rings in states]
        x = data.draw(curves, 1000, seed=0).x.double().numpy()
        states = [[(ring - x.mean(0)) / x.std(0) for ring in rings] for rings in states]
    return states


def main() -> None:
    folder = Path(find_spec("_plotly_geo").submodule_search_locations[0]) / "package_data"
    with shapefile.Reader(folder / "cb_2016_us_state_500k") as reader:
        by_name = {record.record["NAME"]: record for record in reader.shapeRecords()}
    fitted = [fit(polygons(by_name[name], keep), low, high) for name, keep, low, high in LAYOUT]
    rings = {
        name: [np.round(ring, 5).tolist() for ring in state]
        for (name, *_), state in zip(LAYOUT, centred(fitted), strict=True)
    }
    text = json.dumps({"provenance": PROVENANCE, "outlines": rings}, separators=(",", ":"))
    write_atomically(data.OUTLINES, lambda path: path.write_text(text + "\n", encoding="utf-8"))
    print({name: [len(ring) for ring in state] for name, state in rings.items()}, len(text), "bytes", file=sys.stderr)


if __name__ == "__main__":
    main()
