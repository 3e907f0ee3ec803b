"""Exact log-likelihood: how the density changes along the probability-flow equation, from N(0, I) to a point.

Along du / d noise_level = eps_hat, log p(u) changes by -div_u eps_hat: the change of variables of a continuous flow
(Song et al. 2021, arXiv:2011.13456, section 4.3 and appendix D.2).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from statesdiff.probability_flow import checked_times, evaluating, follow, is_whole, predict
from statesdiff.rng import randn
from statesdiff.samplers import NoisePredictor
from statesdiff.schedule import NoiseSchedule


def log_likelihood(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_t: Tensor,
    *,
    t: int = 1,
    steps: int | Sequence[int] = 200,
    order: int = 2,
    probes: int | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """log p_t(x_t) in nats, x_t (B, ...) -> (B,), of the model that starts from N(0, I) and follows the equation.

    The divergence is exact, by D backward passes a slope, or, with `probes`, Hutchinson's estimate from that many
    random directions (see `log_likelihood_and_error`). `steps` and `order` are as for `probability_flow.encode`. The
    predictor must be differentiable in x_t; jumps of its output, such as a guiding ReLU classifier makes, are not
    seen. The result carries no graph. Raises TypeError or ValueError for bad input, FloatingPointError if the way
    stops being finite.
    """
    return _estimates(predictor, schedule, x_t, t, steps, order, probes, generator).mean(dim=1).to(x_t)


def log_likelihood_and_error(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_t: Tensor,
    *,
    t: int = 1,
    steps: int | Sequence[int] = 200,
    order: int = 2,
    probes: int = 2,
    generator: torch.Generator | None = None,
) -> tuple[Tensor, Tensor]:
    """Hutchinson's estimate of log p_t(x_t) and its standard error, both (B,), from at least two directions a row.

    A direction v of signs, the same all the way, gives v . J v for the trace of a Jacobian J: right on average
    (Hutchinson 1989). With D or more of them the exact divergence costs no more. All else is as for `log_likelihood`.
    """
    if not is_whole(probes) or probes < 2:
        raise ValueError(f"an error needs at least 2 probes, got {probes!r}")
    found = _estimates(predictor, schedule, x_t, t, steps, order, probes, generator)
    return found.mean(dim=1).to(x_t), (found.std(dim=1) / probes**0.5).to(x_t)


def _estimates(
    predictor: NoisePredictor,
    schedule: NoiseSchedule,
    x_t: Tensor,
    t: int,
    steps: int | Sequence[int],
    order: int,
    probes: int | None,
    generator: torch.Generator | None,
) -> Tensor:
    """log p_t(x_t), one column for each direction or a single exact one, (B, P), float64."""
    times = checked_times(predictor, schedule, x_t, t, steps, order)
    if probes is not None and not (is_whole(probes) and probes >= 1):
        raise ValueError(f"probes must be None or a whole number >= 1, got {probes!r}")
    B, D, root = len(x_t), x_t[0].numel(), schedule.alpha_bar.sqrt().to(x_t.device)

    def slope(y: Tensor, time: int) -> Tensor:
        x = (root[time] * y[:, :D]).to(x_t.dtype).reshape(x_t.shape).requires_grad_()
        eps_hat = predict(predictor, x, time)
        return torch.cat([eps_hat.detach().reshape(B, D), root[time] * _traces(eps_hat, x, signs)], dim=1)

    with torch.inference_mode(False), torch.enable_grad(), evaluating(predictor):
        signs = None
        if probes is not None:
            signs = randn(probes, *x_t.shape, generator=generator, device=x_t.device).sign().to(x_t.dtype)
        start = x_t.detach().clone().double().reshape(B, D) / root[t]
        y = follow(slope, schedule, torch.cat([start, start.new_zeros(B, probes or 1)], dim=1), times, order)
    x_T = root[-1] * y[:, :D]
    prior = -0.5 * x_T.square().sum(dim=1, keepdim=True) - 0.5 * D * math.log(2 * math.pi)
    return prior + y[:, D:] + D * (root[-1] / root[t]).log()


def _traces(eps_hat: Tensor, x: Tensor, signs: Tensor | None) -> Tensor:
    """The divergence of eps_hat with respect to x, (B, 1), or one estimate for each direction, (B, P); float64."""
    if not eps_hat.requires_grad:
        raise ValueError("the predictor's output has no gradient with respect to x_t: does it detach, or use no_grad?")
    if signs is None:
        flat, trace = eps_hat.flatten(1), 0.0
        for k, column in enumerate(flat.unbind(1)):
            trace = trace + torch.autograd.grad(column.sum(), x, retain_graph=True)[0].flatten(1)[:, k].double()
        return trace[:, None]
    products = [(v * torch.autograd.grad(eps_hat, x, v, retain_graph=True)[0]).flatten(1) for v in signs]
    return torch.stack([product.double().sum(dim=1) for product in products], dim=1)
