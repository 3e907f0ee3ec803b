/** Drawing on a picture, with mouse, finger or keyboard. */

import { ARROW_KEYS, inside } from "./drag.js";

const STEP = 0.1, FINE = 0.025, CLOSEST = 0.012; // units of the window

/** A pen on a `Picture`: calls `begin()`, `move(place)` and `end()`, and `undo()` for Backspace. Its place is `at`. */
export class Pen {
  /** @param {Picture} picture  @param {{begin: Function, move: Function, end: Function, undo: Function}} on */
  constructor(picture, on) {
    Object.assign(this, { picture, on, at: [0, 0], down: false, keyboard: false });
    const { canvas } = picture;
    canvas.tabIndex = 0;
    canvas.setAttribute("role", "application");
    canvas.classList.add("lab-paper");
    canvas.addEventListener("pointerdown", (event) => this.#press(event));
    canvas.addEventListener("pointermove", (event) => this.#drag(event));
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.#lift());
    canvas.addEventListener("keydown", (event) => this.#key(event));
    canvas.addEventListener("blur", () => {
      if (this.keyboard) this.#lift();
      this.keyboard = false;
      picture.refresh();
    });
  }

  #press(event) {
    if (event.button !== 0) return;
    this.picture.canvas.setPointerCapture(event.pointerId);
    this.keyboard = false;
    this.#lower(this.picture.toData(event));
  }

  #drag(event) {
    if (!this.down || this.keyboard) return;
    const several = event.getCoalescedEvents?.() ?? [];
    for (const e of several.length ? several : [event]) this.#go(this.picture.toData(e));
  }

  #lower(place) {
    if (this.down) this.#lift();
    this.at = inside(place, this.picture.limit);
    this.down = true;
    this.on.begin();
    this.on.move(this.at);
  }

  #lift() {
    if (!this.down) return;
    this.down = false;
    this.on.end();
  }

  #go(place) {
    const to = inside(place, this.picture.limit);
    if (Math.hypot(to[0] - this.at[0], to[1] - this.at[1]) < CLOSEST) return;
    this.at = to;
    if (this.down) this.on.move(to);
  }

  #key(event) {
    const { key } = event, way = ARROW_KEYS[key];
    if (!way && key !== " " && key !== "Backspace") return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    this.keyboard = true;
    if (key === "Backspace") this.#undo();
    else if (way) this.#go(this.at.map((v, c) => v + way[c] * (event.shiftKey ? FINE : STEP)));
    else if (this.down) this.#lift();
    else this.#lower(this.at);
    this.picture.refresh();
  }

  /** Take the last stroke away: the one that is being drawn, if the pen is down. */
  #undo() {
    this.down = false;
    this.on.undo();
  }

  /** Where the pen is, for those who move it by keys. */
  draw() {
    if (!this.keyboard) return;
    const { picture } = this, [x, y] = picture.at(...this.at), colour = picture.colour("--lab-accent");
    for (const [a, b] of [[9, 0], [0, 9]]) picture.line([[x - a, y - b], [x + a, y + b]], { colour, width: 1 });
    if (this.down) picture.points(Float32Array.from(this.at), { colour, size: 7, alpha: 1 });
  }
}
