"""The command line: `statesdiff train`, `sample` and `grade`, also as `python -m statesdiff`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.auto import tqdm

from statesdiff.checkpoints import book_denoiser, load_model, save_model
from statesdiff.data import load_states, states
from statesdiff.files import write_atomically
from statesdiff.grade import Reference, grade
from statesdiff.recipes import RECIPES, train_recipe
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule


def train(args: argparse.Namespace) -> None:
    """Train a recipe and write the checkpoint; an interrupt keeps what has been learnt so far."""
    x_0 = states().x if args.data is None else load_states(args.data, standardise_x=args.standardise).x
    schedule = NoiseSchedule.linear()
    model, steps = train_recipe(args.recipe, x_0, schedule, steps=args.steps, seed=args.seed)
    total = args.steps or RECIPES[args.recipe].steps
    done = 0
    try:
        for record in (bar := tqdm(steps, total=total, unit="step", disable=None)):
            done = record.step
            if done % 100 == 0:
                bar.set_postfix(loss=f"{record.loss:.3f}")
    except KeyboardInterrupt:
        print(f"interrupted after {done} of {total} steps", file=sys.stderr)
    print(save_model(args.out, model, schedule))


def sample(args: argparse.Namespace) -> None:
    """Draw samples with a checkpoint and write them."""
    model, schedule = book_denoiser() if args.checkpoint is None else load_model(args.checkpoint)
    generator = stream("sample", args.seed)
    x_T = randn(args.n, model.D, generator=generator)
    if args.steps is None:
        path = ddpm(model, schedule, x_T, generator=generator)
    else:
        path = ddim(model, schedule, x_T, steps=args.steps, generator=generator)
    print(write_atomically(args.out, lambda temporary: _write(last(path), temporary)))


def grade_folder(args: argparse.Namespace) -> None:
    """Grade a submission of the course project and print what was found, as a table or as JSON."""
    result = grade(args.folder, Reference(None if args.data is None else load_states(args.data)))
    if args.json == "-":
        print(result.to_json())
        return
    if args.json:
        write_atomically(args.json, lambda temporary: temporary.write_text(result.to_json() + "\n", encoding="utf-8"))
    print(result)


def _write(x: Tensor, path: Path) -> None:
    if path.suffix == ".pt":
        torch.save(x, path)
    else:
        np.save(path, x.numpy())


def _count(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def _output(*suffixes: str):
    def check(text: str) -> Path:
        path = Path(text)
        if path.suffix not in suffixes or not path.parent.is_dir():
            raise argparse.ArgumentTypeError(
                f"must end in {' or '.join(suffixes)} and lie in an existing folder, got {text}"
            )
        return path

    return check


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    top = argparse.ArgumentParser(prog="statesdiff", description="Train a diffusion model on STATES and draw from it.")
    commands = top.add_subparsers(required=True)

    p = commands.add_parser("train", help="train a denoiser and write a checkpoint")
    p.add_argument("--recipe", choices=sorted(RECIPES), default="fourier", help="default: fourier")
    p.add_argument("--data", help="a .pt, .npy or .npz file of points; default: the book's STATES")
    p.add_argument(
        "--standardise",
        action="store_true",
        help="shift and scale the file's points to mean 0, variance 1; samples will be in these units",
    )
    p.add_argument("--steps", type=_count, help="default: the recipe's own number")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=_output(".safetensors"), default="denoiser.safetensors")
    p.set_defaults(run=train)

    p = commands.add_parser("sample", help="draw samples with a checkpoint")
    p.add_argument("--checkpoint", help="a file written by `statesdiff train`; default: the book's own weights")
    p.add_argument("--n", type=_count, default=5000, help="number of samples, default 5000")
    p.add_argument("--steps", type=_count, help="this many DDIM steps; default: ancestral sampling through every step")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=_output(".npy", ".pt"), default="samples.npy")
    p.set_defaults(run=sample)

    p = commands.add_parser("grade", help="grade a submission of the course project; nothing in it is run")
    p.add_argument("folder", metavar="DIR", help="the folder that holds code, outputs and checkpoints")
    p.add_argument("--data", help="the course's own states.pt, with labels; default: the book's STATES")
    p.add_argument("--json", metavar="FILE", help="also write the grade as JSON; - prints it in place of the table")
    p.set_defaults(run=grade_folder)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; bad input ends in one line on stderr and exit status 2."""
    args = parser().parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a student's name may have letters that the terminal has not
    try:
        args.run(args)
    except (ValueError, OSError, FloatingPointError) as error:
        print(f"statesdiff: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
