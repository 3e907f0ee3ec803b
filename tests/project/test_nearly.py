"""What is nearly there: every clumsy submission hears what it can do, costs its own marks, and ends in no traceback."""

import json
import os
import re
import time

import pytest

from statesdiff.project.grade import grade
from statesdiff.project.nearly import nearly
from statesdiff.project.submission import CONDITIONAL, check_folder
from tests.project.clumsy_folders import CLUMSY, TOO_DEEP

pytestmark = pytest.mark.skipif(os.name != "posix", reason="names that other systems do not allow")


def test_there_are_enough_of_them():
    assert len(CLUMSY) + len(TOO_DEEP) >= 60


@pytest.mark.filterwarnings("ignore:.*pickle protocol")
@pytest.mark.parametrize(("change", "lost"), CLUMSY.values(), ids=CLUMSY.keys())
def test_a_clumsy_submission_hears_what_to_do(change, lost, folder, full, good_grade, monkeypatch):
    monkeypatch.chdir(folder)  # whatever a file would do, it would do it here
    change(folder)
    start = time.process_time()
    graded = grade(folder, full)
    assert time.process_time() - start < 5
    lines = {line.item: line for line in graded.rubric}
    for item, words in lost.items():
        message = lines[item].message if item in lines else graded.checkpoints[item]
        assert re.search(words, message), message
        assert item not in lines or lines[item].got == 0  # what is nearly there gets nothing
    kept = [line.got for item, line in lines.items() if item not in lost and line.got is not None]
    assert all(kept) and not graded.hint
    assert not (folder / "created").exists()
    assert str(graded).isascii() or all(line.isprintable() for line in str(graded).splitlines())
    json.loads(graded.to_json())


@pytest.mark.parametrize(("change", "words"), TOO_DEEP.values(), ids=TOO_DEEP.keys())
def test_a_folder_in_the_wrong_place_is_told_from_an_empty_one(change, words, folder, full):
    change(folder)
    graded = grade(folder, full)
    assert re.search(words, graded.hint) and graded.marks["got"] == 0 and graded.hint in str(graded)


def test_an_archive_in_place_of_a_folder(tmp_path):
    (tmp_path / "ada.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"DIR must be a folder, .*ada.zip is a file \(unpack it first\)"):
        check_folder(tmp_path / "ada.zip")


def test_the_file_in_the_right_folder_comes_first(tmp_path):
    for name in ("a/cond_gen_samples_2.npy", "outputs/cond_gen_samples_2.npy", "z/cond_gen_samples_2.npy"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    assert nearly(tmp_path, CONDITIONAL[2]).startswith("there is outputs/cond_gen_samples_2.npy: ")
    (tmp_path / "z" / "cond_gen_samples_2.pt").touch()
    assert nearly(tmp_path, CONDITIONAL[2]) == f"there is z/cond_gen_samples_2.pt: move it to {CONDITIONAL[2]}"


def test_a_file_of_another_class_is_not_to_be_renamed(tmp_path):
    for y in (1, 2, 3, 4, 5):
        (tmp_path / f"cond_gen_samples_{y}.pt").touch()
    said = nearly(tmp_path, CONDITIONAL[0], CONDITIONAL)
    assert said.startswith("there is cond_gen_samples_5.pt: the labels run from 0 to 4") and "called" not in said
    (tmp_path / "cond_gen_sample_00.pt").touch()  # the right number comes first, though less alike
    assert nearly(tmp_path, CONDITIONAL[0], CONDITIONAL).startswith("there is cond_gen_sample_00.pt: it must be called")
    (tmp_path / "cond_gen_sample_00.pt").rename(tmp_path / "cond_gen_samples.pt")
    assert nearly(tmp_path, CONDITIONAL[0], CONDITIONAL).endswith(f"called {CONDITIONAL[0]}, if that is what it is")


def test_of_several_misspelt_names_the_nearest_is_meant(tmp_path):
    for y in (4, 2, 3):
        (tmp_path / f"cond_gen_sample_{y}.pt").touch()
    for y in (2, 3):
        assert nearly(tmp_path, CONDITIONAL[y], CONDITIONAL).startswith(f"there is cond_gen_sample_{y}.pt: it must be")
    (tmp_path / "cond_gen_samples_3.pt").touch()
    assert nearly(tmp_path, "outputs/report.pdf", CONDITIONAL) == ""
