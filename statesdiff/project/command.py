"""The commands `statesdiff grade`, `grade-class`, `submission` and `gradescope-zip`."""

import argparse
import hashlib
import os
import re
from pathlib import Path

import pandas as pd

from statesdiff.data import load_states
from statesdiff.files.arguments import count, in_unicode, output
from statesdiff.files.atomic import check_output, write_atomically
from statesdiff.project.class_grades import grade_all, submissions, table
from statesdiff.project.example import run_programs, write_programs
from statesdiff.project.grade import Grade, grade
from statesdiff.project.gradescope import results, write_autograder
from statesdiff.project.measures import CLEAN, PASS, Reference

LONGEST = 80  # characters of a folder's name in the name of a file


def grade_one(args: argparse.Namespace) -> None:
    """Grade a submission of the course project and print what was found, as a table or as JSON."""
    if args.json not in (None, "-"):
        check_output(args.json)
    result = grade(args.folder, reference_of(args))
    if args.json == "-":
        print(result.to_json())
    if args.json not in (None, "-"):
        _write(args.json, result.to_json())
    if args.gradescope:
        _write(args.gradescope, results(result))
    if args.json != "-":
        print(result)


def grade_class(args: argparse.Namespace) -> None:
    """Grade every folder in a folder, in parallel, and write one table of all."""
    names, reference, graded = submissions(args.folder), reference_of(args), {}
    if args.grades is not None:
        args.grades.mkdir(exist_ok=True)
        check_output(args.grades / "grade.json")
    try:
        for name, found in grade_all(args.folder, reference, args.workers):
            graded[name] = found
            if args.grades is not None:
                _write_grade(args.grades, name, found)
    except KeyboardInterrupt:
        if graded:
            _write_table(args, graded)
        raise KeyboardInterrupt(f"{len(graded)} of {len(names)} folders were graded") from None
    print(_write_table(args, graded).to_string(index=False))
    print(args.csv)


def _write_table(args: argparse.Namespace, graded: dict[str, Grade | str]) -> pd.DataFrame:
    rows = table(args.folder, graded)
    write_atomically(args.csv, lambda path: rows.to_csv(path, index=False, encoding="utf-8"))
    return rows


def _write_grade(folder: Path, name: str, found: Grade | str) -> None:
    stem = in_unicode(name)
    if stem != name or len(stem) > LONGEST:  # what no file should be called, or too long with a suffix
        known_by = hashlib.sha256(os.fsencode(name)).hexdigest()[:8]
        stem = re.sub(r"[^\w.-]+", "-", stem)[:LONGEST] + f"-{known_by}"
    _write(folder / f"{stem}.txt", str(found))
    if not isinstance(found, str):
        _write(folder / f"{stem}.json", found.to_json())


def submission(args: argparse.Namespace) -> None:
    """Write a complete submission of the course project, by running the programs in it."""
    write_programs(args.folder)
    try:
        for _ in run_programs(args.folder):
            pass
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on from here") from None
    print(args.folder)


def gradescope_zip(args: argparse.Namespace) -> None:
    """Write the archive that Gradescope asks for as an autograder."""
    reference_of(args)  # whether it can be used is found out here, not by the students
    print(write_autograder(args.out, args.package, args.data, _options(args)))


def reference_of(args: argparse.Namespace) -> Reference:
    """What the options say that samples are held against, its floors worked out."""
    if args.data is not None and args.seed is not None:
        raise ValueError("--data and --seed both say which points the students had: give one of them")
    data = None if args.data is None else load_states(args.data)
    reference = Reference(data, seed=args.seed or 0, cut=args.cut, clean=args.clean)
    try:
        _ = reference.floors
    except Exception as error:  # points on one line have no density
        raise ValueError(f"--data cannot be graded with: its points have no floors ({error})") from error
    return reference


def _options(args: argparse.Namespace) -> str:
    """The options that grade as these do, the file of --data aside."""
    seed = "" if args.seed is None else f" --seed {args.seed}"
    return f"--cut {args.cut!r} --clean {args.clean!r}{seed}"


def _write(path: str, text: str) -> None:
    write_atomically(path, lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))


def _reference_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--data", help="the course's own states.pt, with labels; default: the book's STATES")
    p.add_argument("--seed", type=int, help="the draw that `statesdiff data --seed` gave, with its default --n")
    p.add_argument("--cut", type=float, default=PASS, help=f"the NLL to stay below, default {PASS}")
    without_bugs = f"the NLL that the table compares with next, which costs no marks, default {CLEAN}"
    p.add_argument("--clean", type=float, default=CLEAN, help=without_bugs)


def _grade_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("folder", metavar="DIR", help="the folder that holds code, outputs and checkpoints")
    _reference_options(p)
    p.add_argument("--json", metavar="FILE", help="also write the grade as JSON; - prints it in place of the table")
    p.add_argument("--gradescope", metavar="FILE", type=output(".json"), help="also write Gradescope's results.json")


def _grade_class_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("folder", metavar="DIR", type=Path, help="the folder that holds a folder for each student")
    _reference_options(p)
    p.add_argument("--csv", metavar="FILE", type=output(".csv"), required=True, help="the table of the class")
    p.add_argument("--grades", metavar="DIR", type=Path, help="also write each student's grade, .txt and .json, there")
    p.add_argument("--workers", type=count, help="how many processes; default: all processors")


def _submission_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("folder", metavar="DIR", type=Path, help="a new folder, or one in which this was interrupted")


def _gradescope_zip_options(p: argparse.ArgumentParser) -> None:
    _reference_options(p)
    p.add_argument(
        "--package", metavar="SPEC", required=True, help="what pip is to install: an address or a wheel's name"
    )
    p.add_argument("--out", type=output(".zip"), default="autograder.zip")


COMMANDS = {
    "grade": ("grade a submission of the course project; nothing in it is run", _grade_options, grade_one),
    "grade-class": ("grade a folder of submissions and write a table", _grade_class_options, grade_class),
    "submission": ("make a complete submission: an example to grade", _submission_options, submission),
    "gradescope-zip": ("make the autograder for Gradescope", _gradescope_zip_options, gradescope_zip),
}
