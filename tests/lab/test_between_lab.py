"""The lab of chapter 16: its frames are the package's, and its two numbers those of each frame."""

import json
from collections.abc import Iterator
from pathlib import Path

import make_lab_data
import numpy as np
import pytest
import torch
from playwright.sync_api import Browser, Page, expect

from statesdiff.images import paths
from statesdiff.images.fashion import as_images
from statesdiff.images.garments import garments, in_bytes
from statesdiff.images.pretrained import fashion_unet
from tests import test_book
from tests.lab.conftest import LAB
from tests.lab.playing import number, over_http, picture, played, save
from tests.lab.turning import ends, put

KEPT = json.loads((LAB / "data" / "between.json").read_text(encoding="utf-8"))
INK = np.frombuffer((LAB / "data" / "between.bin").read_bytes(), dtype="u1").reshape(-1, 28, 28)
GREYS = 12  # of 255: how far a grey may be off where the processor is another one


@pytest.fixture(scope="module")
def page(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "between", viewport=test_book.PHONE, has_touch=True) as page:
        yield page


def frame(pair: int, way: str, k: int) -> int:
    return (pair * len(KEPT["ways"]) + KEPT["ways"].index(way)) * KEPT["count"] + k


def test_the_frames_are_the_packages() -> None:
    """Two ways of the first pair are made again; the whole file takes a minute."""
    (a, b), (net, schedule) = KEPT["pairs"][0], fashion_unet()
    shirt, pullover = garments("test").of_class(0)[[a]], garments("test").of_class(2)[[b]]
    assert KEPT["pairs"] == make_lab_data.PAIRS and len(INK) == 3 * 5 * 11
    first = frame(0, "pixels", 0)
    assert np.array_equal(INK[first : first + 11], in_bytes(paths.straight(shirt, pullover)[:, 0]))
    part = paths.times_down(schedule, paths.MIDDLE)
    m_a, m_b = paths.invert(net, schedule, torch.cat([shirt, pullover]), part).split(1)
    made = paths.last(paths.ddim(net, schedule, paths.straight(m_a, m_b)[[0, 3, 10]], steps=part))
    stored = INK[[frame(0, "middle", k) for k in (0, 3, 10)]]
    assert np.abs(in_bytes(made[:, 0]).astype(int) - stored).mean() < GREYS


def test_the_numbers_are_those_of_the_frames() -> None:
    found = make_lab_data.judged(as_images(INK))
    np.testing.assert_allclose(found["pullover"], KEPT["pullover"], atol=0.02)
    assert np.mean(np.abs(np.subtract(found["sleeves"], KEPT["sleeves"])) < 0.6) > 0.97  # a grey at the edge may flip
    assert found["real"] == KEPT["real"]


def test_it_shows_the_numbers_of_the_frame_that_is_chosen(page: Page) -> None:
    for pair, way, k in ((0, "spherical", 0), (1, "middle", 4), (2, "labels", 10), (2, "pixels", 5)):
        put(page, pair=pair, way=way, w=k)
        at = frame(pair, way, k)
        assert number(page, "sleeve") == pytest.approx(KEPT["sleeves"][at], abs=0.05)
        assert number(page, "belief") == pytest.approx(KEPT["pullover"][at], abs=0.006)
    assert number(page, "belief-real") == pytest.approx(KEPT["real"], abs=0.006)
    expect(page.locator(".lab-summary")).to_contain_text("mix the pixels, 0.5 of the way: the sleeve ends in row")


def test_the_picture_is_the_frame(page: Page) -> None:
    put(page, pair=1, way="pixels", w=10)
    script = """() => { const c = document.querySelector(".lab-picture"), e = 6 * devicePixelRatio;
      const s = (c.width - 2 * e) / 28, at = (k) => Math.floor(e + (k + 0.5) * s);
      const data = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
      return Array.from({ length: 784 }, (_, i) =>
        data[4 * (at(Math.floor(i / 28)) * c.width + at(i % 28))]); }"""
    picture(page)
    assert np.array_equal(255 - np.array(page.evaluate(script)).reshape(28, 28), INK[frame(1, "pixels", 10)])


def test_it_waits_fits_and_goes_to_both_ends(page: Page) -> None:
    assert page.evaluate("document.scrollingElement.scrollWidth") <= test_book.PHONE["width"]
    assert ends(page, "w") == ("0.0", "1.0")
    before = picture(page)
    page.wait_for_timeout(100)
    assert picture(page) == before
    put(page, w=0)
    assert picture(page) != before and save(page)[:4] == b"\x89PNG"


def test_over_http(browser: Browser, folder: Path, page: Page) -> None:
    assert over_http(browser, folder, "between") == "idle"
