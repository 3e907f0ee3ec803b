/** How good are samples? The measures of statesdiff/metrics.py; a floor is the same measure of held-out real points. */

import { kernel } from "./kernel.js";
import { PointSet } from "./points.js";
import { rowOf } from "./schedule.js";

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

function distances(queries, points) {
  return kernel().scratch(() => new PointSet(points).distance(queries));
}

/** Precision: mean distance from each sample (n, 2) to the nearest point of `target` (M, 2), in units of x. */
export function mean_distance(samples, target) {
  return mean(distances(samples, target));
}

/** Recall: share of the points of `target` (M, 2) that have a sample (n, 2) within `radius`, in units of x. */
export function coverage(samples, target, radius = 0.05) {
  return mean(distances(target, samples).map((d) => (d <= radius ? 1 : 0)));
}

/** Mean of -log p(samples), p a Gaussian KDE of `reference` (N, 2) with Scott's bandwidth, in nats. */
export function nll(samples, reference) {
  const { centre, root, log_det } = scottsKernel(reference), N = reference.length / 2;
  const white = (x) => {
    const out = new Float32Array(x.length);
    for (let i = 0; i < x.length; i += 2) {
      out[i] = (x[i] - centre[0]) / root[0];
      out[i + 1] = (x[i + 1] - centre[1] - root[1] * out[i]) / root[2];
    }
    return out;
  };
  const { log_sum } = kernel().scratch(() =>
    new PointSet(white(reference)).weigh(white(samples), new Float32Array(samples.length / 2).fill(1)));
  return Math.log(N) + Math.log(2 * Math.PI) + log_det - mean(log_sum);
}

/** Mean and Cholesky root [l00, l10, l11] of the covariance, times Scott's N^(-1/6); log of its determinant. */
function scottsKernel(x) {
  const n = x.length / 2, centre = [0, 1].map((c) => mean(Float64Array.from({ length: n }, (_, i) => x[2 * i + c])));
  const s = [0, 0, 0];
  for (let i = 0; i < x.length; i += 2) {
    const [a, b] = [x[i] - centre[0], x[i + 1] - centre[1]];
    [s[0], s[1], s[2]] = [s[0] + a * a, s[1] + a * b, s[2] + b * b];
  }
  const h = n ** (-1 / 6), [xx, xy, yy] = s.map((v) => v / (n - 1));
  const l00 = Math.sqrt(xx), l10 = xy / l00, root = [l00, l10, Math.sqrt(yy - l10 * l10)].map((v) => v * h);
  return { centre, root, log_det: Math.log(root[0] * root[2]) };
}

/** Earth mover's distance: mean cost of the best matching of two sets (n, 2) of one size, exact; n^3 operations. */
export function emd(samples, reference) {
  const n = samples.length / 2;
  if (reference.length !== samples.length)
    throw new RangeError(`emd needs two sets of one size, got ${n} and ${reference.length / 2}`);
  const cost = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      cost[i * n + j] = Math.hypot(samples[2 * i] - reference[2 * j], samples[2 * i + 1] - reference[2 * j + 1]);
  const column = assignment(cost, n);
  return mean(Float64Array.from(column, (j, i) => cost[i * n + j]));
}

/** The column of each row in the cheapest assignment, by shortest augmenting paths (Jonker and Volgenant 1987). */
export function assignment(cost, n) {
  const u = new Float64Array(n), v = new Float64Array(n + 1), rowAt = new Int32Array(n + 1).fill(-1);
  const least = new Float64Array(n), way = new Int32Array(n), done = new Uint8Array(n);
  for (let row = 0; row < n; row++) {
    least.fill(Infinity);
    done.fill(0);
    const order = [];
    let i = row, at = n; // column n stands before all others
    rowAt[n] = row;
    do {
      const base = i * n;
      let best = Infinity, next = -1;
      for (let j = 0; j < n; j++) {
        if (done[j]) continue;
        const reduced = cost[base + j] - u[i] - v[j];
        if (reduced < least[j]) [least[j], way[j]] = [reduced, at];
        if (least[j] < best) [best, next] = [least[j], j];
      }
      u[row] += best;
      for (const j of order) ((u[rowAt[j]] += best), (v[j] -= best));
      for (let j = 0; j < n; j++) if (!done[j]) least[j] -= best;
      done[next] = 1;
      order.push(next);
      at = next;
      i = rowAt[at];
    } while (i >= 0);
    while (at !== n) [rowAt[at], at] = [rowAt[way[at]], way[at]];
  }
  const column = new Int32Array(n);
  for (let j = 0; j < n; j++) column[rowAt[j]] = j;
  return column;
}

/** Share of the samples (n, 2) whose most probable class is y, by an `IdealDenoiser` with labels and jitter, at t = 0. */
export function class_accuracy(samples, y, ideal) {
  const p = ideal.log_posterior(samples, 0), { K } = ideal, n = samples.length / 2;
  let right = 0;
  for (let i = 0; i < n; i++) {
    const row = p.subarray(i * K, (i + 1) * K);
    if (row.indexOf(Math.max(...row)) === rowOf(y, i)) right += 1;
  }
  return right / n;
}
