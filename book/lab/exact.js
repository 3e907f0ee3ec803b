/** Closed forms for a finite data set: the ideal denoiser and the class posterior, as in statesdiff/exact.py. */

import { PointSet, rowsByLabel } from "./points.js";
import { rowOf } from "./schedule.js";

/** The exact noise predictor of the points x (N, 2), with a Gaussian of deviation `jitter` at each; knows labels y. */
export class IdealDenoiser {
  /** @param {Float32Array} x (N, 2)  @param {NoiseSchedule} schedule  @param {{jitter?: number, y?: ?Uint8Array}} of */
  constructor(x, schedule, { jitter = 0, y = null } = {}) {
    this.points = new PointSet(x, y);
    [this.x, this.y, this.schedule, this.jitter, this.T] = [x, y, schedule, jitter, schedule.T];
    this.K = y ? this.points.sizes.length : 0;
  }

  /** As a function (x_t, t, y) => eps_hat; with a label, of that class alone. */
  predictor(label = -1) {
    return Object.assign((x_t, t, y = label) => this.predict(x_t, t, y), { T: this.T });
  }

  /** E[eps | x_t], t >= 1. @returns {Float32Array} (n, 2) */
  predict(x_t, t, y = -1) {
    const mean = this.posterior_mean(x_t, t, y), { alpha_bar } = this.schedule;
    return mean.map((m, i) => {
      const a = alpha_bar[rowOf(t, i >> 1)];
      return (x_t[i] - Math.sqrt(a) * m) / Math.sqrt(1 - a);
    });
  }

  /** E[x_0 | x_t], of one class if y is given. @returns {Float32Array} (n, 2) */
  posterior_mean(x_t, t, y = -1) {
    const { query, v, mean } = this.#weigh(x_t, t, y);
    return mean.map((m, i) => m + (this.jitter ** 2 / v[i >> 1]) * (query[i] - m));
  }

  /** log p_t(x_t), or log p_t(x_t | y), in nats. @returns {Float64Array} (n,) */
  log_density(x_t, t, y = -1) {
    const { v, log_sum } = this.#weigh(x_t, t, y);
    return log_sum.map((s, i) => {
      const label = rowOf(y, i), count = label < 0 ? this.points.N : this.points.sizes[label];
      return s - Math.log(count) - Math.log(2 * Math.PI * v[i]) - Math.log(this.schedule.alpha_bar[rowOf(t, i)]);
    });
  }

  /** log p(y | x_t) of every class, the prior being its share of the data. @returns {Float64Array} (n, K) */
  log_posterior(x_t, t) {
    const n = x_t.length / 2, { K } = this, out = new Float64Array(n * K);
    if (!K) throw new TypeError("this IdealDenoiser knows no classes: build it with y");
    for (let k = 0; k < K; k++) this.#weigh(x_t, t, k).log_sum.forEach((s, i) => (out[i * K + k] = s));
    for (let row = 0; row < out.length; row += K) {
      const top = Math.max(...out.subarray(row, row + K));
      let sum = 0;
      for (let k = 0; k < K; k++) sum += Math.exp(out[row + k] - top);
      for (let k = 0; k < K; k++) out[row + k] -= top + Math.log(sum);
    }
    return out;
  }

  /** grad log p(y | x_t), a difference of two scores. @returns {Float32Array} (n, 2) */
  log_posterior_gradient(x_t, t, y) {
    const [of_class, of_all] = [this.posterior_mean(x_t, t, y), this.posterior_mean(x_t, t)];
    return of_class.map((m, i) => {
      const a = this.schedule.alpha_bar[rowOf(t, i >> 1)];
      return (Math.sqrt(a) / (1 - a)) * (m - of_all[i]);
    });
  }

  /** How likely each point of the data is the origin of one x_t (1, 2), t >= 1. @returns {Float64Array} (N,) */
  belief(x_t, t) {
    const a = this.schedule.alpha_bar[t], root = Math.sqrt(a), out = new Float64Array(this.points.N);
    const v = 1 - a + a * this.jitter ** 2;
    for (let i = 0; i < out.length; i++)
      out[i] = ((x_t[0] - root * this.x[2 * i]) ** 2 + (x_t[1] - root * this.x[2 * i + 1]) ** 2) / (-2 * v);
    const top = out.reduce((m, e) => Math.max(m, e), -Infinity);
    let sum = 0;
    for (let i = 0; i < out.length; i++) sum += out[i] = Math.exp(out[i] - top);
    return out.map((w) => w / sum);
  }

  #weigh(x_t, t, y) {
    const n = x_t.length / 2, query = new Float32Array(2 * n), v = new Float32Array(n), { alpha_bar } = this.schedule;
    for (let i = 0; i < n; i++) {
      const a = alpha_bar[rowOf(t, i)], root = Math.sqrt(a);
      [query[2 * i], query[2 * i + 1], v[i]] = [x_t[2 * i] / root, x_t[2 * i + 1] / root, (1 - a) / a + this.jitter ** 2];
      if (!(v[i] > 0)) throw new RangeError("t must be at least 1, or jitter positive");
    }
    const found = typeof y === "number" ? this.points.weigh(query, v, y) : this.#weighRows(query, v, y);
    return { query, v, ...found };
  }

  #weighRows(query, v, y) {
    const log_sum = new Float64Array(v.length), mean = new Float32Array(query.length);
    rowsByLabel(y).forEach((rows, k) => {
      const part = this.points.weigh(takeRows(query, rows), Float32Array.from(rows, (i) => v[i]), k);
      rows.forEach((i, j) => {
        log_sum[i] = part.log_sum[j];
        mean.set(part.mean.subarray(2 * j, 2 * j + 2), 2 * i);
      });
    });
    return { log_sum, mean };
  }
}

/** Some rows of x (n, 2). @returns {Float32Array} (rows.length, 2) */
export function takeRows(x, rows) {
  const out = new Float32Array(2 * rows.length);
  rows.forEach((i, j) => ((out[2 * j] = x[2 * i]), (out[2 * j + 1] = x[2 * i + 1])));
  return out;
}
