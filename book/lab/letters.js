/** Something to start a drawing from: shapes, and letters made of strokes. A stroke is a list of places [x, y]. */

// Two digits are a place of the pen, 0..4 across and 0..6 up; | lifts it. The letters of ROUND are smoothed.
const GLYPHS = {
  A: "00 26 40|12 32", B: "03 33 44 45 36 06 00 30 41 42 33", C: "45 36 16 05 01 10 30 41", D: "00 06 26 44 42 20 00",
  E: "46 06 00 40|03 33", F: "46 06 00|03 33", G: "45 36 16 05 01 10 30 41 43 23", H: "00 06|40 46|03 43",
  I: "16 36|26 20|10 30", J: "46 41 30 10 01", K: "00 06|46 03 40", L: "06 00 40", M: "00 06 23 46 40",
  N: "00 06 40 46", O: "16 36 45 41 30 10 01 05 16", P: "00 06 36 45 44 33 03", Q: "16 36 45 41 30 10 01 05 16|22 40",
  R: "00 06 36 45 44 33 03|23 40", S: "45 36 16 05 04 13 33 42 41 30 10 01", T: "06 46|26 20", U: "06 01 10 30 41 46",
  V: "06 20 46", W: "06 10 23 30 46", X: "00 46|06 40", Y: "06 23 46|23 20", Z: "06 46 00 40",
  "0": "16 36 45 41 30 10 01 05 16", "1": "15 26 20|10 30", "2": "05 16 36 45 44 00 40",
  "3": "05 16 36 45 44 33 23|33 42 41 30 10 01", "4": "30 36 02 42", "5": "46 06 03 33 42 41 30 10 01",
  "6": "45 36 16 05 01 10 30 41 42 33 03", "7": "06 46 10", "8": "13 04 05 16 36 45 44 33 13 02 01 10 30 41 42 33",
  "9": "43 13 04 05 16 36 45 41 30 10 01",
};
const ROUND = "BCDGJOPQRSU0235689";

/** Corners cut off, twice (Chaikin 1974); the ends stay. */
function smooth(stroke, times = 2) {
  if (!times || stroke.length < 3) return stroke;
  const cut = [stroke[0]];
  for (let i = 0; i + 1 < stroke.length; i++) {
    const [[a, b], [c, d]] = [stroke[i], stroke[i + 1]];
    cut.push([0.75 * a + 0.25 * c, 0.75 * b + 0.25 * d], [0.25 * a + 0.75 * c, 0.25 * b + 0.75 * d]);
  }
  return smooth([...cut, stroke.at(-1)], times - 1);
}

/** The strokes of up to three letters or digits, in the window -2..2; others are left out. */
export function lettersOf(text) {
  const known = [...text.toUpperCase()].filter((c) => c in GLYPHS).slice(0, 3), strokes = [];
  const size = Math.min(3.4 / (6 * known.length - 2), 3 / 6), left = -(size * (6 * known.length - 2)) / 2;
  known.forEach((c, k) => {
    for (const part of GLYPHS[c].split("|")) {
      const places = part.split(" ").map(([x, y]) => [left + size * (6 * k + Number(x)), size * (Number(y) - 3)]);
      strokes.push(ROUND.includes(c) ? smooth(places) : places);
    }
  });
  return strokes;
}

const curve = (f, n = 90) => Array.from({ length: n + 1 }, (_, i) => f(i / n));
const arc = (x, y, r, from, to) =>
  curve((u) => [x + r * Math.cos(from + u * (to - from)), y + r * Math.sin(from + u * (to - from))], 40);

/** Shapes by name, each a list of strokes in the window -2..2. */
export const SHAPES = {
  heart: () => [curve((u) => {
    const a = 2 * Math.PI * u, c = Math.cos;
    return [1.7 * Math.sin(a) ** 3, (13 * c(a) - 5 * c(2 * a) - 2 * c(3 * a) - c(4 * a) + 2.5) / 9];
  })],
  spiral: () => [curve((u) => [1.7 * u * Math.cos(16 * u), 1.7 * u * Math.sin(16 * u)], 140)],
  star: () => [curve((u) => {
    const k = Math.round(10 * u), r = k % 2 ? 0.7 : 1.8, a = Math.PI * (0.5 + k / 5);
    return [r * Math.cos(a), r * Math.sin(a)];
  }, 10)],
  smile: () => [
    arc(0, 0, 1.7, 0, 2 * Math.PI),
    arc(0, 0.1, 1, 1.15 * Math.PI, 1.85 * Math.PI),
    ...[-0.6, 0.6].map((x) => arc(x, 0.5, 0.15, 0, 2 * Math.PI)),
  ],
};
