"""Self-checks of chapter 5: Bayes' rule for classes, a classifier of noisy points, and how sure it is of itself."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from statesdiff.check.lines import FindTheLine
from statesdiff.check.verdict import Verdict, first_failing, judge, rule_out
from statesdiff.rng import stream
from statesdiff.schedule import NoiseSchedule, normalised_time


def class_posterior(f: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """f(log_density (B, K), prior (K,)) -> log p(y | x) in nats, (B, K), from log p(x | y) and p(y)."""
    log_density = 2 * torch.randn(40, 5, generator=stream("check"))
    prior = torch.tensor([0.4, 0.3, 0.15, 0.1, 0.05])
    right = (log_density + prior.log()).log_softmax(1)

    def far_from_the_data() -> Verdict | None:
        far = judge(f, (log_density - 1000, prior), right, {}, rtol=1e-3)
        underflow = "right near the data, but far from it exp(log density) is 0 in the computer: stay with logarithms"
        return rule_out({underflow: not far.passed})

    return first_failing(
        "prior times density, normalised over the classes, and all of it in logarithms",
        lambda: judge(f, (log_density, prior), right, _wrong_posteriors(log_density, prior)),
        far_from_the_data,
    )


def _wrong_posteriors(log_density: Tensor, prior: Tensor) -> dict[str, Tensor | list[Tensor]]:
    joint = log_density + prior.log()
    return {
        "the prior is forgotten: this is right only if all classes are equally likely": log_density.log_softmax(1),
        "the prior itself was added: with logarithms, add its logarithm": [
            log_density + prior,
            (log_density + prior).log_softmax(1),
        ],
        "not normalised: subtract the logsumexp over the classes, which is log p(x)": joint,
        "normalised over the points: each row, over the classes, should sum to 1": joint.log_softmax(0),
        "these are probabilities: return their logarithms": joint.softmax(1),
        "you divided by the prior p(y): Bayes' rule multiplies by it": (log_density - prior.log()).log_softmax(1),
        "the log density was multiplied by the prior: with logarithms, a product is a sum": (
            log_density * prior
        ).log_softmax(1),
        "normalised too early: add the logarithm of the prior first, then normalise": log_density.log_softmax(1)
        + prior.log(),
        "this is log p(x): take it from log p(x | y) + log p(y)": [
            joint.logsumexp(1),
            joint.logsumexp(1, keepdim=True).expand(40, 5),
        ],
        "these are the most probable classes: return all logarithms": [joint.argmax(1), joint.max(1).values],
        "the logarithms were divided by their sum: subtract their logsumexp": joint / joint.sum(1, keepdim=True),
    }


def classifier_loss(f: Callable[..., Tensor]) -> Verdict:
    """f(classifier, schedule, x_0 (B, D), y (B,), t (B,), eps (B, D)) -> mean cross-entropy in nats at x_t."""
    schedule, g = NoiseSchedule.linear(T=100, beta_T=0.05), stream("check")
    x_0, eps, directions = (torch.randn(n, 2, generator=g) for n in (64, 64, 5))
    y, t = torch.randint(5, (64,), generator=g), torch.randint(1, 101, (64,), generator=g)

    def classifier(x: Tensor, t: int | Tensor) -> Tensor:
        return x @ directions.T * (2 + torch.as_tensor(t).expand(len(x)).sin())[:, None]  # every t gives other logits

    logits = classifier(schedule.q_sample(x_0, t, eps), t)
    wrong = _wrong_inputs(classifier, schedule, x_0, y, t, eps) | _wrong_losses(logits, y)
    praise = "cross-entropy at the noisy points"
    return judge(f, (classifier, schedule, x_0, y, t, eps), cross_entropy(logits, y), wrong, praise)


def _wrong_inputs(
    classifier: Callable[..., Tensor], schedule: NoiseSchedule, x_0: Tensor, y: Tensor, t: Tensor, eps: Tensor
) -> dict[str, Any]:
    """The losses of a classifier that is shown, or told, something else."""
    x_t, ab = schedule.q_sample(x_0, t, eps), schedule.alpha_bar[t].float()[:, None]
    return {
        "the classifier was given the clean x_0: it should see x_t": cross_entropy(classifier(x_0, t), y),
        "the classifier was given the noise itself: it should see x_t": cross_entropy(classifier(eps, t), y),
        "the classifier was told t = 0: tell it the t of each point": cross_entropy(classifier(x_t, 0), y),
        "the classifier was told t / T or t_bar: tell it t, it rescales time itself": [
            cross_entropy(classifier(x_t, told), y) for told in (t / 100, normalised_time(t, 100))
        ],
        "off by one: the classifier was told t - 1": cross_entropy(classifier(x_t, t - 1), y),
        "the classifier was told one t for all: tell it the t of each point": cross_entropy(classifier(x_t, t[0]), y),
        "x_t is not that of Eq. 2: square roots are missing": cross_entropy(
            classifier(ab * x_0 + (1 - ab) * eps, t), y
        ),
        "x_t is not that of Eq. 2: the noise was added in full": cross_entropy(classifier(x_0 + eps, t), y),
        "this is in bits: take the natural logarithm": cross_entropy(classifier(x_t, t), y) / math.log(2),
    }


def _wrong_losses(logits: Tensor, y: Tensor) -> dict[str, Tensor | list[Tensor]]:
    log_p = logits.log_softmax(1)
    each, accuracy = cross_entropy(logits, y, reduction="none"), (logits.argmax(1) == y).double().mean()
    return {
        "softmax twice: cross_entropy wants logits and takes the softmax itself": cross_entropy(logits.softmax(1), y),
        "the softmax is missing: nll_loss wants log-probabilities, not logits": -logits.gather(1, y[:, None]).mean(),
        "this is the sum over the batch: take the mean": each.sum(),
        "the sign is wrong: the loss is MINUS the mean log-probability": -each.mean(),
        "one number a point: the mean is missing": [each, -each],
        "this is the accuracy, or one minus it: it has no useful gradient": [accuracy, 1 - accuracy],
        "the logarithm is missing: this is the mean probability of the right class": (-each).exp().mean(),
        "this is the logarithm of the mean: take the mean of the logarithms": -(-each).exp().mean().log(),
        "this is the mean over all classes: pick out the log-probability of y": -log_p.mean(),
    }


def overconfidence(f: Callable[[Tensor, Tensor], Tensor]) -> Verdict:
    """f(probabilities (n, K), y (n,)) -> mean confidence minus accuracy; a row's confidence is its largest entry."""
    g = stream("check")
    sure = (3 * torch.randn(200, 5, generator=g)).softmax(1)
    y = torch.multinomial(sure.sqrt(), 1, generator=g)[:, 0]  # less certain than the probabilities say
    modest = (sure.log() / 8).softmax(1)
    negative, _ = _gap(modest, sure.argmax(1))
    lost = {"right if too sure, but a classifier that is too modest has a negative value: no absolute value": -negative}
    return first_failing(
        "positive if too sure of itself, negative if too modest, zero if its confidence can be taken at its word",
        lambda: judge(f, (sure, y), *_gap(sure, y)),
        lambda: judge(f, (modest, sure.argmax(1)), negative, lost),
    )


