/** Networks kept on the way of long trainings on few and on many points: what they know of the map, and of their points. */

import { denoiser } from "./denoiser.js";
import { IdealDenoiser } from "./exact.js";
import { mean_distance } from "./metrics.js";
import { Network } from "./network.js";
import { denseOutline, freshDraw } from "./outline.js";
import { stream } from "./random.js";
import { dpmpp_2m, last } from "./samplers.js";
import { NoiseSchedule } from "./schedule.js";
import { JITTER } from "./states.js";
import { low_noise_t } from "./training.js";

const LENGTH_T = 500, LENGTH_SAMPLES = 1000, LENGTH_JUDGED = 1024, UNSEEN_SETS = 10;

/** `count` of the points x (N, 2), evenly spaced among them: those that a network was trained on. */
export function ownPoints(x, count) {
  const step = x.length / 2 / count;
  return Float32Array.from({ length: 2 * count }, (_, i) => x[2 * step * (i >> 1) + (i & 1)]);
}

/** `count` rows of x (N, 2), in turn or, if there are more, evenly spaced, noised to times drawn as in training. */
export function noisedAlike(x, count, schedule, random) {
  const N = x.length / 2, step = Math.max(1, N / count);
  const x_0 = Float32Array.from({ length: 2 * count }, (_, i) => x[2 * (Math.floor(step * (i >> 1)) % N) + (i & 1)]);
  const t = Int32Array.from({ length: count }, () => low_noise_t(schedule.T, random)), eps = random.randn(2 * count);
  return { x_t: schedule.q_sample(x_0, t, eps), t, eps };
}

/** Mean over coordinates of (a - b)^2, a and b (n, 2). */
function meanSquare(a, b) {
  return a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0) / a.length;
}

/** Loss of a predictor less that of the exact one, on the same noisy points. */
export function lossOver(predictor, truth, { x_t, t, eps }) {
  return meanSquare(predictor(x_t, t), eps) - meanSquare(truth.predict(x_t, t), eps);
}

/** Distance of samples to the points of a set, over the mean of that to unseen sets as large: 0 for copies. */
export function nearestRatio(samples, own, unseen) {
  const others = unseen.map((x) => mean_distance(samples, x));
  return mean_distance(samples, own) / (others.reduce((a, b) => a + b, 0) / others.length);
}

/**
 * A job: one of the kept networks. Returns its samples (n, 2), their `distance` to the outline, the loss over the exact
 * denoiser's on fresh points and on its own, and how near samples are to its own points, in units of unseen sets.
 */
export function* judgeLength({ seed, set, length }, { states, outline, epochs }) {
  const schedule = NoiseSchedule.linear({ T: LENGTH_T }), { config, sets, weights } = epochs;
  const predictor = denoiser(new Network(config).load(weights[set][length]));
  const truth = new IdealDenoiser(outline.x, schedule, { jitter: JITTER }), own = ownPoints(states.x, sets[set]);
  const samples = last(dpmpp_2m(predictor, schedule, stream("start", seed).randn(2 * LENGTH_SAMPLES)));
  yield;
  const fresh = freshDraw(outline, LENGTH_JUDGED, stream("fresh", seed)).x, judged = {};
  for (const [name, x] of [["fresh", fresh], ["own", own]]) {
    judged[name] = lossOver(predictor, truth, noisedAlike(x, LENGTH_JUDGED, schedule, stream("noise", seed)));
    yield;
  }
  const unseen = Array.from({ length: UNSEEN_SETS }, (_, k) => freshDraw(outline, sets[set], stream("unseen", k)).x);
  const ratio = nearestRatio(samples, own, unseen);
  return { samples, distance: mean_distance(samples, denseOutline(outline.x)), ...judged, ratio };
}
