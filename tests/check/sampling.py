"""Answers to the exercises of chapter 4, right and wrong."""

import torch

from tests.check.answers import right, wrong

# ddpm_step(schedule, x_t, t, eps_hat, z)


def ancestral(**change):
    """Algorithm 2 with one ingredient changed: each is a function of (beta_t, alpha_bar_t, alpha_bar_{t-1}, t)."""
    v = {
        "noise": lambda b, a, p, t: (1 - a).sqrt(),
        "rescale": lambda b, a, p, t: (1 - b).sqrt(),
        "sigma": lambda b, a, p, t: b.sqrt() if t > 1 else 0.0,
    } | change

    def answer(schedule, x_t, t, eps_hat, z):
        args = schedule.beta[t], schedule.alpha_bar[t], schedule.alpha_bar[t - 1], t
        mean = (x_t - args[0] / v["noise"](*args) * eps_hat) / v["rescale"](*args)
        return mean + v["sigma"](*args) * z

    return answer


def noise_taken_away_unscaled(schedule, x_t, t, eps_hat, z):
    beta = schedule.beta[t]
    return (x_t - eps_hat) / (1 - beta).sqrt() + beta.sqrt() * (t > 1) * z


right("ddpm_step", ancestral(), lambda *args: ancestral()(*args).float())
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: 1.0), "no factor", "misprint")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: b), "variance beta_t", "square root")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: 0.0), "no noise is added")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: (b * (1 - p) / (1 - a)).sqrt()), "posterior variance")
wrong("ddpm_step", ancestral(rescale=lambda b, a, p, t: a.sqrt()), "divided by sqrt(alpha_bar_t)")
wrong("ddpm_step", ancestral(rescale=lambda b, a, p, t: 1 - b), "square root is missing", "sqrt(alpha_t)")
wrong("ddpm_step", ancestral(noise=lambda b, a, p, t: 1 - a), "square root is missing", "sqrt(1 - alpha_bar_t)")
wrong("ddpm_step", ancestral(noise=lambda b, a, p, t: (1 - p).sqrt()), "off by one", "not to t - 1")
wrong("ddpm_step", noise_taken_away_unscaled, "factor beta_t / sqrt(1 - alpha_bar_t)")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: b.sqrt()), "noise at the last step")
wrong("ddpm_step", ancestral(rescale=lambda b, a, p, t: 1 / (1 - b).sqrt()), "you multiplied by sqrt(alpha_t)")
wrong("ddpm_step", ancestral(rescale=lambda b, a, p, t: 1.0), "nothing was rescaled")
wrong("ddpm_step", ancestral(noise=lambda b, a, p, t: -((1 - a).sqrt())), "the noise was added")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: (1 - a).sqrt() * (t > 1)), "all of the noise")
wrong("ddpm_step", lambda schedule, x, t, e, z: ancestral()(schedule, x, t + 1, e, z), "the step of t + 1")
wrong("ddpm_step", lambda schedule, x, t, e, z: ancestral()(schedule, x, t - 1, e, z), "the step of t - 1")
wrong("ddpm_step", lambda schedule, x, t, e, z: schedule.predict_x_0(x, t, e), "this is the predicted x_0")
wrong("ddpm_step", lambda schedule, x, t, e, z: ancestral()(schedule, x, t, e, torch.randn_like(z)), "fresh noise")
wrong("ddpm_step", lambda schedule, x, t, e, z: ancestral()(schedule, x, t, e, z) + 1, "constant, 1")


def noise_inside_the_bracket(schedule, x_t, t, eps_hat, z):
    beta, a = schedule.beta[t], schedule.alpha_bar[t]
    return (x_t - beta / (1 - a).sqrt() * eps_hat + beta.sqrt() * (t > 1) * z) / (1 - beta).sqrt()


def nothing_to_do_at_the_end(schedule, x_t, t, eps_hat, z):
    return ancestral()(schedule, x_t, t, eps_hat, z) if t > 1 else x_t


def silent_at_the_start(schedule, x_t, t, eps_hat, z):
    return ancestral()(schedule, x_t, t, eps_hat, z * (t < schedule.T))


def looking_ahead(schedule, x_t, t, eps_hat, z):
    return ancestral()(schedule, x_t, t, eps_hat, z) + 0 * schedule.beta[t + 1]


def overwriting(schedule, x_t, t, eps_hat, z):
    x_t[:] = ancestral()(schedule, x_t, t, eps_hat, z)
    return x_t


def divided(points, noise):
    """An answer that divides x_t or the noise by sqrt(alpha_t), and not the bracket of both."""

    def answer(schedule, x_t, t, eps_hat, z):
        beta, a = schedule.beta[t], schedule.alpha_bar[t]
        alpha = 1 - beta
        mean = x_t / alpha**points - beta / (1 - a).sqrt() * eps_hat / alpha**noise
        return mean + beta.sqrt() * z if t > 1 else mean

    return answer


right("ddpm_step", divided(0.5, 0.5))
wrong("ddpm_step", divided(0.5, 0), "you divided x_t alone", "the whole bracket")
wrong("ddpm_step", divided(0, 0.5), "you divided the noise alone", "the whole bracket")
wrong("ddpm_step", ancestral(sigma=lambda b, a, p, t: b.sqrt() * (t > 2)), "the noise is missing at t = 2")
wrong("ddpm_step", noise_inside_the_bracket, "inside the bracket")
wrong("ddpm_step", nothing_to_do_at_the_end, "right elsewhere, but at t = 1", "not the right numbers")
wrong("ddpm_step", silent_at_the_start, "right elsewhere, but at t = T", "not the right numbers")
wrong("ddpm_step", looking_ahead, "right elsewhere, but at t = T", "raised IndexError")
wrong("ddpm_step", overwriting, "`x_t` was overwritten")


