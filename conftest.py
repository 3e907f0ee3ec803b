"""Wherever pytest runs a chapter with nbval, its sliders are moved and its claims are held to."""

pytest_plugins = ["tests.chapters"]
