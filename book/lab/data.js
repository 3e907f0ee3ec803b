/** Data sets and weights: each is a script of its own, `lab-NAME.js`, loaded when a lab first needs it. */

import { bytesOf } from "./kernel.js";
import { Network } from "./network.js";

const arrived = new Map(); // name -> {about, bytes}
const loading = new Map(); // name -> Promise of it

/** Called by the script of a data set. @param {string} name  @param {object} about  @param {string} text base64 */
export function dataArrived(name, about, text) {
  arrived.set(name, { about, bytes: bytesOf(text) });
}

/** The bytes of a data set. @returns {Promise<{about: object, bytes: Uint8Array}>} */
export function loadData(name, address) {
  if (!loading.has(name)) {
    const found = loadScript(address(`lab-${name}.js`)).then(() => arrived.get(name));
    loading.set(name, found);
    found.catch(() => loading.delete(name));
  }
  return loading.get(name);
}

function loadScript(src) {
  return new Promise((resolve, reject) => {
    const script = Object.assign(document.createElement("script"), { src });
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${src} does not load`));
    document.head.append(script);
  });
}

/** What a lab works with: points and labels, or a network; the kernel must be loaded. */
export function decode({ about, bytes }) {
  if (about.kind === "points") return decodePoints(about, bytes);
  if (about.kind === "trainings") return decodeTrainings(about, bytes);
  if (about.kind === "frames") return { ...about, ink: bytes };
  return new Network(about.config).load(halves(new Uint16Array(bytes.slice().buffer)));
}

/** x (n, 2) from 16-bit integers, y (n,) from bytes after them. */
function decodePoints({ count, unit }, bytes) {
  const whole = bytes.slice().buffer;
  const x = Float32Array.from(new Int16Array(whole, 0, 2 * count), (v) => v * unit);
  return { x, y: new Uint8Array(whole, 4 * count, count) };
}

/** Weights (count,) kept on the way of several trainings of one network: `weights[set][length]`, flat. */
function decodeTrainings({ config, sets, updates }, bytes) {
  const all = halves(new Uint16Array(bytes.slice().buffer)), count = all.length / (sets.length * updates.length);
  const at = (k) => all.subarray(k * count, (k + 1) * count);
  return { config, sets, updates, weights: sets.map((_, i) => updates.map((_, j) => at(i * updates.length + j))) };
}

/** 16-bit floats (IEEE 754) as float32. @param {Uint16Array} words */
export function halves(words) {
  return Float32Array.from(words, (h) => {
    const sign = h & 0x8000 ? -1 : 1, exponent = (h >> 10) & 31, fraction = h & 1023;
    return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : 2 ** -24 * fraction);
  });
}
