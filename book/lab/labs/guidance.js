/** Chapter 6: guidance turned up, over the exact tilted density: noise then tilt beside tilt then noise. */

import { button, controls, make, menu, select, sentence, slider } from "../controls.js";
import { classifier, denoiser, log_prob_gradient } from "../denoiser.js";
import { dial } from "../dial.js";
import { ClassifierFreeGuidance, ClassifierGuidance } from "../guidance.js";
import { captioned, DENSITY_SIDE, drawGuided, extras, GUIDED_FLOORED, GUIDED_OUTPUTS, GUIDED_TIMES, guidedControls,
  guidedPath, gridLogs, GUIDED_QUICK, quickTimes, showCard, shownOf, stateCard, tiltOf, total_variation } from "../guided.js";
import { lab } from "../lab.js";
import { measured, observerOf, ofState } from "../measures.js";
import { stream } from "../random.js";
import { NoiseSchedule } from "../schedule.js";
import { STATE_NAMES } from "../states.js";

const GUIDED_COUNT = 2000, GUIDED_COMPARED = 1000; // points drawn; of them compared with a density, as in the chapter
const GUIDED_EARLIEST = 10; // below it the squares of the grid are too coarse for the density
const keptGuided = { key: "", path: null, card: null, logs: null }; // in the worker

/** Eq. 12, with both networks or with both exact terms (then, by Eq. 11, a difference of two exact noises). */
function guidedPredictor({ state, scale, by }, schedule, observer, networks) {
  if (by === "exact") return ClassifierFreeGuidance(observer.predictor(), state, scale);
  const network = classifier(networks.classifier);
  const gradient = (x_t, t, y) => log_prob_gradient(network, x_t, t, y);
  return ClassifierGuidance(denoiser(networks.fourier), gradient, schedule, state, scale);
}

/** Both densities of Eq. 13's question at time t, and how far the points are from each. */
function guidedDensities({ state, scale, t, seed }, observer, x_t) {
  if (keptGuided.logs?.t !== t) keptGuided.logs = gridLogs(observer, t);
  const noised = tiltOf(keptGuided.logs, state, scale); // noise, then tilt
  const tilted = tiltOf(keptGuided.logs, state, scale > 0 ? 1 : 0); // tilt, then noise: the whole state, blurred
  const some = x_t.subarray(0, 2 * GUIDED_COMPARED), random = stream("floor", seed);
  const apart = t < GUIDED_EARLIEST ? null : [noised, tilted].map((p) => total_variation(some, p, random));
  return { densities: [noised, tilted].map((p) => Float32Array.from(p)), apart };
}

const guidanceJobs = {
  /** @param args {state, scale, by, t, seed} */
  *draw(args, data) {
    const schedule = NoiseSchedule.linear(), observer = observerOf(data.outline, schedule), { t, seed, state } = args;
    const key = JSON.stringify([state, args.scale, args.by, seed]);
    if (keptGuided.key !== key) {
      const predictor = guidedPredictor(args, schedule, observer, data), times = quickTimes(t);
      const quick = shownOf(yield* guidedPath(predictor, schedule, { n: GUIDED_QUICK, times, seed }), times, t);
      yield { shown: { ...quick, t } };
      yield guidedDensities(args, observer, quick.x_t);
      const path = yield* guidedPath(predictor, schedule, { n: GUIDED_COUNT, times: GUIDED_TIMES, seed });
      Object.assign(keptGuided, { key, path, card: stateCard(path.at(-1), state, { observer, ...data, seed }) });
    }
    const shown = { ...shownOf(keptGuided.path, GUIDED_TIMES, t), t };
    yield { shown };
    return { shown, card: keptGuided.card, ...guidedDensities(args, observer, shown.x_t) };
  },
};

const TILT_ORDERS = ["noise, then tilt", "tilt, then noise"];
const TILT_WORDS = ["Noise, then tilt: Eq. 13 at time t", "Tilt, then noise: Eq. 13 at time 0, noised to t"];

