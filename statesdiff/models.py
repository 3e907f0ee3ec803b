"""The networks: a plain multilayer perceptron, what goes into it, and the denoiser made of both."""

import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from statesdiff.files import write_atomically
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule, normalised_time

ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU}


def mlp(sizes: list[int], activation: str = "relu") -> nn.Sequential:
    """Linear layers of the given sizes with an activation ("relu" or "silu") between them; (B, sizes[0]) -> (B, sizes[-1]).

    Raises ValueError for an unknown activation or a size below 1.
    """
    if activation not in ACTIVATIONS or min(sizes) < 1:
        raise ValueError(f"mlp needs sizes >= 1 and an activation of {list(ACTIVATIONS)}, got {sizes}, {activation!r}")
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def sin_cos(v: Tensor, frequencies: tuple[float, ...]) -> Tensor:
    """sin(f v) and cos(f v) for each frequency f, radians per unit of v: (B, n) -> (B, 2 n len(frequencies))."""
    angle = (v[:, :, None] * torch.tensor(frequencies, dtype=v.dtype, device=v.device)).flatten(1)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class Denoiser(nn.Module):
    """A noise predictor: eps_hat = denoiser(x_t, t), x_t (B, D), t integer in 0..T, scalar or (B,) -> (B, D).

    The network sees x_t and t_bar = 2 (t - T/2) / T. With `x_frequencies` it also sees their sines and cosines
    (Fourier features, Tancik et al. 2020), `t_frequencies` those of t_bar. With `skip` its output is added to (t / T) x_t,
    a first guess that is right at t = T, where x_t is all noise. The defaults are the course project's own denoiser,
    four hidden layers of 256 on (x, y, t_bar); `Denoiser.fourier()` is the book's sharper and smaller one.
    """

    def __init__(
        self,
        D: int = 2,
        T: int = 500,
        hidden: tuple[int, ...] = (256, 256, 256, 256),
        activation: str = "relu",
        x_frequencies: tuple[float, ...] = (),
        t_frequencies: tuple[float, ...] = (),
        skip: bool = False,
    ) -> None:
        super().__init__()
        x_frequencies, t_frequencies = ([float(f) for f in given] for given in (x_frequencies, t_frequencies))
        self.config = {
            "D": D,
            "T": T,
            "hidden": list(hidden),
            "activation": activation,
            "x_frequencies": x_frequencies,
            "t_frequencies": t_frequencies,
            "skip": skip,
        }
        self.D, self.T, self.skip = D, T, skip
        self.x_frequencies, self.t_frequencies = tuple(x_frequencies), tuple(t_frequencies)
        n_features = D + 1 + 2 * D * len(x_frequencies) + 2 * len(t_frequencies)
        self.net = mlp([n_features, *hidden, D], activation)

    @classmethod
    def fourier(cls, D: int = 2, T: int = 500) -> "Denoiser":
        """Three hidden layers of 128 on Fourier features of position and time, with skip: 38 thousand weights, not 199."""
        return cls(D, T, (128, 128, 128), "relu", (1.0, 2.0, 4.0, 8.0), (1.0, 2.0, 4.0, 8.0), skip=True)

    def features(self, x: Tensor, t: Tensor) -> Tensor:
        """What the first layer sees, (B, D + 1) or, with Fourier features, wider."""
        t_bar = normalised_time(t, self.T).to(x).expand(len(x))[:, None]
        parts = [x, t_bar]
        if self.x_frequencies:
            parts.append(sin_cos(x, self.x_frequencies))
        if self.t_frequencies:
            parts.append(sin_cos(t_bar, self.t_frequencies))
        return torch.cat(parts, dim=1)

    def forward(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        if x_t.ndim != 2 or x_t.shape[1] != self.D:
            raise ValueError(f"x_t must have shape (B, {self.D}), got {tuple(x_t.shape)}")
        t = torch.as_tensor(t, device=x_t.device)
        eps_hat = self.net(self.features(x_t, t))
        return eps_hat + (t / self.T).to(x_t).expand(len(x_t))[:, None] * x_t if self.skip else eps_hat


def init(model_class: Any, *args: Any, generator: torch.Generator, **kwargs: Any) -> nn.Module:
    """Build a model whose initial weights come from `generator` alone; the global random state is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        return model_class(*args, **kwargs)


def save_denoiser(path: str | os.PathLike, model: Denoiser, schedule: NoiseSchedule) -> Path:
    """Write the weights, what it takes to rebuild the network, and beta to a .safetensors file, atomically."""
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    tensors["schedule.beta"] = schedule.beta
    metadata = {"statesdiff": json.dumps({"config": model.config, "schedule": schedule.name})}  # one key: a fixed order
    return write_atomically(path, lambda temporary: save_file(tensors, temporary, metadata))


def load_denoiser(path: str | os.PathLike) -> tuple[Denoiser, NoiseSchedule]:
    """Rebuild a denoiser and its schedule from a file written by `save_denoiser`.

    Raises FileNotFoundError for a missing file, ValueError for one that is no such checkpoint or is inconsistent.
    """
    tensors, metadata = _read(path)
    try:
        about = json.loads(metadata["statesdiff"])
        config, schedule = about["config"], NoiseSchedule(tensors.pop("schedule.beta"), about["schedule"])
        with torch.device("meta"):  # shapes without memory: the file may ask for any size
            shapes = Denoiser(**config)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not a statesdiff checkpoint ({type(error).__name__}: {error})") from error
    if schedule.T != shapes.T:
        raise ValueError(f"{path}: the network was built for T = {shapes.T}, the schedule has T = {schedule.T}")
    _compare_shapes(shapes, tensors, str(path))
    model = init(Denoiser, **config, generator=stream("init"))
    model.load_state_dict(tensors)
    return model, schedule


def load_weights(model: nn.Module, tensors: dict[str, Tensor], source: str = "weights") -> None:
    """Copy `tensors` into `model` after comparing names and shapes; raises ValueError that lists every difference."""
    _compare_shapes(model, tensors, source)
    model.load_state_dict(tensors)


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
    """The book's trained weights: "plain" (4 x 256 on x, y, t_bar) or "fourier". Raises ValueError for another name."""
    if name not in ("plain", "fourier"):
        raise ValueError(f"name must be 'plain' or 'fourier', got {name!r}")
    return load_denoiser(Path(__file__).with_name(f"denoiser_{name}.safetensors"))


def _read(path: str | os.PathLike) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{path}: not a safetensors file ({error})") from error
