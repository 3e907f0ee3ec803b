"""Many denoisers trained at once: their weights stacked, so that one batched product does the work of all.

A small network on a batch of 64 points keeps a processor busy with starting and ending small products. Stacked, sixteen
networks share each start. Every network keeps its own data, schedule, seed, learning rate and number of steps.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from statesdiff.schedule import NoiseSchedule
from statesdiff.training import Batch, Training, check_trainable, decay_at, every_point_once, noisy_batches

POINTS = 4096  # noisy points made at once for each network: this bounds the memory


@dataclass(frozen=True)
class Job:
    """One denoiser to be trained, in place, on x_0 (N, D) and, if it learns them, the labels y (N,).

    All its layers with weights must be `nn.Linear`, with their biases, and its `config` must say what else it is like.
    With `average`, a decay below 1, it ends with the exponential moving average of its weights (`decay_at`). Raises
    ValueError for what cannot be trained.
    """

    model: nn.Module
    x_0: Tensor
    schedule: NoiseSchedule
    y: Tensor | None = None
    training: Training = field(default_factory=lambda: Training(batch_size=64, draw_rows=every_point_once))
    generator: torch.Generator | None = None
    average: float | None = None

    def __post_init__(self) -> None:
        if self.average is not None and not 0 < self.average < 1:
            raise ValueError(f"average must be a decay between 0 and 1, or None, got {self.average!r}")
        check_trainable(self.model, self.x_0, self.schedule, self.y)
        layers = linear_layers(self.model)
        stacked = sum(p.numel() for layer in layers for p in layer.parameters())
        if stacked != sum(p.numel() for p in self.model.parameters()) or any(layer.bias is None for layer in layers):
            raise ValueError("model must have no weights but those of plain linear layers, with biases, to be stacked")
        if not hasattr(self.model, "config"):
            raise ValueError("model needs a `config`, by which networks of one shape are known")

    @property
    def shape(self) -> tuple:
        """Jobs of equal shape can be trained together: the same network but for its weights, the same batch size."""
        return type(self.model).__name__, str(self.model.config), self.training.batch_size, self.y is None

    @property
    def pace(self) -> tuple:
        """Jobs of equal pace can share an optimiser: as many steps, the same learning rates, averaged alike."""
        how = self.training
        functions = (how.lr_schedule, how.optimiser)
        names = (getattr(f, "__name__", "") for f in functions)
        return how.steps, how.lr, self.average or 0.0, *names, *map(id, functions)


def train_ensemble(jobs: Sequence[Job], device: str | torch.device = "cpu") -> Iterator[list[float | None]]:
    """Train all models at once, in place; yields the losses after each step, None for a job that has finished.

    The stacked weights live on `device`; the random numbers are the processor's wherever that is. When the caller stops
    listening, by `break` or by an interrupt, the models are whole and usable. A network that diverges does not disturb
    the others: its losses are NaN from then on. Raises ValueError if the shapes differ.
    """
    if len({job.shape for job in jobs}) != 1:
        raise ValueError(f"an ensemble needs jobs of one shape, got {sorted({str(job.shape) for job in jobs})}")
    order = sorted(range(len(jobs)), key=lambda i: (*jobs[i].pace, i))  # those that finish first come first
    jobs = [jobs[i] for i in order]
    row_of = {i: row - len(jobs) for row, i in enumerate(order)}  # from the end, where the unfinished are
    stack = Stack([job.model for job in jobs], device)
    groups = _groups(jobs, stack)
    try:
        for losses in _train(jobs, stack, list(groups)):
            yield [losses[row_of[i]] if -row_of[i] <= len(losses) else None for i in range(len(jobs))]
    finally:
        for group in groups:
            group.settle()
        stack.write_back()


def _train(jobs: list[Job], stack: "Stack", groups: list["_Group"]) -> Iterator[list[float]]:
    """Yields the losses of the rows still training, the last rows of the stack."""
    size, step, first = jobs[0].training.batch_size, 0, 0
    n = max(1, POINTS // size) * size
    blocks = [noisy_batches(j.x_0, j.schedule, j.y, j.training, n=n, generator=j.generator) for j in jobs]
    while groups:
        block = _stacked((next(points) for points in blocks[first:]), stack.device)
        start = first
        for i in range(0, n, size):
            step += 1
            x_t, t, eps, y = (None if part is None else part[first - start :, i : i + size] for part in block)
            losses = (stack.predict(x_t, t, y, first) - eps).square().flatten(1).mean(dim=1)
            gradients = torch.autograd.grad(losses.sum(), stack.active)
            for group in groups:
                group.update(gradients, first)
            yield losses.tolist()
            first += sum(group.size for group in groups if group.steps == step)
            groups = [group for group in groups if group.steps > step]
            if not groups:
                return


def _stacked(batches: Iterator[Batch], device: str | torch.device) -> Batch:
    """The batches of K networks as one on `device`, every part with a row for each network, (K, n, ...)."""
    parts = zip(*batches, strict=True)
    return Batch(*(None if same[0] is None else torch.stack(same).to(device) for same in parts))


def linear_layers(model: nn.Module) -> list[nn.Linear]:
    """The linear layers of a network, in order; a subclass of `nn.Linear` may compute something else."""
    return [module for module in model.modules() if type(module) is nn.Linear]


def memory(job: Job) -> int:
    """An upper bound of the bytes that one job takes in an ensemble, its data apart."""
    weights, D, size = sum(p.numel() for p in job.model.parameters()), job.x_0[0].numel(), job.training.batch_size
    widths = [layer.in_features for layer in linear_layers(job.model)] + [D]
    block = max(POINTS, size) * (9 * D + 16)  # made, stacked, and one in passing; rows, times, labels, their beta
    batch = 4 * size * (sum(widths) + 2 * widths[0])  # what the layers say, before and after, and its gradients
    return 4 * (7 * weights + block + batch)  # the model's, the stack's, gradients twice, two moments, one in passing


class StackedLinear(nn.Module):
    """The linear layers at one place of K networks: weight (K, in, out), bias (K, 1, out); (K B, in) -> (K B, out)."""

    def __init__(self, layers: Sequence[nn.Linear], device: str | torch.device) -> None:
        super().__init__()
        self.all_weights = torch.stack([layer.weight.detach().T for layer in layers]).contiguous().to(device)
        self.all_biases = torch.stack([layer.bias.detach()[None] for layer in layers]).to(device)
        self.from_row(0)

    def from_row(self, first: int) -> None:
        """Take only the networks from row `first` on."""
        self.weight, self.bias = (p[first:].requires_grad_() for p in (self.all_weights, self.all_biases))

    def forward(self, h: Tensor) -> Tensor:
        networks, n_in, n_out = self.weight.shape
        return torch.baddbmm(self.bias, h.reshape(networks, -1, n_in), self.weight).reshape(-1, n_out)


class Stack:
    """K networks of one shape as one, the first of them with its linear layers replaced by those of all."""

    def __init__(self, models: Sequence[nn.Module], device: str | torch.device = "cpu") -> None:
        self.models, self.network, self.first, self.device = models, deepcopy(models[0]), 0, device
        self.layers = [StackedLinear(same, device) for same in zip(*map(linear_layers, models), strict=True)]
        stacked = dict(zip(linear_layers(self.network), self.layers, strict=True))
        for path, module in list(self.network.named_modules(remove_duplicate=False)):  # a layer may have two names
            if module in stacked:
                parent, _, name = path.rpartition(".")
                setattr(self.network.get_submodule(parent), name, stacked[module])

    @property
    def parameters(self) -> list[Tensor]:
        """The weights and biases of all networks, layer by layer."""
        return [p for layer in self.layers for p in (layer.all_weights, layer.all_biases)]

    @property
    def active(self) -> list[Tensor]:
        """The same of the networks that are still training."""
        return [p for layer in self.layers for p in (layer.weight, layer.bias)]

    def predict(self, x_t: Tensor, t: Tensor, y: Tensor | None, first: int = 0) -> Tensor:
        """What the networks from row `first` on say of x_t (K - first, B, D), t (K - first, B) and labels, if any."""
        if first != self.first:
            self.first = first
            for layer in self.layers:
                layer.from_row(first)
        flat = [part.flatten(0, 1) for part in (x_t, t, y) if part is not None]
        return self.network(*flat).unflatten(0, x_t.shape[:2])

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy the stacked weights into the networks that they came from."""
        for row, model in enumerate(self.models):
            for layer, stacked in zip(linear_layers(model), self.layers, strict=True):
                layer.weight.copy_(stacked.all_weights[row].T)
                layer.bias.copy_(stacked.all_biases[row, 0])


