"""The browser of this process: file after file it serves those that ask for one. It is in one module alone.

A file of tests may be imported under two names, and would then have two browsers, of which one is never closed.
"""

import os
from contextlib import ExitStack

import pytest
from browser import MISSING, find_browser, launched
from playwright.sync_api import Browser

RUNNING, SHARED = ExitStack(), []


@pytest.fixture(scope="module")
def browser() -> Browser:
    """A browser for all tests of the file."""
    if find_browser() is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    if not SHARED:
        SHARED.append(RUNNING.enter_context(launched()))
    return SHARED[0]


def end_browser() -> None:
    """The next test that asks for a browser gets a new one."""
    SHARED.clear()
    RUNNING.close()
