"""Virtual environments that are kept, and made again only when what is asked of them has changed."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".rehearse"
FILES = ("-r", "-c")  # options of pip whose value is a file


class Trouble(Exception):
    """Why a rehearsal cannot be held, or what went wrong in it, in one line for the person who called it."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment in `folder`."""

    folder: Path

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")

    def versions(self) -> dict[str, str]:
        """The version of each installed distribution, by its name in small letters."""
        shown = run([self.python, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"])
        return {name.lower(): version for name, _, version in (line.partition("==") for line in shown.splitlines())}


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT, log: Path | None = None
) -> str:
    """What a command prints; kept in `log` too. Raises Trouble with its last line where it fails."""
    command = [str(word) for word in command]
    try:
        done = subprocess.run(command, env=env, cwd=cwd, capture_output=True, encoding="utf-8", errors="replace")
    except OSError as error:
        raise Trouble(f"{command[0]} cannot be run: {error.strerror}") from error
    said = done.stdout + done.stderr
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(f"$ {' '.join(command)}\n{said}", encoding="utf-8")
    if done.returncode:
        last = (said.strip().splitlines() or ["it said nothing"])[-1].strip()
        what = " ".join(Path(word).name for word in command[: 4 if command[1:2] == ["-m"] else 2])
        raise Trouble(f"{last} ({what}, status {done.returncode}{f'; {log} has all of it' if log else ''})")
    return done.stdout


def interpreter(minors: Sequence[str]) -> str:
    """The first Python of these minor versions ("3.11") that answers: the running one or one on the PATH.

    Raises Trouble where there is none.
    """
    for minor in minors:
        for candidate in candidates(minor):
            if answers(candidate, minor):
                return candidate
    raise Trouble(f"it needs Python {' or '.join(minors)}, and none of these is on the PATH")


def candidates(minor: str) -> Iterator[str]:
    """Where a Python of this minor version may be: the running one's own installation first."""
    if f"{sys.version_info[0]}.{sys.version_info[1]}" == minor:
        yield getattr(sys, "_base_executable", sys.executable)
    if found := shutil.which(f"python{minor}"):
        yield found


def answers(candidate: str, minor: str) -> bool:
    """Whether it runs and is of this minor version: a shim on the PATH may lead nowhere."""
    question = "import sys, ensurepip; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([candidate, "-c", question], capture_output=True, text=True)
    return done.returncode == 0 and done.stdout.strip() == minor


def wanted(python: str, arguments: Sequence[str]) -> str:
    """A digest of what is asked of an environment: the interpreter, pip's arguments, and the files that they name."""
    parts = [python, *arguments]
    for option, value in zip(arguments, arguments[1:], strict=False):
        if option in FILES:
            parts.append(Path(value).read_text(encoding="utf-8"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def prepare(name: str, minors: Sequence[str], arguments: Sequence[str], *, fresh: bool = False) -> Environment:
    """The environment `name` with what `pip install ARGUMENTS` puts there, made if it is not as asked or `fresh`.

    Raises Trouble where there is no Python for it, or where pip fails.
    """
    python = interpreter(minors)
    folder, digest = FOLDER / name, wanted(python, arguments)
    stamp = folder / "wanted"
    if not fresh and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return Environment(folder)
    print(f"  {name}: making an environment with {python} (once, some minutes) ...", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    run([python, "-m", "venv", folder])
    made = Environment(folder)
    log = FOLDER / "logs" / f"{name}-install.log"
    run([made.python, "-m", "pip", "install", "--upgrade", "pip"])
    run([made.python, "-m", "pip", "install", *arguments], log=log)
    stamp.write_text(digest, encoding="utf-8")
    return made
