"""A complete submission of the course project, made by programs that use this package: an example to grade."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from statesdiff.project.submission import FOLDERS

PROGRAMS = Path(__file__).with_name("programs")
ORDER = ("uncond_gen.py", "classifier.py", "cond_gen.py", "report.py")


def write_programs(folder: Path) -> None:
    """Make the folder of a submission with its programs and nothing else.

    Raises ValueError if there is something in it already, FileNotFoundError if its parent folder does not exist.
    """
    folder.mkdir(exist_ok=True)
    if any(folder.iterdir()):
        raise ValueError(f"DIR must be a new or an empty folder, there is something in {folder}")
    for part in FOLDERS:
        (folder / part).mkdir()
    for program in sorted(PROGRAMS.glob("*.py")):
        shutil.copyfile(program, folder / "code" / program.name)


def run_programs(folder: Path) -> Iterator[str]:
    """Run the programs of the submission one after the other, and yield the name of each when it is done.

    They write the checkpoints, the samples and the report. Raises ValueError if one of them fails.
    """
    for name in ORDER:
        done = subprocess.run([sys.executable, str(folder / "code" / name)])
        if done.returncode:
            raise ValueError(f"{folder / 'code' / name} ended with exit status {done.returncode}")
        yield name
