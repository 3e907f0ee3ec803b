"""The exercises' self-checks: each knows the right answer and the usual wrong ones, and says which one it sees."""

from statesdiff.check.ablation_beta_schedules import betas_of, broken_cosine, cosine_share, log_snr, ten_rungs
from statesdiff.check.ablation_depth import count_weights, points_in_weights, smallest_network, width_for
from statesdiff.check.ablation_epochs import copier_gap, copy_ratio, count_updates, early_stopping, power
from statesdiff.check.ablation_timesteps import broken_ablation, end_of_chain, long_enough, paired_difference
from statesdiff.check.classifier import (
    broken_classifier,
    class_posterior,
    classifier_loss,
    overconfidence,
    two_gaussians,
)
from statesdiff.check.classifier_free_guidance import (
    broken_walk,
    classifier_free,
    drop_labels,
    implied_gradient,
    on_each_other,
    ten_scales,
)
from statesdiff.check.classifier_guidance import broken_guidance, class_gradient, guided_noise, guided_variances
from statesdiff.check.denoiser import (
    broken_training,
    denoising_loss,
    gaussian_denoiser,
    predict_x_0,
    sharpest_map,
    t_bar,
)
from statesdiff.check.few_steps import bridge, broken_solver, eight_times, parabola, remembering_step
from statesdiff.check.flow_matching import (
    broken_flow,
    flow_loss,
    gaussian_flow,
    times_of_training,
    velocity_from_noise,
)
from statesdiff.check.forward_process import add_noise, alpha_bar, broken_noise, dried_up, gaussian_guess, half_time
from statesdiff.check.inverse_problems import (
    best_spread,
    broken_replacement,
    expected_likelihood,
    guessed_variances,
    measured_gradient,
)
from statesdiff.check.pictures import arc, broken_return, narrow_layer, noise_of_v
from statesdiff.check.probability_flow import broken_likelihood, heun_step, stretched, ten_steps
from statesdiff.check.sampling import broken_sampler, ddim_step, ddpm_step, gaussian_step, ten_times
from statesdiff.check.states import broken_map, coverage, fewest_points, mean_distance, standardise
from statesdiff.check.verdict import Verdict

__all__ = [
    "Verdict",
    "add_noise",
    "alpha_bar",
    "best_spread",
    "arc",
    "betas_of",
    "bridge",
    "broken_ablation",
    "broken_classifier",
    "broken_cosine",
    "broken_flow",
    "broken_guidance",
    "broken_likelihood",
    "broken_map",
    "broken_noise",
    "broken_replacement",
    "broken_return",
    "broken_sampler",
    "broken_solver",
    "broken_training",
    "broken_walk",
    "class_gradient",
    "class_posterior",
    "classifier_free",
    "classifier_loss",
    "copier_gap",
    "copy_ratio",
    "cosine_share",
    "count_updates",
    "count_weights",
    "coverage",
    "ddim_step",
    "ddpm_step",
    "denoising_loss",
    "dried_up",
    "drop_labels",
    "early_stopping",
    "eight_times",
    "end_of_chain",
    "expected_likelihood",
    "fewest_points",
    "flow_loss",
    "gaussian_denoiser",
    "gaussian_flow",
    "gaussian_guess",
    "gaussian_step",
    "guessed_variances",
    "guided_noise",
    "guided_variances",
    "half_time",
    "heun_step",
    "implied_gradient",
    "log_snr",
    "long_enough",
    "mean_distance",
    "measured_gradient",
    "narrow_layer",
    "noise_of_v",
    "on_each_other",
    "overconfidence",
    "paired_difference",
    "parabola",
    "points_in_weights",
    "power",
    "predict_x_0",
    "remembering_step",
    "sharpest_map",
    "smallest_network",
    "standardise",
    "stretched",
    "t_bar",
    "ten_rungs",
    "ten_scales",
    "ten_steps",
    "ten_times",
    "times_of_training",
    "two_gaussians",
    "velocity_from_noise",
    "width_for",
]
