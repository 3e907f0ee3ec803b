"""Self-checks of chapter 16: a layer that is too narrow, noise from v, the arc between latents, a spoilt way back."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from statesdiff.check.lines import FindTheLine
from statesdiff.check.paper import OnPaper
from statesdiff.check.verdict import Verdict, first_failing, judge
from statesdiff.rng import stream

narrow_layer = OnPaper(
    528 / 784,
    {
        "this is the share of the noise that can be told: the loss is what remains": 256 / 784,
        "the loss is the mean over all 784 numbers: divide by 784": 528,
        "the loss is a mean of squares: no root": math.sqrt(528 / 784),
        "528 directions are out of reach, of 784, not of 528 + 784": 528 / (528 + 784),
        "nothing is out of reach only if the layer has at least 784 units; this one has 256": 0.0,
        "all of the noise is out of reach only for a layer with no units; this one has 256": 1.0,
    },
    "whatever the weights, and at every t: the noise has 784 directions, the answer 256",
)


def noise_of_v(f: Callable[..., Tensor]) -> Verdict:
    """f(v_hat (B, D), x_t (B, D), alpha_bar_t scalar) -> the noise that they imply."""
    g = stream("check")
    v, x_t, ab = torch.randn(40, 3, generator=g), torch.randn(40, 3, generator=g), torch.tensor(0.3)
    a, b = ab.sqrt(), (1 - ab).sqrt()
    wrong = {
        "this is the clean image: the noise is the other combination": a * x_t - b * v,
        "the square roots are missing": ab * v + (1 - ab) * x_t,
        "the two factors are swapped": b * v + a * x_t,
        "a sign: put v into it, and the x_0 in v and that in x_t must cancel": [a * v - b * x_t, b * x_t - a * v],
        "the part that is in x_t is missing": a * v,
        "v itself is noise and image mixed; x_t is needed to part them": v,
        "divide by nothing: alpha_bar and 1 - alpha_bar already add up to 1": [
            (v + b * x_t) / a,
            v / a + b * x_t,
            a * v + x_t / b,
        ],
    }

    def at(ab: float) -> Verdict:
        there = ab**0.5 * v + (1 - ab) ** 0.5 * x_t
        return judge(f, (v, x_t, torch.tensor(ab)), there, {}, rtol=1e-3).at(f"alpha_bar_t = {ab}")

    return first_failing(
        "a turn: sqrt(alpha_bar) and sqrt(1 - alpha_bar) are a cosine and a sine",
        lambda: judge(f, (v, x_t, ab), a * v + b * x_t, wrong),
        lambda: at(0.9999),
        lambda: at(1e-8),
    )


def arc(f: Callable[..., Tensor]) -> Verdict:
    """f(a (D,), b (D,), w float) -> the point at the share w of the way along the arc from a to b, as seen from 0."""
    g = stream("check", 2)
    a, b, w = 2 * torch.randn(6, generator=g).double(), torch.randn(6, generator=g).double(), 0.3

    def between(p: Tensor, q: Tensor, w: float) -> Tensor:
        h = torch.acos(p @ q / (p.norm() * q.norm()))
        return (torch.sin((1 - w) * h) * p + torch.sin(w * h) * q) / torch.sin(h)

    cosine = a @ b / (a.norm() * b.norm())
    h, one, length = torch.acos(cosine), a / a.norm(), (1 - w) * a.norm() + w * b.norm()
    wrong = {
        "this is the straight line": (1 - w) * a + w * b,
        "w is the share of the way from a: at w = 0 you must be at a": between(b, a, w),
        "the division by the sine of the angle is missing": between(a, b, w) * torch.sin(h),
        "this is the cosine, where its angle belongs: take the arc cosine": (
            (torch.sin((1 - w) * cosine) * a + torch.sin(w * cosine) * b) / torch.sin(cosine)
        ),
        "the straight line, brought to the length of its ends, goes unevenly: weigh by sines": (
            ((1 - w) * a + w * b) / ((1 - w) * a + w * b).norm() * length
        ),
        "the directions were made of length one: keep the lengths of a and b": between(one, b / b.norm(), w),
        "weights with cosine and sine are for ends at right angles; take the angle that there is": (
            math.cos(w * math.pi / 2) * a + math.sin(w * math.pi / 2) * b
        ),
    }

    def ends() -> Verdict:
        return judge(f, (a, b, 0.0), a, {}, rtol=1e-4).at("w = 0")

    return first_failing(
        "of two latents of one length it keeps that length all the way",
        lambda: judge(f, (a, b, w), between(a, b, w), wrong),
        ends,
    )


broken_return = FindTheLine(
    """
def there_and_back(net, schedule, x_0, times):
    x, rising = x_0, times[::-1]
    for s, t in zip(rising, rising[1:]):
        eps_hat = net(x, max(s, 1))
        x_0_hat = schedule.predict_x_0(x, s, eps_hat)
        x = schedule.q_sample(x_0_hat, t, eps_hat)
    for t, s in zip(times, times[1:]):
        eps_hat = net(x, t)
        x_0_hat = schedule.predict_x_0(x, t, eps_hat)
        x = schedule.q_sample(x_0_hat, s, eps_hat)
    return x
""",
    {
        "A": (6, "x = schedule.q_sample(x_0_hat, t, torch.randn(x.shape))"),
        "B": (10, "x = schedule.q_sample(x_0_hat, t, eps_hat)"),
        "C": (5, "x_0_hat = schedule.predict_x_0(x, t, eps_hat)"),
    },
    {
        1: "it names what the program is given.",
        2: "it makes a rising list of a falling one.",
        3: "it goes up the same times that the second loop comes down.",
        ("A", 4): "a wrong guess would be the same at every call; without its seed A makes other garments each time.",
        ("B", 4): "noise that is taken twice too large would end like this; but here it is what the network says.",
        4: "asked with t = T at every step, the network would lead to such silhouettes; but it is "
        "asked at the time of x, as it should be.",
        ("A", 5): "with another image on the way, no garment would come out; here some do, and good ones.",
        ("B", 5): "what comes out is noise, as if nothing had come down at all.",
        5: "look at what comes out: it is not what this line would do.",
        6: "it brings x to the later time, with the noise that was seen, as it should.",
        7: "it comes down from T to 0, each time once.",
        8: "with wrong noise on the way down no garment would be as sharp, and no silhouette.",
        ("B", 8): "with wrong noise it would end in noise, too; but the network is asked about x at the time of x.",
        (
            "B",
            9,
        ): "with a wrong clean image it would end in noise, too; but x, its time and its noise are the right ones.",
        9: "then the way down would fail, and it is the way up that has gone wrong here.",
        ("A", 10): "the way down is sound: garments come out. They are others than those that went in.",
        10: "it must bring x to the earlier time, and what comes out has arrived there.",
        11: "it returns what has been reached.",
    },
    {
        "A": "fresh noise at each step forgets the garment: what comes back is some other one",
        "B": "x stays at the time it has, so noise remains noise: it must go to the earlier time, s",
        "C": "x, at time s, is taken for one at time t: line 6 puts back what line 5 took, and x stays the image",
    },
)
