"""The committed tables: how they are read, and that what the book says about them is in them."""

import math

import pandas as pd
import pytest

from statesdiff import results
from statesdiff.ablations.configs import Config, Sampling
from statesdiff.ablations.studies import STUDIES
from statesdiff.data import STATE_NAMES
from statesdiff.results import compare, floor, pivot, table, trained, with_published, write


def test_a_table_says_what_made_it() -> None:
    assert table("guidance").attrs["made by"].startswith("python benchmarks/guidance.py")
    assert "PyTorch" in table("guidance").attrs["made by"]


MEASURES = ("EMD", "EMD (total)", "NLL (kernel)", "value", "accuracy", "TV")
# tables that have none of these, or for some rows alone, and what all their rows have
JUDGED_BY = {
    "few-steps": "distance",
    "few-steps-training": "distance",
    "flow-straight": "EMD 5",
    "likelihood": "KL",
    "pictures": "n",
    "pictures-between": "largest step",
}


def test_every_committed_table_is_read_whole() -> None:
    names = [path.stem for path in results.FOLDER.glob("*.csv")]
    assert "guidance" in names
    for name in names:
        rows = table(name)
        assert len(rows) and not rows.isna().all(axis=None), name
        measures = [JUDGED_BY[name]] if name in JUDGED_BY else [c for c in rows if c in MEASURES]
        assert measures and not rows[measures].isna().any(axis=None), name


@pytest.mark.parametrize("name", ["guidence", "", "../outlines", "guidance.csv"])
def test_an_unknown_name_is_answered_with_those_there_are(name: str) -> None:
    with pytest.raises(ValueError, match=r"name must be one of \['"):
        table(name)


def test_guidance_holds_every_setting_once() -> None:
    rows = table("guidance")
    assert list(rows)[:4] == ["method", "sampler", "guidance", "state"]  # the way, the strength
    assert not rows.duplicated(["method", "sampler", "guidance", "state"]).any()
    assert set(rows.method) == {"classifier", "classifier-free", "real points"}
    ancestral = rows[rows.sampler == "ancestral"]
    assert set(ancestral.guidance) == {0, 0.5, 1, 2, 4, 8}
    assert len(ancestral) == 2 * 6 * len(STATE_NAMES)
    assert len(rows) == len(ancestral) + 2 * len(STATE_NAMES) + len(STATE_NAMES)


@pytest.mark.parametrize("method", ["classifier", "classifier-free"])
@pytest.mark.parametrize("sampler", ["ancestral", "deterministic"])
def test_at_the_default_strength_every_state_is_drawn_as_promised(method: str, sampler: str) -> None:
    rows = table("guidance")
    rows = rows[(rows.method == method) & (rows.sampler == sampler) & (rows.guidance == 1)].set_index("state")
    assert list(rows.index) == list(STATE_NAMES)
    assert (rows.accuracy >= 0.995).all()
    assert (rows.coverage >= 0.97).all()
    assert (rows.distance <= 0.015).all()
    assert ((rows.NLL - rows.floor).abs() <= 0.03).all()


def test_the_floors_are_those_of_real_points() -> None:
    rows = table("guidance")
    assert (rows.groupby("state").floor.nunique() == 1).all()
    real = rows[rows.method == "real points"]
    assert ((real.NLL - real.floor).abs() < 0.02).all() and (real.accuracy == 1).all()


SETTING = ["network", "method", "scale", "above", "up to", "state"]


def test_every_training_of_guided_networks_has_every_setting_once() -> None:
    rows = table("guidance-trainings")
    per_seed = [set(map(tuple, part[SETTING].to_numpy())) for _, part in rows.groupby("seed")]
    assert len(per_seed) >= 2 and all(settings == per_seed[0] for settings in per_seed)
    assert not rows.duplicated([*SETTING, "seed"]).any()
    assert set(rows.method) == {"-", "classifier", "classifier-free", "worse copy"}


def test_walks_with_the_exact_score_reach_the_tilted_density_and_without_walks_nothing_does() -> None:
    rows = table("guidance-walks").groupby(["score", "walks", "h", "t"])[["TV", "TV floor"]].mean()
    above = rows.TV - rows["TV floor"]
    assert (above.loc["exact", 30, 0.2] < 0.05).all()
    assert (above.xs(0, level="walks") > 0.3).all()


# Tables of sweeps

SETTINGS = {"units": "minmax", "beta_1": 1e-4, "network": "raw", "labelled": False}


