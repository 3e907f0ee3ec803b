"""Writing a file: the old one or the new one, never half of each."""

import os
import stat

import pytest

from statesdiff.files.atomic import write_atomically


def test_the_writer_sees_a_temporary_file_with_the_right_suffix_in_the_same_folder(tmp_path):
    seen = []

    def write(temporary):
        seen.append(temporary)
        temporary.write_text("new", encoding="utf-8")

    target = tmp_path / "result.npy"
    assert write_atomically(target, write) == target
    assert target.read_text(encoding="utf-8") == "new"
    assert seen[0] != target and seen[0].parent == tmp_path and seen[0].suffix == ".npy"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failing_writer_leaves_the_old_file_and_no_litter(tmp_path, error):
    target = tmp_path / "result.pt"
    target.write_text("old", encoding="utf-8")

    def write(temporary):
        temporary.write_text("half of the n", encoding="utf-8")
        raise error

    with pytest.raises(error):
        write_atomically(target, write)
    assert target.read_text(encoding="utf-8") == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_file_is_replaced(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("a much longer old content", encoding="utf-8")
    write_atomically(str(target), lambda temporary: temporary.write_text("new", encoding="utf-8"))
    assert target.read_text(encoding="utf-8") == "new"


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be replaced elsewhere")
def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old", encoding="utf-8")
    with target.open(encoding="utf-8") as reader:
        write_atomically(target, lambda temporary: temporary.write_text("new", encoding="utf-8"))
        assert reader.read() == "old"  # the file was exchanged, not written over


def fresh_private_file(path):
    """What safetensors does: its file takes the place of the one that is there."""
    path.unlink()
    path.touch(mode=0o600)


@pytest.mark.skipif(os.name != "posix", reason="permission bits are a POSIX matter")
@pytest.mark.parametrize("write", [lambda path: path.write_text("", encoding="utf-8"), fresh_private_file])
def test_the_file_gets_the_permissions_of_an_ordinary_new_file(tmp_path, write):
    ordinary = tmp_path / "ordinary.txt"
    ordinary.write_text("", encoding="utf-8")
    written = write_atomically(tmp_path / "written.txt", write)
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="the folder .*nowhere does not exist"):
        write_atomically(tmp_path / "nowhere" / "x.pt", lambda temporary: None)
