"""The lab of one latent: its ways against the package, and what a reader sees who moves it."""

from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, expect

from statesdiff.checkpoints import book_denoiser
from statesdiff.data import JITTER, STATE_NAMES, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.samplers import ddim
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.conftest import Engine, close
from tests.lab.playing import drag, number, picture, played, save

SCHEDULE, LIMIT = NoiseSchedule.linear(), 2.7
WAY = """async (x_T, steps, learnt) => {
  const { loadData, decode, NoiseSchedule, IdealDenoiser, JITTER } = statesdiff;
  const get = async (name) => decode(await loadData(name, (file) => file)), schedule = NoiseSchedule.linear();
  const { x } = await get("outline"), ideal = new IdealDenoiser(x, schedule, { jitter: JITTER });
  const predictor = learnt ? statesdiff.denoiser(await get("fourier")) : ideal.predictor();
  const times = statesdiff.log_snr_times(schedule, steps), way = statesdiff.latentWay(predictor, schedule, x_T, steps);
  return { times, x: way.map((place) => place[0]), y: way.map((place) => place[1]) };
}"""


@pytest.mark.parametrize("learnt", [False, True])
@pytest.mark.parametrize("start", [[-0.6, -0.1], [1.2, 0.8]])
def test_the_way_is_the_packages(plain_engine: Engine, start: list[float], learnt: bool) -> None:
    found = plain_engine(WAY, torch.tensor(start), 40, learnt)
    times = [int(t) for t in found["times"]]
    exact = IdealDenoiser(outline_points(2000), SCHEDULE, jitter=JITTER)
    predictor = book_denoiser("fourier")[0] if learnt else exact
    way = torch.cat(list(ddim(predictor, SCHEDULE, torch.tensor([start]), steps=times)))
    assert len(way) == 41 and times[-1] == 0
    close(found["x"], way[:, 0], atol=0.01)  # weights and points are rounded to 16 bits
    close(found["y"], way[:, 1], atol=0.01)


def test_it_shows_where_the_latent_leads_and_how_it_leaps(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "latent") as page:
        page.wait_for_selector("[data-state=idle]")
        assert page.locator('output[name="state"]').inner_text() in STATE_NAMES
        assert number(page, "learnt") < 0.5 and number(page, "leap") == 0
        before = picture(page)
        drag(page, [(-1.5, 0.3), (0, 1.2), (1.5, 0.3), (0.8, -1.2), (-0.8, -1.2)], LIMIT)  # through all sectors
        expect(page.locator("[data-lab]")).to_have_attribute("data-state", "done")
        assert number(page, "leap") > 0.4 and picture(page) != before
        expect(page.locator(".lab-summary")).to_contain_text("The longest leap of the trail is")
        page.get_by_role("button", name="New latent").click()
        assert number(page, "leap") == 0


def test_the_keyboard_and_the_slider_and_the_layers(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "latent", viewport=test_book.PHONE) as page:
        page.wait_for_selector("[data-state=idle]")
        assert page.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]
        page.wait_for_function("document.querySelector('[data-lab]').dataset.state === 'idle'")
        seen = {picture(page)}
        for key in ("ArrowUp", "ArrowLeft", "Shift+ArrowDown", "ArrowRight"):
            page.locator("canvas").press(key)
            seen.add(picture(page))
        assert len(seen) == 5
        page.get_by_role("slider", name="steps").focus()
        page.keyboard.press("Home")
        assert number(page, "leap") == 0  # other steps are another map
        for key in ("ArrowLeft", "ArrowUp", "ArrowUp"):
            page.locator("canvas").press(key)
        page.get_by_text("Layers").wait_for()
        seen.add(picture(page))
        content = save(page)
        assert content[:4] == b"\x89PNG" and len(content) > 5000
        page.get_by_text("Layers").click()
        for layer in ("sectors", "exact way", "learnt way", "trail"):
            page.get_by_role("checkbox", name=layer).click()
            seen.add(picture(page))
        assert len(seen) == 10
