"""The labs of chapter 1: four rulers on spoiled samples, and the bandwidth, against the package and scipy."""

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect
from scipy.optimize import linear_sum_assignment
from scipy.stats import gaussian_kde

from statesdiff import metrics
from statesdiff.data import outline_points, states
from statesdiff.rng import stream
from tests import test_book
from tests.lab.conftest import Engine, close
from tests.lab.playing import drag, number, picture, played, save, swipe

LIMIT = 2.2
DATA = "const get = async (name) => statesdiff.decode(await statesdiff.loadData(name, (file) => file)); "
SAMPLES = f"""async (seed, how) => {{ {DATA}
  const pool = statesdiff.drawPool({{ outline: await get("outline"), states: await get("states") }}, seed);
  const {{ x, rows }} = statesdiff.spoiledSamples(pool, 1000, how);
  return {{ x, rows, few: statesdiff.fewOf(x), reference: pool.reference }};
}}"""
SPOILED = [("blur", 30, -1), ("shift", 40, 2), ("leave", 100, 3), ("copy", 60, -1)]


@pytest.fixture(scope="module")
def phone(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "metrics", viewport=test_book.PHONE, has_touch=True) as page:
        measured(page)
        yield page


def measured(page: Page) -> dict[str, float]:
    """What the four rulers say of the samples as they are now."""
    page.wait_for_function("/[0-9]/.test(document.querySelector('output[name=emd]').value)")
    return {name: number(page, name) for name in ("nll", "emd", "distance", "coverage")}


def spoil(page: Page, how: str, strength: int, where: int) -> None:
    page.get_by_role("combobox", name="spoil by").select_option(how)
    page.get_by_role("combobox", name="where").select_option(str(where))
    page.get_by_role("slider", name="how much").fill(str(strength))


def verdicts(page: Page) -> list[str]:
    return [row.split(maxsplit=1)[1] for row in page.locator(".lab-table td:last-child").all_inner_texts()]


def test_floors_are_those_of_held_out_points(plain_engine: Engine) -> None:
    """20 draws behind the committed numbers, 6 here: equal to within what chance does."""
    floors = plain_engine("() => statesdiff.RULERS.map((r) => r.floor)")
    data, target, rows = states().x, outline_points(), []
    for seed in range(1, 7):
        order = torch.randperm(5000, generator=stream("floors", seed))
        x = states(seed=seed).x[order][:1000]
        numbers = metrics.nll(x, data), metrics.emd(x[:500], data[order.flip(0)][:500])
        rows.append([*numbers, metrics.mean_distance(x, target), metrics.coverage(x, target)])
    off = (floors - torch.tensor(rows).double().mean(0)).abs()
    assert (off < torch.tensor([0.012, 0.04, 4e-4, 6e-3])).all(), off


def test_the_earth_mover_sees_as_many_copies_as_there_are(plain_engine: Engine) -> None:
    """501 different points, all but two of them twice: a half of the samples taken at random has 376 of them."""
    made = plain_engine(SAMPLES, 0, {"how": "copy", "strength": 0.1, "where": -1})
    different = [len(made[name].view(-1, 2).unique(dim=0)) for name in ("x", "few")]
    assert different[0] == 501 and different[1] == pytest.approx(376, abs=30)


def test_what_is_left_out_makes_way_for_other_points_and_the_rest_stays(plain_engine: Engine) -> None:
    def rows(strength: float) -> torch.Tensor:
        return plain_engine(SAMPLES, 0, {"how": "leave", "strength": strength, "where": -1})["rows"]

    some, most = rows(0.2), rows(0.9)
    stayed = some == torch.arange(1000)
    assert stayed.sum() == (some < 1000).sum() and 700 < stayed.sum() < 900 and len(some.unique()) == 1000
    assert len(most.unique()) == 400 and most.unique(return_counts=True)[1].unique().tolist() == [2, 3]


def test_fresh_draws_are_draws_of_the_distribution(plain_engine: Engine) -> None:
    found = plain_engine(SAMPLES, 0, {"how": "blur", "strength": 0, "where": -1})["x"].view(-1, 2)
    assert metrics.mean_distance(found, outline_points()) == pytest.approx(0.0128, abs=8e-4)
    assert metrics.coverage(found, outline_points()) > 0.97


