/** Chapter 12: one latent and where it leads without dice, by the exact slope and by the learnt one. */

import { breathe } from "../breathe.js";
import { gridPoints, Picture } from "../canvas.js";
import { button, controls, legendOf, make, menu, outputs, sentence, slider } from "../controls.js";
import { denoiser } from "../denoiser.js";
import { dial } from "../dial.js";
import { IdealDenoiser } from "../exact.js";
import { handle } from "../handle.js";
import { lab } from "../lab.js";
import { stream } from "../random.js";
import { ddim, last, log_snr_times } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";
import { JITTER, STATE_NAMES } from "../states.js";

const LATENT_T = 500, LATENT_LIMIT = 2.7, LATENT_START = [-0.6, -0.1];
const SECTOR_SIDE = 54, SECTOR_STEPS = 20, SECTOR_ROWS = 54;
const LATENT_TRAIL = 400; // ends that are kept
const LATENT_LAYERS = { sectors: true, "exact way": true, "learnt way": true, trail: true };

/** The label of the nearest point of the coast. @param {{x: Float32Array, y: ArrayLike<number>}} coast */
export function arrivalOf(coast, x, y) {
  let [best, least] = [0, Infinity];
  for (let k = 0; k < coast.y.length; k++) {
    const far = (coast.x[2 * k] - x) ** 2 + (coast.x[2 * k + 1] - y) ** 2;
    if (far < least) [best, least] = [k, far];
  }
  return coast.y[best];
}

/** The way from a latent x_T (1, 2) to x_0, in the units of the map at each time: [[x, y], ...]. */
export function latentWay(predictor, schedule, x_T, steps) {
  const way = { steps: log_snr_times(schedule, steps) };
  return Array.from(ddim(predictor, schedule, Float32Array.from(x_T), way), (x) => [x[0], x[1]]);
}

/** A job: the state that each latent of a grid leads to, (SECTOR_SIDE^2,). */
function* sectorsOf(_, { outline }) {
  const schedule = NoiseSchedule.linear({ T: LATENT_T });
  const ideal = new IdealDenoiser(outline.x, schedule, { jitter: JITTER });
  const grid = gridPoints(SECTOR_SIDE, LATENT_LIMIT), steps = log_snr_times(schedule, SECTOR_STEPS), found = [];
  for (let i = 0; i < grid.length; i += 2 * SECTOR_ROWS) {
    const x_0 = last(ddim(ideal.predictor(), schedule, grid.slice(i, i + 2 * SECTOR_ROWS), { steps }));
    for (let k = 0; k < x_0.length; k += 2) found.push(arrivalOf(outline, x_0[k], x_0[k + 1]));
    yield;
  }
  return { found };
}

class LatentLab {
  constructor(el, api) {
    Object.assign(this, { api, seed: api.seed, start: LATENT_START, trail: [] });
    this.schedule = NoiseSchedule.linear({ T: LATENT_T });
    this.exact = new IdealDenoiser(api.data.outline.x, this.schedule, { jitter: JITTER }).predictor();
    this.learnt = denoiser(api.data.fourier);
    sentence(el, "Drag the latent slowly, from one sector to another: the trail keeps where it has led. When does " +
      "the end creep along a coast, and when does it leap?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "", limit: LATENT_LIMIT });
    this.#legend(pictures);
    this.#controls(controls(el));
    sentence(el, "Nothing is drawn by lot, so a latent always leads to the same point. Inside a sector the end goes " +
      "along the coast, or a little across it. Where two sectors meet, a hair's breadth of latents is stretched over " +
      "all the land between two states: the end leaps. There too the learnt way parts from the exact one, as a small " +
      "error of the slope is enough to take another turn.");
    handle(this.picture, { get: () => this.start, set: (place) => this.place(place),
      label: "One latent in the plane; the arrow keys move it." });
  }

  #legend(parent) {
    const side = make(parent, "div", { className: "lab-side" });
    const entries = [["○", "the latent, at t = 500"], ["—", "its way by the exact slope"], ["- -", "by the learnt one"],
      ["•", "trail: where it has led"]];
    legendOf(side, entries);
    outputs(side, { state: "arrives in", learnt: "learnt end, from the exact one", leap: "the end's longest leap" });
  }

