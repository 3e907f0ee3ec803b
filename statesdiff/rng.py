"""Named streams of random numbers: one for data, one for initial weights, one for training, one for sampling."""

import zlib

import torch
from torch import Tensor


def stream(name: str, seed: int = 0) -> torch.Generator:
    """A generator that depends on `name` and `seed` alone, so that drawing more from one stream never shifts another.

    `name` is any word ("data", "init", "train", "sample"); `seed` a non-negative integer. Raises ValueError otherwise.
    """
    if not name or seed < 0:
        raise ValueError(f"stream needs a non-empty name and a seed >= 0, got name={name!r}, seed={seed}")
    return torch.Generator().manual_seed(zlib.crc32(f"{name}/{seed}".encode()))


def randn(*shape: int, generator: torch.Generator | None = None, device: str | torch.device = "cpu") -> Tensor:
    """Standard normal numbers of the given shape, drawn on the generator's device and moved to `device`."""
    source = generator.device if generator is not None else device
    return torch.randn(*shape, generator=generator, device=source).to(device)
