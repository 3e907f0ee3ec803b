"""What every chapter keeps to, read off the notebook files; and how nbval comes to move the sliders."""

import io
import re
import shutil
import subprocess
import sys
from base64 import b64decode
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import figures
import nbformat
import pytest
import yaml
from nbformat import NotebookNode
from PIL import Image

from statesdiff.widgets import explore
from tests.chapters import exercise_sliders

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CHECKED = ("# NBVAL_CHECK_OUTPUT", "nbval-check-output")


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cell: NotebookNode) -> Iterator[str]:
    """Yield what the stored outputs of a cell say in words and numbers."""
    for output in cell.outputs:
        yield output.get("text", "") + output.get("data", {}).get("text/plain", "")


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def of_exercises(cells: list[NotebookNode]) -> list[NotebookNode]:
    """The cells that a reader who does no exercise does not need: what to do, its check, its solution, its material."""
    solved = [n for n, cell in enumerate(cells) if "solution" in tags(cell)]
    around = {n - k for n in solved for k in range(3)}
    return [cell for n, cell in enumerate(cells) if n in around or "exercise" in tags(cell)]


def prose(notebook: NotebookNode) -> list[str]:
    """Return the lines of the Markdown cells outside fenced code, a line of each fence included."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    return re.sub(r"^(```+[^\n]*)\n.*?^```+", r"\1", text, flags=re.MULTILINE | re.DOTALL).splitlines()


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def path(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def notebook(path: Path) -> NotebookNode:
    return read(path)


def test_the_table_of_contents_lists_every_notebook() -> None:
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    files = [chapter["file"] for part in toc["parts"] for chapter in part["chapters"]]
    assert [f for f in files if f.startswith("notebooks/")] == [f"notebooks/{path.stem}" for path in NOTEBOOKS]
    assert NOTEBOOKS


def test_setup_cell_is_the_same_everywhere() -> None:
    setups = {path.name: code_cells(read(path))[0].source for path in NOTEBOOKS}
    assert len(set(setups.values())) == 1, f"the first code cell differs: {sorted(setups)}"


def test_format_is_valid(notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    repeated = [name for name, count in Counter(cell.id for cell in notebook.cells).items() if count > 1]
    assert not repeated


def test_outputs_are_stored_and_clean(notebook: NotebookNode) -> None:
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1)), "run `make notebooks`"
    assert any(cell.outputs for cell in cells)
    assert "widgets" not in notebook.metadata
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", f"{cell.id}: {output.get('evalue')}"
            assert output.get("name") != "stderr", cell.id
            assert WIDGET_VIEW not in output.get("data", {}), cell.id
        for text in texts(cell):
            assert not re.search(r"\bat 0x[0-9a-f]{6,}", text), f"{cell.id} shows an address: {text}"


def test_figures_have_alternative_text(notebook: NotebookNode) -> None:
    for cell in code_cells(notebook):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 20, (
                f'{cell.id}: describe the figure in metadata {{"mystnb": {{"image": {{"alt": ...}}}}}}'
            )


def test_stored_figures_are_sharp_and_small(notebook: NotebookNode) -> None:
    """Two pixels a point, and as `make notebooks` encodes them."""
    for cell in code_cells(notebook):
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                png = b64decode(output.data["image/png"])
                picture = Image.open(io.BytesIO(png))
                assert output.metadata["image/png"]["width"] == picture.width // 2, f"{cell.id}: run `make notebooks`"
                # most have a palette; the others must need all their colours, which takes half a second to see
                assert picture.mode == "P" or figures.shrink(png) == png, f"{cell.id}: run `make notebooks`"


def test_cells_are_few_and_short(notebook: NotebookNode) -> None:
    cells = code_cells(notebook)
    assert 12 <= len(cells) - len(of_exercises(cells)) <= 40
    setup, *others = [(cell.id, len(cell.source.splitlines())) for cell in cells]
    assert setup[1] <= 32 and not [name for name, lines in others if lines > 25]


def test_headings_make_an_outline(notebook: NotebookNode) -> None:
    levels = [len(line) - len(line.lstrip("#")) for line in prose(notebook) if re.match(r"#{1,6} ", line)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert notebook.cells[0].source.startswith("# ")
    jumps = [f"H{a} to H{b}" for a, b in zip(levels, levels[1:], strict=False) if b > a + 1]
    assert not jumps


def test_prose_is_plain_markdown(notebook: NotebookNode) -> None:
    """Directives and roles show as raw text in Jupyter and Colab, and pictures from elsewhere ask another host."""
    for line in prose(notebook):
        assert not re.search(r"^\s*(?:`{3,}|:{3,})\s*\{|\{[\w:-]+\}`", line), line
        assert not re.search(r"!\[[^\]]*\]\(\s*<?(?:https?:)?//|<img", line), line


def test_colab_link_opens_this_notebook(path: Path, notebook: NotebookNode) -> None:
    links = re.findall(r"colab\.research\.google\.com/github/[^)\s]*/(notebooks/[^)\s]*)", "\n".join(prose(notebook)))
    assert links == [f"notebooks/{path.name}"]


def test_run_time_is_on_the_page(notebook: NotebookNode) -> None:
    cells = [cell for cell in notebook.cells if "run-time" in tags(cell)]
    assert len(cells) == 1 and cells[0].cell_type == "markdown" and cells[0].source.startswith("Run time: ")


def test_an_answer_on_paper_is_folded(notebook: NotebookNode) -> None:
    """A text with the answer folds itself, in Jupyter and Colab as on the page, and goes with the solutions."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and "<details" in cell.source:
            assert "solution" in tags(cell), cell.id
            assert re.fullmatch(
                r"<details>\n<summary>[^<>\n]+</summary>\n\n.+\n\n</details>", cell.source, re.DOTALL
            ), cell.id


