"""What a user of the hub needs, measured while the rehearsal runs: memory (on Linux) and disk, in MiB."""

import re
from pathlib import Path

MIB = 2**20


def peak_memory(word: str, proc: Path = Path("/proc")) -> int | None:
    """The largest resident set so far of the processes whose command line contains `word`, summed; None if unknown."""
    peaks = []
    for folder in proc.glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_text(encoding="utf-8", errors="replace")
            status = (folder / "status").read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has ended meanwhile, or belongs to somebody else
            continue
        if word in command and (peak := re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)):
            peaks.append(int(peak[1]) * 1024)
    return round(sum(peaks) / MIB) if peaks else None


def disk(folder: Path) -> int:
    """What the files under a folder take; one that has several names counts once."""
    files = (path.lstat() for path in folder.rglob("*"))
    return round(sum({entry.st_ino: entry.st_blocks * 512 for entry in files}.values()) / MIB)
