"""Self-checks of chapter 15: likelihoods averaged, and of a guess; Gaussians on paper; spoilt lines; a spread."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, attempt, compare, first_failing, judge, manners, rule_out
from statesdiff.data import JITTER, outline_points
from statesdiff.exact import IdealDenoiser
from statesdiff.exact_posterior import ExactPosterior
from statesdiff.inverse import Twist, guided_noise
from statesdiff.measurements import Linear
from statesdiff.metrics import emd
from statesdiff.rng import randn, stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule

Y, WIDTH = 0.4, 0.6  # of the first two checks


def expected_likelihood(f: Callable[..., Tensor]) -> Verdict:
    """f(belief (B, N), origins (N, 2), y, width) -> p(y | x_t), the likelihood averaged over the beliefs, (B,)."""
    g = stream("check")
    belief = torch.randn(7, 12, generator=g).mul(2).softmax(dim=1)
    origins = torch.randn(12, 2, generator=g)
    each = _density(Y - origins[:, 0], WIDTH)
    right, guess = belief @ each, belief @ origins
    wrong = {
        "this is the likelihood of the mean origin: average the likelihoods of the origins, not the origins": _density(
            Y - guess[:, 0], WIDTH
        ),
        "this is its logarithm: here the density itself is asked for": right.log(),
        "the logarithms are averaged: average the likelihoods themselves": [
            belief @ each.log(),
            (belief @ each.log()).exp(),
        ],
        "this measures the second coordinate: the longitude is the first": belief @ _density(Y - origins[:, 1], WIDTH),
        "the factor 1 / (width sqrt(2 pi)) is missing: a density over y must integrate to 1": right
        * WIDTH
        * math.sqrt(2 * math.pi),
        "the width is taken for a variance: it is a standard deviation": belief
        @ _density(Y - origins[:, 0], WIDTH**0.5),
        "all origins count alike here: weigh each with its belief": each.mean().expand(7),
        "this is the sum over the origins without their beliefs": each.sum().expand(7),
        "only the likeliest origin counts here: the others are possible, too": each[belief.argmax(dim=1)],
        "one likelihood for each origin, before any average: weigh them with the beliefs and add them up": belief
        * each,
        "the minus sign in the exponent is missing: what is far from y must be improbable": belief
        @ (1 / (each * 2 * math.pi * WIDTH**2)),
    }
    return judge(f, (belief, origins, Y, WIDTH), right, wrong, "the average of the likelihoods, Eq. 43")


def _density(off: Tensor, width: float) -> Tensor:
    return (-0.5 * (off / width) ** 2).exp() / (width * math.sqrt(2 * math.pi))


SCHEDULE = NoiseSchedule.linear(T=100, beta_1=1e-3, beta_T=0.12)


class _Curved:
    """A denoiser without a state: the exact one of three points, in either precision."""

    T = 100

    def __call__(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        points = torch.tensor([[-1.0, 0.3], [0.8, 1.1], [0.2, -0.9]]).to(x_t)
        return IdealDenoiser(points, SCHEDULE, jitter=0.4)(x_t, t)


@torch.enable_grad()
def measured_gradient(f: Callable[..., Tensor]) -> Verdict:
    """f(predictor, schedule, x_t (B, 2), t, y, width) -> grad of log N(y; longitude of x_0_hat, width^2), (B, 2)."""
    x_t, t = randn(20, 2, generator=stream("check")), torch.tensor(40)

    def inside_a_sampler() -> Verdict | None:
        with torch.no_grad():
            inside = _judge_gradient(f, x_t, t)
        message = "right, but samplers run without gradients: wrap the computation in `with torch.enable_grad():`"
        return rule_out({message: not inside.passed})

    return first_failing(
        "the gradient goes through the guess, and so through the denoiser",
        lambda: _judge_gradient(f, x_t, t),
        inside_a_sampler,
    )


def _judge_gradient(f: Callable[..., Tensor], x_t: Tensor, t: Tensor) -> Verdict:
    right, wrong = _gradients(x_t, t)
    tried, verdict = attempt(f, _Curved(), SCHEDULE, x_t, t, Y, WIDTH)
    if verdict:
        return verdict
    pair = "torch.autograd.grad returns a tuple with an entry for each input: take the first, [0]"
    touched = "your function left a gradient on the caller's x_t: work on a copy, x_t.detach().requires_grad_()"
    return first_failing(
        "the gradient",
        lambda: rule_out({pair: isinstance(tried.got, tuple) and len(tried.got) == 1}),
        lambda: compare(tried.got, right, wrong, rtol=1e-3),
        lambda: rule_out({touched: tried.given[2].requires_grad}),
        lambda: manners(tried, random=True),
    )


def _gradients(x_t: Tensor, t: Tensor) -> tuple[Tensor, dict[str, Any]]:
    alpha_bar = SCHEDULE.alpha_bar[int(t)].float()

    def of(objective: Callable[[Tensor], Tensor], frozen: bool = False) -> Tensor:
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            eps_hat = _Curved()(x, t)
            x_0_hat = SCHEDULE.predict_x_0(x, t, eps_hat.detach() if frozen else eps_hat)
            return torch.autograd.grad(objective(x_0_hat).sum(), x)[0]

    def log_p(x_0_hat: Tensor, k: int = 0) -> Tensor:
        return -0.5 * ((Y - x_0_hat[:, k]) / WIDTH) ** 2

    right = of(log_p)
    off = Y - SCHEDULE.predict_x_0(x_t, t, _Curved()(x_t, t))[:, :1]
    first = torch.tensor([1.0, 0.0])
    return right, {
        "this is the gradient with respect to the guess: take it with respect to x_t, through the denoiser": (
            off / WIDTH**2 * first
        ),
        "the denoiser is taken for a constant: eps_hat changes with x_t as well, do not detach it": of(log_p, True),
        "the noisy point is measured here, not the guess of its origin": (Y - x_t[:, :1]) / WIDTH**2 * first,
        "the sign is wrong: this leads away from where the measurement is probable": -right,
        "this is the gradient of p: take that of log p": of(lambda guess: _density(Y - guess[:, 0], WIDTH)),
        "the width is missing: the squared distance is divided by 2 width^2": right * WIDTH**2,
        "the distance is divided by the width, not its square: log N has 2 width^2": right * WIDTH,
        "the half is missing: log N has the squared distance over 2 width^2": 2 * right,
        "this measures the second coordinate: the longitude is the first": of(lambda guess: log_p(guess, 1)),
        "both coordinates are measured here: only the longitude is told": of(
            lambda guess: log_p(guess) + log_p(guess, 1)
        ),
        "this is too small by the size of the batch: sum over the points, do not average": right / len(x_t),
        "this is a noise: here the gradient itself is asked for": [
            (1 - alpha_bar).sqrt() * right,
            -(1 - alpha_bar).sqrt() * right,
        ],
    }


guessed_variances = OnPaper(
    right=(1 / 3, math.exp(-2)),
    wrong={
        "the two are in the wrong order: first the posterior's, then the samples'": (math.exp(-2), 1 / 3),
        "these are standard deviations: their squares are the variances": (3**-0.5, math.exp(-1)),
        "these are one over the variances": (3.0, math.exp(2)),
        "the second is the square root of what it should be: the difference shrinks by a factor, its variance by the "
        "square": (1 / 3, math.exp(-1)),
        "the samples do not have the posterior's variance: that is the point of the second question": (1 / 3, 1 / 3),
        "the prior is forgotten in the first: with it the precisions add": (0.5, math.exp(-2)),
        "in the first the variances were added: it is the precisions that add": (1.5, math.exp(-2)),
        "nu^2 = 1/2 was taken for nu": (0.2, math.exp(-4)),
        "the guidance is forgotten in the second: without it the samples would have the variance v": (1 / 3, 1.0),
    },
    praise="two fifths of what it should be, and the ratio gets worse the better the measurement is",
    rtol=2e-3,
)

broken_replacement = FindTheLine(
    source="""
