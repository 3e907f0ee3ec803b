"""The edition without solutions: exercises and checks stay, and every notebook runs whether or not they are done."""

import ast
import json
from pathlib import Path

import nbformat
import pytest
import run_notebooks
import without_solutions as tool
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from statesdiff import check
from statesdiff.check import answers

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def load(path: Path) -> dict:
    return json.loads(path.read_text(encoding="utf-8"))


def source(cell: dict) -> str:
    return "".join(cell["source"])


def functions(text: str) -> dict[str, str]:
    if text.startswith("<details>"):  # an answer in words
        return {}
    return {node.name: ast.dump(node) for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


@pytest.fixture(scope="module")
def handout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("class") / "handout"
    assert tool.main([str(folder)]) == 0
    return folder


def test_the_answers_of_the_package_are_those_of_the_chapters() -> None:
    """Also where no later cell needs one now."""
    solved = {}
    for path in NOTEBOOKS:
        for cell in filter(tool.is_solution, load(path)["cells"]):
            solved |= functions(source(cell))
    assert functions((ROOT / tool.ANSWERS).read_text(encoding="utf-8")) == solved
    asked = {match["check"] for path in NOTEBOOKS for cell in filter(tool.is_solution, load(path)["cells"])
             for match in tool.CHECK.finditer(source(cell))}  # fmt: skip
    assert asked == set(check.__all__) - {"Verdict"}  # each is passed in some chapter


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_only_solutions_outputs_and_the_link_to_colab_go(handout: Path, path: Path) -> None:
    before, after = load(path), load(handout / path.name)
    nbformat.validate(nbformat.from_dict(after))
    kept = {cell["id"]: cell for cell in after["cells"]}
    assert list(kept) == [cell["id"] for cell in before["cells"] if cell["id"] in kept]
    for cell in before["cells"]:
        if tool.is_solution(cell):
            left = source(kept[cell["id"]]) if cell["id"] in kept else ""
            assert not set(functions(source(cell)).values()) & set(functions(left).values())
            assert left == "" or "from statesdiff.check.answers import" in left
        elif cell["cell_type"] == "code":
            assert kept[cell["id"]] == cell | {"outputs": [], "execution_count": None}
        else:
            rest = source(cell).replace(source(kept[cell["id"]]), "")
            assert rest == "" or rest.startswith("\n\n[Open in Colab](https://colab.")
    text = (handout / path.name).read_text(encoding="utf-8")
    assert "colab.research.google.com" not in text and '"solution"' not in text


@pytest.mark.parametrize("name", ["02_forward_process", "09_ablation_beta_schedules"])
def test_a_chapter_runs_before_an_exercise_is_done(handout: Path, name: str) -> None:
    notebook = nbformat.read(handout / f"{name}.ipynb", as_version=4)
    run_notebooks.execute(notebook, handout)  # raises where a cell fails
    said = [text for cell in notebook.cells for text in map(str, cell.get("outputs", []))]
    assert sum("not attempted yet" in text for text in said) == sum(
        "# your turn" in cell.source for cell in notebook.cells
    )


def a_notebook(solution: str, later: str) -> dict:
    cells = [
        new_code_cell("from statesdiff import check\ndef half_time(a):\n    # your turn\n    ...", id="turn"),
        new_code_cell("check.half_time(half_time)", id="check"),
        new_code_cell(solution, id="solution", metadata={"tags": ["hide-cell", "solution"]}),
        new_markdown_cell("In the solution, ...", id="text", metadata={"tags": ["solution"]}),
        new_code_cell(later, id="later"),
    ]
    return json.loads(json.dumps(new_notebook(cells=cells)))


SOLUTION = "def half_time(a):\n    return int((a <= 0.5).nonzero()[0])\n\n\ncheck.half_time(half_time)"


def test_a_text_about_the_solution_goes_and_a_name_that_nobody_needs() -> None:
    cells = tool.edition(a_notebook(SOLUTION, "print(1)"))["cells"]
    assert [cell["id"] for cell in cells] == ["turn", "check", "later"]


def test_the_answer_stands_in_until_the_readers_own_is_right() -> None:
    cells = tool.edition(a_notebook(SOLUTION, "half_time"))["cells"]
    assert [cell["id"] for cell in cells] == ["turn", "check", "solution", "later"]
    text = source(cells[2])

    def mine(alpha_bar):
        return int((alpha_bar <= 0.5).nonzero()[0])

    for own, want in (
        (lambda alpha_bar: None, answers.half_time),
        (lambda alpha_bar: 3, answers.half_time),
        (mine, mine),
    ):
        names = {"check": check, "half_time": own}
        exec(text, names)
        assert names["half_time"] is want


@pytest.mark.parametrize(
    "later",
    ["half_time(1)", "def f():\n    return half_time", "[half_time for _ in range(2)]", "half_time = half_time or 1"],
)
def test_whatever_needs_a_solution_is_seen(later: str) -> None:
    assert list(tool.needed(a_notebook(SOLUTION, later)["cells"])) == [("half_time", "later", "solution")]


@pytest.mark.parametrize(
    "later", ["half_time = 1\nhalf_time", "x.half_time", "def f(half_time):\n    return half_time"]
)
def test_what_does_not_need_one_is_left_alone(later: str) -> None:
    assert not list(tool.needed(a_notebook(SOLUTION, later)["cells"]))


@pytest.mark.parametrize(
    ("solution", "later", "name"),
    [
        ("import numpy as np\n" + SOLUTION, "np.pi", "np"),
        (SOLUTION.replace("half_time", "mine"), "mine", "mine"),
        (SOLUTION.replace("check.half_time(half_time)", "half_time"), "half_time", "half_time"),
    ],
    ids=["import", "not in the package", "not checked"],
)
def test_what_nothing_can_stand_in_for_is_named(tmp_path: Path, solution: str, later: str, name: str, capsys) -> None:
    (tmp_path / "notebooks").mkdir()
    (tmp_path / tool.ANSWERS).parent.mkdir(parents=True)
    (tmp_path / tool.ANSWERS).write_text((ROOT / tool.ANSWERS).read_text(encoding="utf-8"), encoding="utf-8")
    (tmp_path / "notebooks/a.ipynb").write_text(json.dumps(a_notebook(solution, later)), encoding="utf-8")
    assert tool.main([str(tmp_path / "handout")], root=tmp_path) == 1
    assert f"a.ipynb: later needs `{name}` of the solution solution" in capsys.readouterr().err
    assert not (tmp_path / "handout").exists()


def test_nothing_is_written_over(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "mine.ipynb").touch()
    for place in (tmp_path, tmp_path / "mine.ipynb"):
        assert tool.main([str(place)]) == 2
        assert "must be an empty folder" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["mine.ipynb"]
