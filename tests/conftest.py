"""What every test shares: one thread, no windows, no figure left open; hypothesis tries the same cases each time."""

from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import settings

ROOT = Path(__file__).resolve().parent
torch.set_num_threads(1)  # sums in the same order on every machine, and no waiting for a busy second core
matplotlib.use("Agg")
settings.register_profile("fixed", derandomize=True, deadline=None, database=None, max_examples=50)
settings.load_profile("fixed")


# Two workers take whole files, each the next in this order: a long one at the end would run alone. No two neighbours
# need the built book, which is built once.
FIRST = (
    "lab/test_every_lab.py",
    "test_without_solutions.py",
    "check/test_check.py",
    "test_layout.py",
    "ablations/test_sweep.py",
    "test_notebooks.py",
    "test_book.py",
)


def pytest_collection_modifyitems(items):
    """Long files come first; otherwise, and within a file, all stays in its order."""
    place = {ROOT / name: i for i, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(FIRST)))


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


@pytest.fixture(autouse=True)
def _processor_left_as_it_was():
    """Flushed denormals belong to the whole thread: left on, they fail whichever test comes next."""
    yield
    left = torch.tensor(1e-39).mul(1.0).item()
    torch.set_flush_denormal(False)
    assert left > 0, "this test left denormal numbers flushed to zero"
