"""How straight a flow can be made, what a few steps then reach, and what the straight pairs cost to carry.

python benchmarks/flow_straight.py          # statesdiff/results/flow-straight.csv, about 8 minutes of one core

Networks and training are the book's Fourier recipe, for a velocity. "flow" is flow matching at logit-normal times;
"minibatch" learns batches of 256 paired by optimal transport, "reflow" the 20,000 pairs that 100 steps of the flow of
its seed have made, both at times even in s, since with such pairs the goal is decided early; "one step" learns the
pairs of the flow at s = 0 alone; "exact" is the exact velocity, and learns nothing. All others have the same number of
updates.

3,000 samples. "distance k" after k even steps, "coverage k" and "EMD k" likewise (1,000 to 1,000 fresh points, mean of
three); the rest from the path of 100 steps: "straightness", the "cost" E |x_0 - eps|^2 of 2,000 pairs, and "paired
anew", the least cost that any pairing of the same 2,000 ends and starts has. The rows of the network "real" are the
floor. What is finished is kept in the folder.
"""

from functools import lru_cache
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from flow_targets import judged
from runs import arguments, run_all, tenth
from torch import Tensor

from statesdiff.data import JITTER, outline_points, states
from statesdiff.flow import (
    DrawS,
    Velocity,
    euler_flow,
    euler_times,
    logit_normal_s,
    optimal_pairs,
    straightness,
    train_flow,
    uniform_s,
)
from statesdiff.metrics import mean_distance
from statesdiff.models import Denoiser, init
from statesdiff.recipes import RECIPES
from statesdiff.results import write
from statesdiff.rng import randn, stream
from statesdiff.samplers import last
from statesdiff.training import denormals_flushed
from statesdiff.velocity import ExactVelocity, VelocityNetwork

TABLE = Path(__file__).resolve().parents[1] / "statesdiff" / "results" / "flow-straight.csv"
METHODS = ("flow", "minibatch", "reflow", "one step", "exact")
STEPS, JUDGED = (1, 2, 3, 5, 10, 20, 50), (1, 5, 50)
UPDATES, PAIRS, FINE = 4000, 20_000, 100


def only_noise(n: int, generator: torch.Generator | None = None) -> Tensor:
    """s = 0."""
    return torch.zeros(n)


def learnt(
    seed: int, x_0: Tensor, eps: Tensor | None = None, draw_s: DrawS = logit_normal_s, **options
) -> VelocityNetwork:
    """A network that has had UPDATES updates."""
    recipe = RECIPES["fourier"].training
    how = {"batch_size": recipe.batch_size, "lr": recipe.lr} | options
    model = VelocityNetwork(init(Denoiser.fourier, generator=stream("init", seed)))
    with denormals_flushed():
        for _ in train_flow(model, x_0, eps, steps=UPDATES, draw_s=draw_s, generator=stream("train", seed), **how):
            pass
    return model


@lru_cache(maxsize=8)
def made(method: str, seed: int) -> Velocity:
    """The velocity of a method, and of whatever it builds on."""
    if method == "exact":
        return ExactVelocity(outline_points(1000), JITTER)
    if method == "flow":
        return learnt(seed, states().x)
    if method == "minibatch":
        return learnt(seed, states().x, draw_s=uniform_s, couple=optimal_pairs, batch_size=256)
    eps = randn(PAIRS, 2, generator=stream("pairs", seed))
    x_0 = last(euler_flow(made("flow", seed), eps, steps=FINE))
    return learnt(seed, x_0, eps, only_noise if method == "one step" else uniform_s)


def measured(velocity: Velocity, seed: int) -> dict[str, float]:
    """The measures of a row."""
    eps, target = randn(3000, 2, generator=stream("sample", seed)), outline_points()
    row = {}
    for steps in STEPS:
        x_0 = last(euler_flow(velocity, eps, steps=steps))
        row[f"distance {steps}"] = mean_distance(x_0, target)
        if steps in JUDGED:
            found = judged(x_0, seed)
            row |= {f"{name} {steps}": found[name] for name in ("coverage", "EMD")}
    path = list(euler_flow(velocity, eps, steps=FINE))
    x_0, start = path[-1][:2000], eps[:2000]
    costs = {"cost": x_0 - start, "paired anew": x_0 - optimal_pairs(x_0, start)}
    row["straightness"] = straightness(path, euler_times(FINE))
    return row | {name: float(way.square().sum(dim=1).mean()) for name, way in costs.items()}


def run(method: str, seed: int) -> list[dict]:
    """One row of the table."""
    size = {"minibatch": 256, "exact": None, "real": None}.get(method, RECIPES["fourier"].training.batch_size)
    kind = {"exact": "exact", "real": "real"}.get(method, "fourier")
    about = {"data": "states", "network": kind, "method": None if method == "real" else method, "batch_size": size}
    about |= {"updates": None if method in ("exact", "real") else UPDATES, "seed": seed}
    if method != "real":
        return [about | measured(made(method, seed), seed)]
    found = judged(tenth(states(6000, seed=20_000 + seed).x, seed), seed)
    floor = {f"{name} {steps}": found[name] for name in found for steps in (STEPS if name == "distance" else JUDGED)}
    return [about | floor]


def main() -> None:
    """All seeds, and the table."""
    args = arguments("How straight a flow is: statesdiff/results/flow-straight.csv.", "flow-straight", 5)
    seeds = range(args.seeds)
    order = sorted(product((*METHODS, "real"), seeds), key=lambda key: key[1])  # what builds on a flow beside it
    run_all(run, order, args.folder, args.workers)
    frame = pd.DataFrame(run_all(run, list(product((*METHODS, "real"), seeds)), args.folder))
    about = f"python benchmarks/flow_straight.py --seeds {args.seeds}: a flow, straightened in several ways"
    print(write(frame, TABLE, about))


if __name__ == "__main__":
    main()
