/** Chapter 4: three samplers, how many evaluations they need, and what a slip does; one start dropped twenty times. */

import { Picture } from "../canvas.js";
import { button, controls, make, menu, select, sentence, slider, stateLegend } from "../controls.js";
import { denoiser } from "../denoiser.js";
import { dial, startStop } from "../dial.js";
import { extras } from "../guided.js";
import { handle } from "../handle.js";
import { lab } from "../lab.js";
import { arrival, distanceAndCoverage, freshPoints, measured, observerOf, pathsOf } from "../measures.js";
import { stream } from "../random.js";
import { ddim, ddpm, dpmpp_2m } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";
import { STATE_NAMES } from "../states.js";
import { Tries } from "../tries.js";

const EVALUATIONS = [1, 2, 3, 4, 5, 7, 10, 15, 20, 25, 35, 50, 75, 100, 150, 250];
const SAMPLED = 2000, DROPPED = 20, WAYS_SHOWN = 12;
const SAMPLERS = [["ddpm", "DDPM"], ["ddim", "DDIM"], ["dpmpp_2m", "DPM-Solver++ 2M"]];
const SLIPS = [["none", "none"], ["sigma", "forget sigma"], ["end", "noise at the end"], ["silent", "no noise at all"]];

/** Eq. 6 with a slip: what is given to `ddpm` as noise, and what is added to x_0. */
function slipped(slip, schedule, random, n) {
  const z = () => random.randn(2 * n), add = (size) => (x) => z().map((v, i) => x[i] + size * v);
  return {
    none: { noise: z, end: (x) => x },
    sigma: { noise: (t) => z().map((v) => v / Math.sqrt(schedule.beta[t])), end: add(1) },
    end: { noise: z, end: add(Math.sqrt(schedule.beta[1])) },
    silent: { noise: () => new Float32Array(2 * n), end: (x) => x },
  }[slip];
}

/** Every x_t on the way, by the sampler that was asked for. */
function* wayBack({ sampler, evaluations, eta, slip, seed }, predictor, schedule, x_T) {
  const random = stream("sample", seed);
  if (sampler === "ddim") return yield* ddim(predictor, schedule, x_T, { steps: evaluations, eta, random });
  if (sampler === "dpmpp_2m") return yield* dpmpp_2m(predictor, schedule, x_T, { steps: evaluations });
  const { noise, end } = slipped(slip, schedule, random, x_T.length / 2);
  let t = schedule.T;
  for (const x of ddpm(predictor, schedule, x_T, { noise })) yield t-- > 0 ? x : end(x);
}

/** How many points are sampled at first, so that a dial answers at once, and then. */
function samplingCounts({ sampler, evaluations, start }) {
  if (start) return [DROPPED];
  return sampler === "ddpm" ? [SAMPLED] : [Math.min(500, Math.round(7500 / evaluations)), SAMPLED];
}

const samplingJobs = {
  /** @param args {sampler, evaluations, eta, slip, start: [x, y] or null, seed, frames} */
  *sample(args, { fourier, outline }) {
    const schedule = NoiseSchedule.linear(), predictor = denoiser(fourier), observer = observerOf(outline, schedule);
    let result = null;
    for (const n of samplingCounts(args)) {
      if (result) yield result;
      const random = stream("start", args.seed), { start } = args, kept = [];
      const x_T = start ? Float32Array.from({ length: 2 * n }, (_, i) => start[i & 1]) : random.randn(2 * n);
      const shown = args.frames && args.sampler === "ddpm" && !start, thin = args.sampler === "ddpm" ? 10 : 1;
      let k = 0, x_0 = null;
      for (x_0 of wayBack(args, predictor, schedule, x_T)) {
        if (k % thin === 0) kept.push(x_0.slice(0, 2 * DROPPED));
        yield shown && k % 10 === 0 ? { frame: x_0, t: schedule.T - k } : undefined;
        k += 1;
      }
      const fresh = freshPoints(outline.x, n, stream("fresh", args.seed));
      result = { x_0, y: arrival(x_0, observer), paths: pathsOf(kept, DROPPED), evaluations: k - 1,
        ...distanceAndCoverage(x_0, fresh, outline.x, outline.x) };
    }
    return result;
  },
};

function drawWays(picture, { result }, walks) {
  const colours = Array.from(result.y, (k) => picture.stateColour(k));
  result.paths.slice(0, walks).forEach((path, i) => picture.paths([path], { colour: colours[i], alpha: 0.5 }));
  const starts = Float32Array.from({ length: 2 * walks }, (_, i) => result.paths[i >> 1][i & 1]);
  picture.points(starts, { size: 5, colour: picture.colour("--lab-grey"), alpha: 1 });
  picture.points(result.x_0.slice(0, 2 * walks), { y: result.y.slice(0, walks), size: 6, alpha: 1 });
}

function drawSampling(picture, now, layer, outline) {
  const { result, frame, args } = now, grey = picture.colour("--lab-grey");
  picture.limit = args?.slip === "sigma" && args.sampler === "ddpm" ? 26 : 3;
  if (layer("outline")) picture.points(outline, { colour: grey, size: 1, alpha: 0.6 });
  if (frame) {
    picture.points(frame.frame, { size: 2, alpha: 0.7 });
    picture.text(`t = ${frame.t}`, 8, 18);
  } else if (result) {
    if (layer("points") && !args.start) picture.points(result.x_0, { y: result.y, size: 2.2 });
    if (layer("paths") || args.start) drawWays(picture, now, args.start ? DROPPED : WAYS_SHOWN);
  } else picture.points(now.x_T, { colour: grey, size: 2 });
  if (args?.start) picture.ring(picture.at(...args.start), 7, picture.colour("--lab-ink"));
}

