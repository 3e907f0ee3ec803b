/** Chapter 16: from a T-shirt to a pullover by five ways, frame by frame, and how far down the sleeve reaches. */

import { Picture } from "../canvas.js";
import { Chart } from "../chart.js";
import { controls, make, menu, outputs, select, sentence, slider } from "../controls.js";
import { lab } from "../lab.js";

const FRAME_SIDE = 28, THREE_QUARTERS = [16, 24]; // rows between which a sleeve is neither half nor full
const WAY_WORDS = { pixels: "mix the pixels", straight: "straight, between latents", spherical: "arc, between latents",
  middle: "at a middle time", labels: "mix the labels" };
const PAIR_WORDS = ["plain and plain", "print and print", "stripes and grey"];

class BetweenLab {
  constructor(el, api) {
    Object.assign(this, { api, frames: api.data.between });
    sentence(el, "Go from the T-shirt to the pullover by one way after the other. Where does the sleeve change, and is " +
      "there a frame with a three-quarter sleeve that you would call a garment?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "The garment at this share of the way" });
    this.chart = new Chart(pictures, { label: "The row where the sleeve ends, over the share of the way", x: [0, 1],
      y: [0, 28], xTicks: [0, 0.5, 1], yTicks: [12, 27], xName: "share of the way" });
    const row = controls(el), change = () => this.show();
    this.place = slider(row, { name: "w", label: "share of the way", min: 0, max: this.frames.count - 1, value: 0,
      format: (k) => (k / (this.frames.count - 1)).toFixed(1), onInput: change });
    this.way = select(row, { name: "way", label: "way", value: "spherical", onChange: change,
      options: this.frames.ways.map((way) => [way, WAY_WORDS[way]]) });
    this.pair = select(row, { name: "pair", label: "pair", onChange: change,
      options: this.frames.pairs.map((_, k) => [String(k), PAIR_WORDS[k]]) });
    this.layer = menu(row, { "pixels for comparison": true }, { onChange: () => this.chart.refresh(),
      onSave: () => this.picture.save("between.png", this.words()) });
    outputs(el, { sleeve: "sleeve ends in row", belief: "taken for a pullover", "belief-real": "real pullovers" });
    sentence(el, "Mixed pixels fade a full sleeve in. Between latents the garment stays a T-shirt and is a pullover a " +
      "frame or two later; what lies between, in the grey band, is seldom met, perhaps as such garments are rare.");
    this.picture.draw = () => this.draw();
    this.chart.draw = () => this.drawChart();
    this.show();
  }

  /** Which frame, among those of all pairs and ways. */
  get at() {
    const { ways, count } = this.frames;
    return (Number(this.pair.value) * ways.length + ways.indexOf(this.way.value)) * count + this.place.value;
  }

  words() {
    return `${PAIR_WORDS[this.pair.value]}, ${WAY_WORDS[this.way.value]}, ${(this.place.value / (this.frames.count - 1))
      .toFixed(1)} of the way`;
  }

  show() {
    const sleeve = this.frames.sleeves[this.at], belief = this.frames.pullover[this.at];
    this.api.output("sleeve", sleeve, 1);
    this.api.output("belief", belief, 2);
    this.api.output("belief-real", this.frames.real, 2);
    this.api.summary(`${this.words()}: the sleeve ends in row ${sleeve.toFixed(0)} of 28, half sleeves near 12 and full ` +
      `ones near 27; taken for a pullover with ${(100 * belief).toFixed(0)}%.`);
    for (const surface of [this.picture, this.chart]) surface.refresh();
  }

  /** The frame, dark on white whatever the page's colours, as photographs are. */
  draw() {
    const c = this.picture.context, edge = 6, size = (this.picture.width - 2 * edge) / FRAME_SIDE;
    const start = this.at * FRAME_SIDE ** 2;
    for (let i = 0; i < FRAME_SIDE ** 2; i++) {
      const grey = 255 - this.frames.ink[start + i], [x, y] = [i % FRAME_SIDE, Math.floor(i / FRAME_SIDE)];
      c.fillStyle = `rgb(${grey}, ${grey}, ${grey})`;
      // whole pixels, so that there are no seams
      c.fillRect(edge + Math.floor(x * size), edge + Math.floor(y * size), Math.ceil(size), Math.ceil(size));
    }
  }

  drawChart() {
    const { chart, frames } = this, { count } = frames, grey = chart.colour("--lab-grey");
    const shares = Array.from({ length: count }, (_, k) => k / (count - 1)), first = this.at - this.place.value;
    const pixels = Number(this.pair.value) * frames.ways.length * count;
    const [[left, top], [right, bottom]] = [chart.at(0, THREE_QUARTERS[1]), chart.at(1, THREE_QUARTERS[0])];
    Object.assign(chart.context, { fillStyle: grey, globalAlpha: 0.25 });
    chart.context.fillRect(left, top, right - left, bottom - top);
    chart.context.globalAlpha = 1;
    chart.axes();
    const compared = this.layer("pixels for comparison");
    if (compared) chart.curve(shares, frames.sleeves.slice(pixels, pixels + count), { colour: grey, dash: [6, 4] });
    const blue = chart.stateColour(0), red = chart.stateColour(3);
    chart.curve(shares, frames.sleeves.slice(first, first + count), { colour: blue });
    chart.dot(shares[this.place.value], frames.sleeves[this.at], { colour: red, size: 5 });
    chart.legend([["sleeve", blue], ...(compared ? [["mixed pixels", grey, [6, 4]]] : []), ["here", red]]);
  }
}

lab("between", {
  data: ["between"],
  mount: (el, api) => void new BetweenLab(el, api),
});
