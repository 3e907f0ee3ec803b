/** A measured longitude, y = x + width z: exact draws and exact noise given y, guidance, replacement, particles. */

import { rowOf } from "./schedule.js";

/** Given x_t, each point of the data as an origin: places q = x_t / sqrt(alpha_bar), weights, what is kept of the way. */
class Origins {
  /** @param {Float32Array} x (N, 2)  @param {NoiseSchedule} schedule  @param {number} jitter > 0 */
  constructor(x, schedule, jitter) {
    [this.x, this.schedule, this.jitter, this.N] = [x, schedule, jitter, x.length / 2];
    this.w = new Float64Array(this.N);
  }

  /** Weigh all origins for row i of x_t at t, in place; `extra(j, q)` is added to the logarithm of weight j. */
  weigh(x_t, i, t, extra = null) {
    const { x, w, N, jitter } = this, a = this.schedule.alpha_bar[rowOf(t, i)], root = Math.sqrt(a);
    const noise = (1 - a) / a, v = noise + jitter ** 2, q = [x_t[2 * i] / root, x_t[2 * i + 1] / root];
    let top = -Infinity, sum = 0;
    for (let j = 0; j < N; j++) {
      w[j] = ((q[0] - x[2 * j]) ** 2 + (q[1] - x[2 * j + 1]) ** 2) / (-2 * v);
      top = Math.max(top, w[j]);
    }
    for (let j = 0; j < N; j++) sum += w[j] = Math.exp(w[j] - top);
    if (extra) sum = this.#again(extra, sum, q, jitter ** 2 / v);
    for (let j = 0; j < N; j++) w[j] /= sum;
    return { q, kept: jitter ** 2 / v, spread: (jitter ** 2 * noise) / v, root, a };
  }

  #again(extra, sum, q, kept) {
    const { x, w, N } = this;
    let top = -Infinity, total = 0;
    for (let j = 0; j < N; j++) {
      w[j] = Math.log(w[j] / sum) + extra(x[2 * j] + kept * (q[0] - x[2 * j]));
      top = Math.max(top, w[j]);
    }
    for (let j = 0; j < N; j++) total += w[j] = Math.exp(w[j] - top);
    return total;
  }
}

/** The measurement of a longitude: log N(y; x, width^2 + variance), up to what does not depend on x. */
const offSquared = (y, x, v) => -0.5 * (((y - x) ** 2) / v + Math.log(2 * Math.PI * v));

/** What `statesdiff.exact_posterior`, `inverse` and `particles` are for one longitude of the points x (N, 2). */
export class Longitude {
  /** @param {{x: Float32Array, schedule: NoiseSchedule, jitter: number}} data  @param {{y: number, width: number}} told */
  constructor({ x, schedule, jitter }, { y, width }) {
    this.origins = new Origins(x, schedule, jitter);
    Object.assign(this, { schedule, jitter, y, width, T: schedule.T });
  }

  /** E[eps | x_t, y], exact: as a predictor. @returns {Float32Array} (n, 2) */
  exact(x_t, t) {
    const out = new Float32Array(x_t.length), { y, width, origins } = this, { w, N, x } = origins;
    for (let i = 0; i < x_t.length / 2; i++) {
      const v = width ** 2 + this.#spreadAt(rowOf(t, i));
      const { q, kept, spread, root, a } = origins.weigh(x_t, i, t, (m) => offSquared(y, m, v));
      let [first, second] = [0, 0];
      for (let j = 0; j < N; j++) {
        first += w[j] * (x[2 * j] + kept * (q[0] - x[2 * j]));
        second += w[j] * (x[2 * j + 1] + kept * (q[1] - x[2 * j + 1]));
      }
      first += (spread / v) * (y - first);
      out[2 * i] = (x_t[2 * i] - root * first) / Math.sqrt(1 - a);
      out[2 * i + 1] = (x_t[2 * i + 1] - root * second) / Math.sqrt(1 - a);
    }
    return out;
  }

