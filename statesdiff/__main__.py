"""The command line, `statesdiff` or `python -m statesdiff`: see `COMMANDS` for what it does."""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

import statesdiff
from statesdiff.ablations import command as ablations
from statesdiff.checkpoints import book_classifier, book_denoiser, load_model, network_of, save_model, trained_on
from statesdiff.data import UNITS, Dataset, load_states, states
from statesdiff.files.arguments import count, in_unicode, output
from statesdiff.files.ending import status_of, warn
from statesdiff.files.points import check_room, write_points
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.images import command as pictures
from statesdiff.project import command as project
from statesdiff.recipes import RECIPES, train_recipe
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, ddim_times, ddpm, last
from statesdiff.schedule import SCHEDULES, NoiseSchedule

CLASSIFIER = RECIPES["classifier"].kind
DENOISERS = tuple({recipe.kind for recipe in RECIPES.values()} - {CLASSIFIER})
BOOK = "STATES"  # the name of the book's data in a checkpoint
CHUNK = 20_000  # samples drawn at once: this bounds the memory
MUCH_LEFT = 0.05  # alpha_bar_T above this: the start of the samples is visibly not the end of the data
TOO_FAR = 100.0  # samples beyond this are no points of data with variance 1
DOUBT = "is the guidance too strong, or the training too short?"


def train(args: argparse.Namespace) -> None:
    """Train a recipe and write the checkpoint; an interrupt keeps what has been learnt so far."""
    if args.recipe == pictures.FASHION:
        if args.units is not None:
            raise ValueError(f"--units is for points; --recipe {pictures.FASHION} has units of its own")
        return pictures.train(args)
    for name in ("batch_size", "channels", "save_every"):
        if getattr(args, name) is not None:
            raise ValueError(f"--{name.replace('_', '-')} is for --recipe {pictures.FASHION}; others have their own")
    args.T, args.schedule = args.T or 500, args.schedule or "linear"
    data = _training_data(args)
    schedule = SCHEDULES[args.schedule](T=args.T)
    if schedule.alpha_bar_T > MUCH_LEFT:
        left = f"at T = {args.T} this schedule leaves {schedule.alpha_bar_T:.2g} of the data's variance, and samples"
        warn(f"{left} start from noise alone; --schedule linear_matched ends where the book's does")
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
    about = {"data": BOOK if args.data is None else in_unicode(Path(args.data).name)}
    if data.shift is not None:
        about |= {"shift": data.shift.tolist(), "width": data.width.tolist()}
    print(save_model(args.out, model, schedule, about))


def _training_data(args: argparse.Namespace) -> Dataset:
    """The points to train on, refused if they cannot be learnt, with a warning if they are odd."""
    if args.data is None:
        if args.units:
            raise ValueError("--units is for a file's points, --data; STATES has units of its own")
        return states()
    labelled = RECIPES[args.recipe].labelled
    data = load_states(args.data, units=args.units, names=None)
    if labelled and len(data.names) == 1:
        raise ValueError(f"recipe {args.recipe!r} needs labelled points, all those of {args.data} have the same label")
    n, D = data.x.shape
    if n <= D:
        raise ValueError(f"{args.data}: {n} points of {D} dimensions are too few to learn from; is it transposed?")
    mean, deviation = data.x.mean(0), data.x.std(0)
    found = f"{args.data}: the means reach {mean.abs().max():.3g}, the deviations {deviation.min():.3g}"
    found += f" to {deviation.max():.3g}; the noise has 0 and 1, to match it add --units standard"
    if mean.abs().max() > 20 or deviation.max() > 20 or deviation.min() < 0.02:  # beyond what the last noise covers
        raise ValueError(found)
    if mean.abs().max() > 0.5 or deviation.max() > 2 or deviation.min() < 0.5:
        warn(found)
    return data


