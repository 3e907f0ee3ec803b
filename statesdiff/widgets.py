"""Moving pictures: sliders for a live kernel, and a player that also works in the static book."""

import base64
import hashlib
import html
import io
import json
from collections.abc import Callable, Sequence
from numbers import Real
from pathlib import Path

import ipywidgets
import numpy as np
import torch
from IPython.display import HTML
from matplotlib.figure import Figure
from torch import Tensor

from statesdiff.plotting import INK, LIMIT, STATE_COLOURS, scatter

PLAYER = Path(__file__).with_name("web") / "player.js"


def explore(f: Callable, **sliders: tuple | list) -> ipywidgets.Widget:
    """Call f again whenever a slider moves. name=(low, high) or (low, high, step) makes a slider, name=[...] a menu.

    Whole numbers give whole steps. A slider starts in the middle and acts when it is let go, so that f may take a
    while. Raises ValueError for a range that is empty or a menu without entries.
    """
    return ipywidgets.interactive(f, **{name: _control(name, spec) for name, spec in sliders.items()})


def _control(name: str, spec: tuple | list) -> ipywidgets.Widget:
    if isinstance(spec, list) and spec:
        return ipywidgets.Dropdown(options=spec, description=name)
    numbers = isinstance(spec, tuple) and len(spec) in (2, 3) and all(isinstance(v, Real) for v in spec)
    if not numbers or not spec[0] < spec[1] or not all(step > 0 for step in spec[2:]):
        raise ValueError(f"slider {name!r} needs (low, high), (low, high, step) or a list of options, got {spec!r}")
    low, high = spec[:2]
    whole = all(isinstance(v, int) for v in spec)
    step = spec[2] if len(spec) == 3 else (1 if whole else (high - low) / 100)
    middle = low + round((high - low) / 2 / step) * step
    make = ipywidgets.IntSlider if whole else ipywidgets.FloatSlider
    return make(middle, min=low, max=high, step=step, description=name, continuous_update=False)


def player(
    frames: Sequence[Tensor], labels: Sequence[str], y: Tensor | None = None, *, alt: str, limit: float = LIMIT
) -> HTML:
    """An animation of points with a play button and a slider, which needs no kernel: it plays in the static book too.

    frames: sets of n points (n, 2), one label each; y (n,) colours them by state, with a legend below. `alt` says what
    moves, for readers who do not see it. Where scripts are stripped, a picture of the last frame stands instead. Raises
    ValueError for frames of unequal size or a number of labels that differs from the number of frames.
    """
    if len({tuple(f.shape) for f in frames}) != 1 or len(frames) != len(labels):
        raise ValueError(
            f"player needs frames of one shape and a label each, got {len(frames)} frames, {len(labels)} labels"
        )
    points = torch.stack(list(frames)).detach().clamp(-limit, limit).numpy() / limit
    props = {
        "frames": base64.b64encode(np.round(points * 32767).astype("<i2").tobytes()).decode(),
        "labels": list(labels),
        "palette": [INK] if y is None else list(STATE_COLOURS.values()),
        "names": [] if y is None else list(STATE_COLOURS),
        "colours": [0] * len(frames[0]) if y is None else y.tolist(),
        "n": len(frames[0]),
        "alt": alt,
    }
    return HTML(_page(_script_safe(props), _poster(frames[-1], y, limit), alt))


def _script_safe(value: object) -> str:
    return json.dumps(value).replace("</", "<\\/").replace("<!--", "<\\!--")


def _page(props: str, poster: str, alt: str) -> str:
    source = _script_safe(PLAYER.read_text(encoding="utf-8"))
    name = "statesdiff-" + hashlib.sha256((props + source).encode()).hexdigest()[:12]
    return (
        f'<div id="{name}"><img alt="{html.escape(alt)}" src="data:image/png;base64,{poster}"></div>\n'
        f"<script>(async () => {{\n"
        f'const el = document.getElementById("{name}");\n'
        f'const url = URL.createObjectURL(new Blob([{source}], {{type: "text/javascript"}}));\n'
        f"(await import(url)).mount(el, {props});\n"
        f"}})();</script>"
    )


def _poster(x: Tensor, y: Tensor | None, limit: float) -> str:
    figure = Figure(figsize=(3.8, 3.8), dpi=80, layout="none")
    ax = figure.add_axes([0, 0, 1, 1])
    scatter(x, y, ax, limit=limit).set_axis_off()
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return base64.b64encode(buffer.getvalue()).decode()