  #spreadAt(t) {
    const a = this.schedule.alpha_bar[t], noise = (1 - a) / a;
    return (this.jitter ** 2 * noise) / (noise + this.jitter ** 2);
  }

  /**
   * The noise without y, log p(y | x_0 ~ N(x_0_hat, r_t^2)), and its gradient through the guess, by the covariance of
   * the origin. @returns {{eps_hat: Float32Array, log_likelihood: Float64Array, gradient: Float32Array}}
   */
  twist(x_t, t, data_variance) {
    const n = x_t.length / 2, { origins, y, width } = this, { w, N, x } = origins;
    const out = { eps_hat: new Float32Array(2 * n), log_likelihood: new Float64Array(n), gradient: new Float32Array(2 * n) };
    for (let i = 0; i < n; i++) {
      const { q, kept, spread, root, a } = origins.weigh(x_t, i, t);
      let [m0, m1, c00, c01] = [0, 0, 0, 0];
      for (let j = 0; j < N; j++) (m0 += w[j] * x[2 * j]), (m1 += w[j] * x[2 * j + 1]);
      for (let j = 0; j < N; j++) {
        const d = x[2 * j] - m0;
        (c00 += w[j] * d * d), (c01 += w[j] * d * (x[2 * j + 1] - m1));
      }
      const some = (1 - kept) ** 2, guess = [m0 + kept * (q[0] - m0), m1 + kept * (q[1] - m1)];
      const v = width ** 2 + (data_variance * (1 - a)) / (data_variance * a + 1 - a);
      const pull = ((y - guess[0]) / v) * (root / (1 - a)); // times the covariance of the origin given x_t
      out.log_likelihood[i] = offSquared(y, guess[0], v);
      out.gradient.set([pull * (some * c00 + spread), pull * some * c01], 2 * i);
      out.eps_hat.set([0, 1].map((c) => (x_t[2 * i + c] - root * guess[c]) / Math.sqrt(1 - a)), 2 * i);
    }
    return out;
  }

  /** Gradient guidance as a predictor, `MeasurementGuidance` of the package. @returns {Float32Array} (n, 2) */
  guided(x_t, t, data_variance) {
    const { eps_hat, gradient } = this.twist(x_t, t, data_variance);
    return eps_hat.map((e, i) => e - Math.sqrt(1 - this.schedule.alpha_bar[rowOf(t, i >> 1)]) * gradient[i]);
  }

  /** n exact draws of x_0 given y. @returns {Float32Array} (n, 2) */
  draw(n, random) {
    const { origins: { x, N }, jitter, y, width } = this, v = width ** 2 + jitter ** 2, ends = new Float64Array(N);
    const logs = Float64Array.from({ length: N }, (_, j) => offSquared(y, x[2 * j], v));
    const top = logs.reduce((a, b) => Math.max(a, b), -Infinity), out = new Float32Array(2 * n);
    for (let j = 0, sum = 0; j < N; j++) ends[j] = sum += Math.exp(logs[j] - top);
    for (let i = 0; i < n; i++) {
      const u = random.uniform() * ends[N - 1], j = ends.findIndex((end) => end > u);
      const to_y = jitter ** 2 / v, narrow = (jitter * width) / Math.sqrt(v);
      out[2 * i] = x[2 * j] + to_y * (y - x[2 * j]) + narrow * random.normal();
      out[2 * i + 1] = x[2 * j + 1] + jitter * random.normal();
    }
    return out;
  }
}

/** DDIM's step from t to s with eta = 1: mean (n, 2) and variance. */
export function reverse_step(schedule, x, t, s, eps_hat) {
  const [a, b] = [schedule.alpha_bar[t], schedule.alpha_bar[s]], variance = ((1 - b) / (1 - a)) * (1 - a / b);
  const x_0_hat = schedule.predict_x_0(x, t, eps_hat), along = Math.sqrt(Math.max(0, 1 - b - variance));
  return { mean: x_0_hat.map((v, i) => Math.sqrt(b) * v + along * eps_hat[i]), variance };
}

