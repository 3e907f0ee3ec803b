/** The labs of a page: who they are, when they start, and what each may use. */

import { breathe } from "./breathe.js";
import { dataArrived, decode, loadData } from "./data.js";
import { dial } from "./dial.js";
import { loadKernel } from "./kernel.js";
import { Runner, serve } from "./worker.js";

const LABS = new Map();
const NEAR = "600px"; // a lab starts this far before it comes into the window

/** @typedef {{data?: string[], jobs?: Object<string, GeneratorFunction>, mount: Function}} Lab */

/** Make a lab known. @param {string} name as in `data-lab`  @param {Lab} of */
export function lab(name, of) {
  LABS.set(name, of);
}

/** Start: in a worker wait for jobs, in a page mount each lab when it comes near. `program` is all of this script. */
export function startLabs(program) {
  if (typeof document === "undefined") return serve(globalThis, (name) => LABS.get(name).jobs);
  const from = document.currentScript?.src ?? document.baseURI;
  const address = (file) => Object.assign(new URL(file, from), { search: new URL(from).search }).href;
  let url = null;
  const workerUrl = () => (url ??= URL.createObjectURL(new Blob([program], { type: "text/javascript" })));
  const near = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      mountLab(target, address, workerUrl);
    }
  }, { rootMargin: NEAR });
  document.querySelectorAll("[data-lab]").forEach((el) => near.observe(el));
}

/** Put the lab into its element, and take the figure away; or say that it does not work here. */
async function mountLab(el, address, workerUrl) {
  const name = el.dataset.lab, still = [...el.childNodes], stage = document.createElement("div");
  stage.className = "lab-stage";
  stage.setAttribute("role", "group");
  try {
    const of = LABS.get(name);
    if (!of) throw new Error(`there is no lab ${name}`);
    await loadKernel();
    const api = new LabApi(el, stage, address, workerUrl);
    for (const need of of.data ?? []) await api.load(need);
    el.append(stage);
    still.forEach((node) => node.remove());
    await breathe();
    await of.mount(stage, api);
    if (el.dataset.error === undefined) el.dataset.state = "idle";
    stage.append(api.live);
    el.dataset.mounted = "";
  } catch (error) {
    stage.remove();
    el.replaceChildren(...still);
    failed(el, error);
  }
}

/** Mark an element whose lab did not start, and say so; the figure stays. */
function failed(el, error) {
  el.dataset.state = "failed";
  el.dataset.error = error.message;
  const text = "The lab that belongs here does not start in this browser; the text does not depend on it.";
  el.append(Object.assign(document.createElement("p"), { className: "lab-sentence", textContent: text }));
}

const NOT_DONE = "The lab could not do what you asked for. Try again, or load the page anew.";
/** What an output says while its number is made, and while there is none. */
const AWAITED = "…", NONE = "–";

/** What a lab is given. */
class LabApi {
  constructor(el, stage, address, workerUrl) {
    [this.el, this.stage, this.address] = [el, stage, address];
    this.name = el.dataset.lab;
    this.seed = Number(el.dataset.seed ?? 0);
    this.data = {};
    this.still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    this.live = Object.assign(document.createElement("p"), { className: "lab-summary" });
    this.live.setAttribute("aria-live", "polite");
    this.trouble = Object.assign(document.createElement("p"), { className: "lab-sentence" });
    this.trouble.setAttribute("role", "alert");
    this.runner = null;
    this.workerUrl = workerUrl;
  }

  /** A data set or a network, for use in the page; kept. */
  async load(name) {
    const data = await loadData(name, this.address);
    await breathe();
    return (this.data[name] ??= decode(data));
  }

  /** Set `data-state`: idle, running, done, failed. */
  state(name) {
    this.el.dataset.state = name;
  }

  /** Set the `<output>` of that name; numbers are shown with so many digits after the point. */
  output(name, value, digits = 3) {
    const text = typeof value === "number" && !Number.isInteger(value) ? value.toFixed(digits) : String(value);
    this.stage.querySelector(`output[name="${name}"]`).value = text;
  }

  /** What the picture shows, for those who do not see it; spoken when nothing has changed for a moment. */
  summary(text) {
    clearTimeout(this.speak);
    this.speak = setTimeout(() => (this.live.textContent = text), 400);
  }

  /** Run a job of this lab in its worker, see README.md. @returns {{done: Promise, stop: Function}} */
  run(job, args, { need = [], onMessage } = {}) {
    this.runner ??= new Runner(this.name, this.workerUrl(), (data) => loadData(data, this.address));
    this.state("running");
    this.#tell(null);
    const run = this.runner.run(job, args, { need, onMessage });
    run.done.then((result) => this.#settled("done", result), (error) => this.#settled("failed", null, error));
    return run;
  }

  /** After a run: the state, unless another goes on; what was awaited in vain is awaited no more, and a failure is told. */
  #settled(state, result, error = null) {
    if (this.runner.current) return;
    this.state(state);
    if (error) this.#tell(error);
    if (result !== null) return;
    for (const out of this.stage.querySelectorAll("output")) if (out.value === AWAITED) out.value = NONE;
  }

  /** Tell the reader of a failure, or, with null, no longer. */
  #tell(error) {
    if (!error) {
      delete this.el.dataset.error;
      return this.trouble.remove();
    }
    this.el.dataset.error = error.message;
    this.stage.append(this.trouble);
    this.trouble.textContent = NOT_DONE;
  }

  /** A `dial` whose job has one result: the newest args win, and each run that is begun comes to its end. */
  latest(job, { need = [], onResult }) {
    const finished = (result, args) => result !== null && onResult(result, args);
    return dial(this, job, { need, onResult: finished });
  }
}

