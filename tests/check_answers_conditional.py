"""Answers to the exercises of chapters 5 to 7, right and wrong, for the tests of the self-checks."""

import copy
import math
import random

import numpy as np
import torch
import torch.nn.functional as F
from check_answers import right, wrong

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


def bayes_without_logarithms(log_density, prior):
    joint = log_density.exp() * prior
    return (joint / joint.sum(1, keepdim=True)).log()


wrong("class_posterior", bayes_without_logarithms, "far from it", "stay with logarithms")


# classifier_loss(classifier, schedule, x_0, y, t, eps)


def noised(schedule, x_0, t, eps):
    a = schedule.alpha_bar[t].float().view(-1, 1)
    return a.sqrt() * x_0 + (1 - a).sqrt() * eps


def classify(sees="x_t", told=lambda t: t, loss=F.cross_entropy):
    """An answer that shows the classifier this tensor, tells it this time, and makes this loss of logits and labels."""

    def answer(classifier, schedule, x_0, y, t, eps):
        tensors = {"x_0": x_0, "eps": eps, "x_t": noised(schedule, x_0, t, eps)}
        return loss(classifier(tensors[sees], told(t)), y)

    return answer


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
wrong("classifier_loss", classify(told=lambda t: t[:1]), "not the right numbers")
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


# class_gradient(classifier, x_t, t, y)


def gradient_of(objective, divide_by=lambda x: 1):
    """An answer that differentiates the sum of objective(logits, y) with autograd.grad on a copy."""

    def answer(classifier, x_t, t, y):
        with torch.enable_grad():
            x = x_t.detach().requires_grad_(True)
            total = objective(classifier(x, t), y).sum() / divide_by(x)
            return torch.autograd.grad(total, x)[0]

    return answer


def log_p(logits, y):
    return logits.log_softmax(1)[:, y]


def by_backward(classifier, x_t, t, y):
    with torch.enable_grad():
        x = x_t.clone().detach().requires_grad_(True)
        log_p(classifier(x, t), y).sum().backward()
    return x.grad


@torch.enable_grad()
def by_cross_entropy(classifier, x_t, t, y):
    x = x_t.detach().requires_grad_()
    labels = torch.full((len(x),), y)
    return -torch.autograd.grad(F.cross_entropy(classifier(x, t), labels, reduction="sum"), x)[0]


def by_func_grad(classifier, x_t, t, y):
    return torch.func.grad(lambda x: log_p(classifier(x, t), y).sum())(x_t)


def by_jacobian(classifier, x_t, t, y):
    return torch.autograd.functional.jacobian(lambda x: log_p(classifier(x, t), y).sum(), x_t)


def by_differences(classifier, x_t, t, y, h=1e-4):
    classifier, columns = copy.deepcopy(classifier).double(), []
    for step in h * torch.eye(x_t.shape[1], dtype=torch.float64):
        up, down = (log_p(classifier(x_t.double() + s, t), y) for s in (step, -step))
        columns.append((up - down) / (2 * h))
    return torch.stack(columns, dim=1)


def by_changing_the_classifier(classifier, x_t, t, y):
    return gradient_of(log_p)(classifier.double().requires_grad_(False), x_t.double(), t, y).float()


def without_enable_grad(classifier, x_t, t, y):
    x = x_t.detach().requires_grad_()
    return torch.autograd.grad(log_p(classifier(x, t), y).sum(), x)[0]


def none_inside_a_sampler(*args):
    return without_enable_grad(*args) if torch.is_grad_enabled() else None


def gradients_left_on(*args):
    torch.set_grad_enabled(True)
    return without_enable_grad(*args)


def gradients_left_off(*args):
    with torch.enable_grad():
        result = without_enable_grad(*args)
    torch.set_grad_enabled(False)
    return result


@torch.enable_grad()
def on_the_callers_tensor(classifier, x_t, t, y):
    x_t.requires_grad_()
    return torch.autograd.grad(log_p(classifier(x_t, t), y).sum(), x_t)[0]


