"""Gradescope: the archive, unpacked and run in a folder laid out as theirs, writes what they read."""

import json
import os
import subprocess
import sys
import zipfile

import numpy as np
import pytest
import torch

from statesdiff import __main__ as cli
from statesdiff.data import states
from statesdiff.project.grade import grade
from statesdiff.project.gradescope import results, write_autograder
from statesdiff.project.measures import Reference
from statesdiff.project.submission import CONDITIONAL
from tests.project.good_folder import write_good

ON_POSIX = pytest.mark.skipif(os.name != "posix", reason="their machines run Linux")


@pytest.fixture(scope="module")
def reference():
    return Reference(states(20, seed=5), cut=9.0)


def test_a_grade_in_their_form(folder, reference):
    (folder / CONDITIONAL[1]).unlink()
    graded = grade(folder, reference)
    found = json.loads(results(graded))
    assert set(found) == {"output", "output_format", "tests"} and found["output_format"] == "text"
    assert found["output"] == str(graded)
    assert [test["name"] for test in found["tests"]] == [line.item for line in graded.rubric if line.got is not None]
    assert sum(test["score"] for test in found["tests"]) == graded.marks["got"] == 80
    assert sum(test["max_score"] for test in found["tests"]) == 85  # what a person grades is not theirs
    assert {"name": CONDITIONAL[1], "score": 0, "max_score": 5, "output": "missing"} in found["tests"]
    assert all(set(test) == {"name", "score", "max_score", "output"} for test in found["tests"])


def unpacked(archive, folder):
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
        return {entry.filename: entry.external_attr >> 16 for entry in file.infolist()}


@ON_POSIX
def test_the_archive_grades_in_a_folder_laid_out_as_theirs(tmp_path, capfd):
    """/autograder with source, submission and results; /opt/grader, where setup.sh would have put the command."""
    s = states(20, seed=5)
    torch.save({"data": s.x, "labels": s.y}, tmp_path / "my states.pt")
    out = tmp_path / "autograder.zip"
    arguments = ["--data", str(tmp_path / "my states.pt"), "--cut", "9", "--package", "git+https://example.org/x@a b"]
    assert cli.main(["gradescope-zip", *arguments, "--out", str(out)]) == 0
    theirs, grader = tmp_path / "autograder", tmp_path / "opt" / "grader" / "bin"
    assert unpacked(out, theirs / "source") == dict.fromkeys(["setup.sh", "data.pt", "run_autograder"], 0o755)
    setup = theirs / "source" / "setup.sh"
    assert subprocess.run(["bash", "-n", str(setup)]).returncode == 0
    assert "pip install 'git+https://example.org/x@a b'\n" in setup.read_text(encoding="utf-8")
    write_good(theirs / "submission")
    (theirs / "results").mkdir()
    grader.mkdir(parents=True)
    command = grader / "statesdiff"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m statesdiff "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    text = (theirs / "source" / "run_autograder").read_text(encoding="utf-8")
    text = text.replace("/opt/grader", str(tmp_path / "opt" / "grader")).replace("/autograder/", f"{theirs}/")
    (theirs / "run_autograder").write_text(text.replace("cd /\n", f"cd {os.getcwd()}\n"), encoding="utf-8")
    assert subprocess.run(["bash", str(theirs / "run_autograder")]).returncode == 0, capfd.readouterr().err
    found = json.loads((theirs / "results" / "results.json").read_text(encoding="utf-8"))
    assert sum(test["score"] for test in found["tests"]) == 85
    assert found["output"].startswith("submission, graded against the data given (100 points)")


def test_a_package_that_is_a_file_travels_in_the_archive(tmp_path):
    wheel = tmp_path / "statesdiff-0.1.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    write_autograder(tmp_path / "a.zip", str(wheel), None, "--cut 2.123456789 --seed 3")
    assert wheel.name in unpacked(tmp_path / "a.zip", tmp_path / "a")
    assert (tmp_path / "a" / wheel.name).read_bytes() == b"wheel"
    setup, run = ((tmp_path / "a" / name).read_text(encoding="utf-8") for name in ("setup.sh", "run_autograder"))
    assert f"pip install /autograder/source/{wheel.name}\n" in setup
    assert "--cut 2.123456789 --seed 3" in run and "--data" not in run


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--data", "missing.pt"], "no data file at missing.pt"),
        (["--data", "missing.pt", "--seed", "3"], "--data and --seed both say which points the students had"),
        (["--cut", "nan"], "the cuts must be finite numbers, got nan and 2.3"),
        (["--data", "line.npz"], "--data cannot be graded with: its points have no floors"),
    ],
)
def test_what_the_autograder_could_not_use_is_found_out_when_it_is_made(tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.chdir(tmp_path)
    np.savez("line.npz", data=np.repeat(np.arange(50.0)[:, None], 2, axis=1), labels=np.arange(50) % 5)
    assert cli.main(["gradescope-zip", "--package", "statesdiff", *options]) == 2
    assert words in capsys.readouterr().err and not (tmp_path / "autograder.zip").exists()
