/** Densities and maps for a `Picture`, painted once and kept, so that a moving point costs little. */

const painted = new WeakMap(); // values -> {key, canvas}

/** Red, green and blue of a colour. */
function rgbOf(context, colour) {
  context.fillStyle = colour;
  return [1, 3, 5].map((i) => parseInt(context.fillStyle.slice(i, i + 2), 16));
}

/** The small canvas of `values`: cell i has the colour number and the strength (0..1) that `of(i)` says. */
function paintedCells(values, side, colours, of) {
  const key = colours.join();
  if (painted.get(values)?.key === key) return painted.get(values).canvas;
  const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
  const context = canvas.getContext("2d"), rgb = colours.map((colour) => rgbOf(context, colour));
  const image = context.createImageData(side, side);
  for (let i = 0; i < side * side; i++) {
    const [k, strength] = of(i);
    image.data.set(rgb[k], 4 * i);
    image.data[4 * i + 3] = 255 * Math.min(1, strength);
  }
  context.putImageData(image, 0, 0);
  painted.set(values, { key, canvas });
  return canvas;
}

function showCells(picture, canvas) {
  picture.context.imageSmoothingEnabled = true;
  picture.context.drawImage(canvas, 0, 0, picture.width, picture.width);
}

/** A density (side^2,): its root as the strength of a colour. */
export function paintDensity(picture, values, side, { colour, most = 0.9 }) {
  const top = values.reduce((a, b) => Math.max(a, b), 0);
  showCells(picture, paintedCells(values, side, [colour], (i) => [0, most * Math.sqrt(values[i] / top)]));
}

/** Probabilities p (side^2, K) in the states' colours, as strong as the surest. */
export function paintClasses(picture, p, side, K, { most = 0.6 } = {}) {
  const colours = Array.from({ length: K }, (_, k) => picture.stateColour(k));
  showCells(picture, paintedCells(p, side, colours, (i) => {
    let best = 0;
    for (let k = 1; k < K; k++) if (p[i * K + k] > p[i * K + best]) best = k;
    return [best, (most * (p[i * K + best] * K - 1)) / (K - 1)];
  }));
}
