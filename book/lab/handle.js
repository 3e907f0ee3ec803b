/** A point in a picture that a reader puts somewhere: by mouse, by finger, by arrow keys. */

import { draggable, inside } from "./drag.js";

const REACH = 32; // how near a finger must come to take hold of the point, pixels

/**
 * Make the picture's point movable. A finger that begins far from it scrolls the page; a tap puts the point there.
 * @param picture a `Picture`  @param of `get()` the point [x, y] or null, `set([x, y])`, `label` for those who do not
 *  see it; `stride` of an arrow key in units of the plane, a fifth of it with Shift
 */
export function handle(picture, { get, set, label, stride = 0.1 }) {
  const put = (place) => set(inside(place, picture.limit));
  let taken = false; // by the press that a click ends

  function near(event) {
    const at = get();
    if (!at) return false;
    const box = picture.canvas.getBoundingClientRect(), [x, y] = picture.at(...at);
    return Math.hypot(event.clientX - box.left - x, event.clientY - box.top - y) < REACH;
  }

  function grab(place, event) {
    taken = event.pointerType !== "touch" || near(event);
    if (taken) put(place);
    return taken;
  }

  function step(dx, dy) {
    const [x, y] = get() ?? [0, 0];
    put([x + dx, y + dy]);
  }

  draggable(picture, { label, grab, move: put, step, stride });
  picture.canvas.style.cursor = "crosshair";
  picture.canvas.addEventListener("click", (event) => event.detail && !taken && put(picture.toData(event)));
}
