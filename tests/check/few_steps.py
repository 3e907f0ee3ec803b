"""Answers to the exercises of chapter 14, right and wrong."""

import math

import torch

from tests.check.answers import right, wrong

# heun_step(schedule, x_t, t, s, predictor)


def heun(change=lambda v: v, at_0=False):
    """Heun's step; `change` is given its ingredients and may replace some."""

    def answer(schedule, x_t, t, s, predictor):
        a, level = schedule.alpha_bar.sqrt().float(), schedule.noise_level.float()
        v = {"a_t": a[t], "a_s": a[s], "width": level[s] - level[t], "w": (0.5, 0.5)}
        v |= {"second": lambda there: predictor(there, s), "from_there": False} | change(v | {"x": x_t, "f": predictor,
              "t": t, "s": s, "schedule": schedule})  # fmt: skip
        first = predictor(x_t, t)
        there = v["a_s"] * (x_t / v["a_t"] + v["width"] * first)
        if s == 0 and not at_0:
            return there
        slope = v["w"][0] * first + v["w"][1] * v["second"](there)
        start = there / v["a_s"] if v["from_there"] else x_t / v["a_t"]
        return v["a_s"] * (start + v["width"] * slope)

    return answer


def changed(**new):
    return heun(lambda v: new)


def in_the_middle(schedule, x_t, t, s, predictor):
    a, level, m = schedule.alpha_bar.sqrt().float(), schedule.noise_level.float(), (t + s) // 2
    half = a[m] * (x_t / a[t] + (level[m] - level[t]) * predictor(x_t, t))
    return a[s] * (x_t / a[t] + (level[s] - level[t]) * predictor(half, m))


def of_the_root(v):
    sin = (1 - v["schedule"].alpha_bar).sqrt().float()
    return {"width": sin[v["s"]] - sin[v["t"]]}


def end_as_it_is(schedule, x_t, t, s, predictor):
    return heun()(schedule, x_t, t, s, predictor) / schedule.alpha_bar[s].sqrt().float()


def nothing_at_the_end(schedule, x_t, t, s, predictor):
    return x_t if s == 0 else heun()(schedule, x_t, t, s, predictor)


right("heun_step", heun(), lambda *args: heun()(*args).double())
wrong("heun_step", changed(w=(1, 0)), "Euler's step", "the mean of the two")
wrong("heun_step", changed(w=(0, 1)), "second slope alone")
wrong("heun_step", changed(w=(1, 1)), "added")
wrong("heun_step", heun(lambda v: {"second": lambda there: v["f"](v["x"], v["s"])}), "asked at x_t")
wrong("heun_step", heun(lambda v: {"second": lambda there: v["f"](there, v["t"])}), "with the time t")
wrong("heun_step", heun(lambda v: {"second": lambda there: v["f"](there / v["a_s"], v["s"])}), "x / sqrt(alpha_bar)")
wrong("heun_step", changed(from_there=True), "went on from where the first step leads")
wrong("heun_step", changed(a_t=1.0), "not divided by sqrt(alpha_bar_t)")
wrong("heun_step", end_as_it_is, "not multiplied by sqrt(alpha_bar_s)")
wrong("heun_step", heun(lambda v: {"width": -v["width"]}), "negative")
wrong("heun_step", heun(of_the_root), "not to sqrt(1 - alpha_bar)")
wrong("heun_step", in_the_middle, "in the middle of the step")
wrong("heun_step", heun(at_0=True), "at s = 0 there is no noise to ask about")
wrong("heun_step", nothing_at_the_end, "right elsewhere, but at s = 0")
wrong("heun_step", lambda schedule, x, t, s, f: torch.randn(50, 2), "fresh noise")
wrong("heun_step", lambda schedule, x, t, s, f: heun()(schedule, x, t, s, f) + 1, "constant, 1")


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
