"""Guidance: noise predictors made of predictors, so that every sampler draws from one class without being changed.

The strength is called `scale` in both, and counts in the same way: 0 is unconditional, 1 is Bayes' rule, above 1
exaggerates. Papers that write (1 + w) eps(x, t, y) - w eps(x, t) have w = scale - 1 (Ho & Salimans 2022, eq. 6).
"""

from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.labels import labels_of
from statesdiff.samplers import NoisePredictor
from statesdiff.schedule import NoiseSchedule, check_T, per_sample


def log_prob_gradient(
    classifier: Callable[[Tensor, Tensor], Tensor],
    x_t: Tensor,
    t: int | Tensor,
    y: int | Tensor,
    *,
    create_graph: bool = False,
) -> Tensor:
    """The gradient of log p_phi(y | x_t) with respect to x_t, by automatic differentiation; (B, D).

    classifier(x_t, t) -> logits (B, K), x_t (B, D), t and y scalar or (B,). The graph is freed before this returns;
    with `create_graph`, x_t asking for gradients, the result can be differentiated again, as a divergence needs.
    Works under torch.no_grad, where the samplers run, but not under torch.inference_mode, which allows no graph
    (RuntimeError). Raises as `labels_of` does unless y holds labels 0..K-1, one or one a row.
    """
    with torch.enable_grad():
        x = x_t if create_graph else x_t.detach().requires_grad_()
        log_p = classifier(x, t).log_softmax(dim=1)
        labels = labels_of(y, *log_p.shape).to(x.device)
        chosen = log_p.gather(1, labels[:, None])
        # rows do not mix, so the sum gives each row its own gradient
        return torch.autograd.grad(chosen.sum(), x, create_graph=create_graph)[0]


class ClassifierGuidance:
    """A noise predictor for class y: eps_hat - scale sqrt(1 - alpha_bar_t) grad log p_phi(y | x_t).

    Dhariwal & Nichol 2021, algorithm 2 (arXiv:2105.05233). predictor(x_t, t) -> eps_hat (B, D), unconditional;
    classifier(x_t, t) -> logits (B, K); y one label or one a sample. scale multiplies the gradient: 0 leaves the
    predictor as it is, bit for bit, 1 is Bayes' rule. In the convention of w, scale = 1 + w; on a predictor that is
    conditional already, scale counts like w.
    Raises ValueError if the two were built for another T than the schedule, or for a scale that is not finite.
    """

    def __init__(
        self,
        predictor: NoisePredictor,
        classifier: Callable[[Tensor, Tensor], Tensor],
        schedule: NoiseSchedule,
        y: int | Tensor,
        scale: float = 1.0,
    ) -> None:
        check_T(predictor, schedule, "predictor")
        check_T(classifier, schedule, "classifier")
        self.predictor, self.classifier, self.schedule, self.T = predictor, classifier, schedule, schedule.T
        self.y, self.scale = y, _finite(scale)

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        again = torch.is_grad_enabled() and x_t.requires_grad  # who differentiates the predictor means all of it
        gradient = log_prob_gradient(self.classifier, x_t, t, self.y, create_graph=again)
        noise = (1 - per_sample(self.schedule.alpha_bar, t, x_t.double())).sqrt().to(x_t)
        return self.predictor(x_t, t) - self.scale * noise * gradient


class ClassifierFreeGuidance:
    """A noise predictor for class y: (1 - scale) eps(x_t, t) + scale eps(x_t, t, y) (arXiv:2207.12598).

    That is eps_uncond + scale (eps_cond - eps_uncond), written so that scale 0 and 1 are exact: unconditional and
    conditional, bit for bit. In the paper's convention, (1 + w) eps_cond - w eps_uncond, scale = 1 + w.
    conditional_predictor(x_t, t) and (x_t, t, y) -> eps_hat (B, D); y one label or one a sample.
    Raises ValueError for a scale that is not finite.
    """

    def __init__(self, conditional_predictor: Callable[..., Tensor], y: int | Tensor, scale: float = 1.0) -> None:
        self.predictor, self.y, self.scale = conditional_predictor, y, _finite(scale)
        if hasattr(conditional_predictor, "T"):
            self.T = conditional_predictor.T

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        eps_uncond = self.predictor(x_t, t)
        eps_cond = self.predictor(x_t, t, self.y)
        return (1 - self.scale) * eps_uncond + self.scale * eps_cond


def _finite(scale: float) -> float:
    if not -float("inf") < scale < float("inf"):
        raise ValueError(f"scale must be a finite number, got {scale}")
    return float(scale)
