"""Compile the labs' kernel, tools/kernel/kernel.c, to book/lab/kernel/*.wasm; needs clang and lld 16 or later.

    python tools/make_kernel.py [FOLDER]

Twice: with the vectors that every browser has (`simd.wasm`), and with the relaxed ones, which multiply and add in one
step (`relaxed.wasm`); the page takes what its browser can. The committed files are clang 19's.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "tools" / "kernel" / "kernel.c", ROOT / "book" / "lab" / "kernel"
FLAGS = ("--target=wasm32", "-O3", "-nostdlib", "-fno-builtin", "-ffreestanding", "-Wall", "-Wextra", "-Werror")
LINK = ("-Wl,--no-entry", "-Wl,--export=__heap_base", "-Wl,--strip-all", "-Wl,-z,stack-size=16384")
BUILDS = {"simd": ("-msimd128",), "relaxed": ("-msimd128", "-mrelaxed-simd")}
VERSIONS = range(16, 24)


def find_clang() -> str | None:
    """The newest clang on the PATH from 16 on; None if there is none."""
    names = [f"clang-{version}" for version in reversed(VERSIONS)] + ["clang"]
    return next((path for name in names if (path := shutil.which(name)) and major(path) in VERSIONS), None)


def major(clang: str) -> int:
    """The number of clang's version before the first point."""
    said = subprocess.run([clang, "--version"], capture_output=True, text=True, check=True).stdout
    return int(re.search(r"version (\d+)", said).group(1))


def build(clang: str, folder: Path) -> None:
    """Write simd.wasm and relaxed.wasm to the folder. Raises CalledProcessError if the compiler fails."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, flags in BUILDS.items():
        command = [clang, *FLAGS, *flags, *LINK, str(SOURCE), "-o", str(folder / f"{name}.wasm")]
        subprocess.run(command, check=True)


if __name__ == "__main__":
    found = find_clang()
    if found is None:
        sys.exit("make_kernel needs clang and lld, 16 or later: apt-get install clang-19 lld-19")
    build(found, Path(sys.argv[1]) if len(sys.argv) > 1 else TARGET)
