// Frames of points with a slider and a play button; no kernel, no library. props: {frames, labels, palette, names, colours, n, alt}
export function mount(el, props) {
  const bytes = Uint8Array.from(atob(props.frames), (c) => c.charCodeAt(0));
  const q = new Int16Array(bytes.buffer), n = props.n, count = q.length / (2 * n);
  el.replaceChildren();
  const canvas = Object.assign(document.createElement("canvas"), { width: 760, height: 760 });
  canvas.style.cssText = "display:block;width:100%;max-width:380px;background:#fff;border:1px solid #8886;border-radius:6px";
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", props.alt);
  const bar = document.createElement("div");
  bar.style.cssText = "display:flex;gap:.7em;align-items:center;max-width:380px;margin-top:.4em";
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Play" });
  const range = Object.assign(document.createElement("input"), { type: "range", min: 0, max: count - 1, step: 1, value: 0 });
  range.style.flex = "1";
  range.setAttribute("aria-label", "frame");
  const label = document.createElement("output");
  label.style.cssText = "min-width:5em;font-variant-numeric:tabular-nums";
  bar.append(button, range, label);
  const legend = document.createElement("div");
  legend.style.cssText = "display:flex;flex-wrap:wrap;gap:.1em .9em;max-width:380px;margin-top:.3em;font-size:.85em";
  props.names.forEach((name, i) => {
    const dot = document.createElement("span"), entry = document.createElement("span");
    dot.style.cssText = `display:inline-block;width:.65em;height:.65em;border-radius:50%;margin-right:.35em;background:${props.palette[i]}`;
    entry.append(dot, name);
    legend.append(entry);
  });
  el.append(canvas, bar, legend);

  const c = canvas.getContext("2d"), W = canvas.width;
  function draw(k) {
    c.clearRect(0, 0, W, W);
    for (let i = 0; i < n; i++) {
      const x = q[2 * (k * n + i)] / 32767, y = q[2 * (k * n + i) + 1] / 32767;
      c.fillStyle = props.palette[props.colours[i]];
      c.fillRect(((x + 1) * W) / 2 - 2, ((1 - y) * W) / 2 - 2, 4, 4);
    }
    range.value = k;
    label.value = props.labels[k];
    range.setAttribute("aria-valuetext", props.labels[k]);
  }
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
  const tick = () => (+range.value < count - 1 ? draw(+range.value + 1) : stop());
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (+range.value === count - 1) draw(0);
    button.textContent = "Pause";
    timer = setInterval(tick, 80);
  });
  range.addEventListener("input", () => { stop(); draw(+range.value); });
  draw(0);
}
