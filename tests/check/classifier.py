"""Answers to the exercises of chapter 5, right and wrong."""

import math
from statistics import NormalDist

import numpy as np
import torch
import torch.nn.functional as F
from scipy.stats import norm

from tests.check.answers import right, wrong

# class_posterior(log_density, prior)


def bayes_in_a_loop(log_density, prior):
    rows = []
    for row in log_density.tolist():
        joint = [a + math.log(b) for a, b in zip(row, prior.tolist(), strict=True)]
        top = max(joint)
        log_p_x = top + math.log(sum(math.exp(a - top) for a in joint))
        rows.append([a - log_p_x for a in joint])
    return rows


right(
    "class_posterior",
    lambda log_density, prior: torch.log_softmax(log_density + torch.log(prior), dim=-1),
    lambda d, prior: d + prior.log() - (d + prior.log()).logsumexp(1, keepdim=True),
    lambda d, prior: (d.double() + prior.double().log()).log_softmax(1).numpy(),
    bayes_in_a_loop,
)
wrong("class_posterior", lambda d, prior: d.log_softmax(1), "prior is forgotten")
wrong("class_posterior", lambda d, prior: d + prior, "prior itself was added", "logarithm")
wrong("class_posterior", lambda d, prior: (d + prior).log_softmax(1), "prior itself was added", "logarithm")
wrong("class_posterior", lambda d, prior: d + prior.log(), "not normalised", "logsumexp")
wrong("class_posterior", lambda d, prior: (d + prior.log()).log_softmax(0), "over the points")
wrong("class_posterior", lambda d, prior: (d + prior.log()).softmax(1), "these are probabilities")
wrong("class_posterior", lambda d, prior: (d - prior.log()).log_softmax(1), "divided by the prior")
wrong("class_posterior", lambda d, prior: (d * prior).log_softmax(1), "multiplied by the prior")
wrong("class_posterior", lambda d, prior: F.normalize(d + prior.log()), "not the right numbers")
wrong("class_posterior", lambda d, prior: (d + prior.log()) / (d + prior.log()).sum(1)[:, None], "by their sum")


def bayes(log_density, prior):
    return (log_density + prior.log()).log_softmax(1)


def bayes_without_logarithms(log_density, prior):
    joint = log_density.exp() * prior
    return (joint / joint.sum(1, keepdim=True)).log()


wrong("class_posterior", bayes_without_logarithms, "far from it", "stay with logarithms")
wrong("class_posterior", lambda d, prior: d.log_softmax(1) + prior.log(), "normalised too early")
wrong("class_posterior", lambda d, prior: (d + prior.log()).logsumexp(1), "this is log p(x)")
wrong("class_posterior", lambda d, prior: (d + prior.log()).logsumexp(1, keepdim=True).expand_as(d), "this is log p(x)")
wrong("class_posterior", lambda d, prior: (d + prior.log()).argmax(1), "the most probable classes")
wrong("class_posterior", lambda d, prior: (d + prior.log()).amax(1), "the most probable classes")
wrong("class_posterior", lambda d, prior: -bayes(d, prior), "right up to the sign")
wrong("class_posterior", lambda d, prior: bayes(d, prior).T, "this is the transpose")
wrong("class_posterior", lambda d, prior: bayes(d.add_(1), prior), "`d` was overwritten")
wrong("class_posterior", lambda d, prior: bayes(d, prior) / math.log(2), "right up to a factor")
wrong("class_posterior", lambda d, prior: bayes(d, prior)[:, None], "right numbers in the wrong shape")


# classifier_loss(classifier, schedule, x_0, y, t, eps)


def noised(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].float().view(-1, 1)
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps


def classify(sees="x_t", told=lambda t: t, loss=F.cross_entropy, noised=noised):
    """An answer that shows the classifier this tensor, tells it this time, and makes this loss of logits and labels."""

    def answer(classifier, schedule, x_0, y, t, eps):
        tensors = {"x_0": x_0, "eps": eps, "x_t": noised(schedule, x_0, t, eps)}
        return loss(classifier(tensors[sees], told(t)), y)

    return answer


def without_roots(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].float().view(-1, 1)
    return a * x_0 + (1 - a) * eps


def log_p_of_y(logits, y):
    return logits.log_softmax(1)[torch.arange(len(y)), y]


