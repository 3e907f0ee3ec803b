"""What is nearly there: for a missing file of a submission, the one that was probably meant, and what to do with it."""

import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path, PurePosixPath

MOST = 500  # names looked at in one folder
SUFFIXES = (".pt", ".pth", ".ckpt", ".pkl", ".npy", ".npz", ".safetensors", ".csv", ".txt", ".py", ".ipynb")
SUFFIXES += (".pdf", ".doc", ".docx", ".odt", ".html", ".tex", ".zip")


def nearly(folder: Path, name: str) -> str:
    """A sentence about the file in `folder` that was probably meant as `name`, "part/file"; "" if there is none."""
    wanted = PurePosixPath(name)
    for found in _files(folder):
        if _stem(found.name) == _stem(wanted.name):
            return f"there is {found}: {_what_to_do(found, wanted)}"
    return ""


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
            return sorted(islice(entries, MOST), key=lambda entry: entry.name)
    except OSError:  # what cannot be listed has nothing to offer
        return []


def _stem(name: str) -> str:
    """The name in lower case without any known suffixes, blanks and hyphens as underscores."""
    name = name.lower().replace(" ", "_").replace("-", "_")
    while (suffix := PurePosixPath(name).suffix) in SUFFIXES:
        name = name.removesuffix(suffix)
    return name


def _what_to_do(found: PurePosixPath, wanted: PurePosixPath) -> str:
    have, want = found.suffix.lower(), wanted.suffix
    if have == want:
        return f"it must be called {wanted}" if found.name != wanted.name else f"move it to {wanted}"
    if have == ".npy":
        return f'torch.save(torch.from_numpy(numpy.load("{found}")), "{wanted}") converts it'
    if have in (".npz", ".csv", ".txt") and want == ".pt":
        return f"load it as an array x and torch.save(torch.from_numpy(x), {str(wanted)!r})"
    if have == ".safetensors":
        return f'torch.save(safetensors.torch.load_file("{found}"), "{wanted}") converts it'
    if want == ".pt":
        return f"if torch.save wrote it, rename it to {wanted}"
    if want == ".pdf":
        return f"export it as {wanted}"
    return f"save it as a program, {wanted}" if have == ".ipynb" else f"rename it to {wanted}"
