"""Committed tables of what takes longer than a notebook may: read by `table`, made by `write`; and how to show them."""

import csv
import platform
from functools import partial
from pathlib import Path

import pandas as pd
import torch

from statesdiff.files.atomic import write_atomically
from statesdiff.intervals import corrected, interval, verdict

FOLDER = Path(__file__).parent


def table(name: str) -> pd.DataFrame:
    """The committed table of that name; `.attrs["made by"]` has the command, the versions and the machine.

    Raises ValueError, with the names there are, for another name.
    """
    path = FOLDER / f"{name}.csv"
    if path not in FOLDER.glob("*.csv"):
        raise ValueError(f"name must be one of {sorted(p.stem for p in FOLDER.glob('*.csv'))}, got {name!r}")
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    frame = pd.read_csv(path, comment="#")
    frame.attrs["made by"] = "\n".join(comments)
    return frame


def trained(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a sweep that belong to networks."""
    return frame[frame.network != "real"]


def floor(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of a sweep that are floors: real points, judged in the same way."""
    return frame[frame.network == "real"]


def write(frame: pd.DataFrame, path: Path, made_by: str) -> Path:
    """Write a sweep's table, five digits a number, under a comment: `made_by`, the versions, and what all rows share.

    Settings, the columns before the seed, that are the same in every trained row stand in that comment, not in the
    table.
    """
    networks = trained(frame)
    settings = list(frame)[: list(frame).index("seed")]  # a measure may be constant too, yet differ from its floor
    same = [c for c in settings if c not in ("data", "network") and networks[c].nunique(dropna=False) == 1]
    shared = ", ".join(f"{c} {networks[c].iloc[0]}" for c in same if pd.notna(networks[c].iloc[0]))
    versions = f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}"
    lines = [made_by, f"{versions}, {len(processors())} x {processors()[0]}", f"in every row: {shared}"]
    rows = frame.drop(columns=same)
    # a name with the sign of a comment in it has to be quoted
    quoting = csv.QUOTE_NONNUMERIC if rows["data"].str.contains("#").any() else csv.QUOTE_MINIMAL
    text = "".join(f"# {line}\n" for line in lines) + rows.to_csv(index=False, float_format="%.5g", quoting=quoting)
    return write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def pivot(
    frame: pd.DataFrame, columns: str, value: str, index: str = "data", ours: pd.DataFrame | None = None
) -> pd.DataFrame:
    """A sweep's rows as "mean ± half-width" over the seeds, at 95%: a row for each `index`, a column for each setting.

    Then the floor, real points judged in the same way, if the rows have any. `ours`, the rows of another sweep with one
    setting for each `index`, are the last column.
    """
    names = _names(frame[columns])
    shown = frame.assign(setting=names.where(frame.network != "real", "floor"))
    if ours is not None:
        shown = pd.concat([shown, trained(ours).assign(setting="ours")])
    cells = shown.groupby([index, "setting"], sort=False)[value].apply(_mean_and_interval).unstack()
    return cells.rename_axis(index=None, columns=f"{value}, by {columns}")


def with_published(shown: pd.DataFrame, name: str, measure: str) -> pd.DataFrame:
    """Above each row of a `pivot` the figures of the published table `name`: single runs, for the settings it has.

    Raises ValueError if nothing is published by that name and measure.
    """
    printed = table("published").query("table == @name and measure == @measure")
    if printed.empty:
        raise ValueError(f"nothing is published as {name!r} in {measure!r}")
    values = printed.set_index(["data", "setting"]).value.to_dict()
    rows = {}
    for data, row in shown.iterrows():
        rows[data, "published"] = [values.get((data, str(setting)), "") for setting in shown]
        rows[data, "repeated"] = [value if isinstance(value, str) else "" for value in row]  # none for one of them
    index = pd.MultiIndex.from_tuples(rows)
    return pd.DataFrame(list(rows.values()), index=index, columns=shown.columns, dtype=object)


