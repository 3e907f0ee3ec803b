"""Wherever pytest runs a chapter with nbval, its sliders are moved too."""

pytest_plugins = ["tests.sliders"]
