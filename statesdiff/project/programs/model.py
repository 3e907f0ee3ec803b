"""Training with a record of how it went, and loading: what the programs do with both networks."""

from collections.abc import Callable

import torch
from data import FOLDER, STEPS, schedule, training
from torch import Tensor, nn
from tqdm import tqdm

from statesdiff.recipes import RECIPES, train_recipe


def train(recipe: str, loss_on_validation: Callable[[nn.Module], float]) -> tuple[nn.Module, Tensor]:
    """A trained network and its curves: step, mean training loss since the last row, loss on the validation points."""
    total = STEPS or RECIPES[recipe].training.steps
    model, steps = train_recipe(recipe, training.x, schedule, training.y, steps=total)
    curves, recent = [], []
    for record in tqdm(steps, total=total, desc=recipe, unit="step", disable=None):
        recent.append(record.loss)
        if record.step % max(1, total // 40) == 0:
            with torch.no_grad():
                curves.append((record.step, sum(recent) / len(recent), loss_on_validation(model)))
            recent = []
    return model, torch.tensor(curves)


def save(name: str, model: nn.Module, curves: Tensor) -> None:
    """Write a checkpoint of that name: the weights, and the curves for the report."""
    torch.save({"model": model.state_dict(), "curves": curves}, FOLDER / "checkpoints" / f"{name}.pt")


def load(name: str, recipe: str) -> tuple[nn.Module, Tensor]:
    """The network of a checkpoint that was trained by the recipe, and its curves."""
    checkpoint = torch.load(FOLDER / "checkpoints" / f"{name}.pt", weights_only=True)
    model, _ = train_recipe(recipe, training.x, schedule, training.y)  # a fresh one, of the right shape
    model.load_state_dict(checkpoint["model"])
    return model, checkpoint["curves"]
