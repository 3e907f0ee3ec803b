"""Many trainings, one table: the ablations. Configurations of one shape are trained together, as an ensemble."""

import hashlib
import json
import os
import re
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import pandas as pd
import torch
from tqdm.auto import tqdm

from statesdiff.ablations import judging
from statesdiff.ablations.configs import Config, is_number
from statesdiff.ablations.ensemble import Job, memory, train_ensemble
from statesdiff.ablations.toys import points
from statesdiff.files.atomic import check_output, write_atomically
from statesdiff.files.points import SUFFIXES
from statesdiff.training import denormals_flushed

TOGETHER = 16  # networks in one ensemble: more of them gain nothing on a processor (benchmarks/ensemble.py)
TOGETHER_ON_GPU = 64  # there a step takes as long for 64 as for one
LAST = 200  # updates over which the training loss is averaged
Run = tuple[Config, int]  # a configuration and a seed


def sweep(
    configs: Iterable[Config | dict],
    seeds: int | Sequence[int] = 5,
    *,
    folder: str | os.PathLike | None = None,
    client: Any = None,
    workers: int | None = None,
    device: str = "cpu",
    progress: bool | None = True,
) -> pd.DataFrame:
    """Train every configuration with every seed and judge the samples: a table, a row for each and for each floor.

    seeds: how many (0, 1, ...), or which. What is finished is kept in `folder`, if one is given, and a second call
    with the same folder trains only what is missing. `client`: a `dask.distributed` client, whose workers then do the
    work; otherwise `workers` threads, each on one core (left out: all cores). Networks are trained and sampled on
    `device`, such as "cuda", and judged on the processor. Rows come in the order of the
    configurations, the floors, real points judged in the same way, last, as network "real". `progress`: a bar, none,
    or (None) one where there is a terminal. `.attrs["memory"]` bounds, in bytes, what the ensembles hold at once;
    `.attrs["trained"]` counts the runs that were not in `folder`. The measures are those of `judging.evaluate`; a
    network that diverged has NaN for them. Raises ValueError or FileNotFoundError for a bad configuration, before
    anything is trained.
    """
    configs = [config if isinstance(config, Config) else Config.of(config) for config in configs]
    seeds = _seeds(seeds)
    if not configs:
        raise ValueError("configs must hold at least one configuration, got none")
    if workers is not None and not (is_number(workers, int) and workers >= 1):
        raise ValueError(f"workers must be a whole number >= 1 or None, got {workers!r}")
    runs = list(dict.fromkeys((config, seed) for config in configs for seed in seeds))
    store = Store(folder)
    missing = [run for run in runs if run not in store]
    threads = workers or (sum(client.nthreads().values()) if client else os.cpu_count()) or 1
    chunks = grouped(missing, threads, TOGETHER if device == "cpu" else TOGETHER_ON_GPU)
    held = sum(sorted(map(chunk_memory, chunks))[-threads:])
    with tqdm(
        total=sum(map(updates, missing)),
        unit="update",
        unit_scale=True,
        disable=None if progress is None else not progress,
    ) as bar:
        bar.set_postfix_str(f"{len(missing)} of {len(runs)} to train, at most {held / 2**20:.0f} MiB at once")
        work_off(chunks, store, bar, client, threads, device)
    table = pd.DataFrame([row for run in runs for row in store[run]] + floor_rows(configs, seeds))
    table.attrs |= {"memory": held, "trained": len(missing)}
    return table


def updates(run: Run) -> int:
    """How many updates of one network the run takes."""
    return run[0].steps


def chunk_memory(chunk: list[Run]) -> int:
    """An upper bound of the bytes that training the chunk takes."""
    return len(chunk) * memory(chunk[0][0].job(0))