def test_exercises_are_complete(notebook: NotebookNode) -> None:
    """A skeleton marked `# your turn`, a self-check, and a folded solution that passes the same check."""
    cells = code_cells(notebook)
    solutions = [n for n, cell in enumerate(cells) if "solution" in tags(cell)]
    turns = [n for n, cell in enumerate(cells) if "# your turn" in cell.source]
    assert 2 <= len(solutions) <= 9
    assert turns == [n - 2 for n in solutions]
    for n in solutions:
        checks = [re.findall(r"\bcheck\.\w+", cell.source) for cell in (cells[n - 1], cells[n])]
        assert checks[0] and set(checks[0]) <= set(checks[1]), f"{cells[n].id}: the solution must pass the same check"
        assert "hide-cell" in tags(cells[n]), cells[n].id


def test_what_is_folded_on_the_page_is_folded_in_jupyter_and_colab_too(notebook: NotebookNode) -> None:
    """JupyterLab reads `source_hidden`, Colab `cellView`; neither hides the output, a tick."""
    folded = [cell for cell in code_cells(notebook) if {"hide-cell", "solution"} & set(tags(cell))]
    assert code_cells(notebook)[0] in folded and len(folded) >= 3
    for cell in notebook.cells:
        hidden = cell.metadata.get("jupyter"), cell.metadata.get("cellView")
        assert hidden == (({"source_hidden": True}, "form") if cell in folded else (None, None)), cell.id


TO_A_SOLUTION = (
    r"\b(?:folded|collapsed|hidden) (?:cell|solution)|\bsolutions? (?:below|above|cell)"
    r"|\b(?:see|open|in|with) the solution\b(?! of)"
)


def test_no_text_refers_to_a_solution(notebook: NotebookNode) -> None:
    """There is an edition without them; a text that must is tagged `solution` itself."""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and "solution" not in tags(cell):
            found = re.search(TO_A_SOLUTION, cell.source, re.IGNORECASE)
            assert not found, f"{cell.id}: {found and found[0]}"


def test_a_reader_is_told_the_number_not_whether_it_is_true(notebook: NotebookNode) -> None:
    for cell in code_cells(notebook):
        for text in texts(cell):
            said = re.findall(r".*\b(?:True|False)\b.*", text)
            assert not said, f"{cell.id} prints {said[0]!r}: claim it with `statesdiff.claims`"


# Cell: why its bars are no intervals over repeats, which `plotting.intervals` would draw
ERROR_BARS = {"08-012": "published values, no repeats: two standard deviations of what measures them"}
SPELT_OUT = {
    r"""\bnetwork["'\]]*\s*[!=]=\s*["']real""": "results.trained or results.floor",
    r"\berrorbar\(": "plotting.intervals",
}


@pytest.mark.parametrize("pattern", SPELT_OUT, ids=SPELT_OUT.values())
def test_what_has_a_helper_is_not_spelt_out(notebook: NotebookNode, pattern: str) -> None:
    cells = [cell.id for cell in code_cells(notebook) if re.search(pattern, cell.source)]
    assert not set(cells) - set(ERROR_BARS), f"use {SPELT_OUT[pattern]}"


def test_the_error_bars_that_are_allowed_are_still_there() -> None:
    cells = [cell for path in NOTEBOOKS for cell in code_cells(read(path)) if "errorbar(" in cell.source]
    assert {cell.id for cell in cells} == set(ERROR_BARS)


def test_some_output_is_compared(notebook: NotebookNode) -> None:
    assert any(CHECKED[0] in cell.source or CHECKED[1] in tags(cell) for cell in code_cells(notebook))


# Sliders: nbval moves them, with the plugin in tests/chapters.py


