/** Long work in pieces: what follows `await breathe()` is a task of its own, and the page answers in between. */

export function breathe() {
  return new Promise((go) => setTimeout(go));
}
