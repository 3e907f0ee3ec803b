/** Pictures of points in the plane, sharp on every screen, in the colours of the page. */

import { paintClasses, paintDensity } from "./fields.js";
import { LIMIT } from "./states.js";

/** The number of a style variable's colour, as the page has it now. */
function styleOf(el) {
  const style = getComputedStyle(el);
  return (name) => style.getPropertyValue(name).trim();
}

const fontOf = (size) => `${size}px system-ui, sans-serif`;

/** A canvas with a `draw` to call again when its size or the page's colours change. */
export class Surface {
  /** @param {Element} parent  @param {{label: string, ratio: number, className: string}} of: height over width */
  constructor(parent, { label, ratio, className }) {
    this.canvas = Object.assign(document.createElement("canvas"), { className });
    this.canvas.setAttribute("role", "img");
    this.ratio = ratio;
    this.describe(label);
    parent.append(this.canvas);
    this.context = this.canvas.getContext("2d");
    this.draw = () => {};
    this.pending = false;
    new ResizeObserver(() => this.refresh()).observe(this.canvas);
    const again = () => this.refresh();
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
    new MutationObserver(again).observe(document.documentElement, { attributeFilter: ["data-theme"] });
  }

  /** What the picture is, for those who do not see it. */
  describe(label) {
    this.canvas.setAttribute("aria-label", label);
  }

  /** Draw at the next frame, once however often it is asked for. */
  refresh() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.#prepare(this.canvas, devicePixelRatio || 1);
      this.draw(this);
    });
  }

  #prepare(canvas, scale, width = this.canvas.clientWidth) {
    this.width = width || 1;
    this.height = Math.round(this.width * this.ratio);
    const [w, h] = [this.width, this.height].map((v) => Math.round(v * scale));
    if (canvas.width !== w || canvas.height !== h) Object.assign(canvas, { width: w, height: h });
    this.context = canvas.getContext("2d");
    this.context.setTransform(scale, 0, 0, scale, 0, 0);
    this.colour = styleOf(this.canvas);
    this.context.fillStyle = this.colour("--lab-ground");
    this.context.fillRect(0, 0, this.width, this.height);
  }

  /** Save as a PNG of 1200 pixels' width, with the settings in the corner. */
  save(file, settings) {
    const canvas = document.createElement("canvas");
    this.#prepare(canvas, 1200 / this.canvas.clientWidth, this.canvas.clientWidth);
    this.draw(this);
    this.#caption(settings, { size: 10, margin: 6 });
    // In a task of its own. `toBlob` would wait for idle time, a second or, where things move, seven.
    setTimeout(() => {
      Object.assign(document.createElement("a"), { href: canvas.toDataURL(), download: file }).click();
    });
    this.context = this.canvas.getContext("2d");
    this.refresh();
  }

  /** Words at the foot, in as many lines as they take. */
  #caption(words, { size, margin }) {
    const lines = [""], room = this.width - 2 * margin;
    this.context.font = fontOf(size);
    for (const word of words.split(" ")) {
      const longer = `${lines.at(-1)} ${word}`.trim();
      if (lines.at(-1) && this.context.measureText(longer).width > room) lines.push(word);
      else lines[lines.length - 1] = longer;
    }
    lines.reverse().forEach((line, i) => this.text(line, margin, this.height - margin - 1.2 * size * i, { size }));
  }

  /** The colour of a state in the page's scheme. */
  stateColour(k) {
    return this.colour(`--state-${k}`);
  }

  /** Words at a place in pixels. */
  text(words, x, y, { size = 11, align = "left", colour = this.colour("--lab-ink") } = {}) {
    Object.assign(this.context, { fillStyle: colour, textAlign: align, font: fontOf(size) });
    this.context.fillText(words, x, y);
  }

  /** A line through places in pixels, [[x, y], ...]. */
  line(places, { colour, width = 1.5, dash = [] }) {
    const c = this.context;
    Object.assign(c, { strokeStyle: colour, lineWidth: width, lineJoin: "round" });
    c.setLineDash(dash);
    c.beginPath();
    places.forEach(([x, y]) => c.lineTo(x, y));
    c.stroke();
    c.setLineDash([]);
  }

  /** A disc; one of hardly a pixel is a square, which is quicker. */
  disc([x, y], radius, colour, alpha = 1) {
    const c = this.context;
    [c.fillStyle, c.globalAlpha] = [colour, alpha];
    if (radius < 1.5) c.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
    else {
      c.beginPath();
      c.arc(x, y, radius, 0, 2 * Math.PI);
      c.fill();
    }
    c.globalAlpha = 1;
  }

  /** A circle that is not filled: what can be moved. */
  ring([x, y], radius, colour, width = 2) {
    const c = this.context;
    Object.assign(c, { strokeStyle: colour, lineWidth: width });
    c.beginPath();
    c.arc(x, y, radius, 0, 2 * Math.PI);
    c.stroke();
  }
}

