"""Regenerate the pictures of the first pages: book/_static/hero.png, README's hero.gif, and draw.png.

python tools/make_hero.py
"""

import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from statesdiff import plotting
from statesdiff.checkpoints import book_denoiser
from statesdiff.data import states
from statesdiff.exact import IdealDenoiser
from statesdiff.files.atomic import write_atomically
from statesdiff.rng import stream
from statesdiff.samplers import ddim, ddpm
from statesdiff.schedule import NoiseSchedule

STATIC = Path(__file__).resolve().parents[1] / "book" / "_static"
TIMES = (500, 150, 60, 25, 0)
FRAMES = [*range(500, 180, -25), *range(180, 40, -10), *range(40, -1, -3), 0]
FRAME, HOLD = 60, 1500  # milliseconds; the map stands still
COLOURS = 16  # of the animation
PEN = 0.02


def walk() -> tuple[list[Tensor], Tensor]:
    """Four thousand points on their way, x_T to x_0, and the state at which each arrives."""
    data, (model, schedule) = states(), book_denoiser()
    path = list(ddpm(model, schedule, torch.randn(4000, 2, generator=stream("hero")), generator=stream("sample")))
    return path, data.y[torch.cdist(path[-1], data.x).argmin(dim=1)]


def row(pictures: Sequence[tuple[str, Tensor]], y: Tensor | None, name: str) -> None:
    """Panels side by side, written to `name`."""
    figure, axes = plt.subplots(1, len(pictures), figsize=(2.4 * len(pictures), 2.7), layout="constrained")
    for ax, (title, x) in zip(axes, pictures, strict=True):
        plotting.scatter(x, y, ax, size=1.6, limit=2.4).set_axis_off()
        ax.set_title(title, fontsize=12, color=plotting.INK)
    write_atomically(STATIC / name, lambda temporary: figure.savefig(temporary, dpi=130, metadata={"Software": None}))


def animation(path: Sequence[Tensor], y: Tensor, name: str) -> None:
    """The walk as an animated GIF, every third point."""
    figure, ax = plt.subplots(figsize=(3.6, 3.6), dpi=100)
    figure.subplots_adjust(0, 0, 1, 1)
    frames = []
    for t in FRAMES:
        ax.clear()
        plotting.scatter(path[len(path) - 1 - t][::3], y[::3], ax, size=2, limit=2.2).set_axis_off()
        figure.canvas.draw()
        frame = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
        frames.append(frame.quantize(COLOURS, dither=Image.Dither.NONE))
    times = [*[FRAME] * (len(frames) - 1), HOLD]
    first, *others = frames
    how = {"format": "GIF", "save_all": True, "append_images": others, "duration": times, "loop": 0}
    write_atomically(STATIC / name, lambda temporary: first.save(temporary, **how))


def drawing() -> None:
    """A heart, and how the exact denoiser of its points makes another."""
    u = 2 * math.pi * torch.rand(4000, generator=stream("data"))
    y = (13 * u.cos() - 5 * (2 * u).cos() - 2 * (3 * u).cos() - (4 * u).cos()) / 9
    x = torch.stack([1.7 * u.sin() ** 3, y], dim=1) + PEN * torch.randn(4000, 2, generator=stream("noise"))
    x, schedule = (x - x.mean(0)) / x.std(0), NoiseSchedule.linear()
    ideal = IdealDenoiser(x, schedule, jitter=PEN)
    path = list(ddim(ideal, schedule, torch.randn(4000, 2, generator=stream("sample")), steps=100))
    at = {t: path[(500 - t) // 5] for t in (500, 60, 0)}
    row([("drawn", x), *((f"t = {t}", x_t) for t, x_t in at.items())], None, "draw.png")


def main() -> None:
    torch.set_num_threads(1)
    path, y = walk()
    row([(f"t = {t}", path[500 - t]) for t in TIMES], y, "hero.png")
    animation(path, y, "hero.gif")
    drawing()


if __name__ == "__main__":
    main()
