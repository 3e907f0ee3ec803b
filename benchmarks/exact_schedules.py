"""What the schedules of chapters 8 and 9 cost a denoiser that makes no error: statesdiff/results/exact-schedules.csv.

python benchmarks/exact_schedules.py --workers 2 --seeds 5

The exact denoiser knows the distribution by 5,000 fresh points, other ones for every seed, each blurred by 0.02. It is
sampled as the networks of the studies `betas`, `shapes`, `surface-schedules` and `surface-timesteps` are, and by DDIM
(eta = 1) on the four curves with the same ends, in 10 and 50 steps; judged as networks are. No training: a seed covers
the points that the denoiser knows, the random numbers of the samples, and the fresh points that they are judged by.
What is finished is kept in the folder, so a run that was stopped goes on.
"""

import argparse
import hashlib
import json
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, replace
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from tqdm.auto import tqdm

from statesdiff.ablations import judging
from statesdiff.ablations.configs import Config, Sampling
from statesdiff.ablations.studies import SURFACE_CONFIG, betas, shapes, surface_schedules, surface_timesteps
from statesdiff.ablations.sweep import floor_rows
from statesdiff.ablations.toys import points
from statesdiff.exact import IdealDenoiser
from statesdiff.files.atomic import write_atomically
from statesdiff.results import write

TABLE = Path(__file__).resolve().parents[1] / "statesdiff" / "results" / "exact-schedules.csv"
KNOWN, BLUR, N = 5000, 0.02, 1200
# fields of a Config that say how a network is made and trained
OF_NETWORKS = ("n_train", "hidden", "activation", "labelled", "epochs", "batch_size", "lr", "lr_schedule")
OF_NETWORKS += ("optimiser", "draw_t", "guidance")
FAR = 5000  # seeds of the points that the denoiser knows are this far from those of the points that judge


class ExactDenoiser(IdealDenoiser):
    """An `IdealDenoiser` that says its dimension, and where it is, as a network does."""

    @property
    def D(self) -> int:
        return self.data.shape[1]

    def parameters(self) -> Iterator[torch.Tensor]:
        yield self.data


def configs() -> list[Config]:
    """The settings of the four studies, and four curves with the same ends."""
    helix = replace(SURFACE_CONFIG, data="helix", beta_1=None, beta_T=None)
    same_ends = [
        replace(helix, schedule=f"cut {name}", T=steps, samplings=(Sampling("ddim", steps, 1.0),))
        for name, steps in product(("linear", "sigmoid", "cosine", "even"), (10, 50))
    ]
    found = dict.fromkeys([*surface_schedules(), *surface_timesteps(), *same_ends, *betas(), *shapes()])
    return [replace(c, samplings=tuple(replace(s, n=N) for s in c.samplings)) for c in found]


def one(run: tuple[Config, int]) -> list[dict]:
    """The rows of one setting and seed."""
    torch.set_num_threads(1)
    config, seed = run
    known, schedule = points(config.data, config.units), config.noise
    exact = ExactDenoiser(known.fresh(KNOWN, FAR + seed).x, schedule, BLUR)
    y = torch.zeros(N, dtype=torch.int64)
    rows = []
    for sampling in config.samplings:
        found = judging.evaluate(sampling.draw(exact, schedule, y, seed), known, known.train.x, seed)
        rows.append(config.row(sampling) | {"network": "exact", "seed": seed} | found)
    return rows


def finished(run: tuple[Config, int], folder: Path) -> list[dict]:
    """The same, from the folder if it is there."""
    key = json.dumps([asdict(run[0]), run[1]], sort_keys=True)
    path = folder / f"{hashlib.sha256(key.encode()).hexdigest()[:16]}.json"
    if not path.exists():
        text = json.dumps(one(run))
        write_atomically(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("exact-schedules"), help="keeps what is finished")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--out", type=Path, default=TABLE)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    runs = [(config, seed) for config in configs() for seed in range(args.seeds)]
    with ProcessPoolExecutor(args.workers, multiprocessing.get_context("spawn")) as pool:
        done = pool.map(finished, runs, [args.folder] * len(runs))
        rows = [row for some in tqdm(done, total=len(runs), disable=None) for row in some]
    table = pd.DataFrame(rows + floor_rows(configs(), range(args.seeds))).drop(columns=[*OF_NETWORKS])
    about = f"python benchmarks/exact_schedules.py --seeds {args.seeds}: exact denoisers in place of networks"
    print(write(table, args.out, about))


if __name__ == "__main__":
    main()