/** A square window onto the plane, -limit..limit both ways. */
export class Picture extends Surface {
  /** @param {Element} parent  @param {{label: string, limit?: number}} of */
  constructor(parent, { label, limit = LIMIT }) {
    super(parent, { label, ratio: 1, className: "lab-picture" });
    this.limit = limit;
  }

  /** Pixels of a point. */
  at(x, y) {
    return [((x / this.limit + 1) * this.width) / 2, ((1 - y / this.limit) * this.width) / 2];
  }

  /** The point under a pointer event. @returns {[number, number]} */
  toData(event) {
    const box = this.canvas.getBoundingClientRect(), place = (v) => (2 * v - 1) * this.limit;
    return [place((event.clientX - box.left) / box.width), -place((event.clientY - box.top) / box.height)];
  }

  /** Points x (n, 2), in the states' colours if labels y (n,) are given. size: pixels. */
  points(x, { y = null, colour = this.colour("--lab-ink"), size = 2, alpha = 0.8 } = {}) {
    const c = this.context, groups = y ? [...new Set(y)] : [null];
    c.globalAlpha = alpha;
    for (const group of groups) {
      c.fillStyle = group === null || group < 0 ? colour : this.stateColour(group);
      for (let i = 0; i < x.length / 2; i++) {
        if (y && y[i] !== group) continue;
        const [px, py] = this.at(x[2 * i], x[2 * i + 1]);
        c.fillRect(px - size / 2, py - size / 2, size, size);
      }
    }
    c.globalAlpha = 1;
  }

  /** Arrows from x (n, 2) along v (n, 2), both in the units of the plane. */
  arrows(x, v, { colour = this.colour("--lab-ink"), width = 1.2, alpha = 0.8 } = {}) {
    this.context.globalAlpha = alpha;
    for (let i = 0; i < x.length; i += 2) {
      const [a, b] = this.at(x[i], x[i + 1]), [p, q] = this.at(x[i] + v[i], x[i + 1] + v[i + 1]);
      const length = Math.hypot(p - a, q - b), head = Math.min(6, length / 2), angle = Math.atan2(q - b, p - a);
      const barb = (turn) => [p - head * Math.cos(angle + turn), q - head * Math.sin(angle + turn)];
      this.line([[a, b], [p, q]], { colour, width });
      this.line([barb(0.5), [p, q], barb(-0.5)], { colour, width });
    }
    this.context.globalAlpha = 1;
  }

  /** Curves: a list of (n, 2). */
  paths(list, { colour = this.colour("--lab-ink"), width = 1, alpha = 0.6 } = {}) {
    this.context.globalAlpha = alpha;
    for (const x of list) {
      const places = Array.from({ length: x.length / 2 }, (_, i) => this.at(x[2 * i], x[2 * i + 1]));
      this.line(places, { colour, width });
    }
    this.context.globalAlpha = 1;
  }

  /** A density (side^2,) on the grid of `gridPoints(side, limit)`: its root as the strength of a colour. */
  density(values, side, { colour = this.colour("--lab-accent"), most = 0.9 } = {}) {
    paintDensity(this, values, side, { colour, most });
  }

  /** A map of who is where: probabilities p (side^2, K), in the states' colours, as strong as the surest. */
  classes(p, side, K, { most = 0.6 } = {}) {
    paintClasses(this, p, side, K, { most });
  }
}

/** Centres of side x side cells over the window, the first row on top. @returns {Float32Array} (side^2, 2) */
export function gridPoints(side, limit = LIMIT) {
  const centre = (i) => ((2 * i + 1) / side - 1) * limit;
  return Float32Array.from({ length: 2 * side * side }, (_, k) => {
    const i = k >> 1;
    return k & 1 ? -centre(Math.floor(i / side)) : centre(i % side);
  });
}
