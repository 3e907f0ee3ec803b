/** How good are samples? The measures of statesdiff/metrics.py; a floor is the same measure of held-out real points. */

import { KernelDensity } from "./kde.js";
import { kernel } from "./kernel.js";
import { matching, matchingCost, pairCosts } from "./matching.js";
import { PointSet } from "./points.js";
import { rowOf } from "./schedule.js";

const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** Distance of each query (n, 2) to the nearest of the points (M, 2). @returns {Float64Array} (n,) */
export function distances(queries, points) {
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
  return -mean(kernel().scratch(() => new KernelDensity(reference).log_density(samples)));
}

/** Earth mover's distance: mean cost of the best matching of two sets (n, 2) of one size, exact; n^3 operations. */
export function emd(samples, reference) {
  const n = samples.length / 2;
  if (reference.length !== samples.length)
    throw new RangeError(`emd needs two sets of one size, got ${n} and ${reference.length / 2}`);
  const cost = pairCosts(samples, reference), pairing = matching(cost, n);
  let step = pairing.next();
  while (!step.done) step = pairing.next();
  return matchingCost(cost, step.value);
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