def sample(args: argparse.Namespace) -> None:
    """Draw samples with a checkpoint, of one class if there is a label, and write them in the units of its data."""
    if args.checkpoint == pictures.FASHION or (args.checkpoint and network_of(args.checkpoint) == "UNet"):
        return pictures.sample(args)
    if args.out.suffix == ".png":
        raise ValueError("a .png is for pictures, --checkpoint fashion: points go to .npy or .pt")
    args.n = args.n or 5000
    about = {"data": BOOK} if args.checkpoint is None else trained_on(args.checkpoint)
    model, schedule = book_denoiser() if args.checkpoint is None else load_model(args.checkpoint, DENOISERS)
    predictor = _guided(model, schedule, args, about)
    if args.eta and args.steps is None:
        raise ValueError("--eta is for the steps that --steps asks for; without it, every step has fresh noise")
    check_room(args.out, 4 * args.n * model.D)
    x_0, farthest = torch.empty(args.n, model.D), 0.0
    for part, drawn in zip(x_0.split(CHUNK), _draws(predictor, schedule, model.D, args), strict=True):
        farthest = max(farthest, float(drawn.abs().max()))
        part.copy_(_in_units_of_the_data(drawn, about))
    if farthest > TOO_FAR:
        warn(f"samples lie as far out as {farthest:.3g}: {DOUBT}")
    print(write_points(args.out, x_0))


def _in_units_of_the_data(x: Tensor, about: dict) -> Tensor:
    if "shift" not in about:
        return x
    shift, width = (torch.tensor(about[key], dtype=torch.float64) for key in ("shift", "width"))
    return (x.double() * width + shift).float()