def grouped(runs: Sequence[Run], threads: int = 1, together: int = TOGETHER) -> list[list[Run]]:
    """Runs of one shape, at most so many `together` and of like length, a chunk for each thread if there are few.

    The longest chunks come first, so that no thread is left alone with one at the end.
    """
    shape_of = {config: config.job(0).shape for config in {config for config, _ in runs}}  # whatever the seed
    by_shape: dict[tuple, list[Run]] = {}
    for config, seed in runs:
        by_shape.setdefault(shape_of[config], []).append((config, seed))
    chunks, most = [], min(together, -(-len(runs) // threads) or 1)
    for same in by_shape.values():
        same.sort(key=updates)
        size = -(-len(same) // -(-len(same) // most))  # no more chunks than needed, of like size
        chunks += [same[i : i + size] for i in range(0, len(same), size)]
    return sorted(chunks, key=lambda chunk: -sum(map(updates, chunk)))


def work_off(
    chunks: list[list[Run]], store: "Store", bar: tqdm, client: Any, threads: int, device: str = "cpu"
) -> None:
    """Train all chunks, in threads or on the client's workers, and store each run when it is judged.

    A worker elsewhere has no store and no bar: its chunk comes back, and is stored, as a whole.
    """
    stop = threading.Event()

    def tick(n: int) -> None:
        if stop.is_set():
            raise InterruptedError("the sweep was stopped")
        bar.update(n)

    def keep(judged: Iterable[tuple[Run, list[dict]]]) -> None:
        for run, rows in judged:
            store[run] = rows
            bar.update(updates(run) if client else 0)

    executor: Executor = client.get_executor(pure=False) if client else ThreadPoolExecutor(threads)
    with one_thread_each(), executor:
        if client:
            waiting = {executor.submit(all_of, chunk, device) for chunk in chunks}
        else:
            waiting = {executor.submit(keep, train_and_evaluate(chunk, tick, device)) for chunk in chunks}
        try:
            for future in as_completed(list(waiting)):
                waiting.discard(future)
                keep(future.result() or ())
        except BaseException:
            stop.set()
            for future in waiting:
                if not future.cancel() and future.done() and future.exception() is None:
                    keep(future.result() or ())  # finished while another was being stored
            raise


def train_and_evaluate(
    chunk: list[Run], tick: Callable[[int], None] = lambda n: None, device: str = "cpu"
) -> Iterator[tuple[Run, list[dict]]]:
    """Train the runs of one chunk together, then judge each: yields it with its rows. `tick` hears of every update."""
    jobs = [config.job(seed) for config, seed in chunk]
    recent: list[deque[float]] = [deque(maxlen=LAST) for _ in jobs]
    torch.set_num_threads(1)  # the setting belongs to each thread of Python
    with denormals_flushed():
        for losses in train_ensemble(jobs, device):
            for last, loss in zip(recent, losses, strict=True):
                if loss is not None:
                    last.append(loss)
            tick(sum(loss is not None for loss in losses))
    for run, job, last in zip(chunk, jobs, recent, strict=True):
        tick(0)  # judging takes seconds: a sweep that was stopped need not wait for all
        yield run, rows_of(run, job, sum(last) / len(last), device)


def all_of(chunk: list[Run], device: str = "cpu") -> list[tuple[Run, list[dict]]]:
    """The same at once, for a worker elsewhere."""
    return list(train_and_evaluate(chunk, device=device))


def rows_of(run: Run, job: Job, loss: float, device: str) -> list[dict]:
    """The rows of a run that has been trained, one for each of its samplings; `loss` is that of its last updates."""
    config, seed = run
    known, about = points(config.data, config.units), {"seed": seed, "steps": config.steps, "loss": loss}
    if config.sets is not None:
        about |= judging.gaps(job.model, job.schedule, known, job.x_0, seed)
    judge = partial(judging.sample_and_evaluate, known=known, train=job.x_0, seed=seed, device=device)
    return [config.row(s) | about | judge(job.model, job.schedule, s) for s in config.samplings]


def floor_rows(configs: Sequence[Config], seeds: Sequence[int]) -> list[dict]:
    """The rows of the floors: one for each data set, number of samples and seed, guided or not."""
    wanted = {}
    for config in configs:
        for s in config.samplings:
            wanted.setdefault((config.data, config.units, s.n, s.guidance is not None), s)
    return [
        {"data": data, "units": units, "network": "real", "n": n, "seed": seed}
        | judging.floor(points(data, units), sampling, seed)
        for (data, units, n, _), sampling in wanted.items()
        for seed in seeds
    ]


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Inside, torch uses one thread for each thread of Python."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Store:
    """The rows of finished runs, in memory and, with a folder, one JSON file a run, so that a later call finds them."""

    def __init__(self, folder: str | os.PathLike | None) -> None:
        self.folder, self.rows = None if folder is None else Path(folder), {}
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            check_output(self.folder / "run.json")  # before hours of training

    def __contains__(self, run: Run) -> bool:
        if run not in self.rows and self.folder is not None and (path := self._path(run)).exists():
            try:
                self.rows[run] = _checked_rows(json.loads(path.read_text(encoding="utf-8")), run)
            except (ValueError, KeyError, TypeError) as error:
                raise ValueError(f"{path} is not a finished run ({error}): remove it to train it again") from error
        return run in self.rows

    def __getitem__(self, run: Run) -> list[dict]:
        return self.rows[run]

    def __setitem__(self, run: Run, rows: list[dict]) -> None:
        self.rows[run] = rows
        if self.folder is not None:
            text = json.dumps(_key(run) | {"rows": rows}, indent=1)
            write_atomically(self._path(run), lambda temporary: temporary.write_text(text + "\n", encoding="utf-8"))

    def _path(self, run: Run) -> Path:
        name = hashlib.sha256(json.dumps(_key(run), sort_keys=True).encode()).hexdigest()[:16]
        stem = re.sub(r"\W+", "-", PurePath(run[0].data.replace("\\", "/")).stem)[-40:]  # text of a user's
        return self.folder / f"{stem}-{name}.json"


def _checked_rows(content: dict, run: Run) -> list[dict]:
    rows = content["rows"]
    if [type(row) for row in rows] != [dict] * len(run[0].samplings):
        raise ValueError(f"{len(run[0].samplings)} rows expected")
    return rows


def _seeds(given: int | Sequence[int]) -> list[int]:
    several = range(given) if is_number(given, int) else given
    seeds = list(dict.fromkeys(several)) if isinstance(several, Iterable) else []
    if not seeds or not all(is_number(seed, int) and seed >= 0 for seed in seeds):
        raise ValueError(f"seeds must be a number >= 1 of them or whole numbers >= 0, got {given!r}")
    return seeds


def _key(run: Run) -> dict:
    """What a finished run is known by: its configuration and seed and, for a file, what was in it."""
    path = Path(run[0].data)
    content = {"content": hashlib.sha256(path.read_bytes()).hexdigest()} if path.suffix in SUFFIXES else {}
    return {"config": asdict(run[0]), "seed": run[1]} | content
