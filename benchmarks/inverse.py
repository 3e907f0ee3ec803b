"""What methods for inverse problems draw, against exact draws of the posterior: statesdiff/results/inverse.csv.

python benchmarks/inverse.py --folder inverse --seeds 8     # about a minute of one core for each seed, and one more

Three measurements, each with three widths of its noise, and several seeds. In a seed every method makes 500 points, and
the EMD of each set from one set of exact draws stands beside that of another set of exact draws, the floor. The
methods have the exact denoiser of 600 points with the book's jitter, and some of them the book's network as well. What
has a strength to choose is also run with four of them at a seed of its own; the best of these is what the other
seeds use. Each measurement, width and seed has a file of its own in the folder, so a run that was stopped goes on.
"seconds" are a processor's, of the drawing; in the committed table they have that of the EMD in them.
"""

import argparse
import math
import platform
import time
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path

import pandas as pd
import torch
from torch import Tensor

from statesdiff import results
from statesdiff.checkpoints import book_denoiser
from statesdiff.data import JITTER, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.exact_posterior import ExactPosterior
from statesdiff.files.atomic import write_atomically
from statesdiff.inverse import MeasurementGuidance, replacement
from statesdiff.measurements import Box, Linear, Measurement
from statesdiff.metrics import emd
from statesdiff.particles import twisted
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

TABLE = results.FOLDER / "inverse.csv"
SCHEDULE = NoiseSchedule.linear(T=500)
TIMES = [*range(500, 200, -15), *range(200, 20, -5), *range(20, -1, -2)]  # as in the chapter
KNOWN, N, PARTICLES, SEEDS, TUNING = 600, 500, 2000, 8, 1000
LONGITUDE, MICHIGAN = 0.2, 0
WIDTHS = (0.5, 0.2, 0.05)
MEASUREMENTS: dict[str, Callable[[float], Measurement]] = {
    "longitude": partial(Linear, [[1.0, 0.0]], [LONGITUDE]),
    "half": partial(Box, [-math.inf, 0.6], [math.inf, math.inf]),  # of Michigan, whose label is known
    "box": partial(Box, [0.0, -0.8], [1.0, 0.8]),
}
SCALES = (0.1, 0.3, 1.0, 3.0)  # of gradient guidance
LENGTHS = (0.003, 0.01, 0.03, 0.1)  # of its steps, where they are normalised


@cache
def ideal(name: str) -> IdealDenoiser:
    return IdealDenoiser(outline_points(KNOWN, label=MICHIGAN if name == "half" else None), SCHEDULE, JITTER)


@cache
def network(name: str) -> NoisePredictor:
    return partial(book_denoiser("conditional")[0], y=MICHIGAN) if name == "half" else book_denoiser("fourier")[0]


class FixedLength:
    """Gradient guidance as it is practised: each step of `ddpm` moves by `length` times grad |y - A x_0_hat|.

    Chung et al. 2023, algorithm 1, their zeta a constant over the norm. As a predictor: what is added to eps_hat is
    what `ddpm` turns into that move. The width of the noise has no part in it.
    """

    def __init__(self, predictor: NoisePredictor, A: Tensor, y: Tensor, length: float) -> None:
        self.predictor, self.A, self.y, self.length = predictor, A, y, length

    def __call__(self, x_t: Tensor, t: Tensor) -> Tensor:
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            eps_hat = self.predictor(x, t)
            off = (self.y - SCHEDULE.predict_x_0(x, t, eps_hat) @ self.A.T).norm(dim=1)
            gradient = torch.autograd.grad(off.sum(), x)[0]
        beta, alpha_bar = float(SCHEDULE.beta[t]), float(SCHEDULE.alpha_bar[t])
        per_noise = beta / math.sqrt((1 - alpha_bar) * (1 - beta))  # by how much a step moves for each unit of eps_hat
        return eps_hat.detach() + self.length / per_noise * gradient


def guided(predictor: NoisePredictor, measurement: Measurement, seed: int, **options: float) -> Tensor:
    """Samples by gradient guidance with these options."""
    return sampled(MeasurementGuidance(predictor, measurement, SCHEDULE, **options), seed)


def sampled(predictor: NoisePredictor, seed: int) -> Tensor:
    rng = stream("sample", seed)
    return last(ddim(predictor, SCHEDULE, randn(N, 2, generator=rng), steps=TIMES, eta=1.0, generator=rng))


def replaced(predictor: NoisePredictor, width: float, seed: int, repeats: int) -> Tensor:
    """Samples by replacement; what is known is y and noise of the measurement's width, other noise for each."""
    rng = stream("sample", seed)
    known = torch.stack([LONGITUDE + width * randn(N, generator=rng), torch.full((N,), math.nan)], dim=1)
    x_T = randn(N, 2, generator=rng)
    return last(replacement(predictor, SCHEDULE, x_T, known, steps=TIMES, repeats=repeats, generator=rng))


def stepped(predictor: NoisePredictor, seed: int, length: float) -> Tensor:
    """Samples by gradient guidance with steps of fixed length, at all 500 times."""
    rng = stream("sample", seed)
    practised = FixedLength(predictor, torch.tensor([[1.0, 0.0]]), torch.tensor([LONGITUDE]), length)
    return last(ddpm(practised, SCHEDULE, randn(N, 2, generator=rng), generator=rng))


