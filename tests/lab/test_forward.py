"""The lab of chapter 2: its numbers against the package, its controls by mouse, keyboard and touch."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from statesdiff.data import states
from statesdiff.rng import randn, stream
from statesdiff.schedule import SCHEDULES
from tests import test_book
from tests.lab.conftest import open_page

LAB = '<div class="lab" data-lab="forward" data-state="idle" data-seed="1"></div>'


@pytest.fixture
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    page, faults = open_page(browser, folder, LAB, viewport=test_book.PHONE, has_touch=True)
    page.wait_for_selector("[data-mounted]")
    yield page
    page.close()
    assert not faults


def output(page: Page, name: str) -> float:
    return float(page.locator(f"output[name={name}]").inner_text())


def test_nothing_moves_before_the_reader_does(page: Page) -> None:
    expect(page.locator("[data-lab]")).to_have_attribute("data-state", "idle")
    assert output(page, "t") == 0
    assert page.locator(".lab-controls > *").count() <= 4


def test_the_keyboard_goes_to_both_ends(page: Page) -> None:
    slider = page.get_by_role("slider", name="t")
    slider.focus()
    page.keyboard.press("End")
    assert output(page, "t") == 500
    page.keyboard.press("ArrowLeft")
    assert output(page, "t") == 499
    page.keyboard.press("Home")
    assert output(page, "t") == 0


@pytest.mark.parametrize("name", ["linear", "cosine", "sech"])
def test_the_variance_is_what_the_forward_process_gives(page: Page, name: str) -> None:
    """A thousand points and other noise than here: equal to within what chance does to a variance."""
    page.get_by_role("combobox", name="schedule").select_option(name)
    data, schedule = states(), SCHEDULES[name]()
    for t in (0, 100, 300, 500):
        page.get_by_role("slider", name="t").fill(str(t))
        x_t = schedule.q_sample(data.x, t, randn(*data.x.shape, generator=stream("noise")))
        assert output(page, "variance") == pytest.approx(x_t.var(0, correction=0).mean().item(), abs=0.12)
    expect(page.locator(".lab-summary")).to_contain_text(f"t = 500, {name} schedule")


def test_a_tap_draws_other_noise(page: Page) -> None:
    page.get_by_role("slider", name="t").fill("250")
    before = output(page, "variance")
    page.get_by_role("button", name="New noise").tap()
    assert output(page, "variance") != before


def test_the_picture_is_saved_with_its_settings(page: Page) -> None:
    page.get_by_text("Layers").tap()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").tap()
    content = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename == "forward.png" and content[:4] == b"\x89PNG" and len(content) > 5000


def test_it_fits_a_phone(page: Page) -> None:
    assert page.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]


def test_layers_change_the_picture(page: Page) -> None:
    page.get_by_role("slider", name="t").fill("200")
    picture = "document.querySelector('.lab-picture').toDataURL()"
    page.get_by_text("Layers").tap()
    page.wait_for_timeout(100)
    seen = [page.evaluate(picture)]
    for layer in ("mean", "noise", "points"):
        page.get_by_role("checkbox", name=layer).tap()
        page.wait_for_timeout(100)
        seen.append(page.evaluate(picture))
    assert len(set(seen)) == 4