class _Group:
    """Rows lo..hi-1 of the stack, which share a pace: one optimiser for them, on views of the stacked weights."""

    def __init__(self, job: Job, lo: int, hi: int, stack: Stack) -> None:
        how = job.training
        self.lo, self.hi, self.size, self.steps = lo, hi, hi - lo, how.steps
        self.views = [p[lo:hi] for p in stack.parameters]
        self.optimiser = how.optimiser(self.views, how.lr)
        self.lr_schedule = how.lr_schedule(self.optimiser, how.lr, how.steps)
        self.decay, self.step = job.average, 0
        self.averages = [] if job.average is None else [view.clone() for view in self.views]

    def update(self, gradients: Sequence[Tensor], first: int) -> None:
        """One step of the optimiser; the gradients begin at row `first` of the stack."""
        for view, gradient in zip(self.views, gradients, strict=True):
            view.grad = gradient[self.lo - first : self.hi - first]
        self.optimiser.step()
        self.lr_schedule.step()
        self.step += 1
        for average, view in zip(self.averages, self.views, strict=False):
            average.lerp_(view, 1 - decay_at(self.step, self.decay))

    def settle(self) -> None:
        """Put the averages, if there are any, where the weights are."""
        for average, view in zip(self.averages, self.views, strict=False):
            view.copy_(average)


def _groups(jobs: list[Job], stack: Stack) -> list[_Group]:
    starts = [i for i, job in enumerate(jobs) if i == 0 or job.pace != jobs[i - 1].pace]
    return [_Group(jobs[lo], lo, hi, stack) for lo, hi in zip(starts, [*starts[1:], len(jobs)], strict=True)]
