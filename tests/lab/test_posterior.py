"""The lab of chapter 5: beliefs and accuracies against the package, the point by mouse, finger and keys."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff.checkpoints import book_classifier
from statesdiff.data import STATE_NAMES, states
from statesdiff.exact import IdealDenoiser
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.conftest import LAB
from tests.lab.playing import number, picture, played, save
from tests.lab.turning import ends, numbers, settled, turned


@pytest.fixture(scope="module")
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "posterior", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


def beliefs(page: Page, kind: str) -> torch.Tensor:
    return torch.tensor(numbers(page, *(f"{kind}-{name.lower()}" for name in STATE_NAMES)))


def test_the_maps_are_there_before_the_reader_acts(page: Page) -> None:
    expect(page.locator("output[name=accuracy]")).not_to_have_text("–", timeout=60_000)
    settled(page, "idle")
    assert page.locator(".lab-controls > *").count() <= 4
    assert page.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]


def test_it_says_that_the_classifier_is_small_and_how_good(page: Page) -> None:
    compared = json.loads((LAB / "data" / "classifier.json").read_text(encoding="utf-8"))["compared"]
    small, large = (100 * compared[name][compared["t"].index(50)] for name in ("small", "large"))
    expect(page.get_by_text("small classifier of 20,741 weights")).to_contain_text(
        f"{small:.1f}% against {large:.1f}% at t = 50"
    )


@pytest.mark.parametrize("t", [1, 60, 250])
def test_the_belief_is_the_packages(page: Page, t: int) -> None:
    data = states()
    turned(page, t=t)
    point = torch.tensor([[0.0, -0.5]])
    exact = IdealDenoiser(data.x, NoiseSchedule.linear(), y=data.y).log_posterior(point, t).exp()[0]
    large = book_classifier()[0](point, torch.tensor(t)).softmax(1)[0].detach()
    torch.testing.assert_close(beliefs(page, "exact"), exact.float(), atol=0.006, rtol=0)  # two digits, 16-bit data
    torch.testing.assert_close(beliefs(page, "learnt"), large, atol=0.05, rtol=0)  # a small network in its place


def test_accuracies_are_those_of_the_chapter(page: Page) -> None:
    turned(page, t=200)
    learnt, best = numbers(page, "accuracy", "accuracy-floor")
    assert best == pytest.approx(0.54, abs=0.05) and learnt == pytest.approx(best, abs=0.03)


def test_the_dial_reaches_its_ends(page: Page) -> None:
    assert ends(page, "t") == ("1", "500")
    settled(page)
    assert number(page, "t") == 500
    assert beliefs(page, "exact").max() < 0.35


def test_the_point_moves_by_mouse_finger_and_keys(page: Page) -> None:
    turned(page, t=30)
    page.locator(".lab-picture").first.press("ArrowRight")
    expect(page.locator(".lab-summary")).to_contain_text("The point at 0.10, -0.50")
    seen = [picture(page)]
    page.locator(".lab-picture").first.press("Shift+ArrowUp")
    expect(page.locator(".lab-summary")).to_contain_text("The point at 0.10, -0.48")
    page.locator(".lab-picture").nth(1).click(position={"x": 10, "y": 10})
    expect(page.locator(".lab-summary")).to_contain_text("most probably Michigan")
    seen.append(picture(page))
    assert seen[0] != seen[1]


def test_it_is_saved(page: Page) -> None:
    assert save(page)[:4] == b"\x89PNG"
