"""The picture chapter's own weights, kept as 16-bit floats: half the size, and no picture shows the difference."""

import os
from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save
from torch import nn

from statesdiff.checkpoints import WEIGHTS, load_model, save_model
from statesdiff.files.atomic import write_atomically
from statesdiff.images.classifier import PictureClassifier
from statesdiff.images.unet import UNet
from statesdiff.schedule import SCHEDULES, NoiseSchedule

UNET, CLASSIFIER = "fashion_unet.safetensors", "fashion_classifier.safetensors"


def fashion_unet(path: str | os.PathLike = WEIGHTS / UNET) -> tuple[UNet, NoiseSchedule]:
    """The U-Net and its schedule: told a label it draws that garment, else any. Raises as `load_model` does."""
    net, schedule = load_model(path, UNet)
    return net.eval(), schedule


def fashion_classifier(path: str | os.PathLike = WEIGHTS / CLASSIFIER) -> PictureClassifier:
    """The book's classifier of clean pictures, by which sets of them are judged."""
    model = PictureClassifier()
    model.load_state_dict(load_file(path))
    return model.eval()


def save_unet(path: str | os.PathLike, net: UNet, trained_on: Mapping[str, Any]) -> Path:
    """Write the U-Net in 16 bits, with its schedule and what `trained_on` will tell, in one step."""
    schedule = SCHEDULES[net.config["schedule"]](T=net.T)
    return save_model(path, deepcopy(net).half(), schedule, trained_on)


def save_classifier(path: str | os.PathLike, model: nn.Module) -> Path:
    """Write the classifier in 16 bits, in one step."""
    content = save({name: value.detach().cpu().half() for name, value in model.state_dict().items()})
    return write_atomically(path, lambda temporary: temporary.write_bytes(content))
