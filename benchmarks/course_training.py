"""The course recipes: how they train, epoch by epoch, from a state that is kept on disk (see course_recipes.py)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau, StepLR

from statesdiff.data import Dataset
from statesdiff.files.atomic import write_atomically
from statesdiff.models import Classifier, Denoiser, init
from statesdiff.rng import randn, stream
from statesdiff.schedule import NoiseSchedule, normalised_time

PIECE = 1000  # rows of a batch that go through the network at once: their activations fit the processor's cache


@dataclass(frozen=True)
class Part:
    """How one network of a recipe is trained. `refresh`: epochs for which one set of noisy points serves."""

    build: Callable[[], nn.Module]
    loss: Callable[[Tensor, Tensor], Tensor]
    batch_size: int
    epochs: int
    refresh: int
    optimiser: type[Optimizer]
    weight_decay: float
    rate: type[LRScheduler]
    rate_options: dict[str, float]
    lr: float = 1e-3

    def settings(self) -> str:
        """The recipe in one line; a state made with other settings is refused."""
        values = {name: getattr(value, "__name__", value) for name, value in vars(self).items()}
        return ", ".join(f"{name} {value}" for name, value in values.items())


RECIPES = {
    "cosine": {
        "denoiser": Part(
            build=Denoiser,
            loss=nn.functional.mse_loss,
            batch_size=10_000,
            epochs=500,
            refresh=50,
            optimiser=Adam,
            weight_decay=1e-4,
            rate=CosineAnnealingLR,
            rate_options={"T_max": 500, "eta_min": 5e-6},
        ),
        "classifier": Part(
            build=Classifier,
            loss=nn.functional.cross_entropy,
            batch_size=20_000,
            epochs=10,
            refresh=10,  # never, in 10 epochs
            optimiser=Adam,
            weight_decay=1e-5,
            rate=CosineAnnealingLR,
            rate_options={"T_max": 10, "eta_min": 1e-5},
        ),
    },
    "step": {
        "denoiser": Part(
            build=Denoiser,
            loss=nn.functional.mse_loss,
            batch_size=10_000,
            epochs=250,  # 300 were planned; the published figures are those after 250
            refresh=25,
            optimiser=AdamW,
            weight_decay=1e-7,
            rate=StepLR,
            rate_options={"step_size": 2, "gamma": 0.99},
        ),
        "classifier": Part(
            build=Classifier,
            loss=nn.functional.cross_entropy,
            batch_size=10_000,
            epochs=50,
            refresh=100,
            optimiser=Adam,
            weight_decay=1e-4,
            rate=ReduceLROnPlateau,
            rate_options={"factor": 0.5, "patience": 3},
        ),
    },
}


def noisy_points(data: Dataset, schedule: NoiseSchedule, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Every point at every time: (x_t, t_bar) (N T, D + 1), what the networks see, and the noise eps (N T, D) in it.

    Row (t - 1) N + i is point i at time t.
    """
    t = torch.arange(1, schedule.T + 1).repeat_interleave(len(data))
    eps = randn(len(t), data.x.shape[1], generator=generator)
    x_t = schedule.q_sample(data.x.repeat(schedule.T, 1), t, eps)
    return torch.cat([x_t, normalised_time(t, schedule.T)[:, None].to(x_t)], dim=1), eps


