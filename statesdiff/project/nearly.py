"""What is nearly there: for a missing file of a submission, the one that was probably meant, and what to do with it."""

import os
import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from itertools import islice
from pathlib import Path, PurePosixPath

MOST = 500  # names looked at in one folder
MOST_FILES = 2000  # and in all
ALIKE = 0.8  # share of two names that agrees, where one is taken for the other misspelt
NOBODYS = "__MACOSX"  # a folder that macOS puts into archives
ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".rar", ".7z")
# suffix: those of files that may have been meant for it
MEANT = {
    ".py": (".py", ".ipynb", ".txt", ""),
    ".pdf": (".pdf", ".doc", ".docx", ".odt", ".html", ".tex", ".md", ".ipynb", ".zip", ""),
    ".pt": (".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".npy", ".npz", ".safetensors", ".csv", ".txt", ".zip", ""),
}
SUFFIXES = {suffix for several in MEANT.values() for suffix in several} - {""}


def nearly(folder: Path, name: str, others: tuple[str, ...] = ()) -> str:
    """A sentence about the file in `folder` that was probably meant as `name`, "part/file"; "" if there is none.

    A file that is one of the `others`, which the submission has to hold as well, is not taken for a misspelt one.
    """
    wanted, stems = PurePosixPath(name), {_stem(PurePosixPath(other).name) for other in others}
    meant = [
        f
        for f in islice(_files(folder), MOST_FILES)
        if f.suffix.lower() in MEANT.get(wanted.suffix, MEANT[".pt"]) and str(f) not in others
    ]
    meant.sort(key=lambda found: (found.name != wanted.name, found.parent != wanted.parent))
    for found in meant:
        if _stem(found.name) == _stem(wanted.name):
            return f"there is {found}: {_what_to_do(found, wanted)}"
    misspelt = [(_alike(_stem(f.name), _stem(wanted.name)), f) for f in meant if _stem(f.name) not in stems]
    misspelt = [pair for pair in misspelt if pair[0][1] > ALIKE]
    if not misspelt:
        return ""
    (same_number, _), found = max(misspelt, key=lambda pair: pair[0])
    if not same_number:  # another class: under the missing name it would be taken for what it is not
        return f"there is {found}: the labels run from 0 to 4; if yours run from 1 to 5, all five must be renamed"
    return f"there is {found}: {_what_to_do(found, wanted)}, if that is what it is"


def archive(folder: Path) -> str:
    """The name of an archive in the folder, or ""."""
    names = [entry.name for entry in _entries(folder) if entry.is_file(follow_symlinks=False)]
    return next((name for name in names if PurePosixPath(name).suffix.lower() in ARCHIVES), "")


def _alike(stem: str, wanted: str) -> tuple[bool, float]:
    """Whether a stem has the wanted number, or no number at all, and the share of their letters that agrees."""
    number, want = ([int(digits) for digits in re.findall(r"\d+", name)] for name in (stem, wanted))
    return not want or not number or want[0] in number, SequenceMatcher(None, stem[:100], wanted).ratio()


def _files(folder: Path) -> Iterator[PurePosixPath]:
    """The files in the folder and in the folders inside it, by their paths from it."""
    inside = []
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False):
            inside.append(entry.name)
        elif entry.is_file(follow_symlinks=False):
            yield PurePosixPath(entry.name)
    for part in inside:
        for entry in _entries(folder / part):
            if entry.is_file(follow_symlinks=False):
                yield PurePosixPath(part, entry.name)


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as entries:
            return sorted((e for e in islice(entries, MOST) if e.name != NOBODYS), key=lambda entry: entry.name)
    except OSError:  # what cannot be listed has nothing to offer
        return []


def _stem(name: str) -> str:
    """The name in lower case without known suffixes and the number of a copy, blanks and hyphens as underscores."""
    name = name.lower().replace(" ", "_").replace("-", "_")
    while (suffix := PurePosixPath(name).suffix) in SUFFIXES:
        name = name.removesuffix(suffix)
    return re.sub(r"_*\(\d+\)$|_copy$", "", name)  # what browsers and file managers add to a second one


def _what_to_do(found: PurePosixPath, wanted: PurePosixPath) -> str:
    have, want = found.suffix.lower(), wanted.suffix
    if have == want:
        return f"it must be called {wanted}" if found.name != wanted.name else f"move it to {wanted}"
    if have == ".npy":
        return f'torch.save(torch.from_numpy(numpy.load("{found}")), "{wanted}") converts it'
    if have in (".csv", ".txt") and want == ".pt":
        return f'torch.save(torch.from_numpy(numpy.loadtxt("{found}", delimiter=",")), "{wanted}") converts it'
    if have == ".npz" and want == ".pt":
        return f"load it as an array x and torch.save(torch.from_numpy(x), {str(wanted)!r})"
    if have == ".safetensors":
        return f'torch.save(safetensors.torch.load_file("{found}"), "{wanted}") converts it'
    if want == ".pt":
        return f"if torch.save wrote it, rename it to {wanted}"
    if want == ".pdf":
        return f"export it as {wanted}"
    return f"save it as a program, {wanted}" if have == ".ipynb" else f"rename it to {wanted}"