@torch.enable_grad()
def backward_on_the_callers_tensor(classifier, x_t, t, y):
    x_t.requires_grad_()
    log_p(classifier(x_t, t), y).sum().backward()
    return x_t.grad


def of_the_weights(pick):
    def answer(classifier, x_t, t, y):
        total = log_p(classifier(x_t, t), y).sum()
        return pick(torch.autograd.grad(total, list(classifier.parameters())))

    return answer


def weights_after_backward(classifier, x_t, t, y):
    log_p(classifier(x_t, t), y).sum().backward()
    return [p.grad for p in classifier.parameters()]


@torch.enable_grad()
def forgotten_index(classifier, x_t, t, y):
    x = x_t.detach().requires_grad_()
    return torch.autograd.grad(log_p(classifier(x, t), y).sum(), x)


def only_for_one_t_each(classifier, x_t, t, y):
    return gradient_of(log_p)(classifier, x_t, t.view(-1)[torch.arange(len(x_t))], y)


GRADIENTS = (
    gradient_of(log_p),
    by_backward,
    by_cross_entropy,
    by_func_grad,
    by_jacobian,
    by_differences,
    by_changing_the_classifier,
)
right("class_gradient", *GRADIENTS)
wrong("class_gradient", gradient_of(lambda z, y: z.softmax(1)[:, y]), "gradient of p:", "log p")
wrong("class_gradient", gradient_of(lambda z, y: z[:, y]), "of the logit", "log-softmax first")
wrong("class_gradient", gradient_of(lambda z, y: log_p(z.softmax(1), y)), "softmax twice")
wrong("class_gradient", gradient_of(log_p, len), "size of the batch", "sum over the points")
wrong("class_gradient", gradient_of(lambda z, y: z.log_softmax(1)), "all classes", "pick out class y")
wrong("class_gradient", gradient_of(lambda z, y: z.log_softmax(1).amax(1)), "prefers", "take class y")
wrong("class_gradient", gradient_of(lambda z, y: -log_p(z, y)), "sign is wrong", "gradient of the loss")
wrong("class_gradient", gradient_of(lambda z, y: -log_p(z, y), len), "sign is wrong", "gradient of the loss")
wrong("class_gradient", gradient_of(lambda z, y: z.softmax(1)), "zero everywhere", "pick out class y")
wrong("class_gradient", gradient_of(lambda z, y: z.log_softmax(0)[:, y]), "not the right numbers")
wrong("class_gradient", lambda *args: gradient_of(log_p)(*args).sum(0), "the shape should be (30, 2)")
wrong("class_gradient", of_the_weights(lambda grads: grads), "the network's weights", "with respect to x_t")
wrong("class_gradient", of_the_weights(lambda grads: grads[0]), "the network's weights", "with respect to x_t")
wrong("class_gradient", weights_after_backward, "the network's weights", "with respect to x_t")
wrong("class_gradient", forgotten_index, "returns a tuple", "[0]")
wrong("class_gradient", without_enable_grad, "samplers run without gradients", "torch.enable_grad()")
wrong("class_gradient", none_inside_a_sampler, "samplers run without gradients", "torch.enable_grad()")
wrong("class_gradient", gradients_left_on, "leaves gradients on, or off", "torch.enable_grad()")
wrong("class_gradient", gradients_left_off, "leaves gradients on, or off", "torch.enable_grad()")
wrong("class_gradient", on_the_callers_tensor, "caller's x_t", "x_t.detach()")
wrong("class_gradient", backward_on_the_callers_tensor, "caller's x_t", "x_t.detach()")
wrong("class_gradient", only_for_one_t_each, "your function raised IndexError")


# guided_noise(eps_hat, gradient, alpha_bar_t, scale)

