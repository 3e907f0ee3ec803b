/** Chapter 15: a longitude is told, with an error: exact draws of the posterior beside what a method makes of it. */

import { Picture } from "../canvas.js";
import { button, controls, make, menu, select, sentence, slider } from "../controls.js";
import { dial, startStop } from "../dial.js";
import { IdealDenoiser, takeRows } from "../exact.js";
import { captioned, extras } from "../guided.js";
import { handle } from "../handle.js";
import { Longitude, replacement, systematic, twisted } from "../inverse.js";
import { lab } from "../lab.js";
import { arrival, measured, observerOf } from "../measures.js";
import { emd } from "../metrics.js";
import { stream } from "../random.js";
import { ddim } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";
import { JITTER, LIMIT } from "../states.js";

const TOLD_COUNT = 400, TOLD_KNOWN = 500; // samples; points of the outline that the denoiser knows
const TOLD_TIMES = [500, 470, 440, 410, 380, 350, 320, 290, 260, 230, 200, 190, 180, 170, 160, 150, 140, 130, 120, 110,
  100, 90, 80, 70, 60, 50, 40, 30, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0];
const TOLD_METHODS = [["guess", "guess for truth"], ["spread", "with a spread"], ["replaced", "replacement"],
  ["weighted", "weighted particles"], ["exact", "exact gradient"]];
const TOLD_EDGE = 2.2; // how far to the side a longitude may be told

/** The points that the denoiser of this lab knows, with the schedule. */
export function toldData(outline) {
  const step = outline.y.length / TOLD_KNOWN, rows = Uint32Array.from({ length: TOLD_KNOWN }, (_, i) => i * step);
  return { x: takeRows(outline.x, rows), schedule: NoiseSchedule.linear(), jitter: JITTER };
}

/** Samples of one method; yields after each step, returns x_0 (TOLD_COUNT, 2). */
export function* toldSamples({ y, width, method, seed }, data) {
  const longitude = new Longitude(data, { y, width }), random = stream("told", seed), { schedule } = data;
  const steps = TOLD_TIMES, x_T = random.randn(2 * TOLD_COUNT);
  if (method === "weighted") {
    let end = null;
    for (end of twisted(longitude, x_T, { steps, data_variance: 1, random })) yield;
    return takeRows(end.x, systematic(end.log_weight, TOLD_COUNT, random));
  }
  const ideal = new IdealDenoiser(data.x, schedule, { jitter: data.jitter });
  const known = Float32Array.from({ length: TOLD_COUNT }, () => y + width * random.normal());
  const predictors = { exact: (x, t) => longitude.exact(x, t), guess: (x, t) => longitude.guided(x, t, 0),
    spread: (x, t) => longitude.guided(x, t, 1) };
  const path = method === "replaced" ? replacement(ideal.predictor(), schedule, x_T, known, { steps, random })
    : ddim(predictors[method], schedule, x_T, { steps, eta: 1, random });
  let x = null;
  for (x of path) yield;
  return x;
}

const inverseJobs = {
  /** @param args {y, width, method, seed} */
  *sample(args, { outline }) {
    const data = toldData(outline), longitude = new Longitude(data, args);
    const [exact, other] = ["exact", "other"].map((name) => longitude.draw(TOLD_COUNT, stream(name, args.seed)));
    yield null;
    const x = yield* toldSamples(args, data), observer = observerOf(outline, data.schedule);
    const y = x.every(Number.isFinite) ? arrival(x, observer) : null;
    yield null;
    const apart = y && emd(x, exact);
    yield null;
    return { x, y, exact, emd: apart, "emd-floor": emd(other, exact), width: deviation(x), "width-floor": deviation(exact) };
  },
};

/** Standard deviation of the longitudes of x (n, 2). */
function deviation(x) {
  const n = x.length / 2, first = Float64Array.from({ length: n }, (_, i) => x[2 * i]);
  const mean = first.reduce((a, b) => a + b, 0) / n;
  return Math.sqrt(first.reduce((a, v) => a + (v - mean) ** 2, 0) / (n - 1));
}

function drawTold(picture, { y, width }, shown, layer, outline) {
  if (layer("outline")) picture.points(outline, { colour: picture.colour("--lab-grey"), size: 1, alpha: 0.6 });
  if (layer("measurement"))
    for (const [place, dash] of [[y - width, [3, 4]], [y, []], [y + width, [3, 4]]])
      picture.line([picture.at(place, -LIMIT), picture.at(place, LIMIT)], { colour: picture.colour("--lab-grey"), width: 1, dash });
  if (shown?.x && layer("points")) picture.points(shown.x, { y: shown.y, size: 2.4 });
}

