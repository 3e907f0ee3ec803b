/** Chapter 13: one particle, twice: along the exact flow, which is curved, and along the straightened one. */

import { breathe } from "../breathe.js";
import { Picture } from "../canvas.js";
import { button, controls, legendOf, make, menu, outputs, sentence, slider } from "../controls.js";
import { euler_flow, ExactVelocity, VelocityNetwork } from "../flow.js";
import { handle } from "../handle.js";
import { lab } from "../lab.js";
import { stream } from "../random.js";
import { JITTER, STATE_NAMES } from "../states.js";

const FLOW_STEPS = [1, 2, 3, 5, 10, 20, 50], FLOW_FINE = 200, FLOW_LIMIT = 2.4;
const FLOW_START = [-1.9, -0.4];
const COARSE = "exact field, few steps", DIFFUSION = "scale of chapter 4";
const FLOW_LAYERS = { "exact flow": true, straightened: true, [COARSE]: false, [DIFFUSION]: false };

/** The places of a way, [[x, y], ...], from what a sampler of one particle yields. */
function placesOf(path) {
  return Array.from(path, (x) => [x[0], x[1]]);
}

/** How much longer a way is than the line from its start to its end, as a share of that line. */
export function detourOf(places) {
  const far = ([a, b], [p, q]) => Math.hypot(p - a, q - b);
  const length = places.slice(1).reduce((sum, place, k) => sum + far(places[k], place), 0);
  return length / far(places[0], places.at(-1)) - 1;
}

/** Where a way of equal steps is at flow time s. @returns {[number, number]} */
export function placeAt(places, s) {
  const at = s * (places.length - 1), k = Math.min(Math.floor(at), places.length - 2), part = at - k;
  return [0, 1].map((d) => (1 - part) * places[k][d] + part * places[k + 1][d]);
}

/** A way on straight lines in the scale of chapter 4, where the variance stays 1. */
export function atVarianceOne(places) {
  return places.map(([x, y], k) => {
    const s = k / (places.length - 1), size = Math.hypot(s, 1 - s);
    return [x / size, y / size];
  });
}

/** The three ways of a particle that starts at [x, y], the last two in so many steps. */
export function flowWays(exact, straight, start, steps) {
  const x = Float32Array.from(start), way = (velocity, n) => placesOf(euler_flow(velocity, x, { steps: n }));
  return { fine: way(exact, FLOW_FINE), straight: way(straight, steps), coarse: way(exact, steps) };
}

