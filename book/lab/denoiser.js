/** What a network is used for: a noise predictor, or a classifier with the gradient of its belief. */

import { rowOf } from "./schedule.js";

/** The noise predictor of a network, (x_t, t, y) => eps_hat (n, 2); with `skip` the output is added to (t / T) x_t. */
export function denoiser(network) {
  const predictor = (x_t, t, y = -1) => {
    const eps_hat = network.forward(x_t, t, y);
    if (network.config.skip)
      for (let i = 0; i < eps_hat.length; i++) eps_hat[i] += (rowOf(t, i >> 1) / network.T) * x_t[i];
    return eps_hat;
  };
  return Object.assign(predictor, { T: network.T, network });
}

/** The classifier of a network, (x_t, t) => logits (n, K). */
export function classifier(network) {
  return Object.assign((x_t, t) => network.forward(x_t, t), { T: network.T, network });
}

/** Row by row, from logits (n, K) to probabilities (n, K). */
export function softmax(logits, K) {
  const out = new Float32Array(logits.length);
  for (let row = 0; row < logits.length; row += K) {
    let top = -Infinity, sum = 0;
    for (let k = 0; k < K; k++) top = Math.max(top, logits[row + k]);
    for (let k = 0; k < K; k++) sum += out[row + k] = Math.exp(logits[row + k] - top);
    for (let k = 0; k < K; k++) out[row + k] /= sum;
  }
  return out;
}

/** grad log p(y | x_t) with respect to x_t by back-propagation, (n, 2); `of` is what `classifier` made. */
export function log_prob_gradient(of, x_t, t, y) {
  const { network } = of, K = network.sizes.at(-1), n = x_t.length / 2, out = new Float32Array(2 * n);
  for (let from = 0; from < n; from += 512) {
    const to = Math.min(n, from + 512);
    const logits = of(x_t.subarray(2 * from, 2 * to), typeof t === "number" ? t : t.slice(from, to));
    const d = softmax(logits, K).map((p, i) => ((i % K) === rowOf(y, from + Math.floor(i / K)) ? 1 : 0) - p);
    out.set(network.inputGradient(d), 2 * from);
  }
  return out;
}
