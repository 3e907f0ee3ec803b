"""A class graded at once: a row a folder, one failure stopping nothing, and who shares files with whom."""

import subprocess
import sys

import pandas as pd
import pytest
import torch

from statesdiff import __main__ as cli
from statesdiff.data import states
from statesdiff.project import class_grades, command
from statesdiff.project.class_grades import grade_all, grade_or_why, shared_files, submissions, table
from statesdiff.project.grade import grade
from statesdiff.project.measures import Reference
from statesdiff.project.submission import CODE, CONDITIONAL


@pytest.fixture(scope="module")
def reference():
    """A small one: what is tested is not the measuring."""
    return Reference(states(20, seed=5), cut=9.0)


def student(folder, program="x = 1\n", seed=None):
    """A submission with one program and, with a seed, one file of samples."""
    for part in ("code", "outputs"):
        (folder / part).mkdir(parents=True)
    (folder / CODE[2]).write_text(program, encoding="utf-8")
    if seed is not None:
        torch.save(states(5000, seed=seed).of_class(4), folder / CONDITIONAL[4])
    return folder


@pytest.fixture
def school(tmp_path):
    """Four students: two share a program, one is too deep, one handed in nothing; and what is nobody's."""
    folder = tmp_path / "school"
    student(folder / "ada", seed=3)
    student(folder / "bob")
    student(folder / "Çelik" / "project", "x = 2\n")
    for name in ("=empty", ".hidden", "__MACOSX"):
        (folder / name).mkdir()
    (folder / "list.txt").write_text("ada, bob", encoding="utf-8")
    return folder


@pytest.fixture
def at_once(monkeypatch):
    """Graded in this process, one after the other: starting others takes seconds."""

    def here(folder, names, reference, workers):
        yield from ((name, grade_or_why(folder / name, reference)) for name in names)

    monkeypatch.setattr(class_grades, "_graded", here)


def test_every_folder_is_a_submission_but_what_machines_leave(school, tmp_path):
    assert submissions(school) == ["=empty", "ada", "bob", "Çelik"]
    with pytest.raises(ValueError, match="DIR: no folder"):
        submissions(tmp_path / "nowhere")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "ada.zip").touch()
    with pytest.raises(ValueError, match="there is none in .*packed, but 1 files: unpack archives first"):
        submissions(tmp_path / "packed")


def test_a_table_has_a_row_for_each(school, reference, at_once):
    rows = table(school, dict(grade_all(school, reference))).set_index("folder")
    assert list(rows) == ["got", "possible", "open", "warnings", "hint", "shares"]
    assert rows.index.to_list() == ["'=empty", "ada", "bob", "Çelik"]  # no spreadsheet computes a name
    assert rows.got.to_list() == [0, 15, 10, 0] and set(rows.possible) == {85} and set(rows.open) == {15}
    assert rows.warnings["ada"] == len(grade(school / "ada", reference).samples[0].warnings)
    assert rows.hint["Çelik"] == "The files seem to lie one folder further down, in project: grade that one."
    assert rows.shares["ada"] == "code/data.py with bob" and rows.shares["bob"] == "code/data.py with ada"
    assert rows.shares["'=empty"] == ""


def test_files_are_shared_under_any_name_but_not_with_oneself(tmp_path):
    a, b = student(tmp_path / "a", "a = 1\n", seed=3), student(tmp_path / "b", "b = 1\n")
    (b / CONDITIONAL[1]).write_bytes((a / CONDITIONAL[4]).read_bytes())
    (b / CONDITIONAL[2]).write_bytes((a / CONDITIONAL[4]).read_bytes())
    found = shared_files(tmp_path, ["a", "b"])
    assert found["a"] == [f"{CONDITIONAL[4]} with b ({CONDITIONAL[2]})"]
    assert found["b"] == [f"{name} with a ({CONDITIONAL[4]})" for name in CONDITIONAL[1:3]]


