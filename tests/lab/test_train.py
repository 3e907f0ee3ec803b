"""The lab that trains: its floors, excess and steps against the package, its buttons, and a rate that is too high."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.models import FREQUENCIES, Denoiser
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule
from tests import test_book
from tests.lab.conftest import Engine, close
from tests.lab.playing import number, picture, played, save

SCHEDULE = NoiseSchedule.linear()
DATA = """const get = async (name) => statesdiff.decode(await statesdiff.loadData(name, (file) => file));
  const data = { states: await get("states"), outline: await get("outline") }; """


@pytest.fixture(scope="module")
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "train", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


def steps_beyond(page: Page, step: int) -> None:
    """Wait until more than so many steps are shown."""
    page.wait_for_function(f"Number(document.querySelector('output[name=step]').value) > {step}")


@pytest.mark.parametrize(("trial", "power"), [("both", 3), ("inputs", 1), ("times", 3), ("neither", 1)])
def test_the_floor_is_the_bayes_loss_with_the_times_drawn_as_in_training(
    plain_engine: Engine, trial: str, power: int
) -> None:
    """The variance of the noise given x_t, in closed form, over noisy points of draws that no network saw."""
    n, g, outline = 20_000, stream("floor"), outline_points(2000)
    t = (500 * ((torch.arange(n) + 0.5) / n) ** power).ceil().long()[torch.randperm(n, generator=g)]
    x_0 = torch.cat([states(seed=seed).x for seed in range(1, 5)])
    query = SCHEDULE.q_sample(x_0, t, randn(n, 2, generator=g)) / SCHEDULE.alpha_bar[t].sqrt()[:, None].float()
    noise = SCHEDULE.noise_level[t].float().square()
    both = noise + JITTER**2
    variance = []
    for q, v in zip(query.split(2000), both.split(2000), strict=True):
        w = (-torch.cdist(q, outline).square() / (2 * v[:, None])).softmax(dim=1)
        variance.append((w @ outline.square() - (w @ outline).square()).mean(dim=1))
    loss = (noise / both) ** 2 * torch.cat(variance) / noise + JITTER**2 / both
    floor = plain_engine("(trial) => statesdiff.TRIAL[trial].floor", trial)
    assert floor == pytest.approx(loss.mean().item(), abs=0.006)  # 0.0023 is the standard error here


def test_the_excess_is_the_distance_from_the_exact_noise(plain_engine: Engine) -> None:
    script = f"""async (T) => {{ {DATA}
      const {{ NoiseSchedule, judgeOf, judged, Network, RECIPES, stream, low_noise_t }} = statesdiff;
      const schedule = NoiseSchedule.linear({{ T }}), of = {{ ...data, schedule, draw_t: low_noise_t, seed: 0 }};
      const judge = judgeOf(of), network = new Network({{ T, ...RECIPES.fourier.config }}).init(stream("init", 0));
      const {{ excess, field, samples, distance }} = judged(network, schedule, judge);
      return {{ ...judge, excess, learnt: field, samples, distance, weights: network.weights() }};
    }}"""
    found = plain_engine(script, 500)
    truth = IdealDenoiser(outline_points(2000), SCHEDULE, jitter=JITTER)
    x_t, t, grid = found["x_t"].view(-1, 2).float(), found["t"].long(), found["grid"].view(-1, 2).float()
    exact = truth(x_t, t)
    close(found["exact"], exact, atol=0.01)
    close(found["field"], truth(grid, 20), atol=0.05, rtol=0.01)  # far out the noise is large
    waves = dict(zip(("x_frequencies", "t_frequencies"), FREQUENCIES, strict=True))
    model = Denoiser(hidden=(128, 128, 128), skip=True, **waves)
    torch.nn.utils.vector_to_parameters(found["weights"].float(), model.parameters())
    with torch.no_grad():
        assert found["excess"] == pytest.approx((model(x_t, t) - exact).square().mean().item(), rel=1e-3)
        close(found["learnt"], model(grid, torch.tensor(20)), atol=1e-4)
    real = torch.cdist(found["samples"].view(-1, 2), outline_points().double()).min(dim=1).values.mean().item()
    assert found["distance"] == pytest.approx(real, rel=2e-3)


def test_going_on_is_the_same_as_not_having_stopped(plain_engine: Engine) -> None:
    script = f"""async (from) => {{ {DATA}
      const until = (last, from) => {{
        const args = {{ seed: 2, trial: "both", lr: 0.008, from }};
        for (const told of statesdiff.trainInPage(args, data)) if (told?.step === last) return told.checkpoint;
      }};
      const [whole, part] = [until(50, null), until(50, until(25, null))];
      return [whole.weights, part.weights, whole.recent, part.recent];
    }}"""
    whole, part, losses, also = plain_engine(script, None)
    assert torch.equal(whole, part) and torch.equal(losses, also) and len(losses) == 50
    assert losses[-10:].mean() < losses[:5].mean()


def test_the_rate_warms_up_and_falls_as_one_over_the_step(plain_engine: Engine) -> None:
    rates = plain_engine("() => [0, 99, 100, 500, 3700].map((k) => statesdiff.endless_rate(k, 0.008))")
    close(rates, torch.tensor([8e-5, 8e-3, 8e-3, 4e-3, 8e-4]), atol=1e-9)


@pytest.mark.parametrize("count", [30, 50, 400, 1000])
def test_a_mean_of_batches_stands_in_their_middle(plain_engine: Engine, count: int) -> None:
    """Losses that rise evenly, by one in a step: a mean is then the step in the middle."""
    steps, means = plain_engine(
        "(n) => Object.values(statesdiff.smoothed(Array.from({ length: n }, (_, i) => i + 1)))", count
    )
    assert torch.equal(steps, means) and steps[0] == (min(count, 50) + 1) / 2 and len(steps) <= 300


def test_it_waits_and_then_trains_until_stopped_and_goes_on(page: Page) -> None:
    expect(page.locator("[data-lab]")).to_have_attribute("data-state", "idle")
    assert number(page, "step") == 0 and page.locator(".lab-controls > *").count() <= 5
    page.get_by_role("button", name="Train").press("Enter")
    expect(page.locator("[data-lab]")).to_have_attribute("data-state", "running")
    steps_beyond(page, 49)
    page.get_by_role("button", name="Stop").tap()
    expect(page.locator("[data-lab]")).to_have_attribute("data-state", "done")
    stopped, shown = number(page, "step"), picture(page)
    assert number(page, "distance") < 0.3 and number(page, "seconds") > 0
    assert number(page, "loss") > number(page, "loss-floor") == 0.547
    page.wait_for_timeout(300)
    assert number(page, "step") == stopped and picture(page) == shown
    page.get_by_role("button", name="Go on").tap()
    steps_beyond(page, stopped)
    page.set_viewport_size({"width": 700, "height": 700})  # resized while it trains
    steps_beyond(page, stopped + 50)
    page.get_by_role("button", name="Stop").tap()
    assert save(page)[:4] == b"\x89PNG"
    page.set_viewport_size(test_book.PHONE)
    assert page.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]


def test_another_seed_and_another_kind_begin_anew(page: Page) -> None:
    page.get_by_role("button", name="Start again").tap()
    assert number(page, "step") <= 1
    steps_beyond(page, 9)
    page.get_by_role("combobox", name="kind").select_option("neither")
    assert number(page, "loss-floor") == 0.325
    steps_beyond(page, 9)
    page.get_by_role("button", name="Stop").tap()
    page.get_by_role("combobox", name="kind").select_option("both")
    assert number(page, "step") == 0
    expect(page.get_by_role("button", name="Train")).to_be_visible()


def test_too_high_a_rate_diverges_and_the_lab_says_so(page: Page) -> None:
    rate = page.get_by_role("slider", name="learning rate")
    for key, words in (("Home", "0.0005"), ("End", "0.5")):
        rate.press(key)
        expect(rate).to_have_attribute("aria-valuetext", words)
    page.get_by_role("button", name="Train").click()
    expect(page.get_by_text("Diverged: after")).to_be_visible(timeout=60_000)
    expect(page.locator("[data-lab]")).to_have_attribute("data-state", "done")
    assert number(page, "distance") > 0.5
    page.get_by_role("button", name="Start again").click()
    expect(page.get_by_text("Diverged: after")).to_be_hidden()
    page.get_by_role("button", name="Stop").click()


def test_layers(page: Page) -> None:
    page.get_by_role("slider", name="learning rate").fill("4")
    page.get_by_role("button", name="Start again").click()
    steps_beyond(page, 0)
    page.get_by_role("button", name="Stop").click()
    page.get_by_text("Layers").click()
    seen = {picture(page)}
    for layer in ("field", "exact field", "samples", "outline"):
        page.get_by_role("checkbox", name=layer, exact=True).click()
        seen.add(picture(page))
    assert len(seen) == 5
