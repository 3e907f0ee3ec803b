"""Many independent runs, each kept as soon as it is finished: how the benchmarks with seeds are stopped and resumed."""

import argparse
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from statesdiff.files.atomic import write_atomically
from statesdiff.rng import stream

Key = tuple[str | int, ...]


def run_all(make: Callable[..., list[dict]], keys: Sequence[Key], folder: Path, workers: int = 1) -> list[dict]:
    """The rows of make(*key) for every key, in order; those in `folder` are read, the others made and put there.

    `workers` processes of one thread each, one a thread of this process. Stopped, what is finished stays, and the same
    call makes the rest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = [key for key in keys if not _path(folder, key).exists()]
    one = {"initializer": torch.set_num_threads, "initargs": (1,)}
    several = {"max_workers": workers, "mp_context": get_context("spawn")}
    with ProcessPoolExecutor(**several, **one) if workers > 1 else ThreadPoolExecutor(1, **one) as executor:
        futures = {executor.submit(make, *key): _path(folder, key) for key in missing}
        try:
            for future in tqdm(as_completed(futures), total=len(futures), disable=None):
                _keep(futures[future], future.result())
        except BaseException:
            executor.shutdown(cancel_futures=True)
            for future, path in futures.items():  # finished while another one failed or was being kept
                if not future.cancelled() and future.exception() is None and not path.exists():
                    _keep(path, future.result())
            raise
    return [row for key in keys for row in json.loads(_path(folder, key).read_text(encoding="utf-8"))]


def tenth(pool: Tensor, seed: int) -> Tensor:
    """A tenth of real points (10 n, D) at random, (n, D): as in a sampler's, the number of each class varies.

    STATES has as many of each, and a floor that has so too is lower than any sampler comes.
    """
    return pool[torch.randperm(len(pool), generator=stream("real", seed))[: len(pool) // 10]]


def arguments(about: str, name: str, seeds: int, data: Sequence[str] = ()) -> argparse.Namespace:
    """--seeds, --folder and --workers of a program that calls `run_all`; --data, if there are sets to choose from."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--seeds", type=int, default=seeds, help=f"how many, default {seeds}")
    if data:
        parser.add_argument("--data", nargs="+", choices=data, default=data, help="only these sets")
    folder = Path("_build") / name
    parser.add_argument("--folder", type=Path, default=folder, help=f"keeps what is finished, default {folder}")
    parser.add_argument("--workers", type=int, default=1, help="how many processes, default 1")
    return parser.parse_args()


def _keep(path: Path, rows: list[dict]) -> None:
    text = json.dumps(rows, indent=1) + "\n"
    write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def _path(folder: Path, key: Key) -> Path:
    return folder / ("-".join(map(str, key)) + ".json")