def _draws(predictor: NoisePredictor, schedule: NoiseSchedule, D: int, args: argparse.Namespace) -> Iterator[Tensor]:
    """All n samples, CHUNK at a time, (CHUNK, D) and at last what is left."""
    generator = stream("sample", args.seed)
    steps = schedule.T if args.steps is None else len(ddim_times(schedule.T, args.steps)) - 1
    with tqdm(total=-(-args.n // CHUNK) * (steps + 1), unit="step", disable=None) as bar:
        for start in range(0, args.n, CHUNK):
            x_T = randn(min(CHUNK, args.n - start), D, generator=generator)
            try:
                yield last(_ticking(_path(predictor, schedule, x_T, args, generator), bar))
            except FloatingPointError as error:
                raise FloatingPointError(f"{error}: {DOUBT}") from error


def _ticking(path: Iterator[Tensor], bar: tqdm) -> Iterator[Tensor]:
    for x in path:
        bar.update()
        yield x


def _path(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_T: Tensor,
    args: argparse.Namespace,
    generator: torch.Generator,
) -> Iterator[Tensor]:
    if args.steps is None:
        return ddpm(predictor, schedule, x_T, generator=generator)
    return ddim(predictor, schedule, x_T, steps=args.steps, eta=args.eta, generator=generator)


def _guided(model: nn.Module, schedule: NoiseSchedule, args: argparse.Namespace, about: dict) -> NoisePredictor:
    """The model as it is, or guided to the label: without a classifier if it was trained with labels, else with one."""
    if args.label is None:
        if args.classifier is not None or args.guidance is not None:
            raise ValueError("--classifier and --guidance need a --label to guide to")
        return model
    scale = 1.0 if args.guidance is None else args.guidance
    if model.n_classes:
        if args.classifier is not None:
            raise ValueError("--classifier is for a denoiser without labels, this one was trained with them")
        _check_label(args.label, model.n_classes)
        return ClassifierFreeGuidance(model, args.label, scale)
    if args.classifier is None and about.get("data") != BOOK:
        known = f"was trained on {about['data']}" if "data" in about else "does not say what it was trained on"
        raise ValueError(f"the checkpoint {known}, and the book's classifier knows {BOOK} alone: give a --classifier")
    classifier, its = book_classifier() if args.classifier is None else load_model(args.classifier, CLASSIFIER)
    if not torch.equal(its.beta, schedule.beta):
        both = f"the denoiser was trained with {schedule}, the classifier with {its}"
        raise ValueError(f"{both}: train both with the same --T and --schedule")
    if args.classifier is not None:
        _check_same_data(model, about, classifier, trained_on(args.classifier))
    _check_label(args.label, classifier.n_classes)
    return ClassifierGuidance(model, classifier, schedule, args.label, scale)


def _check_same_data(model: nn.Module, about: dict, classifier: nn.Module, about_it: dict) -> None:
    """Refuse a classifier that cannot guide the denoiser, and warn of one that may know other points."""
    if model.D != classifier.D:
        raise ValueError(f"the denoiser draws points of {model.D} dimensions, the classifier knows {classifier.D}")
    units = [about.get("shift"), about.get("width")], [about_it.get("shift"), about_it.get("width")]
    names = about.get("data"), about_it.get("data")
    if None not in names and (units[0][0] is None) != (units[1][0] is None):
        raise ValueError("the denoiser and the classifier were trained in different units: train both with --units")
    if names[0] != names[1] or units[0] != units[1]:
        warn(f"the denoiser was trained on {names[0] or 'unknown data'}, the classifier on {names[1] or 'unknown'}")


def _check_label(label: int, n_classes: int) -> None:
    if not 0 <= label < n_classes:
        raise ValueError(f"--label must lie in 0..{n_classes - 1}, got {label}")


def data(args: argparse.Namespace) -> None:
    """Write points of STATES: the book's own, or another draw from the same distribution."""
    drawn = states(args.n, args.seed)
    print(write_points(args.out, drawn.x, drawn.y))


def _train_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--recipe", choices=sorted([*RECIPES, pictures.FASHION]), default="fourier", help="default: fourier")
    p.add_argument(
        "--data", help="a .pt, .npy or .npz file of points; default: the book's STATES. Of fashion: its folder"
    )
    p.add_argument("--units", choices=UNITS, help="train in these units; samples will be in the file's own again")
    p.add_argument("--steps", type=count, help="default: the recipe's own number")
    p.add_argument("--T", type=count, help="noising steps, default 500, of fashion 1000")
    p.add_argument("--schedule", choices=SCHEDULES, help="of the noise; default: linear, of fashion cosine")
    p.add_argument("--batch-size", type=count, help="of fashion: images an update, default 128")
    p.add_argument("--channels", type=count, help="of fashion: how wide the U-Net is, a multiple of 8, default 48")
    seconds = {"type": float, "metavar": "SECONDS"}
    p.add_argument("--save-every", **seconds, help="of fashion: between two states to go on from, default 20")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=output(".safetensors"), default="denoiser.safetensors")


def _sample_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--checkpoint", help="a file of `statesdiff train`, or fashion; default: the book's own weights")
    p.add_argument(
        "--label", type=int, help="draw one class only, 0 to 4 for STATES, 0 to 9 for garments; default: all"
    )
    p.add_argument("--guidance", type=float, help="its strength, towards the label; default 1: Bayes' rule")
    by_recipe = "a file written by `statesdiff train --recipe classifier`; default, for STATES: the book's own weights"
    p.add_argument("--classifier", help=by_recipe)
    p.add_argument("--n", type=count, help="number of samples, default 5000, of pictures 100")
    p.add_argument(
        "--steps",
        type=count,
        help="this many DDIM steps; default: ancestral sampling through every step, of pictures 50",
    )
    p.add_argument("--eta", type=float, default=0.0, help="with --steps: fresh noise in them, from 0, none, to 1")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--out", type=output(".npy", ".pt", ".png"), default="samples.npy")


def _data_options(p: argparse.ArgumentParser) -> None:
    p.add_argument("--seed", type=int, default=0, help="default 0, the book's data set; any other: another draw")
    p.add_argument("--n", type=count, default=1000, help="points of each state, default 1000")
    p.add_argument("--out", type=output(".pt", ".npz"), default="states.pt")


# name: (what it does, its options, what runs it)
COMMANDS = {
    "train": ("train a denoiser or a classifier and write a checkpoint", _train_options, train),
    "sample": ("draw samples with a checkpoint", _sample_options, sample),
    "data": ("write the points of STATES, or of another draw of them", _data_options, data),
    **ablations.COMMANDS,
    **project.COMMANDS,
}


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    top = argparse.ArgumentParser(prog="statesdiff", description="Train a diffusion model on STATES and draw from it.")
    top.add_argument("--version", action="version", version=f"statesdiff {statesdiff.__version__}")
    commands = top.add_subparsers(required=True)
    for name, (what, options, run) in COMMANDS.items():
        command = commands.add_parser(name, help=what)
        options(command)
        command.set_defaults(run=run)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; bad input, an interrupt or a full disk ends in one line on stderr and exit status 2 or 130."""
    args = parser().parse_args(argv)
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="replace")  # a student's name may have letters that the terminal has not
    return status_of(lambda: args.run(args))


if __name__ == "__main__":
    sys.exit(main())
