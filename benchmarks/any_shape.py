"""The book's recipe on points of 2 to 64 dimensions, at T = 150, next to the exact denoiser of the same points.

python benchmarks/any_shape.py            # the table statesdiff/results/any-shape.csv, six minutes of one core

The points are STATES in the first two of D coordinates and Gaussians of deviation 0.1 in the others, turned at random
(`statesdiff.ablations.embedded`), 5,000 to learn from. The schedule is linear from 1e-4 to 0.02, as a homework has it
for a data set of its own, which leaves a share of the data at T = 150 (there the exact denoiser alone), and the same
ramp scaled so that it ends as the book's does. Every seed has its own rotation, training points, network, samples and
fresh points. A row is 1,000 samples through all T steps, or fresh points ("real"), turned back before they are judged:
distance to the outlines, share of the outlines covered and EMD to fresh points, all three in the plane of STATES; the
deviation of the other coordinates; and EMD in all D dimensions. Networks see the points as they are, with a deviation
of a fifth a coordinate at D = 64, or brought to mean 0 and variance 1, as `statesdiff train --units standard` does, and
their samples brought back. "excess" is the mean square of what the network says less what the exact denoiser says, for
times drawn evenly, a coordinate of the plane and one of the others: what the network's loss has above the least.
"""

import pandas as pd
import torch
from runs import arguments, run_all
from torch import Tensor, nn

from statesdiff.ablations.embedded import Embedded
from statesdiff.data import Dataset, in_units, outline_points
from statesdiff.metrics import coverage, emd, mean_distance
from statesdiff.recipes import train_recipe
from statesdiff.results import FOLDER, write
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddpm, last
from statesdiff.schedule import SCHEDULES, NoiseSchedule
from statesdiff.training import denormals_flushed, uniform_t

T, N = 150, 1000
DIMENSIONS = (2, 8, 64)
RECIPES_OF = {"linear": (), "linear_matched": ("fourier",)}
STANDARD = "fourier, standard units"


def make(D: int, ramp: str, seed: int, steps: int | None = None) -> list[dict]:
    """One seed of one setting: the rows of the exact denoiser, of the recipe's networks and of real points."""
    known, schedule = Embedded(D, seed), SCHEDULES[ramp](T=T)
    train, fresh = known.draw(seed=100 + seed), known.draw(400, seed=10_000 + seed).x
    fresh = fresh[torch.randperm(len(fresh), generator=stream("mix", seed))]
    exact = known.ideal(schedule)
    nets = {recipe: trained(recipe, train, schedule, steps, seed) for recipe in RECIPES_OF[ramp]}
    rows = []
    for name, predictor in ({"exact": exact} | nets).items():
        samples = draw(predictor, schedule, D, seed)
        rows.append({"network": name} | judge(samples, fresh, known) | excess(predictor, exact, fresh, schedule, seed))
    if ramp == "linear_matched":
        scaled = in_units(train, "standard")
        samples = draw(trained("fourier", scaled, schedule, steps, seed), schedule, D, seed)
        samples = (samples.double() * scaled.width + scaled.shift).float()
        rows.append({"network": STANDARD} | judge(samples, fresh, known))
    rows.append({"network": "real"} | judge(known.draw(N // 5, seed=20_000 + seed).x, fresh, known))
    about = {"data": "states", "D": D, "schedule": ramp, "T": T, "n": N}
    return [about | {"network": row.pop("network"), "seed": seed} | row for row in rows]


def trained(recipe: str, data: Dataset, schedule: NoiseSchedule, steps: int | None, seed: int) -> nn.Module:
    """The network of a recipe, trained."""
    model, updates = train_recipe(recipe, data.x, schedule, steps=steps, seed=seed)
    with denormals_flushed():
        last(updates)
    return model


def draw(predictor: NoisePredictor, schedule: NoiseSchedule, D: int, seed: int) -> Tensor:
    """N samples through all steps, from the same noise for every predictor."""
    generator = stream("sample", seed)
    return last(ddpm(predictor, schedule, randn(N, D, generator=generator), generator=generator))


def judge(samples: Tensor, fresh: Tensor, known: Embedded) -> dict[str, float]:
    """What samples (n, D) are worth next to fresh points, both turned back."""
    u, v = known.turned_back(samples), known.turned_back(fresh)
    rest = u[:, 2:].square().mean().sqrt() if known.D > 2 else torch.tensor(float("nan"))
    return {
        "distance": mean_distance(u[:, :2], outline_points()),
        "coverage": coverage(u[:, :2], outline_points(5000)),
        "EMD": emd(u[:, :2], v[: len(u), :2]),
        "deviation of the others": float(rest),
        "EMD in D": emd(u, v[: len(u)]),
    }


@torch.no_grad()
def excess(
    predictor: NoisePredictor, exact: NoisePredictor, x_0: Tensor, schedule: NoiseSchedule, seed: int
) -> dict[str, float]:
    """Mean square of the predictor's answer less the exact one's, in the plane and in the other coordinates."""
    generator = stream("loss", seed)
    t, eps = uniform_t(schedule.T, len(x_0), generator), randn(*x_0.shape, generator=generator)
    x_t = schedule.q_sample(x_0, t, eps)
    gap = exact.known.turned_back(predictor(x_t, t) - exact(x_t, t)).square()
    rest = gap[:, 2:].mean() if gap.shape[1] > 2 else torch.tensor(float("nan"))
    return {"excess in the plane": float(gap[:, :2].mean()), "excess in the others": float(rest)}


def main() -> None:
    """Make the table."""
    args = arguments(__doc__.splitlines()[0], "any_shape", seeds=2)
    keys = [(D, ramp, seed) for D in DIMENSIONS for ramp in RECIPES_OF for seed in range(args.seeds)]
    frame = pd.DataFrame(run_all(make, keys, args.folder, args.workers))
    about = f"python benchmarks/any_shape.py --seeds {args.seeds}: the book's recipe beside the exact denoiser, by D"
    print(write(frame, FOLDER / "any-shape.csv", about))


if __name__ == "__main__":
    main()
