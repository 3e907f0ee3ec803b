"""The command line: `statesdiff train`, `sample`, `ablate`, `grade`, `submission`, also as `python -m statesdiff`."""

import argparse
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from statesdiff.ablations.studies import STUDIES
from statesdiff.ablations.sweep import sweep
from statesdiff.checkpoints import book_classifier, book_denoiser, load_model, save_model
from statesdiff.data import UNITS, load_states, states
from statesdiff.files.atomic import write_atomically
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.project.example import run_programs, write_programs
from statesdiff.project.grade import grade
from statesdiff.project.measures import Reference
from statesdiff.recipes import RECIPES, train_recipe
from statesdiff.results import write
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

CLASSIFIER = RECIPES["classifier"].kind
DENOISERS = tuple({recipe.kind for recipe in RECIPES.values()} - {CLASSIFIER})


def train(args: argparse.Namespace) -> None:
    """Train a recipe and write the checkpoint; an interrupt keeps what has been learnt so far."""
    if args.units and args.data is None:
        raise ValueError("--units is for a file's points, --data; STATES has units of its own")
    data = states() if args.data is None else load_states(args.data, units=args.units)
    if RECIPES[args.recipe].labelled and len(data.y.unique()) == 1:
        raise ValueError(f"recipe {args.recipe!r} needs labelled points, all those of {args.data} have the same label")
    schedule = NoiseSchedule.linear()
    model, steps = train_recipe(args.recipe, data.x, schedule, data.y, steps=args.steps, seed=args.seed)
    total = args.steps or RECIPES[args.recipe].training.steps
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
    """Draw samples with a checkpoint, of one class if there is a label, and write them."""
    model, schedule = book_denoiser() if args.checkpoint is None else load_model(args.checkpoint, DENOISERS)
    predictor = _guided(model, schedule, args)
    if args.eta and args.steps is None:
        raise ValueError("--eta is for the steps that --steps asks for; without it, every step has fresh noise")
    generator = stream("sample", args.seed)
    x_T = randn(args.n, model.D, generator=generator)
    if args.steps is None:
        path = ddpm(predictor, schedule, x_T, generator=generator)
    else:
        path = ddim(predictor, schedule, x_T, steps=args.steps, eta=args.eta, generator=generator)
    print(write_atomically(args.out, lambda temporary: _write(last(path), temporary)))


def _guided(model: nn.Module, schedule: NoiseSchedule, args: argparse.Namespace) -> NoisePredictor:
    """The model as it is, or guided to the label: without a classifier if it was trained with labels, else with one."""
    if args.label is None:
        if args.classifier is not None or args.guidance is not None:
            raise ValueError("--classifier and --guidance need a --label to guide to")
        return model
    scale = 1.0 if args.guidance is None else args.guidance
    if model.n_classes:
        if args.classifier is not None:
            raise ValueError("--classifier is for a denoiser without labels, this one was trained with them")
        return ClassifierFreeGuidance(model, args.label, scale)
    classifier, _ = book_classifier() if args.classifier is None else load_model(args.classifier, CLASSIFIER)
    return ClassifierGuidance(model, classifier, schedule, args.label, scale)


def grade_folder(args: argparse.Namespace) -> None:
    """Grade a submission of the course project and print what was found, as a table or as JSON."""
    result = grade(args.folder, Reference(None if args.data is None else load_states(args.data)))
    if args.json == "-":
        print(result.to_json())
        return
    if args.json:
        write_atomically(args.json, lambda temporary: temporary.write_text(result.to_json() + "\n", encoding="utf-8"))
    print(result)


def submission(args: argparse.Namespace) -> None:
    """Write a complete submission of the course project, by running the programs in it."""
    write_programs(args.folder)
    for _ in run_programs(args.folder):
        pass
    print(args.folder)


