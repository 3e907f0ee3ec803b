"""The example submission: its programs run, and what they write is what the grader asks for."""

import re

import pytest
import torch

from statesdiff.project.example import ORDER, PROGRAMS, run_programs, write_programs
from statesdiff.project.grade import grade
from statesdiff.project.measures import Reference
from statesdiff.project.submission import CHECKPOINTS, CODE, CONDITIONAL, REPORT, UNCONDITIONAL


def test_the_programs_are_those_that_the_project_asks_for(tmp_path):
    write_programs(tmp_path / "mine")
    for name in CODE:
        assert (tmp_path / "mine" / name).read_bytes() == (PROGRAMS / name.split("/")[1]).read_bytes()
    assert {path.name for path in (tmp_path / "mine").iterdir()} == {"code", "outputs", "checkpoints"}
    assert [line.got for line in grade(tmp_path / "mine", Reference()).rubric[:5]] == [10, 10, 10, 10, 0]


def test_nothing_is_written_over(tmp_path):
    (tmp_path / "work.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match="DIR must be a new or an empty folder, there is something in"):
        write_programs(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["work.txt"]
    with pytest.raises(FileNotFoundError):
        write_programs(tmp_path / "nowhere" / "mine")


@pytest.fixture(scope="module")
def short(tmp_path_factory):
    """The programs with less to do: few steps of training and few samples."""
    folder = tmp_path_factory.mktemp("short") / "mine"
    write_programs(folder)
    data = folder / "code" / "data.py"
    text = (
        data.read_text(encoding="utf-8").replace("SAMPLES = 5000", "SAMPLES = 30").replace("STEPS = None", "STEPS = 50")
    )
    data.write_text(text, encoding="utf-8")
    return folder, list(run_programs(folder))


def test_the_programs_write_everything_that_is_asked_for(short):
    folder, done = short
    assert done == list(ORDER)
    for name in (UNCONDITIONAL, *CONDITIONAL):
        x_0 = torch.load(folder / name, weights_only=True)
        assert x_0.shape == (30, 2) and x_0.dtype == torch.float32 and x_0.isfinite().all()
    assert len({torch.load(folder / name, weights_only=True).sum().item() for name in CONDITIONAL}) == 5
    graded = grade(folder, Reference())
    lines = {line.item: line for line in graded.rubric}
    assert [lines[name].got for name in (*CODE, REPORT)] == [10] * 5
    # the samples are too few, on purpose, and this is all that is wrong with them
    assert all("got float32 of shape (30, 2)" in lines[name].message for name in (UNCONDITIONAL, *CONDITIONAL))
    assert all(re.fullmatch(r"\d+ tensors, [\d,]+ weights", graded.checkpoints[stem]) for stem in CHECKPOINTS)
    written = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    programs = {f"code/{path.name}" for path in PROGRAMS.glob("*.py")}
    assert written == {*programs, REPORT, UNCONDITIONAL, *CONDITIONAL, *(f"{stem}.pt" for stem in CHECKPOINTS)}


def test_the_curves_are_of_training_and_of_validation(short):
    for stem in CHECKPOINTS:
        curves = torch.load(short[0] / f"{stem}.pt", weights_only=True)["curves"]
        assert curves.shape == (50, 3) and curves[:, 0].tolist() == list(range(1, 51))
        assert curves[-10:, 1:].mean() < curves[:10, 1:].mean()  # even fifty steps teach something


def test_the_report_has_three_pages(short):
    content = (short[0] / REPORT).read_bytes()
    assert content.startswith(b"%PDF-") and len(re.findall(rb"/Type /Page\b", content)) == 3


def test_a_program_that_fails_is_named(short):
    folder = short[0]
    (folder / "code" / "classifier.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    (folder / "code" / "uncond_gen.py").write_text("", encoding="utf-8")
    (folder / "checkpoints" / "classifier.pt").unlink()  # what is there is not made again
    with pytest.raises(ValueError, match=r"classifier\.py ended with exit status 3"):
        list(run_programs(folder))
