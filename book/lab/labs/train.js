/** Chapter 3: train a small denoiser in the page, by the kinds of the chapter's trial, until the reader stops it. */

import { gridPoints, Picture } from "../canvas.js";
import { Chart } from "../chart.js";
import { button, controls, make, menu, outputs, select, sentence, slider } from "../controls.js";
import { lab } from "../lab.js";
import { FIELD_LIMIT, FIELD_SIDE, FIELD_T, trainInPage, TRIAL } from "../trainer.js";

const REAL_DISTANCE = 0.013, SMOOTH = 50;
const TRAIN_LAYERS = { samples: true, outline: true, field: false, "exact field": false };
const RATES = [0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.03, 0.06, 0.12, 0.25, 0.5];
const TRIAL_OPTIONS = Object.entries(TRIAL).map(([name, { words }]) => [name, words]);
/** How long a unit of noise is drawn, and the longest arrow, units of x. */
const FIELD_ARROW = 0.2, LONGEST_ARROW = 0.22;
/** Ends of the charts and their marks. */
const SPANS = [[500, 200, 400], [1000, 400, 800], [2000, 500, 1500], [5000, 2000, 4000], [12000, 5000, 10000]];

/** Arrows that undo the noise eps (n, 2), long ones shortened. */
function againstNoise(eps) {
  return eps.map((v, i) => {
    const length = FIELD_ARROW * Math.hypot(eps[i - (i & 1)], eps[i - (i & 1) + 1]);
    return -FIELD_ARROW * v * Math.min(1, LONGEST_ARROW / length);
  });
}

/** Means over SMOOTH batches, at most `count` of them, each with the step in the middle of its batches. */
export function smoothed(losses, count = 300) {
  const stride = Math.max(1, Math.ceil(losses.length / count)), steps = [], means = [];
  for (let end = Math.min(SMOOTH, losses.length); end <= losses.length && losses.length; end += stride) {
    const part = losses.slice(Math.max(0, end - SMOOTH), end);
    steps.push(end - (part.length - 1) / 2);
    means.push(part.reduce((a, b) => a + b, 0) / part.length);
  }
  return { steps, means };
}

