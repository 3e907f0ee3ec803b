"""Noise, clean point, v or velocity: the same network, trained as long on each, at times drawn in several ways.

python benchmarks/flow_targets.py           # statesdiff/results/flow-targets.csv, about 8 minutes of one core

The network is the book's Fourier one, with a skip connection that suits its target: at both ends of time it starts from
the best guess there that is linear in x, and in between from what lies between; for v that is 0 throughout. Those of
noise, x_0 and v look at x_t and t; that of the velocity at x_s = x_t / c_t and at flow time s. Times are drawn
"logit-normal" in s, and t at the nearest times; for noise and velocity also "evenly", in t or in s, as each was
published, and at "low noise", as in the book's recipe, t = ceil(T u^3), and s at the flow times of these t. Everything
else is the recipe's.

"excess at L": mean square of eps_hat - E[eps | x_t], per coordinate, at the time whose log-SNR is nearest to L, on
fresh points; whatever a network predicts is turned into noise first. "distance" to the outline, "coverage" and "EMD" to
fresh points, 1,000 to 1,000, mean of three: samples of 50 steps that are even in t; "distance (s)": even in flow time.
The rows of the network "real" are the floor. What is finished is kept in the folder.
"""

from functools import cache
from itertools import product
from pathlib import Path

import pandas as pd
import torch
from runs import arguments, run_all, tenth
from torch import Tensor, nn

from statesdiff.data import JITTER, outline_points, states
from statesdiff.exact import IdealDenoiser
from statesdiff.flow import VelocityOf, euler_flow, logit_normal_s, uniform_s
from statesdiff.metrics import coverage, emd, mean_distance
from statesdiff.models import FREQUENCIES, Denoiser, init
from statesdiff.recipes import RECIPES
from statesdiff.results import write
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule, per_sample
from statesdiff.training import Training, low_noise_t, minimise, uniform_t
from statesdiff.velocity import flow_time, nearest_t, straight, to_flow

TABLE = Path(__file__).resolve().parents[1] / "statesdiff" / "results" / "flow-targets.csv"
SCHEDULE = NoiseSchedule.linear()
TARGETS = ("noise", "clean point", "v", "velocity")
SETTINGS = [*product(TARGETS, ["logit-normal"]), *product(("noise", "velocity"), ("evenly", "low noise"))]
LEVELS = (8, 6, 4, 2, 0, -2, -4)
FRESH = 10_000  # added to the seed: draws of STATES that nobody learnt from


