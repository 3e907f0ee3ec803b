"""What holds for every lab, whatever it teaches: from disk, over HTTP, in the book, behind a question."""

import json
import re
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import ThreadingHTTPServer
from io import StringIO
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from playwright.sync_api import Browser, Locator, Page, expect
from sphinx.application import Sphinx
from sphinx.util.docutils import docutils_namespace, patch_docutils

from statesdiff.data import STATE_NAMES
from tests import test_book, test_layout
from tests.lab.conftest import LAB, open_page
from tests.lab.playing import PATIENCE, PLACE

NAMES = sorted(path.stem for path in LAB.glob("labs/*.js"))
CHAPTERS = sorted(test_book.ROOT.glob("notebooks/[01][0-9]_*.ipynb"))
TABLET = {"width": 768, "height": 1024}
# The slider that is turned first; the other labs have a button for that.
SLIDERS = {"bandwidth": "h", "forward": "t", "metrics": "strength", "point": "time", "posterior": "t"}
SLIDERS |= {"sampling": "evaluations", "guidance": "scale", "guidance-free": "scale"}
SLIDERS |= {"timesteps": "T", "schedule": "steps", "epochs": "updates", "flow": "steps", "latent": "steps"}
SLIDERS |= {"inverse": "longitude", "between": "w"}
BY_ONE = ("timesteps", "sampling")  # at the sliders' ends they take seconds: their own tests go there
SLIDERS |= {"solver": "evaluations", "one-step": "angle"}
BY_STATE = ("forward", "sampling", "timesteps", "schedule")  # a line beneath the pictures names the colours
TRAINING = ("train", "depth")  # they show every so-many-th update
FITS = "(lab) => lab.scrollWidth <= lab.clientWidth && lab.getBoundingClientRect().right <= innerWidth"
# Controls and pictures without an accessible name, and numbers that are read out while they change.
UNNAMED = """(lab) => [...lab.querySelectorAll("a, button, input, select, summary, canvas, output")].filter((e) =>
  !(e.getAttribute("aria-label") ?? e.labels?.[0]?.textContent ?? e.textContent ?? "").trim()
  && !(e.tagName === "OUTPUT" && e.closest("tr")?.querySelector("th"))
).map((e) => e.outerHTML)"""
LOUD = "(lab) => [...lab.querySelectorAll('output')].filter((e) => e.getAttribute('aria-live') !== 'off').length"
OPEN_CONTROLS = """(lab) => [...lab.querySelectorAll(".lab-controls :is(a, button, input, select)")]
  .filter((e) => !e.closest("details") && e.checkVisibility({ visibilityProperty: true })).length"""
# Sentences with something to say, before the first picture and after it.
SENTENCES = """(lab) => [...lab.querySelectorAll(".lab-sentence")].filter((e) => e.textContent.length > 30).map((e) =>
  Boolean(e.compareDocumentPosition(lab.querySelector("canvas")) & Node.DOCUMENT_POSITION_FOLLOWING))"""
BLURRED = """(lab) => [...lab.querySelectorAll("canvas")].filter((e) =>
  Math.abs(e.width - e.clientWidth * devicePixelRatio) > 1 || Math.abs(e.height - e.clientHeight * devicePixelRatio) > 2
).map((e) => [e.width, e.height, e.clientWidth, e.clientHeight])"""
# As on a busy machine: frames are drawn between any two pieces of a lab's start, and of whatever else it does.
FRAMES_BETWEEN = """(() => {
  const later = globalThis.setTimeout;
  globalThis.setTimeout = (go, wait, ...given) => wait ? later(go, wait, ...given)
    : requestAnimationFrame(() => requestAnimationFrame(() => later(go, 0, ...given)));
})()"""
TWO_FRAMES = "() => new Promise((go) => requestAnimationFrame(() => requestAnimationFrame(go)))"
# What is seen of the pictures, small; and how often that changes until `seenChanges()` tells it.
PICTURES = """(lab) => [...lab.querySelectorAll("canvas")].map((e) => {
  const small = Object.assign(document.createElement("canvas"), { width: 48, height: 48 });
  const context = small.getContext("2d", { willReadFrequently: true });
  context.drawImage(e, 0, 0, 48, 48);
  return context.getImageData(0, 0, 48, 48).data.join();
}).join()"""
COUNT_CHANGES = f"""(lab) => {{
  const see = {PICTURES};
  let seen = see(lab), changes = 0, on = true;
  const look = () => {{
    const now = see(lab);
    if (now !== seen) [seen, changes] = [now, changes + 1];
    if (on) requestAnimationFrame(look);
  }};
  requestAnimationFrame(look);
  globalThis.seenChanges = () => ((on = false), changes);
}}"""
# The colours of a legend's signs, and those of the states on the page as it is now.
SIGNS = """(list) => [...list.querySelectorAll("span:not(:empty)")].map((e) => getComputedStyle(e).color)"""
COLOURS = """() => [0, 1, 2, 3, 4].map((k) => {
  const probe = document.body.appendChild(document.createElement("i"));
  probe.style.color = getComputedStyle(document.documentElement).getPropertyValue(`--state-${k}`);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
})"""
GROUND = f"(lab) => ({PICTURES})(lab).split(',').slice(0, 3).map(Number)"

