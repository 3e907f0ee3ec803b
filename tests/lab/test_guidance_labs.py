"""The labs of chapters 6 and 7: their measures against the package, and what the chapters say of the scale."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff import metrics
from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser, tilted_density
from statesdiff.plotting import LIMIT
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.conftest import Engine, close
from tests.lab.playing import picture, played, save
from tests.lab.turning import ends, numbers, settled, turned

OKLAHOMA = 3
T60 = 14  # where the slider of t has 60


@pytest.fixture(scope="module")
def guidance(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "guidance", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


@pytest.fixture(scope="module")
def free(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "guidance-free", viewport=test_book.DESKTOP) as page:
        yield page


@pytest.mark.parametrize("t", [20, 60, 200])
def test_the_density_underneath_is_the_packages(plain_engine: Engine, t: int) -> None:
    x, y = outline_points(1000), torch.arange(5).repeat_interleave(200)
    script = """(x, y, t) => {
      const schedule = statesdiff.NoiseSchedule.linear();
      const observer = new statesdiff.IdealDenoiser(f32(x), schedule, { jitter: statesdiff.JITTER, y });
      return [statesdiff.tiltOf(statesdiff.gridLogs(observer, t), 3, 4), statesdiff.gridPoints(104)];
    }"""
    density, grid = plain_engine(script, x, y, t)
    ideal = IdealDenoiser(x, NoiseSchedule.linear(), JITTER, y)
    wanted = tilted_density(ideal, grid.view(-1, 2).float(), t, OKLAHOMA, 4)
    close(density, wanted, atol=2e-3 * float(wanted.max()))


def test_the_card_is_the_packages(plain_engine: Engine) -> None:
    """Accuracy, coverage and distance of the same points; the outline has 400 points here, 4,000 in the chapter."""
    data, x = states(), states(400, seed=2).of_class(OKLAHOMA) * 1.01
    outline, y = outline_points(2000), torch.arange(5).repeat_interleave(400)
    script = """(x_0, x, y, outline, labels) => {
      const set = { x: f32(outline), y: Uint8Array.from(labels) }, schedule = statesdiff.NoiseSchedule.linear();
      const observer = statesdiff.observerOf(set, schedule), states = { x: f32(x), y: Uint8Array.from(y) };
      return statesdiff.stateCard(f32(x_0), 3, { observer, outline: set, states, seed: 0 });
    }"""
    card = plain_engine(script, x, data.x, data.y, outline, y)
    assert card["accuracy"] == pytest.approx(metrics.class_accuracy(x, OKLAHOMA), abs=0.002)
    assert card["coverage"] == pytest.approx(metrics.coverage(x, outline_points(4000, label=OKLAHOMA)), abs=0.01)
    assert card["distance"] == pytest.approx(metrics.mean_distance(x, data.of_class(OKLAHOMA)), abs=1e-5)
    fresh = metrics.mean_distance(states(400, seed=3).of_class(OKLAHOMA), data.of_class(OKLAHOMA))
    assert card["distance-floor"] == pytest.approx(fresh, rel=0.2)


def test_draws_from_a_density_have_the_floor_as_their_variation(plain_engine: Engine) -> None:
    x = torch.randn(1000, 2, generator=stream("x"))
    script = """(x) => {
      const even = new Float64Array(104 * 104).fill(1 / 104 ** 2);
      return statesdiff.total_variation(f32(x), even, statesdiff.stream("a", 1));
    }"""
    apart, floor = plain_engine(script, x).tolist()
    column, row = ((x / LIMIT + 1) * 13).long().clamp(0, 25).unbind(1)
    shares = (26 * row + column).bincount(minlength=676) / len(x)
    assert apart == pytest.approx(float((shares - 1 / 676).abs().sum() / 2), abs=1e-3)
    assert 0.2 < floor < 0.45  # a thousand points in 676 squares of one probability


def test_both_wait_and_fit(guidance: Page, free: Page) -> None:
    for page in (guidance, free):
        settled(page, "idle")
        assert page.locator(".lab-controls > *").count() <= 4
        assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")


def test_scale_one_is_whole_and_scale_eight_is_not(guidance: Page) -> None:
    turned(guidance, scale=1)
    assert all(a > 0.99 for a in numbers(guidance, "accuracy", "coverage", "coverage-floor"))
    turned(guidance, scale=8)
    scale, accuracy, coverage = numbers(guidance, "scale", "accuracy", "coverage")
    assert scale == 8 and accuracy > 0.99 and coverage < 0.9


@pytest.mark.parametrize("by", ["learnt", "exact"])
def test_scale_four_follows_neither_density_at_sixty(guidance: Page, by: str) -> None:
    """Chapter 6: 0.45 with networks, 0.46 with exact scores, and 0.13 by chance."""
    turned(guidance, scale=4, t=T60, by=by)
    words = guidance.locator(".lab-pictures p").first.inner_text()
    apart, chance = (float(w.strip("().")) for w in words.split("by ")[1].split(" (chance "))
    assert apart == pytest.approx(0.45, abs=0.07) and chance == pytest.approx(0.13, abs=0.05)
    expect(guidance.locator(".lab-summary")).to_contain_text('from "tilt, then noise" by')


def test_the_dial_of_chapter_six_at_its_ends(guidance: Page) -> None:
    assert ends(guidance, "t") == ("0", "500")
    assert ends(guidance, "scale") == ("0", "8")
    guidance.locator("input[name=scale]").press("Home")
    settled(guidance)
    assert numbers(guidance, "accuracy")[0] == pytest.approx(0.2, abs=0.05)


def test_walks_bring_back_what_scale_four_loses(free: Page) -> None:
    turned(free, scale=4)
    lost, floor = numbers(free, "coverage", "coverage-floor")
    turned(free, walks=2)
    found, accuracy = numbers(free, "coverage", "accuracy")
    assert lost < 0.95 * floor and found > 0.97 and accuracy > 0.99


def test_at_scale_eight_points_fly_off_and_a_run_can_be_stopped(free: Page) -> None:
    turned(free, walks=0, scale=8)
    assert numbers(free, "distance")[0] > 0.05  # chapter 7: blown off the outline
    before = picture(free)
    free.locator("select[name=walks]").select_option("10")
    free.locator("button[name=stop]").click()
    settled(free)
    turned(free, walks=0, state=2)
    assert numbers(free, "accuracy")[0] > 0.9 and picture(free) != before


def test_both_are_saved(free: Page, guidance: Page) -> None:
    assert all(save(page)[:4] == b"\x89PNG" for page in (free, guidance))
