/** Guidance: noise predictors made of predictors, as in statesdiff/guidance.py. scale 0 is unconditional, 1 is Bayes' rule. */

import { rowOf } from "./schedule.js";

/**
 * eps_hat - scale sqrt(1 - alpha_bar_t) grad log p(y | x_t) (Dhariwal & Nichol 2021, algorithm 2).
 * @param predictor (x_t, t) => eps_hat (n, 2), unconditional
 * @param gradient (x_t, t, y) => (n, 2): a classifier's, by `log_prob_gradient`, or the exact one of `IdealDenoiser`
 */
export function ClassifierGuidance(predictor, gradient, schedule, y, scale = 1) {
  const guided = (x_t, t) => {
    const eps_hat = predictor(x_t, t);
    if (scale === 0) return eps_hat;
    const g = gradient(x_t, t, y);
    return eps_hat.map((e, i) => e - scale * Math.sqrt(1 - schedule.alpha_bar[rowOf(t, i >> 1)]) * g[i]);
  };
  return Object.assign(guided, { T: schedule.T });
}

/** (1 - scale) eps(x_t, t) + scale eps(x_t, t, y) (Ho & Salimans 2022); scale 0 and 1 cost one evaluation. */
export function ClassifierFreeGuidance(conditional, y, scale = 1) {
  const guided = (x_t, t) => {
    const eps_uncond = scale === 1 ? null : conditional(x_t, t);
    const eps_cond = scale === 0 ? null : conditional(x_t, t, y);
    if (!eps_uncond || !eps_cond) return eps_uncond ?? eps_cond;
    return eps_cond.map((e, i) => (1 - scale) * eps_uncond[i] + scale * e);
  };
  return Object.assign(guided, { T: conditional.T });
}
