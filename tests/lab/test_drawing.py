"""The drawing page: strokes become points, links and files, the lab makes and learns them; the first page's walk."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from playwright.sync_api import Browser, Page

from statesdiff.data import load_states
from tests.lab.conftest import Engine, open_page
from tests.lab.playing import played

STROKES = [[[-1.5, 0.0], [1.5, 0.0]], [[0.0, 0.5], [0.0, 1.5]]]


def numbers(page: Page) -> dict[str, str]:
    """What the lab's outputs say, by name."""
    return {o.get_attribute("name"): o.evaluate("e => e.value") for o in page.locator("output").all()}


def until_done(page: Page) -> None:
    page.wait_for_selector("[data-lab][data-state=done]", timeout=120_000)


# What a drawing is


def test_points_lie_evenly_along_the_strokes_and_a_little_beside_them(plain_engine: Engine) -> None:
    made = plain_engine("(s) => statesdiff.pointsAlong(s, 20000, statesdiff.stream('drawing', 0))", STROKES)
    x, places = (made[name].reshape(-1, 2) for name in ("x", "places"))
    pen = float(plain_engine("() => [statesdiff.PEN]"))
    across = x[:, 1].abs() < 4 * pen
    assert across.float().mean() == pytest.approx(3 / 4, abs=0.02)  # three units of four
    assert x[across, 0].abs().max() < 1.5 + 6 * pen
    inner = x[across & (x[:, 0].abs() < 1.4)]
    assert inner[:, 1].std() == pytest.approx(pen, rel=0.05)
    assert np.histogram(inner[:, 0], 7)[0] == pytest.approx(len(inner) / 7, rel=0.15)
    assert places.abs().min(1)[0].max() < 1e-6 and (x - places).std() == pytest.approx(pen, rel=0.02)


def test_the_data_have_mean_0_and_variance_1_and_keep_their_form(plain_engine: Engine) -> None:
    made = plain_engine("(d) => statesdiff.dataOf(d, 5000, statesdiff.stream('drawing', 0))", [STROKES, STROKES[:1]])
    x = made["x"].reshape(-1, 2)
    assert x.mean(0).abs().max() < 1e-5 and float(x.var(0, correction=0).mean()) == pytest.approx(1, abs=1e-4)
    assert made["y"].tolist() == [0] * 2500 + [1] * 2500
    back = x * float(made["width"]) + made["shift"]
    assert back[:, 0].abs().max() == pytest.approx(1.55, abs=0.1)
    off = (x - made["places"].reshape(-1, 2)).std() * float(made["width"])
    assert off == pytest.approx(float(plain_engine("() => [statesdiff.PEN]")), rel=0.03)


@pytest.mark.parametrize("drawings", [[STROKES], [STROKES, [[[0.2, -1.1]]]]])
def test_a_link_brings_the_drawing_back(plain_engine: Engine, drawings: list) -> None:
    back = plain_engine("(d) => statesdiff.decodeDrawings(statesdiff.encode(d))", drawings)
    assert [[len(s) for s in d] for d in back] == [[len(s) for s in d] for d in drawings]

    def places(drawings: list) -> torch.Tensor:
        return torch.tensor([v for d in drawings for s in d for place in s for v in place]).double()

    torch.testing.assert_close(places(back), places(drawings), atol=0.011, rtol=0)


@pytest.mark.parametrize("text", ["", "!!!!", "AAA", "____", "A" * 30_000, "<script>", "f_9_"])
def test_what_is_no_drawing_is_refused(plain_engine: Engine, text: str) -> None:
    assert plain_engine("(t) => String(statesdiff.decodeDrawings(t))", text) == "null"


def test_files_are_what_numpy_and_pandas_read(plain_engine: Engine, tmp_path: Path) -> None:
    script = """async (x) => [...new Uint8Array(await statesdiff.npyOf(f32(x)).arrayBuffer())]"""
    content = bytes(plain_engine(script, [1.5, -2, 0.25, 3]).to(torch.uint8).tolist())
    (tmp_path / "drawing.npy").write_bytes(content)
    assert load_states(tmp_path / "drawing.npy", names=None).x.tolist() == [[1.5, -2], [0.25, 3]]
    codes = plain_engine(
        "async (x) => [...new Uint8Array(await statesdiff.csvOf(f32(x), [0, 1]).arrayBuffer())]", [1.5, -2, 0.25, 3]
    )
    table = pd.read_csv(io.BytesIO(bytes(codes.to(torch.uint8).tolist())), encoding="utf-8")
    assert table.to_dict("list") == {"x": [1.5, 0.25], "y": [-2, 3], "drawing": [0, 1]}


