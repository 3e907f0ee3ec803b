/** Chapter 3: one noisy point, the belief about where it came from, and the noise in it, exact and learnt. */

import { breathe } from "../breathe.js";
import { gridPoints, Picture } from "../canvas.js";
import { button, controls, legendOf, make, menu, outputs, sentence, slider } from "../controls.js";
import { denoiser } from "../denoiser.js";
import { draggable, inside } from "../drag.js";
import { IdealDenoiser } from "../exact.js";
import { lab } from "../lab.js";
import { stream } from "../random.js";
import { NoiseSchedule } from "../schedule.js";
import { STATE_NAMES } from "../states.js";

const POINT_T = 500, TYPICAL_COUNT = 200, POINT_GRID = 56, POINT_LIMIT = 2.8, NEAR_POINT = 0.35;
/** The point of the section's first figure: its origin's row in the data, its noise, and one of its times. */
const FIGURE_POINT = { row: 3320, eps: [0.6, 1.2], t: 80 };
const POINT_LAYERS = { belief: true, guesses: true, arrows: true, density: false };

/**
 * What can be said of one noisy point x_t (1, 2): the belief w (N,), how many origins it amounts to (the exponential
 * of its entropy), the exact and the learnt mean of origins and noise (1, 2), and how far apart the two means are.
 */
export function pointBelief(ideal, predictor, x_t, t) {
  const w = ideal.belief(x_t, t), { schedule } = ideal, eps = ideal.predict(x_t, t), eps_hat = predictor(x_t, t);
  const [mean, learnt] = [ideal.posterior_mean(x_t, t), schedule.predict_x_0(x_t, t, eps_hat)];
  const origins = Math.exp(-w.reduce((sum, p) => sum + (p > 0 ? p * Math.log(p) : 0), 0));
  return { w, origins, eps, eps_hat, mean, learnt, distance: Math.hypot(mean[0] - learnt[0], mean[1] - learnt[1]) };
}

/** Mean distance of the two guesses over noisy points x_t (n, 2). */
export function guessDistance(ideal, predictor, x_t, t) {
  const exact = ideal.posterior_mean(x_t, t), learnt = ideal.schedule.predict_x_0(x_t, t, predictor(x_t, t));
  let sum = 0;
  for (let i = 0; i < x_t.length; i += 2) sum += Math.hypot(exact[i] - learnt[i], exact[i + 1] - learnt[i + 1]);
  return (2 * sum) / x_t.length;
}

/** Share of the belief in each state. @returns {number[]} (5,) */
function stateShares(w, y) {
  const out = STATE_NAMES.map(() => 0);
  w.forEach((p, i) => (out[y[i]] += p));
  return out;
}

/** A job: the mean distance of the guesses over usual points of that time and, if wanted, p_t on a grid. */
function* aroundPoint({ t, map }, { states: { x }, fourier }) {
  const ideal = new IdealDenoiser(x, NoiseSchedule.linear({ T: POINT_T })), random = stream("typical", 0);
  const rows = Array.from({ length: TYPICAL_COUNT }, () => random.integer(x.length / 2));
  const some = Float32Array.from({ length: 2 * TYPICAL_COUNT }, (_, i) => x[2 * rows[i >> 1] + (i & 1)]);
  const x_t = ideal.schedule.q_sample(some, t, random.randn(2 * TYPICAL_COUNT));
  const usual = guessDistance(ideal, denoiser(fourier), x_t, t);
  const density = () => Float32Array.from(ideal.log_density(gridPoints(POINT_GRID, POINT_LIMIT), t), Math.exp);
  return { usual, values: map ? density() : null };
}