def draw(model, schedule, x, y, times, generator):
    for t, s in zip(times, times[1:]):
        a, b = schedule.alpha_bar[t].float(), schedule.alpha_bar[s].float()
        eps_hat = model(x, torch.tensor(t))
        x_0_hat = (x - (1 - a).sqrt() * eps_hat) / a.sqrt()
        variance = (1 - b) / (1 - a) * (1 - a / b)
        x = b.sqrt() * x_0_hat + (1 - b - variance).clamp(min=0).sqrt() * eps_hat
        x = x + variance.sqrt() * torch.randn(x.shape, generator=generator)
        noise = (1 - b).sqrt() * torch.randn(len(x), generator=generator)
        x[:, 0] = b.sqrt() * y + noise
    return x
""",
    faults={
        "A": (10, "x[:, 1] = b.sqrt() * y + noise"),
        "B": (8, "x = x + variance * torch.randn(x.shape, generator=generator)"),
        "C": (9, "noise = torch.randn(len(x), generator=generator)"),
        "D": (7, "x = b.sqrt() * x_0_hat + (1 - b).sqrt() * eps_hat"),
    },
    innocent={
        1: "it names what comes in, and all of them do that alike",
        2: "all of them go through the same pairs of times; with others even the right program would miss the coasts",
        3: "the shares of signal belong to t and s in all of them; were they swapped, nothing would be drawn at all",
        4: "the denoiser is asked in the same way in all of them",
        5: "whatever the guess, the longitude would end where it was measured, and here it does not",
        ("B", 5): "it is Eq. 2, solved for the origin, with the shares that belong to t",
        (
            "D",
            5,
        ): "with a wrong guess the points would be lost altogether, or lie on the coasts; here they lie a little "
        "off them",
        6: "the variance of a step is needed in lines 7 and 8, and used in two ways: look at those",
        7: "it leads all points towards their guess, and leaves some of the noise in them: with too much or too little "
        "of it the points would miss the coasts above and below, at the right longitude",
        (
            "B",
            7,
        ): "were noise of a wrong size left in, the points would miss the coasts; here those that are there lie on "
        "them, but they are in few places",
        8: "it adds the fresh noise of a step, which spreads the points over all the places that are possible",
        ("D", 8): "with too little fresh noise the points would crowd in few places; here they reach too far",
        9: "it is the noise of what is known, which has to be gone at time 0: were it not, the longitude would not end "
        "where it was measured",
        ("A", 9): "were noise left in what is known, no coordinate would end at one number, and here one does",
        10: "it puts what is known in its place: another place, and another coordinate would end at y",
        (
            "C",
            10,
        ): "the right coordinate is set: the latitudes are spread over two states as they should be; what is set "
        "there is not what was measured",
        11: "what is returned are the points, as many as came in",
    },
    praise={
        "A": "the latitude is set in place of the longitude",
        "B": "a variance in place of its root is far too little fresh noise, and the points crowd in few places",
        "C": "the noise of what is known never gets less, not even at time 0",
        "D": "all of the predicted noise is kept, and fresh noise comes on top: too much at every step",
    },
)

OKLAHOMA, LONGITUDE = 3, Linear([[1.0, 0.0]], [0.4], 0.2)
TIMES = [*range(500, 200, -15), *range(200, 20, -5), *range(20, -1, -2)]


@cache
def _exact() -> ExactPosterior:
    return ExactPosterior(
        IdealDenoiser(outline_points(600, label=OKLAHOMA), NoiseSchedule.linear(T=500), JITTER), LONGITUDE
    )


def emd_with(spread_at: Callable[[int], float]) -> float:
    """The EMD from exact draws of 500 samples that are guided with a spread of one's own, mean over two draws."""
    exact = _exact()

    def guided(x_t: Tensor, t: Tensor) -> Tensor:
        variance = _spread(spread_at, int(t)) ** 2
        with torch.enable_grad():
            x = x_t.detach().requires_grad_()
            eps_hat = exact.ideal(x, t)
            log_p = LONGITUDE.log_likelihood(exact.schedule.predict_x_0(x, t, eps_hat), variance)
            gradient = torch.autograd.grad(log_p.sum(), x)[0]
        return guided_noise(Twist(eps_hat.detach(), log_p, gradient), exact.schedule, t)

    scores = []
    for seed in (0, 1):
        rng = stream("best spread", seed)
        fresh, x_T = exact.sample(500, generator=rng), randn(500, 2, generator=rng)
        scores.append(emd(last(ddim(guided, exact.schedule, x_T, steps=TIMES, eta=1.0, generator=rng)), fresh))
    return sum(scores) / len(scores)


def _spread(spread_at: Callable[[int], float], t: int) -> float:
    """The reader's number for t. Raises AgainstTheRules if it is none, or negative."""
    found = spread_at(t)
    try:
        value = float(found)
    except (TypeError, ValueError, RuntimeError):
        value = math.nan
    if not 0 <= value < math.inf:
        raise AgainstTheRules(f"spread_at(t) must be a standard deviation, 0 or more; at t = {t} yours is {found!r}")
    return value


best_spread = ScoreToBeat(
    measure=emd_with,
    what="EMD with your spread",
    target=0.046,
    best=0.0381,
    tolerance=0.05,
)
