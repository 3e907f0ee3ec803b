"""From one garment to another: noise that an image comes from, and ways between two of them."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import Tensor

from statesdiff.samplers import NoisePredictor, ddim, ddim_times, last
from statesdiff.schedule import NoiseSchedule

STEPS, FRAMES, CORRECTIONS = 20, 11, 2
MIDDLE = 600  # of 1,000: a time at which the cut of a garment can still be seen, and its details cannot


def times_down(schedule: NoiseSchedule, start: int | None = None, steps: int = STEPS) -> list[int]:
    """Falling times for there and back: T, then `steps` - 1 times from 0.99 T to 1, even in the log SNR, then 0.

    With `start`, it and those below it alone. The grids of `statesdiff.grids` are made for the way down and lead astray
    on the way up: "eased" takes high noise in long steps, where going back is hardest, and "logsnr" gives half its
    steps to the last hundredth of a cosine schedule.
    """
    inside = schedule.log_snr[1 : round(0.99 * schedule.T) + 1]
    wanted = torch.linspace(float(inside[0]), float(inside[-1]), steps - 1, dtype=torch.float64)
    nearest = (inside[None] - wanted[:, None]).abs().argmin(1) + 1
    times = sorted({0, schedule.T, *nearest.tolist()}, reverse=True)
    return times if start is None else [start, *(t for t in times if t < start)]


@torch.no_grad()
def invert(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_0: Tensor,
    times: Sequence[int],
    *,
    corrections: int = CORRECTIONS,
) -> Tensor:
    """The x_t at times[0] from which DDIM through these falling times comes to x_0 (B, ...).

    A step from s up to t wants the noise that the predictor sees in x_t, which is what we look for. DDIM's own way
    back (arXiv:2010.02502, section 4.3) takes what it sees in x_s, at s = 0 at time 1; each of the `corrections` takes
    what it sees in the x_t found so far. They cost an evaluation each. Raises ValueError as `ddim_times` does.
    """
    rising, x = ddim_times(schedule.T, times)[::-1], x_0
    for s, t in zip(rising, rising[1:], strict=False):
        eps_hat = predictor(x, torch.tensor(max(s, 1), device=x.device))
        for _ in range(corrections):
            x_t = schedule.q_sample(schedule.predict_x_0(x, s, eps_hat), t, eps_hat)
            eps_hat = predictor(x_t, torch.tensor(t, device=x.device))
        x = schedule.q_sample(schedule.predict_x_0(x, s, eps_hat), t, eps_hat)
    return x


def straight(a: Tensor, b: Tensor, n: int = FRAMES) -> Tensor:
    """n points on the line from a to b, each (1, ...), ends included -> (n, ...)."""
    return torch.cat([(1 - w) * a + w * b for w in torch.linspace(0, 1, n).tolist()])


def spherical(a: Tensor, b: Tensor, n: int = FRAMES) -> Tensor:
    """n points on the arc from a to b, each (1, ...), as seen from 0 -> (n, ...) (Shoemake 1985).

    (sin((1 - w) h) a + sin(w h) b) / sin h, where h is the angle between them. Raises ValueError for opposite ends.
    """
    cosine = float(torch.cosine_similarity(a.flatten().double(), b.flatten().double(), dim=0).clamp(-1, 1))
    angle = math.acos(cosine)
    if math.pi - angle < 1e-6:
        raise ValueError("between opposite points there is no one arc")
    if angle < 1e-6:
        return straight(a, b, n)
    shares = [(math.sin((1 - w) * angle), math.sin(w * angle)) for w in torch.linspace(0, 1, n).tolist()]
    return torch.cat([(p * a + q * b) / math.sin(angle) for p, q in shares])


def ways(
    net: Callable[..., Tensor], schedule: NoiseSchedule, a: Tensor, b: Tensor, labels: tuple[int, int]
) -> dict[str, Tensor]:
    """FRAMES images from image a to image b, (1, 1, 28, 28) each, by every way that chapter 16 compares.

    "pixels" mixes the images; "straight" and "spherical" go between their latents, which are decoded without a label;
    "middle" between both at time MIDDLE; "labels" starts from the one latent of a and mixes what the network predicts
    for the two labels, so that its last frame is not b, but a's counterpart among b's kind.
    """
    up, part = times_down(schedule), times_down(schedule, MIDDLE)
    z_a, z_b = invert(net, schedule, torch.cat([a, b]), up).split(1)
    m_a, m_b = invert(net, schedule, torch.cat([a, b]), part).split(1)
    told = invert(partial(net, y=labels[0]), schedule, a, up).expand(FRAMES, *a.shape[1:])
    label_mix = mixed(net, *labels, torch.linspace(0, 1, FRAMES))
    return {
        "pixels": straight(a, b),
        "straight": last(ddim(net, schedule, straight(z_a, z_b), steps=up)),
        "spherical": last(ddim(net, schedule, spherical(z_a, z_b), steps=up)),
        "middle": last(ddim(net, schedule, straight(m_a, m_b), steps=part)),
        "labels": last(ddim(label_mix, schedule, told, steps=up)),
    }


def mixed(net: Callable[..., Tensor], first: int, second: int, w: Tensor) -> NoisePredictor:
    """The noise predicted for two labels, (1 - w) of the first and w of the second, w (B,) one share an image."""

    def predictor(x_t: Tensor, t: Tensor) -> Tensor:
        share = w.to(x_t).reshape(-1, 1, 1, 1)
        return (1 - share) * net(x_t, t, first) + share * net(x_t, t, second)

    return predictor
