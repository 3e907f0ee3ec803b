"""Few evaluations of a network: solvers and grids, students, and what of EDM's design matters for STATES.

python benchmarks/few_steps.py   # the tables few-steps.csv and few-steps-training.csv, twelve minutes of one core

few-steps.csv: the book's `fourier` network, 5,000 samples from the same starts by every way, a row for each way and
seed. `network` is "fourier", "student" or "real"; `solver` is a solver with its order, "ancestral", or a student's way;
`evaluations` is how often the network is asked. Measures: "to data", mean distance to the 5,000 training points;
"distance", to the outline; "strays", the share farther than 0.08 from the outline; "EMD" (not for every way) to fresh
points, the same for all ways of a seed, mean over five parts of 1,000 points.

few-steps-training.csv: small trainings, a quarter of the recipe's, in which one thing is changed at a time: which noise
levels are drawn, how their losses are weighted, and what the network's output means. Each network is sampled in ten
evaluations by `dpm_solver` on every grid.
"""

import math
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pandas as pd
import torch
from runs import arguments, run_all, tenth
from scipy.spatial import cKDTree
from torch import Tensor, nn

from statesdiff.checkpoints import book_denoiser
from statesdiff.data import outline_points, states
from statesdiff.grids import GRIDS
from statesdiff.metrics import emd, mean_distance
from statesdiff.models import FREQUENCIES, Denoiser, init
from statesdiff.results import FOLDER, write
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddpm, last
from statesdiff.schedule import NoiseSchedule, per_sample
from statesdiff.solvers import dpm_solver, euler, heun
from statesdiff.student import Student, book_student
from statesdiff.training import Training, denormals_flushed, low_noise_t, minimise, noisy_batches, uniform_t

N, PARTS, FAR = 5000, 5, 0.08
SCHEDULE = NoiseSchedule.linear()
WITH_EMD = {("ancestral", 500), *(("dpm_solver 3", n) for n in (4, 6, 8, 10, 15))}  # on the book's own grid
STUDENTS = ("8", "4", "2", "1")
MEASURES = ("to data", "distance", "strays", "EMD")

SOLVED = [
    *(("dpm_solver 3", "eased", n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 15, 20, 40)),
    *(("dpm_solver 3", grid, n) for grid in ("uniform", "logsnr", "edm") for n in (6, 10, 15)),
    *(("dpm_solver 2", grid, n) for grid in GRIDS for n in (6, 10, 15)),
    *(("euler", "eased", n) for n in (2, 4, 6, 10, 15, 20, 40)),
    *(("heun", "eased", n) for n in (2, 3, 4, 6, 8, 10, 20)),
    *(("euler", "uniform", n) for n in (10, 20, 50)),
]  # fmt: skip


def solve(solver: str, grid: str, steps: int, x_T: Tensor, seed: int) -> Tensor:
    """5,000 samples of the book's network."""
    model, schedule = book_denoiser("fourier")
    if solver == "ancestral":
        return last(ddpm(model, schedule, x_T, generator=stream("sample", seed)))
    f = {"euler": euler, "heun": heun}.get(solver) or partial(dpm_solver, order=int(solver[-1]))
    return last(f(model, schedule, x_T, steps=steps, grid=grid))


