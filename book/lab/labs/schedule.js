/** Chapter 9: a schedule drawn by hand as a curve of log signal-to-noise, and what a denoiser without error makes of it. */

import { Picture } from "../canvas.js";
import { button, controls, make, menu, select, sentence, slider, stateLegend } from "../controls.js";
import { dial, startStop } from "../dial.js";
import { extras } from "../guided.js";
import { KnotChart, knotsOn, scheduleOfKnots } from "../knots.js";
import { lab } from "../lab.js";
import { arrival, distanceAndCoverage, freshPoints, measured, observerOf } from "../measures.js";
import { stream } from "../random.js";
import { ddim } from "../samplers.js";

const COUNTS = [5, 10, 20, 50], ARRIVING = 300, SHOWN = 1500;
/** The two ends of the curves that are offered, and of the fine way that the others are compared with. */
const [LAMBDA_FIRST, LAMBDA_LAST] = [7, -5], FINE_WAY = [9, -7, 300];
const even = (u) => LAMBDA_FIRST + u * (LAMBDA_LAST - LAMBDA_FIRST);

/** -2 log tan of an angle that grows evenly: the cosine schedule between the two ends. */
function cosineCurve(u) {
  const [a, b] = [LAMBDA_FIRST, LAMBDA_LAST].map((v) => Math.atan(Math.exp(-v / 2)));
  return -2 * Math.log(Math.tan(a + u * (b - a)));
}

/** What betas that rise evenly from 0.0001 to 0.02 in 500 times leave, between the two ends. */
function linearCurve(u) {
  const lost = (t) => 1e-4 * t + (0.0199 * t * (t - 1)) / 998, root = (v) => Math.log1p(Math.exp(-v));
  const time = (v) => { // where the curve has the value v
    let [low, high] = [1e-6, 600];
    for (let i = 0; i < 60; i++) {
      const middle = (low + high) / 2;
      if (lost(middle) < root(v)) low = middle;
      else high = middle;
    }
    return low;
  };
  const [from, to] = [LAMBDA_FIRST, LAMBDA_LAST].map(time);
  return -Math.log(Math.expm1(lost(from + u * (to - from))));
}

export const OFFERED = { even, cosine: cosineCurve, linear: linearCurve };
const SHAPES_OFFERED = [["even", "even"], ["cosine", "cosine"], ["linear", "linear"], ["hand", "by hand"]];

const scheduleJobs = {
  /** @param args {knots, steps, seed} */
  *sample({ knots, steps, seed }, { outline }) {
    const sampled = function* (schedule, x_T) {
      let x = null;
      for (x of ddim(observerOf(outline, schedule).predictor(), schedule, x_T, { steps: schedule.T })) yield;
      return x;
    };
    const start = stream("start", seed).randn(2 * SHOWN), few = start.subarray(0, 2 * ARRIVING);
    const schedule = scheduleOfKnots(knots, steps), fine = scheduleOfKnots([FINE_WAY[0], FINE_WAY[1]], FINE_WAY[2]);
    const x_0 = yield* sampled(schedule, start), labels = arrival(x_0, observerOf(outline, schedule));
    const fresh = freshPoints(outline.x, SHOWN, stream("fresh", seed));
    const found = { x_0, y: labels, ends: [schedule.log_snr[1], schedule.log_snr[steps]],
      ...distanceAndCoverage(x_0, fresh, outline.x, outline.x) };
    yield found;
    const wanted = yield* sampled(fine, few);
    let miss = 0;
    for (let i = 0; i < ARRIVING; i++)
      miss += Math.hypot(x_0[2 * i] - wanted[2 * i], x_0[2 * i + 1] - wanted[2 * i + 1]) / ARRIVING;
    return { ...found, miss };
  },
};

function scheduleSummary(steps, { ends, miss, distance, ...found }) {
  const [first, last] = ends.map((v) => v.toFixed(1));
  return `${steps} steps, log signal-to-noise from ${first} down to ${last}: the starts arrive ${miss.toFixed(3)} from ` +
    `where ${FINE_WAY[2]} steps take them, ${distance.toFixed(3)} from the outline on average, real points ` +
    `${found["distance-floor"].toFixed(3)}.`;
}

lab("schedule", {
  data: ["outline"],
  jobs: scheduleJobs,
  mount(el, api) {
    const now = { result: null, args: null };
    let seed = api.seed, drawn = false;
    sentence(el, "Compare the three curves of log signal-to-noise λ at ten steps. Then draw one of your own that misses by less: drag the " +
      "knots, or choose one with the left and right arrow keys and move it with up and down.");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const chart = new KnotChart(pictures, { knots: knotsOn(even), steps: COUNTS[1], onMove: (knots) => {
      shape.value = "hand";
      chart.knots = knots;
      chart.refresh();
      go();
    } });
    const picture = new Picture(pictures, { label: "Samples of the exact denoiser" });
    stateLegend(el);
    const row = controls(el);
    const shape = select(row, { name: "shape", label: "curve", options: SHAPES_OFFERED, onChange: (name) => {
      if (OFFERED[name]) chart.knots = knotsOn(OFFERED[name]);
      chart.refresh();
      go();
    } });
    const steps = slider(row, { name: "steps", label: "steps", min: 0, max: COUNTS.length - 1, value: 1,
      format: (i) => String(COUNTS[i]), onInput: (i) => {
        chart.steps = COUNTS[i];
        chart.refresh();
        go();
      } });
    const draw = button(row, { name: "draw", label: "Draw", onClick: () => {
      if (run.busy) return run.stop();
      if (drawn) seed += 1;
      go();
    } });
    const layer = menu(extras(el), { points: true, outline: true }, { onChange: () => picture.refresh(),
      onSave: () => {
        const args = now.args ?? argsNow(); // of what is shown
        picture.save("schedule.png", `${args.steps} steps, ${args.shape}, seed ${args.seed}`);
      } });
    measured(el, { first: "first λ", last: "last λ", miss: "miss", distance: "distance" }, ["distance"]);
    sentence(el, "The miss is how far, on average, a start arrives from where a very fine way takes it. Few steps miss " +
      "least if they linger where signal and noise are about equal, for there it is decided which state a point goes " +
      "to; how sharp the outline is depends mostly on the steps at the clean end. One curve cannot spend its steps twice.");

    const run = dial(api, "sample", { need: ["outline"], onMessage: show, onResult: (result, args) => {
      startStop(draw, "Draw", run.busy);
      if (result) show(result, args);
    } });

    function argsNow() {
      return { knots: chart.knots, shape: shape.value, steps: COUNTS[steps.value], seed };
    }

    function go() {
      drawn = true;
      run(argsNow());
      startStop(draw, "Draw", true);
    }

    function show(result, args) {
      if (!result) return;
      Object.assign(now, { result, args });
      api.output("first", result.ends[0], 1);
      api.output("last", result.ends[1], 1);
      api.output("miss", result.miss ?? "…");
      for (const name of ["distance", "distance-floor"]) api.output(name, result[name], 4);
      if (result.miss !== undefined) {
        api.summary(scheduleSummary(args.steps, result));
        picture.describe(scheduleSummary(args.steps, result));
      }
      picture.refresh();
    }

    picture.draw = () => {
      const grey = picture.colour("--lab-grey");
      if (layer("outline")) picture.points(api.data.outline.x, { colour: grey, size: 1, alpha: 0.6 });
      if (now.result && layer("points")) picture.points(now.result.x_0, { y: now.result.y, size: 2.2 });
    };
    chart.refresh();
    picture.refresh();
  },
});
