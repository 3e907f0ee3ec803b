"""Answers to the exercises of chapter 14, right and wrong."""

import math

import torch

from tests.check.answers import right, wrong

# remembering_step(schedule, x_t, t, s, x_0_hat, t_before, x_0_before)


def remembering(change=lambda v: {}, at_0=True):
    """The step; `change` is given its ingredients and says what else they are."""

    def answer(schedule, x_t, t, s, x_0_hat, t_before, x_0_before):
        if s == 0 and at_0:
            return x_0_hat
        kappa, ab = 0.5 * (schedule.alpha_bar / (1 - schedule.alpha_bar)).log(), schedule.alpha_bar
        v = {"h": kappa[s] - kappa[t], "last": kappa[t] - kappa[t_before], "at": 0.5, "root_s": ab[s] ** 0.5}
        v |= {"kept": ((1 - ab[s]) / (1 - ab[t])) ** 0.5, "new": x_0_hat, "old": x_0_before}
        v |= {"root_t": ab[t] ** 0.5}
        v |= change(v)
        weight = v.get("weight", 1 - (-v["h"]).exp())
        line = v["new"] + v["at"] * v["h"] * (v["new"] - v["old"]) / v["last"]
        return v["kept"] * x_t + v["root_s"] * weight * line

    return answer


def with_(**new):
    return remembering(lambda v: new)


right("remembering_step", remembering(), lambda *args: remembering()(*args).float())
wrong("remembering_step", with_(at=0.0), "Euler's step", "the last two predictions")
wrong("remembering_step", with_(at=-0.5), "the line goes back")
wrong("remembering_step", with_(last=1.0), "that length is missing")
wrong("remembering_step", remembering(lambda v: {"last": v["h"]}), "the length of this step")
wrong("remembering_step", with_(at=1.0), "at the end of the step")
wrong("remembering_step", remembering(lambda v: {"kept": v["root_s"] / v["root_t"]}), "which keeps the noise")
wrong("remembering_step", remembering(lambda v: {"kept": v["kept"] ** 2}), "root of (1 - alpha_bar_s)")
wrong("remembering_step", remembering(lambda v: {"h": 2 * v["h"], "last": 2 * v["last"]}), "twice kappa")
wrong("remembering_step", remembering(lambda v: {"weight": v["h"].exp() - 1}), "not exp(h) - 1")
wrong("remembering_step", with_(root_s=1.0), "was not multiplied by sqrt(alpha_bar_s)")
wrong("remembering_step", remembering(lambda v: {"root_s": v["root_s"] ** 2}), "what is taken in is multiplied by")
wrong("remembering_step", remembering(lambda v: {"root_s": v["root_t"]}), "belongs to s")
wrong("remembering_step", remembering(lambda v: {"new": v["old"], "old": v["new"]}), "swapped")
wrong("remembering_step", remembering(at_0=False), "right elsewhere, but at s = 0", "NaN")
wrong("remembering_step", lambda schedule, x, t, s, new, u, old: x if s == 0 else remembering()(
    schedule, x, t, s, new, u, old), "h is infinite: return x_0_hat")  # fmt: skip
wrong("remembering_step", lambda schedule, x, t, s, new, u, old: remembering()(schedule, x, t, max(s, 9), new, u, old),
      "right elsewhere, but at the step from 12 to 5")  # fmt: skip
wrong("remembering_step", lambda schedule, *args: torch.randn(50, 2), "fresh noise")
wrong("remembering_step", lambda *args: remembering()(*args) + 1, "constant, 1")


# parabola: the integral of exp(v - 1) v^2 from 0 to 1

E = math.exp(-1)

right("parabola", 1 - 2 * E, 0.2642, torch.tensor(0.2642))
wrong("parabola", 0.5 - E, "half of it")
wrong("parabola", 1 / 3, "exponential is missing")
wrong("parabola", math.e - 2, "smaller by a factor e")
wrong("parabola", E, "the weight of the slope")
wrong("parabola", 1 - E, "the weight of x_0_hat itself")
wrong("parabola", 2 - 5 * E, "exp(-v) was integrated")
wrong("parabola", 0.5, "not the right number")


# bridge: P(|x_0| < 1/2) for a slope of 4

right("bridge", 0.0995, math.erf(0.125 / math.sqrt(2)), torch.tensor(0.0995))
wrong("bridge", 0.0497, "one side only")
wrong("bridge", 0.1974, "whole slope")
wrong("bridge", 0.3829, "slope k is missing")
wrong("bridge", 0.9545, "not k/2")
wrong("bridge", 0.25, "multiply by the density")
wrong("bridge", 0.9005, "outside of the middle")
wrong("bridge", "a tenth", "yours is str")


# eight_times

right("eight_times", [500, 381, 191, 85, 33, 14, 8, 2])
wrong("eight_times", range(500, 0, -63), "at most", "the book's own")
wrong("eight_times", [500, 450, 400], "eight whole numbers that fall", "[500, 450, 400]")
wrong("eight_times", [499, 343, 164, 65, 28, 16, 9, 4], "first time is 500")
wrong("eight_times", [500, 343, 164, 65, 28, 16, 9, 0], "at least 1")
wrong("eight_times", [500, 343, 164, 65, 28, 16, 9, 9], "eight whole numbers that fall")
wrong("eight_times", [500.5, 343, 164, 65, 28, 16, 9, 4], "eight whole numbers")
wrong("eight_times", 8, "eight whole numbers")
wrong("eight_times", lambda T: range(8), "eight whole numbers")
