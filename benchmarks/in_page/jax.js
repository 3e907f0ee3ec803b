/** The network of the recipe "fourier" in jax-js on its wasm backend, compiled, trained on one batch that is ready. */

import { defaultDevice, init, jit, numpy as np, valueAndGrad } from "/@jax-js/jax/dist/index.js";

const shared = (layers) => layers.map(({ w, b }) => ({ w: w.ref, b: b.ref }));

function forward(layers, x) {
  return layers.reduce((h, { w, b }, k) => {
    const z = np.matmul(h, w).add(b);
    return k + 1 < layers.length ? np.maximum(z, 0) : z;
  }, x);
}

/** Adam as in the recipe, without its weight decay. */
function stepOf(layers, m, v, x, target, c1, c2) {
  const cost = (p, input, wanted) => np.mean(np.square(forward(p, input).sub(wanted)));
  const [value, g] = valueAndGrad(cost)(shared(layers), x, target), [P, M, V] = [[], [], []];
  layers.forEach((layer, k) => {
    [P, M, V].forEach((list) => list.push({}));
    for (const name of ["w", "b"]) {
      M[k][name] = m[k][name].mul(0.9).add(g[k][name].ref.mul(0.1));
      V[k][name] = v[k][name].mul(0.99).add(np.square(g[k][name]).mul(0.01));
      const size = np.sqrt(V[k][name].ref.div(c2.ref)).add(1e-8);
      P[k][name] = layer[name].sub(M[k][name].ref.div(c1.ref).div(size).mul(0.001));
    }
  });
  c1.dispose();
  c2.dispose();
  return [value, P, M, V];
}

globalThis.start = async ({ sizes, weights, x, target, n }) => {
  await init("wasm");
  defaultDevice("wasm");
  const make = (of) => weights.map(([w, b], k) =>
    ({ w: np.array(of(w)).reshape([sizes[k], sizes[k + 1]]), b: np.array(of(b)) }));
  const zeros = (values) => new Float32Array(values.length), step = jit(stepOf);
  let [layers, m, v, count] = [make((a) => Float32Array.from(a)), make(zeros), make(zeros), 0];
  const [input, wanted] = [[x, sizes[0]], [target, 2]].map(([a, k]) => np.array(Float32Array.from(a)).reshape([n, k]));
  return async () => {
    count += 1;
    const [c1, c2] = [0.9, 0.99].map((beta) => np.array(1 - beta ** count));
    let value = null;
    [value, layers, m, v] = step(layers, m, v, input.ref, wanted.ref, c1, c2);
    return await value.jsAsync();
  };
};
