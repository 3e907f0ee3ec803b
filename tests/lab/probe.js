/** A lab for the tests: jobs of every temper. The tests reach its api through `globalThis.probe`. */

import { denoiser } from "../denoiser.js";
import { lab } from "../lab.js";
import { stream } from "../random.js";
import { ddim, last } from "../samplers.js";
import { NoiseSchedule } from "../schedule.js";

lab("probe", {
  jobs: {
    *count({ to }) {
      for (let k = 1; k < to; k++) yield k;
      return to;
    },
    *endless() {
      for (;;) yield;
    },
    *stuck() {
      for (;;);
    },
    *broken() {
      throw new RangeError("broken on purpose");
    },
    *sample({ seed, n }, { fourier }) {
      const x_T = stream("sample", seed).randn(2 * n);
      return last(ddim(denoiser(fourier), NoiseSchedule.linear(), x_T, { steps: 5 }));
    },
  },
  mount(el, api) {
    globalThis.probe = api;
  },
});

lab("unmountable", {
  mount() {
    throw new Error("does not mount");
  },
});
