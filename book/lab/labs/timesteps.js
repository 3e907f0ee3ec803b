/** Chapter 8: where the chain ends for a T, where the sampler begins, and what a denoiser without error makes of it. */

import { Picture } from "../canvas.js";
import { button, controls, make, menu, select, sentence, slider, stateLegend } from "../controls.js";
import { dial, startStop } from "../dial.js";
import { takeRows } from "../exact.js";
import { extras } from "../guided.js";
import { lab } from "../lab.js";
import { arrival, freshPoints, measured, observerOf } from "../measures.js";
import { emd } from "../metrics.js";
import { stream } from "../random.js";
import { ddim } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";

const LEVELS = [5, 10, 20, 50, 100, 200, 500];
/** Points that are drawn; how many of them are matched, and over how many such sets the distance is a mean. */
const DRAWN = 1000, MATCHED = 500, SETS = 2;
const BETAS = [["kept", "kept, 0.0001 to 0.02"], ["matched", "ends matched"]];
const STARTS = [["normal", "N(0, I)"], ["true", "the chain's end"]];

/** The schedule of T levels: with the betas of T = 500, or with those scaled so that it ends where T = 500 does. */
export function scheduleOfLevels(T, betas) {
  return betas === "kept" ? NoiseSchedule.linear({ T }) : NoiseSchedule.linear_matched({ T });
}

/** Real points (n, 2) and their states, of the data. */
function someReal({ x, y }, n, random) {
  const rows = random.permutation(y.length).subarray(0, n);
  return { x: takeRows(x, rows), y: Uint8Array.from(rows, (i) => y[i]) };
}

/** Where the chain ends, and where the sampler begins. @returns {{end: object, x_T: Float32Array}} */
export function bothEnds({ T, betas, start, seed }, states) {
  const schedule = scheduleOfLevels(T, betas), real = someReal(states, DRAWN, stream("end", seed));
  const eps = stream("noise", seed).randn(2 * DRAWN), x_T = stream("start", seed).randn(2 * DRAWN);
  const end = { x: schedule.q_sample(real.x, T, eps), y: real.y };
  const other = someReal(states, DRAWN, stream("other", seed));
  return { end, x_T: start === "normal" ? x_T : schedule.q_sample(other.x, T, x_T) };
}

/** The mean over SETS of the earth mover's distance between parts of x and of other points (n, 2); yields in between. */
export function* meanEmd(x, other) {
  let sum = 0;
  for (let k = 0; k < SETS; k++) {
    const part = (points) => points.subarray(2 * MATCHED * k, 2 * MATCHED * (k + 1));
    sum += emd(part(x), part(other)) / SETS;
    yield;
  }
  return sum;
}

const timestepsJobs = {
  /** @param args {T, betas, start, seed} */
  *sample(args, { states, outline }) {
    const schedule = scheduleOfLevels(args.T, args.betas), { end, x_T } = bothEnds(args, states);
    const exact = observerOf(outline, schedule), random = stream("sample", args.seed);
    let x_0 = null;
    yield { end, x_T, alpha_bar_T: schedule.alpha_bar[args.T] };
    for (x_0 of ddim(exact.predictor(), schedule, x_T, { steps: args.T, eta: 1, random })) yield;
    const fresh = (seed) => freshPoints(outline.x, DRAWN, stream("fresh", seed)), real = fresh(args.seed);
    const found = { emd: yield* meanEmd(x_0, real), "emd-floor": yield* meanEmd(fresh(args.seed + 1000), real) };
    return { x_0, y: arrival(x_0, exact), ...found };
  },
};

function drawStart(picture, { ends, args }, layer, outline) {
  if (layer("outline")) picture.points(outline, { colour: picture.colour("--lab-grey"), size: 1, alpha: 0.5 });
  if (!ends) return;
  if (layer("chain")) picture.points(ends.end.x, { y: ends.end.y, size: 2.2, alpha: 0.8 });
  if (layer("start")) picture.points(ends.x_T, { colour: picture.colour("--lab-ink"), size: 2, alpha: 0.7 });
  picture.text(`t = T = ${args.T}`, 8, 18);
}

