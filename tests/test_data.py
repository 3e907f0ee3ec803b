"""STATES and its outlines, and the readers for other people's files: what they read and everything they refuse."""

import hashlib
import json
import math
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from statesdiff.data import (
    JITTER,
    OUTLINES,
    STATE_NAMES,
    Dataset,
    along,
    draw,
    load_states,
    outline_points,
    outlines,
    standardise,
    states,
)
from statesdiff.metrics import nll

# The layout of the original data set: the box of each state's points and their mean, in standardised units.
BOXES = {
    "Michigan": ((-2.082, -0.157), (-0.748, 1.121), (-1.320, 0.547)),
    "Idaho": ((-1.041, -1.686), (-0.208, -0.531), (-0.680, -1.180)),
    "Ohio": ((-0.454, 0.572), (0.460, 1.514), (0.002, 1.072)),
    "Oklahoma": ((-0.114, -1.861), (1.307, -0.506), (0.665, -1.057)),
    "Wisconsin": ((0.773, 0.043), (1.841, 1.140), (1.333, 0.618)),
}
# The original's own floors: mean of -log p_KDE at its points, the density being the KDE of all 5,000.
FLOORS = {"Michigan": 2.146, "Idaho": 1.999, "Ohio": 2.049, "Oklahoma": 2.446, "Wisconsin": 2.120}


def distance_to_polylines(points, rings):
    """Distance of each point to the nearest segment, by brute force in float64."""
    start = torch.cat([ring[:-1] for ring in rings])
    step = torch.cat([ring[1:] - ring[:-1] for ring in rings])
    offset = points.double()[:, None] - start
    share = ((offset * step).sum(-1) / step.square().sum(-1)).clamp(0, 1)
    return (offset - share[..., None] * step).norm(dim=-1).min(1).values


# The committed outlines


def test_the_outlines_are_small_and_say_where_they_come_from():
    assert OUTLINES.stat().st_size < 60_000
    provenance = json.loads(OUTLINES.read_text())["provenance"]
    assert "Census" in provenance["source"] and "cb_2016_us_state_500k" in provenance["source"]
    assert "public domain" in provenance["licence"]
    assert (Path(__file__).parents[1] / provenance["made_by"].split()[-1]).is_file()


def test_five_states_in_the_order_of_the_labels():
    assert STATE_NAMES == ("Michigan", "Idaho", "Ohio", "Oklahoma", "Wisconsin")
    assert set(json.loads(OUTLINES.read_text())["outlines"]) == set(STATE_NAMES)
    assert [len(rings) for rings in outlines()] == [2, 1, 1, 1, 1]  # Michigan has two peninsulas


def test_the_rings_are_closed_and_have_no_empty_segment():
    for rings in outlines():
        for ring in rings:
            assert ring.dtype == torch.float64 and ring.shape[1] == 2 and len(ring) >= 4
            assert torch.equal(ring[0], ring[-1])
            assert ((ring[1:] - ring[:-1]).norm(dim=1) > 0).all()


@pytest.mark.parametrize("label", range(5), ids=STATE_NAMES)
def test_the_layout_is_the_original_one(label):
    low, high, mean = map(torch.tensor, BOXES[STATE_NAMES[label]])
    x = states().of_class(label)
    # A simplified outline is not the original's, and a box is two extremes of 1,000 jittered points: a tenth of a unit,
    # 3% of the picture.
    assert_close(x.min(0).values, low, rtol=0, atol=0.1)
    assert_close(x.max(0).values, high, rtol=0, atol=0.1)
    assert_close(x.mean(0), mean, rtol=0, atol=0.1)


# Points along a curve

UNIT_SQUARE = torch.tensor([[0.0, 0], [1, 0], [1, 1], [0, 1], [0, 0]], dtype=torch.float64)


def test_along_a_square_by_hand():
    got = along([UNIT_SQUARE], torch.tensor([0, 0.125, 0.25, 0.5, 0.6875, 1.0]))
    want = [[0, 0], [0.5, 0], [1, 0], [1, 1], [0.25, 1], [0, 0]]
    assert_close(got, torch.tensor(want, dtype=torch.float64), rtol=0, atol=1e-12)


