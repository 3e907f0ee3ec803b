"""The lab of chapter 4: three samplers against their floor, the slips, one start dropped twenty times."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import test_book
from tests.lab.playing import number, picture, played, save, swipe
from tests.lab.turning import ends, numbers, settled, stopped, turned

PLACES = {1: 0, 10: 6, 15: 7, 50: 11}  # evaluations: where the slider has them


@pytest.fixture(scope="module")
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "sampling", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


def test_it_waits_and_fits(page: Page) -> None:
    settled(page, "idle")
    assert page.locator(".lab-controls > *").count() == 4
    assert page.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]


def test_ddim_is_blurred_at_ten_and_near_the_floor_at_fifty(page: Page) -> None:
    turned(page, sampler="ddim", evaluations=PLACES[10])
    ten, floor = numbers(page, "distance", "distance-floor")
    turned(page, evaluations=PLACES[50])
    fifty, coverage = numbers(page, "distance", "coverage")
    assert number(page, "evaluations") == 50
    assert ten > 4 * floor and fifty < 1.3 * floor and coverage > 0.98


def test_the_second_order_solver_needs_fifteen(page: Page) -> None:
    turned(page, sampler="dpmpp_2m", evaluations=PLACES[15])
    distance, floor = numbers(page, "distance", "distance-floor")
    assert distance < 1.45 * floor


def test_sliders_at_their_ends(page: Page) -> None:
    turned(page, sampler="ddim")
    assert ends(page, "eta") == ("0", "1")
    assert ends(page, "evaluations") == ("1", "250")
    page.locator("input[name=evaluations]").press("Home")
    settled(page)
    assert number(page, "evaluations") == 1 and number(page, "distance") > 0.2


def test_one_start_without_noise_ends_in_one_place_and_with_noise_in_many(page: Page) -> None:
    turned(page, sampler="ddim", evaluations=PLACES[15], eta=0)
    page.locator(".lab-picture").tap(position={"x": 120, "y": 100})
    settled(page)
    expect(page.locator(".lab-summary")).to_contain_text("One start, dropped 20 times by DDIM")
    expect(page.locator(".lab-summary")).to_contain_text(": 20 in")
    still = picture(page)
    turned(page, sampler="ddpm")
    expect(page.locator(".lab-summary")).to_contain_text(" in Michigan")
    expect(page.locator(".lab-summary")).to_contain_text(" in Oklahoma")
    assert picture(page) != still


def test_a_finger_and_the_arrow_keys_move_the_start(page: Page) -> None:
    turned(page, sampler="ddim")
    seen = [picture(page)]
    swipe(page, [(0, 0), (1, 1)], limit=3)
    page.locator(".lab-picture").press("ArrowLeft")
    settled(page)
    seen.append(picture(page))
    assert seen[0] != seen[1]


def test_a_try_again_replaces_it_whatever_eta_says_of_another_sampler(page: Page) -> None:
    script = """(sampler) => {
      const box = document.createElement("div"), tries = new statesdiff.Tries(box);
      for (const eta of [0, 0.5, 1]) tries.add(sampler, eta, { evaluations: 10, distance: 1, "distance-floor": 0.01 });
      return tries.tries.size;
    }"""
    assert [page.evaluate(script, name) for name in ("ddim", "ddpm", "dpmpp_2m")] == [3, 1, 1]


def test_one_press_runs_one_job(page: Page) -> None:
    page.evaluate("""() => {
      const { run } = statesdiff.Runner.prototype;
      globalThis.runs = 0;
      statesdiff.Runner.prototype.run = function (...of) { globalThis.runs += 1; return run.apply(this, of); };
    }""")
    place, runs = page.locator(".lab-picture"), []
    for press, x in ((place.click, 60), (place.tap, 160), (place.tap, 165)):  # a finger far from the start, and near it
        press(position={"x": x, "y": 160})
        settled(page)
        runs.append(page.evaluate("globalThis.runs"))
    assert runs == [1, 2, 3]


def test_draw_stop_and_the_slips(page: Page) -> None:
    page.locator("select[name=sampler]").select_option("ddpm")
    settled(page)
    page.get_by_role("button", name="Draw").click()
    stopped(page, "draw")
    expect(page.get_by_role("button", name="Draw")).to_be_visible()
    turned(page, slip="sigma")
    assert number(page, "distance") > 5  # chapter 4: the spread is about nine
    assert number(page, "evaluations") == 500


def test_it_is_saved(page: Page) -> None:
    assert save(page)[:4] == b"\x89PNG"
