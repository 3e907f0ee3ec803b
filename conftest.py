"""Wherever pytest runs a chapter with nbval, its sliders are moved and its claims are held to."""

import pytest

pytest.register_assert_rewrite("tests")  # an assertion says what it found in what the tests share, too
pytest_plugins = ["tests.chapters"]