html = test_book.html


def lab_of(page: Page, name: str) -> Locator:
    """The lab of that name, in sight and started."""
    lab = page.locator(f"[data-lab={name}]")
    page.evaluate("document.querySelectorAll('.quiz-skip').forEach((skip) => skip.click())")  # it may be behind one
    lab.scroll_into_view_if_needed()
    page.wait_for_selector(f"[data-lab={name}][data-mounted]", timeout=PATIENCE)
    return lab


def use(lab: Locator, name: str, key: str = "End") -> None:
    """Do the first thing that one would do."""
    if name in SLIDERS:
        key = "ArrowRight" if name in BY_ONE and key == "End" else key
        lab.locator(f"input[name={SLIDERS[name]}]").press(key)
    elif name == "draw":
        lab.get_by_text("Start from").click()
        lab.get_by_role("button", name="heart" if key == "End" else "star").click()
        lab.get_by_role("button", name="Make it").click()
    else:
        lab.get_by_role("button", name=re.compile("^(Play|Train|Go on|Stop)$")).first.click()


def settled(lab: Locator, name: str) -> None:
    """Wait for the end, which in the training is the reader's to choose."""
    if name == "train" and lab.get_by_role("button", name="Stop").count():
        expect(lab.locator("output[name=step]")).not_to_have_text("0", timeout=PATIENCE)
        lab.get_by_role("button", name="Stop").click()
    expect(lab).to_have_attribute("data-state", re.compile("idle|done"), timeout=PATIENCE)
    lab.page.evaluate(TWO_FRAMES)


def silent(page: Page, faults: list[str]) -> None:
    """Whatever the console says is a fault too."""
    page.on("console", lambda message: faults.append(message.text))


@pytest.fixture(scope="module", params=NAMES)
def opened(request: pytest.FixtureRequest, browser: Browser, folder: Path) -> Iterator[tuple[Page, str]]:
    """A page from disk with one lab, on a dense screen, for a reader who wants nothing to move."""
    options = {"viewport": {"width": 1280, "height": 800}, "device_scale_factor": 1.5, "reduced_motion": "reduce"}
    context = browser.new_context(**options)
    context.add_init_script(FRAMES_BETWEEN)
    page, faults = open_page(context, folder, PLACE.format(request.param))
    silent(page, faults)
    page.wait_for_selector("[data-mounted]", timeout=PATIENCE)
    page.evaluate(TWO_FRAMES)
    yield page, request.param
    context.close()
    assert not faults


@pytest.fixture
def page(opened: tuple[Page, str]) -> Page:
    return opened[0]


@pytest.fixture
def name(opened: tuple[Page, str]) -> str:
    return opened[1]


@pytest.fixture
def lab(page: Page) -> Locator:
    return page.locator("[data-lab]")


def test_it_waits_for_the_reader(page: Page, lab: Locator) -> None:
    expect(lab).to_have_attribute("data-state", re.compile("idle|done"), timeout=PATIENCE)
    page.wait_for_timeout(100)
    before = lab.evaluate(PICTURES)
    page.wait_for_timeout(200)
    assert lab.evaluate(PICTURES) == before and not page.evaluate("document.getAnimations().length")


def test_it_says_what_to_try_and_what_it_shows(lab: Locator) -> None:
    assert sorted(set(lab.evaluate(SENTENCES))) == [False, True]


def test_everything_has_a_name(lab: Locator) -> None:
    assert lab.locator("> .lab-stage[role=group]").count() == 1
    assert lab.locator("canvas[role]").count() == lab.locator("canvas").count() > 0
    assert lab.evaluate(UNNAMED) == [] and lab.evaluate(LOUD) == 0
    assert lab.locator("output").count() and lab.locator(".lab-summary[aria-live=polite]").count() == 1


def test_at_most_four_controls_are_in_sight(lab: Locator) -> None:
    assert 1 <= lab.evaluate(OPEN_CONTROLS) <= 4


