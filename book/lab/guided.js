/** What the labs of both guidances share: the times, the samples, the measures, the controls and the pictures. */

import { gridPoints, Picture } from "./canvas.js";
import { make, select, slider } from "./controls.js";
import { distanceAndCoverage, freshPoints, ofState, pathsOf } from "./measures.js";
import { class_accuracy } from "./metrics.js";
import { stream } from "./random.js";
import { ddim } from "./samplers.js";
import { LIMIT, STATE_NAMES } from "./states.js";

/** The times of chapters 6 and 7: 38 evaluations, small steps where the noise is small. */
export const GUIDED_TIMES = [500, 470, 440, 410, 380, 350, 320, 290, 260, 230, 200, 190, 180, 170, 160, 150, 140, 130,
  120, 110, 100, 90, 80, 70, 60, 50, 40, 30, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0];
/** Fifteen evaluations, for a dial that moves. */
const QUICK_TIMES = [500, 400, 300, 220, 170, 130, 100, 80, 60, 46, 34, 24, 16, 9, 3, 0];
export const GUIDED_QUICK = 500;
const GUIDED_WAYS = 24;

/** Fifteen evaluations that visit t on the way. */
export function quickTimes(t) {
  if (QUICK_TIMES.includes(t)) return QUICK_TIMES;
  const inner = QUICK_TIMES.slice(1, -1), nearest = inner.reduce((a, b) => (Math.abs(b - t) < Math.abs(a - t) ? b : a));
  return QUICK_TIMES.map((u) => (u === nearest ? t : u));
}

/** DDIM with fresh noise (eta = 1), as in the chapters; yields nothing, returns every x_t. */
export function* guidedPath(predictor, schedule, { n, times, seed }) {
  const random = stream("guided", seed), path = [];
  for (const x of ddim(predictor, schedule, random.randn(2 * n), { steps: times, eta: 1, random })) {
    path.push(x);
    yield;
  }
  return path;
}

/** The card of chapter 6 for samples x_0 (n, 2) of one state: accuracy, coverage and distance, each with its floor. */
export function stateCard(x_0, state, { observer, outline, states, seed }) {
  const whole = ofState(outline, state), fresh = freshPoints(whole, x_0.length / 2, stream("fresh", seed));
  return {
    accuracy: class_accuracy(x_0, state, observer),
    "accuracy-floor": class_accuracy(fresh, state, observer),
    ...distanceAndCoverage(x_0, fresh, ofState(states, state), whole),
  };
}

/** What a picture of a path shows at time t. */
export function shownOf(path, times, t) {
  const from = path.slice(0, times.indexOf(t) + 1);
  return { x_t: from.at(-1), paths: pathsOf(from, GUIDED_WAYS), n: from[0].length / 2 };
}

/** The state and the scale. @returns {{state, scale}} handles */
export function guidedControls(row, go) {
  const options = STATE_NAMES.map((name, k) => [String(k), name]);
  return {
    state: select(row, { name: "state", label: "state", options, value: "3", onChange: go }),
    scale: slider(row, { name: "scale", label: "scale", min: 0, max: 8, step: 0.25, value: 1, onInput: go }),
  };
}

/** The outputs of both labs, and which have a floor. */
export const GUIDED_OUTPUTS = { scale: "scale", accuracy: "accuracy", coverage: "coverage", distance: "distance" };
export const GUIDED_FLOORED = ["accuracy", "coverage", "distance"];

/** Show a card, or dashes while it is being made. */
export function showCard(api, scale, card) {
  api.output("scale", scale, 2);
  for (const name of GUIDED_FLOORED)
    for (const of of [name, `${name}-floor`]) api.output(of, card ? card[of] : "…");
}

/** A picture with a line of words under it. @returns {{picture: Picture, words: HTMLElement}} */
export function captioned(parent, label) {
  const box = make(parent, "div");
  Object.assign(box.style, { flex: "1 1 9rem", minWidth: "0", maxWidth: "26rem" });
  const picture = new Picture(box, { label });
  picture.canvas.style.width = "100%";
  const words = make(box, "p", { className: "lab-sentence" });
  Object.assign(words.style, { margin: "0.3rem 0 0", fontSize: "0.85em" });
  return { picture, words };
}

