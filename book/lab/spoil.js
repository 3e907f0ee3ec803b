/** Ways to spoil samples; each takes a strength of 0..1. */

const MOST_SHIFT = 1, MOST_BLUR = 0.5; // the most, units of x

/** words: in the menu; says: what a strength means where n samples are spoiled. */
export const SPOILS = {
  blur: { words: "blur", says: (s) => `${(MOST_BLUR * s).toFixed(3)} units` },
  shift: { words: "a shift to the right", says: (s) => `${(MOST_SHIFT * s).toFixed(2)} units` },
  leave: { words: "leaving out the south", says: (s) => `${(100 * s).toFixed(0)} %` },
  copy: { words: "few points, copied", says: (s, n) => [distinctOf(n, s), n].map((v) => v.toLocaleString("en")).join(" of ") },
};

/** How many different points are left of n. */
function distinctOf(n, strength) {
  return Math.round(n ** (1 - strength));
}

/** How many of the first n points of the pool are of that state, or of all with where = -1. */
export function countOf(pool, n, where) {
  return where < 0 ? n : pool.y.subarray(0, n).filter((y) => y === where).length;
}

/**
 * n samples from a pool of real ones, spoiled in one state or, with where = -1, in all.
 * @param pool x (M, 2), y (M,), noise (n, 2)  @param of how: a name in SPOILS; strength: 0..1; where: -1..4
 * @returns {{x: Float32Array, y: Uint8Array, rows: number[]}} (n, 2), (n,), (n,): each sample's row of the pool
 */
export function spoiledSamples(pool, n, { how, strength, where }) {
  const hit = (i) => where < 0 || pool.y[i] === where, rows = rowsOf(pool, n, { how, strength, hit });
  const [blur, shift] = [how === "blur" ? MOST_BLUR * strength : 0, how === "shift" ? MOST_SHIFT * strength : 0];
  const x = new Float32Array(2 * n);
  rows.forEach((row, i) => {
    const share = hit(row) ? 1 : 0;
    x[2 * i] = pool.x[2 * row] + share * (blur * pool.noise[2 * i] + shift);
    x[2 * i + 1] = pool.x[2 * row + 1] + share * blur * pool.noise[2 * i + 1];
  });
  return { x, y: Uint8Array.from(rows, (row) => pool.y[row]), rows };
}

/** Which points of the pool the samples start from. */
function rowsOf(pool, n, { how, strength, hit }) {
  const all = Array.from(pool.y, (_, i) => i);
  if (how === "leave") return northern(pool, all, n, strength, hit);
  const rows = all.slice(0, n), own = rows.filter(hit), left = Math.max(1, distinctOf(own.length, strength));
  if (how !== "copy" || !own.length) return rows;
  let k = 0;
  return rows.map((i) => (hit(i) ? own[k++ % left] : i));
}

/**
 * The first n points of the pool, where those in the southern share of what is hit make way for the points after them;
 * again from the start if these are too few.
 */
function northern(pool, all, n, strength, hit) {
  const south = all.filter(hit).sort((i, j) => pool.x[2 * i + 1] - pool.x[2 * j + 1]);
  const gone = new Set(south.slice(0, Math.round(south.length * strength)));
  let kept = all.filter((i) => !gone.has(i));
  if (!kept.length) kept = south.slice(-1);
  const again = Array.from({ length: n }, (_, i) => kept[i % kept.length]);
  const others = [...kept.filter((i) => i >= n), ...again];
  return all.slice(0, n).map((i) => (gone.has(i) ? others.shift() : i));
}