class TrainLab {
  constructor(el, api) {
    Object.assign(this, { api, seed: api.seed, run: null });
    sentence(el, "Press Train, and stop it when you like what you see. Then try the other kinds, each as long as the " +
      "first; or turn up the learning rate while it trains.");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "Samples of the network as it is now", limit: 2.2 });
    const side = make(pictures, "div", { className: "lab-side" });
    this.chart = new Chart(side, { label: "Loss of the batches and its floor, over the training steps", x: [0, 500],
      y: [0, 1.2], xTicks: [], yTicks: [0, 0.5, 1], xName: "training step" });
    this.excesses = new Chart(side, { label: "Excess over the floor and distance of the samples, over the steps",
      log: true, x: [0, 500], y: [0.005, 2], xTicks: [], yTicks: [0.01, 0.1, 1], xName: "training step" });
    this.#controls(controls(el));
    outputs(el, { step: "step", seconds: "seconds", loss: "loss", "loss-floor": "floor", excess: "excess",
      distance: "distance", "distance-floor": "real points" });
    this.note = sentence(el, "");
    sentence(el, "After some hundred steps the loss is close to its floor, and what is left is lost in its jumps. The " +
      "excess goes on falling, and so does the distance of the samples to the outline: these two tell whether it " +
      "still learns.");
    this.reset(this.seed);
  }

  #controls(row) {
    this.go = button(row, { name: "train", label: "Train", onClick: () => (this.run ? this.stop() : this.train()) });
    button(row, { name: "again", label: "Start again", onClick: () => this.reset(this.seed + 1, true) });
    this.trial = select(row, { name: "trial", label: "kind", options: TRIAL_OPTIONS, onChange: () =>
      this.reset(this.seed, this.run !== null) });
    this.rate = slider(row, { name: "lr", label: "learning rate", min: 0, max: RATES.length - 1, value: 4,
      format: (k) => String(RATES[k]), onInput: () => this.run && this.train() });
    this.layer = menu(row, TRAIN_LAYERS, { onChange: () => this.picture.refresh(), onSave: () =>
      this.picture.save("training.png", `${TRIAL[this.trial.value].words}, learning rate ${RATES[this.rate.value]}, ` +
        `step ${this.now.step}, distance ${this.now.distance?.toFixed(3)}, seed ${this.seed}`) });
    this.picture.draw = () => this.draw();
    this.chart.draw = () => this.drawLosses();
    this.excesses.draw = () => this.drawExcess();
  }

  /** An untrained network of another seed or kind; `train` if it is to be trained at once. */
  reset(seed, train = false) {
    this.stop();
    Object.assign(this, { seed, losses: [], history: [], checkpoint: null, now: { step: 0 } });
    for (const name of ["step", "seconds"]) this.api.output(name, 0);
    for (const name of ["loss", "excess", "distance"]) this.api.output(name, "–");
    this.api.output("loss-floor", TRIAL[this.trial.value].floor);
    this.api.output("distance-floor", REAL_DISTANCE);
    this.note.textContent = "";
    this.go.textContent = "Train";
    this.refresh();
    if (train) this.train();
  }

  /** Start, or go on from where it was stopped. */
  train() {
    const args = { seed: this.seed, trial: this.trial.value, lr: RATES[this.rate.value], from: this.checkpoint };
    const mine = (f) => (value) => this.run === run && f(value), onMessage = mine((now) => this.show(now));
    const run = this.api.run("train", args, { need: ["states", "outline"], onMessage });
    this.run = run;
    this.note.textContent = "";
    this.go.textContent = "Stop";
    run.done.then(mine((why) => this.ended(why)), mine(() => this.ended(null)));
  }

  stop() {
    const { run } = this;
    this.run = null;
    run?.stop();
    this.go.textContent = "Go on";
  }

  ended(why) {
    this.stop();
    const { ended, step } = why ?? {};
    if (ended === "diverged")
      this.note.textContent = `Diverged: after ${step} steps the network knows no more than before the first. The ` +
        "learning rate is too high. Turn it down and start again.";
    else if (ended) this.note.textContent = `Stopped after ${step} steps, as many as the book's own network was given.`;
  }

  show(now) {
    this.now = now;
    this.checkpoint = now.checkpoint ?? null;
    this.losses.push(...now.losses);
    this.history.push([now.step, now.excess, now.distance]);
    this.api.output("step", now.step);
    this.api.output("seconds", now.seconds, 1);
    for (const name of ["loss", "distance", "excess"]) if (now[name] !== undefined) this.api.output(name, now[name], 3);
    this.api.summary(`Step ${now.step}, ${now.seconds.toFixed(1)} seconds: the loss is ${now.excess.toFixed(3)} over ` +
      `its floor, samples lie ${now.distance.toFixed(3)} from the outline, real points ${REAL_DISTANCE}.`);
    this.refresh();
  }

  refresh() {
    for (const surface of [this.picture, this.chart, this.excesses]) surface.refresh();
  }

  draw() {
    const { picture, now, layer } = this, { outline } = this.api.data, grid = gridPoints(FIELD_SIDE, FIELD_LIMIT);
    if (layer("outline")) picture.points(outline.x, { colour: picture.colour("--lab-grey"), size: 1.2, alpha: 0.7 });
    const [grey, blue] = ["--lab-grey", "--lab-accent"].map((name) => picture.colour(name));
    const exact = layer("exact field") && now.exact_field, learnt = layer("field") && now.field;
    if (exact) picture.arrows(grid, againstNoise(exact), { colour: grey, width: 3, alpha: 0.5 });
    if (learnt) picture.arrows(grid, againstNoise(learnt), { colour: blue, width: 1.3 });
    if (layer("samples") && now.samples) picture.points(now.samples, { size: 3 });
    if (layer("field") || layer("exact field")) picture.text(`against the noise, t = ${FIELD_T}`, 8, 16);
  }

  /** Both charts run to the same step, a round one. */
  #span(chart) {
    const [end, ...marks] = SPANS.find(([most]) => most >= this.now.step);
    Object.assign(chart, { x: [0, end], xTicks: [0, ...marks] });
    chart.axes();
  }

  drawLosses() {
    const { chart, losses } = this, { floor } = TRIAL[this.trial.value], top = (v) => Math.min(v, chart.y[1]);
    const [grey, blue, ink] = ["--lab-grey", "--lab-accent", "--lab-ink"].map((name) => chart.colour(name));
    const thin = Math.ceil(losses.length / 400) || 1, { steps, means } = smoothed(losses);
    this.#span(chart);
    chart.context.globalAlpha = 0.45;
    chart.line(losses.flatMap((v, i) => (i % thin ? [] : [chart.at(i + 1, top(v))])), { colour: grey, width: 0.7 });
    chart.context.globalAlpha = 1;
    chart.curve(steps, means.map(top), { colour: blue });
    chart.curve(chart.x, [floor, floor], { colour: ink, width: 1.5, dash: [6, 4] });
    chart.text("floor", chart.width - 10, chart.at(0, floor)[1] + 13, { align: "right" });
    chart.legend([["loss, mean of 50 batches around it", blue]]);
  }

  drawExcess() {
    const { excesses: chart, history } = this, [blue, red] = [chart.colour("--lab-accent"), chart.stateColour(3)];
    const steps = history.map((row) => row[0]), keep = (v) => Math.max(chart.y[0], Math.min(chart.y[1], v));
    this.#span(chart);
    chart.curve(steps, history.map((row) => keep(row[1])), { colour: blue });
    chart.curve(steps, history.map((row) => keep(row[2])), { colour: red, dash: [2, 3] });
    chart.curve(chart.x, [REAL_DISTANCE, REAL_DISTANCE], { colour: red, width: 1, dash: [6, 4] });
    chart.text("distance of real points", chart.width - 10, chart.at(0, REAL_DISTANCE)[1] - 4, { align: "right" });
    chart.legend([["excess", blue], ["distance (dotted)", red]]);
  }
}

lab("train", {
  data: ["states", "outline"],
  jobs: { train: trainInPage },
  mount: (el, api) => void new TrainLab(el, api),
});
