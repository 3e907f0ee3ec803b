"""The lab of one noisy point: its numbers against the package, its point moved by mouse, finger and keyboard."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff.checkpoints import book_denoiser
from statesdiff.data import states
from statesdiff.exact import IdealDenoiser
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.conftest import Engine, close
from tests.lab.playing import drag, number, picture, played, save, swipe

SCHEDULE = NoiseSchedule.linear()
LIMIT = 2.8
BELIEF = """async (x_t, t) => {
  const { loadData, decode } = statesdiff, get = async (name) => decode(await loadData(name, (file) => file));
  const { x } = await get("states"), ideal = new statesdiff.IdealDenoiser(x, statesdiff.NoiseSchedule.linear());
  return statesdiff.pointBelief(ideal, statesdiff.denoiser(await get("fourier")), f32(x_t), t);
}"""


@pytest.fixture(scope="module")
def phone(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "point", viewport=test_book.PHONE, has_touch=True) as page:
        looked_around(page)
        yield page


def looked_around(page: Page) -> None:
    """Wait for what the worker says of usual points."""
    page.wait_for_function("document.querySelector('output[name=usual]').value !== ''")


def figures_point(t: int) -> torch.Tensor:
    """The noisy point of the chapter's first figure."""
    return SCHEDULE.q_sample(states().x[3320:3321], t, torch.tensor([[0.6, 1.2]]))


@pytest.mark.parametrize("t", [2, 20, 80, 300])
def test_belief_and_guesses_are_the_packages(plain_engine: Engine, t: int) -> None:
    x, x_t = states().x, figures_point(t)
    found = plain_engine(BELIEF, x_t, t)
    ideal, ab = IdealDenoiser(x, SCHEDULE), SCHEDULE.alpha_bar[t]
    w = (-torch.cdist(x_t.double(), ab.sqrt() * x.double()).square() / (2 * (1 - ab))).softmax(dim=1)
    close(found["w"], w, atol=0.03 * w.max().item())  # the points are rounded to 16 bits
    assert found["origins"] == pytest.approx(torch.special.entr(w).sum().exp().item(), rel=0.02)
    close(found["mean"], ideal.posterior_mean(x_t, t), atol=2e-3)
    close(found["eps"], ideal(x_t, t), atol=5e-3)
    model, _ = book_denoiser("fourier")
    with torch.no_grad():
        eps_hat = model(x_t, torch.tensor(t))
        learnt = SCHEDULE.predict_x_0(x_t, t, eps_hat)
    close(found["eps_hat"], eps_hat, atol=0.01)  # the weights are rounded to 16 bits
    close(found["learnt"], learnt, atol=0.01 * SCHEDULE.noise_level[t].item() + 1e-5)
    assert found["distance"] == pytest.approx((found["mean"] - found["learnt"]).norm().item(), abs=1e-5)


def test_it_starts_with_the_point_of_the_figure(phone: Page) -> None:
    expect(phone.locator("[data-lab]")).to_have_attribute("data-state", "idle")
    ab = SCHEDULE.alpha_bar[80]
    square = torch.cdist(figures_point(80).double(), ab.sqrt() * states().x.double()).square()
    origins = torch.special.entr((-square / (2 * (1 - ab))).softmax(dim=1)).sum().exp().item()
    assert number(phone, "t") == 80
    assert number(phone, "origins") == pytest.approx(origins, rel=0.01)
    assert phone.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]


def test_inland_at_a_small_t_the_guesses_part_and_elsewhere_they_do_not(phone: Page) -> None:
    """What the sentence below the picture says."""
    phone.get_by_role("slider", name="t").fill("10")
    swipe(phone, [(0.8, -0.6), (0.85, -0.55), (0.72, -0.72)], LIMIT)
    phone.wait_for_selector("[data-state=done]")
    assert number(phone, "distance") > 10 * number(phone, "usual")
    assert number(phone, "usual") < 0.02


def test_the_keyboard_moves_the_point_and_t_to_its_ends(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "point") as page:
        seen = {(number(page, "distance"), picture(page))}
        page.locator("canvas").focus()
        for key in ("ArrowUp", "ArrowLeft", "Shift+ArrowDown", "ArrowRight"):
            page.keyboard.press(key)
            seen.add((number(page, "distance"), picture(page)))
        assert len(seen) == 5
        page.get_by_role("slider", name="t").focus()
        for key, t in (("End", 500), ("Home", 1)):
            page.keyboard.press(key)
            assert number(page, "t") == t
        assert number(page, "origins") < 3
        for _ in range(60):  # to the right edge and no further
            page.locator("canvas").press("ArrowRight")
        at_the_edge = picture(page)
        page.locator("canvas").press("ArrowRight")
        assert picture(page) == at_the_edge
        expect(page.locator(".lab-summary")).to_contain_text("At t = 1")


def test_the_mouse_drags_the_point_and_nothing_else(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "point") as page:
        page.get_by_role("slider", name="t").fill("20")
        before = number(page, "origins")
        drag(page, [(-2.2, -2.2), (-1, -1)], LIMIT)
        assert number(page, "origins") == before
        start = figures_point(80)[0].tolist()
        drag(page, [tuple(start), (1.15, -0.3)], LIMIT)
        assert number(page, "origins") != before
        shown = picture(page)
        page.get_by_role("button", name="New point").click()
        assert picture(page) != shown


def test_layers_and_the_saved_picture(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "point") as page:
        content, seen = save(page), {picture(page)}
        assert content[:4] == b"\x89PNG" and len(content) > 5000
        page.get_by_text("Layers").click()
        for layer in ("belief", "guesses", "arrows"):
            page.get_by_role("checkbox", name=layer).click()
            seen.add(picture(page))
        page.get_by_role("checkbox", name="density").click()
        page.wait_for_selector("[data-state=done]")
        seen.add(picture(page))
        assert len(seen) == 5
        page.set_viewport_size({"width": 340, "height": 700})
        seen.add(picture(page))
        page.evaluate("document.documentElement.dataset.theme = 'dark'")
        seen.add(picture(page))
        assert len(seen) == 7
