"""Self-checks of chapter 6: the classifier's gradient, the noise that it guides, Gaussians on paper, spoilt lines."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.verdict import Verdict, attempt, compare, first_failing, judge, manners, rule_out
from statesdiff.models import Classifier, init
from statesdiff.rng import stream

TOUCHED = "your function left a gradient on the caller's x_t: work on a copy, x_t.detach().requires_grad_()"
LOST = "your function returned None: backward() leaves the gradient in the .grad of the tensor; return that"


@torch.enable_grad()
def class_gradient(f: Callable[..., Tensor]) -> Verdict:
    """f(classifier, x_t (B, D), t (B,) or scalar, y int) -> grad log p(y | x_t) with respect to x_t, (B, D)."""
    classifier, g = _small_classifier(), stream("check")
    x_t, t = torch.randn(30, 2, generator=g), torch.randint(1, 101, (30,), generator=g)
    now = torch.tensor(40)  # a sampler passes one time for all

    def one_time_for_all() -> Verdict:
        return _judge_gradient(f, classifier, x_t, now)

    all_times, left_off = _judge_gradient(f, classifier, x_t, t), not torch.is_grad_enabled()
    verdict = first_failing(
        "the direction in which class y becomes more probable",
        lambda: all_times,
        one_time_for_all,
        lambda: _inside_a_sampler(one_time_for_all, left_off),
    )
    if verdict.passed and _has_gradients(classifier):
        left = "backward() also left gradients in the network's weights, torch.autograd.grad leaves them alone"
        return Verdict(True, f"{verdict.message}; {left}")
    return verdict


def _inside_a_sampler(check: Callable[[], Verdict], left_off: bool) -> Verdict | None:
    with torch.no_grad():
        inside, left_on = check(), torch.is_grad_enabled()
    return rule_out(
        {
            "right, but samplers run without gradients: wrap the computation in `with torch.enable_grad():`": (
                not inside.passed
            ),
            "right, but it leaves gradients on, or off, for all that follows: "
            "`with torch.enable_grad():` ends by itself": left_on or left_off,
        }
    )


def _small_classifier() -> Classifier:
    g = stream("check", 1)
    classifier = init(Classifier, T=100, hidden=(16,), activation="silu", generator=g)
    for weight in classifier.parameters():
        weight.data = torch.randn(weight.shape, generator=g)  # steeper than a network starts: each mistake shows
    return classifier


def _judge_gradient(f: Callable[..., Tensor], classifier: Classifier, x_t: Tensor, t: Tensor, y: int = 3) -> Verdict:
    right, wrong = _gradients(_small_classifier(), x_t.clone(), t, y)  # a fresh one, whatever f does to its own
    tried, verdict = attempt(f, classifier, x_t, t, y)
    if verdict:
        return rule_out({LOST: verdict.passed is False and tried.got is None and _has_gradients(classifier)}) or verdict
    got = tried.got
    weights = {weight.shape for weight in classifier.parameters()}
    parts = got if isinstance(got, tuple | list) else [got]
    tensors = [part.shape for part in parts if isinstance(part, Tensor)]
    odd = {
        "this is the gradient with respect to the network's weights: take it with respect to x_t": (
            bool(tensors) and weights.issuperset(tensors)
        ),
        "torch.autograd.grad returns a tuple with an entry for each input: take the first, [0]": (
            isinstance(got, tuple) and len(tensors) == 1
        ),
    }
    return first_failing(
        "the gradient of log p(y | x_t)",
        lambda: rule_out(odd),
        lambda: compare(got, right, wrong, rtol=1e-3),
        lambda: rule_out({TOUCHED: tried.given[1].requires_grad}),
        lambda: manners(tried, random=True),
    )


def _has_gradients(classifier: Classifier) -> bool:
    return any(weight.grad is not None for weight in classifier.parameters())


def _gradients(classifier: Classifier, x_t: Tensor, t: Tensor, y: int) -> tuple[Tensor, dict[str, Any]]:
    def of(objective: Callable[[Tensor], Tensor]) -> Tensor:
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            return torch.autograd.grad(objective(classifier(x, t)).sum(), x)[0]

    right, B = of(lambda logits: logits.log_softmax(1)[:, y]), len(x_t)
    return right, {
        "this is the gradient of p: take that of log p, or it fades where p is small": of(
            lambda logits: logits.softmax(1)[:, y]
        ),
        "this is the gradient of the logit: take the log-softmax first, the other classes matter too": of(
            lambda logits: logits[:, y]
        ),
        "softmax twice: log_softmax wants the logits": of(lambda logits: logits.softmax(1).log_softmax(1)[:, y]),
        "this is too small by the size of the batch: sum over the points, do not average": right / B,
        "this adds up the gradients of all classes: pick out class y": of(lambda logits: logits.log_softmax(1)),
        "this is the gradient for the class that the classifier prefers: take class y": of(
            lambda logits: logits.log_softmax(1).max(1).values
        ),
        "the sign is wrong: this is the gradient of the loss, which leads away from the class": [-right, -right / B],
        "zero everywhere: the probabilities of all classes sum to 1 whatever x_t is; pick out class y": 0 * right,
    }


def guided_noise(f: Callable[..., Tensor]) -> Verdict:
    """f(eps_hat (B, D), gradient (B, D), alpha_bar_t scalar, scale) -> the noise that points at the class, (B, D)."""
    g, ab, scale = stream("check"), torch.tensor(0.3), 2.5
    eps_hat, gradient = torch.randn(50, 2, generator=g), torch.randn(50, 2, generator=g)
    right = eps_hat - scale * (1 - ab).sqrt() * gradient
    praise = "the score of p(y | x_t), turned into a noise and taken from eps_hat"
    return judge(f, (eps_hat, gradient, ab, scale), right, _wrong_noises(eps_hat, gradient, ab, scale), praise)


def _wrong_noises(eps_hat: Tensor, gradient: Tensor, ab: Tensor, scale: float) -> dict[str, Any]:
    noise = (1 - ab).sqrt()
    return {
        "the sign is wrong: noise points away from the data, the gradient towards the class": (
            eps_hat + scale * noise * gradient
        ),
        "the factor sqrt(1 - alpha_bar_t) is missing: it turns a score into a noise": eps_hat - scale * gradient,
        "a square root is missing: the factor is sqrt(1 - alpha_bar_t)": eps_hat - scale * (1 - ab) * gradient,
        "this is sqrt(alpha_bar_t): the factor is sqrt(1 - alpha_bar_t)": eps_hat - scale * ab.sqrt() * gradient,
        "you divided by sqrt(1 - alpha_bar_t): multiply by it": eps_hat - scale / noise * gradient,
        "the scale is squared": eps_hat - scale**2 * noise * gradient,
        "the scale divides: multiply by it": eps_hat - noise / scale * gradient,
        "eps_hat and gradient are swapped": gradient - scale * noise * eps_hat,
        "eps_hat was scaled down: guidance is added to all of it": noise * eps_hat - scale * gradient,
        "the scale is forgotten": eps_hat - noise * gradient,
        "the scale multiplies the gradient only, not the whole sum": scale * (eps_hat - noise * gradient),
        "this is 1 + scale: here scale 0 is unguided and scale 1 is Bayes' rule": (
            eps_hat - (1 + scale) * noise * gradient
        ),
        "this is the change alone: take it from eps_hat": [-scale * noise * gradient, scale * noise * gradient],
    }


guided_variances = OnPaper(
    right=(0.4, 0.0625),
    wrong={
        "the two are in the wrong order: first the tilted density's, then the samples'": (0.0625, 0.4),
        "these are standard deviations: their squares are the variances": (math.sqrt(0.4), 0.25),
        "this is s = 1 + w with w = 3: here the scale itself is 3": (4 / 13, 1 / 64),
        "these are one over the variances": (2.5, 16.0),
        "the samples do not have the tilted density's variance: that is the point of the second question. "
        "Solve its equation": (0.4, 0.4),
        "the tilted density is a product, so one over its variance is a sum, (1 - s) / v + s / u; "
        "the second number is right": (0.0625, 0.0625),
        "v and u are swapped": (1 / (-2 / 1 + 3 / 4), 64.0),
        "the second is the square root of what it should be: z shrinks by a factor, its variance by the square": (
            0.4,
            0.25,
        ),
        "p(y | x) is p(x | y) / p(x): the power of p(x) is 1 - s": (1 / (1 / 4 + 3), 4 * 1.0),
    },
    praise="the sampler makes the class far narrower than the density whose score it follows",
)

broken_guidance = FindTheLine(
    source="""
