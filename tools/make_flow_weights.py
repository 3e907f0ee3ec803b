"""Train the two flows of chapter 13 again and write their weights into the package.

    python tools/make_flow_weights.py                # into statesdiff/weights/
    python tools/make_flow_weights.py --folder /tmp

"flow" is the book's Fourier network, trained as a velocity on STATES for 12,000 updates, as the book's denoiser is, at
logit-normal flow times. "straight" is one reflow of it: the same network, trained as long on 20,000 pairs of
a start and the end of its way along "flow" in 100 steps, at times even in s. One thread; same machine, same version of
PyTorch: same files, byte for byte. About two minutes.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from statesdiff.checkpoints import WEIGHTS, save_model
from statesdiff.data import outline_points, states
from statesdiff.flow import DrawS, euler_flow, logit_normal_s, train_flow, uniform_s
from statesdiff.metrics import mean_distance
from statesdiff.models import Denoiser, init
from statesdiff.recipes import RECIPES
from statesdiff.rng import randn, stream
from statesdiff.samplers import last
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import denormals_flushed
from statesdiff.velocity import VelocityNetwork

UPDATES, PAIRS, FINE = 12_000, 20_000, 100
SCHEDULE = NoiseSchedule.linear(T=500)


def trained(name: str, x_0: Tensor, eps: Tensor | None, draw_s: DrawS, updates: int) -> VelocityNetwork:
    """A velocity that has learnt x_0, or the pairs (x_0, eps)."""
    model = VelocityNetwork(init(Denoiser.fourier, generator=stream(f"init {name}")))
    how = {"lr": RECIPES["fourier"].training.lr, "draw_s": draw_s, "generator": stream(f"train {name}")}
    with denormals_flushed():
        for _ in train_flow(model, x_0, eps, steps=updates, **how):
            pass
    return model


def make(folder: Path, updates: int = UPDATES, pairs: int = PAIRS) -> dict[str, VelocityNetwork]:
    """Both, written to the folder."""
    flow = trained("flow", states().x, None, logit_normal_s, updates)
    eps = randn(pairs, 2, generator=stream("pairs"))
    straight = trained("straight", last(euler_flow(flow, eps, steps=FINE)), eps, uniform_s, updates)
    made = {"flow": flow, "straight": straight}
    for name, model in made.items():
        print("wrote", save_model(folder / f"velocity_{name}.safetensors", model.net, SCHEDULE), flush=True)
    return made


def main() -> None:
    """Train, write, and say how far from the outline a few steps end."""
    parser = argparse.ArgumentParser(description="Train the book's two flows and write their weights.")
    parser.add_argument("--folder", type=Path, default=WEIGHTS)
    args = parser.parse_args()
    torch.set_num_threads(1)  # sums depend on the number of threads
    x = randn(3000, 2, generator=stream("sample"))
    for name, model in make(args.folder).items():
        ends = {steps: last(euler_flow(model, x, steps=steps)) for steps in (1, 2, 5, 10, 50, 100)}
        far = {steps: round(mean_distance(end, outline_points()), 4) for steps, end in ends.items()}
        print(f"{name}: distance to the outline after so many steps {far}")


if __name__ == "__main__":
    main()
