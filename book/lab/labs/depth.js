/** Chapter 11: spend weights on depth or on width, and see how near to the outlines they bring the samples. */

import { Picture } from "../canvas.js";
import { Chart } from "../chart.js";
import { button, controls, make, menu, outputs, select, sentence, slider } from "../controls.js";
import { lab } from "../lab.js";
import { SHAPE_TEST, SHAPE_TRAINING, shapeWeights, trainShape } from "../shapes.js";
import { STATE_NAMES } from "../states.js";

const SHAPE_WIDTHS = [8, 12, 16, 24, 32, 48, 64, 96, 128], SHAPE_FLOOR = 0.013, SHAPE_COVERAGE_FLOOR = 1, SHAPES_KEPT = 40;
const SHAPE_INPUTS = [["fourier", "Fourier"], ["raw", "raw"]];
const SHAPE_BOUND = SHAPE_TEST.floors * SHAPE_FLOOR;

/** A shape in words. */
function shapeWords({ depth, width, inputs }) {
  return `${depth} × ${width}, ${inputs === "raw" ? "raw" : "Fourier"}`;
}

class DepthLab {
  constructor(el, api) {
    Object.assign(this, { api, seed: api.seed, run: null, finished: [], now: { step: 0 } });
    sentence(el, "Train one wide layer, then four narrow ones of about as many weights; then the same with raw inputs. " +
      "And which is the smallest network that comes below the dashed line with all states covered?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "Samples of the network that is trained", limit: 2.2 });
    this.chart = new Chart(pictures, { label: "Distance of the samples to the outlines, over the number of weights",
      x: [40, 60_000], y: [0.01, 0.5], xTicks: [100, 1000, 10_000], yTicks: [0.01, 0.03, 0.1, 0.3], xName: "weights",
      log: true, logX: true });
    this.#controls(controls(el));
    outputs(el, { weights: "weights", step: "update", distance: "distance", "distance-floor": "real points",
      lowest: "least covered", "lowest-floor": "real points" });
    this.note = sentence(el, "");
    sentence(el, `Every network gets the same ${SHAPE_TRAINING.steps} updates. With Fourier inputs a second layer pays ` +
      "and more of them bring little; raw inputs stay far from the line at any depth here. One run each, so a small " +
      "difference may be luck: train the same shape again to see how much.");
    this.reset();
  }

  #controls(row) {
    const change = () => this.reset();
    this.go = button(row, { name: "train", label: "Train", onClick: () => (this.run ? this.reset() : this.train()) });
    this.depth = slider(row, { name: "depth", label: "depth", min: 1, max: 4, value: 2, onInput: change });
    this.width = slider(row, { name: "width", label: "width", min: 0, max: SHAPE_WIDTHS.length - 1, value: 2,
      format: (k) => String(SHAPE_WIDTHS[k]), onInput: change });
    this.inputs = select(row, { name: "inputs", label: "inputs", options: SHAPE_INPUTS, onChange: change });
    this.layer = menu(row, { samples: true, outline: true }, { onChange: () => this.picture.refresh(),
      onSave: () => this.picture.save("depth.png", `${shapeWords(this.shape)}, ${shapeWeights(this.shape)} weights, ` +
        `update ${this.now.step}, distance ${this.now.distance?.toFixed(3)}, seed ${this.now.seed ?? this.seed}`) });
    this.picture.draw = () => this.draw();
    this.chart.draw = () => this.drawChart();
  }

  /** The shape that the controls ask for. */
  get shape() {
    return { depth: this.depth.value, width: SHAPE_WIDTHS[this.width.value], inputs: this.inputs.value };
  }

  /** Stop, and show that shape untrained. */
  reset() {
    this.run?.stop();
    Object.assign(this, { run: null, now: { step: 0 } });
    this.go.textContent = "Train";
    this.note.textContent = "";
    this.api.output("weights", shapeWeights(this.shape));
    this.api.output("step", 0);
    for (const name of ["distance", "lowest"]) this.api.output(name, "–");
    this.api.output("distance-floor", SHAPE_FLOOR);
    this.api.output("lowest-floor", SHAPE_COVERAGE_FLOOR);
    this.refresh();
  }

