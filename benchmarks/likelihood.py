"""What the data find of the models: KL(data || model) in nats, beside the KDE's NLL: statesdiff/results/likelihood.csv.

python benchmarks/likelihood.py     # about ten minutes of one core

The models are the book's networks, two more trained here by the recipe of the sharper one, on all five states and on
four, and the contestants of chapter 1, whose densities are known. For each seed 2,000 fresh points of STATES are noised
to t = 1; a model's KL is the mean of the exact log-density of that point less the model's, over all of them and over
each state's. The networks' densities are found by 200 of Heun's steps, the contestants' in closed form. `NLL` is that
of 2,000 samples of the model under the KDE of the book's data. What is finished is kept in the folder, so a run that
was stopped goes on.
"""

import argparse
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pandas as pd
import torch
from scipy.stats import gaussian_kde
from torch import Tensor
from tqdm.auto import tqdm

from statesdiff.checkpoints import book_denoiser
from statesdiff.data import JITTER, STATE_NAMES, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.files.atomic import write_atomically
from statesdiff.likelihood import log_likelihood
from statesdiff.metrics import nll
from statesdiff.recipes import train_recipe
from statesdiff.results import write
from statesdiff.rng import stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule

TABLE = Path(__file__).resolve().parents[1] / "statesdiff" / "results" / "likelihood.csv"
OKLAHOMA, FAR, N = 3, 1000, 400  # a label; the seeds of fresh points lie beyond; points of each state
SCHEDULE = NoiseSchedule.linear()
Density = Callable[[Tensor], Tensor]
Sampler = Callable[[int], Tensor]


@cache
def truth() -> IdealDenoiser:
    """The distribution of STATES."""
    return IdealDenoiser(outline_points(4000), SCHEDULE, jitter=JITTER)


@cache
def network(name: str) -> torch.nn.Module:
    """One of the book's, or one that is trained here."""
    if name in ("fourier", "plain", "conditional"):
        return book_denoiser(name)[0]
    data = states()
    x = data.x[data.y != OKLAHOMA] if "Oklahoma" in name else data.x
    model, training = train_recipe("fourier", x, SCHEDULE)
    for _ in training:
        pass
    return model


def of_network(name: str) -> tuple[Density, Sampler]:
    """What it says of points at t = 1, and 2,000 of its samples."""

    def draw(seed: int) -> Tensor:
        start = torch.randn(5 * N, 2, generator=stream("start", seed))
        return last(ddim(network(name), SCHEDULE, start, steps=100))

    return lambda x: log_likelihood(network(name), SCHEDULE, x), draw


def of_mixture(points: Tensor, jitter: float) -> tuple[Density, Sampler]:
    """A Gaussian at each point: its density at t = 1, and its samples."""
    mixture = IdealDenoiser(points, SCHEDULE, jitter=jitter)

    def draw(seed: int) -> Tensor:
        g = stream("sample", seed)
        picked = points[torch.randint(len(points), (5 * N,), generator=g)]
        return picked + jitter * torch.randn(5 * N, 2, generator=g)

    return lambda x: mixture.log_density(x, 1), draw


def contestants() -> dict[str, tuple[Density, Sampler]]:
    """Those of chapter 1, "no Oklahoma" drawn from the distribution of the four; and the networks."""
    x = states().x
    densest = x[gaussian_kde(x.T).logpdf(x.T).argmax()]
    four = torch.cat([outline_points(1000, label) for label in range(5) if label != OKLAHOMA])
    known = {
        "real": of_mixture(outline_points(4000), JITTER),
        "copies of the data": of_mixture(x, 0.0),
        "blurred": of_mixture(x, 0.15),
        "no Oklahoma": of_mixture(four, JITTER),
        "one point": of_mixture(densest[None], 0.0),
        "Gaussian": of_mixture(torch.zeros(1, 2), 1.0),
    }
    learnt = ("fourier", "conditional", "fourier, 4,000 steps", "fourier without Oklahoma, 4,000 steps", "plain")
    return known | {name: of_network(name) for name in learnt}


def one(density: Density, draw: Sampler, seed: int) -> dict[str, float]:
    """The measures of a model and a seed."""
    fresh = states(N, seed=FAR + seed)
    x_1 = SCHEDULE.q_sample(fresh.x, 1, torch.randn(fresh.x.shape, generator=stream("noise", seed)))
    ratio = (truth().log_density(x_1, 1) - density(x_1)).double()
    of_states = {f"KL, {name}": float(ratio[fresh.y == k].mean()) for k, name in enumerate(STATE_NAMES)}
    return {"KL": float(ratio.mean()), **of_states, "deviation": float(ratio.std()), "NLL": nll(draw(seed), states().x)}


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("likelihood"), help="keeps what is finished")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=TABLE)
    args = parser.parse_args()
    torch.set_num_threads(1)
    args.folder.mkdir(parents=True, exist_ok=True)
    models, rows = contestants(), []
    for name, (density, draw) in tqdm(models.items(), disable=None):
        for seed in range(args.seeds // 2 if name == "plain" else args.seeds):  # it takes four times as long
            path = args.folder / f"{name.replace(' ', '-')}-{seed}.json"
            if not path.exists():
                text = json.dumps(one(density, draw, seed))
                write_atomically(path, lambda temporary, text=text: temporary.write_text(text, encoding="utf-8"))
            found = json.loads(path.read_text(encoding="utf-8"))
            rows.append({"data": "states", "network": name, "seed": seed} | found)
    about = f"python benchmarks/likelihood.py --seeds {args.seeds}: {5 * N} fresh points and samples in every row"
    print(write(pd.DataFrame(rows), args.out, about))


if __name__ == "__main__":
    main()
