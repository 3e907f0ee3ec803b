"""Self-checks of chapter 7: labels that are dropped, guidance without a classifier, its scale, spoilt lines."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.scores import AgainstTheRules, ScoreToBeat
from statesdiff.check.verdict import Verdict, attempt, first_failing, judge, numbers, rule_out, wrong_shape
from statesdiff.checkpoints import book_denoiser
from statesdiff.data import states
from statesdiff.metrics import emd
from statesdiff.rng import stream
from statesdiff.samplers import ddim, last
from statesdiff.schedule import NoiseSchedule


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

    unused = torch.equal(g.get_state(), start) or not torch.equal(torch.get_rng_state(), elsewhere)
    changed = bool(tried.overwritten())
    return first_failing(
        "one network will learn both, with the label and without",
        lambda: wrong_shape(labels, y),
        lambda: rule_out(_wrong_labels(labels, y, p_uncond)),
        lambda: rule_out(_wrong_draws(f, y, p_uncond, labels, changed=changed, unused=unused)),
    )


def _wrong_draws(
    f: Callable[..., Tensor], y: Tensor, p_uncond: float, labels: Tensor, *, changed: bool, unused: bool
) -> dict[str, bool]:
    """What can be seen when it is called again, with the same generator and with others."""
    again, *others = (
        numbers(attempt(f, y, p_uncond, stream("check", seed))[0].got, dtype=None)[0] for seed in (1, 2, 3, 4)
    )
    counts = {int((drawn == -1).sum()) for drawn in (labels, *others)}
    return {
        "the caller's y was changed in place: work on a copy, y.clone(), or use torch.where": changed,
        "the generator was not used: pass generator=generator to torch.rand": unused,
        "exactly the same number each time: toss a coin for each label, do not permute or count": len(counts) == 1,
        "two calls with equal generators differ: draw from the generator alone": not again.equal(labels),
        "some labels share a random number, and are dropped together: draw one for each, len(y) of them": (
            _in_step(labels == -1)
        ),
    }


def _in_step(dropped: Tensor) -> Tensor:
    """Whether labels a fixed number of places apart are dropped together, up to half of all (B,) apart -> a bool."""
    signed, lags = dropped.double() - dropped.double().mean(), torch.arange(1, len(dropped) // 2 + 1)
    products = torch.fft.irfft(torch.fft.rfft(signed, 2 * len(signed)).abs().square())[lags]  # sums, one for each lag
    return (products > 0.3 * (len(signed) - lags) * signed.square().mean()).any()  # by chance hardly 0.1


def _by_state(y: Tensor, dropped: Tensor) -> bool:
    """Whether the labels y (B,) of each state are dropped all or none."""
    return all(len(dropped[y == state].unique()) == 1 for state in y.unique())


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
        "each state is dropped whole or kept whole: draw one random number for each label, len(y) of them": (
            _by_state(y, dropped)
        ),
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
        "the scale is squared": u + scale**2 * (c - u),
        "the scale divides: multiply by it": u + (c - u) / scale,
        "both noises are scaled up: their weights, 1 - scale and scale, add up to 1": u * scale + c * (1 + scale),
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
        "the two scores are added: grad log p(y | x_t) is their difference": -(c + u) / noise,
        "this is turned upside down: the noise level divides the difference": noise / (u - c),
        "this is one score alone: grad log p(y | x_t) is a difference of two": [-c / noise, -u / noise],
    }
    praise = "Bayes' rule, differentiated: the difference of two scores"
    return judge(f, (c, u, ab), (u - c) / noise, wrong, praise)


on_each_other = OnPaper(
    right=(1.5, 0.9),
    wrong={
        "the two are in the wrong order: first errors of one direction, then those at right angles": (0.9, 1.5),
        "this goes from the better network to the worse: start at the worse one, scale 1 is the better": (-0.5, 0.1),
        "these count like w, from the better network on: scale = 1 + w": (0.5, -0.1),
        "the first goes the wrong way: k + s (1 - k) has to vanish": (0.75, 0.9),
        "the lengths at right angles add as squares: k^2 / (1 + k^2)": (1.5, 0.75),
        "errors at right angles never cancel, so that 1.5 makes them longer: ask where s^2 a^2 + (1 - s)^2 k^2 a^2 "
        "is least": (1.5, 1.5),
    },
    praise="what they share is cancelled beyond 1; what they do not share is averaged out below it",
)

broken_walk = FindTheLine(
    source="""
