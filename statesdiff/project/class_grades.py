"""Grading a class: every submission in a folder, in parallel, one failure stopping nothing, and one table of all."""

import hashlib
import os
import signal
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from multiprocessing import active_children, get_context
from pathlib import Path

import pandas as pd
import torch
from tqdm.auto import tqdm

from statesdiff.project.grade import Grade, grade
from statesdiff.project.measures import Reference
from statesdiff.project.submission import FILES, LARGEST, NOBODYS, clean, read_file

NAMED = 10  # others who share a file
_reference: Reference | None = None  # of a worker


def submissions(folder: Path) -> list[str]:
    """The names of the folders in a folder, sorted, hidden ones aside. Raises ValueError if there is none."""
    if not folder.is_dir():
        raise ValueError(f"DIR: no folder {clean(str(folder))}")
    with os.scandir(folder) as entries:
        inside = [entry for entry in entries if not entry.name.startswith(".") and entry.name != NOBODYS]
    names = sorted(entry.name for entry in inside if entry.is_dir(follow_symlinks=False))
    if not names:
        unpack = f", but {len(inside)} files: unpack archives first" * bool(inside)
        raise ValueError(f"DIR must hold a folder for each student, there is none in {clean(str(folder))}{unpack}")
    return names


def grade_all(folder: Path, reference: Reference, workers: int | None = None) -> Iterator[tuple[str, Grade | str]]:
    """The name of each submission with its grade, or with what went wrong, as they are finished."""
    names = submissions(folder)
    with tqdm(total=len(names), unit="folder", disable=None) as bar:
        left = []
        for name, found in _graded(folder, names, reference, min(workers or os.cpu_count() or 1, len(names))):
            if found is None:
                left.append(name)
            else:
                bar.update()
                yield name, found
        for alone in sorted(left):  # a process that ends takes the others' work with it, so each gets its own
            for name, found in _graded(folder, [alone], reference, 1):
                bar.update()
                yield name, found or "the process that graded it was ended from outside, or out of memory"


def _graded(
    folder: Path, names: list[str], reference: Reference, workers: int
) -> Iterator[tuple[str, Grade | str | None]]:
    """Each name with its grade, or with None where its process did not live to give one."""
    before = set(active_children())
    pool = ProcessPoolExecutor(workers, get_context("spawn"), initializer=_start, initargs=(reference,))
    try:
        running = {pool.submit(_grade, folder / name): name for name in names}
        for future in as_completed(running):
            try:
                yield running[future], future.result()
            except BrokenProcessPool:
                yield running[future], None
    except BaseException:
        for child in set(active_children()) - before:  # a grade takes seconds, and nobody waits for it
            child.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _start(reference: Reference) -> None:
    global _reference
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is the parent's to handle
    torch.set_num_threads(1)
    _reference = reference


def _grade(folder: Path) -> Grade | str:
    return grade_or_why(folder, _reference)


def grade_or_why(folder: Path, reference: Reference) -> Grade | str:
    """The grade of a submission, or why there is none."""
    try:
        return grade(folder, reference)
    except Exception as error:  # whatever a stranger's folder holds, the others are graded
        return f"cannot be graded ({type(error).__name__}: {clean(str(error))})"


def table(folder: Path, graded: Mapping[str, Grade | str]) -> pd.DataFrame:
    """A row for each submission: marks got, possible and open, warnings, a hint, and with whom it shares files."""
    shared, rows = shared_files(folder, sorted(graded)), []
    for name in sorted(graded):
        found = graded[name]
        row = {"folder": _cell(name), "got": None, "possible": None, "open": None, "warnings": None}
        if isinstance(found, str):
            row["hint"] = found
        else:
            row |= {**found.marks, "warnings": sum(len(m.warnings) for m in found.samples), "hint": found.hint}
        rows.append(row | {"shares": "; ".join(shared.get(name, []))})
    return pd.DataFrame(rows).convert_dtypes()


def _cell(name: str) -> str:
    """The name of a folder, made harmless for a spreadsheet, which would compute what begins with one of these."""
    return "'" * name.startswith(("=", "+", "-", "@")) + clean(name)


def shared_files(folder: Path, names: list[str]) -> dict[str, list[str]]:
    """For each submission, the files that others hold byte for byte, as in "outputs/report.pdf with ada, bob"."""
    owners: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        for file in (file for file in FILES if os.path.lexists(folder / name / file)):
            with suppress(ValueError):  # the grade says why
                content = read_file(folder / name, file, LARGEST)
                owners.setdefault(hashlib.sha256(content).hexdigest(), []).append((name, file))
    found: dict[str, list[str]] = {}
    for holders in owners.values():
        for name, file in holders if len({name for name, _ in holders}) > 1 else []:
            under = {o: other for o, other in holders if o != name}  # one of its names, the same if there is one
            under |= {o: other for o, other in holders if o != name and other == file}
            others = [clean(o) + f" ({other})" * (other != file) for o, other in under.items()]
            more = f" and {len(others) - NAMED} more" * (len(others) > NAMED)
            found.setdefault(name, []).append(f"{file} with {', '.join(others[:NAMED])}{more}")
    return found
