"""Find the bug: a short program with numbered lines, versions of it in which one line is spoilt, and who is to blame.

A chapter prints the program, runs the spoilt versions, `broken.run("A")`, and shows what they make; the reader names
the line of each, from what it does. A wrong guess is told why that line is innocent, and not which one is to blame.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from statesdiff.check.attempt import untouched
from statesdiff.check.verdict import NOT_YET, Verdict


@dataclass(frozen=True)
class FindTheLine:
    """A program and its spoilt versions; called with {"A": line, "B": line}, or a line where there is one, it judges.

    source    the right program: its last function is what `run` returns
    faults    for each version the number of the spoilt line, counted from 1, and what stands there instead
    innocent  for each line, or (version, line), why what is seen does not come from it
    praise    for each version, what the fault does
    names     what the program may use besides Python's own and torch
    """

    source: str
    faults: Mapping[str, tuple[int, str]]
    innocent: Mapping[int | tuple[str, int], str]
    praise: Mapping[str, str]
    names: Mapping[str, Any] = field(default_factory=dict)

    def text(self, version: str | None = None) -> str:
        """The program, right or as a version has it, without numbers. Raises ValueError for an unknown version."""
        lines = self.source.strip("\n").split("\n")
        if version is not None:
            number, line = self._fault(version)
            indent = len(lines[number - 1]) - len(lines[number - 1].lstrip())
            lines[number - 1] = " " * indent + line.strip()
        return "\n".join(lines)

    def run(self, version: str | None = None) -> Callable[..., Any]:
        """The program's function, made from its text: the right one, or a version's."""
        names = {"torch": torch, **self.names}
        exec(compile(self.text(version), f"<program {version or 'without a fault'}>", "exec"), names)
        return [value for value in names.values() if getattr(value, "__globals__", None) is names][-1]

    def __repr__(self) -> str:
        return "\n".join(f"{k:2}  {line}" for k, line in enumerate(self.text().split("\n"), 1))

    def __call__(self, answer: Mapping[str, int] | int) -> Verdict:
        """What is to be said of the lines that were named. A version that is left at `...` is not attempted yet."""
        if untouched(answer):
            return Verdict(None, NOT_YET)
        named = answer if isinstance(answer, Mapping) else {next(iter(self.faults)): answer}
        if unknown := [str(version) for version in named if version not in self.faults]:
            known = ", ".join(self.faults)
            return Verdict(False, f"there is no program {', '.join(unknown)}: name a line for each of {known}")
        found = {version: self._judge(version, named.get(version, ...)) for version in self.faults}
        passed = [verdict.passed for verdict in found.values()]
        words = [verdict.message if len(found) == 1 else f"{k}: {verdict.message}" for k, verdict in found.items()]
        return Verdict(False if False in passed else None if None in passed else True, "\n  ".join(words))

    def _judge(self, version: str, line: Any) -> Verdict:
        last = len(self.text().split("\n"))
        if untouched(line):
            return Verdict(None, NOT_YET)
        if not isinstance(line, int) or isinstance(line, bool) or not 1 <= line <= last:
            return Verdict(False, f"name a line by its number, 1 to {last}; yours is {line!r}")
        if line == self.faults[version][0]:
            return Verdict(True, f"line {line}: {self.praise[version]}")
        return Verdict(False, f"line {line} is innocent: {self.innocent.get((version, line)) or self.innocent[line]}")

    def _fault(self, version: str) -> tuple[int, str]:
        if version not in self.faults:
            raise ValueError(f"version must be one of {', '.join(self.faults)}, got {version!r}")
        return self.faults[version]
