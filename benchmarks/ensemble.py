"""Many networks at once against one by one: the time of one update of one network, in one run.

    python benchmarks/ensemble.py                  # benchmarks/results/ensemble.json, about 5 minutes on two idle cores
    python benchmarks/ensemble.py --device cuda    # benchmarks/results/ensemble_cuda.json
    python benchmarks/ensemble.py --quick          # a few updates of each, nothing written: to see that it runs

The network is the toy-set homework's, 85 thousand weights, on moons in batches of 64, T = 200. The ways:

    plain       a loop as a homework has it: nn.Sequential, DataLoader, Adam, loss.item()
    one by one  `train_denoiser`
    ensemble    `train_ensemble`, 1 to 32 networks (--sizes)

each in one thread, and on two cores: two ensembles of 16 in two threads, as `sweep` runs them, and one-by-one
training in two threads and in two processes. A round measures every way once, so that a machine which is slow for a
while is slow for all; the table has the median over the rounds, in microseconds per update of one network, and the
ratios are medians of the rounds' ratios. The claim: on two cores the ensembles are at least 3 times as fast as the
better of the two one-by-one ways. The memory is the growth of a fresh process's peak, beside the bound that `sweep`
prints.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from statistics import median

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from statesdiff.ablations.configs import Config
from statesdiff.ablations.ensemble import memory, train_ensemble
from statesdiff.ablations.homework import sinusoids
from statesdiff.files.atomic import write_atomically
from statesdiff.results import processors
from statesdiff.rng import stream
from statesdiff.training import denormals_flushed, train_denoiser

RESULTS = Path(__file__).parent / "results"
SIZES, TWO, TARGET = (1, 2, 4, 8, 16, 32), 16, 3.0
WARM = 10  # updates before the clock starts


def job(seed: int, steps: int, device: str):
    """The homework's network and its data, on the device."""
    config = Config()
    made = config.job(seed)
    made.model.to(device)
    return replace(made, x_0=made.x_0.to(device), training=replace(made.training, steps=steps))


def clocked(updates) -> float:
    """Seconds between the WARM-th update and the last."""
    for _ in range(WARM):
        next(updates)
    start = time.perf_counter()
    for _ in updates:
        pass
    return time.perf_counter() - start


def in_ensemble(networks: int, steps: int, device: str, seed: int = 0) -> float:
    """Microseconds per update of one network, `networks` of them trained at once in this thread."""
    torch.set_num_threads(1)
    jobs = [job(seed + i, steps + WARM, device) for i in range(networks)]
    with denormals_flushed():
        return 1e6 * clocked(train_ensemble(jobs)) / (steps * networks)


def one_by_one(steps: int, device: str, seed: int = 0) -> float:
    """Microseconds per update with `train_denoiser`."""
    torch.set_num_threads(1)
    made = job(seed, steps + WARM, device)
    with denormals_flushed():
        updates = train_denoiser(made.model, made.x_0, made.schedule, **vars(made.training), generator=made.generator)
        return 1e6 * clocked(updates) / steps


def plain(steps: int, device: str) -> float:
    """Microseconds per update of a plain loop."""
    torch.set_num_threads(1)
    with denormals_flushed():
        return 1e6 * clocked(_homework(steps + WARM, device)) / steps


def _homework(steps: int, device: str):
    made = job(0, steps, device)
    net, alpha_bar = nn.Sequential(*made.model.net), made.schedule.alpha_bar.float().to(device)
    optimiser = torch.optim.Adam(net.parameters(), lr=made.training.lr)
    loader = DataLoader(
        TensorDataset(made.x_0), batch_size=made.training.batch_size, shuffle=True, generator=stream("train")
    )
    while True:
        for (x_0,) in loader:
            t, eps = torch.randint(1, 201, (len(x_0),), device=device), torch.randn_like(x_0)
            a = alpha_bar[t][:, None]
            x_t = a.sqrt() * x_0 + (1 - a).sqrt() * eps
            loss = nn.functional.mse_loss(net(torch.cat([x_t, sinusoids(t, x_t)], dim=1)), eps)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            yield loss.item()
            if (steps := steps - 1) == 0:
                return


def on_two(executor: Executor, measure: Callable, *args) -> float:
    """Microseconds per update of one network when two workers measure at the same time: half the mean of theirs."""
    both = [executor.submit(measure, *args, seed) for seed in (0, 100)]
    return sum(future.result() for future in both) / 4