def test_along_gives_each_ring_its_share_of_the_length():
    rings = [UNIT_SQUARE, 3 * UNIT_SQUARE + 10]  # lengths 4 and 12
    points = along(rings, (torch.arange(1000) + 0.5) / 1000)
    assert int((points.max(1).values < 5).sum()) == 250


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.integers(0, 4))
def test_along_stays_on_the_outline(fractions, label):
    rings = outlines()[label]
    points = along(rings, torch.tensor(fractions, dtype=torch.float64))
    assert points.shape == (len(fractions), 2)
    assert distance_to_polylines(points, rings).max() < 1e-12


@given(
    st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=3, max_size=8, unique=True),
    st.lists(st.floats(0, 1), min_size=2, max_size=10),
)
def test_along_any_closed_polyline(corners, fractions):
    ring = torch.tensor([*corners, corners[0]], dtype=torch.float64)
    u = torch.tensor(sorted(fractions), dtype=torch.float64)
    points = along([ring], u)
    assert distance_to_polylines(points, [ring]).max() < 1e-9
    length = (ring[1:] - ring[:-1]).norm(dim=1).sum()
    # the straight way between two points is never longer than the way along the curve
    assert ((points[1:] - points[:-1]).norm(dim=1) <= (u[1:] - u[:-1]) * length + 1e-9).all()


