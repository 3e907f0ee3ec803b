"""Answers to the exercises of chapter 6, right and wrong."""

import copy
import math

import torch
import torch.nn.functional as F

from tests.check.answers import right, wrong

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


@torch.enable_grad()
def backward_and_nothing(classifier, x_t, t, y):
    x = x_t.detach().requires_grad_()
    log_p(classifier(x, t), y).sum().backward()


@torch.enable_grad()
def found_and_not_returned(classifier, x_t, t, y):
    gradient_of(log_p)(classifier, x_t, t, y)


@torch.enable_grad()
def one_for_all_points(classifier, x_t, t, y):
    return gradient_of(log_p)(classifier, x_t, t, y).mean(0).expand_as(x_t)


@torch.enable_grad()
def moving_the_callers_points(classifier, x_t, t, y):
    gradient = gradient_of(log_p)(classifier, x_t, t, y)
    x_t += gradient
    return gradient


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
wrong("class_gradient", backward_and_nothing, "returned None", "backward() leaves the gradient in the .grad")
wrong("class_gradient", found_and_not_returned, "returned None: is `return` missing?")
wrong("class_gradient", one_for_all_points, "not the right numbers")
wrong("class_gradient", moving_the_callers_points, "`x_t` was overwritten")
wrong("class_gradient", lambda *args: gradient_of(log_p)(*args).T, "this is the transpose")
wrong("class_gradient", gradient_of(lambda z, y: 2 * log_p(z, y)), "a factor, 2")


# guided_noise(eps_hat, gradient, alpha_bar_t, scale)

right(
    "guided_noise",
    lambda e, g, a, s: e - s * torch.sqrt(1 - a) * g,
    lambda e, g, a, s: -((1 - a) ** 0.5) * (-e / (1 - a) ** 0.5 + s * g),  # by way of the score
    lambda e, g, a, s: (e.numpy() - s * math.sqrt(1 - a) * g.numpy()).tolist(),
)
wrong("guided_noise", lambda e, g, a, s: e + s * (1 - a).sqrt() * g, "sign is wrong", "away from the data")
wrong("guided_noise", lambda e, g, a, s: e - s**2 * (1 - a).sqrt() * g, "scale is squared")
wrong("guided_noise", lambda e, g, a, s: e - (1 - a).sqrt() * g / s, "scale divides")
wrong("guided_noise", lambda g, e, a, s: e - s * (1 - a).sqrt() * g, "eps_hat and gradient are swapped")
wrong("guided_noise", lambda e, g, a, s: (1 - a).sqrt() * e - s * g, "eps_hat was scaled down")
wrong("guided_noise", lambda e, g, a, s: e.sub_(s * (1 - a).sqrt() * g), "`e` was overwritten")
wrong("guided_noise", lambda e, g, a, s: (e - s * (1 - a).sqrt() * g, g), "[0] is right")
wrong("guided_noise", lambda e, g, a, s: e - s * (1 - a).sqrt() * g[:, :1], "right in column 0, wrong in column 1")
wrong("guided_noise", lambda e, g, a, s: e - s * g, "factor sqrt(1 - alpha_bar_t) is missing")
wrong("guided_noise", lambda e, g, a, s: e - s * (1 - a) * g, "square root is missing")
wrong("guided_noise", lambda e, g, a, s: e - s * a.sqrt() * g, "this is sqrt(alpha_bar_t)")
wrong("guided_noise", lambda e, g, a, s: e - s * g / (1 - a).sqrt(), "you divided by")
wrong("guided_noise", lambda e, g, a, s: e - (1 - a).sqrt() * g, "scale is forgotten")
wrong("guided_noise", lambda e, g, a, s: s * (e - (1 - a).sqrt() * g), "not the whole sum")
wrong("guided_noise", lambda e, g, a, s: e - (1 + s) * (1 - a).sqrt() * g, "1 + scale", "Bayes' rule")
wrong("guided_noise", lambda e, g, a, s: -s * (1 - a).sqrt() * g, "the change alone")
wrong("guided_noise", lambda e, g, a, s: s * (1 - a).sqrt() * g, "the change alone")


# guided_variances: v = 4, u = 1, s = 3

right("guided_variances", (0.4, 0.0625), (2 / 5, 1 / 16), [0.4, 0.0625])
wrong("guided_variances", (1 / 16, 0.4), "wrong order")
wrong("guided_variances", (0.4**0.5, 0.25), "standard deviations")
wrong("guided_variances", (1 / (4 - 3 / 4), 4**-3), "s = 1 + w")
wrong("guided_variances", (2.5, 16), "one over the variances")
wrong("guided_variances", (0.4, 0.4), "second question")
wrong("guided_variances", (1 / 16, 1 / 16), "the second number is right")
wrong("guided_variances", (1 / (3 / 4 - 2), 64), "v and u are swapped")
wrong("guided_variances", (0.4, 0.25), "by the square")
wrong("guided_variances", (1 / (1 / 4 + 3), 4), "the power of p(x) is 1 - s")