right(
    "classifier_loss",
    classify(),
    lambda c, schedule, x_0, y, t, eps: torch.nn.CrossEntropyLoss()(c(schedule.q_sample(x_0, t, eps), t), y).item(),
    classify(loss=lambda logits, y: F.nll_loss(logits.log_softmax(1), y)),
    classify(loss=lambda logits, y: F.cross_entropy(logits.log_softmax(1), y)),  # log_softmax twice is harmless
    classify(loss=lambda logits, y: -(F.one_hot(y, logits.shape[1]) * logits.log_softmax(1)).sum(1).mean()),
    classify(loss=lambda logits, y: -log_p_of_y(logits, y).mean()),
)
wrong("classifier_loss", classify(sees="x_0"), "given the clean x_0")
wrong("classifier_loss", classify(sees="eps"), "given the noise itself")
wrong("classifier_loss", classify(told=lambda t: 0), "told t = 0")
wrong("classifier_loss", classify(told=torch.zeros_like), "told t = 0")
wrong("classifier_loss", classify(told=lambda t: t / 100), "t / T or t_bar", "rescales time itself")
wrong("classifier_loss", classify(told=lambda t: 2 * t / 100 - 1), "t / T or t_bar", "rescales time itself")
wrong("classifier_loss", classify(told=lambda t: t - 1), "off by one", "t - 1")
wrong("classifier_loss", classify(noised=lambda schedule, x, t, e: x + e), "added in full")
wrong("classifier_loss", classify(noised=without_roots), "square roots are missing")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(y, z)), "in the wrong order?")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(y.float(), z)), "your function raised")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(z, y).reshape(1)), "still in a tensor")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(z, y) * 2), "a factor, 2")
wrong("classifier_loss", classify(loss=lambda z, y: y.copy_(z.argmax(1)) * 0 + F.cross_entropy(z, y)), "the shape")
wrong("classifier_loss", classify(noised=lambda s, x, t, e: noised(s, x, t, torch.randn_like(e))), "fresh noise")
wrong("classifier_loss", classify(noised=lambda s, x, t, e: e.copy_(noised(s, x, t, e))), "`eps` was overwritten")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(z, y) / math.log(2)), "in bits")
wrong("classifier_loss", classify(loss=lambda z, y: -log_p_of_y(z, y).mul(1 / math.log(2)).mean()), "in bits")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(z.softmax(1), y)), "softmax twice")
wrong("classifier_loss", classify(loss=F.nll_loss), "softmax is missing", "nll_loss")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(z, y, reduction="sum")), "the sum over the batch")
wrong("classifier_loss", classify(loss=lambda z, y: log_p_of_y(z, y).mean()), "sign is wrong", "MINUS")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(z, y, reduction="none")), "the mean is missing")
wrong("classifier_loss", classify(loss=log_p_of_y), "the mean is missing")
wrong("classifier_loss", classify(loss=lambda z, y: (z.argmax(1) == y).float().mean()), "this is the accuracy")
wrong("classifier_loss", classify(loss=lambda z, y: (z.argmax(1) != y).float().mean()), "this is the accuracy")
wrong("classifier_loss", classify(loss=lambda z, y: log_p_of_y(z, y).exp().mean()), "the logarithm is missing")
wrong("classifier_loss", classify(loss=lambda z, y: -log_p_of_y(z, y).exp().mean().log()), "logarithm of the mean")
wrong("classifier_loss", classify(loss=lambda z, y: -z.log_softmax(1).mean()), "the mean over all classes")
wrong("classifier_loss", classify(loss=lambda z, y: z), "the shape should be ()")
wrong("classifier_loss", classify(told=lambda t: t[:1]), "one t for all")
wrong("classifier_loss", classify(loss=lambda z, y: F.cross_entropy(z, y[:-1])), "your function raised ValueError")


# overconfidence(probabilities, y)


def hits(p, y):
    return (p.argmax(dim=1) == y).float()


def overconfidence_in_a_loop(p, y):
    total = 0.0
    for row, label in zip(p.tolist(), y.tolist(), strict=True):
        total += max(row) - (row.index(max(row)) == label)
    return total / len(y)


