/** A drawing: strokes in the window -LIMIT..LIMIT, the points that they become, and a text that holds them. */

import { LIMIT } from "./states.js";

/** Deviation of the points about the strokes, in the units of the window. */
export const PEN = 0.025;
/** Shortest drawing that is worth learning; the most strokes of one, and the longest text, that a link may bring. */
const SHORTEST = 0.5, MOST = 200, LONGEST = 20_000;

const between = ([a, b], [c, d]) => Math.hypot(c - a, d - b);

/** Length of strokes; a dot counts as a little. */
export function lengthOf(strokes) {
  return strokes.reduce((sum, s) => sum + s.slice(1).reduce((l, p, i) => l + between(s[i], p), 0.02), 0);
}

/** Whether there is enough of it. */
export function enough(strokes) {
  return lengthOf(strokes) >= SHORTEST;
}

/** `count` points x, evenly along the strokes, with Gaussian noise of deviation PEN about their places. (count, 2) */
export function pointsAlong(strokes, count, random) {
  const pieces = strokes.flatMap((s) => s.map((p, i) => [p, s[i + 1] ?? p]).slice(0, Math.max(1, s.length - 1)));
  const ends = [];
  pieces.forEach(([p, q]) => ends.push((ends.at(-1) ?? 0) + Math.max(between(p, q), 1e-3)));
  const [x, places] = [new Float32Array(2 * count), new Float32Array(2 * count)];
  for (let i = 0; i < count; i++) {
    const at = random.uniform() * ends.at(-1), k = ends.findIndex((end) => at < end);
    const [p, q] = pieces[k], u = 1 - (ends[k] - at) / Math.max(between(p, q), 1e-3);
    for (const c of [0, 1]) {
      places[2 * i + c] = p[c] + u * (q[c] - p[c]);
      x[2 * i + c] = places[2 * i + c] + PEN * random.normal();
    }
  }
  return { x, places };
}

/**
 * The data of one drawing or two: mean 0 and mean variance 1, so that noise of variance 1 is a fair partner; both
 * coordinates are scaled alike, so that it keeps its form: a place is x width + shift. `places`, where the pen was, are
 * scaled with x, which lies about them with a deviation of PEN / width. @param {Array[]} drawings
 * @returns {{x: Float32Array, places: Float32Array, y: Uint8Array, shift: number[], width: number}} (count, 2) twice,
 *   (count,)
 */
export function dataOf(drawings, count, random) {
  const each = Math.floor(count / drawings.length);
  const parts = drawings.map((strokes) => pointsAlong(strokes, each, random)), n = each * parts.length;
  const join = (name) => Float32Array.from(parts.flatMap((part) => [...part[name]])), shift = [0, 0];
  const [x, places] = [join("x"), join("places")];
  x.forEach((v, i) => (shift[i & 1] += v / n));
  const width = Math.sqrt(x.reduce((sum, v, i) => sum + (v - shift[i & 1]) ** 2, 0) / (2 * n));
  const y = Uint8Array.from({ length: n }, (_, i) => Math.floor(i / each));
  const [scaled, pen] = [x, places].map((of) => of.map((v, i) => (v - shift[i & 1]) / width));
  return { x: scaled, places: pen, y, shift, width };
}

/** A stroke with fewer places, none of the left out further than `most` from it (Ramer 1972). */
export function simplify(stroke, most = 0.02) {
  if (stroke.length < 3) return stroke;
  const [a, b] = [stroke[0], stroke.at(-1)], length = between(a, b);
  let far = -1, k = 0;
  for (let i = 1; i + 1 < stroke.length; i++) {
    const [x, y] = stroke[i];
    const across = Math.abs((b[0] - a[0]) * (a[1] - y) - (a[0] - x) * (b[1] - a[1]));
    const d = length ? across / length : between(a, stroke[i]);
    if (d > far) [far, k] = [d, i];
  }
  if (far <= most) return [a, b];
  return [...simplify(stroke.slice(0, k + 1), most).slice(0, -1), ...simplify(stroke.slice(k), most)];
}

const toByte = (v) => Math.max(0, Math.min(254, Math.round(127 + (127 * v) / LIMIT)));

/** Drawings as a text for the fragment of a link: bytes in base64; 255 ends a stroke, twice a drawing. */
export function encode(drawings) {
  const ofStroke = (s) => [...s.flatMap(([x, y]) => [toByte(x), toByte(y)]), 255];
  const bytes = drawings.flatMap((strokes) => [...strokes.flatMap(ofStroke), 255]);
  return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

/** What `encode` made, or null for any other text. */
export function decodeDrawings(text) {
  if (text.length > LONGEST || !/^[\w-]{4,}$/.test(text)) return null;
  const drawings = [[]];
  let bytes, stroke = [];
  try {
    bytes = [...atob(text.replace(/-/g, "+").replace(/_/g, "/"))].map((c) => c.charCodeAt(0));
  } catch {
    return null; // not base64
  }
  for (let i = 0; i < bytes.length; i++) {
    if (bytes[i] !== 255) stroke.push([bytes[i], bytes[++i]].map((v) => ((v - 127) * LIMIT) / 127));
    else if (stroke.length) [stroke] = [[], drawings.at(-1).push(stroke)];
    else drawings.push([]);
  }
  const found = drawings.filter((strokes) => strokes.length);
  const sound = found.length && found.length <= 2 && !stroke.length && found.every((s) => s.length <= MOST) &&
    found.flat(2).every(([x, y]) => Math.abs(x) <= LIMIT + 0.1 && Math.abs(y) <= LIMIT + 0.1);
  return sound ? found : null;
}

/** Points as a `.npy` file of shape (n, 2), float32 (NumPy's format, version 1.0). @returns {Blob} */
export function npyOf(x) {
  const head = `{'descr': '<f4', 'fortran_order': False, 'shape': (${x.length / 2}, 2), }`;
  const text = head.padEnd(64 * Math.ceil((head.length + 11) / 64) - 11) + "\n";
  const codes = (words) => [...words].map((c) => c.charCodeAt(0));
  const header = [0x93, ...codes("NUMPY"), 1, 0, text.length & 255, text.length >> 8, ...codes(text)];
  return new Blob([Uint8Array.from(header), x], { type: "application/octet-stream" });
}

/** Points and the number of their drawing as a `.csv` file. @returns {Blob} */
export function csvOf(x, y) {
  const rows = Array.from(y, (label, i) => `${x[2 * i].toFixed(4)},${x[2 * i + 1].toFixed(4)},${label}`);
  return new Blob([["x,y,drawing", ...rows].join("\n"), "\n"], { type: "text/csv" });
}