def sweep_table() -> pd.DataFrame:
    networks = [
        {"data": data, "T": T, **SETTINGS, "seed": seed, "steps": 112, "loss": 0.5, "EMD": T + seed, "accuracy": 1.0}
        for data in ("moons", "blobs")
        for T in (500, 10)
        for seed in (0, 1)
    ]
    real = [
        {"data": data, "units": "minmax", "network": "real", "seed": seed, "EMD": 0.1 * (1 + seed), "accuracy": 0.9}
        for data in ("moons", "blobs")
        for seed in (0, 1)
    ]
    return pd.DataFrame(networks + real)


def test_the_rows_of_networks_and_of_real_points_are_told_apart() -> None:
    frame = sweep_table()
    networks, real = trained(frame), floor(frame)
    assert set(networks.network) == {"raw"} and set(real.network) == {"real"}
    pd.testing.assert_frame_equal(pd.concat([networks, real]), frame)
    assert len(networks) == 8 and real["T"].isna().all()
    assert trained(real).empty and floor(networks).empty


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    return tmp_path


def test_what_was_written_is_read_again(folder) -> None:
    frame = sweep_table()
    frame.loc[0, "EMD"] = math.nan
    frame.loc[1, "EMD"] = 1 / 3
    assert write(frame, folder / "x.csv", "statesdiff ablate x: about; 3 s") == folder / "x.csv"
    again = table("x")
    kept = frame.drop(columns=["units", "beta_1", "labelled"])
    pd.testing.assert_frame_equal(again, kept, rtol=1e-4, check_dtype=False)
    assert math.isnan(again.EMD[0]) and again.EMD[1] == 0.33333  # five digits
    command, versions, shared = again.attrs["made by"].splitlines()
    assert command == "statesdiff ablate x: about; 3 s" and "PyTorch" in versions and "Python" in versions
    assert shared == "in every row: units minmax, beta_1 0.0001, labelled False"


def test_only_settings_are_drawn_out_of_the_table(folder) -> None:
    one = sweep_table().query("T == 10 and seed == 0 and data == 'moons' or network == 'real' and data == 'moons'")
    write(one, folder / "one.csv", "x")
    again = table("one")
    # one row trained: the floors' measures differ from its own, and pivot wants the data
    assert {"data", "network", "seed", "EMD", "accuracy", "loss", "steps"} == set(again)
    assert again.EMD.to_list() == [10, 0.1, 0.2]


def test_few_repeats_are_shown_by_their_ends() -> None:
    frame = pd.DataFrame({"way": ["b", "a", "b"], "x": [2.0, 0.123456, -1], "y": [1, None, 1]})
    shown = results.ranges(frame, "way", ["x", "y"])
    assert list(shown.index) == ["b", "a"]  # in their order
    assert shown.x.to_list() == ["-1 to 2", "0.1235 to 0.1235"] and shown.y.to_list() == ["1 to 1", ""]


def test_repeats_are_shown_by_their_intervals() -> None:
    frame = pd.DataFrame({"way": ["b", "a", "b", "a"], "x": [2.0, 1, 4, 1], "y": [None, 1, None, 3]})
    shown = results.intervals(frame, "way", ["x", "y"])
    assert list(shown.index) == ["b", "a"]  # in their order
    # 12.7062 of Student's t with one degree of freedom, times 1
    assert shown.x.to_list() == ["3 ± 13", "1 ± 0"] and shown.y.to_list() == ["", "2 ± 13"]
    with pytest.raises(ValueError, match="at least 2 repeats"):
        results.intervals(frame[:2], "way", ["x"])


def test_a_setting_that_nobody_gave_is_not_mentioned(folder) -> None:
    write(sweep_table().assign(units=None), folder / "x.csv", "x")
    assert "in every row: beta_1 0.0001, labelled False" in table("x").attrs["made by"]


@pytest.mark.parametrize("written", [False, True])
def test_pivot_has_a_column_for_each_setting_in_their_order_and_the_floor_last(folder, written) -> None:
    frame = sweep_table()
    if written:
        write(frame, folder / "x.csv", "x")
        frame = table("x")
    shown = pivot(frame, "T", "EMD")
    assert list(shown.index) == ["moons", "blobs"] and list(shown.columns) == [500, 10, "floor"]
    assert [type(column) for column in shown.columns] == [int, int, str]
    # two values a apart: standard error a / 2, times the quantile 12.706 of Student's t with one degree of freedom
    assert shown.loc["moons"].to_list() == ["500.5 ± 6.4", "10.5 ± 6.4", "0.15 ± 0.64"]
    assert shown.columns.name == "EMD, by T" and shown.index.name is None


def test_pivot_shows_our_own_settings_beside_the_others() -> None:
    ours = sweep_table().query("T == 10 or network == 'real'").assign(T=7, EMD=lambda rows: rows.EMD + 1)
    shown = pivot(sweep_table(), "T", "EMD", ours=ours)
    assert list(shown.columns) == [500, 10, "floor", "ours"]
    assert shown.loc["blobs"].to_list() == ["500.5 ± 6.4", "10.5 ± 6.4", "0.15 ± 0.64", "11.5 ± 6.4"]


