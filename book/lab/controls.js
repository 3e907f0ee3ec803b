/** The controls of a lab: native elements with names, so that keyboard, touch and assistive technology know them. */

import { STATE_NAMES } from "./states.js";

/** An element with properties and children, put into its parent. */
export function make(parent, tag, properties = {}, ...children) {
  const el = Object.assign(document.createElement(tag), properties);
  el.append(...children);
  parent?.append(el);
  return el;
}

/** A row for controls. */
export function controls(parent) {
  return make(parent, "div", { className: "lab-controls" });
}

/** A sentence: what to try (above), or what it shows (below). */
export function sentence(parent, textContent) {
  return make(parent, "p", { className: "lab-sentence", textContent });
}

/**
 * A slider. `format` says its value in words; `onInput(value)` is called while it moves.
 * @returns {{value: number, el: HTMLInputElement}} setting the value does not call `onInput`
 */
export function slider(parent, { name, label, min, max, step = 1, value, format = String, onInput = () => {} }) {
  const el = make(null, "input", { type: "range", name, min, max, step });
  const shown = make(null, "span", { className: "lab-value" });
  make(parent, "label", { className: "lab-slider" }, make(null, "span", { textContent: label }), el, shown);
  const show = () => {
    shown.textContent = format(Number(el.value));
    el.setAttribute("aria-valuetext", shown.textContent);
  };
  el.value = value;
  show();
  el.addEventListener("input", () => {
    show();
    onInput(Number(el.value));
  });
  return {
    el,
    get value() { return Number(el.value); },
    set value(v) { el.value = v; show(); },
  };
}

/** A menu. options: [[value, words], ...]; `onChange(value)`. @returns {{value: string, el: HTMLSelectElement}} */
export function select(parent, { name, label, options, value, onChange = () => {} }) {
  const el = make(null, "select", { name });
  for (const [v, words] of options) make(el, "option", { value: v, textContent: words });
  make(parent, "label", { className: "lab-select" }, make(null, "span", { textContent: label }), el);
  el.value = value ?? options[0][0];
  el.addEventListener("change", () => onChange(el.value));
  return {
    el,
    get value() { return el.value; },
    set value(v) { el.value = v; },
  };
}

/** A button. @returns {HTMLButtonElement} */
export function button(parent, { name, label, onClick }) {
  const el = make(parent, "button", { type: "button", name, textContent: label, className: "lab-button" });
  el.addEventListener("click", onClick);
  return el;
}

/**
 * A folded menu of that name, whose content lies over what follows while it is open. Escape closes it, and so does a
 * press elsewhere, but not on a picture: one may draw with the menu open. @returns {Element} for its content
 */
export function foldedMenu(parent, words) {
  const summary = make(null, "summary", { textContent: words });
  const box = make(parent, "details", { className: "lab-menu" }, summary);
  const content = make(box, "div", { className: "lab-menu-content" });
  box.addEventListener("toggle", () => {
    content.style.left = "0";
    const over = content.getBoundingClientRect().right - box.closest(".lab-stage").getBoundingClientRect().right;
    if (over > 0) content.style.left = `${-over}px`;
  });
  box.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !box.open) return;
    box.open = false;
    summary.focus();
  });
  document.addEventListener("click", ({ target }) => { // not before: what closes may move what is being pressed
    if (!box.contains(target) && target.tagName !== "CANVAS") box.open = false;
  });
  return content;
}

/**
 * A folded menu: which layers are drawn, and saving the picture.
 * @param {Object<string, boolean>} layers words to whether it is on
 * @param {{onChange: Function, onSave?: Function}} of
 * @returns {(layer: string) => boolean} whether a layer is on
 */
export function menu(parent, layers, { onChange, onSave }) {
  const box = foldedMenu(parent, "Layers"), boxes = {};
  for (const [name, checked] of Object.entries(layers)) {
    boxes[name] = make(null, "input", { type: "checkbox", name: `layer-${name}`, checked });
    boxes[name].addEventListener("change", onChange);
    make(box, "label", {}, boxes[name], ` ${name}`);
  }
  if (onSave) button(box, { name: "save", label: "Save picture", onClick: onSave });
  return (layer) => boxes[layer].checked;
}

/** A list of signs and what they stand for: entries are [sign, words] or [sign, words, the sign's colour]. */
export function legendOf(parent, entries) {
  const list = make(parent, "ul", { className: "lab-legend" });
  for (const [sign, words, colour = ""] of entries) {
    const mark = make(null, "span", { textContent: sign });
    mark.style.color = colour;
    make(list, "li", {}, mark, ` ${words}`);
  }
}

/** A line that says which colour of the points is which state; charts beside them may use the colours otherwise. */
export function stateLegend(parent) {
  legendOf(parent, [["", "Points by state:"], ...STATE_NAMES.map((name, k) => ["●", name, `var(--state-${k})`])]);
}

/** The numbers that a lab shows. @param {Object<string, string>} names output name to words */
export function outputs(parent, names) {
  const row = make(parent, "p", { className: "lab-outputs" });
  for (const [name, words] of Object.entries(names)) {
    const out = make(null, "output", { name });
    out.setAttribute("aria-live", "off"); // the summary speaks
    make(row, "label", {}, `${words} `, out);
  }
  return row;
}
