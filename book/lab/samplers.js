/** From noise to data: generators that take any noise predictor and any schedule, as in statesdiff/samplers.py. */

/** The noise of a step, (n, 2): given by the caller, or drawn. */
function freshNoise({ random, noise }, x, t) {
  if (noise) return noise(t);
  if (!random) throw new TypeError("a sampler that adds noise needs random, a Random, or noise, a function of t");
  return random.randn(x.length);
}

function checkStart(predictor, schedule, x_T) {
  if ((predictor.T ?? schedule.T) !== schedule.T)
    throw new RangeError(`the predictor was built for T = ${predictor.T}, the schedule has T = ${schedule.T}`);
  if (!x_T.every(Number.isFinite)) throw new RangeError("x_T is not finite");
}

/**
 * Ancestral sampling (DDPM, algorithm 2): x_T, ..., x_0. sigma_t^2 is beta_t ("beta") or the posterior's ("beta_tilde").
 * @param {Float32Array} x_T (n, 2)
 */
export function* ddpm(predictor, schedule, x_T, { variance = "beta", random, noise } = {}) {
  if (variance !== "beta" && variance !== "beta_tilde")
    throw new RangeError(`variance must be "beta" or "beta_tilde", got ${variance}`);
  checkStart(predictor, schedule, x_T);
  const { T, beta, alpha, alpha_bar } = schedule;
  let x = x_T;
  yield x;
  for (let t = T; t > 0; t--) {
    const eps_hat = predictor(x, t), of_eps = beta[t] / Math.sqrt(1 - alpha_bar[t]), root = Math.sqrt(alpha[t]);
    const beta_tilde = (beta[t] * (1 - alpha_bar[t - 1])) / (1 - alpha_bar[t]);
    const sigma = t > 1 ? Math.sqrt(variance === "beta" ? beta[t] : beta_tilde) : 0;
    const z = sigma ? freshNoise({ random, noise }, x, t) : null;
    x = x.map((v, i) => (v - of_eps * eps_hat[i]) / root + (z ? sigma * z[i] : 0));
    yield x;
  }
}

/** The times that `steps` steps visit, T first, 0 last, evenly spaced; a falling list is checked and kept. */
export function ddim_times(T, steps) {
  const even = (v) => (v % 1 === 0.5 ? 2 * Math.round(v / 2) : Math.round(v)); // as Python rounds
  if (typeof steps === "number") {
    if (!(steps >= 1 && steps <= T)) throw new RangeError(`steps must lie in 1..${T}, got ${steps}`);
    return Array.from({ length: steps + 1 }, (_, k) => even((T * (steps - k)) / steps));
  }
  const falls = steps.every((t, i) => i === 0 || t < steps[i - 1]);
  if (steps.length < 2 || !falls || steps[0] > T || steps.at(-1) !== 0)
    throw new RangeError(`steps must fall strictly from at most ${T} down to 0, got ${steps}`);
  return [...steps];
}

/** DDIM (arXiv:2010.02502, eq. 12 and 16): x_T, then x at each time visited, last x_0. @param {Float32Array} x_T (n, 2) */
export function* ddim(predictor, schedule, x_T, { steps = 50, eta = 0, random, noise } = {}) {
  if (!(eta >= 0 && eta <= 1)) throw new RangeError(`eta must lie in [0, 1], got ${eta}`);
  checkStart(predictor, schedule, x_T);
  const times = ddim_times(schedule.T, steps), { alpha_bar } = schedule;
  let x = x_T;
  yield x;
  for (let k = 0; k + 1 < times.length; k++) {
    const [t, s] = [times[k], times[k + 1]], [a_t, a_s] = [alpha_bar[t], alpha_bar[s]];
    const variance = ((eta ** 2 * (1 - a_s)) / (1 - a_t)) * (1 - a_t / a_s), sigma = Math.sqrt(variance);
    const eps_hat = predictor(x, t), x_0_hat = schedule.predict_x_0(x, t, eps_hat);
    const [of_x, of_eps] = [Math.sqrt(a_s), Math.sqrt(Math.max(0, 1 - a_s - variance))];
    const z = variance > 0 ? freshNoise({ random, noise }, x, t) : null;
    x = x.map((_, i) => of_x * x_0_hat[i] + of_eps * eps_hat[i] + (z ? sigma * z[i] : 0));
    yield x;
  }
}

/** Times from T to 1, as evenly in the log signal-to-noise ratio as whole numbers allow, then 0: `steps` evaluations. */
export function log_snr_times(schedule, steps) {
  const { T, log_snr } = schedule;
  if (!(steps >= 1 && steps <= T)) throw new RangeError(`steps must lie in 1..${T}, got ${steps}`);
  const times = [0];
  for (let k = 1; k <= steps; k++) {
    const wanted = steps === 1 ? log_snr[T] : log_snr[1] + ((log_snr[T] - log_snr[1]) * (k - 1)) / (steps - 1);
    let t = times[0] + 1;
    while (t < T && Math.abs(log_snr[t + 1] - wanted) < Math.abs(log_snr[t] - wanted)) t += 1;
    times.unshift(Math.min(t, T - (steps - k))); // room for those that follow
  }
  return times;
}

/**
 * DPM-Solver++ of second order, two steps a formula (arXiv:2211.01095, algorithm 2), on `log_snr_times` or a falling
 * list of times; the last step goes to x_0 by the prediction. @param {Float32Array} x_T (n, 2)
 */
export function* dpmpp_2m(predictor, schedule, x_T, { steps = 15 } = {}) {
  checkStart(predictor, schedule, x_T);
  const { T, alpha_bar, log_snr } = schedule;
  const times = typeof steps === "number" ? log_snr_times(schedule, steps) : ddim_times(T, steps);
  let x = x_T, before = null, h_before = 0;
  yield x;
  for (let k = 0; k + 1 < times.length; k++) {
    const [t, s] = [times[k], times[k + 1]], h = (log_snr[s] - log_snr[t]) / 2;
    const x_0_hat = schedule.predict_x_0(x, t, predictor(x, t));
    const forward = before && s > 0 ? h / (2 * h_before) : 0; // how far along the last difference
    const [of_x, of_x_0] = [Math.sqrt((1 - alpha_bar[s]) / (1 - alpha_bar[t])), -Math.sqrt(alpha_bar[s]) * Math.expm1(-h)];
    x = x.map((v, i) => of_x * v + of_x_0 * (x_0_hat[i] + (forward ? forward * (x_0_hat[i] - before[i]) : 0)));
    [before, h_before] = [x_0_hat, h];
    yield x;
  }
}

/** Run a sampler to its end and return x_0. */
export function last(path) {
  let x = null;
  for (x of path);
  return x;
}
