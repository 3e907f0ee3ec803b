"""The named random streams and the atomic writer."""

import os
import stat

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from statesdiff.files import write_atomically
from statesdiff.rng import randn, stream

NAMES = ("data", "init", "train", "sample")


def draw(generator):
    return torch.rand(8, generator=generator)


@given(st.text(min_size=1, max_size=10), st.integers(0, 2**70))
def test_a_stream_depends_on_its_name_and_seed_alone(name, seed):
    first = draw(stream(name, seed))
    torch.manual_seed(123)
    assert torch.equal(draw(stream(name, seed)), first)


def test_streams_of_other_names_and_seeds_differ():
    draws = {tuple(draw(stream(name, seed)).tolist()) for name in NAMES for seed in range(50)}
    assert len(draws) == 50 * len(NAMES)


def test_drawing_from_a_stream_leaves_the_global_state_alone():
    before = torch.get_rng_state()
    randn(5, 2, generator=stream("data"))
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(("name", "seed"), [("", 0), ("data", -1)])
def test_a_stream_refuses_no_name_and_a_negative_seed(name, seed):
    with pytest.raises(ValueError, match="non-empty name and a seed >= 0"):
        stream(name, seed)


def test_randn_is_standard_normal():
    x = randn(200_000, 2, generator=stream("data"))
    assert x.shape == (200_000, 2) and x.dtype == torch.float32
    # 400,000 numbers: the standard errors of mean, variance and fourth moment are 0.0016, 0.0022 and 0.016; five of each
    assert abs(x.mean()) < 0.008
    assert abs(x.var() - 1) < 0.012
    assert abs(x.pow(4).mean() - 3) < 0.08


def test_randn_follows_its_generator_or_else_the_global_seed():
    assert torch.equal(randn(4, generator=stream("a")), torch.randn(4, generator=stream("a")))
    torch.manual_seed(7)
    want = torch.randn(4)
    torch.manual_seed(7)
    assert torch.equal(randn(4), want)


def test_the_writer_sees_a_temporary_file_with_the_right_suffix_in_the_same_folder(tmp_path):
    seen = []

    def write(temporary):
        seen.append(temporary)
        temporary.write_text("new")

    target = tmp_path / "result.npy"
    assert write_atomically(target, write) == target
    assert target.read_text() == "new"
    assert seen[0] != target and seen[0].parent == tmp_path and seen[0].suffix == ".npy"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failing_writer_leaves_the_old_file_and_no_litter(tmp_path, error):
    target = tmp_path / "result.pt"
    target.write_text("old")

    def write(temporary):
        temporary.write_text("half of the n")
        raise error

    with pytest.raises(error):
        write_atomically(target, write)
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_an_existing_file_is_replaced(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("a much longer old content")
    write_atomically(str(target), lambda temporary: temporary.write_text("new"))
    assert target.read_text() == "new"


@pytest.mark.skipif(os.name != "posix", reason="an open file cannot be replaced elsewhere")
def test_a_reader_of_the_old_file_is_not_disturbed(tmp_path):
    target = tmp_path / "result.txt"
    target.write_text("old")
    with target.open() as reader:
        write_atomically(target, lambda temporary: temporary.write_text("new"))
        assert reader.read() == "old"  # the file was exchanged, not written over


def fresh_private_file(path):
    """What safetensors does: its file takes the place of the one that is there."""
    path.unlink()
    path.touch(mode=0o600)


@pytest.mark.skipif(os.name != "posix", reason="permission bits are a POSIX matter")
@pytest.mark.parametrize("write", [lambda path: path.write_text(""), fresh_private_file])
def test_the_file_gets_the_permissions_of_an_ordinary_new_file(tmp_path, write):
    ordinary = tmp_path / "ordinary.txt"
    ordinary.write_text("")
    written = write_atomically(tmp_path / "written.txt", write)
    assert stat.S_IMODE(written.stat().st_mode) == stat.S_IMODE(ordinary.stat().st_mode)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="the folder .*nowhere does not exist"):
        write_atomically(tmp_path / "nowhere" / "x.pt", lambda temporary: None)
