"""What the benchmarks ran on."""

import platform
from pathlib import Path


def processors() -> list[str]:
    """The name of each logical processor, as Linux reports them; elsewhere one name, as good as Python knows it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return [line.split(":")[1].strip() for line in lines if line.startswith("model name")] or [platform.processor()]
