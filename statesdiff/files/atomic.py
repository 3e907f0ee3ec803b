"""Writing a file so that it is either the old one or the new one, never half of each."""

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

LONGEST = 40  # characters of the name that a temporary file borrows, so that its own is never too long


def check_output(path: str | os.PathLike, *suffixes: str) -> Path:
    """The path, if a file can be written there; to be asked before the work whose result it is for.

    Raises ValueError, naming what is wrong: another suffix, no such folder, something else in its place, no permission.
    """
    path = Path(path)
    if suffixes and path.suffix not in suffixes:
        raise ValueError(f"the output must end in {' or '.join(suffixes)}, got {path}")
    try:
        if not path.parent.is_dir():
            raise ValueError(f"the output must lie in an existing folder, there is no {path.parent}")
        if path.is_dir():
            raise ValueError(f"the output must be a file, {path} is a folder")
        if path.exists() and not path.is_file():
            raise ValueError(f"the output must be a file, {path} is a device or a pipe")
        if path.exists() and not os.access(path, os.W_OK):
            raise ValueError(f"no permission to write {path}")
        with tempfile.TemporaryFile(dir=path.parent):  # the only way to know: permissions are not all there is
            pass
    except OSError as error:
        raise ValueError(f"cannot write {path} ({error.strerror})") from error
    return path


def write_atomically(path: str | os.PathLike, write: Callable[[Path], object]) -> Path:
    """Call `write(temporary)` and move the result to `path` in one step; a failure leaves the old file as it was.

    The temporary file keeps the suffix of `path`, since writers such as `numpy.save` look at it. If it is complete and
    cannot be moved, it stays, and the error says where. Raises FileNotFoundError if the folder does not exist.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"cannot write {path}: the folder {path.parent} does not exist")
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:LONGEST]}-", suffix=path.suffix[-LONGEST:])
    os.close(handle)
    try:
        write(Path(name))
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is None:  # NumPy's: it counts what was written
            raise OSError(f"cannot write {path} ({error}): is the disk full?") from error
        raise
    with suppress(OSError):  # some file systems have no modes
        os.chmod(name, 0o666 & ~_umask())  # last: some writers put a new, private file in place of the temporary one
    try:
        os.replace(name, path)
    except OSError as error:
        raise OSError(f"cannot move the result to {path} ({error.strerror}): it is in {name}") from error
    return path


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
