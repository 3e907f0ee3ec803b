"""The committed tables of what takes longer than a notebook may: read them with `table`."""

from pathlib import Path

import pandas as pd

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
