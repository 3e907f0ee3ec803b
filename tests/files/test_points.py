"""The readers for other people's files of points: what they read and everything they refuse."""

import hashlib
import math
import pickle
import zipfile

import numpy as np
import pytest
import torch

from statesdiff.files.points import read_points

X = torch.arange(12, dtype=torch.float32).reshape(6, 2) / 7
Y = torch.tensor([4, 0, 2, 2, 1, 3])


def read(path):
    return read_points(path, n_classes=5)


def write(path, data=X, labels=Y):
    """A well-formed file in the format that the suffix names."""
    if path.suffix == ".pt":
        torch.save({"data": data} if labels is None else {"data": data, "labels": labels}, path)
    elif path.suffix == ".npz":
        arrays = {"data": np.asarray(data)} | ({} if labels is None else {"labels": np.asarray(labels)})
        np.savez(path, **arrays)
    else:
        np.save(path, np.asarray(data))
    return path


@pytest.mark.parametrize("suffix", [".pt", ".npz"])
@pytest.mark.parametrize("labels", [Y, Y.int(), Y.to(torch.uint8)], ids=lambda y: str(y.dtype))
def test_data_and_labels_come_back_as_they_were(tmp_path, suffix, labels):
    x, y = read(write(tmp_path / f"states{suffix}", X, labels))
    assert torch.equal(x, X) and x.dtype == torch.float32
    assert torch.equal(y, Y) and y.dtype == torch.int64


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
def test_points_without_labels_get_label_0(tmp_path, suffix):
    x, y = read(str(write(tmp_path / f"mine{suffix}", X, None)))
    assert torch.equal(x, X) and y.tolist() == [0] * 6 and y.dtype == torch.int64


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("D", [1, 2, 3, 784])
def test_any_real_array_of_any_dimension(tmp_path, dtype, D):
    written = np.arange(5 * D).reshape(5, D).astype(dtype)
    x, _ = read(write(tmp_path / "mine.npy", written))
    assert x.dtype == torch.float32
    np.testing.assert_array_equal(x.numpy(), written.astype("float32"))


def test_fortran_order_and_non_contiguous_arrays_are_read_right(tmp_path):
    np.save(tmp_path / "mine.npy", np.asfortranarray(X.numpy()))
    assert torch.equal(read(tmp_path / "mine.npy")[0], X)


def test_the_loaded_points_are_detached_and_own_their_memory(tmp_path):
    x, _ = read(write(tmp_path / "states.pt", X.clone().requires_grad_()))
    assert not x.requires_grad
    x, _ = read(path := write(tmp_path / "mine.npy"))
    x[0, 0] = 99.0  # a read-only map of the file would refuse or write through
    assert float(read(path)[0][0, 0]) == 0


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz", ".csv"])
def test_a_missing_file_is_named(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match=f"no data file at .*missing{suffix}"):
        read(tmp_path / f"missing{suffix}")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no data file"):
        read(tmp_path)


@pytest.mark.parametrize("name", ["states.csv", "states.pkl", "states", "states.PT"])
def test_another_suffix_is_refused_and_the_three_are_named(tmp_path, name):
    (tmp_path / name).write_text("x,y\n1,2\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"give a \.pt, \.npy or \.npz file"):
        read(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"points": X, "labels": Y}, r"found \['labels', 'points'\]"),
        ({}, r"found \[\]"),
        ([X, Y], "found list"),
        (3, "found int"),
    ],
)
def test_wrong_keys_in_a_pt_file(tmp_path, content, found):
    torch.save(content, tmp_path / "states.pt")
    with pytest.raises(ValueError, match=f"expected the keys 'data' and 'labels', {found}"):
        read(tmp_path / "states.pt")