def _gap(p: Tensor, y: Tensor) -> tuple[Tensor, dict[str, Tensor | list[Tensor]]]:
    confidence, right = p.max(1).values, (p.argmax(1) == y).double()
    accuracy, gap = right.mean(), confidence - right
    return gap.mean(), {
        "the sign is wrong: confidence minus accuracy": -gap.mean(),
        "every row was compared with every label: (n, 1) == (n,) is (n, n), so keep both at (n,)": (
            confidence.mean() - (p.argmax(1)[:, None] == y).double().mean()
        ),
        "this is the accuracy alone: take it from the mean confidence": accuracy,
        "this is the mean confidence alone: take the accuracy away": confidence.mean(),
        "this uses the probability of the true class: confidence is the largest, whether right or wrong": (
            p.gather(1, y[:, None]).mean() - accuracy
        ),
        "this is the mean over all classes, always 1 / K: confidence is the largest of each row": p.mean() - accuracy,
        "this is the smallest probability of each row: confidence is the largest": p.min(1).values.mean() - accuracy,
        "this is a mean of squares: let differences of both signs cancel": gap.square().mean(),
        "the absolute value of each point was taken: let the points cancel": gap.abs().mean(),
        "this is in percent: return a number between -1 and 1": 100 * gap.mean(),
        "one number a point: the mean is missing": gap,
        "this is the sum over the points: take the mean": gap.sum(),
    }


