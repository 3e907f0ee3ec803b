"""Self-checks of chapter 7: labels that are dropped, and guidance without a classifier."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.check.verdict import Verdict, attempt, first_failing, judge, numbers, rule_out, wrong_shape
from statesdiff.rng import stream


def drop_labels(f: Callable[..., Tensor]) -> Verdict:
    """f(y (B,), p_uncond, generator) -> y with about a share p_uncond of the labels replaced by -1, "no label"."""
    y, p_uncond = torch.randint(5, (4000,), generator=stream("check")), 0.3
    g, elsewhere = stream("check", 1), torch.get_rng_state()
    start = g.get_state()
    tried, verdict = attempt(f, y, p_uncond, g)
    if verdict:
        return verdict
    labels, verdict = numbers(tried.got, dtype=None)
    if verdict:
        return verdict

    def randomness() -> Verdict | None:
        unused = torch.equal(g.get_state(), start) or not torch.equal(torch.get_rng_state(), elsewhere)
        again = numbers(attempt(f, y, p_uncond, stream("check", 1))[0].got, dtype=None)[0]
        return rule_out(
            {
                "the caller's y was changed in place: work on a copy, y.clone(), or use torch.where": bool(
                    tried.overwritten()
                ),
                "the generator was not used: pass generator=generator to torch.rand": unused,
                "two calls with equal generators differ: draw from the generator alone": not again.equal(labels),
            }
        )

    return first_failing(
        "one network will learn both, with the label and without",
        lambda: wrong_shape(labels, y),
        lambda: rule_out(_wrong_labels(labels, y, p_uncond)),
        randomness,
    )


def _wrong_labels(labels: Tensor, y: Tensor, p_uncond: float) -> dict[str, bool | Tensor]:
    changed, dropped = labels != y, labels == -1
    share, new = float(dropped.double().mean()), labels[changed].unique()
    one_number = len(new) == 1 and new != -1
    below_p = (1 + math.erf(p_uncond / math.sqrt(2))) / 2  # how often a standard normal number is
    return {
        "this is the mask of the labels to drop: now put -1 there": labels.dtype == torch.bool,
        "labels are whole numbers, and 'no label' is -1, not NaN: yours are no longer integers": (
            labels.is_floating_point()
        ),
        "0 is Michigan's label: 'no label' is -1": one_number and new == 0,
        "'no label' is -1: you put another number": one_number,
        "all labels are dropped, or none: draw one random number for each label, not one for the batch": (
            bool(dropped.all()) or not changed.any()
        ),
        "the labels that are kept must stay as they are": (changed & ~dropped).any(),
        "the share is inverted: p_uncond is the share to drop, not to keep": abs(share - (1 - p_uncond)) < 0.03,
        "is it torch.randn? Only torch.rand, uniform on 0 to 1, is below p with probability p": (
            abs(share - below_p) < 0.03
        ),
        "the share of dropped labels should be about p_uncond": abs(share - p_uncond) > 0.03,
    }


def classifier_free(f: Callable[[Tensor, Tensor, float], Tensor]) -> Verdict:
    """f(eps_uncond (B, D), eps_cond (B, D), scale) -> the guided noise: scale 0 unconditional, scale 1 conditional."""
    g, scale = stream("check"), 2.5
    u, c = torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g)
    wrong = {
        "this is the convention of w, (1 + w) eps_cond - w eps_uncond: here scale = 1 + w": (1 + scale) * c - scale * u,
        "the two are swapped: start at eps_uncond and go towards eps_cond": c + scale * (u - c),
        "the scale is forgotten: this is eps_cond": c,
        "this is eps_cond alone, stretched: only its difference from eps_uncond is": scale * c,
        "this is a sum of both: scale the difference eps_cond - eps_uncond": [u + c, u + scale * c, scale * (u + c)],
        "this is the average of both: scale goes from one to the other and beyond": (u + c) / 2,
        "the sign of the difference is wrong: it should lead from eps_uncond to eps_cond": u - scale * (c - u),
        "this is the difference alone: add it to eps_uncond": scale * (c - u),
    }
    praise = "from the unconditional noise towards the conditional one, and beyond"
    return judge(f, (u, c, scale), u + scale * (c - u), wrong, praise)


def implied_gradient(f: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Verdict:
    """f(eps_cond (B, D), eps_uncond (B, D), alpha_bar_t scalar) -> the grad log p(y | x_t) that they imply, (B, D)."""
    g, ab = stream("check"), torch.tensor(0.3)
    c, u, noise = torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g), (1 - ab).sqrt()
    wrong = {
        "the sign is wrong: a score is MINUS the noise, divided by sqrt(1 - alpha_bar_t)": (c - u) / noise,
        "a square root is missing: divide by sqrt(1 - alpha_bar_t)": (u - c) / (1 - ab),
        "you multiplied by sqrt(1 - alpha_bar_t): divide by it": (u - c) * noise,
        "this is sqrt(alpha_bar_t): divide by sqrt(1 - alpha_bar_t)": (u - c) / ab.sqrt(),
        "this is a difference of noises: divide by sqrt(1 - alpha_bar_t) to make it one of scores": u - c,
        "this is one score alone: grad log p(y | x_t) is a difference of two": [-c / noise, -u / noise],
    }
    praise = "Bayes' rule, differentiated: the difference of two scores"
    return judge(f, (c, u, ab), (u - c) / noise, wrong, praise)
