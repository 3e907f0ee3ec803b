// What is answered and ticked off, kept in this browser alone, and shown in the contents.
(() => {
  const KEY = "statesdiff.progress";
  const blank = () => ({ version: 1, answers: {}, shown: {}, done: {} });
  let stored; // false where the browser refuses; then `kept` lasts as long as the page
  let kept = blank();

  function attempt(action) {
    try {
      stored = true;
      return action(localStorage);
    } catch {
      stored = false;
    }
  }

  function read() {
    const found = attempt((storage) => JSON.parse(storage.getItem(KEY)));
    return stored ? { ...blank(), ...(found?.version === 1 && found) } : kept;
  }

  // Without arguments: forget all.
  function write(part, key, value) {
    kept = part ? read() : blank();
    if (part) kept[part][key] = value;
    attempt((storage) => storage.setItem(KEY, JSON.stringify(kept)));
    show();
  }

  const pageOf = (url) => new URL(url).pathname.match(/([^/.]*)[^/]*$/)[1];

  function show() {
    const { answers, done } = read();
    for (const link of document.querySelectorAll(".bd-links a")) {
      const page = pageOf(link.href);
      const [quizzes, exercises] = window.statesdiffTotals[page] ?? [[], 0];
      const ticked = Object.keys(done).filter((key) => done[key] && key.startsWith(`${page}#`));
      const count = quizzes.filter((id) => answers[id]).length + ticked.length;
      const total = quizzes.length + exercises;
      link.querySelector(".progress-badge")?.remove();
      if (!count) continue;
      const badge = document.createElement("span");
      Object.assign(badge, { className: "progress-badge", role: "img", textContent: `${count}/${total}` });
      badge.setAttribute("aria-label", `${count} of ${total} questions and exercises done`);
      link.append(badge);
    }
  }

  window.statesdiffProgress = { read, write, pageOf, isStored: () => stored };
  document.addEventListener("DOMContentLoaded", show);
  for (const change of ["storage", "pageshow"]) addEventListener(change, show);
})();
