// A GRU, step by step, as keras.layers.GRU(reset_after=True) computes it. It needs no page.

const sigmoid = (v) => 1 / (1 + Math.exp(-v));
export const GATES = ["update", "reset", "candidate"]; // in Keras's order

/** Run a GRU over all inputs of a file that docs/build/live_gru.py wrote (`unpack` of back.js). forced: {update, reset}, numbers that
 * replace these gates of all units; null leaves them.
 *
 * Returns {steps, units, fromInput, fromState, update, reset, candidate, state}. fromInput (steps, 3, units) is W x + b and fromState
 * (steps, 3, units) is U h + c, with the gates in the order of `GATES`; the others are (steps, units). */
export function runCell({ units, arrays }, forced = {}) {
  const { kernel, recurrent, bias, recurrent_bias: recurrentBias, inputs } = arrays, width = 3 * units, features = kernel.length / width, steps = inputs.length / features;
  const result = { steps, units, fromInput: new Float64Array(steps * width), fromState: new Float64Array(steps * width) };
  for (const name of [...GATES, "state"]) result[name] = new Float64Array(steps * units);
  let state = new Float64Array(units);
  for (let t = 0; t < steps; t++) {
    const fromInput = result.fromInput.subarray(t * width, (t + 1) * width), fromState = result.fromState.subarray(t * width, (t + 1) * width), at = t * units;
    addProduct(inputs.subarray(t * features, (t + 1) * features), kernel, bias, fromInput);
    addProduct(state, recurrent, recurrentBias, fromState);
    for (let k = 0; k < units; k++) {
      const z = forced.update ?? sigmoid(fromInput[k] + fromState[k]), r = forced.reset ?? sigmoid(fromInput[units + k] + fromState[units + k]);
      const candidate = Math.tanh(fromInput[2 * units + k] + r * fromState[2 * units + k]);
      result.update[at + k] = z;
      result.reset[at + k] = r;
      result.candidate[at + k] = candidate;
      result.state[at + k] = z * state[k] + (1 - z) * candidate;
    }
    state = result.state.subarray(at, at + units);
  }
  return result;
}

/** Set `out` to the bias plus x W. */
function addProduct(x, matrix, bias, out) {
  const width = out.length;
  out.set(bias);
  for (let i = 0; i < x.length; i++) {
    const v = x[i], row = i * width;
    if (v) for (let j = 0; j < width; j++) out[j] += v * matrix[row + j];
  }
}

/** Return the numbers of one unit at a step: {update, reset, candidate, before, state, fromInput, fromState}, where fromInput and fromState
 * have a number for each of `GATES`. */
export function readUnit({ units, fromInput, fromState, update, reset, candidate, state }, t, k) {
  const at = t * units + k, parts = (all) => [0, 1, 2].map((gate) => all[(3 * t + gate) * units + k]);
  return { update: update[at], reset: reset[at], candidate: candidate[at], before: t ? state[at - units] : 0, state: state[at], fromInput: parts(fromInput), fromState: parts(fromState) };
}

/** Return the number of the unit whose state varies most. */
export function findLiveliest({ steps, units, state }) {
  let [best, most] = [0, -1];
  for (let k = 0; k < units; k++) {
    let [sum, squares] = [0, 0];
    for (let t = 0; t < steps; t++) sum += state[t * units + k], squares += state[t * units + k] ** 2;
    const variance = squares / steps - (sum / steps) ** 2;
    if (variance > most) [best, most] = [k, variance];
  }
  return best;
}
