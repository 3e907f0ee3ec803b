"""Training with a record of how it went, which both networks share."""

from collections.abc import Callable

import torch
from data import STEPS, schedule, training
from torch import Tensor, nn
from tqdm import tqdm

from statesdiff.recipes import RECIPES, train_recipe


def train(recipe: str, loss_on_validation: Callable[[nn.Module], float]) -> tuple[nn.Module, Tensor]:
    """A trained network and its curves: step, mean training loss since the last row, loss on the validation points."""
    total = STEPS or RECIPES[recipe].steps
    model, steps = train_recipe(recipe, training.x, schedule, training.y, steps=total)
    curves, recent = [], []
    for record in tqdm(steps, total=total, desc=recipe, unit="step", disable=None):
        recent.append(record.loss)
        if record.step % max(1, total // 40) == 0:
            with torch.no_grad():
                curves.append((record.step, sum(recent) / len(recent), loss_on_validation(model)))
            recent = []
    return model, torch.tensor(curves)
