"""The committed tables of what takes longer than a notebook may: `table` reads them, `write` makes them, `pivot` shows them."""

import platform
from pathlib import Path

import pandas as pd
import torch

from statesdiff.files import write_atomically
from statesdiff.metrics import interval

FOLDER = Path(__file__).parent


def table(name: str) -> pd.DataFrame:
    """The committed table of that name; `.attrs["made by"]` holds the command, the versions and the machine that made it.

    Raises ValueError, with the names there are, for another name.
    """
    path = FOLDER / f"{name}.csv"
    if path not in FOLDER.glob("*.csv"):
        raise ValueError(f"name must be one of {sorted(p.stem for p in FOLDER.glob('*.csv'))}, got {name!r}")
    lines = path.read_text().splitlines()
    comments = [line.removeprefix("# ") for line in lines if line.startswith("#")]
    frame = pd.read_csv(path, comment="#")
    frame.attrs["made by"] = "\n".join(comments)
    return frame


def write(frame: pd.DataFrame, path: Path, made_by: str) -> Path:
    """Write a sweep's table, five digits a number, under a comment: `made_by`, the versions, and what all rows share.

    Settings, the columns before the seed, that are the same in every trained row stand in that comment, not in the table.
    """
    trained = frame[frame.network != "real"]
    settings = list(frame)[: list(frame).index("seed")]  # a measure may be constant too, yet differ from its floor
    same = [c for c in settings if c not in ("data", "network") and trained[c].nunique(dropna=False) == 1]
    shared = ", ".join(f"{c} {trained[c].iloc[0]}" for c in same if pd.notna(trained[c].iloc[0]))
    versions = f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}"
    lines = [made_by, f"{versions}, {len(processors())} x {processors()[0]}", f"in every row: {shared}"]
    text = "".join(f"# {line}\n" for line in lines) + frame.drop(columns=same).to_csv(index=False, float_format="%.5g")
    return write_atomically(path, lambda temporary: temporary.write_text(text))


def pivot(frame: pd.DataFrame, columns: str, value: str, index: str = "data") -> pd.DataFrame:
    """A sweep's rows as "mean ± half-width" over the seeds, 95% intervals: a row for each `index`, a column for each setting.

    The last column is the floor, real points judged in the same way, if the rows have any.
    """
    names = pd.Series([_whole(value) for value in frame[columns]], frame.index, dtype=object)
    shown = frame.assign(setting=names.where(frame.network != "real", "floor"))
    cells = shown.groupby([index, "setting"], sort=False)[value].apply(_mean_and_interval).unstack()
    return cells.rename_axis(index=None, columns=f"{value}, by {columns}")


def _whole(value: object) -> object:
    # the floors have no T, so pandas has made 10 into 10.0
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _mean_and_interval(values: pd.Series) -> str:
    found = interval(values.to_list())
    return f"{found.mean:.3g} ± {found.half_width:.2g}"


def processors() -> list[str]:
    """The name of each logical processor, as Linux reports them; elsewhere one name, as good as Python knows it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.processor()]
