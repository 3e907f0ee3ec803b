"""The lab of chapter 15: exact noise, guidance and draws against the package; what the chapter says of each method."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff.data import JITTER, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.exact_posterior import ExactPosterior
from statesdiff.inverse import MeasurementGuidance, reverse_step
from statesdiff.measurements import Linear
from statesdiff.metrics import emd
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.conftest import Engine, close
from tests.lab.playing import number, over_http, picture, played, save
from tests.lab.turning import ends, numbers, settled, turned

SCHEDULE = NoiseSchedule.linear()
POINTS = outline_points(500)
IDEAL = IdealDenoiser(POINTS.double(), SCHEDULE, JITTER)
Y, WIDTH = 0.2, 0.2
EXACT = ExactPosterior(IDEAL, Linear([[1.0, 0.0]], [Y], WIDTH))
MAKE = """const data = { x: f32(x), schedule: statesdiff.NoiseSchedule.linear(), jitter: statesdiff.JITTER };
  const longitude = new statesdiff.Longitude(data, { y: 0.2, width: 0.2 });"""


def noisy(t: int, n: int = 40) -> torch.Tensor:
    return SCHEDULE.q_sample(outline_points(n), t, randn(n, 2, generator=stream("noisy", t)))


@pytest.mark.parametrize("t", [2, 60, 200, 500])
def test_the_exact_noise_is_the_packages(plain_engine: Engine, t: int) -> None:
    x_t = noisy(t)
    got = plain_engine(f"(x, x_t, t) => {{ {MAKE} return longitude.exact(f32(x_t), t); }}", POINTS, x_t, t)
    close(got, EXACT(x_t.double(), t), atol=2e-4, rtol=2e-4)


@pytest.mark.parametrize("t", [2, 60, 200, 500])
@pytest.mark.parametrize("data_variance", [0.0, 1.0])
def test_the_twist_is_the_packages(plain_engine: Engine, t: int, data_variance: float) -> None:
    x_t = noisy(t)
    script = f"(x, x_t, t, v) => {{ {MAKE} return longitude.twist(f32(x_t), t, v); }}"
    got = plain_engine(script, POINTS, x_t, t, data_variance)
    want = MeasurementGuidance(IDEAL, EXACT.measurement, SCHEDULE, data_variance=data_variance).twist(x_t.double(), t)
    close(got["eps_hat"], want.eps_hat, atol=2e-4, rtol=2e-4)
    close(got["log_likelihood"], want.log_likelihood, atol=1e-3, rtol=1e-3)
    close(got["gradient"], want.gradient, atol=1e-3, rtol=1e-3)


def test_exact_draws_are_distributed_as_the_packages(plain_engine: Engine) -> None:
    script = f"(x, n) => {{ {MAKE} return longitude.draw(n, statesdiff.stream('a', 1)); }}"
    got = plain_engine(script, POINTS, 400).view(-1, 2)
    one, other = (EXACT.sample(400, generator=stream("draw", seed)) for seed in (0, 1))
    assert emd(got, one) < 2.5 * emd(other, one)
    assert float(got[:, 0].std()) == pytest.approx(float(one[:, 0].std()), rel=0.12)


def test_a_step_is_the_packages(plain_engine: Engine) -> None:
    x, eps = (randn(5, 2, generator=stream(name)) for name in ("x", "eps"))
    script = "(x, e) => statesdiff.reverse_step(statesdiff.NoiseSchedule.linear(), f32(x), 200, 150, f32(e))"
    got = plain_engine(script, x, eps)
    mean, variance = reverse_step(SCHEDULE, x, 200, 150, eps)
    close(got["mean"], mean, atol=1e-5)
    assert got["variance"] == pytest.approx(variance, rel=1e-6)


def test_resampling_rounds_each_share_up_or_down(plain_engine: Engine) -> None:
    log_weight = randn(20, generator=stream("w")).double() * 2
    script = "(w) => statesdiff.systematic(Float64Array.from(w), 50, statesdiff.stream('b', 0))"
    counts = torch.bincount(plain_engine(script, log_weight).long(), minlength=20)
    assert ((counts - 50 * log_weight.softmax(0)).abs() < 1 + 1e-9).all() and counts.sum() == 50
    found = plain_engine("(w) => [statesdiff.effectiveNumber(w), 0]", log_weight)
    assert float(found[0]) == pytest.approx(float(1 / log_weight.softmax(0).square().sum()))


@pytest.fixture(scope="module")
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "inverse", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


def drawn(page: Page, method: str) -> list[float]:
    """EMD, its floor, the spread of the longitude and that of exact draws."""
    turned(page, method=method)
    return numbers(page, "emd", "emd-floor", "width", "width-floor")


def test_it_shows_exact_draws_and_waits(page: Page) -> None:
    settled(page, "idle")
    assert page.locator(".lab-controls > *").count() <= 4
    assert page.evaluate("document.scrollingElement.scrollWidth <= innerWidth")
    expect(page.locator("output[name=emd]")).to_have_text("–")


def test_each_method_does_what_the_chapter_says(page: Page) -> None:
    page.get_by_role("button", name="Draw").click()
    settled(page)
    guess, floor, narrow, width = numbers(page, "emd", "emd-floor", "width", "width-floor")
    assert guess > 1.5 * floor and narrow < 0.9 * width
    spread, _, wide, _ = drawn(page, "spread")
    assert spread > 1.5 * floor and wide > 1.1 * width
    for method in ("weighted", "exact"):
        apart, floor, width, right = drawn(page, method)
        assert apart < 2.5 * floor + 0.05 and width == pytest.approx(right, rel=0.2)


def test_another_draw_shows_the_exact_draws_that_its_numbers_are_of(page: Page) -> None:
    page.get_by_role("combobox", name="method").select_option("exact")
    page.get_by_role("button", name="Draw").click()
    settled(page)
    before = numbers(page, "width-floor")
    left = picture(page)
    page.get_by_role("button", name="Draw").click()
    settled(page)
    assert numbers(page, "width-floor") != before and picture(page) != left


def test_at_a_small_error_the_guess_flies_apart(page: Page) -> None:
    turned(page, method="guess", error=0.05)
    apart = page.locator("output[name=emd]").inner_text()
    assert apart == "∞" or float(apart) > 0.5
    turned(page, error=0.2)


def test_the_line_moves_by_finger_and_keys_to_its_ends(page: Page) -> None:
    before = picture(page)
    page.locator(".lab-picture").first.press("ArrowLeft")
    settled(page)
    expect(page.locator(".lab-summary")).to_contain_text("Longitude 0.10")
    page.locator(".lab-picture").first.press("Shift+ArrowLeft")
    settled(page)
    expect(page.locator(".lab-summary")).to_contain_text("Longitude 0.08")
    page.locator(".lab-picture").nth(1).click(position={"x": 30, "y": 40})
    settled(page)
    assert picture(page) != before and number(page, "emd-floor") > 0
    assert ends(page, "longitude") == ("-2.20", "2.20")
    assert ends(page, "error") == ("0.05", "0.60")
    settled(page)


def test_saved_and_over_http(browser: Browser, folder: Path, page: Page) -> None:
    assert save(page)[:4] == b"\x89PNG"
    assert over_http(browser, folder, "inverse") == "idle"
