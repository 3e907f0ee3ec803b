"""The training of the U-Net by several processes together, each on a GPU of its own or on processors.

torchrun --nproc-per-node 2 -m statesdiff.images.parallel --out garments.safetensors
"""

import argparse
import os
from collections.abc import Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from statesdiff.files.arguments import count, output
from statesdiff.images.command import EVERY, train
from statesdiff.images.training import PictureTraining
from statesdiff.images.unet import UNet
from statesdiff.schedule import SCHEDULES


class Velocity(nn.Module):
    """The network as DistributedDataParallel wants it: its velocity is what is called."""

    def __init__(self, net: UNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        return self.net.velocity(x_t, t, y)


class ParallelTraining(PictureTraining):
    """A `PictureTraining` that several processes share: all draw the same batch, and each learns from its own rows.

    DistributedDataParallel makes every gradient the mean over the processes before the optimiser sees it. The rows are
    equally many, so this mean is the gradient of the whole batch, and all processes, or one alone, come to the same
    weights but for the rounding of sums. Raises ValueError unless the batch can be shared out evenly.
    """

    captures = False

    def __init__(self, net: UNet, x_0: Tensor, y: Tensor, **how) -> None:
        super().__init__(net, x_0, y, **how)
        self.rank, self.processes = dist.get_rank(), dist.get_world_size()
        if self.settings["batch_size"] % self.processes:
            got = f"{self.settings['batch_size']} images, {self.processes} processes"
            raise ValueError(f"the batch must be shared out evenly: {got}")
        self.shared = DistributedDataParallel(Velocity(self.net))

    def loss(self, x_t: Tensor, t: Tensor, y: Tensor, v: Tensor) -> Tensor:
        """The loss of this process's rows."""
        x_t, t, y, v = (part[self.rank :: self.processes] for part in (x_t, t, y, v))
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.device.type == "cuda"):
            v_hat = self.shared(x_t.contiguous(memory_format=torch.channels_last), t, y)
        return (v_hat.float() - v).square().mean()


def main(argv: Sequence[str] | None = None) -> None:
    """What each of the processes runs that torchrun starts."""
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--data", help="the folder of the idx files; default: Debian's, or fetched")
    p.add_argument("--out", type=output(".safetensors"), default="garments.safetensors")
    p.add_argument("--schedule", choices=SCHEDULES)
    for name in ("--steps", "--T", "--batch-size", "--channels"):
        p.add_argument(name, type=count)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--save-every", type=float, default=EVERY)
    args, gpu = p.parse_args(argv), torch.cuda.is_available()
    dist.init_process_group("nccl" if gpu else "gloo")
    try:
        device = f"cuda:{os.environ['LOCAL_RANK']}" if gpu else "cpu"
        if gpu:
            torch.cuda.set_device(device)
        train(args, ParallelTraining, device, writes=dist.get_rank() == 0)
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
