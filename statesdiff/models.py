"""The networks: a plain multilayer perceptron, what goes into it, and the denoiser and the classifier made of both."""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from statesdiff.labels import NO_LABEL, one_hot
from statesdiff.schedule import check_dtype, normalised_time

ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU}
FREQUENCIES = ((1.0, 2.0, 4.0, 8.0), (1.0, 2.0, 4.0, 8.0))  # of position and of time, in the book's Fourier networks
_GLOBAL_STATE = threading.Lock()  # PyTorch's layers draw from one random state, which all threads share


def mlp(sizes: list[int], activation: str = "relu") -> nn.Sequential:
    """Linear layers with an activation ("relu" or "silu") between them; (B, sizes[0]) -> (B, sizes[-1]).

    Raises ValueError for an unknown activation or a size below 1.
    """
    if activation not in ACTIVATIONS or min(sizes) < 1:
        raise ValueError(f"mlp needs sizes >= 1 and an activation of {list(ACTIVATIONS)}, got {sizes}, {activation!r}")
    layers: list[nn.Module] = []
    for n_in, n_out in zip(sizes[:-1], sizes[1:], strict=True):
        layers += [nn.Linear(n_in, n_out), ACTIVATIONS[activation]()]
    return nn.Sequential(*layers[:-1])


def sin_cos(v: Tensor, frequencies: tuple[float, ...]) -> Tensor:
    """sin(f v) and cos(f v) for each frequency f, radians per unit of v: (B, n) -> (B, 2 n len(frequencies))."""
    angle = (v[:, :, None] * torch.tensor(frequencies, dtype=v.dtype, device=v.device)).flatten(1)
    return torch.cat([angle.sin(), angle.cos()], dim=1)


class NoisyPointNetwork(nn.Module):
    """What the book's networks share: they look at a noisy point x_t (B, D) and its time, through an `mlp`.

    The first layer sees x_t and t_bar = 2 (t - T/2) / T. With `x_frequencies` it also sees their sines and cosines
    (Fourier features, Tancik et al. 2020), `t_frequencies` those of t_bar; then `n_extra` numbers more.
    """

    def __init__(
        self,
        D: int,
        T: int,
        hidden: tuple[int, ...],
        activation: str,
        x_frequencies: tuple[float, ...],
        t_frequencies: tuple[float, ...],
        n_extra: int,
        n_out: int,
    ) -> None:
        super().__init__()
        x_frequencies, t_frequencies = ([float(f) for f in given] for given in (x_frequencies, t_frequencies))
        self.config = {
            "D": D,
            "T": T,
            "hidden": list(hidden),
            "activation": activation,
            "x_frequencies": x_frequencies,
            "t_frequencies": t_frequencies,
        }
        self.D, self.T = D, T
        self.x_frequencies, self.t_frequencies = tuple(x_frequencies), tuple(t_frequencies)
        n_features = D + 1 + 2 * D * len(x_frequencies) + 2 * len(t_frequencies)
        self.net = mlp([n_features + n_extra, *hidden, n_out], activation)

    def features(self, x: Tensor, t: Tensor) -> Tensor:
        """What the first layer sees of a point and its time, (B, D + 1) or, with Fourier features, wider."""
        check_points(x, self.D)
        check_dtype(self, x, "x_t")
        t_bar = normalised_time(t, self.T).to(x).expand(len(x))[:, None]
        parts = [x, t_bar]
        if self.x_frequencies:
            parts.append(sin_cos(x, self.x_frequencies))
        if self.t_frequencies:
            parts.append(sin_cos(t_bar, self.t_frequencies))
        return torch.cat(parts, dim=1)


class Denoiser(NoisyPointNetwork):
    """A noise predictor: eps_hat = denoiser(x_t, t), x_t (B, D), t integer in 0..T, scalar or (B,) -> (B, D).

    With `skip` the network's output is added to (t / T) x_t, a first guess that is right at t = T, where x_t is all
    noise. With `n_classes` it also answers for one class, denoiser(x_t, t, y): y is one label or one per row,
    0..n_classes-1, or -1 for no label, which is what leaving y out means. The label enters as a one-hot vector, no
    label as zeros. The defaults are the course project's own denoiser, four hidden layers of 256 on (x, y, t_bar);
    `Denoiser.fourier()` is the book's sharper and smaller one.
    """

    def __init__(
        self,
        D: int = 2,
        T: int = 500,
        hidden: tuple[int, ...] = (256, 256, 256, 256),
        activation: str = "relu",
        x_frequencies: tuple[float, ...] = (),
        t_frequencies: tuple[float, ...] = (),
        skip: bool = False,
        n_classes: int = 0,
    ) -> None:
        super().__init__(D, T, hidden, activation, x_frequencies, t_frequencies, n_classes, D)
        self.config |= {"skip": skip, "n_classes": n_classes}
        self.skip, self.n_classes = skip, n_classes

    @classmethod
    def fourier(
        cls,
        D: int = 2,
        T: int = 500,
        hidden: tuple[int, ...] = (128, 128, 128),
        activation: str = "relu",
        n_classes: int = 0,
    ) -> "Denoiser":
        """Three layers of 128 on Fourier features of position and time, with skip: 37 thousand weights, not 199."""
        return cls(D, T, hidden, activation, *FREQUENCIES, skip=True, n_classes=n_classes)

    def forward(self, x_t: Tensor, t: int | Tensor, y: int | Tensor | None = None) -> Tensor:
        check_label_wanted(y, self.n_classes)
        t = torch.as_tensor(t, device=x_t.device)
        inputs = self.features(x_t, t)
        if self.n_classes:
            inputs = torch.cat([inputs, one_hot(NO_LABEL if y is None else y, self.n_classes, x_t)], dim=1)
        eps_hat = self.net(inputs)
        return eps_hat + (t / self.T).to(x_t).expand(len(x_t))[:, None] * x_t if self.skip else eps_hat


class Classifier(NoisyPointNetwork):
    """A classifier of noisy points: logits = classifier(x_t, t), t integer in 0..T, scalar or (B,) -> (B, n_classes).

    The softmax of the logits is p(y | x_t). The defaults are the course project's own network, hidden layers of 100,
    200 and 500 on (x, y, t_bar).
    """

    def __init__(
        self,
        D: int = 2,
        T: int = 500,
        n_classes: int = 5,
        hidden: tuple[int, ...] = (100, 200, 500),
        activation: str = "relu",
        x_frequencies: tuple[float, ...] = (),
        t_frequencies: tuple[float, ...] = (),
    ) -> None:
        super().__init__(D, T, hidden, activation, x_frequencies, t_frequencies, 0, n_classes)
        self.config |= {"n_classes": n_classes}
        self.n_classes = n_classes

    def forward(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        return self.net(self.features(x_t, torch.as_tensor(t, device=x_t.device)))


def init(model_class: Any, *args: Any, generator: torch.Generator, **kwargs: Any) -> nn.Module:
    """Build a model whose initial weights come from `generator` alone; the global random state is left as it was."""
    with _GLOBAL_STATE, torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        return model_class(*args, **kwargs)


def check_points(x_t: Tensor, D: int) -> None:
    """Raise ValueError unless x_t has shape (B, D)."""
    if x_t.ndim != 2 or x_t.shape[1] != D:
        raise ValueError(f"x_t must have shape (B, {D}), got {tuple(x_t.shape)}")


def check_label_wanted(y: int | Tensor | None, n_classes: int) -> None:
    """Raise ValueError if there is a label y for a denoiser without classes."""
    if y is not None and not n_classes:
        raise ValueError("y was given, but this denoiser was built without classes: n_classes = 0")
