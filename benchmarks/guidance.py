"""Conditional generation, judged: every state, both kinds of guidance, its strength from 0 to 8, next to real points.

python benchmarks/guidance.py --workers 2   # the table statesdiff/results/guidance.csv, about 15 core-minutes
python benchmarks/guidance.py --cost        # benchmarks/results/guidance_cost.json: seconds and memory, about 2 minutes

Each row is 5,000 samples of one state by the book's shipped weights through all 500 steps. "ancestral" is `ddpm`,
"deterministic" is `ddim(steps=500)`, the update of the course project. The columns: share of the right class by the
exact posterior, share of the state's outline that is covered, mean distance to the nearest training point of the
state, NLL, and the NLL's floor, which is the value of the training points of that state. "±" is the half-width of the
95% interval over five parts of 1,000 samples. "real points" are a held-out draw. Rows that are in the file are kept,
so a run that was stopped goes on; delete the file to begin again. What other trainings give, and the EMD from fresh
points, is in benchmarks/guidance_trainings.py.
"""

import argparse
import json
import multiprocessing
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import torch
from tqdm.auto import tqdm

from statesdiff.checkpoints import book_classifier, book_denoiser
from statesdiff.data import STATE_NAMES, outline_points, states
from statesdiff.files.atomic import write_atomically
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.intervals import interval
from statesdiff.metrics import class_accuracy, coverage, mean_distance, nll
from statesdiff.results import processors
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "statesdiff" / "results" / "guidance.csv"
COST = ROOT / "benchmarks" / "results" / "guidance_cost.json"
STRENGTHS = (0, 0.5, 1, 2, 4, 8)
N, SCHEDULE = 5000, NoiseSchedule.linear()
KEY, REAL = ["method", "sampler", "guidance", "state"], "real points"


def guided(kind: str, y: int, scale: float) -> NoisePredictor:
    """The book's networks, guided towards state y."""
    if kind == "classifier":
        return ClassifierGuidance(book_denoiser()[0], book_classifier()[0], SCHEDULE, y, scale)
    return ClassifierFreeGuidance(book_denoiser("conditional")[0], y, scale)


def draw(kind: str, sampler: str, y: int, scale: float, n: int = N) -> torch.Tensor:
    """n samples of state y, through all 500 steps."""
    rng = stream("sample", y)
    x_T = randn(n, 2, generator=rng)
    predictor = guided(kind, y, scale)
    path = ddim(predictor, SCHEDULE, x_T, steps=500)
    return last(path if sampler == "deterministic" else ddpm(predictor, SCHEDULE, x_T, generator=rng))


def judge(x: torch.Tensor, y: int) -> dict[str, float]:
    """The metrics of samples of state y, each with its interval over five parts."""
    data, outline = states(), outline_points(4000, label=y)
    metrics = {
        "accuracy": lambda part: class_accuracy(part, y),
        "coverage": lambda part: coverage(part, outline),
        "distance": lambda part: mean_distance(part, data.of_class(y)),
        "NLL": lambda part: nll(part, data.x),
    }
    row = {}
    for name, metric in metrics.items():
        row[name], row[f"± {name}"], _ = interval([metric(part) for part in x.chunk(5)])
    return row | {"floor": nll(data.of_class(y), data.x)}


def settings() -> Iterator[tuple[str, str, float, int]]:
    """Method, sampler, guidance and label of every row."""
    yield from ((REAL, "-", 1, y) for y in range(len(STATE_NAMES)))
    for y in range(len(STATE_NAMES)):
        for kind in ("classifier", "classifier-free"):
            yield from ((kind, "ancestral", scale, y) for scale in STRENGTHS)
            yield kind, "deterministic", 1, y


def write(rows: list[dict]) -> None:
    """The table, with the command that makes it, the versions and the machine."""
    about = [
        f"python benchmarks/guidance.py: {N} samples a row",
        f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}, "
        f"one thread of {processors()[0]}",
    ]
    text = "".join(f"# {line}\n" for line in about) + pd.DataFrame(rows).to_csv(index=False, float_format="%.5g")
    write_atomically(TABLE, lambda path: path.write_text(text, encoding="utf-8"))


def row_of(key: tuple[str, str, float, int]) -> dict:
    """One row: the samples of that setting, or real points, judged."""
    torch.set_num_threads(1)
    kind, sampler, scale, y = key
    x = states(N, seed=1).of_class(y) if kind == REAL else draw(kind, sampler, y, scale)
    return dict(zip(KEY, (kind, sampler, scale, STATE_NAMES[y]), strict=True)) | judge(x, y)


def make_table(workers: int) -> None:
    """All rows, in order, written as they come."""
    rows = pd.read_csv(TABLE, comment="#").to_dict("records") if TABLE.is_file() else []
    done = {tuple(row[k] for k in KEY) for row in rows}
    left = [key for key in settings() if (*key[:3], STATE_NAMES[key[3]]) not in done]
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for row in tqdm(pool.imap(row_of, left), total=len(left), disable=None):
            rows.append(row)
            write(rows)


def cost_of(kind: str, steps: int, threads: int) -> dict[str, float]:
    """Seconds and peak memory of 5,000 guided samples of one state, in a process of its own."""
    command = [sys.executable, __file__, "--one", kind, str(steps), str(threads)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def one(kind: str, steps: int, threads: int) -> dict[str, float]:
    """What `cost_of` runs: the sampling alone is timed, the peak is that of the whole process."""
    torch.set_num_threads(threads)
    predictor, x_T = guided(kind, 2, 1.0), randn(N, 2, generator=stream("sample"))
    last(ddim(predictor, SCHEDULE, x_T, steps=2))
    start = time.perf_counter()
    last(ddim(predictor, SCHEDULE, x_T, steps=steps))
    seconds = time.perf_counter() - start
    return {"seconds": round(seconds, 2), "MiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def make_cost() -> None:
    """Seconds and memory for 50 and 500 steps, one thread and two."""
    rows = []
    for kind in ("classifier", "classifier-free"):
        for steps, threads in ((50, 1), (500, 1), (500, 2)):
            runs = [cost_of(kind, steps, threads) for _ in range(3)]
            median = {key: sorted(run[key] for run in runs)[1] for key in ("seconds", "MiB")}
            rows.append({"method": kind, "n": N, "steps": steps, "threads": threads} | median)
            print(rows[-1], flush=True)
    about = {"machine": f"{processors()[0]}, {os.cpu_count()} cores", "torch": torch.__version__, "median of": 3}
    write_atomically(
        COST, lambda path: path.write_text(json.dumps(about | {"rows": rows}, indent=1) + "\n", encoding="utf-8")
    )


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cost", action="store_true", help="measure seconds and memory instead")
    parser.add_argument("--workers", type=int, default=1, help="how many processes make the table")
    parser.add_argument("--one", nargs=3, metavar=("KIND", "STEPS", "THREADS"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(one(args.one[0], int(args.one[1]), int(args.one[2]))))
    elif args.cost:
        make_cost()
    else:
        make_table(args.workers)


if __name__ == "__main__":
    main()
