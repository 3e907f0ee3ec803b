// A click, a tap, Enter or the space bar on a figure opens it large, in a dialog that scrolls. Without scripts, nothing.
(() => {
  const FIGURES = ".bd-article img";
  const LINKED = "a, button, summary, label";

  // How wide a figure is meant to be on the page, in CSS pixels: a sharp one has twice as many of its own.
  function meantWidth(image) {
    return image.style.width.endsWith("px") ? parseFloat(image.style.width) : image.naturalWidth || image.width;
  }

  function open(image) {
    const dialog = document.createElement("dialog");
    dialog.className = "lightbox";
    dialog.setAttribute("aria-label", "Enlarged figure");
    dialog.style.setProperty("--width", `${meantWidth(image)}px`);
    dialog.style.setProperty("--ratio", image.naturalWidth / image.naturalHeight || 1);
    const large = Object.assign(new Image(), { src: image.currentSrc || image.src, alt: image.alt });
    const close = Object.assign(document.createElement("button"), { type: "button", textContent: "\u00d7" });
    close.setAttribute("aria-label", "Close");
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("close", () => {
      dialog.remove();
      image.focus({ preventScroll: true });
    });
    dialog.append(close, large);
    document.body.append(dialog);
    dialog.showModal();
  }

  function enlargeable(image) {
    image.setAttribute("role", "button");
    image.setAttribute("aria-label", `Enlarge: ${image.alt}`);
    image.setAttribute("aria-haspopup", "dialog");
    image.tabIndex = 0;
    image.addEventListener("click", () => open(image));
    image.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      open(image);
    });
  }

  function start() {
    for (const image of document.querySelectorAll(FIGURES)) {
      if (!image.closest(LINKED)) enlargeable(image);
    }
  }

  if (!window.HTMLDialogElement) return;
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
