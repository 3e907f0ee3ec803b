"""The real images that come with the package, how pictures are shown, and how long a sleeve is."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from PIL import Image

from statesdiff.images.fashion import fashion_mnist
from statesdiff.images.garments import SAMPLE, garments, in_bytes, save_sheet, sheet, show, sleeves
from statesdiff.images.metrics import accuracy, within
from statesdiff.images.pretrained import fashion_classifier
from statesdiff.rng import randn, stream
from tests.images.test_fashion import needs_data


def test_the_sample_is_small_and_balanced():
    assert SAMPLE.stat().st_size <= 300_000
    for part, n in (("train", 40), ("test", 20), ("neighbours", 1)):
        data = garments(part)
        assert data.x.shape == (10 * n, 1, 28, 28) and len(data.names) == 10
        assert part == "neighbours" or data.y.bincount().tolist() == [n] * 10
    for answer in ("eps", "x_0"):
        assert garments(f"perceptron {answer}").x.shape == (8, 1, 28, 28)
    assert accuracy(fashion_classifier(), garments("test").x, garments("test").y) > 0.85
    with pytest.raises(
        ValueError, match="part must be one of train, test, neighbours, perceptron eps, perceptron x_0; got 'all'"
    ):
        garments("all")


@needs_data
def test_the_sample_is_real():
    test, sample = fashion_mnist("test"), garments("test")
    for k in range(10):
        assert torch.equal(sample.of_class(k), test.of_class(k)[:20])


def test_bytes_and_back():
    sample = garments("test").x
    assert np.array_equal(in_bytes(sample), ((sample + 1) * 127.5).round().byte().numpy())
    assert in_bytes(torch.tensor([[-3.0, 3.0]])).tolist() == [[0, 255]]


def test_a_sheet_has_each_image_in_its_place(tmp_path):
    x = garments("test").x[::30]  # seven of them
    page = sheet(x, columns=3)
    assert page.shape == (3 * 30 - 2, 3 * 30 - 2) and page.dtype == np.uint8
    assert np.array_equal(255 - page[30:58, 60:88], in_bytes(x[5, 0])) and (page[:, 28:30] == 255).all()
    assert (page[60:, 30:] == 255).all()  # no image there
    save_sheet(tmp_path / "a.png", x, columns=3)
    saved = np.asarray(Image.open(tmp_path / "a.png"))
    assert np.array_equal(saved[1::3, 1::3], page) and saved.shape == (264, 264)


def test_a_figure_shows_the_sheet():
    ax = show(garments("test").x[:4], columns=2, rows=("a", "b"), title="four")
    assert np.array_equal(ax.images[0].get_array(), sheet(garments("test").x[:4], 2)) and ax.get_title() == "four"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["a", "b"]
    plt.close("all")


def shirt(rows: int, ink: float = 1.0) -> torch.Tensor:
    """A body of fourteen columns with sleeves that reach down so many rows."""
    x = torch.zeros(1, 28, 28)
    x[:, 2:27, 7:21] = ink
    x[:, 2:rows, 2:26] = ink
    return 2 * x - 1


def test_sleeves_are_as_long_as_they_were_drawn_whatever_the_colour():
    rows = [2, 9, 12, 20, 28]
    for ink in (1.0, 0.3):
        assert sleeves(torch.stack([shirt(n, ink) for n in rows])).tolist() == [0.0, *rows[1:]]
    one_sided = torch.cat([shirt(20)[..., :14], shirt(10)[..., 14:]], dim=2)
    assert sleeves(one_sided[None]).tolist() == [15.0]
    shadow = torch.where(shirt(28) > shirt(10), torch.tensor(-0.4), shirt(10))  # 0.3 of the ink below row 10
    assert sleeves(shadow[None]).tolist() == [10.0]


@needs_data
def test_most_shirts_have_short_sleeves_and_most_pullovers_long_ones():
    data = fashion_mnist("test")
    shirts, pullovers = (sleeves(data.of_class(k)) for k in (0, 2))
    assert ((shirts > 8) & (shirts < 15)).double().mean() > 0.6 and (pullovers > 25).double().mean() > 0.85


# Recall and precision


def test_within_by_its_definition():
    a, b = (randn(n, 3, generator=stream(name)).double() for n, name in ((30, "a"), (40, "b")))
    reach = [sorted(float((p - q).norm()) for q in b)[3] for p in b]
    expected = np.mean([any((p - q).norm() <= r for q, r in zip(b, reach, strict=True)) for p in a])
    assert within(a, b, k=3) == pytest.approx(expected) and 0 < expected < 1
    assert within(b, b) == 1 and within(a + 100, b) == 0


def test_half_of_the_kinds_is_half_of_the_recall_and_all_of_the_precision():
    kinds = torch.cat([randn(200, 2, generator=stream("one")), 50 + randn(200, 2, generator=stream("two"))]).double()
    same = torch.cat([randn(200, 2, generator=stream("3")), 50 + randn(200, 2, generator=stream("4"))]).double()
    half = randn(400, 2, generator=stream("5")).double()
    assert within(same, kinds) > 0.95 and within(half, kinds) > 0.95
    assert within(kinds, half) == pytest.approx(0.5, abs=0.04)


@pytest.mark.parametrize(
    ("a", "b", "k"), [((5,), (5, 2), 3), ((5, 2), (5, 3), 3), ((5, 2), (3, 2), 3), ((5, 2), (5, 2), 0)]
)
def test_within_wants_two_clouds_and_enough_neighbours(a, b, k):
    with pytest.raises(ValueError, match=r"needs \(n, F\), \(m, F\) and 1 <= k < m"):
        within(torch.zeros(a), torch.zeros(b), k)