right(
    "guided_noise",
    lambda e, g, a, s: e - s * torch.sqrt(1 - a) * g,
    lambda e, g, a, s: -((1 - a) ** 0.5) * (-e / (1 - a) ** 0.5 + s * g),  # by way of the score
    lambda e, g, a, s: (e.numpy() - s * math.sqrt(1 - a) * g.numpy()).tolist(),
)
wrong("guided_noise", lambda e, g, a, s: e + s * (1 - a).sqrt() * g, "sign is wrong", "away from the data")
wrong("guided_noise", lambda e, g, a, s: e - s * g, "factor sqrt(1 - alpha_bar_t) is missing")
wrong("guided_noise", lambda e, g, a, s: e - s * (1 - a) * g, "square root is missing")
wrong("guided_noise", lambda e, g, a, s: e - s * a.sqrt() * g, "this is sqrt(alpha_bar_t)")
wrong("guided_noise", lambda e, g, a, s: e - s * g / (1 - a).sqrt(), "you divided by")
wrong("guided_noise", lambda e, g, a, s: e - (1 - a).sqrt() * g, "scale is forgotten")
wrong("guided_noise", lambda e, g, a, s: s * (e - (1 - a).sqrt() * g), "not the whole sum")
wrong("guided_noise", lambda e, g, a, s: e - (1 + s) * (1 - a).sqrt() * g, "1 + scale", "Bayes' rule")
wrong("guided_noise", lambda e, g, a, s: -s * (1 - a).sqrt() * g, "the change alone")
wrong("guided_noise", lambda e, g, a, s: s * (1 - a).sqrt() * g, "the change alone")


# drop_labels(y, p_uncond, generator)


def drop(new=-1, share=lambda p: p, draw=torch.rand, n=len):
    """An answer that draws n(y) numbers and puts `new` where they lie below share(p_uncond)."""

    def answer(y, p_uncond, generator):
        return torch.where(draw(n(y), generator=generator) < share(p_uncond), new, y)

    return answer


def drop_in_a_loop(y, p_uncond, generator):
    return [-1 if torch.rand(1, generator=generator).item() < p_uncond else k for k in y.tolist()]


def drop_by_numpy(y, p_uncond, generator):
    labels = y.numpy().copy()
    labels[torch.rand(len(labels), generator=generator).numpy() < p_uncond] = -1
    return labels


def drop_by_arithmetic(y, p_uncond, generator):
    kept = (torch.rand(y.shape, generator=generator) >= p_uncond).long()
    return kept * y - (1 - kept)


def drop_by_bernoulli(y, p_uncond, generator):
    return y.masked_fill(torch.bernoulli(torch.full(y.shape, p_uncond), generator=generator).bool(), -1)


def drop_a_fixed_number(y, p_uncond, generator):
    y = y.clone()
    y[torch.randperm(len(y), generator=generator)[: round(p_uncond * len(y))]] = -1
    return y


def drop_in_place(y, p_uncond, generator):
    y[torch.rand(len(y), generator=generator) < p_uncond] = -1
    return y


def drop_from_the_global_state(y, p_uncond, generator):
    return torch.where(torch.rand(len(y)) < p_uncond, -1, y)


def drop_after_a_global_seed(y, p_uncond, generator):
    torch.manual_seed(0)
    return drop_from_the_global_state(y, p_uncond, torch.rand(1, generator=generator))


def drop_by_python(y, p_uncond, generator):
    return torch.tensor([-1 if random.random() < p_uncond else int(k) for k in y])


def drop_with_some_of_both(y, p_uncond, generator):
    u = torch.rand(len(y), generator=generator).numpy() + 1e-3 * np.random.default_rng().normal(size=len(y))
    return torch.where(torch.as_tensor(u) < p_uncond, -1, y)


def drop_the_first(y, p_uncond, generator):
    return torch.where(torch.arange(len(y)) < p_uncond * len(y), -1, y)


def drop_and_shuffle(y, p_uncond, generator):
    return drop()(y[torch.randperm(len(y), generator=generator)], p_uncond, generator)


def drop_as_float(y, p_uncond, generator):
    return y.float().masked_fill(torch.rand(len(y), generator=generator) < p_uncond, -1)


