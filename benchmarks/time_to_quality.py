"""How long each recipe trains, on one thread, until its samples lie as close to the data as asked.

    pip install --no-deps -r benchmarks/requirements.txt
    python benchmarks/time_to_quality.py    # 20 to 30 minutes; interrupt and repeat at will, finished runs are kept

Compared on `states()`: the book's fast recipe ("fourier"), the course project's network trained plainly ("plain"), and
smalldiffusion's own toy recipe (see toy_smalldiffusion.py).

Measured: seconds of processor time spent training, the program held to one thread; sampling and judging are left out.
On an idle machine processor time and wall-clock time agree; both are shown. Where they differ other work was running,
and a shared cache makes processor time longer too: to measure again on an idle machine, delete the result file first.

Quality: the mean distance of 5,000 samples to the nearest training point, and the gap between the samples' NLL and
the training points' own NLL (Gaussian KDE), closer to 0 is better. The book's recipes sample with 500 ancestral
steps; smalldiffusion with its own 20-step sampler or with 100 ancestral steps, whichever comes closer. The learning
rate of the book's recipes depends on the budget, so each budget is a run of its own; smalldiffusion's is constant, so
one run is judged as it goes.

Each number of the table is the median over three seeds. The time to a distance is interpolated between the two budgets
around it, on logarithmic scales; "<=" marks a recipe that is there at its smallest budget.
"""

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Iterator
from importlib.metadata import version
from itertools import pairwise, product
from pathlib import Path

import torch
import toy_smalldiffusion as toy

from statesdiff.data import states
from statesdiff.files.atomic import write_atomically
from statesdiff.metrics import mean_distance, nll
from statesdiff.recipes import RECIPES, train_recipe
from statesdiff.results import processors
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddpm, last
from statesdiff.schedule import NoiseSchedule

RESULT = Path(__file__).parent / "results" / "time_to_quality.json"
N_SAMPLES = 5_000
TARGETS = (0.018, 0.011)
SMALL = "smalldiffusion"
BUDGETS = {  # steps of the optimiser
    "fourier": (400, 800, 1200, 2000, 3000, 4000, 8000),
    "plain": (1000, 2000, 4000),
    SMALL: (1000, 2000, 4000, 6000, 8000, 10_000, 12_000, toy.STEPS),
}


def machine() -> dict[str, str | int]:
    """Processor and number of cores."""
    names = processors()
    return {"processor": names[0], "cores": len(names), "threads_used": 1}


def versions() -> dict[str, str]:
    """Python and the packages that decide the speed."""
    packages = ("torch", "numpy", "scipy", "smalldiffusion", "accelerate")
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def settings(recipe: str) -> str:
    """The recipe in one line; a stored run made with other settings is run again."""
    if recipe == SMALL:
        return toy.settings()
    build, how = RECIPES[recipe].build, RECIPES[recipe].training
    return f"{build().config}, t: {how.draw_t.__name__}, batch {how.batch_size}, OneCycle {how.lr:g}"


def judge(x_0: torch.Tensor) -> dict[str, float]:
    """Distance to the nearest training point, and NLL minus the NLL of the training points."""
    real = states().x
    return {"distance": round(mean_distance(x_0, real), 5), "nll_gap": round(nll(x_0, real) - nll(real, real), 4)}


def now() -> tuple[float, float]:
    """Processor time and wall-clock time, in seconds."""
    return time.process_time(), time.perf_counter()


def since(start: tuple[float, float]) -> dict[str, float]:
    """What both clocks have counted since `start`."""
    cpu, wall = now()
    return {"seconds": round(cpu - start[0], 3), "wall_seconds": round(wall - start[1], 3)}


def run_book(recipe: str, seed: int, steps: int) -> dict:
    """One training of one of the book's recipes, timed, sampled and judged."""
    schedule = NoiseSchedule.linear(T=500)
    model, training = train_recipe(recipe, states().x, schedule, steps=steps, seed=seed)
    start = now()
    for _ in training:
        pass
    spent = since(start)
    rng = stream("sample", seed)
    x_0 = last(ddpm(model, schedule, randn(N_SAMPLES, 2, generator=rng), generator=rng))
    return spent | judge(x_0) | {"sampler": "500 steps, DDPM"}


def run_small(seed: int) -> Iterator[dict]:
    """One training of smalldiffusion, stopped for judgement at each budget; the clock stands still meanwhile."""
    model, training = toy.train(states().x, seed)
    for step, _ in enumerate(training):  # it yields before it updates: `step` updates have been made
        if step == 0:
            start = now()  # what it does to set itself up is not counted
        if step in BUDGETS[SMALL]:
            spent, stopped = since(start), now()
            judged = [judge(toy.sample(model, N_SAMPLES, name, seed)) | {"sampler": name} for name in toy.SAMPLERS]
            yield {"steps": step} | spent | min(judged, key=lambda j: j["distance"])
            start = tuple(a + b - c for a, b, c in zip(start, now(), stopped, strict=True))


