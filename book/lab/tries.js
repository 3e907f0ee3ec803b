/** What a reader has tried in the sampling lab: distance against evaluations, sampler by sampler, above the floor. */

import { Chart } from "./chart.js";

const MARKS = { ddpm: ["■", "DDPM", 0], ddim: ["●", "DDIM", 3], dpmpp_2m: ["▲", "DPM-Solver++", 2] };

/** A chart whose axes are both logarithmic; `add` a try. */
export class Tries extends Chart {
  constructor(parent) {
    super(parent, { label: "Distance to the outline against evaluations, for what you have tried", x: [1, 500],
      y: [0.008, 2], xTicks: [1, 3, 10, 30, 100, 500], yTicks: [0.01, 0.03, 0.1, 0.3, 1], xName: "evaluations",
      ratio: 0.8, log: true });
    this.canvas.style.aspectRatio = "1 / 0.8";
    this.tries = new Map();
    this.floor = null;
    this.draw = () => this.#show();
  }

  /** x between the ends of its axis by its logarithm. */
  at(x, y) {
    const [low, high] = this.x, share = Math.log(x / low) / Math.log(high / low);
    return super.at(low + share * (high - low), Math.max(this.y[0], Math.min(this.y[1], y)));
  }

  /** Keep a try of a sampler; the same one again replaces it. */
  add(sampler, eta, { evaluations, distance, "distance-floor": floor }) {
    this.tries.set(`${sampler} ${evaluations} ${sampler === "ddim" ? eta : 0}`, { sampler, evaluations, eta, distance });
    this.floor = floor;
    this.refresh();
  }

  #show() {
    this.axes();
    Object.values(MARKS).forEach(([mark, name, k], i) => {
      this.text(mark, 40 + 84 * i, 12, { colour: this.stateColour(k), size: 13 });
      this.text(name, 54 + 84 * i, 12);
    });
    if (this.floor === null) return this.text("distance of what you try, here", ...this.at(3, 0.13));
    this.line([this.at(1, this.floor), this.at(500, this.floor)], { colour: this.colour("--lab-grey"), dash: [5, 4] });
    const [x, y] = this.at(1, this.floor);
    this.text("real points", x + 6, y + 13, { colour: this.colour("--lab-grey") });
    for (const { sampler, evaluations, eta, distance } of this.tries.values()) {
      const [mark, , k] = MARKS[sampler], [px, py] = this.at(evaluations, distance);
      this.text(mark, px, py + 5, { align: "center", size: 14, colour: this.stateColour(k) });
      if (eta && sampler === "ddim") this.text(`η ${eta}`, px + 8, py - 4, { size: 9 });
    }
    return undefined;
  }
}
