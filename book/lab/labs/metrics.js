/** Chapter 1: spoil samples by hand and see which of the four rulers objects. */

import { breathe } from "../breathe.js";
import { Picture } from "../canvas.js";
import { button, controls, make, menu, select, sentence, slider } from "../controls.js";
import { draggable, inside } from "../drag.js";
import { lab } from "../lab.js";
import { freshDraw } from "../outline.js";
import { stream } from "../random.js";
import { drawRulers, EMD_COUNT, measureSamples, RULERS, rulerTable, SAMPLE_COUNT, MAP_SIDE } from "../rulers.js";
import { countOf, SPOILS, spoiledSamples } from "../spoil.js";
import { STATE_NAMES } from "../states.js";

const SPOIL_PLACES = [["-1", "every state"], ...STATE_NAMES.map((name, k) => [String(k), name])];
const RING_REACH = 0.3; // what the pointer takes hold of, units of x
const RULER_LAYERS = { points: true, outline: true, missed: true, density: false, pairs: false };

/** Real points to make samples from, noise to blur them with, and other real points for the earth mover to fill. */
export function drawPool({ outline, states }, seed) {
  const rows = stream("reference", seed).permutation(states.y.length).subarray(0, EMD_COUNT);
  return {
    ...freshDraw(outline, 4 * SAMPLE_COUNT, stream("samples", seed)),
    noise: stream("noise", seed).randn(2 * SAMPLE_COUNT),
    reference: Float32Array.from({ length: 2 * EMD_COUNT }, (_, i) => states.x[2 * rows[i >> 1] + (i & 1)]),
  };
}

class RulersLab {
  constructor(el, api) {
    Object.assign(this, { api, seed: api.seed, found: {}, pairs: null, ring: [0, 0], held: [], byKeys: false });
    [this.busy, this.waiting, this.rows, this.moved] = [false, false, [], new Float32Array(2 * SAMPLE_COUNT)];
    sentence(el, "These are real points that no model has seen. Spoil them with the controls, or drag some of them " +
      "away: can you do it so that only one ruler objects? So that none does?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "", limit: MAP_SIDE });
    this.tell = rulerTable(pictures);
    this.#controls(controls(el));
    sentence(el, "Each ruler has its blind spot. The distance is the first to see a blur or a shift, and never sees " +
      "what is missing or copied. Coverage is the first to see those (the heavy stretches of outline have no sample " +
      "near). The NLL is slow with a blur, and comes to prefer a map without its south. The EMD sees everything, and " +
      "late: with 500 points its floor is high. When a tenth of the points are copies, no ruler minds.");
    this.#hold();
  }

  #controls(row) {
    const change = () => this.act(), options = Object.entries(SPOILS).map(([name, { words }]) => [name, words]);
    this.how = select(row, { name: "how", label: "spoil by", options, onChange: change });
    this.strength = slider(row, { name: "strength", label: "how much", min: 0, max: 100, value: 0, onInput: change,
      format: () => this.says() });
    this.where = select(row, { name: "where", label: "where", options: SPOIL_PLACES, onChange: change });
    button(row, { name: "draw", label: "New draw", onClick: () => {
      this.touched = true;
      this.newDraw(this.seed + 1);
    } });
    this.layer = menu(row, RULER_LAYERS, { onChange: () => this.picture.refresh(),
      onSave: () => this.picture.save("rulers.png", this.settings()) });
    this.picture.draw = () => drawRulers(this.picture, { samples: this.samples, ...this.api.data, pairs: this.pairs,
      ring: this.byKeys && { at: this.ring, reach: RING_REACH, holds: this.held.length > 0 } }, this.layer);
  }

  /** What the controls ask for. */
  get wanted() {
    return { how: this.how.value, strength: this.strength.value / 100, where: Number(this.where.value) };
  }

  /** What the strength means. */
  says() {
    if (!this.pool) return "";
    const { how, strength, where } = this.wanted;
    return SPOILS[how].says(strength, countOf(this.pool, SAMPLE_COUNT, where));
  }

