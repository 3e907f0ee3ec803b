"""What every chapter keeps to, read off the notebook files; and its sliders, run in a kernel."""

import re
import sys
from collections import Counter
from pathlib import Path

import nbformat
import pytest
import yaml
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))
import run_notebooks  # noqa: E402

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
CHECKED = ("# NBVAL_CHECK_OUTPUT", "nbval-check-output")


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


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
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text())
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
            text = output.get("text", "") + output.get("data", {}).get("text/plain", "")
            assert not re.search(r"\bat 0x[0-9a-f]{6,}", text), f"{cell.id} shows an address: {text}"


def test_figures_have_alternative_text(notebook: NotebookNode) -> None:
    for cell in code_cells(notebook):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) >= 20, (
                f'{cell.id}: describe the figure in metadata {{"mystnb": {{"image": {{"alt": ...}}}}}}'
            )


def test_cells_are_few_and_short(notebook: NotebookNode) -> None:
    cells = code_cells(notebook)
    assert 12 <= len(cells) <= 40
    assert not [cell.id for cell in cells if len(cell.source.splitlines()) > 25]


def test_headings_make_an_outline(notebook: NotebookNode) -> None:
    levels = [len(line) - len(line.lstrip("#")) for line in prose(notebook) if re.match(r"#{1,6} ", line)]
    assert levels.count(1) == 1 and levels[0] == 1
    assert notebook.cells[0].source.startswith("# ")
    jumps = [f"H{a} to H{b}" for a, b in zip(levels, levels[1:], strict=False) if b > a + 1]
    assert not jumps


def test_prose_is_plain_markdown(notebook: NotebookNode) -> None:
    """Directives and roles would show as raw text in Jupyter and Colab, and pictures from elsewhere ask another host."""
    for line in prose(notebook):
        assert not re.search(r"^\s*(?:`{3,}|:{3,})\s*\{|\{[\w:-]+\}`", line), line
        assert not re.search(r"!\[[^\]]*\]\(\s*<?(?:https?:)?//|<img", line), line


def test_colab_link_opens_this_notebook(path: Path, notebook: NotebookNode) -> None:
    links = re.findall(r"colab\.research\.google\.com/github/[^)\s]*/(notebooks/[^)\s]*)", "\n".join(prose(notebook)))
    assert links == [f"notebooks/{path.name}"]


def test_run_time_is_on_the_page(notebook: NotebookNode) -> None:
    cells = [cell for cell in notebook.cells if "run-time" in tags(cell)]
    assert len(cells) == 1 and cells[0].cell_type == "markdown" and cells[0].source.startswith("Run time: ")


def test_exercises_are_complete(notebook: NotebookNode) -> None:
    """A skeleton marked `# your turn`, a self-check, and a folded solution that passes the same check."""
    cells = code_cells(notebook)
    solutions = [n for n, cell in enumerate(cells) if "solution" in tags(cell)]
    turns = [n for n, cell in enumerate(cells) if "# your turn" in cell.source]
    assert 2 <= len(solutions) <= 4
    assert turns == [n - 2 for n in solutions]
    for n in solutions:
        checks = [re.findall(r"\bcheck\.\w+", cell.source) for cell in (cells[n - 1], cells[n])]
        assert checks[0] and set(checks[0]) <= set(checks[1]), f"{cells[n].id}: the solution must pass the same check"
        assert "hide-cell" in tags(cells[n]), cells[n].id


def test_some_output_is_compared(notebook: NotebookNode) -> None:
    assert any(CHECKED[0] in cell.source or CHECKED[1] in tags(cell) for cell in code_cells(notebook))


RECORD = """
from statesdiff import widgets as _widgets
_explore, _explored = _widgets.explore, []
_widgets.explore = lambda f, **sliders: _explored.append((f, sliders))
"""

# Each slider goes to both ends and the middle while the others rest where they start.
REPLAY = """
def _exercise_sliders():
    import matplotlib.pyplot as plt

    assert _explored, "this notebook has no slider"
    for number, (f, sliders) in enumerate(_explored, start=1):
        controls = dict(zip(sliders, _explore(f, **sliders).children))
        start = {name: control.value for name, control in controls.items()}
        for name, control in controls.items():
            options = getattr(control, "options", None)
            ends = (options[0], options[-1]) if options else (control.min, control.max)
            middle = options[len(options) // 2] if options else control.value
            for value in (ends[0], middle, ends[1]):
                try:
                    f(**{**start, name: value})
                except Exception as error:
                    message = f"explore call {number}, slider {name} at {value!r}: {type(error).__name__}: {error}"
                    raise RuntimeError(message) from error
                finally:
                    plt.close("all")

_exercise_sliders()
"""


def run_sliders(notebook: NotebookNode, folder: Path) -> None:
    """Run the notebook with every slider's function called at both ends and the middle. Raises where a cell does."""
    notebook.cells.insert(0, nbformat.v4.new_code_cell(RECORD))
    notebook.cells.append(nbformat.v4.new_code_cell(REPLAY))
    run_notebooks.execute(notebook, folder)


def test_sliders_work_at_both_ends_and_the_middle(path: Path, notebook: NotebookNode) -> None:
    run_sliders(notebook, path.parent)


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ("x = 1", "AssertionError.*: this notebook has no slider"),
        (
            "explore(lambda k: k, k=['a', 'b'])\nexplore(lambda t: 1 / (t - 2), t=(0, 4))",
            "explore call 2, slider t at 2: ZeroDivisionError: division by zero",
        ),
    ],
    ids=["no slider", "fails in the middle"],
)
def test_a_broken_slider_is_named(source: str, complaint: str, tmp_path: Path) -> None:
    cell = nbformat.v4.new_code_cell("from statesdiff.widgets import explore\n" + source)
    with pytest.raises(Exception, match=complaint):
        run_sliders(nbformat.v4.new_notebook(cells=[cell]), tmp_path)