function drawSamples(picture, { result }, layer, outline) {
  if (layer("outline")) picture.points(outline, { colour: picture.colour("--lab-grey"), size: 1, alpha: 0.6 });
  if (result) picture.points(result.x_0, { y: result.y, size: 2.2 });
}

function timestepsSummary({ T, betas, start }, alpha_bar_T, found) {
  const ends = betas === "kept" ? "betas kept" : "ends matched";
  const from = start === "normal" ? "N(0, I)" : "the chain's own end";
  return `T = ${T}, ${ends}: ${(100 * alpha_bar_T).toFixed(1)}% of the data's variance is left. Begun from ${from}, ` +
    `samples of the exact denoiser have the EMD ${found.emd.toFixed(3)}, real points ${found["emd-floor"].toFixed(3)}.`;
}

lab("timesteps", {
  data: ["outline"],
  jobs: timestepsJobs,
  mount(el, api) {
    const now = { ends: null, result: null, args: null };
    let seed = api.seed, drawn = false;
    sentence(el, "Keep the betas and turn T down from 500 to 5: when do the points without colour, where the sampler " +
      "begins, part from the coloured ones, where the chain ends? Then begin where it ends, or match the ends.");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const left = new Picture(pictures, { label: "The chain's end, and the sampler's start", limit: 3.2 });
    const right = new Picture(pictures, { label: "Samples of the exact denoiser", limit: 3.2 });
    stateLegend(el);
    const row = controls(el);
    const T = slider(row, { name: "T", label: "T", min: 0, max: LEVELS.length - 1, value: 4,
      format: (i) => String(LEVELS[i]), onInput: () => go() });
    const betas = select(row, { name: "betas", label: "betas", options: BETAS, onChange: () => go() });
    const start = select(row, { name: "start", label: "start", options: STARTS, onChange: () => go() });
    const draw = button(row, { name: "draw", label: "Draw", onClick: () => {
      if (run.busy) return run.stop();
      if (drawn) seed += 1;
      go();
    } });
    const layer = menu(extras(el), { chain: true, start: true, outline: true }, {
      onChange: () => [left, right].forEach((picture) => picture.refresh()),
      onSave: () => {
        const args = now.args ?? argsNow(); // of what is shown
        right.save("timesteps.png", `T = ${args.T}, betas ${args.betas}, seed ${args.seed}`);
      } });
    measured(el, { T: "T", alpha_bar_T: "variance left", emd: "EMD of samples" }, ["emd"]);
    sentence(el, "With the betas kept a small T leaves most of the data in place, and N(0, I) is the wrong place to " +
      "begin: the denoiser makes no error, yet the samples crowd on the outer rims. Begun where the chain ends they do " +
      "not. With the ends matched N(0, I) is right again, and what is left at T = 5 is the price of long steps.");

    const run = dial(api, "sample", { need: ["states", "outline"], onMessage: (ends, args) => {
      if (!ends) return;
      Object.assign(now, { ends, args, result: null });
      api.output("T", args.T);
      api.output("alpha_bar_T", ends.alpha_bar_T, 4);
      for (const name of ["emd", "emd-floor"]) api.output(name, "…");
      left.refresh();
      right.refresh();
    }, onResult: (result, args) => {
      startStop(draw, "Draw", run.busy);
      if (!result) return;
      now.result = result;
      for (const name of ["emd", "emd-floor"]) api.output(name, result[name]);
      const words = timestepsSummary(args, now.ends.alpha_bar_T, result);
      api.summary(words);
      right.describe(words);
      right.refresh();
    } });

    function argsNow() {
      return { T: LEVELS[T.value], betas: betas.value, start: start.value, seed };
    }

    function go() {
      drawn = true;
      run(argsNow());
      startStop(draw, "Draw", true);
    }

    left.draw = () => drawStart(left, now, layer, api.data.outline.x);
    right.draw = () => drawSamples(right, now, layer, api.data.outline.x);
    left.refresh();
    right.refresh();
  },
});
