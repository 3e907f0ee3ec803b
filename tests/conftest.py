"""What every test shares: one thread, no windows, no figure left open; hypothesis tries the same cases each time."""

import re
import sys
from functools import cache
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
    "test_course_recipes.py",
    "project/test_example.py",
    "test_notebooks.py",
    "test_book.py",
    "test_main.py",
    "test_commands.py",
    "test_wheel.py",
    "test_release.py",
    "test_quizzes.py",
)


def pytest_collection_modifyitems(items):
    """Long files come first; otherwise, and within a file, all stays in its order."""
    place = {ROOT / name: i for i, name in enumerate(FIRST)}
    items.sort(key=lambda item: place.get(item.path, len(FIRST)))


@cache
def is_about_the_package(path):
    """Tests of pages, labs and tools cover none of its lines, or those that others cover."""
    return "lab" not in path.parts and re.search(
        r"^(from|import) statesdiff", path.read_text(encoding="utf-8"), re.MULTILINE
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    """Lines are counted where it says something: counting makes Python half as slow again, wherever it runs."""
    counting = getattr(item.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
    if counting is None or is_about_the_package(item.path):
        return (yield)
    counting.pause()
    try:
        return (yield)
    finally:
        counting.resume()


ASKING = set()  # files with a test that asks for a browser


def pytest_collection_finish(session):
    ASKING.update(item.path for item in session.items if "browser" in item.fixturenames)


def pytest_runtest_setup(item):
    """A browser lives while file after file asks for one: its loop would be in the way of those that have their own."""
    if item.path not in ASKING:
        end_browser_if_any()


def pytest_sessionfinish():
    end_browser_if_any()


def end_browser_if_any():
    if "tests.browsing" in sys.modules:
        sys.modules["tests.browsing"].end_browser()


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
