"""Grading a class: every submission in a folder, in parallel, one failure stopping nothing, and one table of all."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from statesdiff.project.grade import Grade, grade
from statesdiff.project.measures import Reference
from statesdiff.project.submission import (
    CHECKPOINTS,
    CODE,
    CONDITIONAL,
    MAX_REPORT,
    MAX_TENSORS,
    REPORT,
    UNCONDITIONAL,
    clean,
    read_file,
)

FILES = (*CODE, REPORT, UNCONDITIONAL, *CONDITIONAL, *(f"{stem}.pt" for stem in CHECKPOINTS))
_reference: Reference | None = None  # of a worker


def submissions(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted. Raises ValueError if there is none."""
    if not folder.is_dir():
        raise ValueError(f"DIR: no folder {clean(str(folder))}")
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    if not names:
        raise ValueError(f"DIR must hold a folder for each student, there is none in {clean(str(folder))}")
    return names


def grade_all(folder: Path, reference: Reference, workers: int | None = None) -> Iterator[tuple[str, Grade | str]]:
    """The name of each submission with its grade, or with what went wrong, as they are finished."""
    names = submissions(folder)
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_start, initargs=(reference,)) as pool:
        running = {pool.submit(_grade, folder / name): name for name in names}
        for future in tqdm(as_completed(running), total=len(running), unit="folder", disable=None):
            try:
                yield running[future], future.result()
            except BrokenProcessPool:
                yield running[future], "the process that graded it was ended from outside, or out of memory"


def _start(reference: Reference) -> None:
    global _reference
    _reference = reference


def _grade(folder: Path) -> Grade | str:
    try:
        return grade(folder, _reference)
    except Exception as error:  # whatever a stranger's folder holds, the others are graded
        return f"cannot be graded ({type(error).__name__}: {clean(str(error))})"


def table(folder: Path, graded: Mapping[str, Grade | str]) -> pd.DataFrame:
    """A row for each submission: marks got, possible and open, warnings, and with whom it shares files."""
    shared, rows = shared_files(folder, sorted(graded)), []
    for name in sorted(graded):
        found = graded[name]
        row = {"folder": clean(name), "got": None, "possible": None, "open": None, "warnings": None}
        if isinstance(found, str):
            row["hint"] = found
        else:
            row |= {**found.marks, "warnings": sum(len(m.warnings) for m in found.samples), "hint": found.hint}
        rows.append(row | {"shares": "; ".join(shared.get(name, []))})
    return pd.DataFrame(rows)


def shared_files(folder: Path, names: list[str]) -> dict[str, list[str]]:
    """For each submission, the files that others hold byte for byte: "outputs/report.pdf with ada, bob"."""
    owners: dict[tuple[str, str], list[str]] = {}
    for name in names:
        for file in FILES:
            try:
                content = read_file(folder / name, file, max(MAX_TENSORS, MAX_REPORT))
            except ValueError:  # the grade says why
                continue
            owners.setdefault((file, hashlib.sha256(content).hexdigest()), []).append(name)
    found: dict[str, list[str]] = {}
    for (file, _), holders in owners.items():
        for name in holders if len(holders) > 1 else []:
            others = ", ".join(clean(other) for other in holders if other != name)
            found.setdefault(name, []).append(f"{file} with {others}")
    return found
