/** Chapter 7: the same dial without a classifier, learnt beside exact; with walks at every noise level, or without. */

import { button, controls, make, menu, select, sentence } from "../controls.js";
import { denoiser } from "../denoiser.js";
import { dial } from "../dial.js";
import { ClassifierFreeGuidance } from "../guidance.js";
import { captioned, drawGuided, extras, GUIDED_FLOORED, GUIDED_OUTPUTS, GUIDED_QUICK, GUIDED_TIMES, guidedControls,
  guidedPath, quickTimes, showCard, shownOf, stateCard } from "../guided.js";
import { lab } from "../lab.js";
import { measured, observerOf, ofState } from "../measures.js";
import { stream } from "../random.js";
import { NoiseSchedule } from "../schedule.js";
import { STATE_NAMES } from "../states.js";

/** Points by the network and by the exact scores, for each number of walks; more walks, fewer points. */
const FREE_COUNTS = { 0: [2000, 1000], 2: [1000, 400], 10: [500, 200] };
const FREE_WALKS = [["0", "none, fresh noise"], ["2", "2 walks a level"], ["10", "10 walks a level"]];

/** Eq. 16, n times at time t, yielding after each. */
function* walk(predictor, schedule, x, t, { walks, random }) {
  const h = 0.2 * (1 - schedule.alpha_bar[t]);
  for (let k = 0; k < walks; k++) {
    const score = schedule.score(predictor(x, t), t), z = random.randn(x.length);
    x = x.map((v, i) => v + h * score[i] + Math.sqrt(2 * h) * z[i]);
    yield;
  }
  return x;
}

/** Steps without noise (Eq. 7) with walks in between; yields {x_t, t} after each level, nothing within; returns x_0. */
function* corrected(predictor, schedule, x_T, { times, walks, random }) {
  let x = x_T;
  for (let k = 0; k + 1 < times.length; k++) {
    const [t, to] = [times[k], times[k + 1]], eps_hat = predictor(x, t);
    x = schedule.q_sample(schedule.predict_x_0(x, t, eps_hat), to, eps_hat);
    if (to > 0) x = yield* walk(predictor, schedule, x, to, { walks, random });
    yield { x_t: x, t: to };
  }
  return x;
}

/** x_0 of n points; with walks it yields what is to be seen on the way, as {[name]: shown}. */
function* freeSamples(predictor, schedule, name, { n, walks, seed, frames, times = GUIDED_TIMES }) {
  if (!walks) return shownOf(yield* guidedPath(predictor, schedule, { n, times, seed }), times, 0);
  const random = stream("guided", seed), levels = [random.randn(2 * n)];
  const way = corrected(predictor, schedule, levels[0], { times, walks, random });
  for (const level of way) {
    if (level) levels.push(level.x_t);
    yield level && frames ? { [name]: { ...level, paths: [], n } } : undefined;
  }
  return shownOf(levels, times, 0);
}

const freeJobs = {
  /** @param args {state, scale, walks, seed, frames} */
  *draw(args, { conditional, outline, states }) {
    const schedule = NoiseSchedule.linear(), observer = observerOf(outline, schedule), { state, scale, seed } = args;
    const learnt = ClassifierFreeGuidance(denoiser(conditional), state, scale);
    const exact = ClassifierFreeGuidance(observer.predictor(), state, scale);
    const [n, n_exact] = FREE_COUNTS[args.walks];
    if (!args.walks) {
      const quick = { ...args, n: GUIDED_QUICK, times: quickTimes(0) };
      yield { learnt: yield* freeSamples(learnt, schedule, "learnt", quick) };
      yield { exact: yield* freeSamples(exact, schedule, "exact", quick) };
    }
    const ours = yield* freeSamples(learnt, schedule, "learnt", { ...args, n });
    const measures = { observer, outline, states, seed };
    yield { learnt: ours, card: stateCard(ours.x_t, state, measures) };
    const best = yield* freeSamples(exact, schedule, "exact", { ...args, n: n_exact });
    return { exact: best, card_exact: stateCard(best.x_t, state, measures) };
  },
};