@pytest.mark.parametrize("label", range(5), ids=STATE_NAMES)
def test_points_are_uniform_in_arc_length(label):
    rings = outlines()[label]
    length = torch.cat([(ring[1:] - ring[:-1]).norm(dim=1) for ring in rings])
    points = along(rings, torch.rand(20_000, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    step = torch.cat([ring[1:] - ring[:-1] for ring in rings])
    middle = torch.cat([(ring[1:] + ring[:-1]) / 2 for ring in rings])
    # the mean of a uniform draw is the length-weighted mean of the segments' middles, its covariance follows likewise
    share = length / length.sum()
    mean = share @ middle
    second = (middle - mean).T @ (share[:, None] * (middle - mean)) + step.T @ (share[:, None] * step) / 12
    error = (second.diagonal() / len(points)).sqrt()
    assert ((points.mean(0) - mean).abs() < 4 * error).all()
    assert_close(points.T.cov(), second, rtol=0.05, atol=0.002)  # four standard errors of a variance are 4%


# The data set


def test_states_is_the_books_data_set():
    s = states()
    assert s.x.shape == (5000, 2) and s.x.dtype == torch.float32
    assert s.y.dtype == torch.int64 and torch.equal(s.y, torch.arange(5).repeat_interleave(1000))
    assert s.names == STATE_NAMES and len(s) == 5000
    # the committed outlines are rounded to five digits; the units were set by this very draw
    assert_close(s.x.mean(0), torch.zeros(2), rtol=0, atol=1e-3)
    assert_close(s.x.var(0, correction=0), torch.ones(2), rtol=0, atol=1e-3)


def test_the_same_arguments_give_the_same_points():
    a, b = states(50, seed=3), states(50, seed=3)
    assert torch.equal(a.x, b.x)
    torch.manual_seed(5)
    before = torch.get_rng_state()
    states(50)
    assert torch.equal(torch.get_rng_state(), before)


def test_the_pooled_floor_is_near_the_originals():
    x = states().x
    assert nll(x, x) == pytest.approx(2.152, abs=0.03)


@pytest.mark.parametrize("label", range(5), ids=STATE_NAMES)
def test_the_floor_of_each_state_is_near_the_originals(label):
    s = states()
    # Fresh draws differ by about 0.02, and the outline is simplified: Michigan's lakeshore most of all.
    assert nll(s.of_class(label), s.x) == pytest.approx(FLOORS[STATE_NAMES[label]], abs=0.05)


def test_held_out_draws_are_other_points_on_the_same_outline():
    a, b = states(), states(seed=1)
    assert not torch.isin(a.x, b.x).all(1).any()
    for s in (a, b):
        for label in range(5):
            off = distance_to_polylines(s.of_class(label), outlines()[label])
            # |N(0, JITTER^2)| across a straight edge has the mean sqrt(2 / pi) JITTER; at a corner the nearest edge is nearer
            assert 0.8 < off.mean() / (JITTER * math.sqrt(2 / math.pi)) < 1.02
            assert off.max() < 5 * JITTER
    # 5,000 points have a mean known to 0.014 and a variance known to 2%: four standard errors
    assert_close(b.x.mean(0), torch.zeros(2), rtol=0, atol=0.057)
    assert_close(b.x.var(0), torch.ones(2), rtol=0, atol=0.08)


@given(st.integers(1, 60), st.integers(0, 2**40), st.floats(0, 0.5))
def test_states_of_any_size_and_seed(n, seed, jitter):
    s = states(n, seed, jitter)
    assert s.x.shape == (5 * n, 2) and s.x.dtype == torch.float32 and s.x.isfinite().all()
    assert s.y.bincount().tolist() == [n] * 5
    for label in range(5):
        assert torch.equal(s.of_class(label), s.x[label * n : (label + 1) * n])


def test_without_jitter_the_points_lie_on_the_outline():
    s = states(200, seed=2, jitter=0)
    for label in range(5):
        assert distance_to_polylines(s.of_class(label), outlines()[label]).max() < 1e-6  # float32


def test_the_jitter_is_a_standard_deviation():
    assert 0.015 <= JITTER <= 0.02  # what was measured on the original
    with_jitter, without = states(2000, jitter=0.3), states(2000, jitter=0)
    noise = with_jitter.x - without.x  # the same generator, the same fractions: what differs is the noise
    assert noise.std() / 0.3 == pytest.approx(1, abs=0.02)  # 20,000 numbers: four standard errors


@pytest.mark.parametrize(
    "bad",
    [
        {"n_per_state": 0},
        {"n_per_state": -5},
        {"seed": -1},
        {"jitter": -0.1},
        {"jitter": math.nan},
        {"jitter": math.inf},
    ],
)
def test_states_refuses_senseless_arguments(bad):
    with pytest.raises(ValueError, match="states needs n_per_state >= 1"):
        states(**bad)


def test_draw_makes_a_data_set_of_any_curves():
    s = draw([[UNIT_SQUARE], [UNIT_SQUARE + 5]], 100, seed=0, jitter=0.01)
    assert s.y.tolist() == [0] * 100 + [1] * 100
    assert s.of_class(1).min() > 4.9


def test_outline_points_share_the_points_among_the_states():
    points = outline_points(1000)
    assert points.shape == (1000, 2) and points.dtype == torch.float32
    for label in range(5):
        of_state = points[200 * label : 200 * (label + 1)]
        assert distance_to_polylines(of_state, outlines()[label]).max() < 1e-6
        assert torch.equal(outline_points(200, label=label), of_state)


def test_outline_points_are_evenly_spaced():
    n = 4000
    points = outline_points(n, label=1)
    length = (outlines()[1][0][1:] - outlines()[1][0][:-1]).norm(dim=1).sum()
    gap = (points[1:] - points[:-1]).norm(dim=1)
    assert gap.max() < length / n * 1.01 and gap.median() > length / n * 0.99


@pytest.mark.parametrize("bad", [{"n": 4}, {"n": 0}, {"label": 5}, {"label": -1}, {"label": "Ohio"}])
def test_outline_points_refuses_too_few_and_unknown_states(bad):
    with pytest.raises(ValueError, match="outline_points needs n >= 5"):
        outline_points(**bad)


@given(st.integers(2, 40), st.integers(1, 5), st.floats(-100, 100), st.floats(0.01, 100), st.integers(0, 2**31))
def test_standardise(n, D, shift, scale, seed):
    x = torch.randn(n, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale + shift
    z = standardise(x)
    assert_close(z.mean(0), torch.zeros(D, dtype=torch.float64), rtol=0, atol=1e-7)
    assert_close(z.square().mean(0), torch.ones(D, dtype=torch.float64), rtol=1e-7, atol=0)
    assert_close(z, standardise(3 * x - 2), rtol=0, atol=1e-6)  # units do not matter


def test_standardise_names_the_coordinates_without_spread():
    x = torch.tensor([[1.0, 7.0, 2.0, 3.0], [2.0, 7.0, 5.0, 3.0]])
    with pytest.raises(ValueError, match=r"no spread: \[1, 3\]"):
        standardise(x)
    with pytest.raises(ValueError, match="no spread"):
        standardise(torch.ones(1, 2))


# Other people's files

X = torch.arange(12, dtype=torch.float32).reshape(6, 2) / 7
Y = torch.tensor([4, 0, 2, 2, 1, 3])


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
    s = load_states(write(tmp_path / f"states{suffix}", X, labels))
    assert isinstance(s, Dataset) and s.names == STATE_NAMES
    assert torch.equal(s.x, X) and s.x.dtype == torch.float32
    assert torch.equal(s.y, Y) and s.y.dtype == torch.int64


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
def test_points_without_labels_get_label_0(tmp_path, suffix):
    s = load_states(str(write(tmp_path / f"mine{suffix}", X, None)))
    assert torch.equal(s.x, X) and s.y.tolist() == [0] * 6


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "int64", "uint8", "bool"])
@pytest.mark.parametrize("D", [1, 2, 3, 784])
def test_any_real_array_of_any_dimension(tmp_path, dtype, D):
    x = np.arange(5 * D).reshape(5, D).astype(dtype)
    s = load_states(write(tmp_path / "mine.npy", x))
    assert s.x.dtype == torch.float32
    np.testing.assert_array_equal(s.x.numpy(), x.astype("float32"))


def test_fortran_order_and_non_contiguous_arrays_are_read_right(tmp_path):
    np.save(tmp_path / "mine.npy", np.asfortranarray(X.numpy()))
    assert torch.equal(load_states(tmp_path / "mine.npy").x, X)


def test_the_files_own_units_are_kept_unless_asked(tmp_path):
    path = write(tmp_path / "states.pt")
    assert torch.equal(load_states(path).x, X)
    assert_close(load_states(path, standardise_x=True).x, standardise(X))


def test_other_classes_can_be_named(tmp_path):
    path = write(tmp_path / "mine.npz", X, Y % 2)
    assert load_states(path, names=("left", "right")).names == ("left", "right")
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.0, got 0\.\.1"):
        load_states(path, names=("left",))


def test_the_loaded_points_are_detached_and_own_their_memory(tmp_path):
    s = load_states(write(tmp_path / "states.pt", X.clone().requires_grad_()))
    assert not s.x.requires_grad
    s = load_states(path := write(tmp_path / "mine.npy"))
    s.x[0, 0] = 99.0  # a read-only map of the file would refuse or write through
    assert float(load_states(path).x[0, 0]) == 0


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz", ".csv"])
def test_a_missing_file_is_named(tmp_path, suffix):
    with pytest.raises(FileNotFoundError, match=f"no data file at .*missing{suffix}"):
        load_states(tmp_path / f"missing{suffix}")


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="no data file"):
        load_states(tmp_path)


