/** Draw your own state: the exact denoiser makes it at once, and a network learns it in the page. */

import { denoiser } from "../denoiser.js";
import { PEN } from "../drawing.js";
import { DrawingTable } from "../drawing_table.js";
import { IdealDenoiser } from "../exact.js";
import { ClassifierGuidance } from "../guidance.js";
import { lab } from "../lab.js";
import { mean_distance } from "../metrics.js";
import { Network } from "../network.js";
import { stream } from "../random.js";
import { dpmpp_2m, last } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";
import { RECIPES, train_denoiser } from "../training.js";

const DRAWN_IN = 20, PREVIEW = 500, EVERY = 100;

/** The predictor of a job, exact or learnt, guided to one drawing by the exact posterior. */
function predictorOfDrawing({ places, y, width, weights, guidance }) {
  const schedule = NoiseSchedule.linear({ T: 500 });
  const ideal = new IdealDenoiser(places, schedule, { jitter: PEN / width, y });
  const plain = weights ? denoiser(new Network(RECIPES.fourier.config).load(weights)) : ideal.predictor();
  const gradient = (x_t, t, k) => ideal.log_posterior_gradient(x_t, t, k);
  const guided = ClassifierGuidance(plain, gradient, schedule, guidance < 0 ? 0 : 1, Math.abs(guidance));
  return { schedule, ideal, predictor: guidance ? guided : plain };
}

/** Which of the drawings each sample is most likely of: 0 or 1. */
function drawingOf(samples, ideal) {
  const p = ideal.log_posterior(samples, 1), { K } = ideal;
  return Uint8Array.from({ length: samples.length / 2 }, (_, i) => (K > 1 && p[i * K + 1] > p[i * K] ? 1 : 0));
}

lab("draw", {
  jobs: {
    /** Samples out of noise, each step shown if `watch`; then how far they are from the points. */
    *make(args) {
      const { schedule, ideal, predictor } = predictorOfDrawing(args);
      const x_T = stream("sample", args.seed).randn(2 * args.n);
      let made = x_T;
      for (made of dpmpp_2m(predictor, schedule, x_T, { steps: DRAWN_IN })) yield args.watch ? { made } : undefined;
      return { made, labels: drawingOf(made, ideal), distance: mean_distance(made, args.x) };
    },

    /** The recipe of chapter 3 on the points; a few samples now and then. Loss: the mean of the last hundred. */
    *train({ x, seed, updates }) {
      const schedule = NoiseSchedule.linear({ T: 500 }), network = new Network(RECIPES.fourier.config);
      network.init(stream("init", seed));
      const x_T = stream("sample", seed).randn(2 * PREVIEW);
      const options = { ...RECIPES.fourier.options, steps: updates, random: stream("train", seed) };
      let spent = 0, since = performance.now(), mean = 0;
      for (const { step, loss } of train_denoiser(network, x, schedule, options)) {
        mean += (loss - mean) / Math.min(step, EVERY);
        yield;
        if (step % EVERY && step !== updates) continue;
        spent += performance.now() - since;
        const made = last(dpmpp_2m(denoiser(network), schedule, x_T, { steps: 12 }));
        yield { made, step, seconds: spent / 1000, loss: mean, weights: network.weights() };
        since = performance.now();
      }
      return {};
    },
  },
  mount(el, api) {
    new DrawingTable(el, api).start(location.hash);
  },
});
