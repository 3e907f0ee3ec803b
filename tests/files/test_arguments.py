"""What commands take: whole numbers however they are written, and outputs that can be written."""

import argparse
import os

import pytest

from statesdiff.files.arguments import count, in_unicode, output
from statesdiff.files.atomic import check_output, write_atomically


@pytest.mark.parametrize(("text", "n"), [("1", 1), ("5000", 5000), ("1e3", 1000), ("2.5e1", 25), ("1_000", 1000)])
def test_a_whole_number_however_it_is_written(text, n):
    assert count(text) == n and type(count(text)) is int


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "1e-3", "many", "", "nan", "inf", "1e30"])
def test_anything_else_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"must be a whole number from 1 on, got {text}"):
        count(text)


def test_an_output_that_can_be_written_leaves_no_trace(tmp_path):
    assert output(".npy", ".pt")(str(tmp_path / "x.pt")) == tmp_path / "x.pt"
    (tmp_path / "old.npy").write_bytes(b"old")
    assert output(".npy")(str(tmp_path / "old.npy")) == tmp_path / "old.npy"
    assert [path.name for path in tmp_path.iterdir()] == ["old.npy"]


def folder(path):
    path.mkdir()


def locked(path):
    path.write_bytes(b"")
    path.chmod(0o400)


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("x.csv", None, "must end in .npy or .pt, got "),
        ("nowhere/x.npy", None, "must lie in an existing folder, there is no .*nowhere"),
        ("x.npy", folder, "must be a file, .*x.npy is a folder"),
        pytest.param(
            "x.npy",
            getattr(os, "mkfifo", None),
            "is a device or a pipe",
            marks=pytest.mark.skipif(os.name != "posix", reason="pipes have names on POSIX systems alone"),
        ),
        ("x" * 300 + ".npy", None, "cannot write .*File name too long"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_at_once(tmp_path, name, make, message):
    if make:
        make(tmp_path / name)
    with pytest.raises(argparse.ArgumentTypeError, match=message):
        output(".npy", ".pt")(str(tmp_path / name))


def test_an_output_without_permission_is_refused(tmp_path, monkeypatch):
    """For an administrator every folder may be written, so the refusal is played."""
    locked(tmp_path / "x.npy")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(ValueError, match="no permission to write"):
        check_output(tmp_path / "x.npy")

    def refuse(*_, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tempfile.TemporaryFile", refuse)
    with pytest.raises(ValueError, match=r"cannot write .*y.npy \(Permission denied\)"):
        check_output(tmp_path / "y.npy")


def test_a_name_that_just_fits_is_written(tmp_path):
    name = "x" * 251 + ".npy"
    assert write_atomically(check_output(tmp_path / name), lambda path: path.write_bytes(b"x")).read_bytes() == b"x"


def test_a_file_system_without_modes_does_not_lose_the_result(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "chmod", refuse)
    assert write_atomically(tmp_path / "x.npy", lambda path: path.write_bytes(b"hours")).read_bytes() == b"hours"


def test_what_cannot_be_moved_is_kept_and_the_error_says_where(tmp_path):
    (tmp_path / "x.npy").mkdir()
    with pytest.raises(OSError, match="cannot move the result to .*x.npy .*: it is in (.*)") as error:
        write_atomically(tmp_path / "x.npy", lambda path: path.write_bytes(b"hours"))
    with open(str(error.value).split("it is in ")[1], "rb") as file:
        assert file.read() == b"hours"


@pytest.mark.parametrize(("name", "shown"), [("données", "données"), ("a\nb\x1b", "a?b?"), ("x", "x")])
def test_a_name_as_text(name, shown):
    assert in_unicode(name) == shown


@pytest.mark.skipif(os.name != "posix", reason="elsewhere names are text already")
def test_a_name_that_the_locale_cannot_read_is_text_all_the_same():
    assert in_unicode("数据".encode().decode("ascii", "surrogateescape")) == "数据"
    assert in_unicode(b"\xff.npy".decode("utf-8", "surrogateescape")) == "\ufffd.npy"
