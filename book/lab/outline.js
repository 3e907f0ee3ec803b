/** The true outline as a lab needs it: as a curve, and as the distribution that the data were drawn from. */

import { JITTER } from "./states.js";

/** Consecutive points further apart than this belong to two curves, units of x. */
const CURVE_BREAK = 0.05;

/** Evenly more points on the outline x (n, 2): `parts` in the place of each, so that its grain is no longer seen. */
export function denseOutline(x, parts = 5) {
  const out = [];
  for (let i = 0; i < x.length; i += 2) {
    out.push(x[i], x[i + 1]);
    if (i + 3 >= x.length || Math.hypot(x[i + 2] - x[i], x[i + 3] - x[i + 1]) > CURVE_BREAK) continue;
    for (let k = 1; k < parts; k++)
      out.push(x[i] + (k / parts) * (x[i + 2] - x[i]), x[i + 1] + (k / parts) * (x[i + 3] - x[i + 1]));
  }
  return Float32Array.from(out);
}

/** n points that no model has seen: places on the outline with Gaussian jitter, as the data. @returns {{x, y}} */
export function freshDraw(outline, n, random) {
  const x = new Float32Array(2 * n), y = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const row = random.integer(outline.y.length);
    x[2 * i] = outline.x[2 * row] + JITTER * random.normal();
    x[2 * i + 1] = outline.x[2 * row + 1] + JITTER * random.normal();
    y[i] = outline.y[row];
  }
  return { x, y };
}