def ablate(args: argparse.Namespace) -> None:
    """Run a study of the book and write its table; interrupted, it goes on where it was when it is called again."""
    study = STUDIES[args.study]
    configs, seeds = (study.configs(), 5) if args.full else (study.quick(), 2)
    if args.data is not None:  # settings that differed in their data alone are now the same, and trained once
        configs = [replace(config, data=args.data) for config in configs]
    start, seeds = time.perf_counter(), args.seeds or seeds
    try:
        table = sweep(configs, seeds, folder=args.folder, workers=args.workers)
    except KeyboardInterrupt:
        raise SystemExit("interrupted: the same command goes on from here") from None
    options = f"{' --full' if args.full else ''}{'' if args.data is None else f' --data {args.data}'}"
    command = f"statesdiff ablate {args.study}{options} --seeds {seeds}"
    took = f"{time.perf_counter() - start:.0f} s, {table.attrs['trained']} networks trained"  # the others were there
    print(write(table, args.out or Path(f"{args.study}.csv"), f"{command}: {study.about}; {took}"))


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


def _train_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--recipe", choices=sorted(RECIPES), default="fourier", help="default: fourier")
    p.add_argument("--data", help="a .pt, .npy or .npz file of points; default: the book's STATES")
    p.add_argument("--units", choices=UNITS, help="bring the file's points to these; samples will be in them too")
    p.add_argument("--steps", type=_count, help="default: the recipe's own number")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=_output(".safetensors"), default="denoiser.safetensors")


def _sample_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--checkpoint", help="a file written by `statesdiff train`; default: the book's own weights")
    p.add_argument("--label", type=int, help="draw one class only, 0 to 4 for STATES; default: all")
    p.add_argument("--guidance", type=float, help="its strength, towards the label; default 1: Bayes' rule")
    by_recipe = "a file written by `statesdiff train --recipe classifier`; default: the book's own weights"
    p.add_argument("--classifier", help=by_recipe)
    p.add_argument("--n", type=_count, default=5000, help="number of samples, default 5000")
    p.add_argument("--steps", type=_count, help="this many DDIM steps; default: ancestral sampling through every step")
    p.add_argument("--eta", type=float, default=0.0, help="with --steps: fresh noise in them, from 0, none, to 1")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=_output(".npy", ".pt"), default="samples.npy")


def _ablate_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("study", choices=STUDIES, metavar="NAME", help=", ".join(STUDIES))
    p.add_argument("--full", action="store_true", help="as in the book; default: a tenth of the epochs and 2 seeds")
    p.add_argument("--data", help="a .npy of points (N, D), a toy set or states, in place of the study's own data sets")
    p.add_argument("--seeds", type=_count, help="how many; default: 5 with --full, else 2")
    p.add_argument("--workers", type=_count, help="how many threads; default: all processors")
    p.add_argument("--folder", type=Path, default=Path("ablations"), help="keeps what is finished; default: ablations")
    p.add_argument("--out", type=_output(".csv"), help="default: NAME.csv")


def _grade_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("folder", metavar="DIR", help="the folder that holds code, outputs and checkpoints")
    p.add_argument("--data", help="the course's own states.pt, with labels; default: the book's STATES")
    p.add_argument("--json", metavar="FILE", help="also write the grade as JSON; - prints it in place of the table")


def _submission_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("folder", metavar="DIR", type=Path, help="a new folder")


# name: (what it does, its options, what runs it)
COMMANDS = {
    "train": ("train a denoiser or a classifier and write a checkpoint", _train_options, train),
    "sample": ("draw samples with a checkpoint", _sample_options, sample),
    "ablate": ("run one of the book's ablations and write its table", _ablate_options, ablate),
    "grade": ("grade a submission of the course project; nothing in it is run", _grade_options, grade_folder),
    "submission": (
        "make a complete submission of the course project: an example to grade",
        _submission_options,
        submission,
    ),
}


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    top = argparse.ArgumentParser(prog="statesdiff", description="Train a diffusion model on STATES and draw from it.")
    commands = top.add_subparsers(required=True)
    for name, (what, options, run) in COMMANDS.items():
        command = commands.add_parser(name, help=what)
        options(command)
        command.set_defaults(run=run)
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
