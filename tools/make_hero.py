"""Regenerate book/_static/hero.png, the picture of the first page: five states appearing out of noise.

python tools/make_hero.py
"""

from pathlib import Path

import matplotlib.pyplot as plt
import torch

from statesdiff import plotting
from statesdiff.checkpoints import book_denoiser
from statesdiff.data import states
from statesdiff.files.atomic import write_atomically
from statesdiff.rng import stream
from statesdiff.samplers import ddpm

HERO = Path(__file__).resolve().parents[1] / "book" / "_static" / "hero.png"
TIMES = (500, 150, 60, 25, 0)


def main() -> None:
    torch.set_num_threads(1)
    data, (model, schedule) = states(), book_denoiser()
    path = list(ddpm(model, schedule, torch.randn(4000, 2, generator=stream("hero")), generator=stream("sample")))
    arrival = data.y[torch.cdist(path[-1], data.x).argmin(dim=1)]
    figure, axes = plt.subplots(1, len(TIMES), figsize=(12, 2.7), layout="constrained")
    for ax, t in zip(axes, TIMES, strict=True):
        plotting.scatter(path[schedule.T - t], arrival, ax, size=1.6, limit=2.4).set_axis_off()
        ax.set_title(f"t = {t}", fontsize=12, color=plotting.INK)
    write_atomically(HERO, lambda temporary: figure.savefig(temporary, dpi=130, metadata={"Software": None}))


if __name__ == "__main__":
    main()
