/** What is measured in a worker: the joined script of the labs stands before this, their data sets after it. */

const { bytesOf, classifier, ClassifierGuidance, ddim, ddpm, decode, denoiser, dpmpp_2m, last, loadKernel,
  log_prob_gradient, Network, NoiseSchedule, RECIPES, stream, train_denoiser } = statesdiff;
const WARM_UP = 30, arrived = {};

statesdiff.dataArrived = (name, about, text) => { arrived[name] = { about, bytes: bytesOf(text) }; };

/** A fresh network of the recipe "fourier", and the iterator that trains it. */
function fourier({ steps, seed }) {
  const schedule = NoiseSchedule.linear({ T: 500 }), network = new Network(RECIPES.fourier.config);
  network.init(stream("init", seed));
  const options = { ...RECIPES.fourier.options, steps, random: stream("train", seed) };
  return { schedule, network, training: train_denoiser(network, decode(arrived.states).x, schedule, options) };
}

const SAMPLERS = { dpmpp_2m, ddim };

const tasks = {
  /** Milliseconds of an update, after some that are not counted. */
  update({ updates }) {
    const { training } = fourier({ steps: updates + WARM_UP, seed: 0 });
    for (let k = 0; k < WARM_UP; k++) training.next();
    const begun = performance.now();
    for (const _ of training);
    return (performance.now() - begun) / updates;
  },

  /** Train with a budget of `steps`, then sample n points as the book does. @returns {{seconds, x_0}} */
  train({ steps, seed, n }) {
    const { schedule, network, training } = fourier({ steps, seed });
    const begun = performance.now();
    for (const _ of training);
    const seconds = (performance.now() - begun) / 1000, random = stream("sample", seed);
    const x_0 = last(ddpm(denoiser(network), schedule, random.randn(2 * n), { random }));
    return { seconds, x_0: Array.from(x_0) };
  },

  /** Seconds for n points by so many evaluations of the book's network, guided by the labs' classifier or not. */
  sample({ n, sampler, steps, guided }) {
    const schedule = NoiseSchedule.linear(), of_class = classifier(decode(arrived.classifier));
    const gradient = (x_t, t, y) => log_prob_gradient(of_class, x_t, t, y), plain = denoiser(decode(arrived.fourier));
    const predictor = guided ? ClassifierGuidance(plain, gradient, schedule, 3, 2) : plain;
    const x_T = stream("sample", 0).randn(2 * n), begun = performance.now();
    last(SAMPLERS[sampler](predictor, schedule, x_T, { steps }));
    return (performance.now() - begun) / 1000;
  },
};

/** One task at a time; what it makes in the kernel's memory is given back. */
onmessage = async ({ data: { task, args } }) => {
  try {
    const kernel = await loadKernel({ relaxed: args.relaxed });
    postMessage({ value: kernel.scratch(() => tasks[task](args)) });
  } catch (error) {
    postMessage({ error: String(error.stack ?? error) });
  }
};