right(
    "overconfidence",
    lambda p, y: p.max(dim=1).values.mean() - hits(p, y).mean(),
    lambda p, y: p.amax(1).mean() - (p.argmax(1) == y).double().mean(),
    lambda p, y: np.mean(p.numpy().max(1)) - np.mean(p.numpy().argmax(1) == y.numpy()),
    overconfidence_in_a_loop,
)
wrong("overconfidence", lambda p, y: hits(p, y).mean() - p.amax(1).mean(), "sign is wrong")
wrong(
    "overconfidence",
    lambda p, y: p.amax(1).mean() - (p.argmax(1, keepdim=True) == y).float().mean(),
    "every row was compared with every label",
    "(n, n)",
)
wrong("overconfidence", lambda p, y: (p.amax(1) - (p.argmax(1) == y[:, None]).float()).mean(), "(n, n)")
wrong("overconfidence", lambda p, y: hits(p, y).mean(), "accuracy alone")
wrong("overconfidence", lambda p, y: p.amax(1).mean(), "confidence alone")
wrong("overconfidence", lambda p, y: p[range(len(y)), y].mean() - hits(p, y).mean(), "the true class")
wrong("overconfidence", lambda p, y: p.mean() - hits(p, y).mean(), "all classes", "1 / K")
wrong("overconfidence", lambda p, y: (p.amax(1) - hits(p, y)).abs().mean(), "absolute value of each point")
wrong("overconfidence", lambda p, y: 100 * (p.amax(1) - hits(p, y)).mean(), "percent")
wrong("overconfidence", lambda p, y: p.amax(1) - hits(p, y), "the mean is missing")
wrong("overconfidence", lambda p, y: (p.amax(1) - hits(p, y)).sum(), "sum over the points")
wrong("overconfidence", lambda p, y: (p.amax(1).mean() - hits(p, y).mean()).abs(), "too modest", "no absolute value")
wrong("overconfidence", lambda p, y: p.max(1), "expected numbers")
wrong("overconfidence", lambda p, y: p.amin(1).mean() - hits(p, y).mean(), "the smallest probability")
wrong("overconfidence", lambda p, y: (p.amax(1) - hits(p, y)).square().mean(), "mean of squares")
wrong("overconfidence", lambda p, y: (p.amax(1) - hits(p, y)).mean(0, keepdim=True), "still in a tensor")
wrong("overconfidence", lambda p, y: (p.amax(1), hits(p, y)), "expected numbers", "return one thing")
wrong(
    "overconfidence", lambda p, y: p.amax(1).mean() - (y.sub_(p.argmax(1)) == 0).float().mean(), "`y` was overwritten"
)


# two_gaussians(m, v, alpha_bar_t)


def normal(z):
    return NormalDist().cdf(z)


def of_two(
    centre=lambda m, a: a**0.5 * m,
    variance=lambda v, a: a * v + 1 - a,
    k=lambda c, s2: 2 * c / s2,
    accuracy=lambda c, s2: normal(c / s2**0.5),
):
    def answer(m, v, alpha_bar_t):
        c, s2 = centre(m, alpha_bar_t), variance(v, alpha_bar_t)
        return k(c, s2), accuracy(c, s2)

    return answer


def two_on_a_grid(m, v, alpha_bar_t):
    """Bayes' rule point by point, and the integral as a sum."""
    x = torch.arange(-8000, 8001).double() / 1000
    first, second = (
        torch.distributions.Normal(alpha_bar_t**0.5 * c, (alpha_bar_t * v + 1 - alpha_bar_t) ** 0.5) for c in (m, -m)
    )
    log_odds = first.log_prob(x) - second.log_prob(x)
    accuracy = (first.log_prob(x).exp() * (x.sign() + 1) / 2).sum() * (x[1] - x[0])
    return [(log_odds[-1] - log_odds[0]) / (x[-1] - x[0]), accuracy]


def with_tensors(m, v, alpha_bar_t):
    centre, variance = alpha_bar_t.sqrt() * m, alpha_bar_t * v + (1 - alpha_bar_t)
    return 2 * centre / variance, (1 + torch.erf(centre / variance.sqrt() / 2**0.5)) / 2


def with_scipy(m, v, alpha_bar_t):
    centre, variance = math.sqrt(alpha_bar_t) * m, alpha_bar_t * v + 1 - alpha_bar_t
    return 2 * centre / variance, norm.cdf(centre / variance**0.5)


right("two_gaussians", of_two(), two_on_a_grid, with_tensors, with_scipy)
wrong("two_gaussians", lambda m, v, a: of_two()(m, v, a)[::-1], "the order is k first")
wrong("two_gaussians", of_two(k=lambda c, s2: -2 * c / s2), "sign of k")
wrong("two_gaussians", of_two(k=lambda c, s2: c / s2), "factor 2 is missing")
wrong("two_gaussians", of_two(k=lambda c, s2: 2 * c / s2**0.5), "not by its square root")
wrong("two_gaussians", of_two(centre=lambda m, a: m), "shrinks them by sqrt(alpha_bar_t)")
wrong("two_gaussians", of_two(centre=lambda m, a: a * m), "a square root is missing")
wrong("two_gaussians", of_two(variance=lambda v, a: a * v), "the noise is missing")
wrong("two_gaussians", of_two(variance=lambda v, a: v + 1 - a), "shrinks v too")
wrong("two_gaussians", of_two(centre=lambda m, a: m, variance=lambda v, a: v), "for clean points")
wrong("two_gaussians", of_two(accuracy=lambda c, s2: 1 - normal(c / s2**0.5)), "share of errors")
wrong("two_gaussians", of_two(accuracy=lambda c, s2: normal(2 * c / s2**0.5)), "half-way between the centres")
wrong("two_gaussians", of_two(accuracy=lambda c, s2: normal(c / s2)), "not by its variance")
wrong("two_gaussians", of_two(accuracy=lambda c, s2: 1 / (1 + math.exp(-2 * c * c / s2))), "average over all points")
