"""Training the U-Net, with averaged weights, and a state on disk from which a killed run goes on unchanged."""

import math
import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from statesdiff.files.atomic import write_atomically
from statesdiff.images.unet import UNet
from statesdiff.rng import stream
from statesdiff.schedule import SCHEDULES
from statesdiff.training import Step, adam_w, decay_at, descend

BLOCK = 100  # updates that share a stream of random numbers: at its ends the state is whole
WARM_UP = 200  # updates
LARGEST = 1.0  # length of the gradient above which it is shortened


def learning_rate(step: int, steps: int, lr: float) -> float:
    """Up to lr within WARM_UP updates, and down along half a cosine to nothing; step from 1."""
    return lr * min(1.0, step / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


class PictureTraining:
    """A U-Net on its way: the network, the moving average of its weights, the optimiser, the number of the last update.

    x_0 (N, 1, 28, 28) and labels y (N,), which the network is told except for a share p_uncond of them. The loss is
    E |v - v_hat|^2 with t uniform (Salimans & Ho 2022, section 4); on a GPU products are taken in 16-bit floats. The
    result is `average`. Raises ValueError for settings that a state on disk was not made with.
    """

    captures = True  # on a GPU, the update as one graph

    def __init__(
        self,
        net: UNet,
        x_0: Tensor,
        y: Tensor,
        *,
        steps: int,
        batch_size: int = 128,
        lr: float = 2e-3,
        p_uncond: float = 0.15,
        decay: float = 0.9995,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self.settings = {**net.config, "steps": steps, "batch_size": batch_size, "lr": lr, "p_uncond": p_uncond}
        self.settings |= {"decay": decay, "seed": seed}
        self.device, self.done = torch.device(device), 0
        self.net = net.to(self.device, memory_format=torch.channels_last)
        self.average = deepcopy(self.net).requires_grad_(False)
        self.x_0, self.y = x_0.to(self.device), y.to(self.device)
        alpha_bar = SCHEDULES[net.config["schedule"]](T=net.T).alpha_bar.to(self.device)
        self.signal, self.noise = alpha_bar.sqrt().float(), (1 - alpha_bar).sqrt().float()
        self.optimiser = adam_w(self.net.parameters(), lr)
        self.optimiser.param_groups[0]["weight_decay"] = 0.0
        for weight in self.net.parameters():  # made now, so that there is one way to save and to restore it
            moments = {"exp_avg": torch.zeros_like(weight), "exp_avg_sq": torch.zeros_like(weight)}
            self.optimiser.state[weight] = {"step": torch.zeros((), device=self.device), **moments}

    def updates(self) -> Iterator[Step]:
        """Train from where it stands to the end: yields a `Step` after each update, with the loss as a tensor."""
        captured = self.captures and self.device.type == "cuda"
        how, step_once = self.settings, self._captured() if captured else self._update
        while self.done < how["steps"]:
            if self.done % BLOCK == 0:
                seed = stream(f"pictures/{self.done // BLOCK}", how["seed"]).initial_seed()
                generator = torch.Generator(self.device).manual_seed(seed)
            lr = learning_rate(self.done + 1, how["steps"], how["lr"])
            self._set(lr)
            loss = step_once(*self._batch(generator))
            self.done += 1
            keep = decay_at(self.done, how["decay"])
            with torch.no_grad():
                torch._foreach_lerp_(list(self.average.parameters()), list(self.net.parameters()), 1 - keep)
            yield Step(self.done, loss, lr)

    def _batch(self, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """x_t, t, labels, and v, a row for each image of the batch."""
        n, here = self.settings["batch_size"], {"generator": generator, "device": self.device}
        rows = torch.randint(len(self.x_0), (n,), **here)
        t = torch.randint(1, self.net.T + 1, (n,), **here)
        eps = torch.randn(n, *self.x_0.shape[1:], **here)
        y = self.y[rows].masked_fill(torch.rand(n, **here) < self.settings["p_uncond"], -1)
        x_0, a, b = self.x_0[rows], self.signal[t][:, None, None, None], self.noise[t][:, None, None, None]
        return a * x_0 + b * eps, t, y, a * eps - b * x_0

    def loss(self, x_t: Tensor, t: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """The loss of a batch, a scalar: E |v - v_hat|^2; what a training of another kind overrides."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            v_hat = self.net.velocity(x_t.contiguous(memory_format=torch.channels_last), t, y)
        return (v_hat.float() - v).square().mean()

    def _update(self, x_t: Tensor, t: Tensor, y: Tensor, v: Tensor) -> Tensor:
        loss = self.loss(x_t, t, y, v)
        self.optimiser.zero_grad(set_to_none=False)
        descend(self.optimiser, loss, LARGEST)
        return loss.detach()

    def _set(self, lr: float) -> None:
        group = self.optimiser.param_groups[0]
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(lr)
        else:
            group["lr"] = lr

    def _captured(self) -> Callable[..., Tensor]:
        """The update as one graph of the GPU: hundreds of small launches become one."""
        group = self.optimiser.param_groups[0]
        group["capturable"], group["lr"] = True, torch.tensor(float(group["lr"]), device=self.device)
        before = [tensor.clone() for tensor in self._tensors().values()]
        held = self._batch(torch.Generator(self.device))
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):  # what PyTorch asks for before a capture
                self._update(*held)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            loss = self._update(*held)
        for tensor, value in zip(self._tensors().values(), before, strict=True):
            tensor.copy_(value)

        def replay(*batch: Tensor) -> Tensor:
            for place, part in zip(held, batch, strict=True):
                place.copy_(part)
            graph.replay()
            return loss.clone()

        return replay

    def _tensors(self) -> dict[str, Tensor]:
        """All that an update changes, by name, detached but not copied; the average apart."""
        found = {}
        for name, weight in self.net.named_parameters():
            found[f"net.{name}"] = weight.detach()
            found |= {f"{key}.{name}": value for key, value in self.optimiser.state[weight].items()}
        return found

    @property
    def whole(self) -> bool:
        """Whether the state can be saved: after every BLOCK updates, and at the end."""
        return self.done % BLOCK == 0 or self.done == self.settings["steps"]

    def save(self, path: str | os.PathLike) -> Path:
        """Write the state, in one step. Raises ValueError unless it is `whole`."""
        if not self.whole:
            raise ValueError(f"the state is whole after every {BLOCK} updates, not after {self.done}")
        average = {f"average.{name}": value for name, value in self.average.named_parameters()}
        state = {name: value.cpu() for name, value in (self._tensors() | average).items()}
        content = {"settings": self.settings, "done": self.done, "state": state}
        return write_atomically(path, lambda temporary: torch.save(content, temporary))

    def load(self, path: str | os.PathLike) -> None:
        """Go on from a state that `save` wrote. Raises ValueError for another file, and for other settings."""
        average = {f"average.{name}": value for name, value in self.average.named_parameters()}
        tensors = self._tensors() | average
        try:
            content = torch.load(path, map_location=self.device, weights_only=True)
            settings, done, state = (content[key] for key in ("settings", "done", "state"))
            if settings == self.settings:
                kept = {name: state[name].expand_as(tensor) for name, tensor in tensors.items()}
        except Exception as error:  # PyTorch raises many kinds for a file that is none of its own
            raise ValueError(f"{path} is no state to go on from: remove it to begin anew") from error
        if settings != self.settings:
            raise ValueError(f"{path} was made with {settings}; now they are {self.settings}")
        for name, tensor in tensors.items():
            tensor.copy_(kept[name])
        self.done = done