def test_pivot_by_another_index_and_without_floors() -> None:
    shown = pivot(trained(sweep_table()), "data", "EMD", index="T")
    assert list(shown.columns) == ["moons", "blobs"] and [int(T) for T in shown.index] == [500, 10]
    assert shown.loc[10, "blobs"] == "10.5 ± 6.4"


def test_published_figures_stand_above_the_repeated_ones() -> None:
    shown = with_published(pivot(table("timesteps"), "T", "EMD (total)"), "timesteps", "EMD (total)")
    assert shown.loc[("blobs", "published"), 10] == 88.78 and shown.loc[("blobs", "published"), "floor"] == ""
    assert list(shown.index[:2]) == [("moons", "published"), ("moons", "repeated")]
    assert "±" in shown.loc[("helix", "repeated"), "floor"] and "±" in shown.loc[("helix", "repeated"), 500]


def test_a_table_that_nobody_published_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is published as 'timesteps' in 'coverage'"):
        with_published(pivot(table("timesteps"), "T", "EMD"), "timesteps", "coverage")


def test_pivot_shows_a_diverged_network_as_no_number() -> None:
    frame = sweep_table()
    frame.loc[0, "EMD"] = math.nan
    assert pivot(frame, "T", "EMD").loc["moons"].to_list() == ["nan ± nan", "10.5 ± 6.4", "0.15 ± 0.64"]


def test_one_seed_has_no_interval() -> None:
    with pytest.raises(ValueError, match="an interval needs at least 2 repeats, got 1"):
        pivot(sweep_table().query("seed == 0"), "T", "EMD")


def test_compare_subtracts_seed_by_seed() -> None:
    frame = sweep_table()
    frame.loc[(frame["T"] == 10) & (frame.data == "blobs"), "EMD"] = [499.0, 502.0]  # where 500 and 501 are the others
    shown = compare(frame, "T", "EMD", reference=500)
    assert list(shown.index) == ["moons", "blobs"] and list(shown.columns) == [10]
    assert shown.columns.name == "EMD, less that of 500" and shown.index.name is None
    # differences -1 and 1: standard error 1, times 25.452, Student's t for two intervals that hold at once
    assert shown[10].to_list() == ["-490 ± 0 *", "+0 ± 25"] and shown.attrs["level"] == 0.975


def test_one_interval_is_not_corrected() -> None:
    frame = sweep_table().query("data == 'moons' and network != 'real'").reset_index(drop=True)
    frame["EMD"] = [0.0, 0.0, 7.0, 9.0]
    shown = compare(frame, "T", "EMD", 500)
    assert shown.loc["moons", 10] == "+8 ± 13" and shown.attrs["level"] == 0.95


def test_a_margin_is_a_share_of_the_floor_of_the_row() -> None:
    frame = sweep_table()
    networks = frame.network != "real"
    frame.loc[networks, "EMD"] = frame[networks].seed + (frame[networks]["T"] == 10) * frame[networks].seed * 0.001
    frame.loc[~networks & (frame.data == "moons"), "EMD"] = 10.0
    frame.loc[~networks & (frame.data == "blobs"), "EMD"] = 0.1
    # differences 0 and 0.001: half-width 0.0005 * 25.452
    assert compare(frame, "T", "EMD", 500, margin=0.01)[10].to_list() == ["+0.000 ± 0.013 =", "+0.000 ± 0.013"]


def test_floors_that_know_no_setting_are_one_floor() -> None:
    frame = sweep_table().query("data == 'moons'").assign(network=lambda f: f.network)
    frame.loc[frame.network != "real", "depth"] = 3
    shown = compare(frame, "T", "EMD", 500, index="depth", margin=1e6)
    assert shown[10].to_list()[0].endswith("=")


def test_a_margin_needs_floors() -> None:
    with pytest.raises(ValueError, match="margin = 0.05 is a share of the floor, but the sweep has no floor of EMD"):
        compare(trained(sweep_table()), "T", "EMD", 500, margin=0.05)


def test_compare_wants_the_same_seeds_everywhere() -> None:
    frame = sweep_table()
    fewer = frame[~((frame.data == "blobs") & (frame["T"] == 10) & (frame.seed == 1))]
    with pytest.raises(ValueError, match=r"blobs: all settings must have the same seeds .*, got \{10: 1, 500: 2\}"):
        compare(fewer, "T", "EMD", reference=500)


def test_compare_wants_a_reference_that_there_is() -> None:
    with pytest.raises(ValueError, match=r"reference must be one of \[500, 10\], got 100"):
        compare(sweep_table(), "T", "EMD", reference=100)


