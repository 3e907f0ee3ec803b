"""What the tests of single labs do with a page: open it with one lab, read its numbers, drag in its picture."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import ThreadingHTTPServer
from pathlib import Path

from playwright.sync_api import Browser, Page

from tests import test_book
from tests.lab.conftest import open_page

PLACE = '<div class="lab" data-lab="{}" data-state="idle"></div>'
PATIENCE = 60_000  # milliseconds, for a machine with other things to do


@contextmanager
def played(browser: Browser, folder: Path, name: str, **options: object) -> Iterator[Page]:
    """A page from disk with that lab on it, which has no fault to report at its end."""
    page, faults = open_page(browser, folder, PLACE.format(name), **options)
    page.set_default_timeout(PATIENCE)
    page.wait_for_selector("[data-mounted]")
    yield page
    page.close()
    assert not faults


def over_http(browser: Browser, folder: Path, name: str) -> str:
    """The state of that lab on the page of the folder that was opened last, fetched over HTTP; its faults fail."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(test_book.QuietHandler, directory=folder)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        server, faults, page = f"http://127.0.0.1:{httpd.server_port}/", [], browser.new_page()
        test_book.watch(page, server, faults)
        page.goto(server)
        page.wait_for_selector(f"[data-lab={name}][data-mounted]", timeout=PATIENCE)
        state = page.locator("[data-lab]").get_attribute("data-state")
        page.close()
        httpd.shutdown()
    assert not faults
    return state


def number(page: Page, name: str) -> float:
    """The output of that name."""
    return float(page.locator(f'output[name="{name}"]').inner_text())


def picture(page: Page) -> str:
    """The picture's pixels, once it has been drawn."""
    page.evaluate("() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))")
    return page.evaluate("document.querySelector('.lab-picture').toDataURL()")


def pixels(page: Page, at: tuple[float, float], limit: float) -> tuple[float, float]:
    """Where a point of the plane is in the window."""
    box = page.locator(".lab-picture").bounding_box()
    return box["x"] + (at[0] / limit + 1) * box["width"] / 2, box["y"] + (1 - at[1] / limit) * box["height"] / 2


def drag(page: Page, path: list[tuple[float, float]], limit: float) -> None:
    """With the mouse, from the first point of the plane to the last."""
    page.mouse.move(*pixels(page, path[0], limit))
    page.mouse.down()
    for at in path[1:]:
        page.mouse.move(*pixels(page, at, limit), steps=3)
    page.mouse.up()


def swipe(page: Page, path: list[tuple[float, float]], limit: float) -> None:
    """With a finger, from the first point of the plane to the last."""
    session = page.context.new_cdp_session(page)
    places = [dict(zip("xy", pixels(page, at, limit), strict=True)) for at in path]
    session.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": places[:1]})
    for place in places[1:]:
        session.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [place]})
    session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})


def save(page: Page) -> bytes:
    """The picture that the menu saves."""
    page.get_by_text("Layers").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Save picture").click()
    page.get_by_text("Layers").click()
    return Path(download.value.path()).read_bytes()