def test_it_is_used_and_used_again_and_nothing_moves_by_itself(page: Page, lab: Locator, name: str) -> None:
    """A coarse result, a finer one, and the ends of both pictures: more than that would be a film."""
    before = lab.evaluate(PICTURES)
    lab.evaluate(COUNT_CHANGES)
    use(lab, name)
    settled(lab, name)
    changes = page.evaluate("seenChanges()")
    assert changes <= (1000 if name in TRAINING else 6) and lab.evaluate(PICTURES) != before
    use(lab, name, "Home")
    use(lab, name)  # while the one before it may still be running
    settled(lab, name)
    after = lab.evaluate(PICTURES)
    page.wait_for_timeout(200)
    assert lab.evaluate(PICTURES) == after


def test_it_is_redrawn_sharp_at_every_size(page: Page, lab: Locator) -> None:
    for width in (1280, 768, 390):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate(TWO_FRAMES)
        assert lab.evaluate(BLURRED) == []
        assert page.evaluate("document.scrollingElement.scrollWidth") <= width
        for menu in lab.locator("summary").all():
            menu.click()
            page.evaluate(TWO_FRAMES)
            assert page.evaluate("document.scrollingElement.scrollWidth") <= width, menu.inner_text()
            page.keyboard.press("Escape")
            expect(lab.locator("details[open]")).to_have_count(0)
    page.set_viewport_size({"width": 1280, "height": 800})


def test_it_follows_the_page_into_the_dark_and_back(page: Page, lab: Locator) -> None:
    grounds = []
    for theme in ("dark", "light"):
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        page.evaluate(TWO_FRAMES)
        grounds.append(lab.evaluate(GROUND))
    assert max(grounds[0]) < 100 and min(grounds[1]) > 200


def test_a_line_says_which_colour_is_which_state(page: Page, lab: Locator, name: str) -> None:
    """The names in order, each sign in the colour that the page has for the state, on a narrow phone too."""
    legend = lab.locator(".lab-stage > .lab-legend")
    assert legend.count() == (name in BY_STATE)
    if not legend.count():
        return
    assert legend.locator("li").all_inner_texts() == ["Points by state:", *(f"● {state}" for state in STATE_NAMES)]
    for theme in ("dark", "light"):
        page.evaluate("(theme) => (document.documentElement.dataset.theme = theme)", theme)
        assert legend.evaluate(SIGNS) == page.evaluate(COLOURS)
    page.set_viewport_size({"width": 360, "height": 800})
    assert lab.evaluate(FITS) and page.evaluate("document.scrollingElement.scrollWidth") <= 360
    page.set_viewport_size({"width": 1280, "height": 800})


def test_it_stands_behind_another_tab(page: Page, lab: Locator) -> None:
    page.evaluate(TWO_FRAMES)
    before, state = lab.evaluate(PICTURES), lab.get_attribute("data-state")
    other = page.context.new_page()
    other.bring_to_front()
    other.wait_for_timeout(100)
    page.bring_to_front()
    other.close()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.evaluate(TWO_FRAMES)
    assert lab.get_attribute("data-state") == state and lab.evaluate(PICTURES) == before


def test_the_picture_is_saved(page: Page, lab: Locator) -> None:
    lab.get_by_text("Layers").click()
    with page.expect_download() as download:
        lab.get_by_role("button", name="Save picture").click()
    page.keyboard.press("Escape")
    content = Path(download.value.path()).read_bytes()
    assert download.value.suggested_filename.endswith(".png") and content[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", content[16:24]) == (1200, 1200) and len(content) > 3000


def test_all_work_on_one_page_over_http(browser: Browser, folder: Path) -> None:
    body = "".join(f'<div style="min-height: 2000px">{PLACE.format(name)}</div>' for name in NAMES)
    open_page(browser, folder, body)[0].close()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(test_book.QuietHandler, directory=folder)) as httpd:
        threading.Thread(target=httpd.serve_forever, daemon=True).start()
        server, faults, page = f"http://127.0.0.1:{httpd.server_port}/", [], browser.new_page(reduced_motion="reduce")
        test_book.watch(page, server, faults)
        silent(page, faults)
        page.goto(server)
        for name in NAMES:
            use(lab_of(page, name), name)
            settled(lab_of(page, name), name)
        page.close()
        httpd.shutdown()
    assert not faults


# In the book.


@pytest.fixture(scope="module")
def pages(html: Path) -> dict[str, Path]:
    """Every lab's page in the built book."""
    found = {}
    for path in html.rglob("*.html"):
        for name in re.findall(r'data-lab="([^"]+)"', path.read_text(encoding="utf-8")):
            assert name not in found, f"{name} is on two pages"
            found[name] = path
    return found


