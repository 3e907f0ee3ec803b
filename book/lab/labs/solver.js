/** Chapter 14: one start, the path that the equation prescribes, and what a solver with few evaluations makes of it. */

import { breathe } from "../breathe.js";
import { Picture } from "../canvas.js";
import { button, controls, legendOf, make, menu, outputs, select, sentence, slider } from "../controls.js";
import { denoiser } from "../denoiser.js";
import { handle } from "../handle.js";
import { lab } from "../lab.js";
import { stream } from "../random.js";
import { last } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";
import { dpm_solver, euler, heun } from "../solvers.js";

const SOLVER_FINE = 120, SOLVER_LIMIT = 2.7, SOLVER_START = [0.5, -0.15], BUDGETS = [1, 2, 3, 5, 7, 9, 11, 15, 21, 31];
const SOLVERS = { euler: ["Euler", 1], heun: ["Heun", 2], dpm_solver: ["DPM-Solver++, order 3", 1] };
const GRID_WORDS = [["eased", "eased"], ["logsnr", "log-SNR"], ["uniform", "evenly spaced"]];
const SOLVER_LAYERS = { "exact path": true, "the solver's stops": true, "ends, all budgets": false };

/** How many steps a solver can pay for with so many evaluations. Heun's steps cost two each, the last of them one. */
export function stepsFor(solver, evaluations) {
  return solver === "heun" ? Math.floor((evaluations + 1) / 2) : evaluations;
}

/** The places that a solver visits from a start, [[x, y], ...]. */
export function solverWay(predictor, schedule, start, { solver, evaluations, grid }) {
  const run = { euler, heun, dpm_solver }[solver], steps = stepsFor(solver, evaluations);
  return Array.from(run(predictor, schedule, Float32Array.from(start), { steps, grid }), ([x, y]) => [x, y]);
}

class SolverLab {
  constructor(el, api) {
    Object.assign(this, { api, seed: api.seed, start: SOLVER_START, schedule: NoiseSchedule.linear() });
    this.predictor = denoiser(api.data.fourier);
    sentence(el, "Which solver comes near the end of the path with the fewest evaluations? Then move the start, and " +
      "look for one that is hard for all of them.");
    const pictures = make(el, "div", { className: "lab-pictures" });
    this.picture = new Picture(pictures, { label: "", limit: SOLVER_LIMIT });
    const side = make(pictures, "div", { className: "lab-side" });
    const entries = [["○", "the start, pure noise"], ["—", "the path, by 120 evaluations"], ["●", "where the solver stops"],
      ["✕", "where it ends"]];
    legendOf(side, entries);
    outputs(side, { asked: "evaluations", miss: "from the end of the path", coast: "from the nearest coast" });
    this.#controls(controls(el));
    sentence(el, "A step of Euler's leaves a bend on its outside. Heun's asks twice and turns in, but needs short " +
      "steps; DPM-Solver++ remembers what it was told before. Evenly spaced times help none of them. Starts near a " +
      "border between two regions are hard: there a small error decides on another state, and many a sample that is " +
      "far from where it should be still lies on a coast.");
    handle(this.picture, { get: () => this.start, set: (place) => this.place(place),
      label: "The start of one path on the map; the arrow keys move it." });
  }

  #controls(row) {
    const onChange = () => this.change();
    const options = Object.entries(SOLVERS).map(([name, [words]]) => [name, words]);
    this.solver = select(row, { name: "solver", label: "solver", options, value: "euler", onChange });
    this.grid = select(row, { name: "grid", label: "times", options: GRID_WORDS, value: "eased", onChange });
    this.budget = slider(row, { name: "evaluations", label: "evaluations", min: 0, max: BUDGETS.length - 1, value: 4,
      format: (k) => String(BUDGETS[k]), onInput: onChange });
    button(row, { name: "draw", label: "New start", onClick: () => {
      const random = stream("solver", ++this.seed);
      this.place([random.normal(), random.normal()].map((v) => Math.max(-2.5, Math.min(2.5, v))));
    } });
    this.layer = menu(row, SOLVER_LAYERS, { onChange: () => this.show(), onSave: () => this.picture.save("solver.png",
      `${SOLVERS[this.solver.value][0]}, ${BUDGETS[this.budget.value]} evaluations, times ${this.grid.value}`) });
    this.picture.draw = () => this.draw();
  }

  place(at) {
    this.start = at;
    this.change();
  }

  change() {
    const { predictor, schedule, start, api } = this, [solver, grid] = [this.solver.value, this.grid.value];
    const fine = { solver: "dpm_solver", evaluations: SOLVER_FINE, grid: "logsnr" };
    if (this.fineFrom !== start) [this.fineFrom, this.fine] = [start, solverWay(predictor, schedule, start, fine)];
    const evaluations = BUDGETS[this.budget.value];
    this.way = solverWay(predictor, schedule, start, { solver, evaluations, grid });
    const steps = stepsFor(solver, evaluations), asked = solver === "heun" ? 2 * steps - 1 : steps;
    const end = this.way.at(-1), goal = this.fine.at(-1), miss = Math.hypot(end[0] - goal[0], end[1] - goal[1]);
    const coast = this.#toCoast(end);
    api.output("asked", asked, 0);
    api.output("miss", miss);
    api.output("coast", coast);
    api.summary(`${SOLVERS[solver][0]} with ${asked} evaluation${asked > 1 ? "s" : ""} ends ${miss.toFixed(3)} from ` +
      `the end of the path, ${coast.toFixed(3)} from the nearest coast.`);
    this.show();
  }

  show() {
    this.api.state("done");
    this.picture.refresh();
  }

  #toCoast([x, y]) {
    const all = this.api.data.outline.x;
    let least = Infinity;
    for (let k = 0; k < all.length; k += 2) least = Math.min(least, (all[k] - x) ** 2 + (all[k + 1] - y) ** 2);
    return Math.sqrt(least);
  }

  draw() {
    if (!this.way) return;
    const { picture, layer } = this, colour = (name) => picture.colour(`--lab-${name}`), at = ([x, y]) => picture.at(x, y);
    picture.points(this.api.data.outline.x, { colour: colour("grey"), size: 1.2, alpha: 0.6 });
    if (layer("exact path")) picture.line(this.fine.map(at), { colour: colour("ink"), width: 2.5 });
    picture.line(this.way.map(at), { colour: colour("accent"), width: 1.8, dash: [6, 4] });
    if (layer("the solver's stops")) for (const place of this.way.slice(1, -1)) this.picture.disc(at(place), 3.5, colour("accent"));
    if (layer("ends, all budgets")) this.#allEnds(colour("grey"));
    this.#cross(at(this.way.at(-1)), colour("accent"));
    this.picture.disc(at(this.fine.at(-1)), 4.5, colour("ink"));
    this.picture.ring(at(this.start), 7, colour("ink"));
  }

  /** Small discs where this solver ends with each of the budgets. */
  #allEnds(colour) {
    for (const evaluations of BUDGETS) {
      const run = { solver: this.solver.value, evaluations, grid: this.grid.value };
      const end = last(solverWay(this.predictor, this.schedule, this.start, run));
      this.picture.disc(this.picture.at(...end), 3, colour);
    }
  }

  #cross([x, y], colour) {
    for (const s of [-1, 1]) this.picture.line([[x - 6, y - 6 * s], [x + 6, y + 6 * s]], { colour, width: 3 });
  }
}

lab("solver", {
  data: ["outline", "fourier"],
  async mount(el, api) {
    const made = new SolverLab(el, api);
    await breathe();
    made.change();
    api.state("idle");
  },
});
