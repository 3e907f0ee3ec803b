/** Solvers of the probability flow equation and their grids of times, as in statesdiff/solvers.py and grids.py. */

import { ddim, ddim_times, log_snr_times } from "./samplers.js";

/** Even steps of arsinh(8 / noise_level) from T to 1, the last of which goes on to 0. */
export function eased_times(schedule, steps) {
  const { T, noise_level } = schedule, at = (t) => Math.asinh(8 / noise_level[t]), times = [0];
  for (let k = 1; k <= steps; k++) {
    const wanted = at(T) + ((at(1) - at(T)) * (steps - k)) / steps;
    let t = times[0] + 1;
    while (t < T && Math.abs(at(t + 1) - wanted) < Math.abs(at(t) - wanted)) t += 1;
    times.unshift(Math.min(t, T - (steps - k))); // room for those that follow
  }
  return times;
}

/** The times that a solver visits, T first, 0 last: `steps` of them on a grid, or a falling list of one's own. */
export function times_of(schedule, steps, grid = "eased") {
  if (typeof grid !== "string") return ddim_times(schedule.T, grid);
  if (!(steps >= 1 && steps <= schedule.T)) throw new RangeError(`steps must lie in 1..${schedule.T}, got ${steps}`);
  const grids = { uniform: ({ T }, n) => ddim_times(T, n), logsnr: log_snr_times, eased: eased_times };
  if (!(grid in grids)) throw new RangeError(`grid must be one of ${Object.keys(grids).join(", ")}, got ${grid}`);
  return grids[grid](schedule, steps);
}

/** First order, one evaluation a step: DDIM on any grid. @param {Float32Array} x_T (n, 2) */
export function* euler(predictor, schedule, x_T, { steps = 10, grid = "eased" } = {}) {
  yield* ddim(predictor, schedule, x_T, { steps: times_of(schedule, steps, grid) });
}

/** Second order, two evaluations a step but one in the last (EDM, algorithm 1). @param {Float32Array} x_T (n, 2) */
export function* heun(predictor, schedule, x_T, { steps = 10, grid = "eased" } = {}) {
  const times = times_of(schedule, steps, grid), { alpha_bar, noise_level } = schedule;
  let x = x_T;
  yield x;
  for (let k = 0; k + 1 < times.length; k++) {
    const [t, s] = [times[k], times[k + 1]], [a, b] = [Math.sqrt(alpha_bar[t]), Math.sqrt(alpha_bar[s])];
    const width = noise_level[s] - noise_level[t], along = (slope) => x.map((v, i) => b * (v / a + width * slope[i]));
    let slope = predictor(x, t);
    if (s > 0) {
      const there = predictor(along(slope), s);
      slope = slope.map((v, i) => (v + there[i]) / 2);
    }
    yield (x = along(slope));
  }
}

/** The weights of the known predictions, newest first, in what a step of length h takes in; `at` are their places. */
function weightsTakenIn(at, h) {
  const w_0 = -Math.expm1(-h), w_1 = h - w_0, w_2 = h * h - 2 * w_1;
  if (at.length === 1) return [w_0];
  const [a, b] = [at[0] - at[1], at[0] - at[2]];
  if (at.length === 2) return [w_0 * (1 + h / (2 * a)), (-w_0 * h) / (2 * a)];
  const c = at[1] - at[2], bend = w_1 * a + w_2; // of ((x_0 - x_1) / a - (x_1 - x_2) / c) / b
  return [w_0 + w_1 / a + bend / (a * b), -w_1 / a - (bend * (1 / a + 1 / c)) / b, bend / (b * c)];
}

/** DPM-Solver++, multistep, of order 2 or 3, one evaluation a step (arXiv:2211.01095). @param {Float32Array} x_T (n, 2) */
export function* dpm_solver(predictor, schedule, x_T, { steps = 10, grid = "eased", order = 3 } = {}) {
  if (order !== 2 && order !== 3) throw new RangeError(`order must be 2 or 3, got ${order}`);
  const times = times_of(schedule, steps, grid), { alpha_bar, log_snr } = schedule;
  let x = x_T, known = [];
  yield x;
  for (let k = 0; k + 1 < times.length; k++) {
    const [t, s] = [times[k], times[k + 1]], x_0_hat = schedule.predict_x_0(x, t, predictor(x, t));
    known = [{ at: log_snr[t] / 2, x_0_hat }, ...known].slice(0, order);
    if (s === 0) x = x_0_hat;
    else {
      const weights = weightsTakenIn(known.map(({ at }) => at), (log_snr[s] - log_snr[t]) / 2);
      const kept = Math.sqrt((1 - alpha_bar[s]) / (1 - alpha_bar[t])), of = Math.sqrt(alpha_bar[s]);
      x = x.map((v, i) => kept * v + of * known.reduce((sum, one, j) => sum + weights[j] * one.x_0_hat[i], 0));
    }
    yield x;
  }
}
