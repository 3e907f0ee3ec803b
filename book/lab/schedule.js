/** The forward process, and how much noise it adds at which time, as in statesdiff/schedule.py. */

/** The entry for row i of what is one number or an array with one a row. */
export function rowOf(values, i) {
  return typeof values === "number" ? values : values[i];
}

/** t_bar = 2 (t - T/2) / T, which maps 0..T onto [-1, 1]. */
export function normalised_time(t, T) {
  return (2 * (t - T / 2)) / T;
}

/** A variance-preserving schedule; index 0 is clean data. Everything is float64, (T + 1,). */
export class NoiseSchedule {
  /** @param {Float64Array} beta (T + 1,), beta[0] = 0  @param {string} name */
  constructor(beta, name = "custom") {
    if (beta.length < 2 || beta[0] !== 0 || beta.subarray(1).some((b) => !(b > 0 && b < 1)))
      throw new RangeError(`beta must have beta[0] = 0 and 0 < beta_t < 1 for t = 1..T, got ${beta.length} numbers`);
    this.beta = beta;
    this.name = name;
    this.T = beta.length - 1;
    this.alpha = beta.map((b) => 1 - b);
    let product = 1, log = 0;
    this.alpha_bar = this.alpha.map((a) => (product *= a));
    this.log_snr = beta.map((b) => (log += Math.log1p(-b)) - Math.log(-Math.expm1(log)));
    this.snr = this.alpha_bar.map((a) => a / (1 - a));
    this.noise_level = this.alpha_bar.map((a) => Math.sqrt((1 - a) / a));
  }

  /** x_t = sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps (DDPM, eq. 4); all (n, 2). */
  q_sample(x_0, t, eps) {
    return this.#combine(x_0, eps, t, (a) => [Math.sqrt(a), Math.sqrt(1 - a)]);
  }

  /** The clean point that eps_hat (n, 2) stands for (DDIM, eq. 9); (n, 2). */
  predict_x_0(x_t, t, eps_hat) {
    return this.#combine(x_t, eps_hat, t, (a) => [1 / Math.sqrt(a), -Math.sqrt((1 - a) / a)]);
  }

  /** grad log p_t(x_t) = -eps_hat / sqrt(1 - alpha_bar_t), (n, 2). */
  score(eps_hat, t) {
    return this.#combine(eps_hat, eps_hat, t, (a) => [-1 / Math.sqrt(1 - a), 0]);
  }

  #combine(x, y, t, weights) {
    if (x.length !== y.length) throw new RangeError(`points of two sizes: ${x.length / 2} and ${y.length / 2}`);
    const out = new Float32Array(x.length);
    let known = -1, pair = [0, 0];
    for (let i = 0; i < x.length; i += 2) {
      const now = rowOf(t, i >> 1);
      if (now !== known) pair = weights(this.alpha_bar[(known = now)]);
      out[i] = pair[0] * x[i] + pair[1] * y[i];
      out[i + 1] = pair[0] * x[i + 1] + pair[1] * y[i + 1];
    }
    return out;
  }

  /** The schedule whose log signal-to-noise ratio at t = 1..T is the falling `log_snr` (T,). */
  static from_log_snr(log_snr, name = "custom") {
    if (log_snr.some((v, i) => !Number.isFinite(v) || (i && !(v < log_snr[i - 1]))))
      throw new RangeError("log_snr must fall, and be finite");
    const log_sigmoid = (v) => Math.min(v, 0) - Math.log1p(Math.exp(-Math.abs(v)));
    const log_alpha_bar = [0, ...Array.from(log_snr, log_sigmoid)];
    const beta = (t) => (t ? -Math.expm1(log_alpha_bar[t] - log_alpha_bar[t - 1]) : 0);
    return new NoiseSchedule(Float64Array.from(log_alpha_bar, (_, t) => beta(t)), name);
  }

  static linear({ T = 500, beta_1 = 1e-4, beta_T = 0.02 } = {}) {
    return made(T, (u) => beta_1 + (beta_T - beta_1) * u, "linear");
  }

  /** alpha_bar_t follows cos^2 (Improved DDPM, eq. 17). */
  static cosine({ T = 500, s = 0.008, beta_max = 0.999 } = {}) {
    const alpha_bar = (t) => Math.cos(((Math.PI / 2) * (t / T + s)) / (1 + s)) ** 2;
    return made(T, (_, t) => Math.min(1 - alpha_bar(t) / alpha_bar(t - 1), beta_max), "cosine");
  }

  static sigmoid({ T = 500, beta_1 = 1e-4, beta_T = 0.02 } = {}) {
    return made(T, (u) => beta_1 + (beta_T - beta_1) / (1 + Math.exp(6 - 12 * u)), "sigmoid");
  }

  /** sqrt(beta) rises evenly (latent diffusion). */
  static scaled_linear({ T = 500, beta_1 = 1e-4, beta_T = 0.02 } = {}) {
    const [low, high] = [Math.sqrt(beta_1), Math.sqrt(beta_T)];
    return made(T, (u) => (low + (high - low) * u) ** 2, "scaled linear");
  }

  /** The log signal-to-noise ratio falls as -2 log tan (Ho and Salimans 2022, section 2). */
  static sech({ T = 500, lambda_min = -10, lambda_max = 10 } = {}) {
    const [first, last] = [lambda_max, lambda_min].map((v) => Math.atan(Math.exp(-v / 2)));
    const angle = (t) => (t === 0 ? 0 : first + (last - first) * (T === 1 ? 0 : (t - 1) / (T - 1)));
    const step = (a, b) => (Math.sin(b - a) * Math.sin(b + a)) / Math.cos(a) ** 2;
    return made(T, (_, t) => step(angle(t - 1), angle(t)), "sech");
  }

  /** The ramp of `linear`, stretched so that it ends at alpha_bar_T, left out: that of `linear()`. */
  static linear_matched({ T = 500, alpha_bar_T, beta_1 = 1e-4, beta_T = 0.02 } = {}) {
    const target = Math.log(alpha_bar_T ?? NoiseSchedule.linear().alpha_bar[500]);
    const ramp = Float64Array.from({ length: T }, (_, i) => beta_1 + (beta_T - beta_1) * (T === 1 ? 0 : i / (T - 1)));
    const most = Math.max(...ramp);
    let [low, high] = [0, 1 - 2 ** -53];
    for (let i = 0; i < 200; i++) {
      const s = (low + high) / 2;
      if (ramp.reduce((sum, b) => sum + Math.log1p((-s * b) / most), 0) > target) low = s;
      else high = s;
    }
    return made(T, (_, t) => (low * ramp[t - 1]) / most, "linear matched");
  }
}

/** beta_t of u = (t - 1) / (T - 1) and t, with zero before it. */
function made(T, beta, name) {
  if (!Number.isInteger(T) || T < 1) throw new RangeError(`T must be an integer >= 1, got ${T}`);
  const at = (t) => (t === 0 ? 0 : beta(T === 1 ? 0 : (t - 1) / (T - 1), t));
  return new NoiseSchedule(Float64Array.from({ length: T + 1 }, (_, t) => at(t)), `${name}, T = ${T}`);
}

export const SCHEDULES = {
  linear: NoiseSchedule.linear,
  cosine: NoiseSchedule.cosine,
  sigmoid: NoiseSchedule.sigmoid,
  scaled_linear: NoiseSchedule.scaled_linear,
  sech: NoiseSchedule.sech,
  linear_matched: NoiseSchedule.linear_matched,
};
