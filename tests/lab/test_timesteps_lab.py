"""The lab of chapter 8: what is left at T, where the sampler begins, and the exact denoiser, against the package."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff import metrics
from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.playing import number, picture, played
from tests.lab.turning import draws_again_stops_and_saves, ends, numbers, turned, waits_and_fits

LEVELS = [5, 10, 20, 50, 100, 200, 500]  # where the slider has them
DESIGNS = {"kept": NoiseSchedule.linear, "matched": NoiseSchedule.linear_matched}


@pytest.fixture(scope="module")
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "timesteps", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


def emd(T: int, betas: str, start: str, seed: int = 0) -> float:
    """The lab's number, by the package: 500 samples of the exact denoiser against as many real points, twice."""
    schedule, data = DESIGNS[betas](T), states()
    exact = IdealDenoiser(outline_points(1000), schedule, jitter=JITTER)
    x_T = randn(1000, 2, generator=stream("x_T", seed))
    if start == "true":
        x_T = schedule.q_sample(data.x[torch.randperm(5000, generator=stream("rows"))[:1000]], T, x_T)
    x_0 = last(ddim(exact, schedule, x_T, steps=T, eta=1.0, generator=stream("z", seed)))
    fresh = states(seed=1 + seed).x[torch.randperm(5000, generator=stream("fresh", seed))]
    return sum(metrics.emd(x_0[i : i + 500], fresh[i : i + 500]) for i in (0, 500)) / 2


def test_it_waits_and_fits(page: Page) -> None:
    waits_and_fits(page)
    assert page.locator("output[name=alpha_bar_T]").inner_text() == "–"


def test_the_slider_goes_to_both_ends_by_keyboard(page: Page) -> None:
    assert ends(page, "T") == ("5", "500")


@pytest.mark.parametrize("betas", DESIGNS)
def test_what_is_left_is_what_the_schedule_leaves(page: Page, betas: str) -> None:
    turned(page, betas=betas, start="normal")
    for place in (1, 3):
        turned(page, T=place)
        assert number(page, "T") == LEVELS[place]
        assert number(page, "alpha_bar_T") == pytest.approx(DESIGNS[betas](LEVELS[place]).alpha_bar_T, abs=6e-5)


def test_the_samples_are_as_far_from_real_points_as_the_packages(page: Page) -> None:
    """Other random numbers than here: to within what chance does to the mean of two matchings."""
    for T, betas, start in (
        (5, "kept", "normal"),
        (5, "kept", "true"),
        (5, "matched", "normal"),
        (50, "kept", "normal"),
    ):
        turned(page, T=LEVELS.index(T), betas=betas, start=start)
        here = [emd(T, betas, start, seed) for seed in range(2)]
        assert number(page, "emd") == pytest.approx(sum(here) / 2, abs=0.05), (T, betas, start)


def test_the_wrong_start_is_seen_and_the_right_one_is_at_the_floor(page: Page) -> None:
    turned(page, T=0, betas="kept", start="normal")
    wrong, floor = numbers(page, "emd", "emd-floor")
    seen = picture(page)
    turned(page, start="true")
    right = number(page, "emd")
    assert wrong > 1.3 * floor and right < 1.25 * floor and picture(page) != seen
    expect(page.locator(".lab-summary")).to_contain_text("T = 5, betas kept: 95.1% of the data's variance is left")


def test_it_draws_again_stops_and_saves(page: Page) -> None:
    draws_again_stops_and_saves(page, "emd", "T", 0)