/** The longitude of each sample, `known` (n,), noised to each time, in place of its own: yields x_T, ..., x_0. */
export function* replacement(predictor, schedule, x_T, known, { steps, random }) {
  let x = x_T;
  yield x;
  for (let k = 0; k + 1 < steps.length; k++) {
    const [t, s] = [steps[k], steps[k + 1]], b = schedule.alpha_bar[s];
    const { mean, variance } = reverse_step(schedule, x, t, s, predictor(x, t));
    const z = random.randn(2 * x.length), noise = (i) => z[x.length + i];
    x = mean.map((m, i) => i & 1 ? m + Math.sqrt(variance) * z[i]
      : Math.sqrt(b) * known[i >> 1] + Math.sqrt(1 - b) * noise(i));
    yield x;
  }
}

/** n indices in proportion to the weights exp(log_weight), by one random number. @returns {Uint32Array} (n,) */
export function systematic(log_weight, n, random) {
  const top = log_weight.reduce((a, b) => Math.max(a, b), -Infinity), w = log_weight.map((v) => Math.exp(v - top));
  const total = w.reduce((a, b) => a + b, 0), u = random.uniform(), out = new Uint32Array(n);
  for (let i = 0, j = 0, end = w[0]; i < n; i++) {
    while (end <= ((i + u) * total) / n && j < w.length - 1) end += w[++j];
    out[i] = j;
  }
  return out;
}

/** (sum w)^2 / sum w^2 of the weights exp(log_weight). */
export function effectiveNumber(log_weight) {
  const top = log_weight.reduce((a, b) => Math.max(a, b), -Infinity);
  let [sum, squares] = [0, 0];
  for (const v of log_weight) (sum += Math.exp(v - top)), (squares += Math.exp(2 * (v - top)));
  return sum ** 2 / squares;
}

/** Twisted sequential Monte Carlo: yields {x, log_weight}; resampled where fewer than half of the particles count. */
export function* twisted(longitude, x_T, { steps, data_variance, random }) {
  const { schedule } = longitude, n = x_T.length / 2, pick = (v, kept, of) =>
    Float32Array.from({ length: of * n }, (_, i) => v[of * kept[Math.floor(i / of)] + (i % of)]);
  let x = x_T, known = longitude.twist(x, steps[0], data_variance), log_weight = known.log_likelihood.slice();
  for (let k = 0; k + 1 < steps.length; k++) {
    yield { x, log_weight };
    if (effectiveNumber(log_weight) < n / 2) {
      const kept = systematic(log_weight, n, random);
      [x, log_weight] = [pick(x, kept, 2), new Float64Array(n)];
      known = { eps_hat: pick(known.eps_hat, kept, 2), gradient: pick(known.gradient, kept, 2),
        log_likelihood: pick(known.log_likelihood, kept, 1) };
    }
    const [t, s] = [steps[k], steps[k + 1]], { mean, variance } = reverse_step(schedule, x, t, s, known.eps_hat);
    const root = Math.sqrt(1 - schedule.alpha_bar[t]), gained = Float64Array.from(known.log_likelihood, (v) => -v);
    if (s === 0) x = mean;
    else {
      const led = reverse_step(schedule, x, t, s, known.eps_hat.map((e, i) => e - root * known.gradient[i])).mean;
      const z = random.randn(x.length), sigma = Math.sqrt(variance);
      x = led.map((v, i) => v + sigma * z[i]);
      led.forEach((v, i) => {
        const shift = (v - mean[i]) / sigma;
        gained[i >> 1] -= shift * (z[i] + shift / 2);
      });
      known = longitude.twist(x, s, data_variance);
    }
    const after = s > 0 ? known.log_likelihood : gained.map((_, i) =>
      offSquared(longitude.y, x[2 * i], longitude.width ** 2));
    log_weight = log_weight.map((v, i) => v + gained[i] + after[i]);
  }
  yield { x, log_weight };
}