function guidanceSummary({ state, scale, by, t }, { card, apart }) {
  const [accuracy, coverage] = [card.accuracy, card.coverage].map((v) => `${(100 * v).toFixed(0)}%`);
  const guide = by === "exact" ? "exact posterior" : "classifier";
  const text = `${STATE_NAMES[state]} at scale ${scale}, guided by the ${guide}: ` +
    `${accuracy} of the points right, ${coverage} of the outline covered.`;
  if (!apart) return text;
  const differ = apart.map(([d, chance], i) =>
    `from "${TILT_ORDERS[i]}" by ${d.toFixed(2)} (chance ${chance.toFixed(2)})`);
  return `${text} At t = ${t} the points differ ${differ.join(", ")}.`;
}

lab("guidance", {
  data: ["outline"],
  jobs: guidanceJobs,
  mount(el, api) {
    const { outline } = api.data, { seed } = api, idle = stream("guided", seed).randn(2 * GUIDED_QUICK);
    const now = { shown: null, densities: null };
    sentence(el, "Turn the scale up from 1 until a piece of the state is missing. Then turn t up, back into the " +
      "noise: when was it lost, and which of the two densities were the points following?");
    const pictures = make(el, "div", { className: "lab-pictures" });
    const views = TILT_ORDERS.map((order) => captioned(pictures, `Guided points over the density "${order}"`));
    const row = controls(el), go = () => (showCard(api, scale.value, null), run(argsNow()), fit(true));
    const { state, scale } = guidedControls(row, go);
    const t = slider(row, { name: "t", label: "t", min: 0, max: GUIDED_TIMES.length - 1, value: 0,
      format: (i) => String(timeAt(i)), onInput: go });
    const by = select(row, { name: "by", label: "guided by", onChange: go,
      options: [["learnt", "classifier"], ["exact", "exact posterior"]] });
    const more = extras(el);
    const layer = menu(more, { points: true, density: true, outline: true, paths: false }, { onChange: refresh, onSave: () =>
      views.forEach(({ picture }, i) => picture.save(`guidance-${i + 1}.png`, `${TILT_ORDERS[i]}: ${caption()}`)) });
    const stop = button(more, { name: "stop", label: "Stop", onClick: () => run.stop() });
    measured(el, GUIDED_OUTPUTS, GUIDED_FLOORED);
    sentence(el, "At t = 0 both orders promise the whole state, whatever the scale above 0. At high noise the points " +
      "are nearer to the left density, on the far side of the state; as the noise falls it spreads out again, and " +
      "they stay where they are.");

    const run = dial(api, "draw", { need: ["fourier", "classifier", "outline", "states"], onMessage: show,
      onResult: (result, args) => (fit(run.busy), result && show(result, args)) });

    function timeAt(index) {
      return GUIDED_TIMES[GUIDED_TIMES.length - 1 - index];
    }

    function argsNow() {
      return { state: Number(state.value), scale: scale.value, by: by.value, t: timeAt(t.value), seed };
    }

    function caption() {
      const shown = now.args ?? argsNow();
      return `${STATE_NAMES[shown.state]}, scale ${shown.scale}, t = ${shown.t}, ${shown.by}, seed ${shown.seed}`;
    }

    function fit(busy) {
      stop.style.visibility = busy ? "visible" : "hidden";
    }

    function show(message, args) {
      Object.assign(now, message, { args });
      views.forEach(({ words }, i) => {
        const apart = message.apart?.[i].map((v) => v.toFixed(2));
        if (message.densities || !now.densities)
          words.textContent = TILT_WORDS[i] + (apart ? `. Points differ by ${apart[0]} (chance ${apart[1]}).` : ".");
      });
      if (message.card) {
        showCard(api, args.scale, message.card);
        api.summary(guidanceSummary(args, message));
      }
      refresh();
    }

    function refresh() {
      views.forEach(({ picture }) => picture.refresh());
    }

    views.forEach(({ picture, words }, i) => {
      words.textContent = `${TILT_WORDS[i]}.`;
      picture.draw = () => drawGuided(picture, { shown: now.shown, state: Number(state.value), idle,
        outline: ofState(outline, Number(state.value)),
        density: now.densities && { values: now.densities[i], side: DENSITY_SIDE } }, layer);
    });
    fit(false);
    refresh();
  },
});