def test_a_file_that_many_share_is_named_under_its_own_name(tmp_path):
    for k in range(13):
        folder = student(tmp_path / f"s{k:02}")
        (folder / CODE[0]).write_bytes((folder / CODE[2]).read_bytes())
    found = shared_files(tmp_path, sorted(path.name for path in tmp_path.iterdir()))["s00"]
    assert found == [
        f"{file} with {', '.join(f's{k:02}' for k in range(1, 11))} and 2 more" for file in (CODE[0], CODE[2])
    ]


def test_an_error_in_one_folder_stops_nothing(school, reference, at_once, monkeypatch):
    def stumble(folder, reference):
        if folder.name == "ada":
            raise RuntimeError("odd \x1b folder")
        return grade(folder, reference)

    monkeypatch.setattr(class_grades, "grade", stumble)
    rows = table(school, dict(grade_all(school, reference))).set_index("folder")
    assert rows.hint["ada"] == "cannot be graded (RuntimeError: odd ? folder)" and pd.isna(rows.got["ada"])
    assert rows.got["bob"] == 10


def test_a_process_that_ends_is_told_of_and_the_others_are_graded_again(school, reference, monkeypatch):
    calls = []

    def graded(folder, names, reference, workers):
        calls.append((tuple(names), workers))
        for name in names:
            lost = name == "ada" or len(names) > 1 and name == "bob"
            yield name, None if lost else grade(folder / name, reference)

    monkeypatch.setattr(class_grades, "_graded", graded)
    found = dict(grade_all(school, reference, workers=3))
    assert calls == [(("=empty", "ada", "bob", "Çelik"), 3), (("ada",), 1), (("bob",), 1)]
    assert found["ada"] == "the process that graded it was ended from outside, or out of memory"
    assert found["bob"].marks["got"] == 10


def test_in_processes_of_their_own_and_from_the_shell(school, tmp_path):
    s = states(20, seed=5)
    torch.save({"data": s.x, "labels": s.y}, tmp_path / "states.pt")
    arguments = [
        "grade-class",
        str(school),
        "--csv",
        "class.csv",
        "--data",
        "states.pt",
        "--cut",
        "9",
        "--workers",
        "1",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "statesdiff", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "class.csv", encoding="utf-8").set_index("folder")
    assert rows.got.to_list() == [0, 15, 10, 0] and done.stdout.endswith("class.csv\n")


# The command


def run(school, *options):
    return cli.main(["grade-class", str(school), "--csv", "class.csv", *options])


@pytest.fixture
def here(tmp_path, monkeypatch, reference, at_once):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "reference_of", lambda args: reference)
    return tmp_path


def test_the_command_writes_the_table_and_the_grades(school, here, capsys):
    long = student(school / ("x" * 200), "x = 3\n")
    (school / "a\nb").mkdir()
    assert run(school, "--grades", "grades") == 0
    assert capsys.readouterr().out.endswith("class.csv\n")
    assert len(pd.read_csv("class.csv")) == 6
    written = sorted(path.name for path in (here / "grades").iterdir())
    assert {"ada.txt", "ada.json", "Çelik.txt", "bob.json"} <= set(written) and len(written) == 12
    assert max(map(len, written)) < 100 and long.name not in str(written) and "\n" not in "".join(written)
    assert (here / "grades" / "bob.txt").read_text(encoding="utf-8").startswith("bob, graded against the data given")


def test_an_interrupt_keeps_what_was_graded(school, here, capsys, monkeypatch):
    def interrupted(folder, reference, workers):
        yield "ada", grade(folder / "ada", reference)
        raise KeyboardInterrupt

    monkeypatch.setattr(command, "grade_all", interrupted)
    assert run(school) == 130
    assert capsys.readouterr().err.endswith("statesdiff: interrupted: 1 of 4 folders were graded\n")
    assert pd.read_csv("class.csv").folder.to_list() == ["ada"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--grades", "nowhere/grades"], "No such file or directory: 'nowhere/grades'"),
        (["--grades", "file"], "File exists: 'file'"),
    ],
)
def test_what_cannot_be_written_is_found_out_before_the_grading(school, here, capsys, monkeypatch, options, words):
    monkeypatch.setattr(command, "grade_all", None)
    (here / "file").touch()
    assert run(school, *options) == 2 and words in capsys.readouterr().err
