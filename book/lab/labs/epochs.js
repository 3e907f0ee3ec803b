/** Chapter 10: go through two long trainings, on few points and on many, and see when learning turns into copying. */

import { Picture } from "../canvas.js";
import { Chart } from "../chart.js";
import { button, controls, make, menu, outputs, select, sentence, slider } from "../controls.js";
import { lab } from "../lab.js";
import { judgeLength, ownPoints } from "../lengths.js";

const LENGTH_LAYERS = { samples: true, "training points": true, outline: true };
const LENGTH_FLOOR = 0.013, LENGTH_RATIO_FLOOR = 1;

class EpochsLab {
  constructor(el, api) {
    Object.assign(this, { api, seed: api.seed, found: null, visited: new Map() });
    const { sets, updates } = api.data.epochs;
    sentence(el, "Make the training longer, step by step, first on 5,000 points, then on 50. At which length does the " +
      "second one begin to copy, and which of the numbers tells it first?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "Samples of the network after so many updates", limit: 2.2 });
    this.chart = new Chart(pictures, { label: "Loss over that of the exact denoiser, on fresh points and on its own",
      x: [updates[0] / 1.5, updates.at(-1) * 1.5], y: [-0.4, 1.2], xTicks: updates, yTicks: [0, 0.5, 1],
      xName: "updates", logX: true });
    const row = controls(el);
    this.length = slider(row, { name: "updates", label: "updates", min: 0, max: updates.length - 1, value: 0,
      format: (k) => updates[k].toLocaleString("en"), onInput: () => this.change() });
    this.set = select(row, { name: "set", label: "training points", value: String(sets.length - 1),
      options: sets.map((n, i) => [String(i), n.toLocaleString("en")]), onChange: () => this.change() });
    button(row, { name: "again", label: "New samples", onClick: () => this.change(this.seed + 1) });
    this.layer = menu(row, LENGTH_LAYERS, { onChange: () => this.picture.refresh(),
      onSave: () => this.picture.save("length.png", this.words()) });
    outputs(el, { "over-fresh": "loss over the exact one, fresh points", "over-own": "its own points", "over-floor":
      "exact", distance: "distance", "distance-floor": "real points", ratio: "own points over unseen ones",
      "ratio-floor": "knows none" });
    sentence(el, "On 5,000 points the two lines fall together. On 50 the loss on the network's own points sinks below " +
      "what is possible for anyone who does not know them, and that on fresh ones rises: long before all samples are " +
      "copies the lines have parted. The distance to the outline praises both.");
    this.ask = api.latest("judge", { need: ["states", "outline", "epochs"], onResult: (found, args) =>
      this.show(found, args) });
    this.picture.draw = () => this.draw();
    this.chart.draw = () => this.drawChart();
    for (const name of ["over-fresh", "over-own", "distance", "ratio"]) api.output(name, "–");
    api.output("over-floor", 0);
    api.output("distance-floor", LENGTH_FLOOR);
    api.output("ratio-floor", LENGTH_RATIO_FLOOR);
  }

  /** What is shown, in words. */
  words() {
    const { sets, updates } = this.api.data.epochs, { set, length, seed } = this.found ?? this.now;
    const numbers = this.found ? `, distance ${this.found.distance.toFixed(3)}` : "";
    return `${sets[set]} training points, ${updates[length]} updates${numbers}, seed ${seed}`;
  }

  /** What the controls ask for. */
  get now() {
    return { set: Number(this.set.value), length: this.length.value, seed: this.seed };
  }

  change(seed = this.seed) {
    this.seed = seed;
    this.ask(this.now);
  }

  show(found, args) {
    this.found = { ...found, ...args };
    this.visited.set(`${args.set},${args.length}`, found);
    this.api.output("over-fresh", found.fresh, 3);
    this.api.output("over-own", found.own, 3);
    this.api.output("distance", found.distance, 3);
    this.api.output("ratio", found.ratio, 2);
    this.api.summary(`${this.words()}: the loss is ${found.fresh.toFixed(3)} over the exact one on fresh points, ` +
      `${found.own.toFixed(3)} on its own; samples are ${found.ratio.toFixed(2)} times as far from its own points as ` +
      "from unseen ones.");
    for (const surface of [this.picture, this.chart]) surface.refresh();
  }

  draw() {
    const { picture, found, layer } = this, { outline, states, epochs } = this.api.data;
    if (layer("outline")) picture.points(outline.x, { colour: picture.colour("--lab-grey"), size: 1.2, alpha: 0.7 });
    const count = epochs.sets[found?.set ?? Number(this.set.value)], own = ownPoints(states.x, count);
    if (layer("training points"))
      picture.points(own, { colour: picture.stateColour(3), size: count > 1000 ? 1.2 : 7, alpha: count > 1000 ? 0.25 : 0.6 });
    if (layer("samples") && found) picture.points(found.samples, { size: 2.2 });
    if (!found) picture.text("training points; no samples yet", 8, 16);
  }

  drawChart() {
    const { chart } = this, { updates } = this.api.data.epochs, set = Number(this.set.value);
    const [blue, red, grey] = [chart.stateColour(0), chart.stateColour(3), chart.colour("--lab-grey")];
    const keep = (v) => Math.max(chart.y[0], Math.min(chart.y[1], v));
    chart.axes();
    chart.curve(chart.x, [0, 0], { colour: grey, width: 1, dash: [6, 4] });
    chart.text("the exact denoiser of the map", ...[0, 13].map((v, c) => chart.at(updates[0], 0)[c] + v));
    const seen = updates.map((_, k) => [updates[k], this.visited.get(`${set},${k}`)]).filter(([, found]) => found);
    for (const [name, colour] of [["fresh", red], ["own", blue]]) {
      chart.curve(seen.map(([n]) => n), seen.map(([, found]) => keep(found[name])), { colour });
      for (const [n, found] of seen) chart.dot(n, keep(found[name]), { colour });
    }
    chart.legend([["on fresh points", red], ["on its own points", blue]]);
  }
}

lab("epochs", {
  data: ["states", "outline", "epochs"],
  jobs: { judge: judgeLength },
  mount: (el, api) => void new EpochsLab(el, api),
});
