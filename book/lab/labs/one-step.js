/** Chapter 14: a line of starts and its image, under the equation, which tears it, and under one leap, which cannot. */

import { breathe } from "../breathe.js";
import { Picture } from "../canvas.js";
import { button, controls, legendOf, make, menu, outputs, select, sentence, slider } from "../controls.js";
import { denoiser } from "../denoiser.js";
import { handle } from "../handle.js";
import { lab } from "../lab.js";
import { stream } from "../random.js";
import { last } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";
import { dpm_solver } from "../solvers.js";

const LINE_POINTS = 240, LINE_HALF = 2, LINE_EVALUATIONS = 16, AT_SEA = 0.08, LINE_LIMIT = 2.7;
const LINE_LAYERS = { "the line of starts": true, "joined up": true };

/** Starts on a line through [x, y] at that angle, (n, 2). */
export function lineOfStarts([x, y], angle, count = LINE_POINTS) {
  const out = new Float32Array(2 * count);
  for (let i = 0; i < count; i++) {
    const along = LINE_HALF * ((2 * i) / (count - 1) - 1);
    out[2 * i] = x + along * Math.cos(angle);
    out[2 * i + 1] = y + along * Math.sin(angle);
  }
  return out;
}

/** Where one leap of a student that predicts the turn v takes x_T, (n, 2): cos phi x_T - sin phi v. */
export function leapOnce(network, schedule, x_T) {
  const v = network.forward(x_T, schedule.T), a = schedule.alpha_bar[schedule.T];
  return x_T.map((x, i) => Math.sqrt(a) * x - Math.sqrt(1 - a) * v[i]);
}

/** The longest gap between neighbours of (n, 2), and the share of points farther than `far` from the coasts (M, 2). */
export function tornOrWhole(x, coasts, far = AT_SEA) {
  let [gap, sea] = [0, 0];
  for (let i = 0; i < x.length; i += 2) {
    if (i) gap = Math.max(gap, Math.hypot(x[i] - x[i - 2], x[i + 1] - x[i - 1]));
    let least = Infinity;
    for (let k = 0; k < coasts.length; k += 2)
      least = Math.min(least, (coasts[k] - x[i]) ** 2 + (coasts[k + 1] - x[i + 1]) ** 2);
    sea += least > far ** 2;
  }
  return { gap, sea: (2 * sea) / x.length };
}

class OneStepLab {
  constructor(el, api) {
    Object.assign(this, { api, seed: api.seed, middle: [0, 0], schedule: NoiseSchedule.linear() });
    this.predictor = denoiser(api.data.fourier);
    sentence(el, "Lay the line of starts across the map. Can you find a line that one leap keeps on the coasts all the " +
      "way? And one that the equation does not tear?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "", limit: LINE_LIMIT });
    const side = make(pictures, "div", { className: "lab-side" });
    const entries = [["· ·", "the line of starts"], ["●", "where its points end, joined to their neighbours"]];
    legendOf(side, entries);
    outputs(side, { gap: "longest gap", sea: "at sea (%)", other: "the other way: longest gap", otherSea: "at sea (%)" });
    const row = controls(el), onChange = () => this.change();
    this.way = select(row, { name: "way", label: "ends by",
      options: [["leap", "one leap"], ["equation", "the equation"]], value: "leap", onChange });
    this.angle = slider(row, { name: "angle", label: "angle", min: 0, max: 180, step: 5, value: 0,
      format: (v) => `${v}°`, onInput: onChange });
    button(row, { name: "draw", label: "New line", onClick: () => {
      const random = stream("line", ++this.seed);
      this.place([random.normal(), random.normal()].map((v) => Math.max(-1.5, Math.min(1.5, 0.7 * v))));
    } });
    this.layer = menu(row, LINE_LAYERS, { onChange: () => this.show(), onSave: () => this.picture.save("leap.png",
      `${this.way.value}, ${this.angle.value} degrees, middle (${this.middle.map((v) => v.toFixed(2)).join(", ")})`) });
    this.picture.draw = () => this.draw();
    sentence(el, "The equation sends starts on either side of a border to different coasts, so the line comes out in " +
      "pieces. The student has learnt the same ends, but it is a continuous map: the image of a line is one unbroken " +
      "curve, and where the line crosses a border it has to cross the sea. How much of it lies at sea depends on how " +
      "steep the map is there. No training makes it nothing.");
    handle(this.picture, { get: () => this.middle, set: (place) => this.place(place),
      label: "The middle of the line of starts; the arrow keys move it." });
  }

  place(at) {
    this.middle = at;
    this.change();
  }

  change() {
    const { api, schedule } = this, coasts = api.data.outline.x;
    this.line = lineOfStarts(this.middle, (this.angle.value * Math.PI) / 180);
    const run = { steps: LINE_EVALUATIONS, grid: "logsnr" };
    this.ends = { leap: leapOnce(api.data.leap, schedule, this.line),
      equation: last(dpm_solver(this.predictor, schedule, this.line, run)) };
    const found = Object.fromEntries(Object.entries(this.ends).map(([name, x]) => [name, tornOrWhole(x, coasts)]));
    const [mine, other] = this.way.value === "leap" ? ["leap", "equation"] : ["equation", "leap"];
    api.output("gap", found[mine].gap);
    api.output("sea", 100 * found[mine].sea, 1);
    api.output("other", found[other].gap);
    api.output("otherSea", 100 * found[other].sea, 1);
    api.summary(`By one leap the longest gap between neighbours is ${found.leap.gap.toFixed(2)} and ` +
      `${(100 * found.leap.sea).toFixed(1)}% of the line end at sea; by the equation ${found.equation.gap.toFixed(2)} ` +
      `and ${(100 * found.equation.sea).toFixed(1)}%.`);
    this.show();
  }

  show() {
    this.api.state("done");
    this.picture.refresh();
  }

  draw() {
    if (!this.line) return;
    const { picture, line, layer } = this, ends = this.ends[this.way.value];
    const [ink, grey, accent] = ["ink", "grey", "accent"].map((name) => picture.colour(`--lab-${name}`));
    picture.points(this.api.data.outline.x, { colour: grey, size: 1.2, alpha: 0.6 });
    if (layer("the line of starts")) picture.points(line, { colour: ink, size: 1.5, alpha: 0.5 });
    const places = Array.from({ length: ends.length / 2 }, (_, i) => picture.at(ends[2 * i], ends[2 * i + 1]));
    if (layer("joined up")) picture.line(places, { colour: accent, width: 1 });
    places.forEach((place, i) => picture.disc(place, 2.6, accent, 0.35 + (0.65 * i) / places.length));
    picture.ring(picture.at(...this.middle), 7, ink);
  }
}

lab("one-step", {
  data: ["outline", "fourier", "leap"],
  async mount(el, api) {
    const made = new OneStepLab(el, api);
    await breathe();
    made.change();
    api.state("idle");
  },
});