  #controls(row) {
    this.steps = slider(row, { name: "steps", label: "steps", min: 5, max: 60, value: 40,
      onInput: () => this.change() });
    button(row, { name: "draw", label: "New latent", onClick: () => {
      const random = stream("latent", ++this.seed);
      this.place([random.normal(), random.normal()].map((v) => Math.max(-2.5, Math.min(2.5, v))), true);
    } });
    this.layer = menu(row, LATENT_LAYERS, { onChange: () => this.show(), onSave: () => this.picture.save("latent.png",
      `latent (${this.start.map((v) => v.toFixed(2)).join(", ")}), ${this.steps.value} steps`) });
    this.picture.draw = () => this.draw();
    this.first = new Promise((arrived) => (this.arrived = arrived));
    this.look = dial(this.api, "sectors", { need: ["outline"], onResult: (result) => this.take(result) });
  }

  /** The sectors, or null if the job failed. */
  take(result) {
    const { found } = result ?? {}, one = (_, k) => Number(found[Math.floor(k / 5)] === k % 5);
    if (found) this.sectors = Float32Array.from({ length: 5 * found.length }, one);
    this.arrived();
    this.picture.refresh();
  }

  /** Put the latent there; the trail begins again where it does not come by dragging. */
  place(at, afresh = false) {
    if (afresh) this.trail = [];
    this.start = at;
    this.change();
  }

  change() {
    const { api, schedule, start, trail } = this, steps = this.steps.value;
    const [exact, learnt] = [this.exact, this.learnt].map((slope) => latentWay(slope, schedule, start, steps));
    const [end, other] = [exact.at(-1), learnt.at(-1)], apart = (a, b) => Math.hypot(a[0] - b[0], a[1] - b[1]);
    this.ways = { exact, learnt };
    if (this.of !== steps) trail.length = 0; // other steps are another map
    this.of = steps;
    trail.push(end);
    if (trail.length > LATENT_TRAIL) trail.shift();
    const leap = trail.slice(1).reduce((most, place, k) => Math.max(most, apart(place, trail[k])), 0);
    this.state = arrivalOf(api.data.outline, ...end);
    api.output("state", STATE_NAMES[this.state]);
    api.output("learnt", apart(end, other));
    api.output("leap", leap);
    const words = (place) => `(${place.map((v) => v.toFixed(2)).join(", ")})`;
    api.summary(`The latent ${words(start)} leads to ${STATE_NAMES[this.state]}, ${words(end)}. By the learnt slope ` +
      `it ends ${apart(end, other).toFixed(3)} from there. The longest leap of the trail is ${leap.toFixed(3)}.`);
    this.show();
  }

  show() {
    if (this.layer("sectors") && !this.sectors && !this.look.busy) this.look({});
    if (this.sectors) this.api.state("done"); // until then the lab is not ready
    this.picture.refresh();
  }

  draw() {
    if (!this.ways) return;
    const { picture, ways, layer, trail } = this, places = (way) => way.map(([x, y]) => picture.at(x, y));
    const [ink, grey, accent] = ["ink", "grey", "accent"].map((name) => picture.colour(`--lab-${name}`));
    if (layer("sectors") && this.sectors) picture.classes(this.sectors, SECTOR_SIDE, 5, { most: 0.18 });
    picture.points(this.api.data.outline.x, { colour: grey, size: 1.4, alpha: 0.8 });
    if (layer("exact way")) picture.line(places(ways.exact), { colour: ink, width: 2 });
    if (layer("learnt way")) picture.line(places(ways.learnt), { colour: accent, width: 2, dash: [6, 4] });
    if (layer("trail")) for (const place of trail) this.picture.disc(picture.at(...place), 2.2, ink);
    if (layer("learnt way")) this.picture.disc(picture.at(...ways.learnt.at(-1)), 4, accent);
    this.picture.disc(picture.at(...ways.exact.at(-1)), 6, picture.stateColour(this.state));
    picture.ring(picture.at(...this.start), 7, ink, 2.5);
  }
}

lab("latent", {
  data: ["outline", "fourier"],
  jobs: { sectors: sectorsOf },
  async mount(el, api) {
    const made = new LatentLab(el, api);
    await breathe();
    made.change();
    await made.first; // it is idle when the sectors are there, or cannot be
  },
});