@pytest.mark.parametrize(("how", "strength", "where"), SPOILED)
def test_the_rulers_say_what_the_package_says(
    phone: Page, plain_engine: Engine, how: str, strength: int, where: int
) -> None:
    spoil(phone, how, strength, where)
    found = measured(phone)
    made = plain_engine(SAMPLES, 0, {"how": how, "strength": strength / 100, "where": where})
    x, few, reference = (made[name].view(-1, 2) for name in ("x", "few", "reference"))
    assert found["nll"] == pytest.approx(metrics.nll(x, states().x), abs=2e-3)
    assert found["emd"] == pytest.approx(metrics.emd(few, reference), abs=1e-3)
    assert found["distance"] == pytest.approx(metrics.mean_distance(x, outline_points()), abs=1e-3)
    assert found["coverage"] == pytest.approx(metrics.coverage(x, outline_points()), abs=5e-3)


@pytest.mark.parametrize(
    ("how", "strength", "where", "wanted"),
    [
        ("blur", 4, -1, ["accepts", "accepts", "objects", "accepts"]),
        ("leave", 100, 3, ["prefers it", "objects", "accepts", "objects"]),  # no Oklahoma
        ("leave", 20, -1, ["prefers it", "objects", "accepts", "objects"]),
        ("copy", 2, -1, ["accepts", "accepts", "accepts", "accepts"]),
        ("copy", 12, -1, ["accepts", "accepts", "accepts", "objects"]),
        ("copy", 30, -1, ["accepts", "objects", "accepts", "objects"]),
    ],
)
def test_the_blind_spots_are_where_the_sentence_says(
    phone: Page, how: str, strength: int, where: int, wanted: list[str]
) -> None:
    spoil(phone, how, strength, where)
    measured(phone)
    assert verdicts(phone) == wanted


def test_one_point_as_often_as_there_are_samples_is_measured_too(phone: Page) -> None:
    spoil(phone, "copy", 100, -1)
    assert measured(phone)["coverage"] < 0.05


def test_the_strength_says_how_many_of_a_state_are_different(phone: Page) -> None:
    spoil(phone, "copy", 50, -1)
    words = phone.get_by_role("slider", name="how much")
    expect(words).to_have_attribute("aria-valuetext", "32 of 1,000")
    phone.get_by_role("combobox", name="where").select_option("2")
    expect(words).to_have_attribute("aria-valuetext", re.compile(r"^14 of (18|19|20|21)\d$"))


def test_a_finger_takes_points_along(phone: Page) -> None:
    spoil(phone, "blur", 0, -1)
    before = measured(phone)
    swipe(phone, [(0.55, 1.0), (0.3, 0.2), (0.2, 0.2)], LIMIT)
    assert measured(phone)["distance"] > before["distance"]
    phone.get_by_role("button", name="New draw").tap()
    after = measured(phone)
    assert after["distance"] == pytest.approx(before["distance"], abs=1e-3) and after["nll"] != before["nll"]
    assert phone.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]


def test_mouse_and_keyboard_move_points_too(browser: Browser, folder: Path) -> None:
    with played(browser, folder, "metrics") as page:
        start = measured(page)
        expect(page.locator("[data-lab]")).to_have_attribute("data-state", "idle")
        drag(page, [(0.8, -0.5), (0.0, 0.2)], LIMIT)  # inland: nothing to hold, perhaps
        page.locator("canvas").focus()
        for key in ["Space", *["ArrowLeft"] * 14, "Space", *["ArrowDown"] * 6, "Enter"]:
            page.keyboard.press(key)
        assert measured(page)["distance"] > start["distance"]
        slider = page.get_by_role("slider", name="how much")
        for key, words in (("End", "0.500 units"), ("Home", "0.000 units")):
            slider.press(key)
            expect(slider).to_have_attribute("aria-valuetext", words)
        content, seen = save(page), {picture(page)}
        assert content[:4] == b"\x89PNG" and len(content) > 5000
        measured(page)
        page.get_by_text("Layers").click()
        for layer in ("density", "pairs", "points", "outline"):
            page.get_by_role("checkbox", name=layer).click()
            seen.add(picture(page))
        assert len(seen) == 5
        expect(page.locator(".lab-summary")).to_contain_text("EMD")


