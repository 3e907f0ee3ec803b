"""The lab of chapter 9: a curve drawn by knots, and what the exact denoiser makes of it, against the package."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff.ablations.curves import curve
from statesdiff.data import JITTER, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.playing import number, picture, played
from tests.lab.test_schedules import KNOTS, through
from tests.lab.turning import draws_again_stops_and_saves, ends, numbers, settled, turned, waits_and_fits

FINE = torch.linspace(9, -7, 300, dtype=torch.float64)


@pytest.fixture(scope="module")
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "schedule", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


def arrivals(log_snr: torch.Tensor) -> torch.Tensor:
    schedule = NoiseSchedule.from_log_snr(log_snr)
    exact = IdealDenoiser(outline_points(1000), schedule, jitter=JITTER)
    return last(ddim(exact, schedule, randn(1000, 2, generator=stream("x_T")), steps=schedule.T))


@pytest.fixture(scope="module")
def fine() -> torch.Tensor:
    return arrivals(FINE)


def test_it_waits_and_fits(page: Page) -> None:
    waits_and_fits(page)


def test_the_slider_goes_to_both_ends_by_keyboard(page: Page) -> None:
    assert ends(page, "steps") == ("5", "50")


@pytest.mark.parametrize("shape", ["even", "cosine"])
def test_the_miss_is_that_of_the_package(page: Page, fine: torch.Tensor, shape: str) -> None:
    """Three hundred other starts than here: to within what chance does to their mean."""
    turned(page, steps=1, shape=shape)
    knots = curve(shape, KNOTS).log_snr[1:].tolist()
    miss = (arrivals(through(knots, 10)) - fine).norm(dim=1).mean().item()
    assert number(page, "miss") == pytest.approx(miss, rel=0.2)
    assert numbers(page, "first", "last") == [7, -5]


def test_more_steps_miss_by_less_and_distance_reaches_the_floor(page: Page) -> None:
    turned(page, shape="cosine", steps=0)
    five = number(page, "miss")
    turned(page, steps=3)
    fifty, distance, floor = numbers(page, "miss", "distance", "distance-floor")
    assert fifty < 0.2 * five and distance < 1.1 * floor
    expect(page.locator(".lab-summary")).to_contain_text("50 steps, log signal-to-noise from 7.0 down to -5.0")


def test_the_arrow_keys_draw_a_curve(page: Page) -> None:
    turned(page, shape="even", steps=1)
    chart, before = page.locator(".lab-chart"), number(page, "last")
    seen = picture(page)
    chart.focus()
    for key in ["ArrowRight"] * 6 + ["ArrowUp"] * 4:
        page.keyboard.press(key)
    settled(page)
    assert number(page, "last") == before + 2 and picture(page) != seen
    assert page.locator("select[name=shape]").input_value() == "hand"


def test_a_finger_draws_a_curve(page: Page) -> None:
    turned(page, shape="even", steps=1)
    box = page.locator(".lab-chart").bounding_box()
    left, right, top, bottom = box["x"] + 34, box["x"] + box["width"] - 16, box["y"] + 16, box["y"] + box["height"] - 30
    height = lambda v: bottom - (v + 7.5) / 17 * (bottom - top)  # noqa: E731
    session = page.context.new_cdp_session(page)
    for kind, points in (("touchStart", [(left, height(7))]), ("touchMove", [(left, height(4))]), ("touchEnd", [])):
        places = [{"x": x, "y": y} for x, y in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})
    settled(page)
    assert number(page, "first") == pytest.approx(5.0, abs=1.2) and right > left
    assert page.locator("select[name=shape]").input_value() == "hand"


def test_it_draws_again_stops_and_saves(page: Page) -> None:
    turned(page, shape="even")
    draws_again_stops_and_saves(page, "miss", "steps", 1)