def test_letters_and_shapes_stay_on_the_sheet(plain_engine: Engine) -> None:
    script = """() => [...Object.values(statesdiff.SHAPES).map((f) => f()), ..."ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"]
      .map((d) => (typeof d === "string" ? statesdiff.lettersOf(d) : d))
      .map((d) => [statesdiff.lengthOf(d), Math.max(...d.flat(2).map(Math.abs))])"""
    found = plain_engine(script)
    assert len(found) == 40
    for length, most in found:
        assert length > 1.5 and most < 2


# The lab


@pytest.fixture
def table(browser: Browser, folder: Path) -> Iterator[Page]:
    with played(browser, folder, "draw") as page:
        yield page


def draw(page: Page) -> None:
    """A cross, by the mouse."""
    box = page.locator("canvas").first.bounding_box()
    for start, end in [((0.2, 0.5), (0.8, 0.5)), ((0.5, 0.2), (0.5, 0.8))]:
        (left, top), (right, bottom) = (
            (box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in (start, end)
        )
        page.mouse.move(left, top)
        page.mouse.down()
        page.mouse.move(right, bottom, steps=8)
        page.mouse.up()


def test_drawn_with_the_mouse_made_at_once_and_learnt(table: Page) -> None:
    assert table.locator("button[name=make]").is_disabled() and table.locator("button[name=train]").is_disabled()
    draw(table)
    assert float(numbers(table)["floor"]) < 0.03
    table.click("button[name=make]")
    until_done(table)
    exact = numbers(table)
    assert float(exact["distance"]) == pytest.approx(float(exact["floor"]), rel=0.1) and exact["step"] == "–"
    table.click("button[name=train]")
    table.wait_for_function("Number(document.querySelector('output[name=step]').value) >= 200", timeout=120_000)
    table.click("button[name=train]")  # which says Stop by now
    table.wait_for_function("document.querySelector('button[name=train]').textContent === 'Train'", timeout=30_000)
    learnt = numbers(table)
    assert 0.1 < float(learnt["loss"]) < 1 and float(learnt["distance"]) > float(exact["distance"])


def test_drawn_with_keys_and_taken_back(table: Page) -> None:
    table.locator("canvas").first.focus()
    for key in ["Space", *["ArrowRight"] * 12, "Space"]:
        table.keyboard.press(key)
    assert table.locator("button[name=make]").is_enabled()
    label = table.locator("canvas").first.get_attribute("aria-label")
    assert "1 strokes" in label and "Arrow keys" in label
    table.keyboard.press("Backspace")
    assert table.locator("button[name=make]").is_disabled() and numbers(table)["floor"] == "–"


def test_a_stroke_is_taken_back_while_the_pen_is_down(table: Page) -> None:
    table.locator("canvas").first.focus()
    for key in ["Space", *["ArrowRight"] * 3, "Backspace", *["ArrowRight"] * 3]:
        table.keyboard.press(key)
    assert "0 strokes" in table.locator("canvas").first.get_attribute("aria-label")
    for key in ["Space", *["ArrowUp"] * 3, "Space", "Space", "ArrowLeft", "Backspace", "ArrowLeft"]:
        table.keyboard.press(key)
    assert "1 strokes" in table.locator("canvas").first.get_attribute("aria-label")


def test_what_was_asked_of_another_drawing_is_not_shown(table: Page) -> None:
    table.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    table.click("button[name=heart]")
    table.select_option("select[name=drawing]", "1")
    table.click("button[name=star]")
    table.evaluate("""() => {
      const dial = document.querySelector("input[name=guidance]");
      dial.value = "4";
      dial.dispatchEvent(new Event("input", { bubbles: true }));
      setTimeout(() => document.querySelector("button[name=heart]").click());
    }""")
    table.wait_for_timeout(1500)
    assert numbers(table)["distance"] == "–"


def test_two_drawings_and_the_dial_between_them(table: Page) -> None:
    assert table.locator("input[name=guidance]").is_hidden()
    table.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    table.click("button[name=heart]")
    table.select_option("select[name=drawing]", "1")
    table.fill("input[name=initials]", "ty")
    table.click("button[name=make]")
    until_done(table)
    dial, seen = table.locator("input[name=guidance]"), {}
    for value in ("-8", "8"):
        dial.fill(value)
        until_done(table)
        seen[value] = numbers(table)["distance"], table.evaluate("document.querySelectorAll('canvas')[1].toDataURL()")
    assert seen["-8"] != seen["8"] and all(float(distance) < 0.2 for distance, _ in seen.values())


def test_a_link_is_opened_and_keeps_what_was_drawn(browser: Browser, folder: Path, table: Page) -> None:
    table.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")
    table.click("button[name=star]")
    link = table.input_value("input[name=link]")
    assert re.fullmatch(r"file:.*/index\.html#draw=[\w-]+", link)
    other = browser.new_page()
    other.goto(link)
    other.wait_for_selector("[data-mounted]")
    assert other.locator("button[name=make]").is_enabled()
    assert other.input_value("input[name=link]").split("#")[1] == link.split("#")[1]
    other.close()


def test_a_link_is_offered_only_where_it_would_be_opened(table: Page) -> None:
    link = "input[name=link]"
    draw(table)
    assert "#draw=" in table.input_value(link)
    dots = """(n) => {
      const c = document.querySelector("canvas"), b = c.getBoundingClientRect();
      const send = (type, u, v) => c.dispatchEvent(new PointerEvent(type, { pointerId: 1, button: 0, bubbles: true,
        clientX: b.left + u * b.width, clientY: b.top + v * b.height }));
      c.setPointerCapture = () => {};
      for (let k = 0; k < n; k++) for (const type of ["pointerdown", "pointerup"]) send(type, (k % 20) / 20, k / 400);
    }"""
    table.evaluate(dots, 198)
    assert "#draw=" in table.input_value(link)
    table.evaluate(dots, 1)
    assert table.input_value(link) == "" and table.get_attribute(link, "placeholder") == "too much for a link"


def test_a_finger_draws_too(browser: Browser, folder: Path) -> None:
    body = '<div class="lab" data-lab="draw" data-state="idle"></div>'
    page, faults = open_page(browser, folder, body, viewport={"width": 390, "height": 844}, has_touch=True)
    page.wait_for_selector("[data-mounted]")
    page.evaluate(
        """() => {
      const c = document.querySelector("canvas"), b = c.getBoundingClientRect();
      const send = (type, u) => c.dispatchEvent(new PointerEvent(type, { pointerId: 1, pointerType: "touch", button: 0,
        isPrimary: true, bubbles: true, clientX: b.left + u * b.width, clientY: b.top + b.height / 2 }));
      c.setPointerCapture = () => {};
      send("pointerdown", 0.2);
      for (let k = 0; k < 10; k++) send("pointermove", 0.2 + 0.06 * k);
      send("pointerup", 0.8);
    }"""
    )
    assert page.locator("button[name=make]").is_enabled()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.close()
    assert not faults


# The first page


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_the_walk_of_the_first_page(browser: Browser, folder: Path, motion: str) -> None:
    body = '<div class="lab" data-lab="hero" data-state="idle"></div>'
    page, faults = open_page(browser, folder, body, reduced_motion=motion)
    page.wait_for_selector("[data-mounted]")
    assert numbers(page) == {"t": "500"}
    page.click("button[name=play]")
    page.wait_for_function("document.querySelector('output[name=t]').value === '0'", timeout=60_000)
    until_done(page)
    assert page.locator("a", has_text="Draw your own").get_attribute("href") == "draw.html"
    dial = page.locator("input[name=t]")
    dial.press("Home")
    page.wait_for_function("document.querySelector('output[name=t]').value === '500'")
    dial.press("End")
    page.wait_for_function("document.querySelector('output[name=t]').value === '0'")
    page.close()
    assert not faults
