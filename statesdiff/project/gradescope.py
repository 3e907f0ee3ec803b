"""Gradescope: a grade as its results.json, and the archive that makes this grader its autograder.

The forms are those of https://gradescope-autograders.readthedocs.io/en/latest/specs/.
"""

import json
import shlex
import zipfile
from pathlib import Path

from statesdiff.files.atomic import write_atomically
from statesdiff.project.grade import Grade

SOURCE = "/autograder/source"  # where Gradescope unpacks the archive
SETUP = """#!/usr/bin/env bash
# Run once, when Gradescope builds the image: the grader in an environment of its own, with the CPU build of PyTorch.
set -e
apt-get update && apt-get install -y python3 python3-venv git
python3 -m venv /opt/grader
/opt/grader/bin/pip install --index-url https://download.pytorch.org/whl/cpu torch
/opt/grader/bin/pip install {package}
"""
RUN = """#!/usr/bin/env bash
# Run for each submission: nothing in it is executed. The grade is what students see.
cd /
exec /opt/grader/bin/statesdiff grade /autograder/submission --gradescope /autograder/results/results.json {options}
"""


def results(grade: Grade) -> str:
    """The grade in the form of Gradescope's results.json; what a person has to grade is not in it."""
    tests = [
        {"name": line.item, "score": line.got, "max_score": line.possible, "output": line.message}
        for line in grade.rubric
        if line.got is not None
    ]
    return json.dumps({"output": str(grade), "output_format": "text", "tests": tests}, indent=2, allow_nan=False)


def write_autograder(path: Path, package: str, data: str | None, options: str) -> Path:
    """Write the archive: setup.sh, which installs `package`, run_autograder, and the course's own data, if any.

    A package that is a file here, such as a wheel, is put into the archive. options: those of `statesdiff grade`, as a
    shell takes them. Raises FileNotFoundError for a data file that does not exist.
    """
    carried = {}
    if Path(package).is_file():
        carried[Path(package).name] = Path(package).read_bytes()
        package = f"{SOURCE}/{Path(package).name}"
    content = carried | {"setup.sh": SETUP.format(package=shlex.quote(package)).encode()}
    if data is not None:
        name = f"data{Path(data).suffix}"
        content[name] = Path(data).read_bytes()
        options += f" --data {shlex.quote(f'{SOURCE}/{name}')}"
    content["run_autograder"] = RUN.format(options=options).encode()

    def write(temporary: Path) -> None:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in content.items():
                entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
                entry.external_attr = 0o755 << 16
                archive.writestr(entry, text)

    return write_atomically(path, write)
