/** Moving something in a picture: by mouse, by finger, or with the arrow keys. */

/** The ways of the arrow keys. */
export const ARROW_KEYS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
/** What an arrow key moves, if nothing else is said, in units of the plane; with Shift a fifth of it. */
const KEY_STRIDE = 0.05;

/**
 * @param {Picture} picture
 * @param of label: what it is and how it is moved, for those who do not see it; grab(place, event) says whether there
 *   is something to hold; move(place) while it is held; drop() when it is let go; step(dx, dy) for an arrow key, which
 *   moves by the stride; press() for Enter or the space bar, if they do anything
 */
export function draggable(picture, { label, grab, move, drop = () => {}, step, stride = KEY_STRIDE, press = null }) {
  const { canvas } = picture;
  let held = false;
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application"); // so that the arrow keys reach it
  picture.describe(label);
  canvas.classList.add("lab-drag");
  const end = () => {
    if (held) drop();
    held = false;
  };
  const handlers = {
    pointerdown(event) {
      if (event.button || !grab(picture.toData(event), event)) return;
      held = true;
      canvas.setPointerCapture(event.pointerId);
    },
    pointermove: (event) => held && move(picture.toData(event)),
    pointerup: end,
    pointercancel: end,
    keydown(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const way = ARROW_KEYS[event.key], far = event.shiftKey ? stride / 5 : stride;
      if (way) step(way[0] * far, way[1] * far);
      else if (press && (event.key === "Enter" || event.key === " ")) press();
      else return;
      event.preventDefault();
    },
  };
  for (const [name, f] of Object.entries(handlers)) canvas.addEventListener(name, f);
  // A finger on something that can be held moves it; anywhere else it scrolls the page.
  canvas.addEventListener("touchstart", (event) => held && event.preventDefault(), { passive: false });
}

/** A place kept inside -limit..limit both ways. @returns {[number, number]} */
export function inside([x, y], limit) {
  const keep = (v) => Math.max(-limit, Math.min(limit, v));
  return [keep(x), keep(y)];
}
