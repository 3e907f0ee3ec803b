"""The lab of chapter 13: its velocities and ways against the package, its start moved by mouse, finger and keys."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff.checkpoints import book_flow
from statesdiff.data import JITTER, outline_points
from statesdiff.flow import euler_flow
from statesdiff.rng import randn, stream
from statesdiff.samplers import last
from statesdiff.velocity import ExactVelocity
from tests import test_book
from tests.lab.conftest import Engine, close
from tests.lab.playing import drag, number, over_http, picture, played, save, swipe

LIMIT, START = 2.4, torch.tensor([[-1.9, -0.4]])
BOTH = """async (x, s) => {
  const { loadData, decode } = statesdiff, get = async (name) => decode(await loadData(name, (file) => file));
  const exact = statesdiff.ExactVelocity((await get("outline")).x, statesdiff.JITTER);
  return [exact(f32(x), s), statesdiff.VelocityNetwork(await get("straight"))(f32(x), s)];
}"""
WAYS = """async (start, steps) => {
  const { loadData, decode } = statesdiff, get = async (name) => decode(await loadData(name, (file) => file));
  const exact = statesdiff.ExactVelocity((await get("outline")).x, statesdiff.JITTER);
  const found = statesdiff.flowWays(exact, statesdiff.VelocityNetwork(await get("straight")), start, steps);
  return [...["fine", "straight", "coarse"].map((name) => found[name].flat()), statesdiff.detourOf(found.fine)];
}"""


@pytest.mark.parametrize("s", [0.0, 0.3, 0.9, 0.99, 1.0])
def test_velocities_are_the_packages(plain_engine: Engine, s: float) -> None:
    x = randn(8, 2, generator=stream("flow lab"))
    exact, straight = plain_engine(BOTH, x, s)
    close(exact, ExactVelocity(outline_points(2000), JITTER)(x, s), atol=5e-3)  # the outline is rounded to 16 bits
    with torch.no_grad():
        close(straight, book_flow("straight")(x, s), atol=0.01)  # and so are the weights


@pytest.mark.parametrize("steps", [1, 5, 20])
def test_ways_are_the_packages(plain_engine: Engine, steps: int) -> None:
    *ways, detour = plain_engine(WAYS, START, steps)
    exact, straight = ExactVelocity(outline_points(2000), JITTER), book_flow("straight")
    for found, velocity, n in zip(ways, (exact, straight, exact), (200, steps, steps), strict=True):
        close(found, torch.cat(list(euler_flow(velocity, START, steps=n))), atol=0.02)
    way = torch.cat(list(euler_flow(exact, START, steps=200)))
    length = way.diff(dim=0).norm(dim=1).sum()
    assert detour == pytest.approx((length / (way[-1] - way[0]).norm() - 1).item(), abs=0.01)


def test_a_way_is_read_at_any_flow_time_and_in_the_other_scale(plain_engine: Engine) -> None:
    script = "(way) => [0, 0.25, 0.6, 1].map((s) => statesdiff.placeAt(way, s)).flat()"
    close(plain_engine(script, [[0, 0], [1, 2], [3, 2]]), torch.tensor([0, 0, 0.5, 1, 1.4, 2, 3, 2]), atol=1e-6)
    found = plain_engine("(way) => statesdiff.atVarianceOne(way).flat()", [[1, 0], [1, 0], [1, 0]])
    close(found, torch.tensor([1, 0, 2**0.5, 0, 1, 0]), atol=1e-6)


@pytest.fixture(scope="module")
def phone(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "flow", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


def test_it_starts_with_one_step_from_the_left(phone: Page) -> None:
    expect(phone.locator("[data-lab]")).to_have_attribute("data-state", "idle")
    end = last(euler_flow(ExactVelocity(outline_points(2000), JITTER), START, steps=200))
    one = last(euler_flow(book_flow("straight"), START, steps=1))
    assert number(phone, "miss") == pytest.approx((one - end).norm().item(), abs=0.02)
    assert number(phone, "coarse") == pytest.approx((end - outline_points(2000).mean(dim=0)).norm().item(), abs=0.02)
    assert phone.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]


def test_a_finger_moves_the_start_and_more_steps_bring_the_exact_field_home(phone: Page) -> None:
    before = number(phone, "miss"), picture(phone)
    swipe(phone, [(-1.9, -0.4), (-1.0, 0.9), (0.4, 1.5)], LIMIT)
    assert (number(phone, "miss"), picture(phone)) != before
    one = number(phone, "coarse")
    phone.get_by_role("slider", name="steps").press("End")
    assert number(phone, "coarse") < one / 4
    expect(phone.locator(".lab-summary")).to_contain_text("In 50 steps")


def test_keys_mouse_button_and_layers(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "flow") as page:
        content, seen = save(page), {picture(page)}
        for key in ("ArrowUp", "ArrowRight", "Shift+ArrowDown"):
            page.locator("canvas").press(key)
            seen.add(picture(page))
        drag(page, [(-1.5, -0.5), (1.0, 1.0)], LIMIT)
        seen.add(picture(page))
        page.get_by_role("button", name="New start").click()
        seen.add(picture(page))
        page.locator("input[name=flow-time]").fill("40")
        seen.add(picture(page))
        page.get_by_text("Layers").click()
        for layer in ("exact flow", "straightened", "exact field, few steps", "scale of chapter 4"):
            page.get_by_role("checkbox", name=layer, exact=True).click()
            seen.add(picture(page))
        assert len(seen) == 11 and content[:4] == b"\x89PNG"
    assert over_http(browser, folder, "flow") in ("idle", "running")
