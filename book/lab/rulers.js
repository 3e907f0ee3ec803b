/** The four rulers of chapter 1 on one set of samples: numbers, floors, verdicts, and what each of them looks at. */

import { gridPoints } from "./canvas.js";
import { make } from "./controls.js";
import { takeRows } from "./exact.js";
import { KernelDensity } from "./kde.js";
import { kernel } from "./kernel.js";
import { matching, matchingCost, pairCosts } from "./matching.js";
import { coverage, distances, mean_distance, nll } from "./metrics.js";
import { denseOutline } from "./outline.js";
import { stream } from "./random.js";

export const SAMPLE_COUNT = 1000;
/** The earth mover's distance takes half of the samples: its time grows as the cube of their number. */
export const EMD_COUNT = 500;
const COVER_RADIUS = 0.05, RULER_GRID = 64;
/** Half the side of the window on the map, units of x. */
export const MAP_SIDE = 2.2;

/**
 * floor: the mean over 20 draws of held-out points, as many as n. `objects`, as in the chapter: when a value is
 * further from its floor than chance would have it.
 */
export const RULERS = [
  { name: "nll", words: "NLL", n: SAMPLE_COUNT, floor: 2.149, objects: (v, floor) => v > floor + 0.02,
    fooled: (v, floor) => v < floor - 0.02 },
  { name: "emd", words: "EMD", n: EMD_COUNT, floor: 0.139, objects: (v, floor) => v > 1.2 * floor },
  { name: "distance", words: "distance", n: SAMPLE_COUNT, floor: 0.0128, objects: (v, floor) => v > 1.2 * floor },
  { name: "coverage", words: "coverage", n: SAMPLE_COUNT, floor: 0.984, objects: (v, floor) => v < floor - 0.02 },
];

/** What a ruler says of a value: it accepts, objects, or prefers it to real points, as the chapter has it. */
export function verdict({ floor, objects, fooled }, value) {
  if (objects(value, floor)) return "objects";
  return fooled?.(value, floor) ? "prefers it" : "accepts";
}

/** The samples (SAMPLE_COUNT, 2) that the earth mover takes, (EMD_COUNT, 2): from all over, as copies stand last. */
export function fewOf(samples) {
  return takeRows(samples, stream("few", 0).permutation(SAMPLE_COUNT).subarray(0, EMD_COUNT));
}

/**
 * A job: yields the three quick rulers, then returns the slow one with the samples it took and the column of each in
 * its pairing. samples (SAMPLE_COUNT, 2), reference (EMD_COUNT, 2).
 */
export function* measureSamples({ samples, reference }, { states, outline }) {
  const target = denseOutline(outline.x), few = fewOf(samples);
  const distance = mean_distance(samples, target), covered = coverage(samples, target, COVER_RADIUS);
  yield { nll: nll(samples, states.x), distance, coverage: covered };
  const cost = pairCosts(few, reference), column = yield* matching(cost, EMD_COUNT);
  return { emd: matchingCost(cost, column), column, few };
}

/** A table of the rulers; returns a function that fills it with what has been found so far. */
export function rulerTable(parent) {
  const cell = (tag, text) => make(null, tag, { textContent: text }), body = make(null, "tbody"), verdicts = {};
  const head = make(null, "tr", {}, ...["ruler", "samples", "floor", "verdict"].map((text) => cell("th", text)));
  make(parent, "table", { className: "lab-table" }, make(null, "thead", {}, head), body);
  for (const { name, words, n, floor } of RULERS) {
    const shown = make(null, "output", { name });
    const beside = make(null, "output", { name: `${name}-floor`, value: floor.toFixed(3) });
    for (const out of [shown, beside]) out.setAttribute("aria-live", "off"); // the summary speaks
    const title = Object.assign(cell("th", words), { scope: "row" });
    title.append(make(null, "small", { textContent: `n = ${n.toLocaleString("en")}` }));
    verdicts[name] = cell("td", "");
    make(body, "tr", {}, title, make(null, "td", {}, shown), make(null, "td", {}, beside), verdicts[name]);
  }
  return (found, api) => fillTable(verdicts, found, api);
}

const VERDICT_SIGNS = { accepts: "✓", objects: "✗", "prefers it": "!" };

function fillTable(verdicts, found, api) {
  for (const ruler of RULERS) {
    const value = found[ruler.name], says = value === undefined ? "" : verdict(ruler, value);
    api.output(ruler.name, value === undefined ? "\u2026" : value.toFixed(3));
    verdicts[ruler.name].textContent = says && `${VERDICT_SIGNS[says]} ${says}`;
    verdicts[ruler.name].dataset.verdict = says;
  }
  if (found.emd === undefined) return;
  const spoken = (r) => `${r.words} ${found[r.name].toFixed(3)}, ${verdict(r, found[r.name])}`;
  api.summary(`${RULERS.map(spoken).join("; ")}.`);
}

let seenByNll = null;

/** The density that the NLL measures against, on a grid. */
function densityOf(states) {
  const log_p = () => new KernelDensity(states.x).log_density(gridPoints(RULER_GRID, MAP_SIDE));
  seenByNll ??= Float32Array.from(kernel().scratch(log_p), Math.exp);
  return seenByNll;
}

/** The samples, and what each ruler sees of them; `layer(name)` says what is wanted. */
export function drawRulers(picture, { samples, states, outline, pairs, ring }, layer) {
  const [ink, grey] = ["--lab-ink", "--lab-grey"].map((name) => picture.colour(name));
  if (layer("density")) picture.density(densityOf(states), RULER_GRID);
  if (layer("outline")) picture.points(outline.x, { colour: grey, size: 1.2, alpha: 0.6 });
  if (layer("pairs") && pairs) {
    const ends = Float32Array.from({ length: 2 * EMD_COUNT }, (_, i) =>
      pairs.reference[2 * pairs.column[i >> 1] + (i & 1)] - pairs.few[i]);
    picture.arrows(pairs.few, ends, { colour: ink, width: 0.6, alpha: 0.5 });
  }
  if (layer("points")) picture.points(samples.x, { y: samples.y, size: 2.5 });
  if (layer("missed")) {
    const far = distances(outline.x, samples.x), x = outline.x.filter((_, i) => far[i >> 1] > COVER_RADIUS);
    picture.points(x, { colour: ink, size: 4, alpha: 0.9 });
  }
  if (ring) drawRing(picture, ring);
}

/** The keyboard's ring, heavier while it holds something. */
function drawRing(picture, { at, reach, holds }) {
  const turn = Array.from({ length: 49 }, (_, k) => (2 * Math.PI * k) / 48);
  picture.line(turn.map((a) => picture.at(at[0] + reach * Math.cos(a), at[1] + reach * Math.sin(a))),
    { colour: picture.colour("--lab-accent"), width: holds ? 3 : 1.5, dash: holds ? [] : [4, 3] });
}