def judge(x: Tensor, seed: int, with_emd: bool) -> dict[str, float]:
    """The measures of samples (n, 2), the EMD if it is asked for."""
    away = cKDTree(outline_points().numpy()).query(x.numpy())[0]
    found = {"to data": mean_distance(x, states().x), "distance": away.mean(), "strays": (away > FAR).mean()}
    if with_emd:
        fresh = states(N // 5, seed=1000 + seed).x[torch.randperm(N, generator=stream("fresh", seed))]
        parts = zip(x.split(N // PARTS), fresh.split(N // PARTS), strict=True)
        found["EMD"] = float(np.mean([emd(a, b) for a, b in parts]))
    return found


def make(kind: str, seed: int) -> list[dict]:
    """The rows of one seed: "solved", "students", or those of a training."""
    x_T = randn(N, 2, generator=stream("start", seed))
    if kind == "solved":
        return list(_solved(x_T, seed))
    return list(_students(x_T, seed)) if kind == "students" else list(_trained(kind, x_T, seed))


def _solved(x_T: Tensor, seed: int) -> Iterator[dict]:
    for solver, grid, steps in [("ancestral", "every t", 500), *SOLVED]:
        about = {"network": "fourier", "solver": solver, "grid": grid, "steps": steps}
        about["evaluations"] = 2 * steps - 1 if solver == "heun" else steps
        with_emd = grid in ("eased", "every t") and (solver, steps) in WITH_EMD
        yield about | {"seed": seed} | judge(solve(solver, grid, steps, x_T, seed), seed, with_emd)
    real = tenth(states(2 * N, seed=2000 + seed).x, seed)
    yield {"network": "real", "seed": seed} | judge(real, seed, True)


def _students(x_T: Tensor, seed: int) -> Iterator[dict]:
    for name in STUDENTS:
        student, schedule = book_student(name)
        x = last(euler(student, schedule, x_T, grid=student.times))
        about = {"network": "student", "solver": "progressive", "grid": "its own", "steps": int(name)}
        yield about | {"evaluations": int(name), "seed": seed} | judge(x, seed, True)
    student, schedule = book_student("consistency")
    for steps in (1, 2, 4):
        x = last(consistent(student, schedule, x_T, steps, stream("sample", seed)))
        about = {"network": "student", "solver": "consistency", "grid": "its own", "steps": steps}
        yield about | {"evaluations": steps, "seed": seed} | judge(x, seed, True)


def consistent(student: Student, schedule: NoiseSchedule, x: Tensor, steps: int, generator) -> Iterator[Tensor]:
    """Multistep consistency sampling: to x_0, noised afresh to the next of the student's times, and so on."""
    inner = student.times[:-1]
    for k in range(steps):
        t = inner[k * len(inner) // steps]
        x_t = x if k == 0 else schedule.q_sample(x, t, randn(*x.shape, generator=generator))
        with torch.no_grad():
            x = student.x_0_hat(x_t, t)
        yield x


def edm_t(T: int, n: int, generator: torch.Generator | None = None, mean: float = math.log(2) - 1.2) -> Tensor:
    """EDM's log-normal noise levels, ln sigma of deviation 1.2, each at the nearest t of 1..T; int64 (n,).

    EDM's mean is -1.2, for images of deviation 0.5; the same levels have mean -1.2 + ln 2 for data of deviation 1.
    """
    wanted = mean + 1.2 * torch.randn(n, generator=generator)
    levels = SCHEDULE.noise_level[1 : T + 1].log().float()
    return torch.searchsorted((levels[1:] + levels[:-1]) / 2, wanted) + 1


# what is changed, and to what; the rest is the first of each
DRAWS = {"low noise": low_noise_t, "uniform": uniform_t, "EDM": edm_t, "EDM at -1.2": partial(edm_t, mean=-1.2)}
WEIGHTS = {"eps": lambda alpha_bar: 1, "v": lambda ab: 1 / ab, "x_0": lambda ab: (1 - ab) / ab}
OUTPUTS = ("eps with skip", "eps", "v")
CHANGES = {
    "base": ("low noise", "eps", "eps with skip"),
    **{f"draw {name}": (name, "eps", "eps with skip") for name in ("uniform", "EDM", "EDM at -1.2")},
    **{f"weight {name}": ("low noise", name, "eps with skip") for name in ("v", "x_0")},
    **{f"output {name}": ("low noise", "eps", name) for name in ("eps", "v")},
}
UPDATES = 1000


def _trained(change: str, x_T: Tensor, seed: int) -> Iterator[dict]:
    draw, weight, output = CHANGES[change]
    net = init(
        Denoiser, 2, 500, (128,) * 3, "relu", *FREQUENCIES, output == "eps with skip", generator=stream("init", seed)
    )
    predictor = Student(net, SCHEDULE, [500, 0]) if output == "v" else net
    how = Training(steps=UPDATES, lr=8e-3, draw_t=DRAWS[draw])
    with denormals_flushed():
        for _ in minimise(net, weighted_loss(predictor, how, WEIGHTS[weight], seed), how):
            pass
    about = {"network": "fourier", "draw": draw, "weight": weight, "output": output}
    for grid in GRIDS:
        x = last(dpm_solver(predictor, SCHEDULE, x_T, steps=10, grid=grid))
        yield about | {"grid": grid, "seed": seed} | judge(x, seed, False)


def weighted_loss(predictor: nn.Module, how: Training, weight: Callable, seed: int) -> Callable[[], Tensor]:
    """The mean of weight(alpha_bar) |eps_hat - eps|^2 over the next batch; the weights of a batch have mean 1."""
    batches = noisy_batches(states().x, SCHEDULE, None, how, generator=stream("train", seed))

    def loss() -> Tensor:
        x_t, t, eps, _ = next(batches)
        w = weight(per_sample(SCHEDULE.alpha_bar, t, x_t)) * torch.ones(len(x_t), 1)
        return (w / w.mean() * (predictor(x_t, t) - eps).square()).mean()

    return loss


def main() -> None:
    """Make what is missing, write both tables."""
    args = arguments(__doc__.splitlines()[0], "few-steps", 6)
    kinds = {"few-steps": ("solved", "students"), "few-steps-training": CHANGES}
    for name, names in kinds.items():
        keys = [(kind, seed) for kind in names for seed in range(args.seeds)]
        rows = run_all(make, keys, args.folder, args.workers)
        frame = pd.DataFrame(rows).assign(data="states")
        settings = [c for c in frame if c not in ("data", "network", "seed", *MEASURES)]
        frame = frame[["data", "network", *settings, "seed", *(m for m in MEASURES if m in frame)]]
        about = "5,000 samples from common starts" if name == "few-steps" else f"{UPDATES} updates of 512 points each"
        print(
            "wrote",
            write(frame, FOLDER / f"{name}.csv", f"python benchmarks/few_steps.py --seeds {args.seeds}: {about}"),
        )


if __name__ == "__main__":
    main()