/** One picture: the density underneath, the outline, the ways, the points; `stale` ones are of the settings before. */
export function drawGuided(picture, { shown, density, state, outline, idle, stale }, layer) {
  const grey = picture.colour("--lab-grey"), colour = picture.stateColour(state);
  if (density && layer("density")) picture.density(density.values, density.side, { colour: grey, most: 0.75 });
  if (layer("outline")) picture.points(outline, { colour: grey, size: 1, alpha: 0.7 });
  if (!shown) {
    picture.points(idle, { colour: grey, size: 2, alpha: 0.6 });
    return picture.text("noise, t = 500", 8, 18);
  }
  if (layer("paths")) picture.paths(shown.paths, { colour, alpha: 0.45 });
  if (layer("points")) picture.points(shown.x_t, { colour, size: 2.2, alpha: stale ? 0.2 : 0.85 });
  return picture.text(shown.t ? `t = ${shown.t}` : "", 8, 18);
}

/** A row for what is not a control of the lab's question: the layers, and stopping. */
export function extras(parent) {
  const row = make(parent, "div");
  Object.assign(row.style, { display: "flex", flexWrap: "wrap", gap: "0.5rem 1.1rem", alignItems: "flex-start" });
  return row;
}

/** The grid of the densities: four points along each side of the chapter's squares. */
export const DENSITY_SIDE = 104;
const DENSITY_SQUARES = 26;

/** log p_t and log p_t(y given x) of every state on the grid. */
export function gridLogs(observer, t) {
  const grid = gridPoints(DENSITY_SIDE);
  return { t, log_p: observer.log_density(grid, t), log_posterior: observer.log_posterior(grid, t), K: observer.K };
}

/** Eq. 13 on the grid, normalised. @returns {Float64Array} (DENSITY_SIDE^2,) */
export function tiltOf({ log_p, log_posterior, K }, state, scale) {
  const log = log_p.map((p, i) => p + (scale ? scale * log_posterior[i * K + state] : 0));
  const top = log.reduce((a, b) => Math.max(a, b), -Infinity), p = log.map((v) => Math.exp(v - top));
  const sum = p.reduce((a, b) => a + b, 0);
  return p.map((v) => v / sum);
}

/** Shares of points x (n, 2) in the 26 x 26 squares of the window. */
function sharesOf(x) {
  const shares = new Float64Array(DENSITY_SQUARES ** 2), at = (v) =>
    Math.max(0, Math.min(DENSITY_SQUARES - 1, Math.floor(((v / LIMIT + 1) * DENSITY_SQUARES) / 2)));
  for (let i = 0; i < x.length; i += 2) shares[DENSITY_SQUARES * at(-x[i + 1]) + at(x[i])] += 2 / x.length;
  return shares;
}

/** Total variation between points x (n, 2) and a density on the grid, and that of as many draws from it. */
export function total_variation(x, p, random) {
  const grid = gridPoints(DENSITY_SIDE), exact = new Float64Array(DENSITY_SQUARES ** 2);
  const part = DENSITY_SIDE / DENSITY_SQUARES;
  p.forEach((v, i) => {
    exact[DENSITY_SQUARES * Math.floor(i / DENSITY_SIDE / part) + Math.floor((i % DENSITY_SIDE) / part)] += v;
  });
  let sum = 0;
  const upTo = p.map((v) => (sum += v)), draws = new Float32Array(x.length);
  for (let k = 0; k < x.length; k += 2) {
    const u = random.uniform() * sum;
    let [low, high] = [0, p.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (upTo[middle] > u) high = middle;
      else low = middle + 1;
    }
    draws.set(grid.subarray(2 * low, 2 * low + 2), k);
  }
  return [x, draws].map((points) => sharesOf(points).reduce((d, s, i) => d + Math.abs(s - exact[i]) / 2, 0));
}
