/** Chapter 5: which state a noisy point is from, over t: the exact posterior beside a learnt one; a point's belief. */

import { breathe } from "../breathe.js";
import { gridPoints } from "../canvas.js";
import { controls, make, menu, sentence, slider } from "../controls.js";
import { loadData } from "../data.js";
import { classifier, softmax } from "../denoiser.js";
import { dial } from "../dial.js";
import { IdealDenoiser } from "../exact.js";
import { captioned, extras } from "../guided.js";
import { handle } from "../handle.js";
import { lab } from "../lab.js";
import { freshPoints, measured, ofState } from "../measures.js";
import { stream } from "../random.js";
import { NoiseSchedule } from "../schedule.js";
import { STATE_NAMES } from "../states.js";

const MAP_SIDES = [24, 80], MAP_STRIP = 400, HELD_OUT = 400; // cells a side, cells at a time, points of each state
const CLASSES = STATE_NAMES.length;
const MAPS = { exact: "The exact posterior", learnt: "A small classifier" };

const POSTAL = ["MI", "ID", "OH", "OK", "WI"]; // where there is no room for the names

/** p(y given x_t) of both, (n, CLASSES). */
function beliefs(ideal, network, x_t, t) {
  return { exact: Float32Array.from(ideal.log_posterior(x_t, t), Math.exp), learnt: softmax(network(x_t, t), CLASSES) };
}

/** Both maps at time t, strip by strip. */
function* mapsAt(ideal, network, side, t) {
  const grid = gridPoints(side), maps = {};
  for (const name of Object.keys(MAPS)) maps[name] = new Float32Array(side * side * CLASSES);
  for (let from = 0; from < side * side; from += MAP_STRIP) {
    const part = beliefs(ideal, network, grid.slice(2 * from, 2 * (from + MAP_STRIP)), t);
    for (const name of Object.keys(MAPS)) maps[name].set(part[name], from * CLASSES);
    yield;
  }
  return { side, maps };
}

/** Shares of right answers on fresh noisy points, and those points. */
function accuracies(ideal, network, outline, t, seed, schedule) {
  const random = stream("held out", seed), x_0 = new Float32Array(2 * CLASSES * HELD_OUT);
  for (let k = 0; k < CLASSES; k++) x_0.set(freshPoints(ofState(outline, k), HELD_OUT, random), 2 * k * HELD_OUT);
  const x_t = schedule.q_sample(x_0, t, random.randn(x_0.length)), p = beliefs(ideal, network, x_t, t), right = {};
  for (const name of Object.keys(p)) {
    let count = 0;
    for (let i = 0; i < CLASSES * HELD_OUT; i++) {
      const row = p[name].subarray(i * CLASSES, (i + 1) * CLASSES);
      if (row.indexOf(Math.max(...row)) === Math.floor(i / HELD_OUT)) count += 1;
    }
    right[name] = count / (CLASSES * HELD_OUT);
  }
  return { right, x_t };
}

const posteriorJobs = {
  /** @param args {t, seed} */
  *maps({ t, seed }, { states, outline, classifier: weights }) {
    const schedule = NoiseSchedule.linear(), network = classifier(weights);
    const ideal = new IdealDenoiser(states.x, schedule, { y: states.y });
    for (const side of MAP_SIDES) yield yield* mapsAt(ideal, network, side, t);
    return accuracies(ideal, network, outline, t, seed, schedule);
  },
};

/** Five rows of two bars, exact above learnt, with their numbers. @returns {(p) => void} */
function beliefBars(parent) {
  const table = make(parent, "table", { className: "lab-bars" });
  table.style.width = "100%";
  make(table, "caption", { textContent: "Whose is the point? The full bar is exact, the striped one learnt." });
  const head = make(make(table, "thead"), "tr");
  for (const words of ["state", "belief", "exact", "learnt"]) make(head, "th", { scope: "col", textContent: words });
  const body = make(table, "tbody");
  const rows = STATE_NAMES.map((name, k) => {
    const row = make(body, "tr", {}, make(null, "th", { scope: "row", textContent: name })), cell = make(row, "td");
    Object.assign(cell.style, { width: "55%", paddingInlineEnd: "0.8rem" });
    const bars = Object.keys(MAPS).map((of) => {
      const bar = make(cell, "div");
      const stripes = `repeating-linear-gradient(135deg, var(--state-${k}) 0 4px, transparent 4px 7px)`;
      Object.assign(bar.style, { height: "0.5rem", marginBlock: "1px", outline: `1px solid var(--state-${k})`,
        background: of === "exact" ? `var(--state-${k})` : stripes });
      return bar;
    });
    const numbers = Object.keys(MAPS).map((of) =>
      make(make(row, "td"), "output", { name: `${of}-${name.toLowerCase()}` }));
    numbers.forEach((out) => out.setAttribute("aria-live", "off"));
    return { bars, numbers };
  });
  return (p) => rows.forEach(({ bars, numbers }, k) => Object.keys(MAPS).forEach((of, i) => {
    bars[i].style.width = `${100 * p[of][k]}%`;
    numbers[i].value = p[of][k].toFixed(2);
  }));
}

