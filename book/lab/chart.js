/** A small chart of lines, beside a picture. */

import { Surface } from "./canvas.js";

const LEFT = 34, BOTTOM = 30, TOP = 16, RIGHT = 16;

/** Axes with a line and marks at round numbers; draw in `draw`, as for a `Picture`. */
export class Chart extends Surface {
  /** @param {Element} parent  @param of x, y: [low, high]; ticks: marks on both; label for those who do not see it */
  constructor(parent, { label, x, y, xTicks, yTicks, xName = "", ratio = 0.62, log = false,
    logX = false }) {
    super(parent, { label, ratio, className: "lab-chart" });
    Object.assign(this, { x, y, xTicks, yTicks, xName, log, logX });
  }

  /** Pixels of a value pair. */
  at(x, y) {
    const of = (v, [low, high]) => (v - low) / (high - low), same = (v) => v;
    const up = this.log ? Math.log : same, along = this.logX ? Math.log : same;
    return [
      LEFT + of(along(x), this.x.map(along)) * (this.width - LEFT - RIGHT),
      this.height - BOTTOM - of(up(y), this.y.map(up)) * (this.height - BOTTOM - TOP),
    ];
  }

  /** The value pair under a pointer event, of axes that are not logarithmic. @returns {[number, number]} */
  toData(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = [(event.clientX - box.left - LEFT) / (box.width - LEFT - RIGHT),
      (box.height - BOTTOM - (event.clientY - box.top)) / (box.height - BOTTOM - TOP)];
    return [this.x, this.y].map(([low, high], c) => low + share[c] * (high - low));
  }

  /** The axes, their marks and the name of the x axis. */
  axes() {
    const grey = this.colour("--lab-grey"), [left, bottom] = this.at(this.x[0], this.y[0]);
    const [right, top] = this.at(this.x[1], this.y[1]);
    this.line([[left, top], [left, bottom], [right, bottom]], { colour: grey, width: 1 });
    for (const v of this.xTicks) this.text(String(v), this.at(v, this.y[0])[0], bottom + 13, { align: "center" });
    for (const v of this.yTicks) this.text(String(v), left - 4, this.at(this.x[0], v)[1] + 4, { align: "right" });
    this.text(this.xName, right, bottom + 26, { align: "right" });
  }

  /** A line through values, with a name at its end. */
  curve(xs, ys, { colour, width = 2, dash = [] }) {
    this.line(Array.from(xs, (x, i) => this.at(x, ys[i])), { colour, width, dash });
  }

  /** A vertical line at x. */
  cursor(x, { colour = this.colour("--lab-grey") } = {}) {
    this.line([this.at(x, this.y[0]), this.at(x, this.y[1])], { colour, width: 1, dash: [3, 3] });
  }

  /** A dot at a value pair. */
  dot(x, y, { colour, size = 4 }) {
    const c = this.context, [px, py] = this.at(x, y);
    c.fillStyle = colour;
    c.beginPath();
    c.arc(px, py, size, 0, 2 * Math.PI);
    c.fill();
  }

  /** Names beside their lines, above the axes. @param {[string, string, number[]?][]} entries: name, colour, dash */
  legend(entries) {
    const mark = (dash) => (dash ? 20 : 9), gap = 14;
    const wide = (size) => {
      this.text("", 0, 0, { size });
      return entries.reduce((x, [name, , dash]) => x + mark(dash) + 3 + this.context.measureText(name).width + gap, -gap);
    };
    const size = [11, 10, 9].find((size) => wide(size) <= this.width - LEFT - 4) ?? 8;
    let x = LEFT;
    for (const [name, colour, dash] of entries) {
      this.line([[x, 7], [x + mark(dash), 7]], { colour, width: dash ? 2 : 3, dash });
      this.text(name, x + mark(dash) + 3, 11, { size });
      x += mark(dash) + 3 + this.context.measureText(name).width + gap;
    }
  }
}