  /** How the samples were spoiled, in words, and what the rulers say. */
  settings() {
    const { words } = SPOILS[this.how.value], where = SPOIL_PLACES[Number(this.where.value) + 1][1];
    const numbers = RULERS.map((r) => `${r.words} ${this.found[r.name]?.toFixed(3)} (${r.floor})`);
    return `${words}, ${this.says()}, ${where}; ${numbers.join(", ")}; seed ${this.seed}`;
  }

  /** Other points, with nothing dragged. */
  newDraw(seed, pool = drawPool(this.api.data, seed)) {
    Object.assign(this, { seed, pool, rows: [] });
    this.change();
  }

  /** What the reader does. */
  act() {
    this.touched = true;
    this.change();
  }

  /** Make the samples as the controls and the pointer have it, show them, and have them measured. */
  change() {
    this.strength.value = this.strength.value; // says it anew: what it means depends on the rest
    this.samples = spoiledSamples(this.pool, SAMPLE_COUNT, this.wanted);
    this.#forget(this.samples.rows);
    this.moved.forEach((v, i) => (this.samples.x[i] += v));
    this.show({ ...this.found, emd: undefined }); // the slow one is of other samples now
    this.measure();
  }

  /** Another point in the place of a sample is neither held nor where the pointer had dragged that one. */
  #forget(rows) {
    const other = (i) => rows[i] !== this.rows[i];
    this.held = this.held.filter((i) => !other(i));
    this.moved.forEach((_, i) => other(i >> 1) && (this.moved[i] = 0));
    this.rows = rows;
  }

  /** The quick rulers, one request at a time and the newest samples next; the slow one when nothing new has come. */
  measure() {
    this.waiting = this.busy;
    if (this.busy) return;
    this.busy = true;
    const samples = this.samples.x, { reference } = this.pool, next = () => {
      this.busy = false;
      if (this.waiting) this.measure();
    };
    const run = this.api.run("measure", { samples, reference }, { need: ["states", "outline"], onMessage: (quick) => {
      this.show(quick);
      next();
    } });
    run.done.then((slow) => {
      if (slow && samples === this.samples.x) this.show({ ...this.found, ...slow }, { ...slow, reference });
      if (!this.touched) this.api.state("idle"); // the first measurement was not asked for by the reader
    }, next);
  }

  show(found, pairs = null) {
    [this.found, this.pairs] = [found, pairs];
    this.tell(found, this.api);
    this.picture.refresh();
  }

  /** The samples within reach of a place. */
  near([x, y]) {
    const { x: at } = this.samples, rows = Array.from({ length: SAMPLE_COUNT }, (_, i) => i);
    return rows.filter((i) => Math.hypot(at[2 * i] - x, at[2 * i + 1] - y) < RING_REACH);
  }

  /** Move the ring, and what it holds. */
  carry(to) {
    const by = [to[0] - this.ring[0], to[1] - this.ring[1]];
    for (const i of this.held) for (const c of [0, 1]) this.moved[2 * i + c] += by[c];
    this.ring = to;
    if (this.held.length) this.act();
    else this.picture.refresh();
  }

  #hold() {
    const { picture } = this;
    draggable(picture, {
      label: "The samples on the map. Arrow keys move a ring; the space bar takes the points in it, or lets them go.",
      grab: (place) => {
        [this.ring, this.byKeys, this.held] = [place, false, this.near(place)];
        return this.held.length > 0;
      },
      move: (place) => this.carry(inside(place, picture.limit)),
      drop: () => (this.held = []),
      step: (dx, dy) => {
        this.byKeys = true;
        this.carry(inside([this.ring[0] + dx, this.ring[1] + dy], picture.limit));
      },
      press: () => {
        [this.byKeys, this.held] = [true, this.held.length ? [] : this.near(this.ring)];
        const n = this.held.length;
        this.api.summary(n ? `${n} points taken: the arrow keys move them.` : "Nothing is held.");
        picture.refresh();
      },
    });
  }
}

lab("metrics", {
  data: ["states", "outline"],
  jobs: { measure: measureSamples },
  async mount(el, api) {
    const pool = drawPool(api.data, api.seed);
    await breathe(); // not when there is something to see: a frame may come before the samples
    new RulersLab(el, api).newDraw(api.seed, pool);
  },
});
