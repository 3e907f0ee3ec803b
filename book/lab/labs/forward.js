/** Chapter 2: how a thousand points dissolve, under one schedule or another, while their variance stays one. */

import { Picture } from "../canvas.js";
import { Chart } from "../chart.js";
import { button, controls, make, menu, outputs, select, sentence, slider, stateLegend } from "../controls.js";
import { lab } from "../lab.js";
import { stream } from "../random.js";
import { SCHEDULES } from "../schedule.js";

const COUNT = 1000, T = 500;
const NAMES = [["linear", "linear"], ["cosine", "cosine"], ["sigmoid", "sigmoid"], ["scaled_linear", "scaled linear"],
  ["sech", "sech"]];

/** Mean over both coordinates of the variance of x (n, 2). */
function varianceOf(x) {
  const n = x.length / 2, sums = [0, 0, 0, 0];
  x.forEach((v, i) => ((sums[i & 1] += v), (sums[2 + (i & 1)] += v * v)));
  return [0, 1].reduce((total, c) => total + (sums[2 + c] / n - (sums[c] / n) ** 2) / 2, 0);
}

/** `count` of the points with their labels, and one noise for each, drawn from the seed. */
function drawSome({ x, y }, seed, count) {
  const random = stream("forward", seed), rows = random.permutation(y.length).subarray(0, count);
  return {
    x_0: Float32Array.from({ length: 2 * count }, (_, i) => x[2 * rows[i >> 1] + (i & 1)]),
    y: Uint8Array.from(rows, (i) => y[i]),
    eps: random.randn(2 * count),
  };
}

function drawChart(chart, { schedule, t, variance }) {
  const times = Array.from({ length: T + 1 }, (_, k) => k), [blue, red] = [chart.stateColour(0), chart.stateColour(3)];
  chart.axes();
  chart.curve(times, schedule.alpha_bar, { colour: blue });
  chart.curve(times, schedule.alpha_bar.map((a) => 1 - a), { colour: red });
  chart.cursor(t);
  chart.dot(t, schedule.alpha_bar[t], { colour: blue });
  chart.dot(t, 1 - schedule.alpha_bar[t], { colour: red });
  chart.dot(t, variance, { colour: chart.colour("--lab-ink") });
  chart.legend([["data", blue], ["noise", red], ["measured sum", chart.colour("--lab-ink")]]);
}

function drawPicture(picture, { x_t, some, schedule, t }, layer) {
  const mean = some.x_0.map((v) => v * Math.sqrt(schedule.alpha_bar[t]));
  if (layer("mean")) picture.points(mean, { colour: picture.colour("--lab-grey"), size: 1.5, alpha: 0.5 });
  if (layer("noise")) {
    const few = 2 * 60;
    picture.arrows(mean.subarray(0, few), x_t.subarray(0, few).map((v, i) => v - mean[i]), { width: 0.8, alpha: 0.5 });
  }
  if (layer("points")) picture.points(x_t, { y: some.y, size: 2.5 });
}

lab("forward", {
  data: ["states"],
  mount(el, api) {
    let seed = api.seed, some = drawSome(api.data.states, seed, COUNT), now = null;
    sentence(el, "Drag t with each schedule in turn: where can you no longer tell Ohio from Wisconsin?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const picture = new Picture(pictures, { label: "The points at time t", limit: 3.6 });
    const chart = new Chart(pictures, { label: "Shares of data and noise in the variance, over t", x: [0, T], y: [0, 1.2],
      xTicks: [0, 100, 200, 300, 400, 500], yTicks: [0, 0.5, 1], xName: "t" });
    stateLegend(el);
    const row = controls(el);
    const t = slider(row, { name: "t", label: "t", min: 0, max: T, value: 0, onInput: () => show() });
    const kind = select(row, { name: "schedule", label: "schedule", options: NAMES, onChange: () => show() });
    button(row, { name: "noise", label: "New noise", onClick: () => {
      some = drawSome(api.data.states, ++seed, COUNT);
      show();
    } });
    const layer = menu(row, { points: true, mean: false, noise: false }, { onChange: () => picture.refresh(),
      onSave: () => picture.save("forward.png", `${now.schedule.name}, t = ${now.t}, seed ${seed}`) });
    outputs(el, { t: "t", variance: "variance" });
    sentence(el, "Every schedule trades data for noise at its own pace, and the sum of the two variances stays 1.");

    function show() {
      const schedule = SCHEDULES[kind.value]({ T }), x_t = schedule.q_sample(some.x_0, t.value, some.eps);
      now = { schedule, t: t.value, x_t, some, variance: varianceOf(x_t) };
      api.output("t", now.t);
      api.output("variance", now.variance);
      const share = (100 * schedule.alpha_bar[now.t]).toFixed(0);
      api.summary(`${COUNT} points at t = ${now.t}, ${kind.value.replace("_", " ")} schedule: data make ${share}% of ` +
        `the variance, noise ${100 - share}%.`);
      picture.refresh();
      chart.refresh();
    }
    picture.draw = () => drawPicture(picture, now, layer);
    chart.draw = () => drawChart(chart, now);
    show();
  },
});
