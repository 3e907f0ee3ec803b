/** Networks of a shape that the reader chooses, each trained for equally many updates: what depth and width buy. */

import { denoiser } from "./denoiser.js";
import { coverage, mean_distance } from "./metrics.js";
import { Network } from "./network.js";
import { denseOutline } from "./outline.js";
import { stream } from "./random.js";
import { dpmpp_2m, last } from "./samplers.js";
import { NoiseSchedule } from "./schedule.js";
import { STATE_NAMES } from "./states.js";
import { low_noise_t, noisy_batch, one_cycle, RECIPES, update } from "./training.js";

/** Every shape gets the same training: updates, points in a batch, and the peak of an annealed learning rate. */
export const SHAPE_TRAINING = { steps: 3000, batch_size: 128, lr: 8e-3 };
/** What it takes to pass: coverage of the state covered least, and the distance in units of real points'. */
export const SHAPE_TEST = { coverage: 0.9, floors: 5 };
const SHAPE_T = 500, LOOK = 100, SHAPE_SAMPLES = 500, FINAL_SAMPLES = 2000;

/** The network of that shape: `depth` layers of `width`, on Fourier features or on x_t and the time alone. */
export function shapeConfig({ depth, width, inputs }) {
  const { config } = RECIPES.fourier, raw = inputs === "raw" ? { x_frequencies: [], t_frequencies: [] } : {};
  return { T: SHAPE_T, ...config, ...raw, hidden: new Array(depth).fill(width) };
}

/** How many weights it has, biases included: between layers of n and m units (n + 1) m. */
export function shapeWeights({ depth, width, inputs }) {
  const sizes = [inputs === "raw" ? 3 : 27, ...new Array(depth).fill(width), 2];
  return sizes.slice(1).reduce((sum, m, l) => sum + (sizes[l] + 1) * m, 0);
}

/** Samples of the network as it is, by 15 evaluations, and their distance to the outline. */
function lookAt(network, schedule, x_T, target) {
  const samples = last(dpmpp_2m(denoiser(network), schedule, x_T));
  return { samples, distance: mean_distance(samples, target) };
}

/** Coverage of the state that the points (n, 2) cover least, and its number. */
export function lowestCoverage(x, outline) {
  const shares = STATE_NAMES.map((_, k) => coverage(x, outline.x.filter((_, i) => outline.y[i >> 1] === k)));
  const lowest = Math.min(...shares);
  return { lowest, state: shares.indexOf(lowest) };
}

/**
 * A job: train one network of the shape from its start to its end. Yields {step, samples, distance} now and then, and
 * nothing after the other updates; returns {step, samples, distance, lowest, state} of more samples, and the `weights`.
 */
export function* trainShape({ seed, depth, width, inputs }, { states, outline }) {
  const schedule = NoiseSchedule.linear({ T: SHAPE_T }), random = stream("train", seed);
  const network = new Network(shapeConfig({ depth, width, inputs })).init(stream("init", seed));
  const target = denseOutline(outline.x), x_T = stream("start", seed).randn(2 * SHAPE_SAMPLES);
  const { steps, batch_size, lr } = SHAPE_TRAINING;
  for (let step = 1; step <= steps; step++) {
    const batch = noisy_batch(states.x, schedule, batch_size, { draw_t: low_noise_t, random });
    update(network, batch, one_cycle(step - 1, lr, steps));
    yield step % LOOK === 0 && step < steps ? { step, ...lookAt(network, schedule, x_T, target) } : undefined;
  }
  const found = lookAt(network, schedule, stream("final", seed).randn(2 * FINAL_SAMPLES), target);
  return { step: steps, ...found, ...lowestCoverage(found.samples, outline), weights: network.weights() };
}