class Training:
    """One network of a recipe on its way: the state after `len(curve)` epochs, kept in the file `path`.

    Raises ValueError if the file holds the state of a training with other settings.
    """

    def __init__(self, recipe: str, name: str, path: Path, device: str = "cpu") -> None:
        self.label, self.path, self.device, self.part = f"{recipe}/{name}", path, device, RECIPES[recipe][name]
        self.place = "cpu" if device == "cpu" else torch.cuda.get_device_name(device)
        self.net = init(self.part.build, generator=stream(f"{self.label}/init")).to(device)
        options = {"lr": self.part.lr, "weight_decay": self.part.weight_decay}
        self.optimiser = self.part.optimiser(self.net.parameters(), fused=True, **options)
        self.rate = self.part.rate(self.optimiser, **self.part.rate_options)
        self.curve: list[dict] = []
        self.fresh: tuple[Tensor, Tensor] | None = None  # what `fresh_loss` looks at, once it is made
        if path.exists():
            self._load()

    def _load(self) -> None:
        state = torch.load(self.path, map_location=self.device, weights_only=True)
        if state["settings"] != self.part.settings():
            raise ValueError(f"{self.path} was made with {state['settings']}; now they are {self.part.settings()}")
        self.curve = state["curve"]
        for name in ("net", "optimiser", "rate"):
            getattr(self, name).load_state_dict(state[name])

    def save(self) -> None:
        """Write the state, in one step."""
        state = {name: getattr(self, name).state_dict() for name in ("net", "optimiser", "rate")}
        state |= {"curve": self.curve, "settings": self.part.settings()}
        write_atomically(self.path, lambda temporary: torch.save(state, temporary))

    def epochs(self, data: Dataset, schedule: NoiseSchedule) -> Iterator[dict]:
        """Train from where it stands, without end: yields the record of each epoch after it."""
        drawn = None
        while True:
            epoch = len(self.curve) + 1
            start = now()
            draw = (epoch - 1) // self.part.refresh
            if draw != drawn:
                features, target = self._noisy(data, schedule, stream(f"{self.label}/noise", draw))
                drawn = draw
            lr = self.optimiser.param_groups[0]["lr"]
            loss = self._epoch(features, target, stream(f"{self.label}/order", epoch))
            self._anneal(loss)
            before = self.curve[-1] if self.curve else {"cpu_seconds": 0.0, "wall_seconds": 0.0}
            spent = {k: round(before[k] + v, 2) for k, v in since(start).items()}
            self.curve.append({"epoch": epoch, "loss": loss, "lr": lr, "device": self.place} | spent)
            yield self.curve[-1]

    def fresh_loss(self, data: Dataset, schedule: NoiseSchedule) -> float:
        """The loss on every point of `data` at every time, with noise that is the same at every call."""
        if self.fresh is None:
            self.fresh = self._noisy(data, schedule, stream(f"{self.label}/fresh"))
        features, target = self.fresh
        with torch.no_grad():
            pieces = zip(*(part.split(self.part.batch_size) for part in (features, target)), strict=True)
            total = sum(self.part.loss(self.net.net(x), y) * len(x) for x, y in pieces)
        return float(total) / len(features)

    def _noisy(self, data: Dataset, schedule: NoiseSchedule, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        features, eps = noisy_points(data, schedule, generator)
        target = eps if self.part.build is Denoiser else data.y.repeat(schedule.T)
        return features.to(self.device), target.to(self.device)

    def _epoch(self, features: Tensor, target: Tensor, generator: torch.Generator) -> float:
        """One pass over all points in a new order -> mean loss. The pieces' gradients add up to the batch's."""
        order = torch.randperm(len(features), generator=generator).to(self.device)
        piece_size = PIECE if self.device == "cpu" else self.part.batch_size
        total = 0.0
        for batch in order.split(self.part.batch_size):
            self.optimiser.zero_grad()
            for rows in batch.split(piece_size):
                loss = self.part.loss(self.net.net(features[rows]), target[rows]) * len(rows)
                (loss / len(batch)).backward()
                total += loss.detach()
            self.optimiser.step()
        return float(total) / len(features)

    def _anneal(self, loss: float) -> None:
        if isinstance(self.rate, ReduceLROnPlateau):
            self.rate.step(loss)
        else:
            self.rate.step()


def now() -> tuple[float, float]:
    """Processor time and wall-clock time, in seconds."""
    return time.process_time(), time.perf_counter()


def since(start: tuple[float, float]) -> dict[str, float]:
    """What both clocks have counted since `start`."""
    cpu, wall = now()
    return {"cpu_seconds": cpu - start[0], "wall_seconds": wall - start[1]}