def weighted(predictor: NoisePredictor, measurement: Measurement, seed: int) -> tuple[Tensor, dict]:
    """Samples by twisted sequential Monte Carlo, and what it says about itself."""
    rng = stream("sample", seed)
    twist = MeasurementGuidance(predictor, measurement, SCHEDULE, data_variance=1.0)
    end = last(twisted(twist, SCHEDULE, randn(PARTICLES, 2, generator=rng), steps=TIMES, generator=rng))
    return end.draw(N, generator=rng), {"effective": end.effective, "log evidence": end.log_evidence}


def tuned(name: str, width: float, of: str) -> float:
    """The best scale, or length, of those tried, at a seed that is used for nothing else."""
    measurement = MEASUREMENTS[name](width)
    fresh = ExactPosterior(ideal(name), measurement).sample(N, generator=stream("exact", TUNING))
    found = {}
    for value in SCALES if of == "scale" else LENGTHS:
        try:
            x = guided(ideal(name), measurement, TUNING, scale=value) if of == "scale" else None
            x = stepped(ideal(name), TUNING, value) if x is None else x
            found[value] = emd(x, fresh)
        except FloatingPointError:
            found[value] = math.inf
    return min(found, key=found.get)


def ways(name: str, width: float, seed: int, chosen: dict[str, float]) -> Iterator[tuple]:
    """Each method: its name, whose noise it has, a function of nothing that draws, and what else is to be told."""
    measurement, exact, learnt = MEASUREMENTS[name](width), ideal(name), network(name)
    if name == "longitude":
        for repeats in (1, 5):
            yield f"replacement, {repeats}", "exact", partial(replaced, exact, width, seed, repeats)
        yield "gradient, steps of fixed length", "exact", partial(stepped, exact, seed, chosen["length"])
    yield "gradient", "exact", partial(guided, exact, measurement, seed)
    yield "gradient, best scale", "exact", partial(guided, exact, measurement, seed, scale=chosen["scale"])
    yield "gradient with spread", "exact", partial(guided, exact, measurement, seed, data_variance=1.0)
    yield "exact gradient", "exact", partial(sampled, ExactPosterior(exact, measurement), seed)
    yield "twisted", "exact", partial(weighted, exact, measurement, seed)
    yield "gradient with spread", "learnt", partial(guided, learnt, measurement, seed, data_variance=1.0)
    yield "twisted", "learnt", partial(weighted, learnt, measurement, seed)


def one(name: str, width: float, seed: int, chosen: dict[str, float]) -> pd.DataFrame:
    """All rows of one measurement, width and seed."""
    posterior = ExactPosterior(ideal(name), MEASUREMENTS[name](width))
    fresh, other = (posterior.sample(N, generator=stream(word, seed)) for word in ("exact", "floor"))
    told = {"measurement": name, "width": width, "seed": seed}
    rows = [told | {"method": "floor", "noise": "exact", "EMD": emd(other, fresh)}]
    for method, noise, draw in ways(name, width, seed, chosen):
        began, about = time.process_time(), {}
        try:
            x = draw()
            x, about = x if isinstance(x, tuple) else (x, {})
            spent = time.process_time() - began
            found = emd(x, fresh)
        except FloatingPointError:  # it has exploded
            spent, found = time.process_time() - began, math.nan
        row = {"method": method, "noise": noise, "EMD": found, "seconds": spent}
        rows.append(told | row | about)
    return pd.DataFrame(rows).assign(**chosen, exact_log_evidence=posterior.log_evidence())


def kept(path: Path, make: Callable[[], pd.DataFrame]) -> pd.DataFrame:
    """What the file holds, made first if it is not there."""
    if not path.exists():
        frame = make()
        write_atomically(path, lambda temporary: frame.to_csv(temporary, index=False))
        print(path, flush=True)
    return pd.read_csv(path)


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=Path("inverse"), help="keeps what is finished")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="how many sets of samples of each method")
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    cells, parts = [(name, width) for name in MEASUREMENTS for width in WIDTHS], []
    choices = {}
    for name, width in cells:
        about = ["scale", "length"] if name == "longitude" else ["scale"]
        path = args.folder / f"{name}-{width}-chosen.csv"
        frame = kept(path, lambda n=name, w=width, a=about: pd.DataFrame([{of: tuned(n, w, of) for of in a}]))
        choices[name, width] = frame.iloc[0].to_dict()
    for seed in range(args.seeds):
        for name, width in cells:
            path = args.folder / f"{name}-{width}-{seed}.csv"
            parts.append(kept(path, partial(one, name, width, seed, choices[name, width])))
    versions = f"PyTorch {torch.__version__.split('+')[0]}, Python {platform.python_version()}"
    processor = f"{len(results.processors())} x {results.processors()[0]}"
    about = f"{N} samples, {PARTICLES} particles, {len(TIMES) - 1} steps"
    lines = [f"python benchmarks/inverse.py --seeds {args.seeds}: {about}", f"{versions}, one thread, {processor}"]
    text = "".join(f"# {line}\n" for line in lines) + pd.concat(parts).to_csv(index=False, float_format="%.5g")
    write_atomically(TABLE, lambda temporary: temporary.write_text(text, encoding="utf-8"))


if __name__ == "__main__":
    main()