def rounds(n: int, steps: int, sizes: list[int], device: str) -> dict[str, list[float]]:
    """What each way took in each of n rounds."""
    ways: dict[str, Callable[[], float]] = {
        "plain": lambda: plain(steps, device),
        "one by one": lambda: one_by_one(steps, device),
    }
    for size in sizes:
        ways[f"ensemble of {size}"] = lambda size=size: in_ensemble(size, int(steps / size**0.5), device)
    with ThreadPoolExecutor(2) as threads, ProcessPoolExecutor(2, get_context("spawn")) as processes:
        if device == "cpu":
            ways["two threads, one by one"] = lambda: on_two(threads, one_by_one, steps, device)
            ways["two processes, one by one"] = lambda: on_two(processes, one_by_one, steps, device)
            ways[f"two threads, ensembles of {TWO}"] = lambda: on_two(threads, in_ensemble, TWO, steps // 4, device)
            on_two(processes, one_by_one, 1, device)  # they start and import now
        return _measured(ways, n)


def _measured(ways: dict[str, Callable[[], float]], n: int) -> dict[str, list[float]]:
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(n):
        for name, measure in ways.items():
            taken[name].append(round(measure(), 1))
            print(f"round {i + 1} of {n}: {name:34}{taken[name][-1]:9.1f} us", flush=True)
    return taken


def ratios(taken: dict[str, list[float]]) -> dict[str, float]:
    """How many times as fast the ensembles are, medians over the rounds: in one thread and on two cores."""
    best = [min(row) for row in zip(*(row for name, row in taken.items() if name.startswith("ensemble")), strict=True)]
    found = {"one thread": _ratio(taken["one by one"], best), "one thread, to plain": _ratio(taken["plain"], best)}
    ensembles = taken.get(f"two threads, ensembles of {TWO}")
    if ensembles is not None:
        singly = zip(taken["two threads, one by one"], taken["two processes, one by one"], strict=True)
        found["two cores"] = _ratio([min(pair) for pair in singly], ensembles)
    return found


def _ratio(slow: list[float], fast: list[float]) -> float:
    return round(median(a / b for a, b in zip(slow, fast, strict=True)), 2)


def memory_of(networks: int) -> dict[str, float]:
    """MiB that an ensemble takes in a process of its own, and the bound."""
    command = [sys.executable, __file__, "--memory", str(networks)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def peak() -> float:
    """The most that this process has held, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # Linux starts a child's ru_maxrss at its parent's, but not this
        (line,) = (line for line in status.read_text(encoding="utf-8").splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def peak_growth(networks: int) -> dict[str, float]:
    """What `memory_of` runs: an ensemble of one first, so that libraries and their workspaces are not counted."""
    in_ensemble(1, 200, "cpu")
    jobs = [job(i, 200, "cpu") for i in range(networks)]
    before = peak()
    for _ in train_ensemble(jobs):
        pass
    grown = peak() - before
    return {"networks": networks, "MiB": round(grown, 1), "bound, MiB": round(networks * memory(jobs[0]) / 2**20, 1)}


def report(args: argparse.Namespace) -> dict:
    """All measurements, with the machine and the versions."""
    taken = rounds(args.rounds, args.steps, args.sizes, args.device)
    gpu = {"gpu": torch.cuda.get_device_name()} if args.device == "cuda" else {}
    machine = f"{processors()[0]}, {os.cpu_count()} logical processors"
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    return {
        "command": "python benchmarks/ensemble.py" + (" --device cuda" if gpu else ""),
        "machine": machine,
        **gpu,
        **versions,
        "microseconds per update of one network": {name: median(row) for name, row in taken.items()},
        "times as fast": ratios(taken),
        "rounds": taken,
        "memory": [memory_of(networks) for networks in (4, 16, 32)] if args.device == "cpu" else [],
    }


def main() -> None:
    """Measure, print, store; fail if the ensembles miss their target on two cores."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2000, help="updates of a network trained alone; default 2000")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="networks in an ensemble")
    parser.add_argument("--quick", action="store_true", help="2 rounds of 100 updates, nothing written")
    parser.add_argument("--memory", type=int, metavar="NETWORKS", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory:
        print(json.dumps(peak_growth(args.memory)))
        return
    if args.quick:
        args.rounds, args.steps = 2, 100
    found = report(args)
    print(json.dumps({name: value for name, value in found.items() if name != "rounds"}, indent=1))
    if not args.quick:
        path = RESULTS / ("ensemble.json" if args.device == "cpu" else "ensemble_cuda.json")
        write_atomically(
            path, lambda temporary: temporary.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        )
        if found["times as fast"].get("two cores", TARGET) < TARGET:
            sys.exit(f"on two cores the ensembles are less than {TARGET} times as fast as one-by-one training")


if __name__ == "__main__":
    main()
