"""The rows of the table that course_recipes.py makes: what was published, what was trained here, and the book's own."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from course_training import RECIPES, Training, now, since
from torch import Tensor, nn

from statesdiff.checkpoints import WEIGHTS, book_classifier, book_denoiser
from statesdiff.data import STATE_NAMES, outline_points, states
from statesdiff.guidance import ClassifierFreeGuidance, ClassifierGuidance
from statesdiff.metrics import class_accuracy, coverage, mean_distance, nll
from statesdiff.recipes import RECIPES as BOOK_RECIPES
from statesdiff.recipes import train_recipe
from statesdiff.rng import randn, stream
from statesdiff.samplers import NoisePredictor, ddim, ddpm, last
from statesdiff.schedule import NoiseSchedule

SCHEDULE = NoiseSchedule.linear(T=500, beta_1=1e-4, beta_T=0.02)
METRICS = ("NLL", "gap", "distance", "coverage", "accuracy")
N_FINAL = 5000  # samples drawn to judge a solution, for each class as many
N_QUICK, STEPS_QUICK = 2000, 50  # of each class, for a quick look


def judge(samples: Tensor, label: int | None = None) -> dict[str, float]:
    """NLL, its gap, distance to the nearest training point, share of the outline covered; for a class its accuracy.

    The NLL is against all training points, as the project has it; the rest, for a class, against the class's own.
    """
    data = states()
    real = data.x if label is None else data.of_class(label)
    found = nll(samples, data.x)
    values = {
        "NLL": found,
        "gap": found - nll(real, data.x),
        "distance": mean_distance(samples, real),
        "coverage": coverage(samples, outline_points(label=label)),
    }
    if label is not None:
        values["accuracy"] = class_accuracy(samples, label)
    return {name: round(value, 4) for name, value in values.items()}


def ancestral(denoiser: NoisePredictor, n: int, generator: torch.Generator, device: str = "cpu") -> Tensor:
    """n samples by the project's own sampler, all T steps, (n, 2)."""
    x_T = randn(n, 2, generator=generator, device=device)
    return last(ddpm(denoiser, SCHEDULE, x_T, generator=generator)).cpu()


Guided = Callable[[int], NoisePredictor]  # the predictor for one class


def judge_model(denoiser: NoisePredictor, guided: Guided | None) -> dict[str, dict[str, float]]:
    """Draw and judge N_FINAL samples without a class and, if there is a way to ask for one, of each class."""
    sets = {"all": judge(ancestral(denoiser, N_FINAL, stream("course/sample")))}
    return sets | (judge_classes(guided, N_FINAL, SCHEDULE.T) if guided else {})


def judge_classes(guided: Guided, n: int, steps: int) -> dict[str, dict[str, float]]:
    """Draw and judge n samples of each class, in so many steps."""
    sets = {}
    for label, name in enumerate(STATE_NAMES):
        x_T = randn(n, 2, generator=stream("course/guided", label))
        sets[name] = judge(last(ddim(guided(label), SCHEDULE, x_T, steps=steps)), label)
    return sets


def seconds(curve: list[dict]) -> float:
    """What a training took: processor time or, if a graphics card had a part in it, the time that passed."""
    return curve[-1]["cpu_seconds" if all(record["device"] == "cpu" for record in curve) else "wall_seconds"]


def judged_epochs(parts: dict[str, Training]) -> list[dict]:
    """The records of the epochs after which samples of the denoiser were judged."""
    return [record for record in parts["denoiser"].curve if "NLL" in record]


def looked_at(parts: dict[str, Training]) -> dict[str, str]:
    """What `quick_look` judges: samples of which epoch without a class, and how many, in how many steps, of each."""
    curve = judged_epochs(parts)
    of_all = {"all": f"epoch {curve[-1]['epoch']} of the denoiser, by the curve"} if curve else {}
    return of_all | {"classes": f"{N_QUICK} samples in {STEPS_QUICK} steps"}


def quick_look(parts: dict[str, Training]) -> dict[str, dict[str, float]]:
    """What the curve says of the last samples of a denoiser, and few samples of each class in few steps."""
    curve = judged_epochs(parts)
    sets = {"all": {name: curve[-1][name] for name in METRICS[:-1]}} if curve else {}
    if "classifier" not in parts:
        return sets
    return sets | judge_classes(by_classifier(parts["denoiser"].net, parts["classifier"].net), N_QUICK, STEPS_QUICK)


def by_classifier(denoiser: NoisePredictor, classifier: nn.Module) -> Guided:
    """The project's guidance, scale 1."""
    return lambda label: ClassifierGuidance(denoiser, classifier, SCHEDULE, label)


# What the authors published, on the course's data; the floors are the NLL of that data's own points.
SETS = ("all", *STATE_NAMES)
PUBLISHED_FLOORS = (2.152, 2.146, 1.999, 2.049, 2.446, 2.120)
PUBLISHED = {
    "cosine": {
        "NLL": (2.156, 2.135, 2.000, 2.053, 2.450, 2.138),
        "distance": (0.0180, 0.025, 0.030, 0.023, 0.026, 0.024),
        "accuracy": (None, 0.991, 0.980, 0.987, 0.986, 0.989),  # by the label of the nearest real point
    },
    "step": {"NLL": (2.15, 2.1386, 1.9886, 2.0409, 2.4367, 2.131)},
}


