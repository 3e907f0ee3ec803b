/** A schedule drawn by hand: a few knots of a falling curve of log signal-to-noise, moved by mouse, finger or keys. */

import { Chart } from "./chart.js";
import { draggable } from "./drag.js";
import { NoiseSchedule } from "./schedule.js";

export const KNOTS = 7;
/** The most and the least log signal-to-noise that a knot may have, and how far apart two neighbours are at least. */
const HIGHEST = 9, LOWEST = -7, APART = 0.02;
/** How near a finger or the mouse must come to take hold of a knot, in steps between knots. */
const GRASP = 0.5;
/** What an arrow key moves a knot, for each unit of the key's stride. */
const KEY_FACTOR = 10;

/** The curve through the knots, straight between them, at u in 0..1. */
export function curveAt(knots, u) {
  const at = u * (knots.length - 1), k = Math.min(Math.floor(at), knots.length - 2);
  return knots[k] + (at - k) * (knots[k + 1] - knots[k]);
}

/** The schedule of `steps` times that walks evenly through the curve. */
export function scheduleOfKnots(knots, steps) {
  const u = (i) => (steps === 1 ? 1 : i / (steps - 1));
  return NoiseSchedule.from_log_snr(Float64Array.from({ length: steps }, (_, i) => curveAt(knots, u(i))), "by hand");
}

/** Knots on a known curve of log signal-to-noise, f(u), u in 0..1. */
export function knotsOn(f) {
  return Array.from({ length: KNOTS }, (_, k) => f(k / (KNOTS - 1)));
}

/** The knots with number k at a new value; it pushes its neighbours, so that the curve keeps falling. */
export function moved(knots, k, value) {
  const out = [...knots], room = (i) => [LOWEST + APART * (knots.length - 1 - i), HIGHEST - APART * i];
  out[k] = Math.max(room(k)[0], Math.min(room(k)[1], value));
  for (let i = k + 1; i < out.length; i++) out[i] = Math.min(out[i], out[i - 1] - APART);
  for (let i = k - 1; i >= 0; i--) out[i] = Math.max(out[i], out[i + 1] + APART);
  return out;
}

/** A chart of such a curve. `knots` is what it shows; `onMove(knots)` is called with others. */
export class KnotChart extends Chart {
  constructor(parent, { knots, onMove, steps }) {
    const ticks = [-6, -3, 0, 3, 6, 9];
    super(parent, { label: "The curve", x: [0, 1], y: [LOWEST - 0.5, HIGHEST + 0.5], xTicks: [0, 0.5, 1],
      yTicks: ticks, xName: "t / T", ratio: 0.9 });
    this.canvas.style.aspectRatio = "1 / 0.9";
    Object.assign(this, { knots, steps, chosen: 0 });
    const choose = ([u, value]) => {
      const k = Math.round(u * (KNOTS - 1)), near = Math.abs(u * (KNOTS - 1) - k) < GRASP && u > -0.1 && u < 1.1;
      if (!near || Math.abs(value - this.knots[k]) > 3) return false;
      this.chosen = k;
      this.refresh();
      return true;
    };
    const put = (value) => onMove(moved(this.knots, this.chosen, value));
    draggable(this, { label: "The curve of log signal-to-noise, by seven knots: left and right choose one, up and " +
      "down move it, a little with Shift", grab: choose, move: ([, value]) => put(value), step: (dx, dy) => {
      if (dx) this.chosen = Math.max(0, Math.min(KNOTS - 1, this.chosen + Math.sign(dx)));
      if (dy) put(this.knots[this.chosen] + KEY_FACTOR * dy);
      this.refresh();
    } });
    this.draw = () => this.#show();
  }

  #show() {
    const [ink, grey, accent] = ["--lab-ink", "--lab-grey", "--lab-accent"].map((name) => this.colour(name));
    this.axes();
    this.line([this.at(0, 0), this.at(1, 0)], { colour: grey, width: 1, dash: [3, 3] });
    this.text("log signal-to-noise", 40, 11);
    this.curve(this.knots.map((_, k) => k / (KNOTS - 1)), this.knots, { colour: accent });
    for (let i = 0; i < this.steps; i++) {
      const u = this.steps === 1 ? 1 : i / (this.steps - 1), [x, y] = this.at(u, curveAt(this.knots, u));
      this.line([[x, y - 3], [x, y + 3]], { colour: ink, width: 1 });
    }
    this.knots.forEach((value, k) => this.dot(k / (KNOTS - 1), value, { colour: k === this.chosen ? ink : accent,
      size: k === this.chosen ? 7 : 5 }));
  }
}