  /** Train the shape from another start each time. */
  train() {
    this.reset();
    const shape = this.shape, seed = this.seed++, run = this.api.run("train", { ...shape, seed },
      { need: ["states", "outline"], onMessage: (now) => this.run === run && this.show({ ...now, ...shape, seed }) });
    this.run = run;
    this.go.textContent = "Stop";
    const mine = (f) => (found) => this.run === run && f(found);
    run.done.then(mine((found) => this.ended({ ...found, ...shape, seed })), mine(() => this.reset()));
  }

  show(now) {
    this.now = now;
    this.api.output("step", now.step);
    this.api.output("distance", now.distance, 3);
    this.refresh();
  }

  ended(found) {
    this.run = null;
    this.go.textContent = "Train";
    this.finished = [...this.finished, { ...found, samples: null, weights: shapeWeights(found) }].slice(-SHAPES_KEPT);
    this.show(found);
    this.api.output("lowest", found.lowest, 3);
    const passed = found.lowest >= SHAPE_TEST.coverage && found.distance <= SHAPE_BOUND;
    const why = found.lowest < SHAPE_TEST.coverage ? `${STATE_NAMES[found.state]} is covered to ${found.lowest.toFixed(2)}`
      : `samples lie ${(found.distance / SHAPE_FLOOR).toFixed(1)} times as far from the outlines as real points`;
    this.note.textContent = `${shapeWords(found)}: ${passed ? "passes" : `does not pass, ${why}`}.`;
    this.api.summary(`${shapeWords(found)}, ${shapeWeights(found)} weights: distance ${found.distance.toFixed(3)}, real ` +
      `points ${SHAPE_FLOOR}; the least covered state to ${found.lowest.toFixed(2)}.`);
  }

  refresh() {
    for (const surface of [this.picture, this.chart]) surface.refresh();
  }

  draw() {
    const { picture, now, layer } = this, { outline } = this.api.data;
    if (layer("outline")) picture.points(outline.x, { colour: picture.colour("--lab-grey"), size: 1.2, alpha: 0.7 });
    if (layer("samples") && now.samples) picture.points(now.samples, { size: 2.5, alpha: 0.6 });
    if (!now.samples) picture.text("untrained", 8, 16);
  }

  drawChart() {
    const { chart, now } = this, [blue, red, ink] = [0, 3].map((k) => chart.stateColour(k)).concat(chart.colour("--lab-ink"));
    const colourOf = ({ inputs }) => (inputs === "raw" ? red : blue);
    const keep = (d) => Math.max(chart.y[0], Math.min(chart.y[1], d));
    chart.axes();
    chart.curve(chart.x, [SHAPE_FLOOR, SHAPE_FLOOR], { colour: ink, width: 1 });
    chart.curve(chart.x, [SHAPE_BOUND, SHAPE_BOUND], { colour: ink, width: 1, dash: [6, 4] });
    chart.text("real points", chart.width - 16, chart.at(1000, SHAPE_FLOOR)[1] - 5, { align: "right" });
    chart.text(`${SHAPE_TEST.floors} times`, chart.width - 16, chart.at(1000, SHAPE_BOUND)[1] - 5, { align: "right" });
    for (const one of this.finished) {
      const [x, y] = chart.at(one.weights, keep(one.distance)), passed = one.lowest >= SHAPE_TEST.coverage;
      chart.dot(one.weights, keep(one.distance), { colour: colourOf(one), size: passed ? 5 : 3 });
      chart.text(`${one.depth}×${one.width}`, x + 7, y + 4, { size: 10, colour: colourOf(one) });
    }
    if (this.run && now.distance) chart.dot(shapeWeights(now), keep(now.distance), { colour: colourOf(now), size: 4 });
    chart.legend([["Fourier", blue], ["raw; a large dot covers all states", red]]);
  }
}

lab("depth", {
  data: ["states", "outline"],
  jobs: { train: trainShape },
  mount: (el, api) => void new DepthLab(el, api),
});
