/** The earth mover's pairing, a little at a time, so that a new wish need not wait for the end of an old one. */

/** Distances between all pairs of a and b, both (n, 2). @returns {Float64Array} (n, n) */
export function pairCosts(a, b) {
  const n = a.length / 2, cost = new Float64Array(n * n);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++) cost[i * n + j] = Math.hypot(a[2 * i] - b[2 * j], a[2 * i + 1] - b[2 * j + 1]);
  return cost;
}

/**
 * The cheapest assignment by shortest augmenting paths, columns reduced first (Jonker and Volgenant 1987). Yields
 * nothing after every row; returns the column of each row.
 */
export function* matching(cost, n) {
  const column = new Int32Array(n).fill(-1), rowAt = new Int32Array(n).fill(-1), v = new Float64Array(n);
  reduceColumns(cost, n, { column, rowAt, v });
  const length = new Float64Array(n), from = new Int32Array(n), done = new Uint8Array(n), visited = new Int32Array(n);
  for (let row = 0; row < n; row++) {
    if (column[row] >= 0) continue;
    let count = 0, base = row * n, behind = 0, at = -1, best = 0;
    done.fill(0);
    from.fill(row);
    for (let j = 0; j < n; j++) length[j] = cost[base + j] - v[j];
    for (;;) {
      best = Infinity;
      for (let j = 0; j < n; j++)
        if (!done[j] && (length[j] < best || (length[j] === best && rowAt[j] < 0))) [best, at] = [length[j], j];
      const i = rowAt[at];
      if (i < 0) break;
      done[at] = 1;
      visited[count++] = at;
      base = i * n;
      behind = cost[base + at] - v[at] - best;
      for (let j = 0; j < n; j++) {
        const through = cost[base + j] - v[j] - behind;
        if (!done[j] && through < length[j]) [length[j], from[j]] = [through, i];
      }
    }
    for (let k = 0; k < count; k++) v[visited[k]] += length[visited[k]] - best;
    for (let i = -1; i !== row; ) {
      i = from[at];
      rowAt[at] = i;
      [column[i], at] = [at, column[i]];
    }
    yield;
  }
  return column;
}

/** Mean cost of the pairs, `column` being what `matching` returned. */
export function matchingCost(cost, column) {
  return column.reduce((sum, j, i) => sum + cost[i * column.length + j], 0) / column.length;
}

/** Each column goes to its cheapest row, if that is still free. */
function reduceColumns(cost, n, { column, rowAt, v }) {
  for (let j = n - 1; j >= 0; j--) {
    let least = Infinity, row = -1;
    for (let i = 0; i < n; i++) {
      const c = cost[i * n + j];
      if (c < least || (c === least && column[i] < 0)) [least, row] = [c, i];
    }
    v[j] = least;
    if (column[row] < 0) [column[row], rowAt[j]] = [j, row];
  }
}
