"""`make notebooks`: outputs are stored, the noise of running is not, and a second run changes nothing."""

from pathlib import Path

import nbformat
import pytest
import run_notebooks
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

CELLS = [
    "import sys\n"
    "from IPython.display import display\n"
    "from ipywidgets import IntSlider, interact\n"
    "from tqdm.auto import tqdm",
    "for i in tqdm(range(3)):\n    print('step', i, flush=True)\n    print('noise', file=sys.stderr, flush=True)",
    "interact(lambda t: print(t), t=IntSlider(2, 0, 4))\n'shown'",
    "import matplotlib.pyplot as plt\nplt.plot([0, 1]);",
    "print('kept')\nprint('50%\\r100%')",
    "print(open('beside.txt').read())",
]


def a_notebook(folder: Path) -> Path:
    """Write a notebook as an editor leaves it: tags, a timing, a version of the kernel, no output."""
    cells = [new_markdown_cell("# Title"), *[new_code_cell(source) for source in CELLS]]
    for number, cell in enumerate(cells):
        cell.id = f"id-{number}"
    cells[1].metadata = {"tags": ["hide-cell"], "execution": {"iopub.status.busy": "2024-01-01"}}
    metadata = {
        "kernelspec": {"name": "other", "display_name": "Mine"},
        "language_info": {"version": "3.9", "name": "python"},
    }
    (folder / "beside.txt").write_text("found beside the notebook", encoding="utf-8")
    file = folder / "a.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=metadata), file)
    return file


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = a_notebook(tmp_path_factory.mktemp("notebooks"))
    assert run_notebooks.main([str(path)]) == 0
    return path


def test_outputs_stay_and_noise_goes(executed: Path) -> None:
    notebook = nbformat.read(executed, as_version=4)
    setup, bar, slider, figure, redrawn, beside = notebook.cells[1:]
    assert notebook.metadata == run_notebooks.METADATA
    assert [cell.id for cell in notebook.cells] == [f"id-{n}" for n in range(7)]
    assert [cell.execution_count for cell in notebook.cells[1:]] == [1, 2, 3, 4, 5, 6]
    assert setup.metadata == {"tags": ["hide-cell"]}
    assert bar.outputs == [new_output("stream", name="stdout", text="step 0\nstep 1\nstep 2\n")]
    assert [output.get("data", {}).get("text/plain") for output in slider.outputs] == ["'shown'"]
    assert slider.outputs[0].execution_count == 3
    assert [list(output.data) for output in figure.outputs] == [["image/png", "text/plain"]]
    assert redrawn.outputs == [new_output("stream", name="stdout", text="kept\n")]
    assert beside.outputs[0].text == "found beside the notebook\n"


def test_a_second_run_changes_no_byte(executed: Path) -> None:
    before, stamp = executed.read_bytes(), executed.stat().st_mtime_ns
    assert run_notebooks.run(executed) is False
    assert (executed.read_bytes(), executed.stat().st_mtime_ns) == (before, stamp)


def test_a_failing_notebook_is_named_and_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    path = tmp_path / "a.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell("print(1)"), new_code_cell("1 / 0")]), path)
    before = path.read_bytes()
    assert run_notebooks.main([str(path)]) == 1
    complaint = capsys.readouterr().err
    assert path.name in complaint and "ZeroDivisionError" in complaint
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == ["a.ipynb"]