def two_gaussians(f: Callable[[Tensor, Tensor, Tensor], Any]) -> Verdict:
    """f(m, v, alpha_bar_t), scalars -> (k, Bayes accuracy), classes N(+-m, v), p(first | x_t) = sigmoid(k x_t)."""
    m, v, ab = 0.8, 0.25, 0.6
    centre, variance = ab**0.5 * m, ab * v + 1 - ab
    right = k, accuracy = _of_two(centre, variance)
    wrong = {
        "the order is k first, then the accuracy": (accuracy, k),
        "the sign of k is wrong: a point far to the right is of the first class": (-k, accuracy),
        "k: a factor 2 is missing, the two squares differ by twice the mixed term": (k / 2, accuracy),
        "k: divide by the variance of x_t, not by its square root": (2 * centre / variance**0.5, accuracy),
        "the centres: Eq. 2 shrinks them by sqrt(alpha_bar_t)": _of_two(m, variance),
        "the centres: this shrinks them by alpha_bar_t, a square root is missing": _of_two(ab * m, variance),
        "the variance of x_t: the noise is missing": _of_two(centre, ab * v),
        "the variance of x_t: Eq. 2 shrinks v too, by alpha_bar_t": _of_two(centre, v + 1 - ab),
        "this is for clean points: what is known at time t?": _of_two(m, v),
        "the accuracy: this is the share of errors": (k, 1 - accuracy),
        "the accuracy: the border is half-way between the centres, one centre's distance from it": (
            k,
            _normal(2 * centre / variance**0.5),
        ),
        "the accuracy: divide by the deviation of x_t, not by its variance": (k, _normal(centre / variance)),
        "the accuracy: this is p(first | x_t) at the centre; average over all points": (k, _sigmoid(k * centre)),
    }
    scalars = torch.tensor([m, v, ab], dtype=torch.float64).unbind()
    return judge(f, scalars, right, wrong, "the noisier, the nearer to a coin")


def _of_two(centre: float, variance: float) -> tuple[float, float]:
    return 2 * centre / variance, _normal(centre / variance**0.5)


def _normal(z: float) -> float:
    return (1 + math.erf(z / 2**0.5)) / 2


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


broken_classifier = FindTheLine(
    """
def train(classifier, schedule, x_0, y, generator):
    optimiser = torch.optim.AdamW(classifier.parameters(), lr=3e-3)
    for _ in range(300):
        rows = torch.randint(len(x_0), (512,), generator=generator)
        t = torch.randint(1, schedule.T + 1, (512,), generator=generator)
        eps = torch.randn(512, 2, generator=generator)
        x_t = schedule.q_sample(x_0[rows], t, eps)
        logits = classifier(x_t, t)
        loss = torch.nn.functional.cross_entropy(logits, y[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        yield loss.item()
""",
    faults={
        "A": (9, "loss = torch.nn.functional.cross_entropy(logits.softmax(1), y[rows])"),
        "B": (7, "x_t = x_0[rows]"),
        "C": (5, "t = torch.randint(schedule.T // 2, schedule.T + 1, (512,), generator=generator)"),
    },
    innocent={
        1: "it names what comes in, and the right program has the same arguments",
        2: "with this optimiser and this rate the right program learns",
        3: "the right program is trained as long",
        4: "all five states are drawn: each has its region in the map",
        5: "early times are among those drawn: the map at t = 60 has borders in the right places",
        6: "the noise is as Eq. 2 wants it; whether it is used is another question",
        7: "the points are noised: the loss stays well above zero, as it must where much cannot be known",
        8: "it is told the point and its time, and so it was at every update",
        9: "it compares the logits with the labels of the same rows, and takes the softmax once",
        10: "without it old gradients would pile up, and the loss would hardly fall, and swing between 1.2 and 1.9",
        11: "without it nothing would be learnt at all, and the loss would stay at log 5",
        12: "without it the weights would stay as they are, and so would the loss, at log 5",
        13: "it only tells the loss, and changes nothing",
        ("A", 7): "the points are noised: where they are not, borders are hard as well, but the loss goes to zero",
        (
            "B",
            9,
        ): "it does what it should: a loss of next to nothing says that the labels could all be told from the points",
    },
    praise={
        "A": "softmax twice: a sure, right answer still costs 0.9 nats, so the network makes itself too sure",
        "B": "the points were never noised: the loss is next to nothing, and the beliefs have no soft borders",
        "C": "only the later half of the times: their loss is high, and what is said of t = 60 was never corrected",
    },
)
