"""A pytest plugin: nbval runs the cells of a chapter, and one more item, `sliders`, moves every slider in that kernel.

So a chapter is executed once for both. A claim that does not hold is an error (`statesdiff.claims`), and of those that
do nbval compares all but the digits of the value.
"""

import inspect
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from nbformat.v4 import new_code_cell
from nbval.plugin import IPyNbCell, IPyNbFile

from statesdiff.claims import STRICT

SANITIZE = Path(__file__).with_name("sanitize.cfg")
OUTPUT_TIMEOUT = 60  # seconds from a cell's reply to its last output; nbval's 5 are too few on a busy machine


def exercise_sliders(explored: list | None = None) -> None:
    """Call the function behind each slider with the slider at both ends and in the middle while the others rest.

    explored: widgets made by `explore`, by default all in the process: ipywidgets keeps them alive, shown or not.
    Raises AssertionError where there is none, RuntimeError naming the slider whose function fails. Everything needed is
    imported here, because the source of this function is sent to the kernel of a notebook.
    """
    import gc

    import matplotlib.pyplot as plt
    from ipywidgets import interactive

    explored = explored or [item for item in gc.get_objects() if type(item) is interactive]
    assert explored, "this notebook has no slider"
    for f, controls in [(widget.f, widget.kwargs_widgets) for widget in explored]:
        rest = {control.description: control.value for control in controls}
        for control in controls:
            places = getattr(control, "options", None) or (control.min, control.value, control.max)
            for value in (places[0], places[len(places) // 2], places[-1]):
                try:
                    f(**{**rest, control.description: value})
                except Exception as error:
                    what = f"{f.__name__}: slider {control.description} at {value!r}"
                    raise RuntimeError(f"{what}: {type(error).__name__}: {error}") from error
                finally:
                    plt.close("all")


class Chapter(IPyNbFile):
    """A notebook as nbval collects it, and after its cells the item that moves the sliders."""

    def get_sanitize_files(self) -> list[str | Path]:
        return [SANITIZE, *super().get_sanitize_files()]

    def collect(self) -> Iterator[IPyNbCell]:
        items = list(super().collect())
        cell = new_code_cell(inspect.getsource(exercise_sliders) + "\nexercise_sliders()")
        options = {"check": False, "check_exception": False, "skip": False}
        items.append(IPyNbCell.from_parent(self, name="sliders", cell_num=len(items), cell=cell, options=options))
        for item in items:
            item.output_timeout = OUTPUT_TIMEOUT
            yield item


def pytest_configure() -> None:
    """Kernels inherit the environment."""
    os.environ.setdefault(STRICT, "1")


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[None]:
    """Put a `Chapter` where nbval would collect a notebook."""
    collectors = yield
    return [
        Chapter.from_parent(parent, path=file_path) if isinstance(collector, IPyNbFile) else collector
        for collector in collectors
    ]
