"""Grading: a good submission gets its marks, a broken one loses those of the broken file and no others."""

import json
import os
import re
import shutil
import time

import pytest
import torch

from statesdiff.data import STATE_NAMES, Dataset, states
from statesdiff.metrics import coverage, nll
from statesdiff.project import measures, submission
from statesdiff.project.grade import grade
from statesdiff.project.measures import Reference
from statesdiff.project.submission import CHECKPOINTS, CODE, CONDITIONAL, REPORT, UNCONDITIONAL
from tests.project.broken_folders import BROKEN
from tests.project.good_folder import X
from tests.project.pages import PROJECT, rows


def test_a_good_submission_gets_every_automatic_mark(good_grade):
    assert good_grade.marks == {"got": 85, "possible": 85, "open": 15}
    assert [line.item for line in good_grade.rubric] == [
        *CODE,
        REPORT,
        "what the report contains",
        UNCONDITIONAL,
        *CONDITIONAL,
    ]
    assert [line.possible for line in good_grade.rubric] == [10, 10, 10, 10, 10, 15, 10, 5, 5, 5, 5, 5]
    assert sum(line.possible for line in good_grade.rubric) == 100
    assert [line.message for line in good_grade.rubric[:6]] == ["2 lines"] * 4 + ["PDF, 2 kB", "by hand"]
    assert good_grade.hint == "" and not any(m.warnings for m in good_grade.samples)
    assert good_grade.checkpoints == dict.fromkeys(CHECKPOINTS, "2 tensors, 9 weights")


def test_the_marks_by_hand_are_open_and_never_invented(good_grade, folder, full):
    shutil.rmtree(folder / "outputs")
    for graded in (good_grade, grade(folder, full)):
        [line] = [line for line in graded.rubric if line.message == "by hand"]
        assert line.got is None and line.possible == 15


def test_what_is_printed(good_grade):
    text = str(good_grade)
    assert text.startswith("ada_lovelace_project_4, graded against STATES (5,000 points)\n")
    assert "code/data.py                                  10 / 10  2 lines" in text
    assert "what the report contains                       - / 15  by hand" in text
    assert "without the marks by hand                     85 / 85, and 15 by hand" in text
    assert "checkpoints/classifier    2 tensors, 9 weights" in text
    row = next(line for line in text.splitlines() if line.split()[:2] == ["cond_gen_samples_3.pt", "5000"])
    m = good_grade.samples[4]
    assert f"{m.nll:.3f} {m.floor:.3f} {m.gap:+.3f}   yes    no 100.0%  100.0%" in row
    assert "!" not in text


def test_json_round_trip(good_grade):
    content = json.loads(good_grade.to_json())
    assert content["marks"] == {"got": 85, "possible": 85, "open": 15}
    assert content["folder"] == "ada_lovelace_project_4" and len(content["rubric"]) == 12
    for m, row in zip(good_grade.samples, content["samples"], strict=True):
        assert row == {**vars(m)}
    assert content["rubric"][5] == {
        "item": "what the report contains",
        "got": None,
        "possible": 15,
        "message": "by hand",
    }


def test_the_courses_own_data_can_be_the_reference(folder):
    real = states(seed=3)
    reference = Reference(Dataset(real.x + 1, real.y))
    torch.save(X + 1, folder / CONDITIONAL[2])
    for name in (UNCONDITIONAL, CONDITIONAL[0], CONDITIONAL[3], CONDITIONAL[4]):
        (folder / name).unlink()
    graded = grade(folder, reference)
    assert graded.data == "the data given (5,000 points)"
    elsewhere, m = graded.samples
    assert m.passes and m.warnings == [] and m.floor == pytest.approx(nll(real.of_class(2), real.x), abs=1e-4)
    assert m.coverage == coverage(X, real.of_class(2))  # of the points: no outline is known
    assert not elsewhere.passes and "astray" in elsewhere.warnings[1]


@pytest.mark.skipif(os.name == "nt", reason="pipes, sockets and links")
@pytest.mark.parametrize(("change", "lost"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_file_costs_its_marks_and_no_others(change, lost, folder, full, good_grade, monkeypatch):
    change(folder)
    monkeypatch.chdir(folder)
    start = time.process_time()
    graded = grade(folder, full)
    assert time.process_time() - start < 5
    for line, was in zip(graded.rubric, good_grade.rubric, strict=True):
        if line.item in lost:
            assert line.got == 0 and line.possible == was.possible
            assert re.search(lost[line.item], line.message), line.message
        else:
            assert line == was
    for stem, message in graded.checkpoints.items():
        assert re.search(lost.get(stem, "2 tensors, 9 weights"), message), message
    cost = sum(line.possible for line in good_grade.rubric if line.item in lost)
    assert graded.marks == {"got": 85 - cost, "possible": 85, "open": 15}
    assert not (folder / "created").exists()
    json.loads(graded.to_json())
    assert all(line.isprintable() for line in str(graded).splitlines())


def test_an_empty_folder_gets_nothing_and_no_traceback(tmp_path, full):
    graded = grade(tmp_path, full)
    assert graded.marks == {"got": 0, "possible": 85, "open": 15} and graded.samples == []
    assert "missing" in str(graded) and json.loads(graded.to_json())["samples"] == []


def test_a_folder_one_level_too_deep_is_noticed(good, tmp_path, full):
    shutil.copytree(good, tmp_path / "upload" / "ada\x1b[2J")
    graded = grade(tmp_path / "upload", full)
    assert graded.marks["got"] == 0
    assert graded.hint == "The files seem to lie one folder further down, in ada?[2J: grade that one."
    assert graded.hint in str(graded)
    assert grade(tmp_path / "upload" / "ada\x1b[2J", full).hint == ""


def test_an_error_that_no_reader_foresaw_costs_the_marks_of_its_file(folder, full, monkeypatch):
    def stumble(*_):
        raise MemoryError

    monkeypatch.setattr(submission, "read_tensors", stumble)
    graded = grade(folder, full)
    assert graded.marks["got"] == 50 and graded.samples == []
    assert {line.message for line in graded.rubric[6:]} == {"cannot be checked (MemoryError)"}
    assert set(graded.checkpoints.values()) == {"cannot be checked (MemoryError)"}


def test_a_submission_of_the_wrong_class_passes_and_is_warned_of(folder, full):
    """One class may be handed in for another: full marks by the rubric, and a warning."""
    for y in (1, 3):
        torch.save(X, folder / CONDITIONAL[y])
    graded = grade(folder, full)
    assert graded.marks["got"] == 85
    text = str(graded)
    for y in (1, 3):
        assert f"! cond_gen_samples_{y}.pt: 0.0% of the samples are of class {y}, {STATE_NAMES[y]}" in text
    assert not any(f"! cond_gen_samples_{y}.pt" in text for y in (0, 2, 4))


def test_the_page_of_the_project_agrees_with_the_grader(good_grade):
    page = PROJECT.read_text(encoding="utf-8")
    for name in (*CODE, REPORT, UNCONDITIONAL, *CONDITIONAL, *(f"{stem}.pt" for stem in CHECKPOINTS)):
        assert f" {name.split('/')[1]}" in page
    marks = [eval(row[1].replace("×", "*")) for row in rows(page, "| | marks |")]
    assert marks == [40, 10, 15, 10, 25, 100] and sum(marks[:-1]) == marks[-1]
    [floors] = rows(page, "| | all | Michigan |")
    assert floors[1:] == [f"{m.floor:.3f}" for m in good_grade.samples]
    assert f"NLL below {measures.PASS}" in page and f"stays below {measures.CLEAN}" in page