def test_wrong_keys_in_an_npz_file(tmp_path):
    np.savez(tmp_path / "states.npz", x=X.numpy(), y=Y.numpy())
    with pytest.raises(ValueError, match=r"expected the keys 'data' and 'labels', found \['x', 'y'\]"):
        read(tmp_path / "states.npz")


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
@pytest.mark.parametrize(
    "data",
    [
        torch.zeros(6),
        torch.zeros(2, 3, 1),
        torch.zeros(0, 2),
        torch.zeros(6, 0),
        torch.tensor(1.0),
    ],
    ids=lambda x: str(tuple(x.shape)),
)
def test_data_of_the_wrong_shape(tmp_path, suffix, data):
    path = write(tmp_path / f"mine{suffix}", data, None)
    with pytest.raises(ValueError, match=r"non-empty real array of shape \(N, D\), got \("):
        read(path)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(".pt", "plain, dense, real tensors"), (".npy", "got .*complex"), (".npz", "got .*complex")],
)
def test_complex_data_are_refused(tmp_path, suffix, message):
    path = write(tmp_path / f"mine{suffix}", torch.zeros(2, 2) * 1j, None)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_counted(tmp_path, suffix, value):
    x = X.clone()
    x[1, 0] = x[4, 1] = value
    path = write(tmp_path / f"mine{suffix}", x)
    with pytest.raises(ValueError, match="data has 2 values that are NaN or infinite"):
        read(path)


def test_values_too_large_for_float32_are_refused(tmp_path):
    path = write(tmp_path / "mine.npy", np.array([[1e300, 0.0]]))
    with pytest.raises(ValueError, match="NaN or infinite"):
        read(path)


@pytest.mark.parametrize("suffix", [".pt", ".npz"])
@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([0, 1, 2, 3, 4, 5]), r"must lie in 0\.\.4, got 0\.\.5"),
        (torch.tensor([0, 1, -1, 3, 4, 0]), r"must lie in 0\.\.4, got -1\.\.4"),
        (torch.zeros(6), r"6 integers, one per point, got \(6,\) torch.float32"),
        (torch.zeros(5, dtype=torch.int64), r"6 integers, one per point, got \(5,\)"),
        (torch.zeros(6, 1, dtype=torch.int64), r"6 integers, one per point, got \(6, 1\)"),
        (torch.tensor(0), r"6 integers, one per point, got \(\)"),
    ],
    ids=["too high", "negative", "float", "too few", "a column", "a scalar"],
)
def test_wrong_labels(tmp_path, suffix, labels, message):
    path = write(tmp_path / f"states{suffix}", X, labels)
    with pytest.raises(ValueError, match=message):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        lambda: {"data": "abc"},
        lambda: {"data": None},
        lambda: {"data": [[1.0, 2.0], [3.0]]},
        lambda: {"data": X, "labels": "abc"},
    ],
    ids=["text", "None", "ragged", "labels are text"],
)
def test_a_pt_file_whose_data_are_no_tensor(tmp_path, content):
    torch.save(content(), tmp_path / "states.pt")
    with pytest.raises(ValueError, match="data and labels must be arrays of numbers"):
        read(tmp_path / "states.pt")


@pytest.mark.parametrize(
    "content",
    [
        lambda: X.to_sparse(),
        lambda: torch.empty(3, 2, device="meta"),
        lambda: torch.nested.nested_tensor([torch.zeros(2), torch.zeros(3)]),
    ],
    ids=["sparse", "meta", "nested"],
)
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_pt_file_whose_data_are_no_plain_tensor(tmp_path, content):
    torch.save({"data": content()}, tmp_path / "states.pt")
    with pytest.raises(ValueError, match="save plain, dense, real tensors"):
        read(tmp_path / "states.pt")


@pytest.mark.parametrize(
    "array",
    [np.array([["a", "b"]]), np.zeros((2, 2), dtype="M8[s]"), np.zeros((2, 2), dtype=[("a", "f8")])],
    ids=["text", "dates", "records"],
)
def test_an_array_of_no_numbers(tmp_path, array):
    np.save(tmp_path / "mine.npy", array)
    with pytest.raises(ValueError, match="data and labels must be arrays of numbers"):
        read(tmp_path / "mine.npy")


# Broken and hostile files


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
@pytest.mark.parametrize(
    "text", ["", "a", "}q", "x,y\n1,2\n", "<html>not found</html>", '{"data": [[1, 2]]}', "\x80\x04."]
)
def test_a_text_file_with_the_wrong_name(tmp_path, suffix, text):
    path = tmp_path / f"states{suffix}"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="refused to read it"):
        read(path)


def _formats(folder):
    """A good file in every format that is accepted."""
    torch.save({"data": X, "labels": Y}, folder / "zip.pt")
    np.save(folder / "plain.npy", X.numpy())
    np.savez(folder / "stored.npz", data=X.numpy(), labels=Y.numpy())
    np.savez_compressed(folder / "deflated.npz", data=X.numpy(), labels=Y.numpy())
    return sorted(folder.iterdir())


