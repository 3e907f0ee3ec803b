"""The networks: a plain multilayer perceptron, what goes into it, and the denoiser and the classifier made of both."""

import threading
from typing import Any

import torch
from torch import Tensor, nn

from statesdiff.schedule import labels_of, normalised_time

ACTIVATIONS = {"relu": nn.ReLU, "silu": nn.SiLU}
FREQUENCIES = ((1.0, 2.0, 4.0, 8.0), (1.0, 2.0, 4.0, 8.0))  # of position and of time, in the book's Fourier networks
_GLOBAL_STATE = threading.Lock()  # PyTorch's layers draw from one random state, which all threads share


def mlp(sizes: list[int], activation: str = "relu") -> nn.Sequential:
    """Linear layers of the given sizes with an activation ("relu" or "silu") between them; (B, sizes[0]) -> (B, sizes[-1]).

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
        if x.ndim != 2 or x.shape[1] != self.D:
            raise ValueError(f"x_t must have shape (B, {self.D}), got {tuple(x.shape)}")
        t_bar = normalised_time(t, self.T).to(x).expand(len(x))[:, None]
        parts = [x, t_bar]
        if self.x_frequencies:
            parts.append(sin_cos(x, self.x_frequencies))
        if self.t_frequencies:
            parts.append(sin_cos(t_bar, self.t_frequencies))
        return torch.cat(parts, dim=1)


class Denoiser(NoisyPointNetwork):
    """A noise predictor: eps_hat = denoiser(x_t, t), x_t (B, D), t integer in 0..T, scalar or (B,) -> (B, D).

    With `skip` the network's output is added to (t / T) x_t, a first guess that is right at t = T, where x_t is all noise.
    With `n_classes` it also answers for one class, denoiser(x_t, t, y): y is one label or one per row, 0..n_classes-1, or
    -1 for no label, which is what leaving y out means. The label enters as a one-hot vector, no label as zeros.
    The defaults are the course project's own denoiser, four hidden layers of 256 on (x, y, t_bar); `Denoiser.fourier()` is
    the book's sharper and smaller one.
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
    def fourier(cls, D: int = 2, T: int = 500, n_classes: int = 0) -> "Denoiser":
        """Three hidden layers of 128 on Fourier features of position and time, with skip: 38 thousand weights, not 199."""
        return cls(D, T, (128, 128, 128), "relu", *FREQUENCIES, skip=True, n_classes=n_classes)

    def forward(self, x_t: Tensor, t: int | Tensor, y: int | Tensor | None = None) -> Tensor:
        eps_hat = self.net(self.inputs(x_t, t, y))
        return eps_hat + self.first_guess(x_t, t) if self.skip else eps_hat

    def inputs(self, x_t: Tensor, t: int | Tensor, y: int | Tensor | None = None) -> Tensor:
        """All that the first layer sees, the label included, (B, inputs of the first layer)."""
        if y is not None and not self.n_classes:
            raise ValueError("y was given, but this denoiser was built without classes: n_classes = 0")
        features = self.features(x_t, torch.as_tensor(t, device=x_t.device))
        return torch.cat([features, self.label(-1 if y is None else y, x_t)], dim=1) if self.n_classes else features

    def label(self, y: int | Tensor, x_t: Tensor) -> Tensor:
        """How the labels enter, (B, n_classes): one-hot, no label (-1) as zeros."""
        return one_hot(y, self.n_classes, x_t)

    def first_guess(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """(t / T) x_t, what the network's output is added to if there is a skip connection, (B, D)."""
        return (torch.as_tensor(t, device=x_t.device) / self.T).to(x_t).expand(len(x_t))[:, None] * x_t


class SinusoidalDenoiser(Denoiser):
    """The toy-set homework's noise predictor, for its tables: x_t beside 16 sines and cosines of t, without t_bar.

    t enters as in the Transformer, sin(t / 10000^(i/7)) and cos for i = 0..7 (Vaswani et al. 2017, section 3.5), and so
    does the label, no label as zeros. A linear layer of `project` units without activation comes first (0: none), then
    `hidden` layers with it. Called as a `Denoiser` is; x_t (B, D), t in 0..T -> (B, D).
    """

    def __init__(
        self,
        D: int = 2,
        T: int = 200,
        hidden: tuple[int, ...] = (128,) * 5,
        activation: str = "relu",
        n_classes: int = 0,
        project: int = 128,
    ) -> None:
        nn.Module.__init__(self)
        self.D, self.T, self.skip, self.n_classes = D, T, False, n_classes
        self.config = {"D": D, "T": T, "hidden": list(hidden), "activation": activation}
        self.config |= {"n_classes": n_classes, "project": project}
        n_in = D + (32 if n_classes else 16)
        first = [nn.Linear(n_in, project)] if project else []
        self.net = nn.Sequential(*first, *mlp([project or n_in, *hidden, D], activation))

    def features(self, x: Tensor, t: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.D:
            raise ValueError(f"x_t must have shape (B, {self.D}), got {tuple(x.shape)}")
        return torch.cat([x, sinusoids(t, x)], dim=1)

    def label(self, y: int | Tensor, x_t: Tensor) -> Tensor:
        labels = labels_of(y, len(x_t), self.n_classes, lowest=-1).to(x_t.device)
        return sinusoids(labels, x_t) * (labels >= 0)[:, None].to(x_t)


def sinusoids(v: Tensor, x: Tensor) -> Tensor:
    """sin and cos of v / 10000^(i/7), i = 0..7: v a number, one or one a row of x (B, ...) -> (B, 16) in x's dtype."""
    frequencies = tuple(10_000 ** (-i / 7) for i in range(8))
    return sin_cos(v.to(x).expand(len(x))[:, None], frequencies)


class Classifier(NoisyPointNetwork):
    """A classifier of noisy points: logits = classifier(x_t, t), t integer in 0..T, scalar or (B,) -> (B, n_classes).

    The softmax of the logits is p(y | x_t). The defaults are the course project's own network, hidden layers of 100, 200
    and 500 on (x, y, t_bar).
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


def one_hot(y: int | Tensor, n_classes: int, x: Tensor) -> Tensor:
    """Labels y, one or one a row, as rows (B, n_classes) of zeros with a 1 at the label, in x's dtype; -1 is all zeros.

    Raises as `labels_of` does unless y holds labels -1..n_classes-1, one or one for each row of x (B, ...).
    """
    labels = labels_of(y, len(x), n_classes, lowest=-1).to(x.device)
    return (labels[:, None] == torch.arange(n_classes, device=x.device)).to(x)


def init(model_class: Any, *args: Any, generator: torch.Generator, **kwargs: Any) -> nn.Module:
    """Build a model whose initial weights come from `generator` alone; the global random state is left as it was."""
    with _GLOBAL_STATE, torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(torch.randint(2**31, (), generator=generator)))
        return model_class(*args, **kwargs)
