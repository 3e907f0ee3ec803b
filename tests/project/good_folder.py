"""A submission with nothing wrong with it, which the tests of the grader break in one way or another."""

import torch

from statesdiff.data import states
from statesdiff.project.submission import CODE, CONDITIONAL, REPORT, UNCONDITIONAL

FRESH = states(5000, seed=7)
X = FRESH.of_class(2)
WEIGHTS = {"0.weight": torch.ones(3, 2), "0.bias": torch.zeros(3), "1.num_batches_tracked": torch.tensor(4)}


def shuffled(x, seed=0):
    return x[torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))]


POOLED = shuffled(FRESH.x)[:5000]


def write_good(folder):
    """A submission with nothing wrong with it: its samples are real points that no one has seen."""
    for name in ("code", "outputs", "checkpoints"):
        (folder / name).mkdir(parents=True)
    for name in CODE:
        (folder / name).write_text("# first\nprint('é')\n", encoding="utf-8")
    (folder / REPORT).write_bytes(b"%PDF-1.7\n" + bytes(1500))
    torch.save(POOLED.clone(), folder / UNCONDITIONAL)
    for y, name in enumerate(CONDITIONAL):
        torch.save(FRESH.of_class(y).clone(), folder / name)
    torch.save(WEIGHTS, folder / "checkpoints/denoiser.pt")
    torch.save({"epoch": 3, "model": WEIGHTS, "loss": 0.4}, folder / "checkpoints/classifier.pt")
    return folder