def test_every_format_is_read(tmp_path):
    for path in _formats(tmp_path):
        assert torch.equal(read(path)[0], X), path.name


def test_the_format_that_pytorch_wrote_before_2020_is_refused_with_a_hint(tmp_path):
    torch.save({"data": X, "labels": Y}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="save it with torch.save of PyTorch 1.6 or later"):
        read(tmp_path / "old.pt")


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    for path in _formats(tmp_path):
        content = path.read_bytes()
        for length in {*range(0, len(content), 29), len(content) - 1}:
            path.write_bytes(content[:length])
            with pytest.raises(ValueError):
                read(path)


def test_a_damaged_file_is_read_or_refused_but_nothing_else(tmp_path):
    for path in _formats(tmp_path):
        content = path.read_bytes()
        for position in range(0, len(content), 17):
            damaged = bytearray(content)
            damaged[position] ^= 0xFF
            path.write_bytes(damaged)
            try:
                assert read(path)[0].isfinite().all()
            except ValueError:
                pass


@pytest.mark.parametrize(
    ("written", "named"), [("a.npy", "a.npz"), ("a.npz", "a.npy"), ("a.pt", "a.npz"), ("a.npz", "a.pt")]
)
def test_a_file_with_the_suffix_of_another_format(tmp_path, written, named):
    write(tmp_path / written).rename(tmp_path / named)
    with pytest.raises(ValueError):
        read(tmp_path / named)


class Bomb:
    """Unpickling this creates a file: it stands for any code."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def _hostile_files(folder, bomb):
    torch.save({"data": bomb, "labels": Y}, folder / "dict.pt")
    torch.save({"data": X, "labels": Y, "extra": bomb}, folder / "extra.pt")
    torch.save({"data": bomb}, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    np.save(folder / "object.npy", np.array([[bomb]], dtype=object), allow_pickle=True)
    np.savez(folder / "object.npz", data=np.array([[bomb]], dtype=object))
    np.savez(folder / "labels.npz", data=X.numpy(), labels=np.array([bomb], dtype=object))
    for suffix in (".pt", ".npy", ".npz"):
        (folder / f"raw{suffix}").write_bytes(pickle.dumps(bomb))
    return sorted(folder.iterdir())


def test_the_bomb_works(tmp_path):
    """Without this the next test could pass because its files are harmless."""
    (tmp_path / "files").mkdir()
    for path in _hostile_files(tmp_path / "files", Bomb(tmp_path / "created")):
        try:
            if path.suffix == ".pt":
                torch.load(path, weights_only=False)
            else:
                loaded = np.load(path, allow_pickle=True)
                dict(loaded) if path.stem in ("object", "labels") and path.suffix == ".npz" else None
        except Exception:
            pass
        assert (tmp_path / "created").exists(), path.name
        (tmp_path / "created").unlink()


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
def test_code_in_a_file_is_never_run(tmp_path):
    (tmp_path / "files").mkdir()
    paths = _hostile_files(tmp_path / "files", Bomb(tmp_path / "created"))
    assert len(paths) == 9
    for path in paths:
        with pytest.raises(ValueError, match="refused to read it"):
            read(path)
        assert not (tmp_path / "created").exists(), path.name


def npy_header(shape, descr="<f8"):
    """The start of a .npy file that promises an array of this shape."""
    text = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (63 - (10 + len(text)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "shape", ["(10000000000, 2)", "(10000000000000000, 2)", "(10**9, 2)", "(-3, 2)", f"({2**70}, 2)", "2"]
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_a_header_that_promises_more_than_the_file_holds_takes_no_memory(tmp_path, shape, suffix):
    path = tmp_path / f"mine{suffix}"
    content = npy_header(shape) + bytes(64)
    if suffix == ".npy":
        path.write_bytes(content)
    else:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("data.npy", content)
    with pytest.raises(ValueError, match="refused to read it"):
        read(path)


def test_reading_leaves_the_file_as_it_was(tmp_path):
    for path in _formats(tmp_path):
        before = hashlib.sha256(path.read_bytes()).digest()
        read(path)
        assert hashlib.sha256(path.read_bytes()).digest() == before