function toldSummary({ y, width, method }, result) {
  const name = TOLD_METHODS.find(([value]) => value === method)[1];
  const told = `Longitude ${y.toFixed(2)}, error ${width.toFixed(2)}, ${name}: `;
  if (result.emd === null) return `${told}the samples have flown apart.`;
  return `${told}EMD from exact draws ${result.emd.toFixed(3)}, between exact draws ${result["emd-floor"].toFixed(3)}; ` +
    `deviation of the longitude ${result.width.toFixed(2)}, exact ${result["width-floor"].toFixed(2)}.`;
}

lab("inverse", {
  data: ["outline"],
  jobs: inverseJobs,
  mount(el, api) {
    const { outline } = api.data, data = toldData(outline), observer = observerOf(outline, data.schedule);
    const now = { exact: null, result: null };
    let seed = api.seed, drawn = false;
    sentence(el, "Drag the line, or move it with the arrow keys: left are exact draws of the points that have this " +
      "longitude, up to the error. Then draw with one method after the other: which keep the shares of the states, " +
      "which the width, and which get better when the error gets smaller?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const views = ["Exact draws", "Samples of a method"].map((label) => captioned(pictures, label));
    const row = controls(el);
    const y = slider(row, { name: "longitude", label: "longitude", min: -TOLD_EDGE, max: TOLD_EDGE, step: 0.02, value: 0.2,
      format: (v) => v.toFixed(2), onInput: turn });
    const width = slider(row, { name: "error", label: "error ν", min: 0.05, max: 0.6, step: 0.05, value: 0.2,
      format: (v) => v.toFixed(2), onInput: turn });
    const method = select(row, { name: "method", label: "method", options: TOLD_METHODS, onChange: () => drawn && go() });
    const draw = button(row, { name: "draw", label: "Draw", onClick: () => {
      if (run.busy) return run.stop();
      if (drawn) seed += 1;
      go();
    } });
    const layer = menu(extras(el), { points: true, measurement: true, outline: true }, { onChange: refresh,
      onSave: () => views.forEach(({ picture }, i) => picture.save(`inverse-${i + 1}.png`, caption(i))) });
    measured(el, { emd: "EMD from exact draws", width: "deviation of the longitude" }, ["emd", "width"],
      { beside: "exact", title: "the same of other exact draws" });
    sentence(el, "The denoiser is exact, so what is wrong is the method's. The guess pulls too hard, at small errors " +
      "until the samples fly apart; a spread makes them too wide; replacement leaves points off the coasts; neither " +
      "of these keeps the shares. Weighted particles come near to the exact draws, with the same guess.");

    const run = dial(api, "sample", { need: ["outline"], onMessage: () => {}, onResult: (result, args) => {
      startStop(draw, "Draw", run.busy);
      if (!result) return;
      now.result = { ...result, args };
      now.exact = { x: result.exact, y: arrival(result.exact, observer) };
      for (const name of ["emd", "emd-floor", "width", "width-floor"]) api.output(name, result[name] ?? "∞");
      api.summary(toldSummary(args, result));
      views[1].words.textContent = `${caption(1)}.`;
      refresh();
    } });

    function args() {
      return { y: y.value, width: width.value, method: method.value, seed };
    }
    function caption(i) {
      const name = TOLD_METHODS.find(([value]) => value === method.value)[1];
      return `${i ? `Samples: ${name}` : "Exact draws"}, longitude ${y.value.toFixed(2)}, error ${width.value.toFixed(2)}`;
    }
    function turn() {
      const x = new Longitude(data, args()).draw(TOLD_COUNT, stream("exact", seed));
      Object.assign(now, { exact: { x, y: arrival(x, observer) }, result: null });
      views[0].words.textContent = `${caption(0)}.`;
      for (const name of ["emd", "emd-floor", "width", "width-floor"]) api.output(name, "–");
      if (drawn) go();
      else refresh();
    }
    function go() {
      drawn = true;
      now.result = null;
      for (const name of ["emd", "emd-floor", "width", "width-floor"]) api.output(name, "…");
      run(args());
      startStop(draw, "Draw", true);
      refresh();
    }
    function move([place]) {
      y.value = Math.max(-TOLD_EDGE, Math.min(TOLD_EDGE, place));
      turn();
    }
    function refresh() {
      views.forEach(({ picture }) => picture.refresh());
    }
    views.forEach(({ picture, words }, i) => {
      words.textContent = i ? "Samples of a method: press Draw." : "";
      picture.draw = () => drawTold(picture, args(), i ? now.result : now.exact, layer, outline.x);
      handle(picture, { get: () => [y.value, 0], set: move, label: "The measured longitude; the arrow keys move it" });
    });
    turn();
  },
});
