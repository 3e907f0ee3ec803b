/** Flow time s, 0 for noise and 1 for data, and velocities, as in statesdiff/velocity.py and statesdiff/flow.py. */

import { denoiser } from "./denoiser.js";

/**
 * E[x_0 - eps | x_s] of the points `data` (N, 2) with a Gaussian of deviation `jitter` at each, (x_s, s) => u; x_s and
 * u are (n, 2), s is one number.
 */
export function ExactVelocity(data, jitter = 0) {
  const N = data.length / 2, exponent = new Float64Array(N);
  const towards = (x, y, s) => {
    const v = (1 - s) ** 2 + (s * jitter) ** 2;
    let top = -Infinity, [sum, a, b] = [0, 0, 0];
    for (let k = 0; k < N; k++) {
      exponent[k] = ((x - s * data[2 * k]) ** 2 + (y - s * data[2 * k + 1]) ** 2) / (-2 * v);
      if (exponent[k] > top) top = exponent[k];
    }
    for (let k = 0; k < N; k++) {
      const w = Math.exp(exponent[k] - top);
      [sum, a, b] = [sum + w, a + w * data[2 * k], b + w * data[2 * k + 1]];
    }
    const pull = (s * jitter ** 2) / v;
    return [[a / sum, x], [b / sum, y]].map(([m, place]) => (m + pull * (place - s * m) - place) / (1 - s));
  };
  return (x_s, s) => {
    if (s === 1) return x_s.slice();
    const out = new Float32Array(x_s.length);
    for (let i = 0; i < x_s.length; i += 2) out.set(towards(x_s[i], x_s[i + 1], s), i);
    return out;
  };
}

/** The velocity of a denoiser's network, s x_s - net(x_s, T (1 - s)): (x_s (n, 2), s) => (n, 2). */
export function VelocityNetwork(network) {
  const predictor = denoiser(network);
  return (x_s, s) => predictor(x_s, network.T * (1 - s)).map((v, i) => s * x_s[i] - v);
}

/** Follow dx/ds = u(x, s) from s = 0 to 1 by so many equal straight steps: yields x (n, 2), the first is the start. */
export function* euler_flow(velocity, x, { steps }) {
  yield x;
  for (let k = 0; k < steps; k++) {
    const u = velocity(x, k / steps);
    x = x.map((v, i) => v + u[i] / steps);
    yield x;
  }
}
