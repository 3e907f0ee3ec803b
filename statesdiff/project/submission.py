"""A student's folder, read with gloves: no link followed, no pipe waited for, nothing executed, every size bounded."""

import os
import stat
from itertools import islice
from pathlib import Path

from safetensors.torch import load as load_safetensors
from torch import Tensor

from statesdiff.files.formats import kind_of
from statesdiff.files.tensors import leaves, read_tensors
from statesdiff.project.nearly import ARCHIVES, NOBODYS, archive, nearly

N = 5000  # points in a sample file
CODE = ("code/uncond_gen.py", "code/cond_gen.py", "code/data.py", "code/classifier.py")
REPORT = "outputs/report.pdf"
UNCONDITIONAL = "outputs/uncond_gen_samples.pt"
CONDITIONAL = tuple(f"outputs/cond_gen_samples_{y}.pt" for y in range(5))
CHECKPOINTS = ("checkpoints/denoiser", "checkpoints/classifier")
FOLDERS = ("code", "outputs", "checkpoints")
FILES = (
    *CODE,
    REPORT,
    UNCONDITIONAL,
    *CONDITIONAL,
    *(f"{stem}{s}" for stem in CHECKPOINTS for s in (".pt", ".safetensors")),
)
MOST_FOLDERS = 100  # that are searched for a submission that lies too deep

MAX_TENSORS = 64 << 20  # bytes; 5,000 points take 40 kB, all 500 steps of them 20 MB
MAX_CODE = 1 << 20
MAX_REPORT = 50 << 20
LARGEST = max(MAX_TENSORS, MAX_CODE, MAX_REPORT)
FARTHEST = 100.0  # the states lie within 2 of the origin; beyond this a density is zero in any arithmetic

# A link is checked for before, and refused again while opening; a pipe that was overlooked would not block.
OPEN = os.O_RDONLY | sum(getattr(os, flag, 0) for flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def check_folder(folder: Path) -> None:
    """Raise ValueError unless `folder` is a folder itself, not a link to one."""
    try:
        mode = os.lstat(folder).st_mode
    except (OSError, ValueError) as error:
        raise ValueError(f"DIR: no folder {clean(str(folder))} ({_why(error)})") from error
    if not stat.S_ISDIR(mode):
        unpack = " (unpack it first)" if folder.suffix.lower() in ARCHIVES else ""
        raise ValueError(f"DIR must be a folder, {clean(str(folder))} is {_kind(mode)}{unpack}")


def hint(folder: Path) -> str:
    """What seems to be wrong with the folder as a whole: it holds the submission further down, or an archive; or ""."""
    if _has_parts(folder):
        return ""
    level = [Path()]
    for depth in ("one folder", "two folders", "three folders"):
        level = [path / name for path in level for name in _folders_in(folder / path)][:MOST_FOLDERS]
        for path in level:
            if _has_parts(folder / path):
                return f"The files seem to lie {depth} further down, in {clean(str(path))}: grade that one."
    packed = archive(folder)
    return f"There is an archive, {clean(packed)}: unpack it and grade what is in it." if packed else ""


def _folders_in(folder: Path) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            inside = [e.name for e in islice(entries, MOST_FOLDERS) if e.is_dir(follow_symlinks=False)]
    except OSError:
        return []
    return sorted(name for name in inside if name != NOBODYS)


def _has_parts(folder: Path) -> bool:
    return any(os.path.lexists(folder / part) for part in FOLDERS)


def read_file(folder: Path, name: str, limit: int) -> bytes:
    """The content of folder/name, "part/file". Raises ValueError unless it is a plain file of 1 to `limit` bytes."""
    part, path = name.split("/")[0], folder / name
    try:
        mode = os.lstat(folder / part).st_mode
        if not stat.S_ISDIR(mode):
            raise ValueError(f"{part} is {_kind(mode)}, not a folder")
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode):
            raise ValueError(f"is {_kind(found.st_mode)}, not a file")
        if not 1 <= found.st_size <= limit:
            raise ValueError(f"has {found.st_size:,} bytes, allowed are 1 to {limit:,}")
        with open(os.open(path, OPEN), "rb") as file:
            return file.read(limit)
    except FileNotFoundError as error:
        there = nearly(folder, name, FILES)
        raise ValueError("missing" + f"; {clean(there, 400)}" * bool(there)) from error
    except OSError as error:
        raise ValueError(f"cannot be read ({_why(error)})") from error


def check_code(folder: Path, name: str) -> str:
    """Say how long a program is. Raises ValueError unless it is a text file in UTF-8; it is never parsed or run."""
    content = read_file(folder, name, MAX_CODE)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError("is not text in UTF-8") from error
    if "\0" in text:
        raise ValueError("is not text: it has zero bytes")
    if not text.strip():
        raise ValueError("has nothing in it")
    lines = len(text.splitlines())
    return f"{lines} line" + "s" * (lines != 1)


