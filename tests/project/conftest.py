"""What the tests of the grader share: a good submission, a copy of it to break, the reference and the good grade."""

import shutil

import pytest

from statesdiff.project import grade as grading
from statesdiff.project.grade import grade
from statesdiff.project.measures import Reference, measure
from tests.project.good_folder import write_good

KNOWN = {}


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    return write_good(tmp_path_factory.mktemp("class") / "ada_lovelace_project_4")


@pytest.fixture
def folder(good, tmp_path):
    return shutil.copytree(good, tmp_path / "submission")


@pytest.fixture(scope="session")
def full():
    return Reference()


@pytest.fixture(scope="module", autouse=True)
def _measured_once():
    """The same samples of the same class against the same data have the same measures: the many gradings are quick."""

    def remembered(samples, label, reference):
        key = samples.numpy().tobytes(), label, reference
        if key not in KNOWN:
            KNOWN[key] = measure(samples, label, reference)
        return KNOWN[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "measure", remembered)
        yield


@pytest.fixture(scope="module")
def good_grade(good, full, _measured_once):
    return grade(good, full)
