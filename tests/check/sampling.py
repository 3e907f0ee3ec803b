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


# ddim_step(schedule, x_t, t, s, eps_hat)


def there_and_back(back):
    def answer(schedule, x_t, t, s, eps_hat):
        a, ab = schedule.alpha_bar[t], schedule.alpha_bar
        x_0_hat = (x_t - (1 - a).sqrt() * eps_hat) / a.sqrt()
        return back(ab, t, s, x_0_hat, eps_hat)

    return answer


def mixed(ab, x_0_hat, eps_hat):
    return ab.sqrt() * x_0_hat + (1 - ab).sqrt() * eps_hat


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
wrong("ddim_step", there_and_back(lambda ab, t, s, x, e: ab[s].sqrt() * x + (1 - ab[t]).sqrt() * e), "not to t")
wrong("ddim_step", there_and_back(fresh_noise), "fresh noise")
wrong("ddim_step", lambda schedule, x_t, t, s, eps_hat: torch.randn(50, 2).tolist(), "fresh noise")
wrong("ddim_step", lambda schedule, x_t, t, s, eps_hat: (2 * x_t).tolist(), "not the right numbers")
