/** The first page: a cloud of noise becomes five states. */

import { Picture } from "../canvas.js";
import { button, controls, make, menu, outputs, sentence, slider } from "../controls.js";
import { denoiser } from "../denoiser.js";
import { lab } from "../lab.js";
import { PointSet } from "../points.js";
import { stream } from "../random.js";
import { ddim } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";

const HERO = 2000, STEPS = 80, FRAME = 45; // milliseconds for each step
/** Times of the walk: closer together where the map appears. */
const WALK = [...new Set(Array.from({ length: STEPS + 1 }, (_, k) => Math.round(500 * (1 - k / STEPS) ** 2)))];

/** The state to which the nearest of the points belongs. @returns {Uint8Array} (n,) */
function arrivals(x, states) {
  const points = new PointSet(states.x, states.y), far = points.sizes.map((_, k) => points.distance(x, k));
  const nearest = (i) => far.reduce((best, d, k) => (d[i] < far[best][i] ? k : best), 0);
  return Uint8Array.from({ length: x.length / 2 }, (_, i) => nearest(i));
}

lab("hero", {
  jobs: {
    /** Every x_t of the walk from noise to the map, and the state at which each point arrives. */
    *walk({ seed }, { fourier, states }) {
      const schedule = NoiseSchedule.linear({ T: 500 }), x_T = stream("hero", seed).randn(2 * HERO), path = [];
      const how = { steps: WALK, eta: 1, random: stream("sample", seed) };
      for (const x of ddim(denoiser(fourier), schedule, x_T, how)) {
        path.push(x);
        yield;
      }
      return { path, y: arrivals(path.at(-1), states) };
    },
  },
  mount(el, api) {
    let walk = null, walking = null, timer = 0;
    sentence(el, "Press Play: two thousand points of noise find their way, and nobody has told them where to.");
    const picture = new Picture(make(el, "div", { className: "lab-pictures" }), { label: "Points at time t", limit: 2.3 });
    const row = controls(el);
    const play = button(row, { name: "play", label: "Play", onClick: () => (timer ? stop() : start()) });
    const at = slider(row, { name: "t", label: "t", min: 0, max: WALK.length - 1, value: 0,
      format: (k) => String(WALK[k]), onInput: () => {
        stop();
        ready().then((there) => there && show());
      } });
    make(row, "a", { className: "lab-button", href: "draw.html", textContent: "Draw your own" });
    const layer = menu(row, { colours: true }, { onChange: () => picture.refresh(),
      onSave: () => picture.save("states.png", `DDIM, eta 1, ${WALK.length - 1} steps, t = ${WALK[at.value]}, seed ${api.seed}`) });
    outputs(el, { t: "t" });
    sentence(el, "The colour of a point is that of the state at which it arrives, known here because the walk has " +
      "been taken once already. Every step adds fresh noise, so at the start the colours are mixed: nothing is decided.");

    /** The walk, taken once; null if that failed, and then the next call tries again. */
    function ready() {
      const run = () => api.run("walk", { seed: api.seed }, { need: ["fourier", "states"] }).done.catch(() => null);
      walking ??= run().then((found) => {
        if (!found) walking = null;
        return (walk = found);
      });
      return walking;
    }
    async function start() {
      play.disabled = true;
      const there = await ready();
      play.disabled = false;
      if (!there) return;
      play.textContent = "Stop";
      if (at.value >= WALK.length - 1) at.value = 0;
      if (api.still) at.value = WALK.length - 1; // no movement: the end at once
      timer = setInterval(step, FRAME);
      api.state("running");
      show();
    }
    function step() {
      if (at.value >= WALK.length - 1) return stop();
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
      const t = WALK[at.value];
      api.output("t", t);
      api.summary(t ? `${HERO} points at t = ${t}, on their way from noise to the map.` : "The five states.");
      picture.refresh();
    }
    const x_T = stream("hero", api.seed).randn(2 * HERO);
    picture.draw = () => (walk ? picture.points(walk.path[at.value], { y: layer("colours") ? walk.y : null, size: 2 })
      : picture.points(x_T, { colour: picture.colour("--lab-grey"), size: 2 }));
    api.output("t", WALK[0]);
    picture.refresh();
  },
});