def test_each_slider_goes_to_both_ends_and_the_middle_while_the_others_rest() -> None:
    seen = []
    widget = explore(lambda t, name: seen.append((t, name)), t=(0, 10), name=["a", "b", "c", "d"])
    seen.clear()
    exercise_sliders([widget])
    assert seen == [(0, "a"), (5, "a"), (10, "a"), (5, "a"), (5, "c"), (5, "d")]


def inverse(t: float, shift: float = 0) -> float:
    """Fails where t and the shift agree, and nowhere else."""
    return 1 / (t - shift)


@pytest.mark.parametrize(
    ("specs", "complaint"),
    [
        ([{"t": (0, 4)}], "inverse: slider t at 0: ZeroDivisionError: division by zero"),
        ([{"t": (-2, 2)}], "inverse: slider t at 0: "),
        ([{"t": (-4, 0)}], "inverse: slider t at 0: "),
        ([{"t": [1, 2, 0]}], "inverse: slider t at 0: "),
        ([{"t": (1, 3), "shift": (0.5, 2.0)}], r"inverse: slider shift at 2\.0: "),
        ([{"t": (1, 3)}, {"t": (0.0, 1.0)}], r"inverse: slider t at 0\.0: "),
    ],
    ids=["low end", "middle", "high end", "menu", "second slider", "second widget"],
)
def test_a_broken_slider_is_named(specs: list[dict], complaint: str) -> None:
    with pytest.raises(RuntimeError, match=complaint):
        exercise_sliders([explore(inverse, **sliders) for sliders in specs])


SLIDER = "from statesdiff.widgets import explore\nexplore({}, t=(0, 4))"
CLAIM = "# NBVAL_CHECK_OUTPUT\nfrom statesdiff.claims import claims\nclaims({{'it is so': (0.25, {}, {})}})"
# name: its cells, each with what it is said to have printed
CHAPTERS = {
    "sound": [(SLIDER.format("lambda t: print(t, file=open('calls', 'a'))"), "1")],
    "broken": [(SLIDER.format("lambda t: 1 / t"), "1")],
    "claims": [
        (CLAIM.format(0.1, 0.3), "✓ 0.171  (0.1 to 0.3)  it is so"),
        (CLAIM.format(0.1, 0.3), "✓ 0.171  (0.1 to 0.4)  it is so"),
        (CLAIM.format(0.3, 0.4), "✗ 0.25  (0.3 to 0.4)  it is so"),
        ("# NBVAL_CHECK_OUTPUT\nprint(2)", "1"),
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small notebooks, and the file that makes pytest move sliders and hold to claims."""
    folder = tmp_path_factory.mktemp("chapters")
    for name, sources in CHAPTERS.items():
        cells = []
        for n, (source, printed) in enumerate(sources, 1):
            outputs = [nbformat.v4.new_output("stream", text=f"{printed}\n")]
            cells.append(nbformat.v4.new_code_cell(source, execution_count=n, outputs=outputs))
        nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    shutil.copy(ROOT / "conftest.py", folder)
    (folder / "pytest.ini").touch()
    return folder


def run_nbval(*arguments: str) -> str:
    command = [sys.executable, "-m", "pytest", "--nbval-lax", "--color=no", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    return re.sub(r"\x1b\[[\d;]*m", "", done.stdout)


def test_nbval_compares_cells_holds_to_claims_and_moves_sliders_in_one_run(folder: Path) -> None:
    report = run_nbval("-rA", str(folder))
    found = re.findall(r"^(PASSED|FAILED) (?:.*/)?(\w+)\.ipynb::([\w ]+?)(?: - .*)?$", report, re.MULTILINE)
    assert sorted(found) == [
        ("FAILED", "broken", "sliders"),
        ("FAILED", "claims", "Cell 1"),
        ("FAILED", "claims", "Cell 2"),
        ("FAILED", "claims", "Cell 3"),
        ("FAILED", "claims", "sliders"),
        ("PASSED", "broken", "Cell 0"),
        ("PASSED", "claims", "Cell 0"),
        ("PASSED", "sound", "Cell 0"),
        ("PASSED", "sound", "sliders"),
    ], report
    assert "RuntimeError: <lambda>: slider t at 0: ZeroDivisionError: division by zero" in report
    assert "BrokenClaim: ✗ 0.25  (0.3 to 0.4)  it is so" in report
    assert "AssertionError: this notebook has no slider" in report and "Cell outputs differ" in report
    assert (folder / "calls").read_text(encoding="utf-8").split() == ["2", "0", "2", "4"]  # shown, then moved


def test_the_sliders_of_every_chapter_are_moved() -> None:
    items = run_nbval("--collect-only", *map(str, NOTEBOOKS)).split("\n\n")[0].splitlines()
    last = {item.partition("::")[0]: item.partition("::")[2] for item in items}
    assert last == {f"notebooks/{path.name}": "sliders" for path in NOTEBOOKS}