def ranges(frame: pd.DataFrame, by: str | list[str], measures: list[str]) -> pd.DataFrame:
    """The rows of each setting as "lowest to highest", four digits, where repeats are too few for an interval.

    Nothing stands where no row has the measure.
    """
    found = frame.groupby(by, sort=False)[measures].agg(["min", "max"])
    text = {
        m: ["" if low != low else f"{low:.4g} to {high:.4g}" for low, high in found[m].to_numpy()] for m in measures
    }
    return pd.DataFrame(text, index=found.index)


def intervals(frame: pd.DataFrame, by: str | list[str], measures: list[str]) -> pd.DataFrame:
    """The rows of each setting as "mean ± half-width" over the repeats, each interval at 95% by itself.

    Nothing stands where no row has the measure. Raises ValueError for a setting with fewer than two rows.
    """
    groups = frame.groupby(by, sort=False)
    cells = {
        m: groups[m].apply(lambda values: "" if values.isna().all() else _mean_and_interval(values)) for m in measures
    }
    return pd.DataFrame(cells)


def compare(
    frame: pd.DataFrame, columns: str, value: str, reference: object, index: str = "data", margin: float | None = None
) -> pd.DataFrame:
    """What each setting of a sweep has more than the `reference`, seed by seed, as "mean ± half-width" and a verdict.

    The intervals of the table hold all at once, at 95%. A star marks a difference that is not zero; "=" one that is
    surely less than `margin` times the floor of its row, so that for this value the setting makes no difference;
    neither mark leaves it open. `.attrs["level"]` is the level of each. Raises ValueError if no row has the reference,
    if settings of one `index` have other seeds, or for a margin where the sweep has no floors.
    """
    rows = trained(frame)
    rows = rows.assign(setting=_names(rows[columns]))
    settings = list(dict.fromkeys(rows.setting))
    if reference not in settings:
        raise ValueError(f"reference must be one of {settings}, got {reference!r}")
    seeds = rows.groupby([index, "setting"]).seed.agg(lambda of_one: tuple(sorted(of_one)))
    for name, of_name in seeds.groupby(level=0):
        if of_name.nunique() > 1:
            counts = {setting: len(own) for setting, own in of_name.droplevel(0).items()}
            raise ValueError(f"{name}: all settings must have the same seeds to be compared, got {counts}")
    by_seed = rows.pivot(index=[index, "seed"], columns="setting", values=value)[settings]
    gaps = by_seed.sub(by_seed[reference], axis=0).drop(columns=reference)
    groups = {name: gaps.loc[name] for name in dict.fromkeys(rows[index])}
    level = corrected(gaps.shape[1] * len(groups))
    margins = _margins(frame, value, index, margin)
    cells = {name: gap.agg(partial(_difference, level=level, margin=margins.get(name))) for name, gap in groups.items()}
    shown = pd.DataFrame(cells).T.rename_axis(index=None, columns=f"{value}, less that of {reference}")
    shown.attrs["level"] = level
    return shown


def _margins(frame: pd.DataFrame, value: str, index: str, share: float | None) -> dict:
    """For each `index` the share of its floor, or of the one floor if the floors know no such column."""
    if share is None:
        return {}
    real = floor(frame)
    if real.empty or real[value].isna().all():
        raise ValueError(f"margin = {share!r} is a share of the floor, but the sweep has no floor of {value}")
    if real[index].isna().any():  # a setting, not a data set
        return dict.fromkeys(trained(frame)[index], share * real[value].mean())
    return (share * real.groupby(index)[value].mean()).to_dict()


def _names(values: pd.Series) -> pd.Series:
    # the floors have no T, so pandas has made 10 into 10.0
    whole = [int(v) if isinstance(v, float) and v.is_integer() else v for v in values]
    return pd.Series(whole, values.index, dtype=object)


def _mean_and_interval(values: pd.Series) -> str:
    return str(interval(values.to_list()))


def _difference(values: pd.Series, level: float, margin: float | None) -> str:
    found = interval(values.to_list(), level)
    return f"{found:+} {verdict(found, margin)}".rstrip()


def processors() -> list[str]:
    """The name of each logical processor, as Linux reports them; elsewhere one name, as good as Python knows it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    return [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.processor()]
