/** The first page: a cloud of noise becomes five states. */

import { Picture } from "../canvas.js";
import { button, controls, make, outputs, sentence, slider } from "../controls.js";
import { denoiser } from "../denoiser.js";
import { rowsNearest } from "../nearest.js";
import { lab } from "../lab.js";
import { stream } from "../random.js";
import { ddim, ddim_times } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";

const COUNT = 2000, STEPS = 80, T = 500, FRAME = 45; // milliseconds for each step
/** Times of the walk: closer together where the map appears. */
const TIMES = Array.from({ length: STEPS + 1 }, (_, k) => Math.round(T * ((STEPS - k) / STEPS) ** 2));

lab("hero", {
  data: ["states"],
  jobs: {
    /** Every x_t of the walk from noise to the map, and the state at which each point arrives. */
    *walk({ seed }, { fourier, states }) {
      const schedule = NoiseSchedule.linear({ T }), x_T = stream("hero", seed).randn(2 * COUNT), path = [];
      const times = [...new Set(TIMES)];
      for (const x of ddim(denoiser(fourier), schedule, x_T, { steps: times })) {
        path.push(x);
        yield;
      }
      return { path, times, y: rowsNearest(path.at(-1), states.x).map((row) => states.y[row]) };
    },
  },
  mount(el, api) {
    let walk = null, timer = 0;
    sentence(el, "Press Play.");
    const picture = new Picture(make(el, "div", { className: "lab-pictures" }), { label: "Points at time t" });
    const row = controls(el);
    const play = button(row, { name: "play", label: "Play", onClick: () => (timer ? stop() : start()) });
    const at = slider(row, { name: "t", label: "t", min: 0, max: 1, value: 0, format: (k) => String(walk?.times[k] ?? T),
      onInput: () => {
        stop();
        ready().then(show);
      } });
    make(row, "a", { className: "lab-button", href: el.closest("[data-draw]")?.dataset.draw ?? "draw.html",
      textContent: "Draw your own" });
    outputs(el, { t: "t" });

    async function ready() {
      if (walk) return;
      walk = await api.run("walk", { seed: api.seed }, { need: ["fourier", "states"] }).done;
      at.el.max = walk.times.length - 1;
    }
    async function start() {
      play.disabled = true;
      await ready();
      play.disabled = false;
      play.textContent = "Stop";
      if (at.value >= walk.times.length - 1) at.value = 0;
      if (api.still) at.value = walk.times.length - 1; // no movement: the end at once
      timer = setInterval(step, FRAME);
      show();
    }
    function step() {
      if (at.value >= walk.times.length - 1) return stop();
      at.value = at.value + 1;
      show();
    }
    function stop() {
      clearInterval(timer);
      timer = 0;
      play.textContent = "Play";
      api.state("done");
    }
    function show() {
      const t = walk.times[at.value];
      api.output("t", t);
      api.summary(t ? `${COUNT} points at t = ${t}, on their way from noise to the map.` : "The five states.");
      picture.refresh();
    }
    const x_T = stream("hero", api.seed).randn(2 * COUNT);
    picture.draw = () => (walk ? picture.points(walk.path[at.value], { y: walk.y, size: 2 })
      : picture.points(x_T, { colour: picture.colour("--lab-grey"), size: 2 }));
    api.output("t", T);
    picture.refresh();
  },
});
