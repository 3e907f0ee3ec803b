"""benchmarks/pictures.py without its long runs: which real images are its floors, and which tables it writes."""

import sys

import pytest
import torch

from benchmarks import pictures
from statesdiff.data import Dataset
from statesdiff.images.fashion import NAMES, fashion_mnist
from tests.images.test_fashion import needs_data


@pytest.fixture
def unequal(monkeypatch):
    """Test images in an order that has more of some classes first, each one number; `judged` gives what it was told."""
    y = torch.randint(10, (12_000,), generator=torch.Generator().manual_seed(0))
    y = torch.cat([(y == k).nonzero()[:1000, 0] for k in range(10)]).argsort() // 1000
    data = Dataset(torch.arange(10_000.0)[:, None], y, NAMES)
    monkeypatch.setattr(pictures, "fashion_mnist", lambda split: data)
    monkeypatch.setattr(pictures, "judged", lambda x, y, seed, **setting: setting | {"x": x, "y": y})
    return data


def test_floors_have_as_many_of_each_class_as_samples_and_no_image_twice(unequal):
    assert unequal.y[:1000].bincount().tolist() != [100] * 10
    rows = [row for seed in range(pictures.SEEDS["floor"]) for row in pictures.floor(seed) if "shirts" not in row]
    for n in (1000, 5000):
        sets = [row for row in rows if row["n"] == n]
        assert len(sets) >= 2 and all(row["y"].bincount().tolist() == [n // 10] * 10 for row in sets)
        assert all(torch.equal(unequal.y[row["x"][:, 0].long()], row["y"]) for row in sets)
        assert len(torch.cat([row["x"] for row in sets]).unique()) == n * len(sets)


@needs_data
def test_no_end_of_a_path_is_among_the_images_that_its_middle_is_held_against(monkeypatch):
    monkeypatch.setattr(pictures, "features", lambda classifier, x: x)
    ends = torch.cat([chosen[: pictures.PAIRS] for chosen in pictures.half_and_full(fashion_mnist("test"))])
    against = pictures.real_features.__wrapped__()
    assert len(against) == 2000 and torch.cdist(ends.flatten(1), against.flatten(1)).min() > 1


@pytest.mark.parametrize(
    ("asked", "studies", "tables"),
    [
        ([], {*pictures.STUDIES, "between"}, ["pictures", "pictures-between"]),
        (["steps", "between"], {"steps", "between"}, ["pictures-between"]),
        (["between"], {"between"}, ["pictures-between"]),
        (["floor", "steps"], {"floor", "steps"}, []),
    ],
)
def test_what_is_asked_for_is_made_and_a_table_is_whole(monkeypatch, tmp_path, asked, studies, tables):
    made, wrote = [], []
    monkeypatch.setattr(sys, "argv", ["pictures.py", *asked])
    monkeypatch.setattr(pictures, "KEPT", tmp_path)
    monkeypatch.setattr(pictures, "run_all", lambda run, keys, folder: made.extend(keys) or [{}])
    monkeypatch.setattr(pictures, "written", lambda frame, name, about: wrote.append(name))
    pictures.main()
    assert {key[0] for key in made} == studies and wrote == tables
    assert sum(key[0] == "between" for key in made) == pictures.PAIRS * ("between" in studies)