class FlowLab {
  constructor(el, api) {
    Object.assign(this, { api, seed: api.seed, start: FLOW_START });
    const { outline, straight } = api.data;
    Object.assign(this, { exact: ExactVelocity(outline.x, JITTER), straight: VelocityNetwork(straight) });
    sentence(el, "Put the start somewhere, and slide s from noise to data. Then look for a start from which the " +
      "exact flow turns sharply, and give the straightened one a single step.");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "", limit: FLOW_LIMIT });
    this.#legend(pictures);
    this.#controls(controls(el));
    sentence(el, "The exact flow first goes to where all data are on average, and finds out late for which state: " +
      "one of its steps from the start ends in the middle of the map. The straightened flow has been taught the two " +
      "ends. It knows its goal at once, up to the error of its network. Close to a border between two goals a single " +
      "step may end between them, where no data are: a continuous map cannot jump.");
    handle(this.picture, {
      get: () => this.start,
      set: (place) => this.place(place),
      label: "The start of one particle on the map; the arrow keys move it.",
    });
  }

  #legend(parent) {
    const side = make(parent, "div", { className: "lab-side" });
    const entries = [["○", "the start, pure noise"], ["—", "exact flow, 200 steps"], ["- -", "straightened"],
      ["●", "both particles at flow time s"]];
    legendOf(side, entries);
    outputs(side, { state: "arrives in", detour: "exact way, longer than a line by (%)",
      miss: "straightened, from the exact end", coarse: "exact field, as few steps, from there" });
  }

  #controls(row) {
    this.steps = slider(row, { name: "steps", label: "steps", min: 0, max: FLOW_STEPS.length - 1, value: 0,
      format: (k) => String(FLOW_STEPS[k]), onInput: () => this.change() });
    this.s = slider(row, { name: "flow-time", label: "s", min: 0, max: 100, value: 100,
      format: (k) => (k / 100).toFixed(2), onInput: () => this.show() });
    button(row, { name: "draw", label: "New start", onClick: () => {
      const random = stream("flow", ++this.seed);
      this.place([random.normal(), random.normal()].map((v) => Math.max(-2.3, Math.min(2.3, v))));
    } });
    this.layer = menu(row, FLOW_LAYERS, { onChange: () => this.show(), onSave: () => this.picture.save("flow.png",
      `start (${this.start.map((v) => v.toFixed(2)).join(", ")}), ${FLOW_STEPS[this.steps.value]} steps`) });
    this.picture.draw = () => this.draw();
  }

  place(at) {
    this.start = at;
    this.change();
  }

  change() {
    const steps = FLOW_STEPS[this.steps.value], { api } = this;
    this.ways = flowWays(this.exact, this.straight, this.start, steps);
    const end = this.ways.fine.at(-1), from = ([x, y]) => Math.hypot(x - end[0], y - end[1]);
    this.state = this.#arrival(end);
    const [miss, coarse] = [from(this.ways.straight.at(-1)), from(this.ways.coarse.at(-1))];
    const detour = detourOf(this.ways.fine);
    api.output("state", STATE_NAMES[this.state]);
    api.output("detour", 100 * detour, 0);
    api.output("miss", miss);
    api.output("coarse", coarse);
    api.summary(`From (${this.start.map((v) => v.toFixed(2)).join(", ")}) the exact flow arrives in ` +
      `${STATE_NAMES[this.state]}, by a way ${Math.round(100 * detour)}% longer than a line. In ${steps} ` +
      `step${steps > 1 ? "s" : ""} the straightened flow ends ${miss.toFixed(3)} from there, the exact field ` +
      `${coarse.toFixed(3)}.`);
    this.show();
  }

  show() {
    this.api.state("done");
    this.picture.refresh();
  }

  #arrival([x, y]) {
    const { outline } = this.api.data;
    let [best, least] = [0, Infinity];
    for (let k = 0; k < outline.y.length; k++) {
      const far = (outline.x[2 * k] - x) ** 2 + (outline.x[2 * k + 1] - y) ** 2;
      if (far < least) [best, least] = [k, far];
    }
    return outline.y[best];
  }

  draw() {
    if (!this.ways) return;
    const { picture, ways, layer } = this, s = this.s.value / 100;
    const [ink, grey] = ["ink", "grey"].map((name) => picture.colour(`--lab-${name}`));
    picture.points(this.api.data.outline.x, { colour: grey, size: 1.2, alpha: 0.6 });
    const state = picture.stateColour(this.state);
    if (layer(DIFFUSION)) {
      const pixels = atVarianceOne(ways.fine).map(([x, y]) => picture.at(x, y));
      picture.line(pixels, { colour: grey, width: 2, dash: [2, 4] });
    }
    if (layer("exact flow")) this.#way(ways.fine, s, { colour: state, width: 2.5 });
    if (layer(COARSE)) this.#way(ways.coarse, s, { colour: grey, width: 1.5, dash: [6, 3] }, 2.5);
    if (layer("straightened")) this.#way(ways.straight, s, { colour: ink, width: 1.8, dash: [6, 4] }, 2.5);
    this.picture.ring(picture.at(...this.start), 7, ink);
  }

  /** A way, faint where it has not come to yet; its steps as small discs if it has few; and the particle. */
  #way(places, s, style, step = 0) {
    const { picture } = this, { context } = picture, all = places.map(([x, y]) => picture.at(x, y));
    context.globalAlpha = 0.35;
    picture.line(all, style);
    context.globalAlpha = 1;
    const done = Math.floor(s * (places.length - 1)) + 1, now = picture.at(...placeAt(places, s));
    picture.line([...all.slice(0, done), now], style);
    if (step && places.length < 25) for (const place of all.slice(1)) this.picture.disc(place, step, style.colour);
    this.picture.disc(now, 5, style.colour);
  }
}

lab("flow", {
  data: ["outline", "straight"],
  async mount(el, api) {
    const made = new FlowLab(el, api);
    await breathe();
    made.change();
    api.state("idle");
  },
});