def test_another_point_in_the_place_of_a_dragged_one_is_where_it_was(
    browser: Browser, folder: Path, plain_engine: Engine
) -> None:
    made = plain_engine(SAMPLES, 0, {"how": "copy", "strength": 1, "where": -1})["x"].view(-1, 2)
    one = metrics.mean_distance(made, outline_points())
    with played(browser, folder, "metrics") as page:
        start = measured(page)
        page.locator("canvas").focus()
        for key in [*["ArrowLeft"] * 14, "Space", *["ArrowDown"] * 6]:
            page.keyboard.press(key)
        assert measured(page)["distance"] > start["distance"]
        spoil(page, "copy", 100, -1)
        assert measured(page)["distance"] == pytest.approx(one, abs=1e-3)
        spoil(page, "blur", 0, -1)
        measured(page)
        page.locator("canvas").press("Space")
        expect(page.locator(".lab-summary")).to_contain_text("points taken")
        page.get_by_role("button", name="New draw").click()
        fresh = measured(page)
        for key in ["ArrowUp"] * 6:
            page.locator("canvas").press(key)
        assert measured(page) == fresh  # nothing is held any more


def test_what_stands_in_a_saved_picture_fits_into_it(phone: Page) -> None:
    spoil(phone, "leave", 20, 3)
    found = measured(phone)
    phone.evaluate("""() => {
      const { fillText } = CanvasRenderingContext2D.prototype;
      globalThis.written = [];
      CanvasRenderingContext2D.prototype.fillText = function (words, x, y) {
        const end = x + this.measureText(words).width, scale = this.getTransform().a;
        globalThis.written.push([words, end * scale / this.canvas.width, y * scale / this.canvas.height]);
        return fillText.call(this, words, x, y);
      };
    }""")
    assert save(phone)[:4] == b"\x89PNG"
    written = sorted(phone.evaluate("globalThis.written"), key=lambda row: row[2])
    words = " ".join(row[0] for row in written)
    assert words.startswith("leaving out the south, 20 %, ") and f"EMD {found['emd']:.3f}" in words
    assert re.search(r"seed \d+$", words) and len(written) > 1
    assert all(end < 1 and 0 < at < 1 for _, end, at in written)


@pytest.mark.parametrize("different", [60, 5, 1])
def test_the_pairing_is_scipys(plain_engine: Engine, different: int) -> None:
    a, b = states().x[::83][:60][torch.arange(60) % different], states(seed=1).x[::83][:60]
    script = """(a, b) => {
      const cost = statesdiff.pairCosts(f32(a), f32(b)), steps = statesdiff.matching(cost, 60);
      for (;;) { const { done, value } = steps.next(); if (done) return value; }
    }"""
    column, cost = plain_engine(script, a, b).long(), torch.cdist(a.double(), b.double())
    assert len(column.unique()) == 60
    best = linear_sum_assignment(cost)
    assert cost[torch.arange(60), column].sum().item() == pytest.approx(cost[best].sum().item(), abs=1e-4)


@pytest.mark.parametrize("h", [0.02, 0.24])
def test_the_density_is_scipys(plain_engine: Engine, h: float) -> None:
    x, at = states().x[::5], states(seed=1).x[::250]
    found = plain_engine("(x, at, h) => new statesdiff.KernelDensity(f32(x), h).log_density(f32(at))", x, at, h)
    close(found, torch.from_numpy(gaussian_kde(x.T.double(), bw_method=h).logpdf(at.T.double())), atol=2e-3)


def test_the_bandwidth(browser: Browser, folder: Path) -> None:
    """Held-out points, others than here, and every tenth of the data, the same."""
    with played(browser, folder, "bandwidth") as page:
        expect(page.locator("output[name=nll]")).not_to_have_text("")
        expect(page.locator("[data-lab]")).to_have_attribute("data-state", "idle")
        found, data = {}, states().x
        for h in (0.24, 0.05, 0.015, 0.005):
            page.get_by_role("slider").fill(str(h))
            expect(page.locator("output[name=h]")).to_have_text(f"{h:.3f}")
            found[h] = number(page, "nll"), number(page, "nll-own")
            kde = gaussian_kde(data.T.double(), bw_method=h)
            fresh, own = (-np.mean(kde.logpdf(x.T.double())) for x in (states(seed=1).x[::10], data[::10]))
            assert found[h] == (pytest.approx(fresh, abs=0.15 if h > 0.01 else 0.4), pytest.approx(own, abs=0.01))
        assert found[0.005][0] > found[0.015][0] < found[0.05][0] < found[0.24][0]  # what the sentence says
        assert found[0.005][1] < found[0.015][1]
        for key, h in (("Home", 0.005), ("End", 0.42)):
            page.get_by_role("slider").press(key)
            expect(page.locator("output[name=h]")).to_have_text(f"{h:.3f}")
        assert save(page)[:4] == b"\x89PNG"
