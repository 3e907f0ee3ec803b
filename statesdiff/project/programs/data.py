"""The data, the schedule and the noise: what the other programs share."""

from pathlib import Path

import torch
from torch import Tensor

from statesdiff.data import states
from statesdiff.recipes import RECIPES
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule

FOLDER = Path(__file__).resolve().parents[1]  # the submission
SAMPLES = 5000  # points to draw, of the whole map and of each state
STEPS = None  # of training; None: as many as the recipe says

torch.set_num_threads(1)  # the networks are small: waiting for a second thread costs more than it saves

training, validation = states(), states(seed=1)
schedule = NoiseSchedule.linear(T=500, beta_1=1e-4, beta_T=0.02)


def noisy_validation(recipe: str) -> tuple[Tensor, Tensor, Tensor]:
    """The validation points x_t, with times t drawn as the recipe draws them in training, and the noise eps in them."""
    generator = stream("validation")
    t = RECIPES[recipe].training.draw_t(schedule.T, len(validation), generator)
    eps = randn(*validation.x.shape, generator=generator)
    alpha_bar = schedule.alpha_bar.float()[t][:, None]
    return alpha_bar.sqrt() * validation.x + (1 - alpha_bar).sqrt() * eps, t, eps
