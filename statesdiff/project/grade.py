"""Grading the course project: the rubric's marks, and next to them what its measure, the NLL, cannot see."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from statesdiff.project.measures import CLEAN, PASS, Measures, Reference, measure
from statesdiff.project.submission import (
    CHECKPOINTS,
    CODE,
    CONDITIONAL,
    REPORT,
    UNCONDITIONAL,
    check_checkpoint,
    check_code,
    check_folder,
    check_report,
    clean,
    hint,
    read_samples,
)


@dataclass(frozen=True)
class Line:
    """A line of the rubric: marks got (None: open, for a person to give) of those possible, and why."""

    item: str
    got: float | None
    possible: float
    message: str


@dataclass(frozen=True)
class Grade:
    """A graded submission: the rubric, the measures of every sample file that could be read, and the checkpoints."""

    folder: str
    data: str
    rubric: list[Line]
    samples: list[Measures]
    checkpoints: dict[str, str]
    hint: str = ""
    cut: float = PASS
    clean: float = CLEAN

    @cached_property
    def marks(self) -> dict[str, float]:
        """Marks got and possible without a person, and those that are left for one."""
        automatic = [line for line in self.rubric if line.got is not None]
        return {
            "got": sum(line.got for line in automatic),
            "possible": sum(line.possible for line in automatic),
            "open": sum(line.possible for line in self.rubric if line.got is None),
        }

    def to_json(self) -> str:
        """The whole grade, as one JSON object; `marks`, `rubric` and `samples` are what a table of a class needs."""
        return json.dumps({**asdict(self), "marks": self.marks}, indent=2, allow_nan=False)

    def __str__(self) -> str:
        marks = self.marks
        lines = [f"{self.folder}, graded against {self.data}", *([self.hint] if self.hint else []), ""]
        for line in self.rubric:
            lines.append(f"{line.item:<44}{_marks(line.got):>4} / {line.possible:<4g}{line.message}")
        total = f"{_marks(marks['got']):>4} / {marks['possible']:g}"
        lines += [f"{'without the marks by hand':<44}{total}, and {marks['open']:g} by hand", ""]
        lines += [f"{stem:<26}{message}" for stem, message in self.checkpoints.items()]
        if self.samples:
            lines += ["", _table(self.samples, self.cut, self.clean)]
        warnings = [f"! {m.file}: {warning}" for m in self.samples for warning in m.warnings]
        return "\n".join([*lines, *([""] if warnings else []), *warnings])


def grade(folder: Path | str, reference: Reference | None = None) -> Grade:
    """Grade a submission. Whatever is in the folder, this returns; raises ValueError if there is no folder."""
    folder, reference = Path(folder), reference or Reference()
    check_folder(folder)
    rubric = [_line(name, 10, lambda name=name: check_code(folder, name)) for name in CODE]
    rubric.append(_line(REPORT, 10, lambda: check_report(folder)))
    rubric.append(Line("what the report contains", None, 15, "by hand"))
    measured = []
    for label, name in zip((None, *reference.labels), (UNCONDITIONAL, *CONDITIONAL), strict=True):
        possible = 10 if label is None else 5
        try:
            measures = measure(read_samples(folder, name), label, reference)
        except Exception as error:
            rubric.append(Line(name, 0, possible, _reason(error)))
        else:
            measured.append(measures)
            verdict = f"NLL {measures.nll:.3f}, {'below' if measures.passes else 'not below'} {reference.cut:g}"
            rubric.append(Line(name, possible * measures.passes, possible, verdict))
    checkpoints = {
        stem: _line(stem, 0, lambda stem=stem: check_checkpoint(folder, stem)).message for stem in CHECKPOINTS
    }
    name = clean(folder.resolve().name)
    return Grade(name, reference.name, rubric, measured, checkpoints, hint(folder), reference.cut, reference.clean)


def _line(item: str, possible: float, check: Callable[[], str]) -> Line:
    try:
        return Line(item, possible, possible, clean(check()))
    except Exception as error:
        return Line(item, 0, possible, _reason(error))


def _reason(error: Exception) -> str:
    """Why a file gets no marks: the reader's own words, and for what no reader foresaw, the name of the error."""
    return clean(str(error), 400) if isinstance(error, ValueError) else f"cannot be checked ({type(error).__name__})"


def _marks(got: float | None) -> str:
    return "-" if got is None else f"{got:g}"


def _table(samples: list[Measures], cut: float, clean: float) -> str:
    def percent(share: float | None) -> str:
        return "-" if share is None else f"{share:.1%}"

    rows = [
        {
            "file": m.file,
            "n": m.n,
            "NLL": f"{m.nll:.3f}",
            "floor": f"{m.floor:.3f}",
            "gap": f"{m.gap:+.3f}",
            f"< {cut:g}": "yes" if m.passes else "NO",
            f"< {clean:g}": "yes" if m.clean else "no",
            "class": percent(m.class_accuracy),
            "covered": percent(m.coverage),
            "distance": f"{m.distance:.3f} ({m.distance_floor:.3f})",
            "duplicates": percent(m.duplicates),
            "copies": f"{percent(m.copies)} ({percent(m.copies_floor)})",
        }
        for m in samples
    ]
    return pd.DataFrame(rows).to_string(index=False)
