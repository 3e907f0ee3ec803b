// Questions that wait for an answer, exercises to tick off, and the button that forgets both. See book/_ext/quizzes.py.
(() => {
  const progress = window.statesdiffProgress;
  const PROMPT = "Choose an answer to see what happens. ";
  const REFUSED = "This browser keeps nothing for this page: your answers last until you leave it.";
  const CONFIRM = "Forget all answers and ticks that this browser keeps for the book?";

  function make(tag, properties, ...children) {
    const element = Object.assign(document.createElement(tag), properties);
    element.append(...children);
    return element;
  }

  function note(place) {
    if (progress.isStored() || document.querySelector(".quiz-note")) return;
    place.after(make("p", { className: "quiz-note", textContent: REFUSED }));
  }

  // The list becomes buttons. The reason of the answer that is chosen moves into a live region, to be read out.
  function buttonsOf(quiz) {
    return [...quiz.querySelectorAll("li")].map((item) => {
      const text = item.querySelector(".quiz-text");
      const button = make("button", { type: "button", className: "quiz-answer" });
      const live = make("div", {});
      live.setAttribute("aria-live", "polite");
      text.before(button);
      button.append(text);
      item.append(live);
      item.querySelector(".quiz-why").hidden = true;
      return button;
    });
  }

  function reveal(buttons, given, aloud) {
    for (const button of buttons) {
      const item = button.closest("li");
      const chosen = item.dataset.answer === given;
      const why = item.querySelector(".quiz-why");
      item.classList.add(item.dataset.answer === "right" ? "quiz-right" : "quiz-wrong");
      button.setAttribute("aria-disabled", "true");
      button.setAttribute("aria-pressed", String(chosen));
      if (chosen) button.append(make("span", { className: "quiz-yours", textContent: "Your answer" }));
      if (chosen && aloud) item.querySelector("[aria-live]").append(why);
      why.hidden = false;
    }
  }

  function ask(quiz) {
    const fold = quiz.nextElementSibling;
    const id = quiz.dataset.quiz;
    const skip = make("button", { type: "button", className: "quiz-skip", textContent: "Show without answering" });
    const prompt = make("p", { className: "quiz-prompt" }, PROMPT, skip);
    const buttons = buttonsOf(quiz);
    const open = () => {
      fold.removeAttribute("hidden");
      prompt.remove();
    };
    const choose = (button) => {
      if (button.getAttribute("aria-disabled")) return;
      const given = button.closest("li").dataset.answer;
      reveal(buttons, given, true);
      open();
      progress.write("answers", id, given);
      note(quiz);
    };
    for (const button of buttons) button.addEventListener("click", () => choose(button));
    skip.addEventListener("click", () => {
      open();
      fold.tabIndex = -1;
      fold.focus({ preventScroll: true });
      progress.write("shown", id, true);
      note(quiz);
    });
    fold.addEventListener("beforematch", open);
    fold.addEventListener("quiz-open", open);
    const { answers, shown } = progress.read();
    if (answers[id]) reveal(buttons, answers[id], false);
    if (answers[id] || shown[id]) return;
    quiz.after(prompt);
    fold.setAttribute("hidden", "until-found");
  }

  function tick(section) {
    const heading = section.querySelector("h2, h3, h4");
    const name = heading.textContent.match(/^Exercise \d+/)?.[0];
    if (!name) return;
    const key = `${progress.pageOf(location.href)}#${section.id}`;
    const box = make("input", { type: "checkbox", checked: Boolean(progress.read().done[key]) });
    const label = make("label", { className: "exercise-done" }, box, ` ${name} is done`);
    ([...section.querySelectorAll(":scope > .tag_solution, :scope > details")].at(-1) ?? heading).after(label);
    box.addEventListener("change", () => {
      progress.write("done", key, box.checked || undefined);
      note(label);
    });
  }

  function offerToClear(place) {
    const button = make("button", { type: "button", className: "quiz-clear", textContent: "Clear my answers" });
    const said = make("span", {});
    said.setAttribute("role", "status");
    button.addEventListener("click", () => {
      if (!confirm(CONFIRM)) return;
      progress.write();
      said.textContent = progress.isStored() ? " Cleared." : " There was nothing to clear.";
    });
    place.append(button, said);
  }

  // A link into a fold opens it, as the browser's search in the page does by itself.
  function follow() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const fold = target?.closest(".quiz-fold[hidden]");
    if (!fold) return;
    fold.dispatchEvent(new Event("quiz-open"));
    target.scrollIntoView();
  }

  function start() {
    document.querySelectorAll(".quiz").forEach(ask);
    document.querySelectorAll("section[id^='exercise-']").forEach(tick);
    document.querySelectorAll(".progress-clear").forEach(offerToClear);
    follow();
    window.addEventListener("hashchange", follow);
    // The formulas of a button are not controls of their own.
    window.MathJax?.startup?.promise?.then(() => {
      for (const formula of document.querySelectorAll(".quiz-answer mjx-container")) formula.removeAttribute("tabindex");
    });
  }

  // Until then what will be folded is not shown, lest it be seen in passing.
  document.documentElement.classList.add("quiz-starts");
  document.addEventListener("DOMContentLoaded", () => {
    try {
      start();
    } finally {
      document.documentElement.classList.remove("quiz-starts");
    }
  });
})();
