"""Rehearse the ways into the book, as `make rehearse` does: a real hub, Colab's versions, the oldest and the newest.

`python tools/rehearse.py` holds all of it, `... hub colab` the named parts; `--chapters 02 04` takes other chapters
than a part's own. Environments are kept in .rehearse and made again when what is asked of them has changed, or with
`--fresh`. A line for each part says how it went and how long it took; the status is 1 where one failed.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial

from rehearsal import colab, hub, versions
from rehearsal.environments import Trouble

PARTS = {
    "hub": hub.rehearse,
    "colab": colab.rehearse,
    "oldest": partial(versions.rehearse, "oldest"),
    "newest": partial(versions.rehearse, "newest"),
}


def hold(part: Callable[[Sequence[str], bool], None], names: Sequence[str], fresh: bool) -> str:
    """Hold one part; "" or why it failed, in one line."""
    try:
        part(names, fresh)
    except Trouble as trouble:
        return str(trouble)
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Hold the named parts, or all. Return 0, or 1 where one failed, 2 where an argument is not understood."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--chapters", nargs="+", default=[], metavar="NN", help="the chapters to run, by their numbers")
    parser.add_argument("--fresh", action="store_true", help="make the environments again")
    options = parser.parse_args(arguments)
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}: the parts are {', '.join(PARTS)}")
    summary = []
    for name in options.parts or PARTS:
        print(f"{name}:", flush=True)
        start = time.perf_counter()
        why = hold(PARTS[name], options.chapters, options.fresh)
        summary.append((name, time.perf_counter() - start, why))
    for name, seconds, why in summary:
        print(f"{name:8s}{'failed' if why else 'passed'}{seconds:7.0f} s{'  ' + why if why else ''}")
    return int(any(why for _, _, why in summary))


if __name__ == "__main__":
    sys.exit(main())