right("drop_labels", drop(), drop_in_a_loop, drop_by_numpy, drop_by_bernoulli, drop_by_arithmetic, drop_a_fixed_number)
wrong("drop_labels", lambda y, p, g: torch.rand(len(y), generator=g) < p, "this is the mask")
wrong("drop_labels", drop(new=math.nan), "whole numbers", "not NaN")
wrong("drop_labels", drop_as_float, "whole numbers")
wrong("drop_labels", drop(new=0), "Michigan", "-1")
wrong("drop_labels", drop(new=5), "you put another number")
wrong("drop_labels", drop(n=lambda y: 1), "all labels are dropped, or none", "for each label")
wrong("drop_labels", drop(share=lambda p: 1), "all labels are dropped, or none")
wrong("drop_labels", lambda y, p, g: y, "all labels are dropped, or none")
wrong("drop_labels", drop_and_shuffle, "that are kept must stay")
wrong("drop_labels", lambda y, p, g: drop()(y + 1, p, g), "that are kept must stay")
wrong("drop_labels", drop(share=lambda p: 1 - p), "share is inverted")
wrong("drop_labels", drop(draw=torch.randn), "torch.randn", "uniform")
wrong("drop_labels", drop(share=lambda p: 0.2), "about p_uncond")
wrong("drop_labels", drop_in_place, "changed in place", "y.clone()")
wrong("drop_labels", drop_from_the_global_state, "generator was not used")
wrong("drop_labels", drop_after_a_global_seed, "generator was not used")
wrong("drop_labels", drop_by_python, "generator was not used")
wrong("drop_labels", drop_the_first, "generator was not used")
wrong("drop_labels", drop_with_some_of_both, "equal generators differ")


# classifier_free(eps_uncond, eps_cond, scale)

right(
    "classifier_free",
    lambda u, c, s: u + s * (c - u),
    lambda u, c, s: (1 - s) * u + s * c,
    lambda u, c, s: torch.lerp(u, c, s),
    lambda u, c, s: (1 + (s - 1)) * c - (s - 1) * u,  # w = scale - 1
)
wrong("classifier_free", lambda u, c, s: (1 + s) * c - s * u, "convention of w", "scale = 1 + w")
wrong("classifier_free", lambda u, c, s: c + s * (u - c), "swapped")
wrong("classifier_free", lambda u, c, s: u + (c - u), "scale is forgotten")
wrong("classifier_free", lambda u, c, s: s * c, "eps_cond alone")
wrong("classifier_free", lambda u, c, s: u + c, "sum of both")
wrong("classifier_free", lambda u, c, s: u + s * c, "sum of both")
wrong("classifier_free", lambda u, c, s: s * (u + c), "sum of both")
wrong("classifier_free", lambda u, c, s: (u + c) / 2, "average")
wrong("classifier_free", lambda u, c, s: u + s * (u - c), "sign of the difference")
wrong("classifier_free", lambda u, c, s: s * (c - u), "difference alone")


# implied_gradient(eps_cond, eps_uncond, alpha_bar_t)

right(
    "implied_gradient",
    lambda c, u, a: (u - c) / torch.sqrt(1 - a),
    lambda c, u, a: -c / (1 - a) ** 0.5 + u / (1 - a) ** 0.5,
)
wrong("implied_gradient", lambda c, u, a: (c - u) / (1 - a).sqrt(), "sign is wrong", "MINUS")
wrong("implied_gradient", lambda c, u, a: (u - c) / (1 - a), "square root is missing")
wrong("implied_gradient", lambda c, u, a: (u - c) * (1 - a).sqrt(), "you multiplied")
wrong("implied_gradient", lambda c, u, a: (u - c) / a.sqrt(), "this is sqrt(alpha_bar_t)")
wrong("implied_gradient", lambda c, u, a: u - c, "difference of noises")
wrong("implied_gradient", lambda c, u, a: -c / (1 - a).sqrt(), "one score alone")
wrong("implied_gradient", lambda c, u, a: -u / (1 - a).sqrt(), "one score alone")
