"""Dropout and early stopping, tried: do they help a denoiser that has few points, or many?

python benchmarks/regularisation.py            # statesdiff/results/regularisation.csv, about 3 minutes of one core
python benchmarks/regularisation.py --workers 16 --folder runs

The second homework writes that over-fitting can be handled by early stopping, and that dropout made its loss higher.
Here the book's Fourier network learns n points of STATES, another n in every seed, in three ways, with the same initial
weights: "none", all points and all updates; "dropout", the same with a tenth of each hidden layer dropped; "early
stopping", four fifths of the points, and of the weights during training those are kept whose loss on the other fifth
was lowest. The learning rate is constant, since an annealed one has decided when to stop.

"EMD": 2,000 samples of 50 DDIM steps against fresh points, 1,000 to 1,000, mean of two; "distance" to the true outline
and "to train", to the points learnt from, of which "early stopping" has a fifth fewer than the others; "excess": the
loss on fresh points above that of the exact denoiser of the distribution, with the same times and noise. "best step" is
how many updates the weights had. The rows of the network "real" are the floor: real points, judged in the same way.
What is finished is kept in the folder.
"""

import argparse
import copy
import json
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from runs import tenth
from torch import Tensor, nn
from tqdm.auto import tqdm

from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.files.atomic import write_atomically
from statesdiff.metrics import emd, mean_distance
from statesdiff.models import Denoiser, init
from statesdiff.results import write
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import constant, denormals_flushed, low_noise_t, train_denoiser, uniform_t

TABLE = Path(__file__).resolve().parents[1] / "statesdiff" / "results" / "regularisation.csv"
SIZES, METHODS, SEEDS = (250, 5000), ("none", "dropout", "early stopping"), 5
UPDATES, BATCH, RATE, DROPPED, WATCHED, EVERY = 2000, 256, 1e-3, 0.1, 0.2, 100
SCHEDULE = NoiseSchedule.linear()
FRESH = 10_000  # added to the seed: draws of STATES that nobody learnt from