def run_all(runs: list[dict], seeds: int) -> Iterator[dict]:
    """Every run that `runs` does not hold yet."""
    done = {(r["recipe"], r["seed"], r["steps"], r["settings"]) for r in runs}
    for seed, recipe in product(range(seeds), BUDGETS):
        label = {"recipe": recipe, "seed": seed, "settings": settings(recipe)}
        missing = [n for n in BUDGETS[recipe] if (recipe, seed, n, label["settings"]) not in done]
        if recipe == SMALL and missing:
            yield from (label | run for run in run_small(seed))
        elif missing:
            yield from (label | {"steps": steps} | run_book(recipe, seed, steps) for steps in missing)


def medians(runs: list[dict], recipe: str) -> list[dict]:
    """Per budget the median over the seeds of time, distance and gap."""
    rows = []
    for steps in BUDGETS[recipe]:
        same = [r for r in runs if r["recipe"] == recipe and r["steps"] == steps]
        if same:
            keys = ("seconds", "wall_seconds", "distance", "nll_gap")
            rows.append({"steps": steps, "seeds": len(same)} | {k: statistics.median(r[k] for r in same) for k in keys})
    return rows


def time_to(rows: list[dict], distance: float) -> tuple[str, float | None]:
    """("=" or "<=", seconds) until the distance is reached, or (">", seconds spent in vain)."""
    if rows[0]["distance"] <= distance:
        return "<=", rows[0]["seconds"]
    for a, b in pairwise(rows):
        if b["distance"] <= distance:
            share = math.log(a["distance"] / distance) / math.log(a["distance"] / b["distance"])
            return "=", a["seconds"] * (b["seconds"] / a["seconds"]) ** share
    return ">", rows[-1]["seconds"]


def summary(runs: list[dict]) -> dict:
    """The time of each recipe to each target, and how many times sooner the fast recipe is there."""
    rows = {recipe: medians(runs, recipe) for recipe in BUDGETS}
    times = {r: {str(d): time_to(rows[r], d) for d in TARGETS} for r in BUDGETS if rows[r]}
    table = {}
    for recipe, d in product(times, map(str, TARGETS)):
        relation, seconds = times[recipe][d]
        fast = times.get("fourier", {}).get(d, (">", math.nan))[1]
        entry = {"relation": relation, "seconds": round(seconds, 2), "times_fourier": round(seconds / fast, 1)}
        table.setdefault(recipe, {})[d] = entry
    return {"medians": rows, "time_to_distance": table}


def save(runs: list[dict]) -> None:
    """Write everything to the result file, in one step."""
    head = {"command": "python benchmarks/time_to_quality.py", "machine": machine(), "versions": versions()}
    runs = sorted(runs, key=lambda r: (r["recipe"], r["seed"], r["steps"]))
    text = json.dumps(head | summary(runs) | {"runs": runs}, indent=1) + "\n"
    write_atomically(RESULT, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def print_table(runs: list[dict]) -> None:
    """Medians by budget, then the times to the targets with their ratios."""
    result = summary(runs)
    print(f"\n{'recipe':16s}{'steps':>8}{'seconds':>10}{'(wall)':>8}{'distance':>10}{'NLL gap':>10}{'seeds':>7}")
    for recipe, rows in result["medians"].items():
        for r in rows:
            quality = f"{r['distance']:10.4f}{r['nll_gap']:+10.3f}{r['seeds']:7d}"
            print(f"{recipe:16s}{r['steps']:8d}{r['seconds']:10.1f}{r['wall_seconds']:8.1f}" + quality)
    print(f"\n{'recipe':16s}{'distance':>10}{'reached after':>16}{'times fourier':>16}")
    for recipe, entry in result["time_to_distance"].items():
        for d, e in entry.items():
            sign = "" if e["relation"] == "=" else e["relation"] + " "
            ratio = ("> " if sign.startswith(">") else "") + f"{e['times_fourier']:.1f}"
            print(f"{recipe:16s}{d:>10}{sign + format(e['seconds'], '.1f') + ' s':>16}{ratio:>16}")


def main() -> None:
    """Run what is missing, store each run as it ends, print the table."""
    parser = argparse.ArgumentParser(description="Training time to a given sample quality, three recipes, one thread.")
    parser.add_argument("--seeds", type=int, default=3)
    seeds = parser.parse_args().seeds
    torch.set_num_threads(1)
    run_book("fourier", seed=0, steps=20)  # what PyTorch does once, at first use, is not counted
    stored = json.loads(RESULT.read_text(encoding="utf-8"))["runs"] if RESULT.exists() else []
    runs = [r for r in stored if r["settings"] == settings(r["recipe"])]
    for run in run_all(list(runs), seeds):
        same = ("recipe", "seed", "steps")
        runs = [r for r in runs if any(r[k] != run[k] for k in same)] + [run]
        save(runs)
        print({k: v for k, v in run.items() if k != "settings"}, flush=True)
    save(runs)
    print_table(runs)


if __name__ == "__main__":
    main()
