"""The book's recipe on points of 2, 8 and 64 dimensions, at T = 150, next to the exact denoiser of the same points.

python benchmarks/any_shape.py            # the table statesdiff/results/any-shape.csv, four minutes of an idle core

The points are STATES in the first two of D coordinates and Gaussians of deviation 0.1 in the others, turned at random
(`statesdiff.ablations.embedded`), 5,000 to learn from. The schedule is linear, scaled so that it ends at T = 150 as the
book's does at 500. The network sees the points brought to mean 0 and variance 1 in each coordinate, as `statesdiff
train --units standard` has it, and its samples are brought back. Every seed has its own rotation, training points,
network, samples and fresh points. A row is 1,000 samples through all T steps, or fresh points ("real") of which, as of
samples, not each state has as many, turned back before they are judged: distance to the outlines, share of the outlines
covered and EMD to fresh points, all three in the plane of STATES; the deviation of the other coordinates, if there are
any; and EMD in all D dimensions.
"""

import pandas as pd
import torch
from runs import arguments, run_all, tenth
from torch import Tensor

from statesdiff.ablations.embedded import Embedded
from statesdiff.data import in_units, outline_points
from statesdiff.metrics import coverage, emd, mean_distance
from statesdiff.recipes import train_recipe
from statesdiff.results import FOLDER, write
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddpm, last
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import denormals_flushed

T, N = 150, 1000
DIMENSIONS = (2, 8, 64)
RECIPE = "fourier"


def make(D: int, seed: int, steps: int | None = None) -> list[dict]:
    """One seed of one D: the rows of the exact denoiser, of the recipe's network and of real points."""
    known, schedule = Embedded(D, seed), NoiseSchedule.linear_matched(T=T)
    train = in_units(known.draw(seed=100 + seed), "standard")
    model, updates = train_recipe(RECIPE, train.x, schedule, steps=steps, seed=seed)
    with denormals_flushed():
        last(updates)
    drawn = {
        "exact": draw(known.ideal(schedule), schedule, D, seed),
        RECIPE: (draw(model, schedule, D, seed).double() * train.width + train.shift).float(),
        "real": tenth(known.draw(2 * N, seed=20_000 + seed).x, seed),
    }
    fresh = known.draw(N // 5, seed=10_000 + seed).x
    about = {"data": "states", "D": D, "T": T, "n": N}
    return [about | {"network": name, "seed": seed} | judge(x, fresh, known) for name, x in drawn.items()]


def draw(predictor: NoisePredictor, schedule: NoiseSchedule, D: int, seed: int) -> Tensor:
    """N samples through all steps, from the same noise for every predictor."""
    generator = stream("sample", seed)
    return last(ddpm(predictor, schedule, randn(N, D, generator=generator), generator=generator))


def judge(samples: Tensor, fresh: Tensor, known: Embedded) -> dict[str, float]:
    """What samples (n, D) are worth next to as many fresh points, both turned back."""
    u, v = known.turned_back(samples), known.turned_back(fresh)
    return {
        "distance": mean_distance(u[:, :2], outline_points()),
        "coverage": coverage(u[:, :2], outline_points(5000)),
        "EMD": emd(u[:, :2], v[:, :2]),
        "deviation of the others": float(u[:, 2:].square().mean().sqrt()),
        "EMD in D": emd(u, v),
    }


def main() -> None:
    """Make the table."""
    args = arguments(__doc__.splitlines()[0], "any_shape", seeds=3)
    keys = [(D, seed) for D in DIMENSIONS for seed in range(args.seeds)]
    frame = pd.DataFrame(run_all(make, keys, args.folder, args.workers))
    about = f"python benchmarks/any_shape.py --seeds {args.seeds}: the book's recipe beside the exact denoiser, by D"
    print(write(frame, FOLDER / "any-shape.csv", about))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
