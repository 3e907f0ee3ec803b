"""The committed tables: how they are read, and that what the book says about them is in them."""

import pytest

from statesdiff import results
from statesdiff.data import STATE_NAMES
from statesdiff.results import table


def test_a_table_says_what_made_it() -> None:
    assert table("guidance").attrs["made by"].startswith("python benchmarks/guidance.py")
    assert "PyTorch" in table("guidance").attrs["made by"]


def test_every_committed_table_is_read_whole() -> None:
    names = [path.stem for path in results.FOLDER.glob("*.csv")]
    assert "guidance" in names
    for name in names:
        assert len(table(name)) and not table(name).isna().any(axis=None), name


@pytest.mark.parametrize("name", ["guidence", "", "../outlines", "guidance.csv"])
def test_an_unknown_name_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match=r"name must be one of \['guidance'"):
        table(name)


def test_guidance_holds_every_setting_once() -> None:
    rows = table("guidance")
    assert not rows.duplicated(["guidance", "sampler", "scale", "state"]).any()
    ancestral = rows[rows.sampler == "ancestral"]
    assert set(ancestral.scale) == {0, 0.5, 1, 2, 4, 8}
    assert len(ancestral) == 2 * 6 * len(STATE_NAMES)
    assert len(rows) == len(ancestral) + 2 * len(STATE_NAMES) + len(STATE_NAMES)


@pytest.mark.parametrize("kind", ["classifier", "classifier-free"])
@pytest.mark.parametrize("sampler", ["ancestral", "deterministic"])
def test_at_the_default_scale_every_state_is_drawn_as_promised(kind: str, sampler: str) -> None:
    rows = table("guidance")
    rows = rows[(rows.guidance == kind) & (rows.sampler == sampler) & (rows.scale == 1)].set_index("state")
    assert list(rows.index) == list(STATE_NAMES)
    assert (rows.accuracy >= 0.995).all()
    assert (rows.coverage >= 0.97).all()
    assert (rows.distance <= 0.015).all()
    assert ((rows.NLL - rows.floor).abs() <= 0.03).all()


def test_the_floors_are_those_of_real_points() -> None:
    rows = table("guidance")
    assert (rows.groupby("state").floor.nunique() == 1).all()
    real = rows[rows.guidance == "real points"]
    assert ((real.NLL - real.floor).abs() < 0.02).all() and (real.accuracy == 1).all()