/** What a run was, in words. */
function samplingWords({ sampler, evaluations, eta, slip }) {
  if (sampler === "ddpm") return `DDPM, 500 evaluations${slip === "none" ? "" : `, ${new Map(SLIPS).get(slip)}`}`;
  const name = new Map(SAMPLERS).get(sampler), count = `${evaluations} evaluation${evaluations > 1 ? "s" : ""}`;
  return sampler === "ddim" ? `DDIM, ${count}, eta ${eta}` : `${name}, ${count}`;
}

function samplingSummary(args, result) {
  if (!args.start) {
    const [d, floor, c] = ["distance", "distance-floor", "coverage"].map((name) => result[name].toFixed(3));
    return `${result.y.length} points by ${samplingWords(args)}: ${d} from the outline on average, ` +
      `real points ${floor}; ${Math.round(100 * c)}% of the outline covered.`;
  }
  const counts = STATE_NAMES.map((name, k) => [name, result.y.filter((y) => y === k).length]).filter(([, n]) => n);
  const where = counts.map(([name, n]) => `${n} in ${name}`).join(", ");
  return `One start, dropped ${DROPPED} times by ${samplingWords(args)}: ${where}.`;
}

lab("sampling", {
  data: ["outline"],
  jobs: samplingJobs,
  mount(el, api) {
    const x_T = stream("start", api.seed).randn(2 * SAMPLED), now = { x_T, result: null, frame: null, args: null };
    let seed = api.seed, drawn = false, start = null;
    sentence(el, "Find for each sampler the fewest evaluations whose distance is near that of real points. " +
      "Then press a place in the picture, or an arrow key in it: one start is dropped there twenty times.");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const picture = new Picture(pictures, { label: "Samples" }), tries = new Tries(pictures);
    stateLegend(el);
    const row = controls(el);
    const sampler = select(row, { name: "sampler", label: "sampler", options: SAMPLERS, value: "ddim",
      onChange: () => (fit(), go()) });
    const steps = slider(row, { name: "evaluations", label: "evaluations", min: 0, max: EVALUATIONS.length - 1,
      value: 6, format: (i) => String(EVALUATIONS[i]), onInput: () => go() });
    const eta = slider(row, { name: "eta", label: "eta", min: 0, max: 1, step: 0.25, value: 0, onInput: () => go() });
    const slip = select(row, { name: "slip", label: "slip", options: SLIPS, onChange: () => go() });
    const draw = button(row, { name: "draw", label: "Draw", onClick: () => {
      if (run.busy) return run.stop();
      if (drawn && !start) seed += 1;
      start = null;
      go();
    } });
    const layer = menu(extras(el), { points: true, paths: false, outline: true }, { onChange: () => picture.refresh(),
      onSave: () => {
        const args = now.args ?? argsNow(); // of what is shown
        picture.save("sampling.png", `${samplingWords(args)}, seed ${args.seed}`);
      } });
    measured(el, { evaluations: "evaluations", distance: "distance", coverage: "coverage" }, ["distance", "coverage"]);
    sentence(el, "Few large steps end on averages of origins, so the samples are blurred. DPM-Solver++ spreads its " +
      "times by the noise and corrects each step by the one before: ten or fifteen evaluations bring it near the " +
      "floor; DDIM, at evenly spaced times, needs fifty. A start decides next to nothing for DDPM, everything for " +
      "DDIM without noise.");

    const run = dial(api, "sample", { need: ["fourier", "outline"], onMessage: show, onResult: (result, args) => {
      startStop(draw, "Draw", run.busy);
      now.frame = null;
      if (result) show(result, args);
      else picture.refresh();
    } });

    function argsNow() {
      return { sampler: sampler.value, evaluations: EVALUATIONS[steps.value], eta: eta.value, slip: slip.value, start,
        seed, frames: !api.still };
    }

    function fit() {
      const shown = { ddpm: [slip], ddim: [steps, eta], dpmpp_2m: [steps] }[sampler.value];
      for (const control of [steps, eta, slip]) {
        if (shown.includes(control)) draw.before(control.el.parentElement);
        else control.el.parentElement.remove();
      }
    }

    function go() {
      drawn = true;
      run(argsNow());
      startStop(draw, "Draw", true);
    }

    function show(message, args) {
      now.args = args;
      if (message.frame) now.frame = message;
      else {
        Object.assign(now, { result: message, frame: null });
        for (const name of ["evaluations", "distance", "distance-floor", "coverage", "coverage-floor"])
          api.output(name, message[name]);
        const slip = args.sampler === "ddpm" && args.slip !== "none", whole = message.y.length === SAMPLED;
        if (whole && !slip) tries.add(args.sampler, args.eta, message);
        api.summary(samplingSummary(args, message));
        picture.describe(samplingSummary(args, message));
      }
      picture.refresh();
    }

    handle(picture, { get: () => start, label: "Samples; arrow keys move a start that is dropped twenty times",
      stride: 0.2, set: (point) => ((start = point), go()) });
    picture.draw = () => drawSampling(picture, now, layer, api.data.outline.x);
    fit();
    picture.refresh();
    tries.refresh();
  },
});
