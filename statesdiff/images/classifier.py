"""The classifier that judges pictures: three convolutions, 128 features, ten classes."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from statesdiff.training import Step, Training, cosine_decay, minimise


class PictureClassifier(nn.Module):
    """logits = classifier(x_0), x_0 (B, 1, 28, 28) clean images in [-1, 1] -> (B, 10). It is told no time.

    `features` are the 128 numbers before the last layer, in which `metrics.frechet` compares sets of pictures.
    """

    def __init__(self, n_classes: int = 10, n_features: int = 128) -> None:
        super().__init__()
        self.config = {"n_classes": n_classes, "n_features": n_features}
        convolutions: list[nn.Module] = []
        for n_in, n_out in ((1, 32), (32, 64), (64, 64)):
            convolutions += [nn.Conv2d(n_in, n_out, 3, stride=2, padding=1), nn.ReLU()]
        self.body = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(64 * 4 * 4, n_features), nn.ReLU())
        self.head = nn.Linear(n_features, n_classes)

    def features(self, x_0: Tensor) -> Tensor:
        """(B, 1, 28, 28) -> (B, 128), none negative."""
        return self.body(x_0)

    def forward(self, x_0: Tensor) -> Tensor:
        return self.head(self.features(x_0))


def train_picture_classifier(
    model: PictureClassifier,
    x_0: Tensor,
    y: Tensor,
    *,
    epochs: int = 12,
    batch_size: int = 128,
    lr: float = 2e-3,
    generator: torch.Generator,
) -> Iterator[Step]:
    """Minimise the cross-entropy on clean images x_0 (N, 1, 28, 28), labels y (N,), moved by up to two pixels.

    Yields and raises as `training.train_denoiser` does; what does not fill a batch is left out of its epoch.
    """
    per_epoch = len(x_0) // batch_size
    how = Training(epochs * per_epoch, batch_size, lr, cosine_decay, partial(torch.optim.AdamW, weight_decay=0.05))

    def batches() -> Iterator[Tensor]:
        while True:
            yield from torch.randperm(len(x_0), generator=generator).to(x_0.device).split(batch_size)[:per_epoch]

    def loss() -> Tensor:
        rows, by = next(shuffled), torch.randint(-2, 3, (2,), generator=generator).tolist()
        return nn.functional.cross_entropy(model(torch.roll(x_0[rows], by, (2, 3))), y[rows])

    shuffled = batches()
    yield from minimise(model, loss, how)
