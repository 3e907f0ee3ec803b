/** The table of the drawing page: a sheet to draw on, what was made of it, and what can be kept. */

import { Picture } from "./canvas.js";
import { button, controls, foldedMenu, make, menu, outputs, select, sentence, slider } from "./controls.js";
import { csvOf, dataOf, decodeDrawings, encode, enough, npyOf, simplify } from "./drawing.js";
import { lettersOf, SHAPES } from "./letters.js";
import { mean_distance } from "./metrics.js";
import { Pen } from "./pen.js";
import { stream } from "./random.js";

const SIZE = 5000, FLOOR = 1000, MADE = 2000, QUICK = 500, UPDATES = 1200, FRAGMENT = "#draw=";
/** The colours of the two drawings: those of two states. */
const COLOURS = [0, 3];
const NUMBERS = ["step", "seconds", "loss", "distance"];
const TRY = "Draw something, then press Make it: noise becomes your drawing. Or press Train, and a network learns to.";
const SHOWS = "Make it asks the exact denoiser of your drawing. What it makes lies about as near to your points as " +
  "other points of it would, and that is the floor; a network that has trained for a few seconds comes near it.";

/** Drawings, the data that they become, and a picture of samples; see labs/draw.js for the jobs. */
export class DrawingTable {
  constructor(el, api) {
    Object.assign(this, { el, api, drawings: [[]], data: null, weights: null, made: null, labels: null });
    sentence(el, TRY);
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.paper = new Picture(pictures, { label: "" });
    this.picture = new Picture(pictures, { label: "What was made of noise" });
    this.pen = new Pen(this.paper, {
      begin: () => this.strokes.push([]),
      move: (place) => this.#add(place),
      end: () => this.#changed(this.strokes.push(simplify(this.strokes.pop()))),
      undo: () => this.#changed(this.strokes.pop()),
    });
    this.paper.draw = () => this.#drawPaper();
    this.picture.draw = () => this.#drawMade();
    this.#addControls();
    const ofThis = ({ x }) => x === this.data?.x;
    this.remake = api.latest("make", { onResult: (result, args) => ofThis(args) && this.#show(result) });
  }

  /** Take the drawing that a link brought, if it did. */
  start(fragment) {
    const brought = fragment.startsWith(FRAGMENT) && decodeDrawings(fragment.slice(FRAGMENT.length));
    if (brought) this.drawings = brought;
    this.#changed();
  }

  get strokes() {
    return this.drawings[Number(this.which.value)];
  }

  #addControls() {
    const { el, api } = this, row = controls(el), folded = controls(el);
    const pens = [["0", "first drawing"], ["1", "second drawing"]];
    this.which = select(row, { name: "drawing", label: "pen", options: pens, onChange: () => this.#changed() });
    this.makeButton = button(row, { name: "make", label: "Make it", onClick: () => this.#make() });
    this.trainButton = button(row, { name: "train", label: "Train", onClick: () => this.#train() });
    const towards = (v) => (v ? `${v < 0 ? "first" : "second"}, ${Math.abs(v)}` : "neither");
    this.dial = slider(row, { name: "guidance", label: "guide to", min: -8, max: 8, step: 0.5, value: 0,
      format: towards, onInput: () => this.#turn() });
    this.#addStarts(folded);
    this.layer = menu(folded, { "the drawing underneath": true }, { onChange: () => this.picture.refresh(),
      onSave: () => this.picture.save("drawing.png", this.#settings()) });
    this.#addKeeping(folded);
    outputs(el, { step: "updates", seconds: "seconds", loss: "loss", distance: "distance", floor: "floor" });
    sentence(el, SHOWS);
  }

  #addStarts(row) {
    const box = foldedMenu(row, "Start from");
    for (const [name, shape] of Object.entries(SHAPES))
      button(box, { name, label: name, onClick: () => this.#put(shape()) });
    const initials = make(null, "input", { type: "text", name: "initials", maxLength: 3, size: 4 });
    initials.autocomplete = "off";
    make(box, "label", {}, "initials ", initials);
    initials.addEventListener("input", () => this.#put(lettersOf(initials.value)));
    button(box, { name: "undo", label: "Undo", onClick: () => this.#changed(this.strokes.pop()) });
    button(box, { name: "clear", label: "Clear", onClick: () => this.#put([]) });
  }

  #addKeeping(row) {
    const box = foldedMenu(row, "Keep");
    const offer = (name, content) => {
      const link = make(box, "a", { className: "lab-button", textContent: name, download: name, href: "#" });
      link.addEventListener("click", (event) => {
        if (!this.data) return event.preventDefault();
        link.href = URL.createObjectURL(content(this.#inPlace(this.data.x)));
        setTimeout(() => URL.revokeObjectURL(link.href), 1000);
      });
      return link;
    };
    this.keep = [offer("drawing.npy", npyOf), offer("drawing.csv", (x) => csvOf(x, this.data.y))];
    this.link = make(null, "input", { type: "text", name: "link", readOnly: true });
    this.link.addEventListener("focus", () => this.link.select());
    make(box, "label", {}, "a link with this drawing in it ", this.link);
  }

  #add(place) {
    this.strokes.at(-1).push(place);
    this.paper.refresh();
  }

  #put(strokes) {
    this.drawings[Number(this.which.value)] = strokes;
    this.#changed();
  }

  /** The drawing is another one: its data too, and what was learnt is forgotten. */
  #changed() {
    this.run?.stop();
    this.remake.stop();
    if (this.which.value === "1") this.drawings[1] ??= [];
    const drawn = this.drawings.filter(enough), random = stream("drawing", this.api.seed);
    this.data = drawn.length ? dataOf(drawn, SIZE, random) : null;
    [this.weights, this.made, this.labels] = [null, null, null];
    for (const name of NUMBERS) this.api.output(name, "–");
    this.api.output("floor", this.data ? this.#floor(drawn) : "–");
    this.#allow();
    this.#offerLink(drawn);
    const label = `Your drawing, ${this.drawings.flat().length} strokes. Arrow keys move the pen, with Shift ` +
      "in small steps; Space sets it down and lifts it; Backspace takes the last stroke away.";
    this.paper.describe(label);
    this.paper.refresh();
    this.picture.refresh();
    this.api.state("idle");
  }

  /** A link, if there is a drawing and it fits into one. */
  #offerLink(drawn) {
    const text = this.data ? encode(drawn) : "", fits = decodeDrawings(text) !== null;
    this.link.value = fits ? location.href.split("#")[0] + FRAGMENT + text : "";
    this.link.placeholder = text && !fits ? "too much for a link" : "";
  }

  /** What can be pressed now. */
  #allow() {
    const two = this.drawings.filter(enough).length > 1;
    for (const el of [this.makeButton, this.trainButton]) el.disabled = !this.data;
    this.dial.el.parentElement.hidden = !two;
    if (!two) this.dial.value = 0;
    for (const link of this.keep) link.setAttribute("aria-disabled", String(!this.data));
  }

  /** Mean distance of other points of the drawing to the data, in the units in which it is learnt. */
  #floor(drawn) {
    const { x, shift, width } = this.data, other = dataOf(drawn, FLOOR, stream("floor", this.api.seed));
    const fresh = other.x.map((v, i) => (v * other.width + other.shift[i & 1] - shift[i & 1]) / width);
    return mean_distance(fresh, x);
  }

  #args(n, watch) {
    const { x, places, y, width } = this.data;
    return { x, places, y, width, n, watch, weights: this.weights, guidance: this.dial.value, seed: this.api.seed };
  }

  async #make() {
    this.weights = null;
    for (const name of NUMBERS) this.api.output(name, "–");
    const watch = !this.api.still;
    await this.#follow(this.api.run("make", this.#args(MADE, watch), { onMessage: (m) => this.#show(m) }));
  }

  async #train() {
    if (this.run) return this.run.stop();
    const { data } = this, args = { x: data.x, seed: this.api.seed, updates: UPDATES };
    await this.#follow(this.api.run("train", args, { onMessage: (m) => this.#show(m) }));
    if (this.data === data && this.weights) await this.#follow(this.api.run("make", this.#args(MADE, false), {}));
  }

  /** Wait for a run and show what it returned; meanwhile Train is Stop. */
  async #follow(run) {
    this.run = run;
    this.trainButton.textContent = "Stop";
    const result = await run.done.catch(() => null);
    if (this.run !== run) return;
    this.run = null;
    this.trainButton.textContent = "Train";
    if (result) this.#show(result);
  }

  #turn() {
    if (this.data && !this.run) this.remake(this.#args(QUICK, false));
  }

  #show({ made, labels = null, step, seconds, loss, distance, weights }) {
    if (!this.data) return;
    if (made) [this.made, this.labels] = [made, labels];
    this.weights = weights ?? this.weights;
    const numbers = { step, seconds, loss, distance };
    for (const [name, value] of Object.entries(numbers)) if (value !== undefined) this.api.output(name, value);
    const far = distance?.toFixed(3);
    if (far) this.api.summary(`${made.length / 2} points were made; they are ${far} from yours on average.`);
    this.picture.refresh();
  }

  #settings() {
    const by = this.weights ? "a network trained in the page" : "the exact denoiser";
    return `${by}, guidance ${this.dial.value}, seed ${this.api.seed}`;
  }

  /** Points of the data's units, in those of the window. */
  #inPlace(x) {
    return x.map((v, i) => v * this.data.width + this.data.shift[i & 1]);
  }

  #drawPaper() {
    const { paper } = this;
    this.drawings.forEach((strokes, k) => strokes.forEach((s) => {
      const colour = paper.stateColour(COLOURS[k]);
      paper.paths([Float32Array.from(s.flat())], { colour, width: 3, alpha: 1 });
      if (s.length === 1) paper.points(Float32Array.from(s[0]), { colour, size: 4, alpha: 1 });
    }));
    if (!this.drawings.flat().length)
      paper.text("Draw here", paper.width / 2, paper.height / 2, { size: 18, align: "center" });
    this.pen.draw();
  }

  #drawMade() {
    const { picture, data, made } = this;
    if (!data) return;
    const grey = picture.colour("--lab-grey");
    if (this.layer("the drawing underneath"))
      picture.points(this.#inPlace(data.x), { colour: grey, size: 1, alpha: 0.25 });
    const y = this.labels && this.drawings.filter(enough).length > 1 ? this.labels.map((k) => COLOURS[k]) : null;
    if (made) picture.points(this.#inPlace(made), { y, colour: picture.stateColour(COLOURS[0]), size: 2 });
  }
}