def guided(model, x, t, y, scale):
    eps_uncond = model(x, torch.tensor(t))
    eps_cond = model(x, torch.tensor(t), y)
    return eps_uncond + scale * (eps_cond - eps_uncond)

def draw(model, schedule, x, y, scale, times, walks, rng):
    for t, to in zip(times, times[1:]):
        eps_hat = guided(model, x, t, y, scale)
        x = schedule.q_sample(schedule.predict_x_0(x, t, eps_hat), to, eps_hat)
        for _ in range(walks if to > 0 else 0):
            h = 0.2 * float(1 - schedule.alpha_bar[to])
            score = schedule.score(guided(model, x, to, y, scale), to)
            z = torch.randn(x.shape, generator=rng)
            x = x + h * score + (2 * h) ** 0.5 * z
    return x
""",
    faults={
        "A": (2, "eps_uncond = model(x, torch.tensor(t), 0)"),
        "B": (13, "z = torch.rand(x.shape, generator=rng)"),
        "C": (4, "return eps_cond + scale * (eps_uncond - eps_cond)"),
    },
    innocent={
        1: "it names what comes in, and all three do that alike",
        2: "the noise without a label stands for all states alike: were another in its place, the points would flee "
        "from that one alone",
        3: "with another label they would be drawn to another state, and would form it",
        4: "it says from where to where guidance leads, and how far: the wrong way would lead to the other states",
        5: "nothing stands there",
        6: "it names what comes in, and all three do that alike",
        7: "with some of the times left out, or the pairs turned round, all of Oklahoma would still be drawn",
        8: "it asks for the noise of the point at its own time, as the samplers of the other chapters do",
        9: "it is Eq. 7: the walks mend most of what could be wrong there, and draw all of Oklahoma; what they cannot "
        "mend would leave points all over the plane",
        10: "it counts the walks: with more or fewer of them the points would still be about Oklahoma",
        11: "with steps ten times as long, or a hundredth as long, the points would still be about Oklahoma",
        12: "it asks for the score at the time that the points have reached",
        13: "fresh noise that is wrong moves all points alike, whatever the label is",
        14: "it is Eq. 16: with another factor lines would be thinner or thicker, on the same outline",
        15: "what is returned are the points, as many as came in",
    },
    praise={
        "A": "0 is Michigan, not 'no label': guidance leads from Michigan, the far way, and past Oklahoma",
        "B": "torch.rand is between 0 and 1, so that each walk pushes to the upper right",
        "C": "at scale 2 this is minus the label: from Oklahoma towards all the others",
    },
)


def _ten_scales(scale_at: Callable[[int], float]) -> float:
    model, schedule, n = book_denoiser("conditional")[0], NoiseSchedule.linear(T=500), 400
    y, fresh = torch.arange(5).repeat_interleave(n), states(n, seed=5)

    def guided(x: Tensor, t: Tensor) -> Tensor:
        scale = float(scale_at(int(t)))
        if not -10 <= scale <= 10:
            raise AgainstTheRules(f"scales from -10 to 10 are allowed; at t = {int(t)} yours is {scale:g}")
        eps_uncond = model(x, t)
        return eps_uncond + scale * (model(x, t, y) - eps_uncond)

    x_T = torch.randn(len(y), 2, generator=stream("contest"))
    x_0 = last(ddim(guided, schedule, x_T, steps=10))
    return sum(emd(x_0[y == k], fresh.of_class(k)) for k in range(5)) / 5


ten_scales = ScoreToBeat(
    measure=_ten_scales,
    what="EMD from fresh points, 10 steps, mean of the five states",
    target=0.12,
    best=0.107,
    tolerance=0.03,
)
