/** The network of the recipe "fourier" in tfjs on its wasm backend, trained on one batch that is ready. */

globalThis.start = async ({ sizes, weights, x, target, n }) => {
  const files = ["tfjs-backend-wasm.wasm", "tfjs-backend-wasm-simd.wasm", "tfjs-backend-wasm-threaded-simd.wasm"];
  tf.wasm.setWasmPaths(Object.fromEntries(files.map((name) => [name, `/@tensorflow/tfjs-backend-wasm/dist/${name}`])));
  if (!(await tf.setBackend("wasm"))) throw new Error("tfjs has no wasm backend here");
  const layers = weights.map(([w, b], k) =>
    [tf.variable(tf.tensor2d(w, [sizes[k], sizes[k + 1]])), tf.variable(tf.tensor1d(b))]);
  const input = tf.tensor2d(x, [n, sizes[0]]), wanted = tf.tensor2d(target, [n, 2]);
  const optimiser = tf.train.adam(0.001, 0.9, 0.99);
  const forward = () => layers.reduce((h, [w, b], k) => {
    const z = tf.add(tf.matMul(h, w), b);
    return k + 1 < layers.length ? tf.relu(z) : z;
  }, input);
  const loss = () => tf.mean(tf.square(tf.sub(forward(), wanted)));
  return async () => {
    const cost = optimiser.minimize(loss, true), value = (await cost.data())[0];
    cost.dispose();
    return value;
  };
};
