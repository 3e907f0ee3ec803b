"""Train the book's two denoisers again and write their weights into the package.

    python tools/make_weights.py                    # statesdiff/denoiser_plain.safetensors and denoiser_fourier.safetensors
    python tools/make_weights.py --fourier-steps 4000 --folder /tmp

Each is `train_recipe(name, states().x, NoiseSchedule.linear(T=500), seed=0)` on one thread. "plain" takes the 4,000 steps of
its recipe; "fourier" takes 12,000, three times its recipe's 4,000, so that the chapters that open with these weights look at
diffusion and not at a network that was stopped early. What a reader trains in chapter 3 is therefore a little less sharp.
The table printed at the end judges 5,000 ancestral samples and 5,000 of 50 DDIM steps; the floor is a held-out draw of the
data. Same machine, same version of PyTorch: same files, byte for byte. About two minutes.
"""

import argparse
import time
from pathlib import Path

import torch

from statesdiff.checkpoints import save_model
from statesdiff.data import states
from statesdiff.metrics import mean_distance, nll
from statesdiff.models import Denoiser
from statesdiff.recipes import RECIPES, train_recipe
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

PACKAGE = Path(__file__).parent.parent / "statesdiff"
ROW = "{:24s} {:>8} {:>8} {:>10} {:>10}"


def train(name: str, steps: int, schedule: NoiseSchedule) -> Denoiser:
    """The trained network; prints how long it took and the mean loss of the last tenth of the steps."""
    model, training = train_recipe(name, states().x, schedule, steps=steps, seed=0)
    start = time.process_time()
    losses = [step.loss for step in training]
    tail = losses[-max(1, steps // 10) :]
    seconds = time.process_time() - start
    print(f"{name}: {steps} steps in {seconds:.1f} s of processor time, loss {sum(tail) / len(tail):.4f}", flush=True)
    return model


def judge(name: str, model: Denoiser, schedule: NoiseSchedule, n: int = 5000) -> list[str]:
    """One row of the table for each of the two samplers: NLL, its gap to the floor, distance to the training points."""
    real = states().x
    rows = []
    for label, steps in ((f"{name}, ancestral", None), (f"{name}, DDIM 50", 50)):
        rng = stream("sample")
        x_T = randn(n, 2, generator=rng)
        path = ddim(model, schedule, x_T, steps=steps) if steps else ddpm(model, schedule, x_T, generator=rng)
        rows.append(row(label, last(path), real))
    return rows


def row(label: str, x: torch.Tensor, real: torch.Tensor) -> str:
    """The table's row for the samples x."""
    score, floor = nll(x, real), nll(real, real)
    return ROW.format(label, f"{score:.3f}", f"{score - floor:+.3f}", f"{mean_distance(x, real):.4f}", len(x))


def main() -> None:
    """Train, write, judge."""
    parser = argparse.ArgumentParser(description="Train the book's two denoisers and write their weights.")
    parser.add_argument("--plain-steps", type=int, default=RECIPES["plain"].steps)
    parser.add_argument("--fourier-steps", type=int, default=3 * RECIPES["fourier"].steps)
    parser.add_argument("--folder", type=Path, default=PACKAGE)
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums depend on the number of threads
    schedule = NoiseSchedule.linear(T=500)
    rows = [ROW.format("", "NLL", "gap", "distance", "samples")]
    rows.append(row("held-out data (floor)", states(seed=1).x, states().x))
    for name, steps in (("fourier", args.fourier_steps), ("plain", args.plain_steps)):
        model = train(name, steps, schedule)
        print("wrote", save_model(args.folder / f"denoiser_{name}.safetensors", model, schedule), flush=True)
        rows += judge(name, model, schedule)
    print("\n".join(rows))


if __name__ == "__main__":
    main()