class Row(NamedTuple):
    """A row of the table to be: `key` changes when there is something new to judge, `make` does what it takes."""

    key: str
    make: Callable[[], dict]


def as_published(recipe: str) -> Row:
    """What the authors report."""
    sets = {}
    for i, name in enumerate(SETS):
        sets[name] = {key: values[i] for key, values in PUBLISHED[recipe].items() if values[i] is not None}
        sets[name]["gap"] = round(sets[name]["NLL"] - PUBLISHED_FLOORS[i], 4)
    row = {"trained": " + ".join(f"{part.epochs} epochs" for part in RECIPES[recipe].values()), "sets": sets}
    return Row(str(row), lambda: row)


def trained_here(recipe: str, folder: Path, quick: bool = False) -> Row | None:
    """What a run has got to, None if there is none; as long as its classifier is missing, so are the classes."""
    paths = {name: folder / recipe / f"{name}.pt" for name in RECIPES[recipe]}
    parts = {name: Training(recipe, name, path) for name, path in paths.items() if path.exists()}
    if "denoiser" not in parts:
        return None
    ends = {name: part.curve[-1] for name, part in parts.items()}
    row = {"trained": " + ".join(f"{end['epoch']} of {parts[name].part.epochs} epochs" for name, end in ends.items())}
    row["device"] = ", ".join(dict.fromkeys(record["device"] for part in parts.values() for record in part.curve))
    row["seconds"] = {name: seconds(part.curve) for name, part in parts.items()}
    row |= {"judged": looked_at(parts)} if quick else {}
    key = str({name: (end["epoch"], parts[name].part.settings()) for name, end in ends.items()}) + " quick" * quick
    nets = [part.net for part in parts.values()]

    def sets() -> dict:
        return quick_look(parts) if quick else judge_model(nets[0], by_classifier(*nets) if len(nets) > 1 else None)

    return Row(key, lambda: row | {"sets": sets()})


def book_recipes(denoiser: str = "fourier", classifier: str = "classifier") -> Row:
    """The book's fast recipes, trained here and now, on the clock."""
    recipes = {"denoiser": BOOK_RECIPES[denoiser], "classifier": BOOK_RECIPES[classifier]}

    def make() -> dict:
        data, nets, spent = states(), [], {}
        for part, name in (("denoiser", denoiser), ("classifier", classifier)):
            net, steps = train_recipe(name, data.x, SCHEDULE, data.y)
            start = now()
            last(steps)
            nets, spent[part] = [*nets, net], since(start)
        row = {"device": "cpu", "seconds": {part: round(spent[part]["cpu_seconds"], 2) for part in spent}}
        row["trained"] = " + ".join(f"{recipe.training.steps} steps" for recipe in recipes.values())
        return row | {"sets": judge_model(nets[0], by_classifier(*nets))}

    # functions by name: as they print they hold an address, which differs from run to run
    options = {part: vars(recipe) | vars(recipe.training) for part, recipe in recipes.items()}
    key = {
        part: {name: getattr(value, "__qualname__", value) for name, value in given.items() if name != "training"}
        for part, given in options.items()
    }
    return Row(str(key), make)


def book_weights(denoiser: str, classifier_free: bool = False) -> Row:
    """The weights that the chapters use."""
    files = [f"denoiser_{denoiser}.safetensors", *([] if classifier_free else ["classifier.safetensors"])]

    def make() -> dict:
        model = book_denoiser(denoiser)[0]
        if classifier_free:
            return {"sets": judge_model(model, lambda label: ClassifierFreeGuidance(model, label))}
        return {"sets": judge_model(model, by_classifier(model, book_classifier()[0]))}

    return Row(hashlib.sha256(b"".join((WEIGHTS / name).read_bytes() for name in files)).hexdigest(), make)


def held_out() -> Row:
    """Real points that nobody was trained on: what a perfect model would get."""

    def make() -> dict:
        data = states(N_FINAL, seed=1)
        sets = {name: judge(data.of_class(label), label) for label, name in enumerate(STATE_NAMES)}
        return {"sets": {"all": judge(states(N_FINAL // 5, seed=1).x)} | sets}

    return Row(f"{N_FINAL} points", make)


def solutions(folder: Path, quick: bool = False) -> dict[str, Row | None]:
    """The rows of the table, in its order; those of what was trained here by a quick look, or in full."""
    rows: dict[str, Row | None] = {}
    for recipe in RECIPES:
        rows[f"{recipe}, published"] = as_published(recipe)
        rows[f"{recipe}, trained here"] = trained_here(recipe, folder, quick)
    rows["book, recipes trained here"] = book_recipes()
    rows["book, weights"] = book_weights("fourier")
    rows["book, weights, classifier-free"] = book_weights("conditional", classifier_free=True)
    rows["held-out real points"] = held_out()
    return rows
