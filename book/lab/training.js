/** Training a denoiser: a generator that yields a small record after every step, as in statesdiff/training.py. */

import { STATE_NAMES } from "./states.js";

/** A time 1..T, uniformly (DDPM, algorithm 1). */
export function uniform_t(T, random) {
  return 1 + random.integer(T);
}

/** ceil(T u^3): half of the times in the first eighth of 1..T, where the detail is. */
export function low_noise_t(T, random) {
  return Math.max(1, Math.ceil(T * (1 - random.uniform()) ** 3));
}

/**
 * PyTorch's OneCycleLR over `steps` + 1 steps: warm up over the first 30%, then anneal; beta1 does the reverse.
 * @returns {{lr: number, beta1: number}} of step number k, from 0
 */
export function one_cycle(k, lr, steps) {
  const top = 0.3 * (steps + 1) - 1, cosine = (from, to, u) => to + ((from - to) / 2) * (1 + Math.cos(Math.PI * u));
  if (k <= top) return { lr: cosine(lr / 25, lr, k / top), beta1: cosine(0.95, 0.85, k / top) };
  const u = (k - top) / (steps - top);
  return { lr: cosine(lr, lr / 25 / 1e4, u), beta1: cosine(0.85, 0.95, u) };
}

/** Noisy points for a batch: x_t (n, 2), t (n,), eps (n, 2), y (n,) or -1, drawn row by row from `random`. */
export function noisy_batch(x_0, schedule, n, { y = null, draw_t = uniform_t, p_uncond = 0.2, random }) {
  const picked = new Float32Array(2 * n), t = new Int32Array(n), labels = y ? new Int32Array(n) : -1;
  for (let i = 0; i < n; i++) {
    const row = random.integer(x_0.length / 2);
    picked[2 * i] = x_0[2 * row];
    picked[2 * i + 1] = x_0[2 * row + 1];
    t[i] = draw_t(schedule.T, random);
    if (y) labels[i] = random.uniform() < p_uncond ? -1 : y[row];
  }
  const eps = random.randn(2 * n);
  return { x_t: schedule.q_sample(picked, t, eps), t, eps, y: labels };
}

/** One step of the optimiser on a batch. @returns {number} the mean squared error per coordinate before it */
export function update(network, { x_t, t, eps, y }, { lr, beta1 = 0.9, weight_decay = 0.01 }) {
  const out = network.forward(x_t, t, y), { skip } = network.config;
  let loss = 0;
  for (let i = 0; i < out.length; i++) {
    const miss = out[i] + (skip ? (t[i >> 1] / network.T) * x_t[i] : 0) - eps[i];
    loss += miss * miss;
    out[i] = (2 * miss) / out.length;
  }
  network.backward(out);
  network.adam({ lr, beta1, weight_decay });
  return loss / out.length;
}

/**
 * Minimise E |eps - eps_theta(x_t, t)|^2 (DDPM, eq. 14), with fresh noise and times for every batch.
 * Yields {step, loss, lr, batch} after each update, so the network is usable whenever the caller stops listening.
 */
export function* train_denoiser(network, x_0, schedule, { y = null, steps = 4000, batch_size = 512, lr = 1e-3,
  draw_t = uniform_t, p_uncond = 0.2, random }) {
  for (let step = 1; step <= steps; step++) {
    const batch = noisy_batch(x_0, schedule, batch_size, { y, draw_t, p_uncond, random });
    const how = one_cycle(step - 1, lr, steps), loss = update(network, batch, how);
    if (!Number.isFinite(loss)) throw new RangeError(`the loss is ${loss} at step ${step}: is lr = ${lr} too high?`);
    yield { step, loss, lr: how.lr, batch };
  }
}

const FREQUENCIES = [1, 2, 4, 8];
const FOURIER = { hidden: [128, 128, 128], x_frequencies: FREQUENCIES, t_frequencies: FREQUENCIES, skip: true };

/** The book's recipes: the network's `config`, and the `options` of `train_denoiser`. */
export const RECIPES = {
  fourier: { config: FOURIER, options: { lr: 8e-3, draw_t: low_noise_t } },
  conditional: {
    config: { ...FOURIER, n_classes: STATE_NAMES.length },
    options: { lr: 8e-3, draw_t: low_noise_t },
  },
};
