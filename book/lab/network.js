/** The network of the book: ReLU layers on a noisy point, its time and their Fourier features (statesdiff/models.py). */

import { kernel } from "./kernel.js";
import { normalised_time, rowOf } from "./schedule.js";

/** Rows that go through at once: what the processor's cache likes. */
const CAPACITY = 512;

/** A row's stride: an odd number of cache lines, so that a column does not fall on the same few of them. */
function strideOf(n) {
  const lines = Math.ceil(n / 16);
  return 16 * (lines + 1 - (lines % 2));
}

/** A multilayer perceptron. Weights are float32 and lie in the kernel's memory, W as (in, out). */
export class Network {
  /** @param config as in the package's `config`: D = 2, T, hidden, x_frequencies, t_frequencies, skip, n_classes;
   *  kind: "denoiser" (two outputs; with n_classes it takes labels) or "classifier" (n_classes outputs) */
  constructor({ T = 500, hidden = [128, 128, 128], x_frequencies = [], t_frequencies = [], skip = false, n_classes = 0,
    kind = "denoiser" }) {
    this.config = { D: 2, T, hidden, x_frequencies, t_frequencies, skip, n_classes, kind };
    this.T = T;
    this.n_features = 3 + 4 * x_frequencies.length + 2 * t_frequencies.length;
    this.n_labels = kind === "denoiser" ? n_classes : 0;
    this.sizes = [this.n_features + this.n_labels, ...hidden, kind === "denoiser" ? 2 : n_classes];
    this.k = kernel();
    this.#allocate();
    this.steps = 0;
    this.rows = 0;
  }

