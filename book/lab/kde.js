/** A kernel density estimate: what the negative log-likelihood is measured against. */

import { PointSet } from "./points.js";

/** Scott's rule in two dimensions, and scipy's default. */
export function scottsBandwidth(n) {
  return n ** (-1 / 6);
}

/** Gaussian bumps of covariance h^2 Sigma on the points x (N, 2), Sigma being their covariance (N - 1). */
export class KernelDensity {
  constructor(x, h = scottsBandwidth(x.length / 2)) {
    const N = x.length / 2, mean = [0, 0], s = [0, 0, 0];
    for (let i = 0; i < x.length; i++) mean[i & 1] += x[i] / N;
    for (let i = 0; i < x.length; i += 2) {
      const [a, b] = [x[i] - mean[0], x[i + 1] - mean[1]];
      [s[0], s[1], s[2]] = [s[0] + a * a, s[1] + a * b, s[2] + b * b];
    }
    const [xx, xy, yy] = s.map((v) => v / (N - 1)), l00 = Math.sqrt(xx), l10 = xy / l00;
    [this.mean, this.root, this.h, this.N] = [mean, [l00, l10, Math.sqrt(yy - l10 * l10)], h, N];
    this.points = new PointSet(this.#white(x));
  }

  /** x in coordinates in which Sigma is the identity. */
  #white(x) {
    const out = new Float32Array(x.length), [l00, l10, l11] = this.root;
    for (let i = 0; i < x.length; i += 2) {
      out[i] = (x[i] - this.mean[0]) / l00;
      out[i + 1] = (x[i + 1] - this.mean[1] - l10 * out[i]) / l11;
    }
    return out;
  }

  /** log p(x) in nats, of x (n, 2), with another bandwidth if it is given. @returns {Float64Array} (n,) */
  log_density(x, h = this.h) {
    const { log_sum } = this.points.weigh(this.#white(x), new Float32Array(x.length / 2).fill(h * h));
    const volume = Math.log(this.N * 2 * Math.PI * h * h * this.root[0] * this.root[2]);
    return log_sum.map((s) => s - volume);
  }
}