function drawMap(picture, name, now, layer) {
  if (now.maps && layer("map")) picture.classes(now.maps.maps[name], now.maps.side, CLASSES);
  if (now.x_t && layer("points")) picture.points(now.x_t, { size: 1.4, alpha: 0.3 });
  const narrow = picture.width < 220;
  if (layer("names")) for (const { name: words, centre, short } of now.centres)
    picture.text(narrow ? short : words, ...picture.at(...centre), { align: "center", size: 12 });
  const [px, py] = picture.at(...now.point), { context: c } = picture;
  const [ground, ink] = ["--lab-ground", "--lab-ink"].map(picture.colour);
  Object.assign(c, { strokeStyle: ground, fillStyle: ink, lineWidth: 2 });
  c.beginPath();
  c.arc(px, py, 7, 0, 2 * Math.PI);
  c.fill();
  c.stroke();
}

function centresOf(states) {
  return STATE_NAMES.map((name, k) => {
    const x = ofState(states, k), sum = [0, 0];
    x.forEach((v, i) => (sum[i & 1] += (2 * v) / x.length));
    return { name, short: POSTAL[k], centre: sum };
  });
}

/** What the learnt map is, with its accuracy beside that of the large network, as measured where it was distilled. */
function aboutSmall({ compared }, count) {
  const at = (t) => {
    const i = compared.t.indexOf(t);
    return `${(100 * compared.small[i]).toFixed(1)}% against ${(100 * compared.large[i]).toFixed(1)}% at t = ${t}`;
  };
  return `The learnt map is that of a small classifier of ${count} weights, taught to say what the book's large one ` +
    `says; on fresh points it is right for ${at(50)}, ${at(150)} and ${at(300)}.`;
}

lab("posterior", {
  data: ["states", "classifier"],
  jobs: posteriorJobs,
  async mount(el, api) {
    const { states } = api.data, { about } = await loadData("classifier", api.address);
    const schedule = NoiseSchedule.linear(), ideal = new IdealDenoiser(states.x, schedule, { y: states.y });
    const network = classifier(api.data.classifier);
    const now = { maps: null, x_t: null, point: [0, -0.5], centres: centresOf(states), belief: null };
    await breathe();
    sentence(el, "Drag the point about, or move it with the arrow keys, and turn t: when does nobody know the state " +
      "any more, and where do the two maps differ?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const views = Object.entries(MAPS).map(([name, words]) => {
      const view = captioned(pictures, words);
      view.words.textContent = `${words}.`;
      view.picture.draw = () => drawMap(view.picture, name, now, layer);
      handle(view.picture, { get: () => now.point, set: move, label: `${words}; the arrow keys move the point` });
      return view;
    });
    const row = controls(el);
    const t = slider(row, { name: "t", label: "t", min: 1, max: 500, value: 60, onInput: turn });
    const layer = menu(extras(el), { map: true, points: true, names: true }, { onChange: refresh,
      onSave: () => views.forEach(({ picture }, i) =>
        picture.save(`posterior-${i + 1}.png`, `${Object.values(MAPS)[i]}, t = ${t.value}, seed ${api.seed}`)) });
    const bars = beliefBars(el);
    measured(el, { t: "t", accuracy: "right answers" }, ["accuracy"],
      { beside: "best possible", title: "the exact posterior, for the same fresh points" });
    sentence(el, "The two agree where points are likely. Far out at low noise, where none ever is, the small " +
      `classifier's borders are guesses. ${aboutSmall(about, api.data.classifier.count.toLocaleString("en"))}`);

    let first = null;
    const shown = new Promise((go) => (first = go));
    const maps = dial(api, "maps", { need: ["states", "outline", "classifier"],
      onMessage: (message) => (Object.assign(now, { maps: message, x_t: null }), refresh()),
      onResult: (result) => {
        if (result) accurate(result);
        first();
      } });

    function accurate({ right, x_t }) {
      now.x_t = x_t;
      api.output("accuracy", right.learnt);
      api.output("accuracy-floor", right.exact);
      refresh();
    }
    function turn() {
      believe();
      for (const name of ["accuracy", "accuracy-floor"]) api.output(name, "…");
      maps({ t: t.value, seed: api.seed });
    }
    function move(point) {
      now.point = point;
      believe();
    }
    function believe() {
      now.belief = beliefs(ideal, network, Float32Array.from(now.point), t.value);
      bars(now.belief);
      api.output("t", t.value);
      const best = now.belief.exact.indexOf(Math.max(...now.belief.exact));
      api.summary(`The point at ${now.point.map((v) => v.toFixed(2)).join(", ")}, t = ${t.value}: most probably ` +
        `${STATE_NAMES[best]}, ${Math.round(100 * now.belief.exact[best])}% exactly, ` +
        `${Math.round(100 * now.belief.learnt[best])}% by the classifier.`);
      refresh();
    }
    function refresh() {
      views.forEach(({ picture }) => picture.refresh());
    }
    await breathe();
    maps({ t: t.value, seed: api.seed });
    await breathe();
    believe();
    await shown; // the first maps are there before the reader has done anything
  },
});
