/** Chapter 1: a kernel density estimate of the data, from melted states to single grains, and how it likes points. */

import { gridPoints, Picture } from "../canvas.js";
import { Chart } from "../chart.js";
import { controls, make, menu, outputs, sentence, slider } from "../controls.js";
import { KernelDensity, scottsBandwidth } from "../kde.js";
import { lab } from "../lab.js";
import { freshDraw } from "../outline.js";
import { stream } from "../random.js";

/** Every tenth of the data, as many as are held out. */
const TENTH = 10, HELD_OUT_COUNT = 500, NARROW_BANDWIDTH = 0.1;

const meanOfValues = (values) => values.reduce((a, b) => a + b, 0) / values.length;

/** The estimate with bandwidth h: its density on a grid, and the NLL of held-out points and of the data's own. */
function estimateOf({ h, held_out }, { states }) {
  const kde = new KernelDensity(states.x, h), side = h < NARROW_BANDWIDTH ? 90 : 44; // a broad one needs no fine grid
  const values = Float32Array.from(kde.log_density(gridPoints(side)), Math.exp);
  const own = kde.log_density(states.x.filter((_, i) => (i >> 1) % TENTH === 0));
  return { h, side, values, nll: -meanOfValues(kde.log_density(held_out)), own: -meanOfValues(own) };
}

/** The dots of all bandwidths tried, those of the present one larger. */
function drawTried(chart, tried, now) {
  const [ink, red] = [chart.colour("--lab-ink"), chart.stateColour(3)];
  chart.axes();
  chart.cursor(scottsBandwidth(5000));
  for (const { h, nll, own } of tried.values()) {
    const size = h === now?.h ? 5 : 2.5, [px, py] = chart.at(h, own);
    for (const s of [-1, 1]) chart.line([[px - size, py - s * size], [px + size, py + s * size]], { colour: red });
    chart.dot(h, nll, { colour: ink, size });
  }
  chart.legend([["held out ●", ink], ["the data's own ✕", red], ["Scott's h", chart.colour("--lab-grey")]]);
}

lab("bandwidth", {
  data: ["states", "outline"],
  jobs: {
    *estimate(args, data) { return estimateOf(args, data); },
  },
  mount(el, api) {
    const { states, outline } = api.data, held_out = freshDraw(outline, HELD_OUT_COUNT, stream("held out", api.seed)).x;
    const tried = new Map();
    let now = null;
    sentence(el, "Drag h from one end to the other: where do the states melt together, and where do the bands break " +
      "up into grains?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const picture = new Picture(pictures, { label: "The density estimate" });
    const chart = new Chart(pictures, { label: "NLL over the bandwidth, for the bandwidths tried", x: [0, 0.42],
      y: [-0.5, 3], xTicks: [0, 0.1, 0.2, 0.3, 0.4], yTicks: [0, 1, 2, 3], xName: "bandwidth h" });
    const row = controls(el);
    const dial = slider(row, { name: "h", label: "bandwidth h", min: 0.005, max: 0.42, step: 0.005, value: 0.24,
      format: (v) => v.toFixed(3), onInput: () => ask() });
    const layer = menu(row, { density: true, points: false }, { onChange: () => picture.refresh(),
      onSave: () => picture.save("bandwidth.png", `kernel density estimate of 5,000 points, h = ${now?.h}`) });
    outputs(el, { h: "h", nll: "NLL of 500 held-out points", "nll-own": "of the data's own points" });
    sentence(el, "Each bandwidth you try leaves two marks. As long as the bump is wider than the band, a finer one " +
      "fits both better. Below that, the estimate still improves on its own points and gets worse for all others: it " +
      "has begun to describe the grains.");

    const estimate = api.latest("estimate", { need: ["states"], onResult: show });
    const ask = () => estimate({ h: dial.value, held_out });
    function show(found) {
      if (!now) api.state("idle"); // the first one was not asked for by the reader
      now = found;
      tried.set(found.h, found);
      api.output("h", found.h);
      api.output("nll", found.nll);
      api.output("nll-own", found.own);
      api.summary(`Bandwidth ${found.h}: NLL ${found.nll.toFixed(2)} for held-out points, ${found.own.toFixed(2)} ` +
        "for the data's own.");
      picture.refresh();
      chart.refresh();
    }
    picture.draw = () => {
      if (now && layer("density")) picture.density(now.values, now.side);
      if (layer("points")) picture.points(states.x, { y: states.y, size: 1.5 });
    };
    chart.draw = () => drawTried(chart, tried, now);
    ask();
  },
});
