"""Figures open large by mouse, touch and keyboard, from a disk as well: the book's script and style on a small page.

That every page of the book carries the script, and that none squashes a figure, the tests of the book see to.
"""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests import browsing, test_book

STATIC = test_book.ROOT / "book" / "_static"
# A figure of a notebook, with two pixels to a point; a picture that leads somewhere; one of a page; a player's canvas.
PAGE = """<!doctype html><html lang="en"><head><title>A page</title><link rel="icon" href="data:,">
<link rel="stylesheet" href="statesdiff.css"><script src="lightbox.js"></script></head><body>
<main class="bd-content"><article class="bd-article">
<div class="cell_output"><img alt="Five panels." src="wide.png" style="width: 1300px;"></div>
<a href="#there"><img alt="A way out." src="small.png"></a>
<p style="height: 900px">Text.</p><figure><img alt="A hero." src="small.png"></figure><canvas></canvas>
</article></main></body></html>"""

browser = browsing.browser


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("page")
    for file in ("lightbox.js", "statesdiff.css"):
        shutil.copy(STATIC / file, folder)
    Image.new("L", (2600, 600), 200).save(folder / "wide.png")
    Image.new("L", (300, 200), 200).save(folder / "small.png")
    (folder / "index.html").write_text(PAGE, encoding="utf-8")
    return Path(folder / "index.html").as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    page, faults = browser.new_page(viewport=test_book.PHONE, has_touch=True), []
    test_book.watch(page, address.removesuffix("index.html"), faults)
    page.goto(address)
    yield page
    page.close()
    assert not faults


def width(page: Page, selector: str) -> float:
    return page.locator(selector).bounding_box()["width"]


def test_a_tap_opens_a_figure_at_a_readable_size_that_pans(page: Page) -> None:
    figure = page.get_by_role("button", name="Enlarge: Five panels.")
    assert figure.bounding_box()["width"] <= test_book.PHONE["width"]
    figure.tap()
    expect(page.get_by_role("dialog").get_by_role("img", name="Five panels.")).to_be_visible()
    assert width(page, "dialog img") >= 0.8 * 1300
    page.keyboard.press("ArrowRight")
    page.wait_for_function("document.querySelector('dialog').scrollLeft > 0")
    close = page.get_by_role("button", name="Close").bounding_box()
    assert close["width"] >= 44 <= close["height"] and close["x"] + close["width"] <= test_book.PHONE["width"]


def test_a_large_window_shows_the_whole_figure(page: Page) -> None:
    page.set_viewport_size(test_book.DESKTOP)
    for name, at_least in (("Five panels.", 1200), ("A hero.", 600)):
        page.get_by_role("button", name=name).click()
        box = page.locator("dialog img").bounding_box()
        assert at_least < box["width"] <= 1280 and box["height"] <= 900
        page.keyboard.press("Escape")


@pytest.mark.parametrize("key", ["Enter", " "])
def test_the_keyboard_opens_and_closes_a_figure_and_focus_comes_back(page: Page, key: str) -> None:
    page.keyboard.press("Tab")
    figure = page.get_by_role("button", name="Enlarge: Five panels.")
    expect(figure).to_be_focused()
    page.keyboard.press(key)
    expect(page.get_by_role("button", name="Close")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    expect(figure).to_be_focused()
    assert page.evaluate("scrollY") == 0


@pytest.mark.parametrize("close", ["button", "outside"])
def test_a_click_closes(page: Page, close: str) -> None:
    page.get_by_role("button", name="A hero.").click()
    page.locator("dialog img").click()
    expect(page.locator("dialog")).to_be_visible()
    if close == "button":
        page.get_by_role("button", name="Close").click()
    else:
        page.mouse.click(20, 800)
    expect(page.locator("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="A hero.")).to_be_focused()


def test_a_picture_in_a_link_stays_a_link(page: Page) -> None:
    assert page.locator("article [role=button]").count() == 2
    page.get_by_role("link", name="A way out.").click()
    assert page.url.endswith("#there") and page.locator("dialog").count() == 0


def test_without_scripts_nothing_changes(browser: Browser, address: str) -> None:
    page = browser.new_page(viewport=test_book.PHONE, java_script_enabled=False)
    page.goto(address)
    assert page.get_by_role("img").count() == 3 and page.get_by_role("button").count() == 0
    page.get_by_role("img", name="Five panels.").click()
    assert page.locator("dialog").count() == 0
    page.close()
