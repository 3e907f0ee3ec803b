"""Figures: small helpers that take `ax=None` and return the axes; colours are safe for colour-blind readers."""

import sys
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from torch import Tensor

from statesdiff.data import STATE_NAMES, outlines
from statesdiff.intervals import interval

# Okabe and Ito's palette (2008): one fixed colour for each state
STATE_COLOURS = dict(zip(STATE_NAMES, ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7"), strict=True))
GREY, INK = "#8a8f98", "#1b1e23"
LIMIT = 2.6  # half the side of the usual window, standardised units


def style() -> None:
    """The book's plot style: quiet axes, readable on a phone, sharp on a good screen."""
    plt.rcParams.update(
        {
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "figure.figsize": (6.4, 4.0),
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.edgecolor": GREY,
            "axes.prop_cycle": plt.cycler(color=list(STATE_COLOURS.values())),
            "legend.frameon": False,
            "lines.linewidth": 1.8,
            "image.cmap": "cividis",
        }
    )
    _sharpen()


def _sharpen() -> None:
    """In a notebook, draw two pixels to a point; the size stored with a figure shows it as large as before."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is not None and "inline" in plt.get_backend():
        from matplotlib_inline.config import InlineBackend  # only a kernel is sure to have it

        InlineBackend.instance(parent=shell).figure_formats = {"retina"}


def _square(ax: Axes | None, title: str, limit: float) -> Axes:
    ax = ax if ax is not None else plt.subplots(figsize=(4.6, 4.6))[1]
    ax.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal", title=title)
    return ax


def scatter(
    x: Tensor,
    y: Tensor | None = None,
    ax: Axes | None = None,
    *,
    title: str = "",
    limit: float = LIMIT,
    size: float = 2.0,
) -> Axes:
    """Points x (N, 2) on equal axes, in the colours of their states if labels y (N,) are given, in grey if not."""
    ax = _square(ax, title, limit)
    colours = INK if y is None else np.array(list(STATE_COLOURS.values()))[np.asarray(y)]
    ax.scatter(*x.detach().T, s=size, c=colours, linewidths=0, alpha=0.75, rasterized=True)
    return ax


def snapshots(
    sets: Sequence[Tensor], titles: Sequence[str], y: Tensor | None = None, *, columns: int = 4, limit: float = LIMIT
) -> np.ndarray:
    """A grid of small scatter plots, one for each set of points; returns the axes, (rows, columns).

    Of sets above 2,500 points only every second, third, ... is drawn: the panels are small, and so should the files be.
    """
    rows = -(-len(sets) // columns)
    _, axes = plt.subplots(rows, columns, figsize=(2.3 * columns, 2.45 * rows), squeeze=False)
    for ax in axes.flat:
        ax.set_axis_off()
    for ax, x, title in zip(axes.flat, sets, titles, strict=False):
        every = slice(None, None, -(-len(x) // 2500))
        scatter(x[every], None if y is None else y[every], ax, title=title, limit=limit, size=1.6)
    return axes


def state_legend(figure: Figure | None = None) -> Legend:
    """The states' names beside dots in their colours, below the axes of a figure (left out: the current one)."""
    figure = plt.gcf() if figure is None else figure
    look = {"marker": "o", "linestyle": "", "markersize": 5, "markeredgewidth": 0, "alpha": 0.75}
    dots = [Line2D([], [], color=c, label=name, **look) for name, c in STATE_COLOURS.items()]
    columns = 5 if figure.get_figwidth() > 5.5 else 3
    spacing = {"handletextpad": 0.1, "columnspacing": 1.2}
    # no darker: black letters among points of many hues would cost the stored figure its palette of 256 colours
    return figure.legend(handles=dots, loc="outside lower center", ncols=columns, labelcolor="#5b6069", **spacing)


def outline(ax: Axes | None = None, *, colour: str = GREY, width: float = 1.0, limit: float = LIMIT) -> Axes:
    """The true curves, from which the data were drawn."""
    ax = _square(ax, "", limit) if ax is None else ax
    for rings in outlines():
        for ring in rings:
            ax.plot(*ring.T, color=colour, linewidth=width, zorder=0)
    return ax


def lattice(n: int, limit: float = LIMIT) -> Tensor:
    """The n x n points of a regular grid over the window, (n * n, 2), row by row from the lower left."""
    side = torch.linspace(-limit, limit, n)
    return torch.cartesian_prod(side, side).flip(1)


def heatmap(
    f: Callable[[Tensor], Tensor], ax: Axes | None = None, *, title: str = "", n: int = 160, limit: float = LIMIT
) -> Axes:
    """The function f, (n, 2) -> (n,), as an image over the window."""
    ax = _square(ax, title, limit)
    values = torch.as_tensor(f(lattice(n, limit))).detach().reshape(n, n)
    ax.imshow(values.numpy(), origin="lower", extent=(-limit, limit, -limit, limit))
    return ax


def arrows(
    x: Tensor, v: Tensor, ax: Axes | None = None, *, title: str = "", limit: float = LIMIT, longest: float = 0.3
) -> Axes:
    """The direction of a vector field v (N, 2) at points x (N, 2), lengths compressed below `longest`, units of x."""
    ax = _square(ax, title, limit)
    length = v.norm(dim=1, keepdim=True)
    v = longest * v / (length + length.median()).clamp(min=1e-12)
    ax.quiver(*x.T, *v.T, angles="xy", scale_units="xy", scale=1, width=0.005, color=INK, alpha=0.8)
    return ax


def trajectories(
    path: Sequence[Tensor], y: Tensor | None = None, ax: Axes | None = None, *, title: str = "", n: int = 40
) -> Axes:
    """The ways of the first n points through a sampler's path, from grey dots (x_T) to crosses (x_0)."""
    ax = _square(ax, title, 3.2)
    ways = torch.stack([x[:n] for x in path])  # (steps, n, 2)
    colours = [INK] * ways.shape[1] if y is None else np.array(list(STATE_COLOURS.values()))[np.asarray(y[:n])]
    for way, colour in zip(ways.unbind(1), colours, strict=True):
        ax.plot(*way.T, color=colour, linewidth=0.7, alpha=0.7)
    ax.scatter(*ways[0].T, s=12, color=GREY, zorder=3)
    ax.scatter(*ways[-1].T, s=28, c=list(colours), marker="X", linewidths=0, zorder=4)
    return ax


def class_map(
    log_posterior: Callable[[Tensor], Tensor],
    ax: Axes | None = None,
    *,
    title: str = "",
    n: int = 160,
    limit: float = LIMIT,
) -> Axes:
    """A map of class probabilities: log_posterior, (n, 2) -> (n, 5) in nats or logits, each point in the mixed colours.

    Where one class is certain the colour is that of the state, where several are possible it is their blend.
    """
    ax = _square(ax, title, limit)
    palette = torch.tensor([to_rgb(colour) for colour in STATE_COLOURS.values()])
    p = torch.as_tensor(log_posterior(lattice(n, limit))).detach().softmax(dim=1)
    image = (p @ palette.to(p)).reshape(n, n, 3)
    ax.imshow(image.numpy(), origin="lower", extent=(-limit, limit, -limit, limit))
    return ax


def intervals(
    ax: Axes,
    groups: Mapping[str, Mapping[float, Sequence[float]]],
    *,
    level: float = 0.95,
    lines: Sequence[str] = ("o-", "s--", "^:", "D-."),
) -> Axes:
    """A line for each group, {label: {x: repeats}}: the mean over the repeats and its interval at each x.

    Markers and line styles differ too, for eyes and printers without colours. Raises ValueError for fewer than two
    repeats anywhere, as `interval` does.
    """
    for i, (label, repeats) in enumerate(groups.items()):
        means, half_widths, _ = zip(*(interval(list(values), level) for values in repeats.values()), strict=True)
        style = {"markersize": 5, "capsize": 3, "linewidth": 1.5}
        ax.errorbar(list(repeats), means, half_widths, fmt=lines[i % len(lines)], label=label, **style)
    return ax
