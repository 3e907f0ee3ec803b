"""Train the book's networks again and write their weights into the package.

    python tools/make_weights.py                          # all four, into statesdiff/weights/
    python tools/make_weights.py classifier --folder /tmp

Each is `train_recipe(name, states().x, NoiseSchedule.linear(T=500), states().y, seed=0)` on one thread. "plain" takes
the 4,000 steps of its recipe; "fourier" and "conditional" take three times their recipe's, "classifier" two and a
half times, so that the chapters that open with these weights look at diffusion and not at a network that was stopped
early. What a reader trains in the chapters is therefore a little less sharp. The table printed at the end judges
5,000 ancestral samples and 5,000 of 50 DDIM steps of each denoiser, unconditional; benchmarks/guidance.py judges the
conditional ones. Same machine, same version of PyTorch: same files, byte for byte. About four minutes.
"""

import argparse
import time
from pathlib import Path

import torch

from statesdiff.checkpoints import save_model
from statesdiff.data import states
from statesdiff.metrics import mean_distance, nll
from statesdiff.models import Classifier, Denoiser
from statesdiff.recipes import train_recipe
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

WEIGHTS = Path(__file__).parent.parent / "statesdiff" / "weights"
STEPS = {"fourier": 12_000, "plain": 4_000, "conditional": 12_000, "classifier": 10_000}
ROW = "{:24s} {:>8} {:>8} {:>10} {:>10}"


def train(name: str, schedule: NoiseSchedule) -> Denoiser | Classifier:
    """The trained network; prints how long it took and the mean loss of the last tenth of the steps."""
    data, steps = states(), STEPS[name]
    model, training = train_recipe(name, data.x, schedule, data.y, steps=steps, seed=0)
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
    found, floor = nll(x, real), nll(real, real)
    return ROW.format(label, f"{found:.3f}", f"{found - floor:+.3f}", f"{mean_distance(x, real):.4f}", len(x))


def main() -> None:
    """Train, write, judge."""
    parser = argparse.ArgumentParser(description="Train the book's networks and write their weights.")
    parser.add_argument("names", nargs="*", default=list(STEPS), help="default: all")
    parser.add_argument("--folder", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    if unknown := set(args.names) - set(STEPS):
        parser.error(f"names must be of {sorted(STEPS)}, got {sorted(unknown)}")
    torch.set_num_threads(1)  # sums depend on the number of threads
    schedule = NoiseSchedule.linear(T=500)
    rows = [ROW.format("", "NLL", "gap", "distance", "samples")]
    rows.append(row("held-out data (floor)", states(seed=1).x, states().x))
    for name in args.names:
        model = train(name, schedule)
        file = "classifier" if name == "classifier" else f"denoiser_{name}"
        print("wrote", save_model(args.folder / f"{file}.safetensors", model, schedule), flush=True)
        rows += judge(name, model, schedule) if isinstance(model, Denoiser) else []
    print("\n".join(rows))


if __name__ == "__main__":
    main()