def shuffled(n: int, seed: int) -> Tensor:
    """n points of the draw of STATES with that seed, in random order, (n, 2)."""
    x = states(-(-n // 5), seed=seed).x
    return x[torch.randperm(len(x), generator=stream("mix", seed))[:n]]


def with_dropout(model: Denoiser, p: float) -> Denoiser:
    """The same network, its hidden units dropped with probability p while it is in training mode."""
    layers = [[layer, nn.Dropout(p)] if isinstance(layer, nn.ReLU) else [layer] for layer in model.net]
    model.net = nn.Sequential(*(layer for pair in layers for layer in pair))
    return model


@torch.no_grad()
def loss(predictor: Callable, x_0: Tensor, draw_t: Callable, seed: int) -> float:
    """The loss per coordinate on x_0 (n, 2), each point noised at one time, with the random numbers of the seed."""
    generator = stream("loss", seed)
    t, eps = draw_t(SCHEDULE.T, len(x_0), generator), randn(*x_0.shape, generator=generator)
    return float((predictor(SCHEDULE.q_sample(x_0, t, eps), t) - eps).square().mean())


def trained(n: int, method: str, seed: int, updates: int = UPDATES) -> tuple[Denoiser, Tensor, int]:
    """The network, in evaluation mode, the points that it learnt from (at most n, 2), and its number of updates."""
    x_0, model = shuffled(n, 1 + seed), init(Denoiser.fourier, generator=stream("init", seed))
    watched, best, kept, at = x_0[:0], float("inf"), None, updates
    if method == "dropout":
        model = with_dropout(model, DROPPED)
        torch.manual_seed(seed)  # layers of dropout draw from the global state, which is this process's own
    if method == "early stopping":
        watched, x_0 = x_0.split([round(WATCHED * n), n - round(WATCHED * n)])
        watched = watched.repeat(-(-4000 // len(watched)), 1)  # several noises a point
    how = {"steps": updates, "batch_size": BATCH, "lr": RATE, "lr_schedule": constant, "draw_t": low_noise_t}
    for step in train_denoiser(model, x_0, SCHEDULE, **how, generator=stream("train", seed)):
        if len(watched) and step.step % EVERY == 0 and (now := loss(model, watched, low_noise_t, seed)) < best:
            best, kept, at = now, copy.deepcopy(model.state_dict()), step.step
    if kept is not None:
        model.load_state_dict(kept)
    return model.eval(), x_0, at


@cache
def truth() -> IdealDenoiser:
    """The exact denoiser of the distribution."""
    return IdealDenoiser(outline_points(4000), SCHEDULE, jitter=JITTER)


def judged(samples: Tensor, x_0: Tensor, seed: int, size: int = 1000) -> dict[str, float]:
    """The measures of samples (2 size, 2) of whoever learnt from x_0."""
    fresh = shuffled(len(samples), FRESH + seed)
    costs = [emd(a, b) for a, b in zip(samples.split(size), fresh.split(size), strict=True)]
    return {
        "EMD": sum(costs) / len(costs),
        "distance": mean_distance(samples, outline_points()),
        "to train": mean_distance(samples, x_0),
    }


def run(n: int, method: str, seed: int, updates: int = UPDATES, samples: int = 2000) -> dict:
    """One row of the table."""
    torch.set_num_threads(1)
    about = {"data": "states", "network": "fourier", "method": method, "seed": seed, "n_train": n}
    if method == "real":
        real = tenth(states(2 * samples, seed=2 * FRESH + seed).x, seed)
        return about | {"network": "real"} | judged(real, shuffled(n, 1 + seed), seed, samples // 2)
    with denormals_flushed():
        model, x_0, at = trained(n, method, seed, updates)
    x_T, fresh = randn(samples, 2, generator=stream("sample", seed)), shuffled(samples, FRESH + seed)
    excess = loss(model, fresh, uniform_t, seed) - loss(truth(), fresh, uniform_t, seed)
    found = judged(last(ddim(model, SCHEDULE, x_T, steps=50)), x_0, seed, samples // 2)
    return about | {"best step": at, "excess": excess} | found


def rows(folder: Path, workers: int, settings: list[tuple]) -> pd.DataFrame:
    """The rows of all settings (n, method, seed), those that the folder lacks made in so many processes."""
    folder.mkdir(parents=True, exist_ok=True)
    place = {s: folder / f"{s[0]}-{s[1].replace(' ', '-')}-{s[2]}.json" for s in settings}
    missing = [s for s in settings if not place[s].exists()]
    with ProcessPoolExecutor(workers) as pool:
        running = {pool.submit(run, *s): s for s in missing}
        for done in tqdm(as_completed(running), total=len(missing), disable=None):
            text = json.dumps(done.result())
            write_atomically(place[running[done]], lambda path, text=text: path.write_text(text, encoding="utf-8"))
    return pd.DataFrame([json.loads(place[s].read_text(encoding="utf-8")) for s in settings])


def main() -> None:
    """All settings, and the table."""
    parser = argparse.ArgumentParser(description="Dropout and early stopping: statesdiff/results/regularisation.csv.")
    parser.add_argument("--workers", type=int, default=1, help="how many processes; default: 1")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help=f"points to learn from; default: {SIZES}")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"how many; default: {SEEDS}")
    parser.add_argument("--folder", type=Path, default=Path("regularisation"), help="keeps what is finished")
    args = parser.parse_args()
    settings = list(product(args.sizes, (*METHODS, "real"), range(args.seeds)))
    settings.sort(key=lambda s: s[1] == "real")  # the floors last, as in the tables of the sweeps
    frame = rows(args.folder, args.workers, settings)
    how = f"{UPDATES} updates of {BATCH} points, other points in each seed"
    sizes = " ".join(map(str, args.sizes))
    about = f"python benchmarks/regularisation.py --sizes {sizes} --seeds {args.seeds}: {how}"
    print(write(frame, TABLE, about))


if __name__ == "__main__":
    main()
