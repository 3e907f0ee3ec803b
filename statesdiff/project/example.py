"""A complete submission of the course project, made by programs that use this package: an example to grade."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from statesdiff.files.tensors import read_tensors
from statesdiff.project.submission import CONDITIONAL, FOLDERS, UNCONDITIONAL

PROGRAMS = Path(__file__).with_name("programs")
# name: what it writes last, by which one sees that it is done; the report is drawn again
ORDER = {
    "uncond_gen.py": UNCONDITIONAL,
    "classifier.py": "checkpoints/classifier.pt",
    "cond_gen.py": CONDITIONAL[-1],
    "report.py": None,
}


def write_programs(folder: Path) -> None:
    """Make the folder of a submission with its programs and nothing else, or find one in which they were interrupted.

    Raises ValueError if there is something else in it, FileNotFoundError if its parent folder does not exist.
    """
    folder.mkdir(exist_ok=True)
    programs = sorted(PROGRAMS.glob("*.py"))
    there = [folder / "code" / program.name for program in programs]
    if any(folder.iterdir()) and not all(
        a.is_file() and a.read_bytes() == b.read_bytes() for a, b in zip(there, programs, strict=True)
    ):
        raise ValueError(f"DIR must be a new or an empty folder, there is something in {folder}")
    for part in FOLDERS:
        (folder / part).mkdir(exist_ok=True)
    for program, path in zip(programs, there, strict=True):
        shutil.copyfile(program, path)


def run_programs(folder: Path) -> Iterator[str]:
    """Run those programs of the submission that are not done, one after the other, and yield the name of each.

    They write the checkpoints, the samples and the report. Raises ValueError if one of them fails; an interrupt ends
    the one that runs.
    """
    for name, product in ORDER.items():
        if product is None or not _whole(folder / product):
            _run(folder / "code" / name)
        yield name


def _whole(path: Path) -> bool:
    """Whether the file is there, and not one that was being written when the power or the disk ran out."""
    try:
        read_tensors(path.read_bytes())
    except (OSError, ValueError):
        return False
    return True


def _run(program: Path) -> None:
    # in a session of its own, so that an interrupt reaches this process alone, which ends it without a traceback
    process = subprocess.Popen([sys.executable, str(program)], start_new_session=True)
    try:
        status = process.wait()
    except BaseException:
        process.terminate()
        process.wait()
        raise
    if status:
        raise ValueError(f"{program} ended with exit status {status}")
