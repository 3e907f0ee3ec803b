/** A finite set of points in the kernel's memory, in blocks of neighbours, so that far ones need not be looked at. */

import { kernel } from "./kernel.js";

const BLOCK = 32, MOST_BLOCKS = 4096;
/** Where a block is filled up: so far away that its weight is nothing. */
const NOWHERE = 1e9;

/** Points x (N, 2) of some groups; a query asks one group or all of them. */
export class PointSet {
  /** @param {Float32Array} x (N, 2)  @param {?ArrayLike<number>} y (N,) groups 0..K-1, or none */
  constructor(x, y = null) {
    this.k = kernel();
    this.N = x.length / 2;
    const groups = rowsByLabel(y ?? new Uint8Array(this.N));
    const members = Array.from({ length: Math.max(...groups.keys()) + 1 }, (_, k) => groups.get(k));
    if (!this.N || members.includes(undefined)) throw new RangeError("needs points, and some in every group");
    const blocks = [];
    this.sizes = members.map((m) => m.length);
    this.ranges = members.map((m) => {
      const from = blocks.length;
      split(x, m, blocks);
      return [from, blocks.length];
    });
    this.n_blocks = blocks.length;
    if (this.n_blocks > MOST_BLOCKS) throw new RangeError(`at most ${MOST_BLOCKS * BLOCK} points, got ${this.N}`);
    this.#store(x, blocks);
  }

  #store(x, blocks) {
    const n = blocks.length * BLOCK, [xs, ys] = [0, 1].map(() => new Float32Array(n).fill(NOWHERE));
    const box = new Float32Array(4 * blocks.length);
    blocks.forEach((block, b) => {
      const e = [Infinity, Infinity, -Infinity, -Infinity];
      block.forEach((i, j) => {
        const [px, py] = [x[2 * i], x[2 * i + 1]];
        [xs[b * BLOCK + j], ys[b * BLOCK + j]] = [px, py];
        [e[0], e[1]] = [Math.min(e[0], px), Math.min(e[1], py)];
        [e[2], e[3]] = [Math.max(e[2], px), Math.max(e[3], py)];
      });
      box.set(e, 4 * b);
    });
    [this.xs, this.ys, this.box] = [xs, ys, box].map((values) => this.k.put(values));
  }

  #range(group) {
    return group < 0 ? [0, this.n_blocks] : this.ranges[group];
  }

  /** Distance of every query (n, 2) to the nearest point of a group, -1 for all. @returns {Float64Array} (n,) */
  distance(query, group = -1) {
    const { k } = this, n = query.length / 2, [from, to] = this.#range(group);
    return k.scratch(() => {
      const [q, out] = [k.put(query), k.alloc(n)];
      k.f.nearest(q, n, this.xs, this.ys, this.box, from, to, out);
      return Float64Array.from(k.at(out, n), Math.sqrt);
    });
  }

  /**
   * Sums with the weights w_j = exp(-|q - x_j|^2 / 2 v) over the points of a group, -1 for all.
   * @param {Float32Array} query (n, 2)  @param {Float32Array} v (n,)
   * @returns {{log_sum: Float64Array, mean: Float32Array}} log of the sum of w (n,), the weighted mean point (n, 2)
   */
  weigh(query, v, group = -1) {
    const { k } = this, n = v.length, [from, to] = this.#range(group);
    return k.scratch(() => {
      const [q, variance, at] = [k.put(query), k.put(v), k.alloc(4 * n)];
      k.f.ideal(q, variance, n, this.xs, this.ys, this.box, from, to, at);
      const out = k.at(at, 4 * n), log_sum = new Float64Array(n), mean = new Float32Array(2 * n);
      for (let i = 0; i < n; i++) {
        log_sum[i] = Math.log(out[4 * i + 1]) - out[4 * i] / (2 * v[i]);
        [mean[2 * i], mean[2 * i + 1]] = [out[4 * i + 2], out[4 * i + 3]];
      }
      return { log_sum, mean };
    });
  }
}

/** The rows that have each label. @param {ArrayLike<number>} y (N,)  @returns {Map<number, number[]>} */
export function rowsByLabel(y) {
  const rows = new Map();
  for (let i = 0; i < y.length; i++) {
    if (!rows.has(y[i])) rows.set(y[i], []);
    rows.get(y[i]).push(i);
  }
  return rows;
}

/** Halve the rows along their wider side until 32 are left, and append the blocks. */
function split(x, rows, blocks) {
  if (rows.length <= BLOCK) {
    blocks.push(rows);
    return;
  }
  const width = [0, 1].map((c) => {
    const side = rows.map((i) => x[2 * i + c]);
    return side.reduce((a, b) => Math.max(a, b)) - side.reduce((a, b) => Math.min(a, b));
  });
  const c = width[0] >= width[1] ? 0 : 1;
  const sorted = rows.slice().sort((i, j) => x[2 * i + c] - x[2 * j + c] || i - j);
  const half = BLOCK * Math.ceil(rows.length / BLOCK / 2);
  split(x, sorted.slice(0, half), blocks);
  split(x, sorted.slice(half), blocks);
}