class PointLab {
  constructor(el, api, ideal) {
    Object.assign(this, { api, seed: api.seed, ideal, schedule: ideal.schedule, around: {} });
    this.predictor = denoiser(api.data.fourier);
    sentence(el, "Drag the noisy point, and slide t: from how many places can it have come? Then take it inland at a " +
      "small t, where noisy points are rare, and see whether the network still knows.");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "", limit: POINT_LIMIT });
    this.#legend(pictures);
    this.#controls(controls(el));
    sentence(el, "The map is drawn as it is at time t, shrunk as in Eq. 2, so that a guess and its arrow of noise " +
      "add up to the noisy point. The guess is a mean of origins and need not lie on any outline. Where noisy points " +
      "are common (the layer of density shows it), the two guesses agree. Elsewhere the network, the better one of " +
      "the book, has seen nothing: at a small t the exact guess jumps to the nearest coast, and the learnt one stays " +
      "behind.");
    this.#hold();
  }

  #legend(parent) {
    const side = make(parent, "div", { className: "lab-side" });
    const entries = [["●", "the noisy point"], ["✕", "mean of origins, exact, with its arrow of noise"],
      ["◇", "the same as learnt, its arrow broken"], ["•", "possible origins, the larger the likelier"]];
    legendOf(side, entries);
    this.bars = make(side, "ul", { className: "lab-bars" });
    STATE_NAMES.forEach((name, k) => {
      const bar = make(null, "span", { className: "lab-bar" });
      bar.style.background = `var(--state-${k})`;
      make(this.bars, "li", {}, make(null, "span", { textContent: name }), bar, make(null, "span"));
    });
    const words = { origins: "possible origins", distance: "between the guesses", usual: "on average at this t" };
    outputs(side, { t: "t", ...words });
  }

  #controls(row) {
    this.t = slider(row, { name: "time", label: "t", min: 1, max: POINT_T, value: FIGURE_POINT.t,
      onInput: () => this.act() });
    button(row, { name: "draw", label: "New point", onClick: () => {
      this.touched = true;
      const random = stream("point", ++this.seed);
      this.start(random.integer(5000), random.randn(2));
    } });
    this.layer = menu(row, POINT_LAYERS, { onChange: () => this.act(), onSave: () => this.picture.save("belief.png",
      `x_t = (${Array.from(this.x_t, (v) => v.toFixed(2)).join(", ")}), t = ${this.t.value}`) });
    this.picture.draw = () => this.draw();
    this.look = this.api.latest("around", { need: ["states", "fourier"], onResult: (found, { t }) => {
      if (!this.touched) this.api.state("idle"); // the first look was not asked for by the reader
      this.around = { ...found, t };
      this.api.output("usual", found.usual);
      this.picture.refresh();
    } });
  }

  /** Noise the point of that row (Eq. 2). */
  start(row, eps) {
    const x_0 = this.api.data.states.x.subarray(2 * row, 2 * row + 2);
    this.x_t = this.schedule.q_sample(x_0, this.t.value, Float32Array.from(eps));
    this.change();
  }

  place(at) {
    this.touched = true;
    this.x_t = Float32Array.from(inside(at, POINT_LIMIT));
    this.change();
  }

  /** What the reader does. */
  act() {
    this.touched = true;
    this.change();
  }

  change() {
    const { x_t, api, ideal, predictor, around } = this, t = this.t.value, map = this.layer("density");
    this.now = { t, ...pointBelief(ideal, predictor, x_t, t) };
    for (const [name, value] of Object.entries({ t, distance: this.now.distance })) api.output(name, value);
    api.output("origins", this.now.origins, this.now.origins < 10 ? 1 : 0);
    this.#tell(stateShares(this.now.w, api.data.states.y));
    if (around.t !== t || (map && !around.values)) this.look({ t, map });
    this.picture.refresh();
  }

  #tell(of) {
    of.forEach((share, k) => {
      const [, bar, words] = this.bars.children[k].children;
      bar.style.width = `${(45 * share).toFixed(1)}%`;
      words.textContent = `${(100 * share).toFixed(0)}%`;
    });
    const best = of.indexOf(Math.max(...of)), { origins, distance, t } = this.now;
    this.api.summary(`At t = ${t} the point can have come from about ${Math.ceil(origins)} of the 5,000 places, ` +
      `${(100 * of[best]).toFixed(0)}% of them in ${STATE_NAMES[best]} by weight. The learnt guess is ` +
      `${distance.toFixed(3)} units from the exact one.`);
  }

  draw() {
    const { picture, now, x_t, api } = this, root = Math.sqrt(this.schedule.alpha_bar[now.t]), shrink = (v) => v * root;
    const [ink, grey] = [picture.colour("--lab-ink"), picture.colour("--lab-grey")];
    const { t, values } = this.around;
    if (this.layer("density") && t === now.t && values) picture.density(values, POINT_GRID);
    picture.points(api.data.outline.x.map(shrink), { colour: grey, size: 1.2, alpha: 0.6 });
    if (this.layer("belief")) this.#drawBelief(root);
    const [mean, learnt] = [now.mean.map(shrink), now.learnt.map(shrink)];
    const [p, a, b] = [x_t, mean, learnt].map(([x, y]) => picture.at(x, y));
    if (this.layer("arrows")) {
      picture.arrows(mean, x_t.map((v, i) => v - mean[i]), { colour: ink, width: 1.8, alpha: 1 });
      picture.line([b, p], { colour: picture.colour("--lab-accent"), width: 2, dash: [5, 4] });
    }
    if (this.layer("guesses")) {
      const stroke = (s) => [[a[0] - 6, a[1] - 6 * s], [a[0] + 6, a[1] + 6 * s]];
      for (const s of [-1, 1]) picture.line(stroke(s), { colour: ink, width: 3 });
      const diamond = [[0, -8], [8, 0], [0, 8], [-8, 0], [0, -8]].map(([dx, dy]) => [b[0] + dx, b[1] + dy]);
      picture.line(diamond, { colour: picture.colour("--lab-accent"), width: 2.5 });
    }
    this.picture.disc(p, 6, ink, 1);
  }

  #drawBelief(root) {
    const { w } = this.now, { x, y } = this.api.data.states, most = w.reduce((a, b) => Math.max(a, b), 0);
    const colours = STATE_NAMES.map((_, k) => this.picture.stateColour(k)), unit = 0.6 * this.picture.width ** 0.5;
    w.forEach((p, i) => {
      if (p < 1e-3 * most) return;
      const at = this.picture.at(root * x[2 * i], root * x[2 * i + 1]);
      this.picture.disc(at, (unit * p ** 0.5) / most ** 0.25, colours[y[i]], 0.4);
    });
  }

  #hold() {
    draggable(this.picture, {
      label: "One noisy point on the map; the arrow keys move it.",
      grab: ([x, y]) => Math.hypot(x - this.x_t[0], y - this.x_t[1]) < NEAR_POINT,
      move: (to) => this.place(to),
      step: (dx, dy) => this.place([this.x_t[0] + dx, this.x_t[1] + dy]),
    });
  }
}

lab("point", {
  data: ["states", "outline", "fourier"],
  jobs: { around: aroundPoint },
  async mount(el, api) {
    const ideal = new IdealDenoiser(api.data.states.x, NoiseSchedule.linear({ T: POINT_T }));
    await breathe(); // not when there is something to see: a frame may come before the point
    new PointLab(el, api, ideal).start(FIGURE_POINT.row, FIGURE_POINT.eps);
  },
});
