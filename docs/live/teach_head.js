// The head of the page Teach a machine: one fully connected layer on standardized features, trained by net.js and trainer.js.

import { softmax } from "./common.js";
import { Net } from "./net.js";
import { makeRandom } from "./random.js";
import { Trainer } from "./trainer.js";

const SCALE = 4; // length of a typical standardized feature vector
const FLOOR = 0.05; // of the mean deviation, added to each deviation: features that hardly vary stay small
const STEPS = 400, BATCH = 24, SETTINGS = { method: "momentum", rate: 0.1, momentum: 0.9, batch: BATCH, decay: 0.01 };
const SLICE = 40; // ms of training until the page handles events
const HELD_OUT = 5; // every fifth recording measures the head before it learns from all

/** Probabilities of the classes from features. `weights` (features, classes) and `biases` include the standardization. */
export class Head {
  constructor(weights, biases) {
    Object.assign(this, { weights, biases });
  }

  predict(features) {
    const count = this.biases.length, logits = Float64Array.from(this.biases);
    for (let i = 0, w = 0; i < features.length; i++) for (let k = 0; k < count; k++, w++) logits[k] += features[i] * this.weights[w];
    return softmax(logits);
  }
}

/** Compute the mean and the deviation of each feature over all examples. */
function computeStatistics(examples) {
  const size = examples[0].features.length, mean = new Float64Array(size), deviation = new Float64Array(size);
  for (const { features } of examples) for (let i = 0; i < size; i++) mean[i] += features[i] / examples.length;
  for (const { features } of examples) for (let i = 0; i < size; i++) deviation[i] += (features[i] - mean[i]) ** 2 / examples.length;
  const typical = Math.sqrt(deviation.reduce((a, b) => a + b) / size) || 1;
  return { mean, deviation: deviation.map((v) => Math.sqrt(v) + FLOOR * typical) };
}

/** Train a head on examples [{features, label}]. onProgress(share) is called between slices. */
export async function trainHead(examples, numClasses, onProgress = () => {}) {
  const { mean, deviation } = computeStatistics(examples), size = mean.length, factor = SCALE / Math.sqrt(size);
  const inputs = examples.map(({ features }) => mean.map((m, i) => ((features[i] - m) / deviation[i]) * factor));
  const net = new Net([
    { layer_type: "input", out_sx: 1, out_sy: 1, out_depth: size }, { layer_type: "fc", filters: numClasses }, { layer_type: "softmax" },
  ]);
  for (const { value } of net.parameters) value.fill(0); // one layer needs no random start
  const trainer = new Trainer(net, SETTINGS), uniform = makeRandom(1), order = [];
  const last = STEPS * BATCH;
  for (let n = 0, pause = performance.now() + SLICE; n < last; n++) {
    if (!order.length) order.push(...shuffle(examples.length, uniform));
    const k = order.pop();
    trainer.train(inputs[k], examples[k].label);
    if (performance.now() < pause) continue;
    onProgress(n / last);
    await new Promise((next) => setTimeout(next));
    pause = performance.now() + SLICE;
  }
  const [filters, biases] = net.parameters.map((p) => p.value), weights = new Float64Array(size * numClasses), sums = Float64Array.from(biases);
  for (let i = 0; i < size; i++) {
    for (let k = 0; k < numClasses; k++) {
      const w = (weights[i * numClasses + k] = (filters[k * size + i] * factor) / deviation[i]);
      sums[k] -= w * mean[i];
    }
  }
  return new Head(weights, sums);
}

function shuffle(count, uniform) {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor((i + 1) * uniform());
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

/** Train without every fifth clip and count how many of these the head gets right: {correct, total}. examples: [{features, label, clip,
 * variant}], where `clip` numbers the clips of a class; variants of a clip only train. */
export async function measureHead(examples, numClasses, isCounted, onProgress) {
  const isHeldOut = ({ label, clip }) => isCounted(label) && clip % HELD_OUT === HELD_OUT - 1;
  const held = examples.filter((e) => isHeldOut(e) && !e.variant);
  if (!held.length) return { correct: 0, total: 0 };
  const head = await trainHead(examples.filter((e) => !isHeldOut(e)), numClasses, onProgress);
  const correct = held.filter(({ features, label }) => findBest(head.predict(features)) === label).length;
  return { correct, total: held.length };
}

export const findBest = (values) => values.indexOf(Math.max(...values));
