"""A small U-Net for grey images of 28 x 28: a noise predictor, called as a `Denoiser` is, that looks at patches."""

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, pixel_shuffle, pixel_unshuffle, scaled_dot_product_attention

from statesdiff.labels import NO_LABEL, labels_of
from statesdiff.models import check_label_wanted
from statesdiff.schedule import SCHEDULES, check_dtype, per_sample

PATCH = 2  # pixels of a patch's side: the network sees 14 x 14 patches of four numbers
GROUPS = 8  # of channels that are normalised together
WAVES = 32  # frequencies in which the time enters


class Block(nn.Module):
    """Two convolutions and a way around them; time and label, (B, E), stretch and shift the channels in between."""

    def __init__(self, n_in: int, n_out: int, n_embedding: int) -> None:
        super().__init__()
        self.before, self.first = nn.GroupNorm(GROUPS, n_in), nn.Conv2d(n_in, n_out, 3, padding=1)
        self.between, self.second = nn.GroupNorm(GROUPS, n_out), nn.Conv2d(n_out, n_out, 3, padding=1)
        self.told = nn.Linear(n_embedding, 2 * n_out)
        self.around = nn.Identity() if n_in == n_out else nn.Conv2d(n_in, n_out, 1)
        nn.init.zeros_(self.second.weight)  # at first the block does nothing
        nn.init.zeros_(self.second.bias)

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        inside = self.first(nn.functional.silu(self.before(h)))
        stretch, shift = self.told(embedding)[:, :, None, None].chunk(2, dim=1)
        inside = self.between(inside) * (1 + stretch) + shift
        return self.around(h) + self.second(nn.functional.silu(inside))


class Attention(nn.Module):
    """Every place looks at every other, once, with one head (Vaswani et al. 2017): (B, C, H, W) -> the same."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.norm, self.ask, self.answer = nn.GroupNorm(GROUPS, n), nn.Conv2d(n, 3 * n, 1), nn.Conv2d(n, n, 1)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)

    def forward(self, h: Tensor) -> Tensor:
        query, key, value = self.ask(self.norm(h)).flatten(2).transpose(1, 2).chunk(3, dim=2)  # (B, H W, C)
        seen = scaled_dot_product_attention(query, key, value)
        return h + self.answer(seen.transpose(1, 2).unflatten(2, h.shape[2:]))


class UNet(nn.Module):
    """A noise predictor of images: eps_hat = unet(x_t, t, y), x_t (B, 1, 28, 28), t in 0..T -> (B, 1, 28, 28).

    A U-Net (Ronneberger et al. 2015) on patches of 2 x 2 pixels: 14 x 14 places of `channels` numbers, then 7 x 7 of
    twice as many with attention, and back. y is one label or one per row, 0..n_classes-1, or -1 for no label, which is
    what leaving y out means. Inside it predicts v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0 (Salimans & Ho 2022),
    whose size is the same at every t, and so has to know its schedule by name, one of SCHEDULES. Raises ValueError for
    images of another shape.
    """

    def __init__(self, T: int = 1000, channels: int = 48, n_classes: int = 10, schedule: str = "cosine") -> None:
        super().__init__()
        self.config = {"T": T, "channels": channels, "n_classes": n_classes, "schedule": schedule}
        self.T, self.n_classes, self.D = T, n_classes, 28 * 28
        with torch.device("cpu"):  # no weight: float64, and there even while only shapes are made
            self.alpha_bar = SCHEDULES[schedule](T=T).alpha_bar
        c, E = channels, 128
        self.time = nn.Sequential(nn.Linear(2 * WAVES, E), nn.SiLU(), nn.Linear(E, E))
        self.label = nn.Embedding(n_classes + 1, E)  # the last one is "no label"
        self.enter = nn.Conv2d(PATCH**2, c, 3, padding=1)
        self.down = nn.ModuleList([Block(c, c, E), Block(c, c, E)])
        self.shrink = nn.Conv2d(c, 2 * c, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([Block(2 * c, 2 * c, E), Block(2 * c, 2 * c, E), Block(2 * c, 2 * c, E)])
        self.attention = Attention(2 * c)
        self.grow = nn.Conv2d(2 * c, c, 3, padding=1)
        self.up = nn.ModuleList([Block(2 * c, c, E), Block(c, c, E)])
        self.leave = nn.Sequential(nn.GroupNorm(GROUPS, c), nn.SiLU(), nn.Conv2d(c, PATCH**2, 3, padding=1))

    def forward(self, x_t: Tensor, t: int | Tensor, y: int | Tensor | None = None) -> Tensor:
        if x_t.shape[1:] != (1, 28, 28):
            raise ValueError(f"x_t must have shape (B, 1, 28, 28), got {tuple(x_t.shape)}")
        check_dtype(self, x_t, "x_t")
        check_label_wanted(y, self.n_classes)
        labels = labels_of(NO_LABEL if y is None else y, len(x_t), self.n_classes, lowest=NO_LABEL).to(x_t.device)
        alpha_bar = per_sample(self.alpha_bar, t, x_t.double())
        v = self.velocity(x_t, torch.as_tensor(t, device=x_t.device).expand(len(x_t)), labels)
        return alpha_bar.sqrt().to(x_t) * v + (1 - alpha_bar).sqrt().to(x_t) * x_t

    def velocity(self, x_t: Tensor, t: Tensor, y: Tensor) -> Tensor:
        """v_hat of x_t (B, 1, 28, 28) for t (B,) and labels (B,), -1 for none, all on one device, unchecked.

        eps_hat = sqrt(alpha_bar) v_hat + sqrt(1 - alpha_bar) x_t.
        """
        embedding = self.embedding(t, y)
        h = self.enter(pixel_unshuffle(x_t, PATCH))
        for block in self.down:
            h = block(h, embedding)
        across, h = h, self.shrink(h)
        h = self.middle[1](self.attention(self.middle[0](h, embedding)), embedding)
        h = self.middle[2](h, embedding)
        h = torch.cat([self.grow(interpolate(h, scale_factor=2)), across], dim=1)
        for block in self.up:
            h = block(h, embedding)
        return pixel_shuffle(self.leave(h), PATCH)

    def embedding(self, t: Tensor, y: Tensor) -> Tensor:
        """What every block is told of times t (B,) and labels y (B,), -1 for none: (B, 128)."""
        frequencies = torch.exp(-math.log(10_000) / WAVES * torch.arange(WAVES, device=t.device))
        angle = (1000 / self.T) * t[:, None] * frequencies
        told = self.label(torch.where(y == NO_LABEL, self.n_classes, y))
        return nn.functional.silu(self.time(torch.cat([angle.sin(), angle.cos()], dim=1)) + told)