def test_every_lab_is_in_the_book(pages: dict[str, Path]) -> None:
    assert sorted(pages) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_fits_its_page_and_is_accessible(browser: Browser, pages: dict[str, Path], name: str) -> None:
    page = browser.new_page(color_scheme="light", reduced_motion="reduce", viewport=TABLET)
    page.route("**/*mathjax*/**", lambda route: route.abort())  # formulas are looked at elsewhere, and take long
    page.goto(pages[name].as_uri(), wait_until="domcontentloaded")
    page.wait_for_function("!document.documentElement.classList.contains('quiz-starts')")
    lab = lab_of(page, name)
    for size in (test_book.DESKTOP, TABLET, test_book.PHONE):
        page.set_viewport_size(size)
        assert lab.evaluate(FITS), size
    lab.evaluate("(lab) => document.querySelector('article').replaceChildren(lab)")  # the rest takes the checker long
    page.evaluate(test_layout.THIN)
    page.evaluate(test_layout.AXE)
    for scheme in ("light", "dark"):
        page.evaluate("(scheme) => { document.documentElement.dataset.theme = scheme; }", scheme)
        assert page.evaluate(test_layout.SERIOUS, [{"include": [f"[data-lab={name}]"]}, {}]) == []
    page.close()


def test_without_scripts_there_is_a_figure(browser: Browser, pages: dict[str, Path]) -> None:
    """In the place of the lab, or elsewhere in its chapter; and then there is no hole where it would be."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    for name, path in pages.items():
        page.goto(path.as_uri(), wait_until="domcontentloaded")
        lab = page.locator(f"[data-lab={name}]")
        if lab.locator("img").count():
            assert lab.locator("img").first.bounding_box()["height"] > 60, name
        else:
            assert lab.bounding_box()["height"] < 60, name
            stills = page.locator("article img:visible").all()
            assert any(still.bounding_box()["height"] > 60 for still in stills), name
    context.close()


def test_every_slider_of_the_chapters_has_a_lab() -> None:
    sliders, tagged = 0, []
    for path in CHAPTERS:
        for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
            tags = [tag.removeprefix("lab:") for tag in cell["metadata"].get("tags", []) if tag.startswith("lab:")]
            tagged += tags
            if cell["cell_type"] == "code" and re.search(r"^explore\(", "".join(cell["source"]), re.MULTILINE):
                sliders += 1
                assert len(tags) == 1, f"{path.name}: a slider without a lab"
    assert sliders >= len(CHAPTERS) and sorted(tagged) == sorted(set(NAMES) - {"hero", "draw"})


# Behind a question.

CONF = """extensions = ["myst_nb", "labs", "quizzes"]
nb_execution_mode, html_theme, html_static_path, html_context = "off", "basic", ["_static"], {}
html_css_files, exclude_patterns = ["statesdiff.css"], ["_build"]"""
ANSWERS = [{"text": t, "right": t == "Both.", "why": "It is so.", "misconception": "none"} for t in ("One.", "Both.")]


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small book with one page: a question, and a lab in what the question folds."""
    source, warnings = tmp_path_factory.mktemp("asked"), StringIO()
    (source / "book").mkdir()
    (source / "book" / "lab").symlink_to(LAB)
    (source / "_static").symlink_to(test_book.ROOT / "book" / "_static")
    (source / "conf.py").write_text(CONF, encoding="utf-8")
    question = "# One\n\n**Predict first.** Which?\n\n" + "".join(f"- {answer['text']}\n" for answer in ANSWERS)
    cells = [
        v4.new_markdown_cell(question, metadata={"quiz": {"id": "which", "folds": 1, "answers": ANSWERS}}),
        v4.new_code_cell(
            "explore()", metadata={"tags": ["lab:forward"]}, outputs=[v4.new_output("stream", text="Still.\n")]
        ),
    ]
    nbformat.write(v4.new_notebook(cells=cells), source / "index.ipynb")
    with pytest.MonkeyPatch.context() as patch, patch_docutils(source), docutils_namespace():
        patch.syspath_prepend(test_book.ROOT / "book" / "_ext")
        out = source / "_build"
        Sphinx(source, source, out, out / ".doctrees", "html", status=None, warning=warnings).build()
    return out


def test_a_lab_behind_a_question_starts_when_it_is_answered(browser: Browser, asked: Path) -> None:
    page, faults = browser.new_page(viewport=test_book.PHONE), []
    test_book.watch(page, asked.as_uri(), faults)
    page.goto((asked / "index.html").as_uri())
    expect(page.locator(".quiz-fold [data-lab=forward]")).not_to_be_visible()
    page.get_by_role("button", name="Both.").click()
    lab = lab_of(page, "forward")
    lab.locator("input[name=t]").press("End")
    expect(lab.locator("output[name=t]")).to_have_text("500")
    page.evaluate(TWO_FRAMES)
    assert lab.evaluate(BLURRED) == [] and lab.locator("canvas").first.evaluate("e => e.width") > 200
    page.close()
    assert not faults
