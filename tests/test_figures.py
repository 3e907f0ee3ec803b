"""Stored figures: sharp, small, the same bytes every time, and no difference that an eye could see."""

import io
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path

import figures
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
import run_notebooks
import torch
from matplotlib.figure import Figure
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from statesdiff import plotting
from statesdiff.data import states

ROOT = Path(__file__).resolve().parents[1]
BUDGET = 8_400_000  # bytes: half a megabyte a chapter


def drawn(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, dpi=110)
    return file.getvalue()


def scatter() -> bytes:
    s = states(200)
    with plt.rc_context():
        plotting.style()
        return drawn(plotting.scatter(s.x, s.y).figure)


def lines() -> bytes:
    with plt.rc_context():
        plotting.style()
        figure, ax = plt.subplots()
        ax.plot(np.sin(np.linspace(0, 9, 50))[:, None] * [0.4, 0.6, 0.8, 1.0, 1.2])
        return drawn(figure)


def class_map() -> bytes:
    """Every pixel a blend of the five colours of the states, a little different from its neighbours."""
    slopes = torch.tensor([[2.0, 0.0], [0.6, 1.9], [-1.6, 1.2], [-1.6, -1.2], [0.6, -1.9]])
    return drawn(plotting.class_map(lambda x: x @ slopes.T).figure)


FIGURES = {"scatter": scatter, "lines": lines, "class map": class_map}


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png))


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(opened(png).convert("RGB"))


def error(png: bytes, other: bytes) -> np.ndarray:
    a, b = pixels(png), pixels(other)
    return (figures.lab(a.reshape(-1, 3)) - figures.lab(b.reshape(-1, 3))).reshape(a.shape)


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [
        ((255, 255, 255), (100, 0, 0)),
        ((0, 0, 0), (0, 0, 0)),
        ((255, 0, 0), (53.24, 80.09, 67.20)),
        ((0, 0, 255), (32.30, 79.19, -107.86)),
    ],
)
def test_lab_of_known_colours(rgb: tuple, expected: tuple) -> None:
    np.testing.assert_allclose(figures.lab(np.array([rgb], np.uint8))[0], expected, atol=0.05)


def test_an_error_of_single_pixels_cancels_and_that_of_an_area_does_not() -> None:
    checks = np.where(np.indices((40, 40)).sum(0) % 2, 20.0, -20.0)[..., None] * [1, 0, 0]
    assert figures.visible_error(checks) < 2
    area = np.zeros((40, 40, 3))
    area[10:18, 20:28, 1] = 4.0
    assert figures.visible_error(area) == pytest.approx(4.0)


@pytest.mark.parametrize("name", ["scatter", "lines"])
def test_points_and_lines_become_small_and_look_the_same(name: str) -> None:
    png = FIGURES[name]()
    small = figures.shrink(png)
    assert len(np.unique(pixels(png).reshape(-1, 3), axis=0)) > 256
    assert opened(small).mode == "P" and len(small) < 0.6 * len(png)
    assert figures.visible_error(error(png, small)) <= figures.VISIBLE
    # white and the flat colours are exact
    colours, counts = np.unique(pixels(png).reshape(-1, 3), axis=0, return_counts=True)
    often = colours[counts > 0.002 * counts.sum()]
    assert {tuple(c) for c in often} <= {tuple(c) for c in pixels(small).reshape(-1, 3)} and len(often) > 1


def test_a_smooth_map_keeps_every_colour() -> None:
    png = class_map()
    small = figures.shrink(png)
    assert opened(small).mode == "RGB" and len(small) < len(png)
    assert not error(png, small).any()


def test_a_figure_of_few_colours_loses_none() -> None:
    image = np.random.default_rng(0).integers(0, 6, (30, 20, 3), dtype=np.uint8) * 51
    small = figures.shrink(encoded(Image.fromarray(image)))
    assert opened(small).mode == "P"
    np.testing.assert_array_equal(pixels(small), image)


@pytest.mark.parametrize("name", FIGURES)
def test_the_same_figure_gives_the_same_bytes_and_a_second_time_changes_none(name: str) -> None:
    png = FIGURES[name]()
    small = figures.shrink(png)
    assert figures.shrink(png) == small == figures.shrink(small)


def test_transparency_stays() -> None:
    image = np.zeros((9, 9, 4), np.uint8)
    image[2:5] = (0, 114, 178, 128)
    small = figures.shrink(encoded(Image.fromarray(image)))
    np.testing.assert_array_equal(np.asarray(opened(small)), image)
    assert figures.shrink(small) == small


def test_a_picture_that_is_no_figure_of_matplotlib_is_left_alone() -> None:
    png = encoded(Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)))
    assert figures.shrink(png) is png


def test_a_notebook_stores_two_pixels_a_point_and_the_size_at_which_they_are_shown(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    source = "from statesdiff import plotting\nplotting.style()\nplotting.plt.plot([0, 1]);"
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
    run_notebooks.run(path)
    notebook = nbformat.read(path, as_version=4)
    (output,) = notebook.cells[0].outputs
    image = opened(b64decode(output.data["image/png"]))
    shown = output.metadata["image/png"]
    assert (shown["width"], shown["height"]) == (image.width // 2, image.height // 2)
    assert abs(shown["width"] - 6.4 * 110) < 30  # the size of the figure, cut to what is drawn
    assert image.mode == "P" and run_notebooks.clean(notebook) == nbformat.read(path, as_version=4)


def stored() -> Iterator[bytes]:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                if "image/png" in output.get("data", {}):
                    yield b64decode(output.data["image/png"])


def test_the_stored_figures_together_are_small() -> None:
    assert 0 < sum(map(len, stored())) <= BUDGET
