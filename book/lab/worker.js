/** The labs' heavy work: in a worker, one job at a time; and the page's end of it. */

import { decode } from "./data.js";
import { kernel, loadKernel } from "./kernel.js";

/** Longest time without looking whether the page wants a job stopped, milliseconds. */
const PATIENCE = 20;
/** How long the page waits for a job to stop before it ends the worker, milliseconds. */
const GRACE = 400;

/** In the worker: take data and jobs, in order; `jobsOf` gives the jobs of a lab by its name. */
export function serve(scope, jobsOf) {
  const data = {}, stopped = new Set();
  const pause = pauser();
  let queue = Promise.resolve();

  async function perform({ id, lab, job, args }) {
    const k = kernel(), mark = k.top;
    scope.postMessage({ id, begun: true });
    try {
      const steps = jobsOf(lab)[job](args, data);
      let asked = performance.now(), step = { done: false };
      while (!stopped.has(id) && !(step = steps.next()).done) {
        if (step.value !== undefined) scope.postMessage({ id, message: step.value });
        if (step.value === undefined && performance.now() - asked < PATIENCE) continue;
        await pause();
        asked = performance.now();
      }
      scope.postMessage({ id, end: true, value: step.done ? step.value : null });
    } catch (error) {
      scope.postMessage({ id, end: true, error: String(error.message ?? error) });
    } finally {
      k.top = mark; // what a job made in the kernel's memory is gone
      stopped.delete(id);
    }
  }

  scope.onmessage = ({ data: q }) => {
    if (q.stop) stopped.add(q.stop);
    else if (q.relaxed !== undefined) queue = queue.then(() => loadKernel(q));
    else if (q.give) queue = queue.then(() => void (data[q.give] = decode(q)));
    else queue = queue.then(() => perform(q));
  };
}

/** A function that lets waiting messages in. */
function pauser() {
  const { port1, port2 } = new MessageChannel();
  let go = null;
  port1.onmessage = () => go();
  return () => new Promise((resolve) => {
    go = resolve;
    port2.postMessage(null);
  });
}

/** In the page: a lab's worker, made when first needed. */
export class Runner {
  /** @param {string} lab its name  @param {string} url the program of the worker  @param {Function} load of data */
  constructor(lab, url, load) {
    [this.lab, this.url, this.load] = [lab, url, load];
    this.count = 0;
    this.current = null;
    this.performed = 0; // the id of the run whose job is at work, or was last
  }

  #worker() {
    if (!this.worker) {
      this.worker = new Worker(this.url);
      this.worker.postMessage({ relaxed: kernel().relaxed });
      this.given = new Set();
    }
    return this.worker;
  }

  /** End the worker at once; the next job gets another. */
  end() {
    this.#drop();
    this.current?.finish({ value: null });
  }

  #drop() {
    this.worker?.terminate();
    this.worker = null;
  }

  /**
   * Run a job after stopping the one before it.
   * @returns {{done: Promise, stop: Function}} done gives what the job returned, or null if it was stopped
   */
  run(job, args = {}, { need = [], onMessage = () => {} } = {}) {
    this.current?.stop();
    const id = ++this.count, run = { id, over: false };
    run.done = new Promise((resolve, reject) => {
      run.finish = ({ error, value }) => {
        run.over = true;
        clearTimeout(run.timer);
        if (this.current === run) this.current = null;
        if (error === undefined) resolve(value);
        else reject(new Error(error));
      };
    });
    run.stop = () => this.#stop(run);
    this.current = run;
    const failed = (error) => run.finish({ error: error.message });
    run.begin = () => this.#start(run, job, args, need, onMessage).catch(failed);
    run.begin();
    return { done: run.done, stop: run.stop };
  }

  #stop(run) {
    if (run.over || run.timer) return;
    this.worker?.postMessage({ stop: run.id });
    run.timer = setTimeout(() => {
      if (!this.current || this.current === run) return this.end();
      if (this.performed === run.id) this.#again();
      run.finish({ value: null }); // or it waits behind another
    }, GRACE);
  }

  /** Another worker for the current run, in place of one whose job does not stop. */
  #again() {
    this.#drop();
    if (this.current.asked) this.current.begin(); // otherwise it waits for data, and asks another worker by itself
  }

  async #start(run, job, args, need, onMessage) {
    const given = await Promise.all(need.map(async (name) => [name, await this.load(name)]));
    if (run.timer || run.over) return run.finish({ value: null });
    const worker = this.#worker();
    for (const [name, { about, bytes }] of given)
      if (!this.given.has(name)) worker.postMessage({ give: this.given.add(name) && name, about, bytes });
    this.#listen(worker, run, onMessage);
    run.asked = true;
    worker.postMessage({ id: run.id, lab: this.lab, job, args });
  }

  /** Take what the worker says of a run until its end; of a stopped one only that. */
  #listen(worker, run, onMessage) {
    const failed = (event) => run.over || run.finish({ error: event.message || "the worker failed" });
    const listen = ({ data: q }) => {
      if (q.id !== run.id) return;
      if (q.begun) return void (this.performed = run.id);
      if (!q.end) return run.over || run.timer ? undefined : onMessage(q.message);
      worker.removeEventListener("message", listen);
      worker.removeEventListener("error", failed);
      if (!run.over) run.finish(run.timer ? { value: null } : q);
    };
    worker.addEventListener("message", listen);
    worker.addEventListener("error", failed);
  }
}