def gradient(classifier, x, t, y):
    x = x.detach().requires_grad_()
    log_p = classifier(x, torch.tensor(t)).log_softmax(dim=1)
    return torch.autograd.grad(log_p[:, y].sum(), x)[0]

def draw(model, classifier, alpha_bar, x, y, scale, times):
    for t, to in zip(times, times[1:]):
        noise = (1 - alpha_bar[t]).sqrt()
        strength = scale * noise
        eps_hat = model(x, torch.tensor(t)) - strength * gradient(classifier, x, t, y)
        x_0_hat = (x - noise * eps_hat) / alpha_bar[t].sqrt()
        x = alpha_bar[to].sqrt() * x_0_hat + (1 - alpha_bar[to]).sqrt() * eps_hat
        x = x.detach()
    return x
""",
    faults={
        "A": (10, "eps_hat = model(x, torch.tensor(t)) + strength * gradient(classifier, x, t, y)"),
        "B": (3, "log_p = classifier(x, torch.tensor(t)).softmax(dim=1)"),
        "C": (4, "return torch.autograd.grad(log_p[:, y - 1].sum(), x)[0]"),
        "D": (9, "strength = (1 + scale) * noise"),
    },
    innocent={
        1: "it names what comes in, and all four do that alike",
        2: "it makes a copy on which gradients can be taken: without it the program would stop with an error",
        3: "with another output of the network the pull would fade where the class is improbable, "
        "and points far from Oklahoma would be left to themselves",
        4: "it picks the class and the batch's rows: with another class the samples would be that class, whole",
        5: "nothing stands there",
        6: "it names what comes in, and all four do that alike",
        7: "with some of the times left out the points would still go to Oklahoma, and with the pairs turned round far "
        "beyond the map",
        ("D", 7): "it takes each time and the one after it, as it should",
        8: "it is used for the origin as well: if it were wrong, nothing would be drawn sharply",
        ("A", 8): "it is used for the origin as well: if it were wrong, nothing would be drawn sharply, but Oklahoma "
        "would have its share of the points",
        9: "it sets how strong the pull is, not where it leads: a strength that is wrong draws all the states, "
        "or too little of the right one",
        (
            "B",
            9,
        ): "too weak a pull would look much like this; but the strength is the scale times the noise, as it should "
        "be: ask what it multiplies",
        10: "here the pull is joined to the noise: were it not, there would be as many points in each state, "
        "and with the wrong sign none in Oklahoma",
        11: "if the origin were wrong, nothing would be drawn sharply but, at best, Oklahoma",
        ("A", 11): "if the origin were wrong, Oklahoma would not be the one state that the points avoid",
        ("D", 11): "it is Eq. 2, solved for the origin, with the shares that belong to t",
        12: "it is Eq. 7: if it were wrong, nothing would be drawn sharply but, at best, Oklahoma",
        ("A", 12): "it is Eq. 7: if it were wrong, Oklahoma would not be the one state that the points avoid",
        ("D", 12): "it is Eq. 7, with the shares that belong to the next time",
        13: "it forgets the graph, and changes no number",
        14: "what is returned are the points, as many as came in",
    },
    praise={
        "A": "the noise is taken away, so this pull leads from Oklahoma",
        "B": "the gradient of p in place of that of log p fades where p is small",
        "C": "a label that counts from 1 asks for the state before",
        "D": "scale 1 is 2 here: this one counts like w",
    },
)