@pytest.mark.parametrize("data", ["moons", "circles", "blobs", "manycircles", "helix"])
def test_the_settings_of_the_ablations_reach_the_floor(data: str) -> None:
    rows = table("best")
    rows = rows[rows.data == data]
    drawn, real = trained(rows), floor(rows)
    assert len(drawn) == len(real) >= 5
    assert drawn["EMD (total)"].mean() <= 1.05 * real["EMD (total)"].mean()


SETTINGS_OF = {
    "timesteps": 30,
    "timesteps-matched": 60,
    "betas": 30,
    "shapes": 25,
    "sampling-steps": 32,
    "rungs": 6,
    "toy-guidance": 45,
    "toy-guidance-best": 45,
    "surface-epochs": 6,
    "surface-depth": 6,
    "surface-timesteps": 10,
    "surface-schedules": 15,
    "surface-best": 2,
    "epochs": 16,
    "epochs-averaged": 3,
    "memorisation": 10,
    "depth": 40,
    "smallest": 7,
    "activations": 4,
    "sharper": 8,
    "best": 5,
}


def test_every_study_has_its_table() -> None:
    assert set(SETTINGS_OF) == set(STUDIES)


@pytest.mark.parametrize(("name", "settings"), SETTINGS_OF.items())
def test_a_table_has_every_setting_from_five_seeds_or_more(name: str, settings: int) -> None:
    rows = table(name)
    assert f"statesdiff ablate {name} --full --seeds " in rows.attrs["made by"]
    networks, real = trained(rows), floor(rows)
    first = STUDIES[name].first_seed
    seeds = max(rows.seed) + 1 - first
    assert seeds >= 5 and set(networks.seed) == set(real.seed) == set(range(first, first + seeds))
    assert len(networks) == seeds * settings


@pytest.mark.parametrize("name", SETTINGS_OF)
def test_a_table_was_made_with_the_settings_of_its_study_as_they_are_now(name: str) -> None:
    rows = table(name)
    planned = pd.DataFrame([c.row(way) for c in STUDIES[name].configs() for way in c.samplings])
    varied = [column for column in planned if column in rows]
    as_text = [
        {tuple(str(_plain(v)) for v in row) for row in frame[varied].itertuples(index=False)}
        for frame in (planned, trained(rows))
    ]
    assert as_text[0] == as_text[1]
    shared = rows.attrs["made by"].splitlines()[-1].replace(".0,", ",").removesuffix(".0") + ","
    for column in planned.columns.difference(varied):
        (value,) = set(planned[column].map(_plain))
        assert value is None or f" {column} {value}," in shared, column


def _plain(value: object) -> object:
    """A setting as the tables show it: five digits, and a whole number without its point."""
    if isinstance(value, float):
        return None if math.isnan(value) else int(value) if value.is_integer() else f"{value:.5g}"
    return value


@pytest.mark.parametrize("data", ["moons", "circles", "blobs", "manycircles", "helix"])
def test_with_our_settings_just_asking_is_best(data: str) -> None:
    rows = table("toy-guidance-best")
    rows = rows[rows.data == data]
    asked = {strength: part["EMD of a class (total)"].mean() for strength, part in rows.groupby("guidance")}
    real = floor(rows)
    assert asked[1] <= 1.1 * real["EMD of a class (total)"].mean()
    assert min(asked, key=asked.get) == 1
    accuracy = rows[rows.guidance == 1].accuracy.mean()
    assert abs(accuracy - real.accuracy.mean()) < 0.04


@pytest.mark.parametrize(
    ("mean", "half_width", "shown"),
    [
        (0.95712, 0.0128, "0.957 ± 0.013"),
        (79.24, 13.4, "79 ± 13"),
        (100.2, 123.4, "100 ± 123"),
        (0.9998, 0.00046, "0.99980 ± 0.00046"),
        (12.345, 0.0, "12.3 ± 0"),
        (math.nan, math.nan, "nan ± nan"),
    ],
)
def test_an_interval_is_rounded_to_two_digits_of_its_half_width(mean: float, half_width: float, shown: str) -> None:
    frame = sweep_table().query("network == 'raw' and T == 10 and data == 'moons'")
    apart = half_width / 12.7062  # of two seeds: half their difference times Student's quantile
    assert pivot(frame.assign(EMD=[mean - apart, mean + apart]), "T", "EMD").loc["moons", 10] == shown


def test_every_sweep_names_its_settings_as_the_configurations_do() -> None:
    known = list(Config().row(Sampling()))
    for name in STUDIES:
        columns = list(table(name))
        settings = columns[: columns.index("seed")]
        assert settings == [column for column in known if column in settings], name
