/** A dial that shows something at once, however fast it moves, and takes its time for the rest. */

/**
 * A function (args) that runs a job of the lab. The job first yields something quick to see, then goes on. While that
 * first thing is awaited newer args wait (the newest win); later they stop what is going on and start at once. Without
 * `onMessage` nothing is seen before the end, and every run that is begun comes to it.
 * @param api what `mount` was given  @param {string} job  @param of `onMessage(message, args)` takes what the job
 *  yields, `onResult(result, args)` what it returns, or null if the reader stopped it or it failed
 * @returns {Function} with `.stop()` and `.busy`, which in `onResult` tells whether newer args wait
 */
export function dial(api, job, { need = [], onMessage = null, onResult }) {
  let run = null, seen = true, waiting = null;

  function start(args) {
    [seen, waiting] = [false, null];
    const mine = (run = api.run(job, args, { need, onMessage: (message) => {
      if (mine !== run || !onMessage) return;
      onMessage(message, args);
      seen = true;
      next();
    } }));
    mine.done.catch(() => {
      if (mine === run) waiting = null; // `api.run` has marked the lab as failed
      return null;
    }).then((result) => {
      if (mine !== run) return;
      run = null;
      onResult(result, args);
      next();
    });
  }

  function next() {
    if (waiting) start(waiting);
  }

  function go(args) {
    if (run && !seen) waiting = args;
    else start(args);
  }

  go.stop = () => {
    waiting = null;
    run?.stop();
  };
  return Object.defineProperty(go, "busy", { get: () => run !== null || waiting !== null });
}

/** Let a button say what it does now: start while nothing runs, stop while something does. */
export function startStop(el, words, busy) {
  el.textContent = busy ? "Stop" : words;
}
