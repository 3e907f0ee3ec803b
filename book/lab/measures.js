/** Numbers with their floors, and who the points are: what several labs measure. */

import { make } from "./controls.js";
import { IdealDenoiser, takeRows } from "./exact.js";
import { coverage, mean_distance } from "./metrics.js";
import { JITTER } from "./states.js";

const REAL = "the same of as many real points, drawn afresh";

/** A row of `<output>`s; for the names in `floored` another, NAME-floor, stands beside: `beside` says in words what. */
export function measured(parent, names, floored, { beside = "real", title = REAL } = {}) {
  const row = make(parent, "p", { className: "lab-outputs" });
  const output = (name) => {
    const el = make(null, "output", { name, value: "–" });
    el.setAttribute("aria-live", "off"); // the summary speaks
    return el;
  };
  for (const [name, words] of Object.entries(names)) {
    const item = make(row, "span", {}, make(null, "label", {}, `${words} `, output(name)));
    if (!floored.includes(name)) continue;
    const floor = make(null, "label", { title }, ` ${beside} `);
    floor.append(output(`${name}-floor`));
    Object.assign(floor.style, { color: "var(--lab-grey)", marginInlineStart: "0.4rem" });
    item.append(floor);
  }
}

/** The observer who knows the outlines: `count` of their points (2000, by state), with the thickness of the bands. */
export function observerOf({ x, y }, schedule, count = 1000) {
  const step = y.length / count, rows = Uint32Array.from({ length: count }, (_, i) => i * step);
  return new IdealDenoiser(takeRows(x, rows), schedule, { jitter: JITTER, y: Uint8Array.from(rows, (i) => y[i]) });
}

/** The points of one state. @returns {Float32Array} (n, 2) */
export function ofState({ x, y }, state) {
  return x.filter((_, i) => y[i >> 1] === state);
}

/** n real points that no network has seen: places on the outline (M, 2), and the thickness of the bands. */
export function freshPoints(outline, n, random) {
  const count = outline.length / 2, out = new Float32Array(2 * n);
  for (let i = 0; i < n; i++) {
    const row = random.integer(count);
    for (const c of [0, 1]) out[2 * i + c] = outline[2 * row + c] + JITTER * random.normal();
  }
  return out;
}

/** The most probable state of each point (n, 2), by an observer. @returns {Uint8Array} (n,) */
export function arrival(x, observer) {
  const p = observer.log_posterior(x, 0), { K } = observer;
  return Uint8Array.from({ length: x.length / 2 }, (_, i) => {
    const row = p.subarray(i * K, (i + 1) * K);
    return Math.max(0, row.indexOf(Math.max(...row)));
  });
}

/** Distance to `near` and coverage of `whole`, of x (n, 2) and of as many fresh points. */
export function distanceAndCoverage(x, fresh, near, whole) {
  return {
    distance: mean_distance(x, near),
    "distance-floor": mean_distance(fresh, near),
    coverage: coverage(x, whole),
    "coverage-floor": coverage(fresh, whole),
  };
}

/** Curves of the first `count` rows through a list of x_t (n, 2). @returns {Float32Array[]} */
export function pathsOf(list, count) {
  return Array.from({ length: count }, (_, i) =>
    Float32Array.from({ length: 2 * list.length }, (_, k) => list[k >> 1][2 * i + (k & 1)]));
}
