"""Every committed table says where it comes from, and what it says is so: a command that makes it, or a source."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from statesdiff import results
from statesdiff.__main__ import parser
from statesdiff.ablations.studies import STUDIES
from statesdiff.results import floor, table, trained

ROOT = Path(__file__).resolve().parents[2]
NAMES = sorted(path.stem for path in results.FOLDER.glob("*.csv"))
BENCHMARKS = sorted((ROOT / "benchmarks" / "results").glob("*.csv"))
HEADS = {name: table(name).attrs["made by"].splitlines() for name in NAMES}
OF_STUDIES = [name for name in NAMES if HEADS[name][0].startswith("statesdiff ")]


def command_of(head: str) -> list[str]:
    """The words of the command that a head begins with; a colon ends it."""
    return shlex.split(head.partition(": ")[0])


def fault(head: str) -> str | None:
    """What is wrong with the first line of a table, None if it names a source or a command that there is."""
    if head.startswith("typed from "):
        return None
    words = command_of(head)
    if words[0] == "statesdiff":
        try:
            parser().parse_args(words[1:])
        except SystemExit:
            return "the command line does not take it"
    elif words[0] == "python":
        if not (ROOT / words[1]).is_file():
            return f"there is no {words[1]}"
    else:
        return "neither a command nor a source"
    return None


@pytest.mark.parametrize("name", NAMES)
def test_a_head_names_a_command_that_there_is_or_a_source(name):
    assert fault(HEADS[name][0]) is None
    words = command_of(HEADS[name][0])
    if words[0] == "python":  # the program knows the table
        assert name in (ROOT / words[1]).read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_so_does_that_of_a_table_of_a_benchmark(path):
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and fault(first.removeprefix("# ")) is None


@pytest.mark.parametrize(
    "head",
    [
        "statesdiff ablate depths --full: depth",
        "statesdiff ablated depth: depth",
        "python benchmarks/gone.py: a table",
        "figures of two reports",
        "python benchmarks: all",
    ],
)
def test_a_head_that_leads_nowhere_is_found(head, capsys):
    assert fault(head) is not None


@pytest.mark.parametrize("name", OF_STUDIES)
def test_the_command_of_a_study_makes_its_table_again(name):
    """The settings in the table, one after the other, are those that the command would train today."""
    args = parser().parse_args(command_of(HEADS[name][0])[1:])
    assert args.study == name and args.full and args.data is None and args.seeds >= 2
    frame = whole(name)
    configs = STUDIES[name].configs()
    first = STUDIES[name].first_seed
    seeds = range(first, first + args.seeds)
    want = pd.DataFrame([c.row(s) | {"seed": seed} for c in configs for seed in seeds for s in c.samplings])
    found = trained(frame).reindex(columns=list(want))
    assert as_text(found) == as_text(want)
    guided = {(c.data, s.guidance is not None, s.n) for c in configs for s in c.samplings}
    assert len(floor(frame)) == len(guided) * args.seeds


def whole(name: str) -> pd.DataFrame:
    """The table with the settings that its head says are the same in every row."""
    frame = table(name)
    (shared,) = [line.removeprefix("in every row: ") for line in HEADS[name] if line.startswith("in every row: ")]
    return frame.assign(**dict(setting.split(" ", 1) for setting in shared.split(", ")))


def as_text(frame: pd.DataFrame) -> list[list[str]]:
    """Each row as text, numbers to the five digits of a table."""
    return [[cell(value) for value in row] for row in frame.astype(object).to_numpy()]


def cell(value: object) -> str:
    text = str(value)
    if value is None or text in ("nan", "None"):
        return "-"
    return f"{float(text):.5g}" if re.fullmatch(r"-?[\d.]+(e-?\d+)?", text) else text
