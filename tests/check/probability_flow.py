"""Answers to the exercises of chapter 12, right and wrong."""

import math

import torch

from tests.check.answers import right, wrong

# heun_step(predictor, schedule, x_t, t, s)


def heun(**change):
    """Heun's step along Eq. 29; each ingredient is a function of (schedule, t, s)."""
    v = {
        "h": lambda sc, t, s: sc.noise_level[s] - sc.noise_level[t],
        "start": lambda sc, t, s: sc.alpha_bar[t].sqrt(),
        "asked": lambda sc, t, s: sc.alpha_bar[s].sqrt(),
        "back": lambda sc, t, s: sc.alpha_bar[s].sqrt(),
        "again": lambda sc, t, s: s,
        "share": 1.0,
        "weights": (0.5, 0.5),
    } | change

    def answer(predictor, schedule, x_t, t, s):
        at = schedule, t, s
        u, h = x_t / v["start"](*at), v["h"](*at)
        first = predictor(v["first_asked"](x_t, u) if "first_asked" in v else x_t, t)
        second = predictor(v["asked"](*at) * (u + v["share"] * h * first), v["again"](*at))
        return v["back"](*at) * (u + h * (v["weights"][0] * first + v["weights"][1] * second))

    return answer


def one(*args):
    return 1.0


def of_t(schedule, t, s):
    return schedule.alpha_bar[t].sqrt()


def only_up(predictor, schedule, x_t, t, s):
    return heun()(predictor, schedule, x_t, t, max(s, t))


def not_from_one(predictor, schedule, x_t, t, s):
    return heun()(predictor, schedule, x_t, t, s) if t > 1 else x_t


right("heun_step", heun(), lambda *args: heun()(*args).float())
wrong("heun_step", heun(weights=(1.0, 0.0)), "this is Euler's step, DDIM's")
wrong("heun_step", heun(weights=(0.0, 1.0)), "the second slope alone")
wrong("heun_step", heun(weights=(1.0, 1.0)), "half of the sum")
wrong("heun_step", heun(again=lambda sc, t, s: t), "belongs to time s, not to t")
wrong("heun_step", heun(share=0.0), "taken at the start")
wrong("heun_step", heun(share=0.5), "midpoint rule")
wrong("heun_step", heun(asked=one), "asked about u the second time")
wrong("heun_step", heun(asked=of_t), "the root belongs to s, not to t")
wrong("heun_step", heun(first_asked=lambda x, u: u), "asked about u the first time")
wrong("heun_step", heun(h=lambda sc, t, s: sc.noise_level[t] - sc.noise_level[s]), "sign of the step is wrong")
wrong("heun_step", heun(h=lambda sc, t, s: s - t), "not of times")
wrong("heun_step", heun(h=lambda sc, t, s: sc.noise_level[s] ** 2 - sc.noise_level[t] ** 2), "not of their squares")
wrong("heun_step", heun(back=one), "this is u")
wrong("heun_step", heun(back=of_t), "on the way back to x")
wrong("heun_step", heun(start=one), "x_t was not divided")
wrong("heun_step", only_up, "right elsewhere, but at a step down")
wrong("heun_step", not_from_one, "right elsewhere, but at the step from 1 to 2")
wrong("heun_step", lambda predictor, schedule, x, t, s: 2 * heun()(predictor, schedule, x, t, s), "a factor, 2")


# stretched: r = 0.5, from noise level 1 to 7, D = 2

FACTOR = math.sqrt(49.25 / 1.25)

right("stretched", (FACTOR, 2 * math.log(FACTOR)), (6.28, 3.67), [6.277, torch.tensor(3.674)])
wrong("stretched", (FACTOR**2, 2 * math.log(FACTOR)), "factor of an area")
wrong("stretched", (FACTOR, math.log(FACTOR)), "for one coordinate")
wrong("stretched", (1 / FACTOR, 2 * math.log(FACTOR)), "shrinks on the way back")
wrong("stretched", (FACTOR, -2 * math.log(FACTOR)), "wrong sign")
wrong("stretched", (7, 2 * math.log(7)), "leaves out r")
wrong("stretched", (math.sqrt(49.5 / 1.5), math.log(49.5 / 1.5)), "r is a deviation")
wrong("stretched", (2 * math.log(FACTOR), FACTOR), "swapped")
wrong("stretched", "six", "yours is str")


# ten_steps

right("ten_steps", [11, 21, 40, 64, 115, 194, 308, 386, 446], [8, 14, 25, 46, 80, 145, 242, 355, 431])
wrong("ten_steps", [3, 8, 18, 37, 75, 143, 239, 338, 425], "0.5", "at most", "the book's own")
wrong("ten_steps", [50, 100, 150], "nine whole numbers that rise", "[50, 100, 150]")
wrong("ten_steps", [431, 355, 242, 145, 80, 46, 25, 14, 8], "nine whole numbers that rise")
wrong("ten_steps", [1, 14, 25, 46, 80, 145, 242, 355, 431], "2 to 499", "in 1 to 431")
wrong("ten_steps", [8, 14, 25, 46, 80, 145, 242, 355, 500], "2 to 499", "in 8 to 500")
wrong("ten_steps", [8.5, 14, 25, 46, 80, 145, 242, 355, 431], "nine whole numbers")
wrong("ten_steps", 9, "nine whole numbers")
