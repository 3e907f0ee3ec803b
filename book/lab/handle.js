/** A point in a picture that a reader moves: by mouse, by finger, by arrow keys. */

import { ARROW_KEYS, inside } from "./drag.js";

const REACH = 32; // how near a finger must come to take hold of the point, pixels

/**
 * Make the picture's point movable. A finger that begins far from it scrolls the page; a tap puts the point there.
 * @param picture a `Picture`  @param of `get()` the point [x, y] or null, `set([x, y])`, `label` for those who do not
 *  see it; `step` of an arrow key in units of the plane, a fifth of it with Shift
 */
export function handle(picture, { get, set, label, step = 0.1 }) {
  const { canvas } = picture;
  Object.assign(canvas, { tabIndex: 0 });
  canvas.setAttribute("role", "application");
  picture.describe(label);
  canvas.style.cursor = "crosshair";
  const put = (place) => set(inside(place, picture.limit));
  let held = false;

  function near(event) {
    const at = get();
    if (!at) return false;
    const box = canvas.getBoundingClientRect(), [x, y] = picture.at(...at);
    return Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y) < REACH;
  }

  canvas.addEventListener("touchstart", (event) => {
    if (near(event.touches[0])) event.preventDefault(); // the point moves, the page stays
  }, { passive: false });
  canvas.addEventListener("pointerdown", (event) => {
    held = event.pointerType !== "touch" || near(event);
    if (!held) return;
    canvas.setPointerCapture(event.pointerId);
    put(picture.toData(event));
  });
  canvas.addEventListener("pointermove", (event) => held && put(picture.toData(event)));
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (held = false));
  canvas.addEventListener("click", (event) => event.detail && put(picture.toData(event)));
  canvas.addEventListener("keydown", (event) => {
    const arrow = ARROW_KEYS[event.key], [x, y] = get() ?? [0, 0], by = event.shiftKey ? step / 5 : step;
    if (!arrow || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    put([x + by * arrow[0], y + by * arrow[1]]);
  });
}
