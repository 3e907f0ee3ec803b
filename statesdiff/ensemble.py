"""Many denoisers trained at once: their weights stacked, so that one batched product does the work of all.

A small network on a batch of 64 points keeps a processor busy with starting and ending small products. Stacked, sixteen
networks share each start. Every network keeps its own data, schedule, seed, learning rate and number of steps.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from statesdiff.models import Denoiser
from statesdiff.rng import randn
from statesdiff.schedule import NoiseSchedule
from statesdiff.training import (
    DrawTime,
    LearningRate,
    Optimiser,
    _check,
    _check_amounts,
    _check_probability,
    adam_w,
    constant,
    drop_labels,
    uniform_t,
)

POINTS = 4096  # noisy points made at once for each network: this bounds the memory


@dataclass(frozen=True)
class Job:
    """One denoiser to be trained, in place. The arguments are those of `train_denoiser`, with the same meanings.

    One thing differs: the points are taken in shuffled order, each once an epoch and the epochs joined end to end, as data
    loaders do; `train_denoiser` draws them with replacement. Raises ValueError for what cannot be trained.
    """

    model: Denoiser
    x_0: Tensor
    schedule: NoiseSchedule
    y: Tensor | None = None
    p_uncond: float = 0.2
    steps: int = 4000
    batch_size: int = 64
    lr: float = 1e-3
    draw_t: DrawTime = uniform_t
    lr_schedule: LearningRate = constant
    optimiser: Optimiser = adam_w
    generator: torch.Generator = field(default_factory=torch.Generator)

    def __post_init__(self) -> None:
        _check(self.model, self.x_0, self.schedule, self.y)
        _check_probability(self.p_uncond)
        _check_amounts(self.steps, self.batch_size, self.lr)

    @property
    def shape(self) -> tuple[str, int]:
        """Jobs of equal shape can be trained together: the same layers, activations and batch size."""
        return str(self.model.net), self.batch_size

    @property
    def pace(self) -> tuple:
        """Jobs of equal pace can share an optimiser: as many steps, the same learning rates."""
        functions = (self.lr_schedule, self.optimiser)
        return self.steps, self.lr, *(getattr(f, "__name__", "") for f in functions), *map(id, functions)


def train_ensemble(jobs: Sequence[Job]) -> Iterator[list[float | None]]:
    """Train the models of all jobs at once, in place; yields the losses after each step, None for a job that has finished.

    When the caller stops listening, by `break` or by an interrupt, the models are whole and usable. A network that
    diverges does not disturb the others: its losses are NaN from then on. Raises ValueError if the shapes differ.
    """
    if len({job.shape for job in jobs}) != 1:
        raise ValueError(f"an ensemble needs jobs of one shape, got {sorted({str(job.shape) for job in jobs})}")
    order = sorted(range(len(jobs)), key=lambda i: (*jobs[i].pace, i))  # those that finish first come first
    jobs = [jobs[i] for i in order]
    row_of = {i: row - len(jobs) for row, i in enumerate(order)}  # from the end, where the unfinished are
    stack = Stack([job.model.net for job in jobs])
    try:
        for losses in _train(jobs, stack):
            yield [losses[row_of[i]] if -row_of[i] <= len(losses) else None for i in range(len(jobs))]
    finally:
        stack.write_back()


def _train(jobs: list[Job], stack: "Stack") -> Iterator[list[float]]:
    """Yields the losses of the rows still training, the last rows of the stack."""
    blocks = [noisy_blocks(job) for job in jobs]
    batch_size, step, first = jobs[0].batch_size, 0, 0
    groups = _groups(jobs, stack)
    while groups:
        inputs, targets = (torch.stack(parts) for parts in zip(*map(next, blocks[first:]), strict=True))
        start = first
        for i in range(0, inputs.shape[1], batch_size):
            step, rows, batch = step + 1, slice(first - start, None), slice(i, i + batch_size)
            losses = (stack.forward(inputs[rows, batch], first) - targets[rows, batch]).square().mean(dim=(1, 2))
            gradients = torch.autograd.grad(losses.sum(), stack.active)
            for group in groups:
                group.update(gradients, first)
            yield losses.tolist()
            first += sum(group.size for group in groups if group.steps == step)
            groups = [group for group in groups if group.steps > step]
            if not groups:
                return


def memory(job: Job) -> int:
    """An upper bound of the bytes that one job takes in an ensemble, its data apart."""
    weights = sum(p.numel() for p in job.model.parameters())
    widths = [m.in_features for m in job.model.net if isinstance(m, nn.Linear)] + [job.model.D]
    points = max(POINTS, job.batch_size)
    block = points * (3 * widths[0] + 6 * job.model.D + 8)  # made, stacked, and one in passing; rows, times, their beta
    batch = 4 * job.batch_size * sum(widths)  # what the layers say, before and after the activation, and its gradients
    return 4 * (7 * weights + block + batch)  # the model's, the stack's, gradients twice, two moments, one in passing


def noisy_blocks(job: Job) -> Iterator[tuple[Tensor, Tensor]]:
    """What the net is shown and what it should answer, for several batches at once: (n, inputs), (n, D), for ever.

    With a skip connection the answer lacks the first guess, which the model adds to what its net says.
    """
    model, rows_left = job.model, torch.empty(0, dtype=torch.int64)
    n = max(1, POINTS // job.batch_size) * job.batch_size
    while True:
        while len(rows_left) < n:
            rows_left = torch.cat([rows_left, torch.randperm(len(job.x_0), generator=job.generator)])
        rows, rows_left = rows_left[:n].to(job.x_0.device), rows_left[n:]
        t = job.draw_t(job.schedule.T, n, job.generator).to(job.x_0.device)
        eps = randn(n, job.x_0.shape[1], generator=job.generator, device=job.x_0.device)
        y = None if job.y is None else drop_labels(job.y[rows], job.p_uncond, job.generator)
        x_t = job.schedule.q_sample(job.x_0[rows], t, eps)
        yield model.inputs(x_t, t, y), eps - model.first_guess(x_t, t) if model.skip else eps


class Stack:
    """The linear layers of K networks of one shape, as weights (K, in, out) and biases (K, 1, out)."""

    def __init__(self, nets: Sequence[nn.Sequential]) -> None:
        self.nets, self.parameters = nets, []
        for modules in zip(*nets, strict=True):
            if isinstance(modules[0], nn.Linear):
                self.parameters.append(torch.stack([m.weight.detach().T for m in modules]).contiguous())
                self.parameters.append(torch.stack([m.bias.detach()[None] for m in modules]))
        self.active: list[Tensor] = []

    def forward(self, h: Tensor, first: int = 0) -> Tensor:
        """What the networks from row `first` on make of their inputs: (K - first, B, in) -> (K - first, B, out)."""
        if not self.active or len(self.active[0]) != len(h):
            self.active = [p[first:].requires_grad_() for p in self.parameters]
        parameters = iter(self.active)
        for layer in self.nets[0]:
            if isinstance(layer, nn.Linear):
                weight, bias = next(parameters), next(parameters)
                h = torch.baddbmm(bias, h, weight)
            else:
                h = layer(h)
        return h

    @torch.no_grad()
    def write_back(self) -> None:
        """Copy the stacked weights into the networks that they came from."""
        for row, net in enumerate(self.nets):
            linear = [module for module in net if isinstance(module, nn.Linear)]
            for module, weight, bias in zip(linear, self.parameters[::2], self.parameters[1::2], strict=True):
                module.weight.copy_(weight[row].T)
                module.bias.copy_(bias[row, 0])


class _Group:
    """Rows lo..hi-1 of the stack, which share a pace: one optimiser for them, on views of the stacked weights."""

    def __init__(self, job: Job, lo: int, hi: int, stack: Stack) -> None:
        self.lo, self.hi, self.size, self.steps = lo, hi, hi - lo, job.steps
        self.views = [p[lo:hi] for p in stack.parameters]
        self.optimiser = job.optimiser(self.views, job.lr)
        self.lr_schedule = job.lr_schedule(self.optimiser, job.lr, job.steps)

    def update(self, gradients: Sequence[Tensor], first: int) -> None:
        """One step of the optimiser; the gradients begin at row `first` of the stack."""
        for view, gradient in zip(self.views, gradients, strict=True):
            view.grad = gradient[self.lo - first : self.hi - first]
        self.optimiser.step()
        self.lr_schedule.step()


def _groups(jobs: list[Job], stack: Stack) -> list[_Group]:
    starts = [i for i, job in enumerate(jobs) if i == 0 or job.pace != jobs[i - 1].pace]
    return [_Group(jobs[lo], lo, hi, stack) for lo, hi in zip(starts, [*starts[1:], len(jobs)], strict=True)]