class Predictor(nn.Module):
    """A network for any of the targets: skip(t) x + f(x, t), where x is x_t or, for the velocity, x_s."""

    def __init__(self, target: str, T: int) -> None:
        super().__init__()
        self.target, self.T = target, T
        self.net = Denoiser(2, T, (128, 128, 128), "relu", *FREQUENCIES)

    def forward(self, x: Tensor, clock: Tensor) -> Tensor:
        """The prediction of the target; clock, 0 for data to T for noise, need not be whole."""
        u = (clock / self.T).to(x)[:, None]
        skip = {"noise": u, "clean point": 1 - u, "v": 0 * u, "velocity": 1 - 2 * u}[self.target]
        return skip * x + self.net(x, clock)

    def seen(self, x_0: Tensor, eps: Tensor, t: Tensor, s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The network's input, its clock, and the right answer, at the times t (B,), or s (B,) for the velocity."""
        if self.target == "velocity":
            return straight(x_0, eps, s), self.T * (1 - s), x_0 - eps
        a, b = (per_sample(c, t, x_0) for c in (SCHEDULE.alpha_bar.sqrt(), (1 - SCHEDULE.alpha_bar).sqrt()))
        right = {"noise": eps, "clean point": x_0, "v": a * eps - b * x_0}[self.target]
        return a * x_0 + b * eps, t, right


class AsNoise:
    """The noise that a `Predictor` implies, by the table of conversions in the book."""

    def __init__(self, model: Predictor) -> None:
        self.model, self.T = model, SCHEDULE.T

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        t = torch.as_tensor(t).expand(len(x_t))
        a, b = (per_sample(c, t, x_t) for c in (SCHEDULE.alpha_bar.sqrt(), (1 - SCHEDULE.alpha_bar).sqrt()))
        if self.model.target == "velocity":
            s, x_s = flow_time(SCHEDULE)[t], to_flow(SCHEDULE, x_t, t)
            return x_s - s[:, None].to(x_s) * self.model(x_s, SCHEDULE.T * (1 - s))
        y = self.model(x_t, t)
        return {"noise": y, "clean point": (x_t - a * y) / b, "v": a * y + b * x_t}[self.model.target]


def drawn(times: str, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """n times t and flow times s, the same noise levels where it is not "evenly"."""
    if times == "logit-normal":
        s = logit_normal_s(n, generator).clamp(min=float(flow_time(SCHEDULE)[-1]))
        return nearest_t(SCHEDULE, s), s
    if times == "low noise":
        t = low_noise_t(SCHEDULE.T, n, generator)
        return t, flow_time(SCHEDULE)[t].float()
    return uniform_t(SCHEDULE.T, n, generator), uniform_s(n, generator)


def trained(target: str, times: str, seed: int, updates: int) -> Predictor:
    """A network that has learnt the target."""
    recipe = RECIPES["fourier"].training
    how = Training(updates, recipe.batch_size, recipe.lr, recipe.lr_schedule, recipe.optimiser)
    model, generator = init(Predictor, target, SCHEDULE.T, generator=stream("init", seed)), stream("train", seed)
    x, n = states().x, how.batch_size

    def loss() -> Tensor:
        x_0, eps = x[torch.randint(len(x), (n,), generator=generator)], randn(n, 2, generator=generator)
        t, s = drawn(times, n, generator)
        x_in, clock, right = model.seen(x_0, eps, t, s)
        return (model(x_in, clock) - right).square().mean()

    for _ in minimise(model, loss, how):
        pass
    return model.eval()


@cache
def truth() -> list[tuple[int, Tensor, Tensor]]:
    """For each level a time t, noisy fresh points x_t and the exact E[eps | x_t]."""
    exact, x = IdealDenoiser(outline_points(4000), SCHEDULE, jitter=JITTER), states(300, seed=FRESH).x
    eps = randn(*x.shape, generator=stream("excess"))
    times = [int((SCHEDULE.log_snr[1:] - level).abs().argmin()) + 1 for level in LEVELS]
    return [(t, x_t := SCHEDULE.q_sample(x, t, eps), exact(x_t, t)) for t in times]


def judged(samples: Tensor, seed: int) -> dict[str, float]:
    """Distance, coverage and EMD of samples (3,000, 2)."""
    fresh = states(600, seed=FRESH + 1 + seed).x
    fresh = fresh[torch.randperm(len(fresh), generator=stream("mix", seed))]
    costs = [emd(a, b) for a, b in zip(samples.split(1000), fresh.split(1000), strict=True)]
    target = outline_points()
    measures = {"distance": mean_distance(samples, target), "coverage": coverage(samples, target)}
    return measures | {"EMD": sum(costs) / len(costs)}


@torch.no_grad()
def run(target: str, times: str, seed: int, updates: int) -> list[dict]:
    """One row of the table."""
    about = {"data": "states", "network": "fourier", "target": target, "times": times, "updates": updates, "seed": seed}
    if target == "real":
        found = judged(tenth(states(6000, seed=2 * FRESH + seed).x, seed), seed)
        about |= {"network": "real", "times": None, "target": None}
        return [about | found | {"distance (s)": found["distance"]}]
    with torch.enable_grad():
        noise = AsNoise(trained(target, times, seed, updates))
    x_T = randn(3000, 2, generator=stream("sample", seed))
    errors = [float((noise(x, t) - eps_hat).square().mean()) for t, x, eps_hat in truth()]
    excess = {f"excess at {level}": error for level, error in zip(LEVELS, errors, strict=True)}
    found = judged(last(ddim(noise, SCHEDULE, x_T, steps=50)), seed)
    s_T = float(flow_time(SCHEDULE)[-1])
    even = last(euler_flow(VelocityOf(noise, SCHEDULE), to_flow(SCHEDULE, x_T, SCHEDULE.T), steps=50, start=s_T))
    return [about | excess | found | {"distance (s)": mean_distance(even, outline_points())}]


def main() -> None:
    """All settings, and the table."""
    args = arguments("What a network predicts: statesdiff/results/flow-targets.csv.", "flow-targets", 5)
    keys = [(*setting, seed) for setting in [*SETTINGS, ("real", "floor")] for seed in range(args.seeds)]
    frame = pd.DataFrame(run_all(run, [(*key, 4000) for key in keys], args.folder, args.workers))
    about = f"python benchmarks/flow_targets.py --seeds {args.seeds}: four targets, times in three ways"
    print(write(frame, TABLE, about))


if __name__ == "__main__":
    main()