const FREE_WORDS = { learnt: "Learnt scores", exact: "Exact scores" };

/** What a picture shows, under it. */
function freeWords(name, shown, card) {
  if (!shown || !card) return `${FREE_WORDS[name]}.`;
  const of = (measure) => `${measure} ${card[measure].toFixed(3)} (real ${card[`${measure}-floor`].toFixed(3)})`;
  return `${FREE_WORDS[name]}, ${shown.n} points: ${of("coverage")}, ${of("distance")}.`;
}

lab("guidance-free", {
  data: ["outline"],
  jobs: freeJobs,
  mount(el, api) {
    const { outline } = api.data, { seed } = api, idle = stream("guided", seed).randn(2 * GUIDED_QUICK);
    const now = { stale: {} };
    sentence(el, "Turn the scale to 4: what is missing? Let the points walk, and see what comes back. " +
      "Then try scale 8 without walks: which harm is the network's own?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const views = { learnt: captioned(pictures, "Points guided by the network"),
      exact: captioned(pictures, "Points guided by the exact scores") };
    const row = controls(el), go = () => {
      showCard(api, scale.value, null);
      Object.assign(now, { card: null, card_exact: null, stale: { learnt: true, exact: true } });
      refresh();
      run(argsNow());
      stop.style.visibility = "visible";
    };
    const { state, scale } = guidedControls(row, go);
    const walks = select(row, { name: "walks", label: "corrections", options: FREE_WALKS, onChange: go });
    const more = extras(el), layer = menu(more, { points: true, outline: true, paths: false }, { onChange: refresh,
      onSave: () => views.learnt.picture.save("guidance-free.png", caption()) });
    const stop = button(more, { name: "stop", label: "Stop", onClick: () => run.stop() });
    measured(el, GUIDED_OUTPUTS, GUIDED_FLOORED);
    sentence(el, "From scale 4 on a piece of Oklahoma is missing, with exact scores as well; walks at every noise " +
      "level bring it back, at many times the cost. That points fly off the map at scale 8 is the network's doing " +
      "alone.");

    const run = dial(api, "draw", { need: ["conditional", "outline", "states"], onMessage: show,
      onResult: (result, args) => {
        stop.style.visibility = run.busy ? "visible" : "hidden";
        if (result) show(result, args);
      } });

    function argsNow() {
      return { state: Number(state.value), scale: scale.value, walks: Number(walks.value), seed, frames: !api.still };
    }

    function caption() {
      const shown = now.args ?? argsNow(), how = shown.walks ? `${shown.walks} walks a level` : "fresh noise";
      return `${STATE_NAMES[shown.state]}, classifier-free, scale ${shown.scale}, ${how}, seed ${shown.seed}`;
    }

    function show(message, args) {
      Object.assign(now, message, { args });
      Object.keys(views).forEach((name) => message[name] && (now.stale[name] = false));
      if (message.card) showCard(api, args.scale, message.card);
      views.learnt.words.textContent = freeWords("learnt", now.learnt, now.card);
      views.exact.words.textContent = freeWords("exact", now.exact, now.card_exact);
      if (message.card_exact) {
        const percent = (v) => `${Math.round(100 * v)}%`, { card, card_exact: exact } = now;
        api.summary(`${caption()}: ${percent(card.accuracy)} of the points right, ${percent(card.coverage)} of the ` +
          `outline covered, by exact scores ${percent(exact.coverage)}.`);
      }
      refresh();
    }

    function refresh() {
      Object.values(views).forEach(({ picture }) => picture.refresh());
    }

    Object.entries(views).forEach(([name, { picture, words }]) => {
      words.textContent = freeWords(name);
      picture.draw = () => drawGuided(picture, { shown: now[name], state: Number(state.value), idle,
        stale: now.stale[name], outline: ofState(outline, Number(state.value)) }, layer);
    });
    stop.style.visibility = "hidden";
    refresh();
  },
});