@pytest.mark.parametrize("name", ["states.csv", "states.pkl", "states", "states.PT"])
def test_another_suffix_is_refused_and_the_three_are_named(tmp_path, name):
    (tmp_path / name).write_text("x,y\n1,2\n")
    with pytest.raises(ValueError, match=r"give a \.pt, \.npy or \.npz file"):
        load_states(tmp_path / name)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ({"points": X, "labels": Y}, r"found \['labels', 'points'\]"),
        ({}, r"found \[\]"),
        (X, "found Tensor"),
        ([X, Y], "found list"),
        (3, "found int"),
    ],
)
def test_wrong_keys_in_a_pt_file(tmp_path, content, found):
    torch.save(content, tmp_path / "states.pt")
    with pytest.raises(ValueError, match=f"expected the keys 'data' and 'labels', {found}"):
        load_states(tmp_path / "states.pt")


def test_wrong_keys_in_an_npz_file(tmp_path):
    np.savez(tmp_path / "states.npz", x=X.numpy(), y=Y.numpy())
    with pytest.raises(ValueError, match=r"expected the keys 'data' and 'labels', found \['x', 'y'\]"):
        load_states(tmp_path / "states.npz")


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
        load_states(path)


@pytest.mark.parametrize(
    ("suffix", "message"),
    [(".pt", "plain, dense, real tensors"), (".npy", "got .*complex"), (".npz", "got .*complex")],
)
def test_complex_data_are_refused(tmp_path, suffix, message):
    path = write(tmp_path / f"mine{suffix}", torch.zeros(2, 2) * 1j, None)
    with pytest.raises(ValueError, match=message):
        load_states(path)


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_values_that_are_no_numbers_are_counted(tmp_path, suffix, value):
    x = X.clone()
    x[1, 0] = x[4, 1] = value
    path = write(tmp_path / f"mine{suffix}", x)
    with pytest.raises(ValueError, match="data has 2 values that are NaN or infinite"):
        load_states(path)


