"""How much memory the ideal denoiser takes, as data and queries grow.

    python benchmarks/exact_memory.py               # under a minute

`IdealDenoiser` compares every query with every point: 20,000 x 20,000 float32 distances would fill 1.6 GB. It works
through the queries in blocks instead. For each size a fresh process on one thread first treats 10 queries, then all
of them, and reports by how much its peak resident memory (`ru_maxrss`) rose in between. The claim: less than 100 MB
at any size.
"""

import resource
import subprocess
import sys
import time
from pathlib import Path

import torch

from statesdiff.exact import IdealDenoiser
from statesdiff.files.atomic import write_atomically
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule

SIZES = (1_000, 5_000, 20_000)
RESULT = Path(__file__).parent / "results" / "exact_memory.txt"
LIMIT_MB = 100


def peak_mb() -> float:
    """The largest resident size this process has had, in MB (the kernel counts KiB, on macOS bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6


def measure(n: int) -> str:
    """One row of the table: n queries against n points at t = 250."""
    torch.set_num_threads(1)
    rng = stream("data")
    data, x_t = randn(n, 2, generator=rng), randn(n, 2, generator=rng)
    predictor = IdealDenoiser(data, NoiseSchedule.linear())
    predictor(x_t[:10], 250)
    before, start = peak_mb(), time.process_time()
    predictor(x_t, 250)
    seconds, rise = time.process_time() - start, peak_mb() - before
    return f"{n:>10,}{n:>10,}{4 * n * n / 1e6:>20,.0f}{before:>15.0f}{rise:>12.0f}{seconds:>10.1f}"


def main() -> None:
    """Measure each size in a process of its own, print the table, store it, fail if the limit is passed."""
    if len(sys.argv) > 1:
        print(measure(int(sys.argv[1])))
        return
    table = [f"{'points':>10}{'queries':>10}{'full matrix, MB':>20}{'before, MB':>15}{'rise, MB':>12}{'seconds':>10}"]
    for n in SIZES:
        done = subprocess.run([sys.executable, __file__, str(n)], check=True, capture_output=True, text=True)
        table.append(done.stdout.rstrip())
    print("\n".join(table))
    rise = max(float(row.split()[4]) for row in table[1:])
    if rise >= LIMIT_MB:
        sys.exit(f"peak memory rose by {rise:.0f} MB, more than the {LIMIT_MB} MB promised")
    text = "\n".join(["python benchmarks/exact_memory.py", f"torch {torch.__version__}", "", *table, ""])
    write_atomically(RESULT, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
