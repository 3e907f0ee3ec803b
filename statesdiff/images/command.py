"""`statesdiff train --recipe fashion` and `statesdiff sample` of what it wrote: garments instead of points."""

import argparse
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from statesdiff.checkpoints import WEIGHTS
from statesdiff.files.points import check_room, write_points
from statesdiff.guidance import ClassifierFreeGuidance
from statesdiff.images.fashion import fashion_mnist
from statesdiff.images.garments import save_sheet
from statesdiff.images.pretrained import UNET, fashion_unet, save_unet
from statesdiff.images.training import PictureTraining
from statesdiff.images.unet import UNet
from statesdiff.models import init
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, last
from statesdiff.schedule import NoiseSchedule

FASHION = "fashion"  # the recipe's name, and that of the book's own weights
STEPS, BATCH, CHANNELS, SCHEDULE, T = 8500, 128, 48, "cosine", 1000
EVERY = 20.0  # seconds between two states
N, EVALUATIONS, CHUNK = 100, 50, 250  # images, steps of DDIM, images at once


def train(
    args: argparse.Namespace, kind: type[PictureTraining] = PictureTraining, device: str = "cpu", writes: bool = True
) -> None:
    """Train the U-Net on Fashion-MNIST and write it; stopped or killed, the same command goes on from its state.

    The state is `args.out` with the suffix .state.pt; it is removed when the training is done. `kind` is the training;
    of several processes that train together, one `writes`.
    """
    data = fashion_mnist("train", args.data)
    config = {"T": args.T or T, "channels": args.channels or CHANNELS, "schedule": args.schedule or SCHEDULE}
    net = init(UNet, **config, generator=stream("init", args.seed))
    how = {"steps": args.steps or STEPS, "batch_size": args.batch_size or BATCH, "seed": args.seed, "device": device}
    training = kind(net, data.x, data.y, **how)
    state = args.out.with_suffix(".state.pt")
    if state.exists():
        training.load(state)
        print(f"going on after {training.done} of {how['steps']} updates", file=sys.stderr)
    if not writes:
        for _ in training.updates():
            pass
        return
    try:
        _run(training, state, EVERY if args.save_every is None else args.save_every)
    except KeyboardInterrupt:
        print(f"interrupted after {training.done} of {how['steps']} updates", file=sys.stderr)
        print(_kept(training, args.out))
        if state.exists():
            raise KeyboardInterrupt(f"the same command goes on from {state}") from None
        raise
    print(_kept(training, args.out))
    state.unlink(missing_ok=True)


def _run(training: PictureTraining, state: Path, every: float) -> None:
    """Train to the end, with a bar, and keep the state every so many seconds, where it is whole."""
    saved = time.monotonic()
    with tqdm(total=training.settings["steps"], initial=training.done, unit="update", disable=None) as bar:
        for step in training.updates():
            bar.update()
            if step.step % 20 == 0:
                bar.set_postfix(loss=f"{float(step.loss):.3f}")
            if training.whole and time.monotonic() - saved >= every:
                training.save(state)
                saved = time.monotonic()


def _kept(training: PictureTraining, out: Path) -> Path:
    about = {"data": "Fashion-MNIST", "updates": training.done, **training.settings}
    return save_unet(out, training.average, about)


def sample(args: argparse.Namespace) -> None:
    """Draw garments, of one class or of any, and write them as a grid (.png), or as an array (n, 28, 28) in [-1, 1]."""
    net, schedule = fashion_unet(WEIGHTS / UNET if args.checkpoint == FASHION else args.checkpoint)
    if args.classifier is not None:
        raise ValueError(
            "--classifier is for points; a picture is guided by the network itself, --label and --guidance"
        )
    n = args.n or N
    check_room(args.out, 4 * n * net.D)
    x_0 = torch.cat(list(_draws(_predictor(net, args), schedule, n, args))).clamp(-1, 1)
    if args.out.suffix == ".png":
        save_sheet(args.out, x_0, columns=max(1, round(n**0.5)))
        print(args.out)
    else:
        print(write_points(args.out, x_0[:, 0]))


def _predictor(net: UNet, args: argparse.Namespace) -> NoisePredictor:
    """The network, told the label if there is one, and guided if there is a strength."""
    if args.label is None:
        if args.guidance is not None:
            raise ValueError("--guidance needs a --label to guide to")
        return net
    if not 0 <= args.label < net.n_classes:
        raise ValueError(f"--label must lie in 0..{net.n_classes - 1}, got {args.label}")
    if args.guidance is None:
        return partial(net, y=args.label)
    return ClassifierFreeGuidance(net, args.label, args.guidance)


def _draws(predictor: NoisePredictor, schedule: NoiseSchedule, n: int, args: argparse.Namespace) -> Iterator[Tensor]:
    """All n images, CHUNK at a time, (CHUNK, 1, 28, 28) and at last what is left."""
    generator, steps = stream("sample", args.seed), args.steps or EVALUATIONS
    with tqdm(total=-(-n // CHUNK) * (steps + 1), unit="step", disable=None) as bar:
        for start in range(0, n, CHUNK):
            x_T = randn(min(CHUNK, n - start), 1, 28, 28, generator=generator)
            path = ddim(predictor, schedule, x_T, steps=steps, eta=args.eta, generator=generator)
            yield last(x for x in path if bar.update() or True)
