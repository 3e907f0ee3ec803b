"""What a command line takes: whole numbers, and outputs that are checked before the work whose results they are for."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

from statesdiff.files.atomic import check_output


def count(text: str) -> int:
    """A whole number from 1 on, also as 1e3."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 1 <= value < 2**53 or value != int(value):
        raise argparse.ArgumentTypeError(f"must be a whole number from 1 on, got {text}")
    return int(value)


def output(*suffixes: str) -> Callable[[str], Path]:
    """The path of a file that can be written and ends in one of the suffixes."""

    def check(text: str) -> Path:
        try:
            return check_output(text, *suffixes)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return check


def in_unicode(path: str | os.PathLike) -> str:
    """The path as a line of text in UTF-8: where the locale has no such letters, Python holds their bytes instead."""
    return "".join(c if c.isprintable() else "?" for c in os.fsencode(path).decode("utf-8", "replace"))