def test_values_too_large_for_float32_are_refused(tmp_path):
    path = write(tmp_path / "mine.npy", np.array([[1e300, 0.0]]))
    with pytest.raises(ValueError, match="NaN or infinite"):
        load_states(path)


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
        load_states(path)


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
        load_states(tmp_path / "states.pt")


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
        load_states(tmp_path / "states.pt")


@pytest.mark.parametrize(
    "array",
    [np.array([["a", "b"]]), np.zeros((2, 2), dtype="M8[s]"), np.zeros((2, 2), dtype=[("a", "f8")])],
    ids=["text", "dates", "records"],
)
def test_an_array_of_no_numbers(tmp_path, array):
    np.save(tmp_path / "mine.npy", array)
    with pytest.raises(ValueError, match="data and labels must be arrays of numbers"):
        load_states(tmp_path / "mine.npy")


# Broken and hostile files


@pytest.mark.parametrize("suffix", [".pt", ".npy", ".npz"])
@pytest.mark.parametrize(
    "text", ["", "a", "}q", "x,y\n1,2\n", "<html>not found</html>", '{"data": [[1, 2]]}', "\x80\x04."]
)
def test_a_text_file_with_the_wrong_name(tmp_path, suffix, text):
    path = tmp_path / f"states{suffix}"
    path.write_text(text)
    with pytest.raises(ValueError, match="refused to read it"):
        load_states(path)


def _formats(folder):
    """A good file in every format that is accepted."""
    torch.save({"data": X, "labels": Y}, folder / "zip.pt")
    np.save(folder / "plain.npy", X.numpy())
    np.savez(folder / "stored.npz", data=X.numpy(), labels=Y.numpy())
    np.savez_compressed(folder / "deflated.npz", data=X.numpy(), labels=Y.numpy())
    return sorted(folder.iterdir())


def test_every_format_is_read(tmp_path):
    for path in _formats(tmp_path):
        assert torch.equal(load_states(path).x, X), path.name


def test_the_format_that_pytorch_wrote_before_2020_is_refused_with_a_hint(tmp_path):
    torch.save({"data": X, "labels": Y}, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="save it with torch.save of PyTorch 1.6 or later"):
        load_states(tmp_path / "old.pt")


def test_a_truncated_file_is_refused_wherever_it_ends(tmp_path):
    for path in _formats(tmp_path):
        content = path.read_bytes()
        for length in {*range(0, len(content), 29), len(content) - 1}:
            path.write_bytes(content[:length])
            with pytest.raises(ValueError):
                load_states(path)


def test_a_damaged_file_is_read_or_refused_but_nothing_else(tmp_path):
    for path in _formats(tmp_path):
        content = path.read_bytes()
        for position in range(0, len(content), 17):
            damaged = bytearray(content)
            damaged[position] ^= 0xFF
            path.write_bytes(damaged)
            try:
                assert load_states(path).x.isfinite().all()
            except ValueError:
                pass


@pytest.mark.parametrize(
    ("written", "named"), [("a.npy", "a.npz"), ("a.npz", "a.npy"), ("a.pt", "a.npz"), ("a.npz", "a.pt")]
)
def test_a_file_with_the_suffix_of_another_format(tmp_path, written, named):
    write(tmp_path / written).rename(tmp_path / named)
    with pytest.raises(ValueError):
        load_states(tmp_path / named)


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
            load_states(path)
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
        load_states(path)


def test_reading_leaves_the_file_as_it_was(tmp_path):
    for path in _formats(tmp_path):
        before = hashlib.sha256(path.read_bytes()).digest()
        load_states(path)
        assert hashlib.sha256(path.read_bytes()).digest() == before


def test_standardising_remembers_the_units_of_the_file(tmp_path):
    x = np.random.default_rng(0).normal([-90, 40], [3, 0.5], (50, 2)).astype(np.float32)
    np.save(tmp_path / "x.npy", x)
    data = load_states(tmp_path / "x.npy", standardise_x=True)
    torch.testing.assert_close(data.x * data.std + data.mean, torch.from_numpy(x))
    assert load_states(tmp_path / "x.npy").mean is None