  #allocate() {
    const { k, sizes } = this, { x_frequencies, t_frequencies } = this.config;
    const pad = (list) => k.put([...list, ...new Array(4 - (list.length % 4)).fill(0)]);
    this.frequencies = [pad(x_frequencies), pad(t_frequencies)];
    this.layers = [];
    this.count = 0; // of weights
    for (let l = 0; l + 1 < sizes.length; l++) {
      const [n, m] = [sizes[l], sizes[l + 1]];
      this.layers.push({ n, m, W: this.count, b: this.count + n * m });
      this.count += (n + 1) * m;
    }
    [this.P, this.G, this.M, this.V] = [0, 1, 2, 3].map(() => k.alloc(this.count + 16));
    this.strides = sizes.map(strideOf);
    this.A = this.strides.map((s) => k.alloc((CAPACITY + 4) * s)); // activations, the features first
    this.D = this.strides.map((s) => k.alloc((CAPACITY + 4) * s)); // their gradients
    [this.X, this.t_bar] = [k.alloc(2 * CAPACITY), k.alloc(CAPACITY)];
  }

  /** Take weights (count,) in PyTorch's order: of each layer W (out, in) row by row, then b. */
  load(weights) {
    if (weights.length !== this.count) throw new RangeError(`needs ${this.count} weights, got ${weights.length}`);
    this.#eachWeight(this.P, (own, theirs) => (this.k.view[own] = weights[theirs]));
    for (const moment of [this.M, this.V]) this.k.at(moment, this.count).fill(0);
    this.steps = 0;
    return this;
  }

  #eachWeight(base, f) {
    for (const { n, m, W, b } of this.layers) {
      for (let i = 0; i < n; i++) for (let j = 0; j < m; j++) f(base / 4 + W + i * m + j, W + j * n + i);
      for (let j = 0; j < m; j++) f(base / 4 + b + j, b + j);
    }
  }

  #flat(base) {
    const out = new Float32Array(this.count);
    this.#eachWeight(base, (own, theirs) => (out[theirs] = this.k.view[own]));
    return out;
  }

  /** All weights in the order of `load`. @returns {Float32Array} (count,) */
  weights() {
    return this.#flat(this.P);
  }

  /** The gradients that `backward` left, in the order of `load`. @returns {Float32Array} (count,) */
  gradients() {
    return this.#flat(this.G);
  }

  /** Weights drawn as PyTorch draws them: uniformly within 1 / sqrt(inputs). @param {Random} random */
  init(random) {
    const weights = new Float32Array(this.count);
    for (const { n, m, W } of this.layers)
      for (let i = 0; i < (n + 1) * m; i++) weights[W + i] = (2 * random.uniform() - 1) / Math.sqrt(n);
    return this.load(weights);
  }

  /** The network's own output for x_t (n, 2), t, y: (n, outputs). Rows beyond 512 are done in turn. */
  forward(x_t, t, y = -1) {
    const n = x_t.length / 2, width = this.sizes.at(-1), stride = this.strides.at(-1);
    const out = new Float32Array(n * width);
    for (let from = 0; from < n; from += CAPACITY) {
      const rows = Math.min(CAPACITY, n - from);
      this.#features(x_t, t, y, from, rows);
      this.#layersForward(rows);
      const made = this.k.at(this.A.at(-1), rows * stride);
      for (let i = 0; i < rows; i++)
        for (let j = 0; j < width; j++) out[(from + i) * width + j] = made[i * stride + j];
    }
    return out;
  }

  #features(x_t, t, y, from, rows) {
    const { k, config } = this, stride = this.strides[0], [fx, ft] = this.frequencies;
    k.at(this.X, 2 * rows).set(x_t.subarray(2 * from, 2 * (from + rows)));
    const t_bar = k.at(this.t_bar, rows);
    if (typeof t === "number") t_bar.fill(normalised_time(t, this.T));
    else for (let i = 0; i < rows; i++) t_bar[i] = normalised_time(t[from + i], this.T);
    const counts = [config.x_frequencies.length, config.t_frequencies.length];
    k.f.features(this.X, this.t_bar, rows, fx, counts[0], ft, counts[1], this.A[0], stride);
    for (let i = 0; this.n_labels && i < rows; i++) {
      const label = rowOf(y, from + i);
      if (label >= 0) k.view[this.A[0] / 4 + i * stride + this.n_features + label] = 1;
    }
    this.rows = rows;
  }

  #layersForward(rows) {
    const { P, A, strides: s } = this;
    this.layers.forEach(({ n, m, W, b }, l) => {
      const relu = l + 1 < this.layers.length ? 1 : 0;
      this.k.f.gemm(A[l + 1], s[l + 1], A[l], s[l], 1, P + 4 * W, m, 1, rows, m, n, P + 4 * b, relu, 0);
    });
  }

  /** Fill `gradients`, given d_out (n, outputs), the gradient with respect to what `forward` returned, n <= 512. */
  backward(d_out) {
    const { P, G, A, D, strides: s, rows } = this;
    this.#take(d_out);
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const { n, m, W, b } = this.layers[l];
      this.k.f.gemm(G + 4 * W, m, A[l], 1, s[l], D[l + 1], s[l + 1], 1, n, m, rows, 0, 0, 0);
      this.k.f.colsum(D[l + 1], s[l + 1], rows, m, G + 4 * b);
      if (l) this.k.f.gemm(D[l], s[l], D[l + 1], s[l + 1], 1, P + 4 * W, 1, m, rows, n, m, 0, 2, A[l]);
    }
  }

  /** The gradient with respect to x_t (n, 2), given d_out as in `backward`. @returns {Float32Array} (n, 2) */
  inputGradient(d_out) {
    const { P, A, D, strides: s, rows, k } = this;
    this.#take(d_out);
    for (let l = this.layers.length - 1; l >= 0; l--) {
      const { n, m, W } = this.layers[l];
      k.f.gemm(D[l], s[l], D[l + 1], s[l + 1], 1, P + 4 * W, 1, m, rows, n, m, 0, l ? 2 : 0, A[l]);
    }
    k.f.features_backward(A[0], D[0], s[0], rows, this.frequencies[0], this.config.x_frequencies.length, this.X);
    return k.at(this.X, 2 * rows).slice();
  }

  #take(d_out) {
    const width = this.sizes.at(-1), stride = this.strides.at(-1), { rows } = this;
    if (d_out.length !== rows * width)
      throw new RangeError(`d_out must have ${rows} rows of ${width}, as forward (at most ${CAPACITY} rows) gave`);
    const d = this.k.at(this.D.at(-1), rows * stride);
    for (let i = 0; i < rows; i++) for (let j = 0; j < width; j++) d[i * stride + j] = d_out[i * width + j];
  }

  /** One step of AdamW with what `backward` left. */
  adam({ lr, beta1 = 0.9, beta2 = 0.99, weight_decay = 0.01 }) {
    this.steps += 1;
    const [c1, c2] = [beta1, beta2].map((b) => 1 / (1 - b ** this.steps));
    this.k.f.adam(this.P, this.G, this.M, this.V, this.count, lr, beta1, beta2, c1, c2, weight_decay);
  }
}