# ddim_step(schedule, x_t, t, s, eps_hat)


def there_and_back(back):
    def answer(schedule, x_t, t, s, eps_hat):
        a, ab = schedule.alpha_bar[t], schedule.alpha_bar
        x_0_hat = (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()
        return back(ab, t, s, x_0_hat, eps_hat)

    return answer


def mixed(ab, x_0_hat, eps_hat):
    return ab.sqrt() * x_0_hat + (1 - ab).sqrt() * eps_hat


def to_s(ab, t, s, x_0_hat, eps_hat):
    return mixed(ab[s], x_0_hat, eps_hat)


def with_noise_on_top(ab, t, s, x_0_hat, eps_hat):  # the second slip of erratum 10
    sigma = ((1 - ab[s]) / (1 - ab[t]) * (1 - ab[t] / ab[s])).sqrt()
    return mixed(ab[s], x_0_hat, eps_hat) + sigma * torch.randn_like(eps_hat)


def fresh_noise(ab, t, s, x_0_hat, eps_hat):
    return mixed(ab[s], x_0_hat, torch.randn_like(eps_hat))


right("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s], x, e)))
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: x), "predicted x_0", "noised to time s")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s] * x + (1 - ab[s]) * e), "square roots are missing")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[t], x, e)), "came back to x_t")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s - 1], x, e)), "off by one", "s - 1")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s + 1], x, e)), "off by one", "s + 1")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s].sqrt() * x), "not put back")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[s], x, -e)), "sign of the noise")
wrong(
    "ddim_step",
    there_and_back(lambda ab, t, s, x, e: ab[s].sqrt() * x + (1 - ab[t]).sqrt() * e),
    "1 - alpha_bar",
    "not to t",
)
wrong("ddim_step", there_and_back(fresh_noise), "fresh noise")
wrong(
    "ddim_step",
    there_and_back(lambda ab, t, s, x, e: mixed(ab[t - 1], x, e)),
    "t - 1",
    "next time that is visited is s",
)
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: x + (1 - ab[s]).sqrt() * e), "predicted x_0 is not shrunk")
wrong(
    "ddim_step",
    there_and_back(lambda ab, t, s, x, e: ab[t].sqrt() * x + (1 - ab[s]).sqrt() * e),
    "sqrt(alpha_bar)",
    "not to t",
)
wrong("ddim_step", lambda schedule, x, t, s, e: mixed(schedule.alpha_bar[s], x, e), "x_t itself was noised")
wrong("ddim_step", lambda schedule, x, t, s, e: there_and_back(to_s)(schedule, x, s, t, e), "two times are swapped")
wrong("ddim_step", there_and_back(with_noise_on_top), "fresh noise")
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: x if s == 0 else mixed(ab[max(s, 1)], x, e) + 0 * ab[t + 1]),
      "right elsewhere", "from 100 to 90", "IndexError")  # fmt: skip
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: mixed(ab[max(s, 1)], x, e)), "right elsewhere", "from 10 to 0")
wrong("ddim_step", lambda schedule, x_t, t, s, eps_hat: torch.randn(50, 2).tolist(), "fresh noise")
wrong("ddim_step", lambda schedule, x_t, t, s, eps_hat: (2 * x_t).tolist(), "not the right numbers")


# gaussian_step: beta_t = 0.2, alpha_bar_{t-1} = 0.5, r = 0.5

V_PREV = 0.5 * 0.5**2 + 0.5
V = 0.8 * V_PREV + 0.2

right("gaussian_step", 0.2 * V_PREV / V, 0.179, torch.tensor(0.1786))
wrong("gaussian_step", 0.2, "this is beta_t", "r = 1")
wrong("gaussian_step", 0.2 * 0.5 / 0.6, "beta_tilde", "r = 0")
wrong("gaussian_step", (0.2 * V_PREV / V) ** 0.5, "standard deviation")
wrong("gaussian_step", 1 / V_PREV + 0.8 / 0.2, "precision")
wrong("gaussian_step", V_PREV, "before x_t is known")
wrong("gaussian_step", 0.2 * V / V_PREV, "swapped")
wrong("gaussian_step", 0.2 * 0.75 / 0.8, "multiplied by alpha_bar_{t-1}")
wrong("gaussian_step", "one fifth", "yours is str")


# ten_times

right("ten_times", [220, 197, 173, 150, 127, 103, 80, 57, 33, 10], [231, 197, 167, 134, 108, 81, 54, 29, 16, 6])
wrong("ten_times", range(500, 0, -50), "0.1", "at most", "the book's own")
wrong("ten_times", [500, 450, 400], "ten whole numbers that fall", "[500, 450, 400]")
wrong("ten_times", list(range(1, 11)), "ten whole numbers that fall")
wrong("ten_times", [10, 9, 8, 7, 6, 5, 4, 3, 2, 0], "1 to 500", "in 0 to 10")
wrong("ten_times", [600, 9, 8, 7, 6, 5, 4, 3, 2, 1], "1 to 500", "in 1 to 600")
wrong("ten_times", [9.5, 9, 8, 7, 6, 5, 4, 3, 2, 1], "ten whole numbers")
wrong("ten_times", 10, "ten whole numbers")
wrong("ten_times", lambda T: range(10), "ten whole numbers")
