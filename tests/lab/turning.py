"""What the tests of labs with dials do: turn, wait for the end, draw again, stop, save."""

from playwright.sync_api import Page, expect

from tests import test_book
from tests.lab.playing import PATIENCE, number, save

SETTLED = "document.querySelector('[data-lab]').dataset.state === '{}'"


def put(page: Page, **values: object) -> None:
    """Set sliders by their place, menus by their value."""
    for name, value in values.items():
        control = page.locator(f":is(input, select)[name={name}]")
        if control.evaluate("(el) => el.tagName") == "SELECT":
            control.select_option(str(value))
        else:
            control.fill(str(value))


def turned(page: Page, **values: object) -> None:
    """The same, and wait until all is done."""
    put(page, **values)
    settled(page)


def settled(page: Page, state: str = "done") -> None:
    """Wait until the lab says so."""
    expect(page.locator("[data-lab]")).to_have_attribute("data-state", state, timeout=PATIENCE)


def numbers(page: Page, *names: str) -> list[float]:
    """Some outputs."""
    return [number(page, name) for name in names]


def ends(page: Page, name: str) -> tuple[str, str]:
    """What a slider says at its ends, by keyboard."""
    slider = page.locator(f"input[name={name}]")
    said = []
    for key in ("Home", "End"):
        slider.press(key)
        said.append(slider.get_attribute("aria-valuetext"))
    return tuple(said)


def stopped(page: Page, button: str) -> None:
    """Press a button that stops, and see that it does within a moment."""
    page.locator(f"button[name={button}]").click()
    expect(page.locator("[data-lab]")).to_have_attribute("data-state", "done", timeout=5_000)


def waits_and_fits(page: Page) -> None:
    """Nothing has begun, and on a phone nothing is too wide."""
    settled(page, "idle")
    assert page.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]


def draws_again_stops_and_saves(page: Page, shown: str, slider: str, place: int) -> None:
    """Other numbers at another draw; a long run, at the slider's end, is stopped; at that place a picture is saved."""
    turned(page, **{slider: place})
    before = number(page, shown)
    page.get_by_role("button", name="Draw").tap()
    settled(page)
    assert number(page, shown) != before
    page.locator(f"input[name={slider}]").press("End")
    stopped(page, "draw")
    turned(page, **{slider: place})
    assert save(page)[:4] == b"\x89PNG"
