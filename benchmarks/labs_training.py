"""Training the recipe "fourier", for `labs.py`: in the page by both kernels and in PyTorch; and smalldiffusion's."""

import json
import math
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path

import torch
from labs_pages import Measurer

from statesdiff.data import states
from statesdiff.metrics import mean_distance
from statesdiff.recipes import train_recipe
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddpm, last
from statesdiff.schedule import NoiseSchedule

STORED = Path(__file__).parent / "results" / "time_to_quality.json"
SCHEDULE = NoiseSchedule.linear(T=500)
TARGET, BETTER, WITHIN = 0.018, 0.011, 10  # mean distances; seconds for the second
WARM_UP, SMALL_UPDATES, N_SAMPLES = 30, 40, 5000


def ms_of(training: Iterator, updates: int) -> float:
    """Milliseconds of an update of that training, after some that are not counted."""
    for _ in islice(training, WARM_UP):
        pass
    start = time.perf_counter()
    for _ in islice(training, updates):
        pass
    return 1000 * (time.perf_counter() - start) / updates


def small_training() -> Callable[[], Iterator] | None:
    """What starts smalldiffusion's own training loop; None if benchmarks/requirements.txt is not installed."""
    try:
        import toy_smalldiffusion as toy
    except ImportError:
        return None
    return lambda: toy.train(states().x, seed=0)[1]


def update_times(engine: Measurer, repetitions: int, updates: int) -> dict[str, list[float]]:
    """Milliseconds of an update by each way, in turn, over and over."""
    small, times = small_training(), {"PyTorch": [], "page": [], "page, relaxed SIMD": []}
    if small:
        times["smalldiffusion"] = []
    if not engine.relaxed:
        del times["page, relaxed SIMD"]
    for _ in range(repetitions):
        steps = updates + WARM_UP
        times["PyTorch"].append(ms_of(train_recipe("fourier", states().x, SCHEDULE, steps=steps)[1], updates))
        for name in [name for name in times if name.startswith("page")]:
            times[name].append(engine("update", relaxed=name != "page", updates=updates))
        if small:
            times["smalldiffusion"].append(ms_of(small(), SMALL_UPDATES))
    return times


def in_torch(steps: int, seed: int) -> dict[str, float]:
    """One training with that budget, sampled by 500 ancestral steps and judged."""
    model, training = train_recipe("fourier", states().x, SCHEDULE, steps=steps, seed=seed)
    start = time.perf_counter()
    for _ in training:
        pass
    seconds, rng = time.perf_counter() - start, stream("sample", seed)
    x_0 = last(ddpm(model, SCHEDULE, randn(N_SAMPLES, 2, generator=rng), generator=rng))
    return {"steps": steps, "seed": seed, "seconds": seconds, "distance": mean_distance(x_0, states().x)}


def in_page(engine: Measurer, steps: int, seed: int) -> dict[str, float]:
    """The same in the page, judged here."""
    found = engine("train", steps=steps, seed=seed, n=N_SAMPLES)
    x_0 = torch.tensor(found["x_0"]).reshape(-1, 2)
    distance = mean_distance(x_0, states().x)
    return {"steps": steps, "seed": seed, "seconds": found["seconds"], "distance": distance}


def updates_to(rows: list[tuple[float, float]], distance: float) -> float:
    """Updates until the distance is reached, from (updates, distance) rows, interpolated on logarithmic scales.

    The line through the two rows around it, or through the nearest two if it lies outside.
    """
    rows = sorted(rows)
    pairs = list(pairwise(rows))
    (n_a, a), (n_b, b) = next((pair for pair in pairs if pair[1][1] <= distance), pairs[-1])
    return n_a * (n_b / n_a) ** (math.log(a / distance) / math.log(a / b))


def needed(runs: list[dict[str, float]]) -> float:
    """Updates to the mean distance of 0.018: each budget by the median over its seeds."""
    budgets = sorted({run["steps"] for run in runs})
    middle = [statistics.median(run["distance"] for run in runs if run["steps"] == steps) for steps in budgets]
    return updates_to(list(zip(budgets, middle, strict=True)), TARGET)


def ratio(times: dict[str, list[float]], name: str, to: str = "PyTorch") -> dict[str, float]:
    """How many times longer an update takes, repetition by repetition: median, least, most."""
    found = [a / b for a, b in zip(times[name], times[to], strict=True)]
    return {"median": statistics.median(found), "least": min(found), "most": max(found)}


def small_seconds(times: dict[str, list[float]], torch_seconds: float) -> tuple[float, str]:
    """Seconds of smalldiffusion's recipe to 0.018, and how they were found."""
    stored = json.loads(STORED.read_text(encoding="utf-8"))
    if "smalldiffusion" in times:
        rows = [(row["steps"], row["distance"]) for row in stored["medians"]["smalldiffusion"]]
        ms = statistics.median(times["smalldiffusion"])
        return updates_to(rows, TARGET) * ms / 1000, "an update timed in this run, their number from " + STORED.name
    of = stored["time_to_distance"]["smalldiffusion"][str(TARGET)]["times_fourier"]
    return of * torch_seconds, f"{of} times the book's recipe in PyTorch, a ratio of {STORED.name}"


def measure(engine: Measurer, quick: bool) -> dict:
    """Everything about training."""
    repetitions, updates, seeds = (3, 40, 1) if quick else (7, 200, 3)
    budgets = (500, 900) if quick else (600, 800, 1000)
    times = update_times(engine, repetitions, updates)
    middle = {name: statistics.median(values) for name, values in times.items()}
    runs = {"PyTorch": [], "page": []}
    for seed in range(seeds):
        for steps in budgets:
            runs["PyTorch"].append(in_torch(steps, seed))
            runs["page"].append(in_page(engine, steps, seed))
    updates_needed = {name: needed(of) for name, of in runs.items()}
    seconds = {name: middle[name] * updates_needed[name.split(",")[0]] / 1000 for name in middle
               if name != "smalldiffusion"}  # fmt: skip
    best = "page, relaxed SIMD" if engine.relaxed else "page"
    small, how = small_seconds(times, seconds["PyTorch"])
    long = in_page(engine, max(300, round(1000 * (2 if quick else WITHIN) * 0.98 / middle[best])), seed=0)
    return {
        "ms_an_update": times, "median_ms": middle,
        "times_pytorch_an_update": {name: ratio(times, name) for name in times if name != "PyTorch"},
        "updates_to_0.018": updates_needed, "seconds_to_0.018": seconds,
        "smalldiffusion_seconds_to_0.018": small, "smalldiffusion_seconds_are": how,
        "as_long_as_ten_seconds_allow": long, "runs": runs,
    }  # fmt: skip
