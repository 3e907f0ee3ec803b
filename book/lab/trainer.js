/** Training in the page: a recipe of chapter 3 without an end, with what the reader sees of it now and then. */

import { gridPoints } from "./canvas.js";
import { denoiser } from "./denoiser.js";
import { IdealDenoiser } from "./exact.js";
import { mean_distance } from "./metrics.js";
import { Network } from "./network.js";
import { denseOutline, freshDraw } from "./outline.js";
import { stream } from "./random.js";
import { dpmpp_2m, last } from "./samplers.js";
import { NoiseSchedule } from "./schedule.js";
import { JITTER } from "./states.js";
import { low_noise_t, noisy_batch, RECIPES, uniform_t, update } from "./training.js";

export const FIELD_SIDE = 17, FIELD_LIMIT = 2.2, FIELD_T = 20;
const TRAIN_T = 500, TRAIN_SAMPLES = 500, JUDGED = 1024, MOST_STEPS = 12000, WARM_UP = 100, RECENT = 50;
/** Trained for a while and with this share of the excess it began with, a network knows nothing. */
const HOPELESS = 0.9;

/** The four kinds of the chapter's trial. `floor`: the Bayes loss of the distribution, times drawn as in training. */
export const TRIAL = {
  both: { words: "Fourier inputs, low-noise t", waves: true, draw_t: low_noise_t, floor: 0.547 },
  inputs: { words: "Fourier inputs, uniform t", waves: true, draw_t: uniform_t, floor: 0.325 },
  times: { words: "raw inputs, low-noise t", waves: false, draw_t: low_noise_t, floor: 0.547 },
  neither: { words: "raw inputs, uniform t", waves: false, draw_t: uniform_t, floor: 0.325 },
};

/** The learning rate of step k, from 0: up to lr in 100 steps, then falling as one over the step, without an end. */
export function endless_rate(k, lr) {
  return lr * (k < WARM_UP ? (k + 1) / WARM_UP : (4 * WARM_UP) / (3 * WARM_UP + k));
}

/** What is needed to go on: weights, the optimiser's moments, the random numbers' state. */
function checkpointOf(network, random) {
  const [weights, m, v] = [network.P, network.M, network.V].map((at) => network.k.at(at, network.count).slice());
  return { weights, m, v, random: { ...random } };
}

function restore(network, random, { weights, m, v, random: state, step }) {
  const places = [[network.P, weights], [network.M, m], [network.V, v]];
  for (const [at, values] of places) network.k.at(at, network.count).set(values);
  network.steps = step;
  Object.assign(random, state);
}

/** What the network is compared with: noisy points of fresh draws with their exact noise, and the exact field. */
export function judgeOf({ outline, schedule, draw_t, seed }) {
  const truth = new IdealDenoiser(outline.x, schedule, { jitter: JITTER }), random = stream("judge", seed);
  const fresh = freshDraw(outline, JUDGED, random).x, target = denseOutline(outline.x);
  const { x_t, t } = noisy_batch(fresh, schedule, JUDGED, { draw_t, random });
  const grid = gridPoints(FIELD_SIDE, FIELD_LIMIT), x_T = stream("start", seed).randn(2 * TRAIN_SAMPLES);
  return { x_t, t, exact: truth.predict(x_t, t), grid, field: truth.predict(grid, FIELD_T), target, x_T };
}

/** As they are now: excess over the Bayes loss, samples by 15 evaluations, their distance to the outline, the field. */
export function judged(network, schedule, judge) {
  const predictor = denoiser(network), eps_hat = predictor(judge.x_t, judge.t);
  const excess = eps_hat.reduce((sum, v, i) => sum + (v - judge.exact[i]) ** 2, 0) / eps_hat.length;
  const samples = last(dpmpp_2m(predictor, schedule, judge.x_T));
  return { excess, samples, distance: mean_distance(samples, judge.target), field: predictor(judge.grid, FIELD_T) };
}

/** Whether the reader gets to see this step: often at first, then every 50, later every 100. */
function isShown(step) {
  return step < 50 ? [1, 10, 25].includes(step) : step % (step < 1000 ? 50 : 100) === 0;
}

/** A network of that kind, new or as it was at the checkpoint, and the random numbers it is trained with. */
function learner({ seed, trial, from }) {
  const { config } = RECIPES.fourier, plain = TRIAL[trial].waves ? {} : { x_frequencies: [], t_frequencies: [] };
  const network = new Network({ T: TRAIN_T, ...config, ...plain }), random = stream("train", seed);
  if (from) restore(network, random, from);
  else network.init(stream("init", seed));
  return { network, random };
}

/**
 * A job: train from the start or from a checkpoint, until it is stopped. Yields nothing after a step, and now and then
 * {step, seconds, losses since the last, loss (mean of 50), excess, samples, distance, field, exact_field, checkpoint};
 * returns {ended, step}, ended being "diverged" or "enough".
 */
export function* trainInPage({ seed, trial, lr, from }, { states, outline }) {
  const { draw_t } = TRIAL[trial], schedule = NoiseSchedule.linear({ T: TRAIN_T });
  const { network, random } = learner({ seed, trial, from }), judge = judgeOf({ outline, schedule, draw_t, seed });
  const untrained = from ? null : judged(network, schedule, judge);
  const first = from?.first ?? untrained.excess, start = from?.step ?? 0;
  const began = performance.now() - 1000 * (from?.seconds ?? 0);
  let losses = [], recent = from?.recent ?? [];
  if (!from) yield { step: 0, seconds: 0, losses, exact_field: judge.field, ...untrained };
  for (let step = start + 1; step <= MOST_STEPS; step++) {
    const batch = noisy_batch(states.x, schedule, 512, { draw_t, random });
    losses.push(update(network, batch, { lr: endless_rate(step - 1, lr) }));
    if (!Number.isFinite(losses.at(-1))) return { ended: "diverged", step };
    yield;
    if (!isShown(step)) continue;
    recent = [...recent, ...losses].slice(-RECENT);
    const seconds = (performance.now() - began) / 1000, found = judged(network, schedule, judge);
    const checkpoint = { ...checkpointOf(network, random), step, seconds, first, recent };
    const loss = recent.reduce((a, b) => a + b, 0) / recent.length;
    yield { step, seconds, losses, loss, checkpoint, exact_field: judge.field, ...found };
    if (step >= start + 1.5 * WARM_UP && found.excess > HOPELESS * first) return { ended: "diverged", step };
    losses = [];
  }
  return { ended: "enough", step: MOST_STEPS };
}
