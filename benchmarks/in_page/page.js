/** On every page that is measured, before anything else: long tasks, what workers say, and how a lab is used. */

globalThis.longTasks = []; // those of more than 50 ms, by the browser's own definition
new PerformanceObserver((list) => longTasks.push(...list.getEntries().map((entry) => entry.duration)))
  .observe({ type: "longtask", buffered: true });

const PlainWorker = Worker;
globalThis.heard = null;
globalThis.Worker = class extends PlainWorker {
  constructor(...args) {
    super(...args);
    this.addEventListener("message", ({ data }) => globalThis.heard?.(data?.message ?? data?.value));
  }
};

/** A worker with that program, for in_page/worker.js. */
globalThis.startMeasuring = (program) => {
  globalThis.measured = new PlainWorker(URL.createObjectURL(new Blob([program], { type: "text/javascript" })));
};

globalThis.measure = (task, args) => new Promise((resolve, reject) => {
  measured.onmessage = ({ data }) => ("error" in data ? reject(new Error(data.error)) : resolve(data.value));
  measured.onerror = (event) => reject(new Error(event.message));
  measured.postMessage({ task, args });
});

const wait = (ms) => new Promise((go) => setTimeout(go, ms));
const pointsIn = (m) => (m?.shown ?? m?.learnt)?.n ?? (m?.x_0?.length ?? 0) / 2;

/** Move a control as a hand does. */
globalThis.turn = (name, value) => {
  const el = document.querySelector(`.lab [name="${name}"]`);
  el.value = value;
  el.dispatchEvent(new Event(el.tagName === "SELECT" ? "change" : "input", { bubbles: true }));
};

/** Milliseconds from a slider's movement to the frame that shows `n` points or more. */
globalThis.answer = (name, value, n) => new Promise((resolve) => {
  const begun = performance.now();
  heard = (message) => {
    if (pointsIn(message) < n) return;
    heard = null;
    requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - begun)));
  };
  turn(name, value);
});

/** Use a lab: press all that is not folded, wait, move every slider to and fro, choose everything in every menu. */
globalThis.useLab = async (pause) => {
  const all = (what) => [...document.querySelectorAll(`.lab ${what}`)].filter((el) => el.checkVisibility());
  for (const el of all("button")) {
    if (!el.isConnected || el.closest("details") || el.disabled) continue;
    el.click();
    await wait(pause);
  }
  for (const { name, min, max } of all("input[type=range]")) {
    for (let k = 0; k <= 40; k++) {
      const share = k <= 20 ? k / 20 : 2 - k / 20;
      if (document.querySelector(`.lab [name="${name}"]`)) turn(name, Number(min) + share * (max - min));
      await wait(16);
    }
    await wait(pause);
  }
  for (const { name, options } of all("select"))
    for (const { value } of [...options]) {
      turn(name, value);
      await wait(pause / 2);
    }
};
