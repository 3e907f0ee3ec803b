"""The toy recipe of smalldiffusion 0.5.0, trained and sampled by that package's own, unmodified code.

Network, schedule, optimiser, number of updates and sampler are those of its README ("Toy models"): `TimeInputMLP` with
hidden layers 16, 128, 128, 128, 128, 16; `ScheduleLogLinear` with 200 noise levels from 0.005 to 10; AdamW at a
constant 1e-3; 15,000 epochs of one batch each; 20 sampling steps with gam = 2. Where the README's data set leaves a
choice we take what suits the package best: batches of 2,500, the divisor of 5,000 nearest to its 2,048; shuffled,
because STATES comes ordered by state; cut from the tensor in one go, so that collating single points costs it nothing.
"""

import sys
from collections.abc import Iterator
from types import ModuleType

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

STEPS = 15_000
BATCH_SIZE = 2_500
SAMPLERS = {"20 steps, gam 2": (20, 2.0, 0.0), "100 steps, DDPM": (100, 1.0, 0.5)}  # its own; the ancestral one


def _stub_torchvision() -> None:
    """Let smalldiffusion be imported without torchvision, which only its image transforms need."""
    try:
        import torchvision  # noqa: F401
    except ImportError:
        transforms = ModuleType("torchvision.transforms")
        for name in ("Compose", "RandomHorizontalFlip", "ToTensor", "Lambda"):
            setattr(transforms, name, lambda *args: None)
        package = ModuleType("torchvision")
        package.transforms = transforms
        sys.modules |= {"torchvision": package, "torchvision.transforms": transforms}


_stub_torchvision()
from smalldiffusion import ScheduleLogLinear, TimeInputMLP, samples, training_loop  # noqa: E402

SCHEDULE = ScheduleLogLinear(N=200, sigma_min=0.005, sigma_max=10)


class Points(Dataset):
    """The rows of x (N, 2), a whole batch of them at a time."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def __getitems__(self, rows: list[int]) -> Tensor:
        return self.x[rows]


def settings() -> str:
    """The recipe in one line."""
    return f"TimeInputMLP(16, 128 x 4, 16), 200 noise levels 0.005..10, batch {BATCH_SIZE}, AdamW 1e-3, {STEPS} updates"


def train(x: Tensor, seed: int) -> tuple[nn.Module, Iterator]:
    """The network and smalldiffusion's own training loop on the points x (N, 2); it yields once a step."""
    torch.manual_seed(seed)
    model = TimeInputMLP(hidden_dims=(16, 128, 128, 128, 128, 16))
    loader = DataLoader(Points(x), batch_size=BATCH_SIZE, shuffle=True, collate_fn=lambda batch: batch)
    return model, training_loop(loader, model, SCHEDULE, epochs=STEPS * BATCH_SIZE // len(x) + 1)


def sample(model: nn.Module, n: int, sampler: str, seed: int) -> Tensor:
    """n points (n, 2) from one of the two `SAMPLERS`; global random state is left as it was."""
    steps, gam, mu = SAMPLERS[sampler]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        *_, x_0 = samples(model, SCHEDULE.sample_sigmas(steps), gam=gam, mu=mu, batchsize=n)
    return x_0
