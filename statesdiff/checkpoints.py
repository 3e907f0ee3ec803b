"""Checkpoints: a network's weights, what it takes to rebuild it, and its schedule, in one .safetensors file."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from statesdiff.files.atomic import write_atomically
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule
from statesdiff.velocity import VelocityNetwork

Network = TypeVar("Network", bound=nn.Module)
WEIGHTS = Path(__file__).with_name("weights")


def save_model(
    path: str | os.PathLike, model: nn.Module, schedule: NoiseSchedule, trained_on: Mapping[str, Any] | None = None
) -> Path:
    """Write the weights, what it takes to rebuild the network, and beta to a .safetensors file, atomically.

    trained_on: what `trained_on` will tell, in plain JSON: "data", a name, and, if the points were brought to other
    units, their "shift" and "width".
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    tensors["schedule.beta"] = schedule.beta
    about = {"network": type(model).__name__, "config": model.config, "schedule": schedule.name}
    about |= {"trained on": dict(trained_on)} if trained_on else {}
    metadata = {"statesdiff": json.dumps(about)}  # one key: a fixed order
    content = save(tensors, metadata)  # safetensors' own writer hides a full disk in an error of its own
    return write_atomically(path, lambda temporary: temporary.write_bytes(content))


def load_model(
    path: str | os.PathLike, kind: type[Network] | tuple[type[Network], ...] = Denoiser
) -> tuple[Network, NoiseSchedule]:
    """Rebuild a `Denoiser`, or a network of another `kind` or of one of several, and its schedule from a file.

    The file is one that `save_model` wrote. Raises FileNotFoundError for a missing file, ValueError for one that is no
    such checkpoint or is inconsistent.
    """
    tensors, metadata = _read(path)
    kinds = {k.__name__: k for k in (kind if isinstance(kind, tuple) else (kind,))}
    try:
        about = json.loads(metadata["statesdiff"])
        network, config = about["network"], about["config"]
        schedule = NoiseSchedule(tensors.pop("schedule.beta"), about["schedule"])
        T = config.get("T", schedule.T)  # before a network may make a schedule of that length
        with torch.device("meta"):  # shapes without memory: the file may ask for any size
            known = isinstance(network, str) and network in kinds
            shapes = kinds[network](**config) if known and T == schedule.T else None
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a statesdiff checkpoint ({type(error).__name__}: {error})") from error
    if not known:
        raise ValueError(f"{path}: holds a {network}, not a {' or a '.join(kinds)}")
    T = T if shapes is None else shapes.T
    if T != schedule.T:
        raise ValueError(f"{path}: the network was built for T = {T}, the schedule has T = {schedule.T}")
    _compare_shapes(shapes, tensors, str(path))
    model = init(kinds[network], **config, generator=stream("init"))
    model.load_state_dict(tensors)
    return model, schedule


def network_of(path: str | os.PathLike) -> str:
    """The name of the network that a checkpoint holds; empty if it is none of `save_model`'s.

    Raises FileNotFoundError or ValueError for what is no safetensors file.
    """
    _, metadata = _read(path)
    try:
        return str(json.loads(metadata["statesdiff"])["network"])
    except (LookupError, RecursionError, TypeError, ValueError):
        return ""


def trained_on(path: str | os.PathLike) -> dict[str, Any]:
    """What `save_model` was told about the points that a checkpoint learnt; empty if it was told nothing.

    Raises FileNotFoundError or ValueError for what is no checkpoint.
    """
    _, metadata = _read(path)
    try:
        about = json.loads(metadata["statesdiff"])
        found = dict(about.get("trained on", {}))
        units = np.array([found.get("shift", []), found.get("width", [])], float)
        if units.size and units.shape != (2, about["config"]["D"]) or not np.isfinite(units).all():
            raise ValueError("shift and width must be as many finite numbers as a point has")
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a statesdiff checkpoint ({type(error).__name__}: {error})") from error
    return found


def _compare_shapes(model: nn.Module, tensors: dict[str, Tensor], source: str) -> None:
    want = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    have = {name: tuple(value.shape) for name, value in tensors.items()}
    lines = [
        f"{name}: the model has {want.get(name, 'no such weight')}, the file {have.get(name, 'none')}"
        for name in sorted(want.keys() | have.keys())
        if want.get(name) != have.get(name)
    ]
    if lines:
        raise ValueError(f"{source} does not fit the model:\n  " + "\n  ".join(lines))


def book_denoiser(name: str = "fourier") -> tuple[Denoiser, NoiseSchedule]:
    """The book's weights: "plain" (4 x 256 on x, y, t_bar), "fourier", or "conditional", which also takes a label.

    Raises ValueError for another name.
    """
    if name not in ("plain", "fourier", "conditional"):
        raise ValueError(f"name must be 'plain', 'fourier' or 'conditional', got {name!r}")
    return load_model(WEIGHTS / f"denoiser_{name}.safetensors")


def book_classifier() -> tuple[Classifier, NoiseSchedule]:
    """The book's trained classifier of noisy points, the course project's network."""
    return load_model(WEIGHTS / "classifier.safetensors", Classifier)


def book_flow(name: str = "flow") -> VelocityNetwork:
    """The book's velocities: "flow", trained by flow matching, or "straight", the same after one reflow.

    Raises ValueError for another name.
    """
    if name not in ("flow", "straight"):
        raise ValueError(f"name must be 'flow' or 'straight', got {name!r}")
    return VelocityNetwork(load_model(WEIGHTS / f"velocity_{name}.safetensors")[0])


def _read(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file ({error})") from error