def check_report(folder: Path) -> str:
    """Say how large the report is. Raises ValueError unless it begins like a PDF file; it is never opened."""
    content = read_file(folder, REPORT, MAX_REPORT)
    if b"%PDF-" not in content[:1024]:  # readers allow a little before it, such as a byte order mark
        kind = kind_of(content)
        raise ValueError(f"is {kind or 'no PDF'}: it does not begin with %PDF-, export it as a PDF file")
    return f"PDF, {-(-len(content) // 1000):,} kB"


def read_samples(folder: Path, name: str) -> Tensor:
    """The points of a sample file, (5000, 2) float64. Raises ValueError, saying what came, for anything else."""
    x = read_tensors(read_file(folder, name, MAX_TENSORS), name)
    if not isinstance(x, Tensor):
        inside = any(isinstance(value, Tensor) for value in leaves(x))
        raise ValueError(f"must hold one tensor, got {type(x).__name__}" + ": save the tensor inside it alone" * inside)
    if tuple(x.shape) != (N, 2) or not x.is_floating_point():
        got = f"{str(x.dtype).removeprefix('torch.')} of shape {tuple(x.shape)}"
        raise ValueError(f"must hold floating-point numbers of shape ({N}, 2), got {got}{_reshape(x)}")
    if not x.isfinite().all():
        raise ValueError(f"has {(~x.isfinite()).sum():,} values that are NaN or infinite")
    if x.abs().max() > FARTHEST:
        raise ValueError(f"has values up to {x.abs().max():.3g}, the states lie within 2: were the points rescaled?")
    return x.double()


def _reshape(x: Tensor) -> str:
    if tuple(x.shape) == (2, N):
        return ": save x.T"
    if x.ndim == 2 and x.shape[1] == 2 and len(x) > N:
        return f": {len(x):,} points, hand in {N:,} of them, x[torch.randperm(len(x))[:{N}]]"
    if x.ndim == 3 and tuple(x.shape[1:]) == (N, 2) and len(x) > 1:
        return ": hand in the points of t = 0 alone, x[-1] if they come last"
    if tuple(x.shape) == (N, 2):
        return ": save x.float(), if these are the points"
    if x.numel() == 2 * N and x.is_floating_point():
        return f": save x.reshape({N}, 2), if its rows are points"
    return f": {len(x):,} points are {N - len(x):,} too few" if x.ndim == 2 and x.shape[1] == 2 else ""


def check_checkpoint(folder: Path, stem: str) -> str:
    """Count the weights in stem.pt, or else in stem.safetensors. Raises ValueError if unreadable.

    The weights are a state dict, by itself or as one of the entries of a dict.
    """
    name = f"{stem}.pt"
    if not os.path.lexists(folder / name) and os.path.lexists(folder / f"{stem}.safetensors"):
        name = f"{stem}.safetensors"
    content = read_file(folder, name, MAX_TENSORS)
    weights = _weights(_read_safetensors(content) if name.endswith(".safetensors") else read_tensors(content, name))
    if not all(w.float().isfinite().all() for w in weights):  # eight-bit floats cannot say so themselves
        raise ValueError("has weights that are NaN or infinite")
    return f"{len(weights)} tensors, {sum(w.numel() for w in weights):,} weights"


def _weights(content: object) -> list[Tensor]:
    if not isinstance(content, dict):
        raise ValueError(f"must hold a state dict, got {type(content).__name__}")
    for state in (content, *(value for value in content.values() if isinstance(value, dict))):
        weights = [w for w in leaves(list(state.values())) if isinstance(w, Tensor) and w.is_floating_point()]
        if weights and any(isinstance(value, Tensor) for value in state.values()):
            return weights
    raise ValueError("must hold a state dict, but there are no weights in it")


def _read_safetensors(content: bytes) -> dict[str, Tensor]:
    try:
        return load_safetensors(content)
    except Exception as error:  # the reader is safe, but a damaged file can make it raise almost anything
        raise ValueError(f"not a safetensors file ({type(error).__name__})") from error


def clean(text: str, length: int = 200) -> str:
    """Text from a submission that a terminal can show: control characters and the like become "?", the end is cut."""
    shown = "".join(c if c.isprintable() else "?" for c in text[:length])
    return shown + "..." * (len(text) > length)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFLNK: "a link", stat.S_IFDIR: "a folder", stat.S_IFREG: "a file", stat.S_IFIFO: "a pipe"}
    return kinds.get(stat.S_IFMT(mode), "a device or socket")


def _why(error: Exception) -> str:
    return getattr(error, "strerror", None) or type(error).__name__
