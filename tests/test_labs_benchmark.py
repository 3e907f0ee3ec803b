"""What benchmarks/labs.py reckons with what it has measured; nothing here is timed."""

import labs_pages as pages
import labs_training as training
import pytest


def test_the_updates_to_a_distance_are_read_off_the_right_line() -> None:
    power = [(n, 16 / n) for n in (400, 800, 1600)]  # a straight line on logarithmic scales
    for distance in (0.03, 0.02, 0.016, 0.01, 0.005, 0.1):
        assert training.updates_to(power, distance) == pytest.approx(16 / distance)
    bent = [(1600, 0.005), (400, 0.04), (800, 0.02)]
    assert training.updates_to(bent, 0.02) == pytest.approx(800)
    assert training.updates_to(bent, 0.01) == pytest.approx(800 * 2**0.5)


def test_every_lab_on_a_page_exists() -> None:
    found = pages.labs_of_pages()
    assert "01_states" in found and "draw" in found
    assert {lab for labs in found.values() for lab in labs} <= set(pages.lab_names())
