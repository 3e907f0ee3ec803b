"""The questions of the chapters are well made, and on a page they wait for an answer, remember it, and forget it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from io import StringIO
from pathlib import Path

import nbformat
import pytest
from nbformat import v4
from playwright.sync_api import Browser, BrowserContext, Page, expect
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import docutils_namespace, patch_docutils

from tests import browsing, test_book

ROOT = test_book.ROOT
KEY = "statesdiff.progress"
CHAPTERS = sorted((ROOT / "notebooks").glob("[01][0-9]_*.ipynb"))
MISCONCEPTIONS = json.loads((ROOT / "book" / "misconceptions.json").read_text(encoding="utf-8"))
browser = browsing.browser


@cache
def cells_of(path: Path) -> list[nbformat.NotebookNode]:
    """Return the cells of a notebook, unchecked: that it is valid, the tests of the notebooks see to."""
    cells = nbformat.from_dict(json.loads(path.read_text(encoding="utf-8"))).cells
    for cell in cells:
        cell.source = "".join(cell.source)
    return cells


def questions() -> Iterator[tuple[str, list, int, dict]]:
    """Yield of every question its name, the cells of its notebook, the number of its cell, and its metadata."""
    for path in CHAPTERS:
        for k, cell in enumerate(cells_of(path)):
            if "quiz" in cell.metadata:
                yield cell.metadata.quiz.id, cells_of(path), k, cell.metadata.quiz


QUESTIONS = list(questions())
each_question = pytest.mark.parametrize(
    ("cells", "k", "quiz"), [q[1:] for q in QUESTIONS], ids=[q[0] for q in QUESTIONS]
)


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_every_question_has_answers(path: Path) -> None:
    asked = [cell for cell in cells_of(path) if "Predict first" in cell.source]
    assert asked and all("quiz" in cell.metadata for cell in asked)
    assert [cell.id for cell in cells_of(path) if "quiz" in cell.metadata] == [cell.id for cell in asked]


@each_question
def test_a_question_is_well_made(cells: list, k: int, quiz: dict) -> None:
    assert set(quiz) <= {"id", "folds", "answers"}
    assert 3 <= len(quiz.answers) <= 4
    assert [answer.right for answer in quiz.answers].count(True) == 1
    for answer in quiz.answers:
        assert set(answer) == {"text", "right", "why"} | (set() if answer.right else {"misconception"})
        assert answer.text.endswith(".") and answer.why.endswith(".") and len(answer.why) > len(answer.text)
        assert not re.search(r"[*_`\[<]", re.sub(r"\$[^$]*\$", "", answer.why)), "formulas are all the page understands"
    assert max(len(answer.text) for answer in quiz.answers) < 2 * min(len(answer.text) for answer in quiz.answers)


@each_question
def test_the_list_in_the_text_is_the_answers(cells: list, k: int, quiz: dict) -> None:
    listed = [line.removeprefix("- ") for line in cells[k].source.splitlines() if line.startswith("- ")]
    assert listed == [answer.text for answer in quiz.answers]
    assert "**Predict first.**" in cells[k].source.partition("\n\n- ")[0].split("\n\n")[-1]


@each_question
def test_what_is_folded_shows_the_answer(cells: list, k: int, quiz: dict) -> None:
    folded = cells[k + 1 : k + 1 + quiz.get("folds", 2)]
    outputs = [output for cell in folded for output in cell.get("outputs", [])]
    drawn = any({"image/png", "text/html"} & set(output.get("data", {})) for output in outputs)
    claimed = any("✓" in "".join(output.get("text", "")) for output in outputs)
    assert drawn or claimed, "a figure, a table or a claim"


def test_names_are_unique_and_every_misconception_is_explained() -> None:
    assert len({name for name, *_ in QUESTIONS}) == len(QUESTIONS)
    wrong = [answer.misconception for *_, quiz in QUESTIONS for answer in quiz.answers if not answer.right]
    assert set(wrong) == set(MISCONCEPTIONS)
    assert list(MISCONCEPTIONS) == sorted(MISCONCEPTIONS)
    for name, meaning in MISCONCEPTIONS.items():
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", name) and meaning.endswith(".")
    assert max(Counter(MISCONCEPTIONS.values()).values()) == 1


def test_neither_place_nor_length_gives_the_answer_away() -> None:
    places = Counter([a.right for a in quiz.answers].index(True) for *_, quiz in QUESTIONS)
    assert len(places) >= 3 and max(places.values()) <= len(QUESTIONS) / 2
    longest = [max(quiz.answers, key=lambda answer: len(answer.text)).right for *_, quiz in QUESTIONS]
    assert sum(longest) <= len(QUESTIONS) / 2


# A small book in place of the whole one: a chapter with a question and an exercise, and a page with the button.
ANSWERS = [
    {"text": "It grows.", "right": False, "why": "It doesn't, as $v_t < 1$.", "misconception": "noise-widens"},
    {"text": "It shrinks to $v$.", "right": True, "why": "Its factors are small."},
    {"text": "It stays.", "right": False, "why": "Squares count.", "misconception": "noise-adds-linearly"},
]
QUESTION = "## The first\n\n**Predict first.** What becomes of it?\n\n" + "".join(f"- {a['text']}\n" for a in ANSWERS)
OUTPUT = [v4.new_output("stream", text="The output says that it shrinks.\n")]
CONF = """extensions = ["myst_nb", "sphinx.ext.mathjax", "quizzes"]
nb_execution_mode, mathjax_path, html_theme, templates_path = "off", "none.js", "basic", ["_templates"]
myst_enable_extensions, html_static_path = ["dollarmath", "colon_fence"], ["_static"]
html_css_files, html_context, html_permalinks, html_copy_source = ["statesdiff.css"], {}, False, False
exclude_patterns = ["_build"]"""
LAYOUT = """{% extends "!layout.html" %}{% block relbar1 %}<nav class="bd-links">
{% for page in ("index", "notebooks/01_one", "notebooks/02_two") %}<a href="{{ pathto(page) }}">{{ page }}</a>
{% endfor %}</nav>{% endblock %}{% block relbar2 %}{% endblock %}"""
INDEX = """# A book\n\n:::{container} progress-clear\nWhat is kept.\n:::\n
```{toctree}\nnotebooks/01_one\nnotebooks/02_two\n```\n"""


def chapter() -> nbformat.NotebookNode:
    quiz = {"id": "shrinks", "answers": ANSWERS}
    cells = [
        v4.new_markdown_cell("# One"),
        v4.new_markdown_cell(QUESTION + "\nMore of the cell.\n", metadata={"quiz": quiz}),
        v4.new_code_cell("compute()", outputs=OUTPUT),
        v4.new_markdown_cell("(inside)=\nIt shrinks, see {ref}`there <inside>`.\n\n### Exercise 1\n\nWrite it."),
        v4.new_code_cell("# your turn"),
        v4.new_code_cell("solved()", metadata={"tags": ["hide-cell", "solution"]}),
        v4.new_markdown_cell("Open from the start.\n\n## The last\n\n### Exercise 2\n\nWrite that."),
    ]
    return v4.new_notebook(cells=cells, metadata={"language_info": {"name": "python", "pygments_lexer": "ipython3"}})


def build(source: Path, builder: str) -> Path:
    out, warnings = source / "_build" / builder, StringIO()
    with pytest.MonkeyPatch.context() as patch, patch_docutils(source), docutils_namespace():
        patch.syspath_prepend(ROOT / "book" / "_ext")
        Sphinx(source, source, out, source / "_build" / "doctrees", builder, status=None, warning=warnings).build()
    assert not warnings.getvalue()
    return out


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("book")
    for name in ("notebooks", "_templates", "_static"):
        (folder / name).mkdir()
    for file in ("progress.js", "quiz.js", "quiz.css", "statesdiff.css"):
        (folder / "_static" / file).write_bytes((ROOT / "book" / "_static" / file).read_bytes())
    (folder / "_static" / "none.js").touch()
    (folder / "conf.py").write_text(CONF, encoding="utf-8")
    (folder / "_templates" / "layout.html").write_text(LAYOUT, encoding="utf-8")
    (folder / "index.md").write_text(INDEX, encoding="utf-8")
    nbformat.write(chapter(), folder / "notebooks" / "01_one.ipynb")
    nbformat.write(v4.new_notebook(cells=[v4.new_markdown_cell("# Two")]), folder / "notebooks" / "02_two.ipynb")
    return folder


@pytest.fixture(scope="module")
def site(source: Path) -> Path:
    site = build(source, "html")
    (site / "_static" / "sphinx_highlight.js").write_text("", encoding="utf-8")  # it fails where storage is refused
    return site


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport=test_book.PHONE)
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext, site: Path) -> Iterator[Page]:
    yield from opened(context, site)


def opened(context: BrowserContext, site: Path) -> Iterator[Page]:
    page, faults = context.new_page(), []
    test_book.watch(page, site.as_uri(), faults)
    page.on("console", lambda message: faults.append(message.text))
    page.goto((site / "notebooks" / "01_one.html").as_uri())
    yield page
    assert not faults


def button(page: Page, name: str):
    return page.get_by_role("group", name="Predict first.").get_by_role("button", name=name)


def folded(page: Page) -> bool:
    shown = [page.get_by_text(text).is_visible() for text in ("More of the cell.", "The output says", "see there")]
    assert len(set(shown)) == 1
    return not shown[0]


def badge(page: Page) -> str | None:
    badge = page.locator(".bd-links .progress-badge")
    return badge.get_attribute("aria-label") if badge.count() else None


def test_a_question_waits(page: Page) -> None:
    assert folded(page)
    assert page.get_by_text("Choose an answer to see what happens.").is_visible()
    assert page.get_by_text("Write it.").is_visible() and page.get_by_text("Open from the start.").is_visible()
    assert not page.get_by_text("Squares count.").is_visible()
    assert page.locator("[aria-live]").all_inner_texts() == [""] * 3
    boxes = [button(page, answer["text"][:9]).bounding_box() for answer in ANSWERS]
    assert all(box["height"] >= 44 and box["x"] + box["width"] <= test_book.PHONE["width"] for box in boxes)


def test_a_wrong_answer_is_told_in_words_and_read_out(page: Page) -> None:
    button(page, "It stays.").click()
    assert not folded(page)
    assert [text for text in page.locator("[aria-live]").all_inner_texts() if text] == ["✗ Not right. Squares count."]
    assert page.get_by_text("✓ Right. Its factors are small.").is_visible()
    assert page.get_by_text("✗ Not right. It doesn’t, as").is_visible()
    assert button(page, "It stays. Your answer").get_attribute("aria-pressed") == "true"
    button(page, "It shrinks").click(force=True)  # the first answer stands
    assert button(page, "It shrinks").get_attribute("aria-pressed") == "false"
    assert badge(page) == "1 of 3 questions and exercises done"
    assert page.evaluate(f"JSON.parse(localStorage['{KEY}']).answers") == {"shrinks": "noise-adds-linearly"}


def test_a_right_answer_by_keyboard_alone(page: Page) -> None:
    button(page, "It grows.").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    assert not folded(page)
    assert "✓ Right. Its factors are small." in page.locator("[aria-live]").all_inner_texts()
    expect(button(page, "It shrinks")).to_be_focused()
    page.get_by_label("Exercise 1 is done").focus()
    page.keyboard.press("Space")
    assert badge(page) == "2 of 3 questions and exercises done"


def test_answers_are_remembered_and_forgotten(page: Page, site: Path) -> None:
    chapter = page.url
    button(page, "It grows.").click()
    page.get_by_label("Exercise 2 is done").check()
    page.get_by_label("Exercise 1 is done").check()
    page.get_by_label("Exercise 1 is done").uncheck()
    page.reload()
    assert not folded(page) and button(page, "It grows. Your answer").is_visible()
    assert page.get_by_label("Exercise 2 is done").is_checked()
    assert not page.get_by_label("Exercise 1 is done").is_checked()
    page.goto((site / "notebooks" / "02_two.html").as_uri())
    assert badge(page) == "2 of 3 questions and exercises done"
    page.goto((site / "index.html").as_uri())
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Clear my answers").click()
    assert badge(page)
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Clear my answers").click()
    assert page.get_by_text("Cleared.").is_visible() and badge(page) is None
    page.goto(chapter)
    assert folded(page) and not page.get_by_label("Exercise 2 is done").is_checked()


def test_one_need_not_answer(page: Page) -> None:
    page.get_by_role("button", name="Show without answering").click()
    assert not folded(page) and badge(page) is None
    assert not page.get_by_text("Squares count.").is_visible()
    page.reload()
    assert not folded(page)
    button(page, "It shrinks").click()
    assert badge(page)


def test_a_link_into_the_fold_and_a_search_open_it(page: Page) -> None:
    page.evaluate("location.hash = 'inside'")
    expect(page.get_by_text("see there")).to_be_in_viewport()
    assert not folded(page)
    page.goto("about:blank")
    page.go_back()
    page.goto(page.url.partition("#")[0])
    page.locator(".quiz-fold").dispatch_event("beforematch")
    assert not folded(page) and not page.get_by_text("Choose an answer").count()


def test_paper_shows_everything(page: Page) -> None:
    page.emulate_media(media="print")
    assert page.locator(".quiz-fold").evaluate("e => getComputedStyle(e).contentVisibility") == "visible"
    assert not page.get_by_text("Choose an answer").is_visible()


def test_what_cannot_be_read_counts_as_nothing(page: Page) -> None:
    for kept in ("{", "null", '{"version":2,"answers":{"shrinks":"right"}}', '{"version":1}'):
        page.evaluate("([key, kept]) => localStorage.setItem(key, kept)", [KEY, kept])
        page.reload()
        assert folded(page) and badge(page) is None
    button(page, "It shrinks").click()
    page.reload()
    assert not folded(page) and badge(page)


def test_a_browser_that_keeps_nothing_says_so(context: BrowserContext, site: Path) -> None:
    context.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new Error('refused'); } })")
    for page in opened(context, site):
        button(page, "It shrinks").click()
        page.get_by_label("Exercise 1 is done").check()
        assert not folded(page) and badge(page) == "2 of 3 questions and exercises done"
        assert page.get_by_text("This browser keeps nothing").count() == 1


def test_without_scripts_everything_is_open(browser: Browser, site: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    for page in opened(context, site):
        assert not folded(page) and page.get_by_text("Squares count.").is_visible()
        assert not page.get_by_role("button").count() and not page.get_by_role("checkbox").count()
    context.close()


def test_pages_without_a_question_load_next_to_nothing(site: Path) -> None:
    two = (site / "notebooks" / "02_two.html").read_text(encoding="utf-8")
    assert "progress.js" in two and "quiz.js" not in two and "quiz.css" not in two
    assert (ROOT / "book" / "_static" / "progress.js").stat().st_size < 2048


def test_other_formats_have_the_list(source: Path) -> None:
    text = (build(source, "text") / "notebooks" / "01_one.txt").read_text(encoding="utf-8")
    assert "* It stays." in text and "The output says" in text and "Squares count." not in text


def test_a_question_without_its_list_stops_the_build(source: Path, tmp_path: Path) -> None:
    lost = chapter()
    lost.cells[1].source = lost.cells[1].source.replace("- It stays.\n", "")
    (tmp_path / "conf.py").write_text(CONF.replace('["_templates"]', "[]"), encoding="utf-8")
    (tmp_path / "_static").symlink_to(source / "_static")
    nbformat.write(lost, tmp_path / "index.ipynb")
    with pytest.raises(ExtensionError, match="'shrinks' has no list of its 3 answers in its cell"):
        build(tmp_path, "html")
