// Networks of ConvNetJS (Karpathy, 2014) in plain typed arrays: a chain of layers with a loss at its end, and JSON snapshots.
// Examples come one at a time, and gradients add up.

import { LiveError } from "./common.js";
import { Conv, FullyConnected, Pool } from "./layers.js";
import { makeRandom } from "./random.js";
import { ACTIVATIONS, Activation, Dropout, LOSSES, Maxout, ResponseNormalization } from "./units.js";

const MOST_VALUES = 4e6; // weights of a layer, or values of its output: more would stop the browser

/** The digit network of ConvNetJS's page, which is also `convnetjs_mnist`. */
export const DIGITS = [
  { layer_type: "input", out_sx: 24, out_sy: 24, out_depth: 1 },
  { layer_type: "conv", sx: 5, sy: 5, filters: 8, stride: 1, pad: 2 },
  { layer_type: "relu" },
  { layer_type: "pool", sx: 2, sy: 2, stride: 2 },
  { layer_type: "conv", sx: 5, sy: 5, filters: 16, stride: 1, pad: 2 },
  { layer_type: "relu" },
  { layer_type: "pool", sx: 3, sy: 3, stride: 3 },
  { layer_type: "fc", filters: 10 },
  { layer_type: "softmax" },
];

const BUILDERS = {
  conv: (shape, options, uniform) => new Conv(shape, options, uniform),
  pool: (shape, options) => new Pool(shape, options),
  fc: (shape, options, uniform) => new FullyConnected(shape, options, uniform),
  maxout: (shape, options) => new Maxout(shape, options),
  lrn: (shape, options) => new ResponseNormalization(shape, options),
  dropout: (shape, options, uniform) => new Dropout(shape, options, uniform),
  ...Object.fromEntries(ACTIVATIONS.map((kind) => [kind, (shape) => new Activation(kind, shape)])),
};
const KINDS = [...Object.keys(BUILDERS), ...Object.keys(LOSSES)];

export class Net {
  /** layers: like DIGITS, or those of a snapshot. seed: for the initial weights. name(number): how errors name layer `number`. */
  constructor(layers, seed = 1, name = (number) => `Layer ${number} of the snapshot`) {
    const uniform = makeRandom(seed), input = Array.isArray(layers) ? layers[0] : undefined;
    if (input?.layer_type !== "input") throw new LiveError("This is not a ConvNetJS snapshot: its first layer must have the type input.");
    this.inputShape = [input.out_sy, input.out_sx, input.out_depth];
    checkShape(this.inputShape, name(0));
    this.layers = [];
    let shape = this.inputShape;
    for (const [i, definition] of layers.slice(1).entries()) {
      const number = i + 1, kind = definition?.layer_type, { filters } = definition ?? {};
      if (!KINDS.includes(kind)) throw new LiveError(`${name(number)} has the unknown type ${kind}. This page supports ${KINDS.join(", ")}.`);
      if (kind in LOSSES) {
        this.lossKind = kind;
        break;
      }
      const bias = layers[number + 1]?.layer_type === "relu" ? 0.1 : 0; // ReLUs begin with a small positive bias
      const options = { pad: 0, stride: 1, bias, ...definition, filters: Array.isArray(filters) ? filters.length : (filters ?? definition.out_depth) };
      checkOptions(kind, shape, options, name(number));
      const layer = BUILDERS[kind](shape, options, uniform);
      checkShape(layer.shape, name(number));
      if (layer.parameters.length && Array.isArray(filters)) fillWeights(layer, definition, name(number));
      this.layers.push(layer);
      shape = layer.shape;
    }
    if (!this.layers.length) throw new LiveError("The network has no layers between its input and its loss.");
    this.lossKind ??= "softmax";
    this.parameters = this.layers.flatMap((l) => l.parameters);
  }

  /** Return the network's output for an input volume: probabilities of the classes after a softmax, else the last layer's values. */
  forward(x, isTraining = false) {
    const last = this.layers.reduce((v, layer) => layer.forward(v, isTraining), (this.x = x));
    return (this.output = LOSSES[this.lossKind].forward(last));
  }

  /** After forward: add the gradients of the loss to the parameters' gradients and return the loss. target: a class, or the values of a
   * regression. */
  backward(target) {
    let [loss, dy] = LOSSES[this.lossKind].grad(this.output, target);
    for (let i = this.layers.length - 1; i >= 0; i--) dy = this.layers[i].backward(dy);
    this.inputGradient = dy;
    return loss;
  }

  /** Compute all values and gradients of one example, without a change of the gradients that a batch has collected. Returns
   * {loss, output, inputGradient, layers: [{out, gradient, weightGradients}]}. */
  inspect(x, target) {
    const saved = this.parameters.map((p) => p.gradient.slice());
    for (const { gradient } of this.parameters) gradient.fill(0);
    const output = this.forward(x), loss = this.backward(target);
    const layers = this.layers.map((l) => ({ out: l.out.slice(), gradient: l.gradient, weightGradients: l.parameters.map((p) => p.gradient.slice()) }));
    for (const [i, { gradient }] of this.parameters.entries()) gradient.set(saved[i]);
    return { loss, output, inputGradient: this.inputGradient, layers };
  }

  /** Return a snapshot in the format of ConvNetJS, which kerasrecipes.export.convnetjs_import reads. */
  toJSON() {
    const describeLayer = (kind, [h, w, d]) => ({ layer_type: kind, out_sy: h, out_sx: w, out_depth: d });
    const outputs = this.layers.at(-1).size;
    const layers = this.layers.map((layer) => {
      const definition = { ...describeLayer(layer.kind, layer.shape), ...layer.describe() };
      if (layer.parameters.length) {
        const [weights, biases] = layer.parameters.map((p) => Array.from(p.value)), { fanIn } = layer;
        const size = layer.kind === "conv" ? { sx: layer.sx, sy: layer.sy, depth: layer.inputShape[2] } : { sx: 1, sy: 1, depth: fanIn };
        definition.l1_decay_mul = 0;
        definition.l2_decay_mul = 1;
        definition.filters = biases.map((_, f) => ({ ...size, w: weights.slice(f * fanIn, (f + 1) * fanIn) }));
        definition.biases = { sx: 1, sy: 1, depth: biases.length, w: biases };
      }
      return definition;
    });
    return { layers: [describeLayer("input", this.inputShape), ...layers, { ...describeLayer(this.lossKind, [1, 1, outputs]), num_inputs: outputs }] };
  }

  static fromJSON(snapshot) {
    return new Net(snapshot?.layers);
  }
}

const isCount = (v, least = 1) => Number.isInteger(v) && v >= least;

function checkShape([height, width, depth], name) {
  if (![height, width, depth].every((v) => isCount(v))) {
    throw new LiveError(`${name} has the size ${height} × ${width} × ${depth}: each side must be a whole number of at least 1. Take smaller windows or strides.`);
  }
  checkSize(height * width * depth, "values", name);
}

function checkSize(count, noun, name) {
  if (count > MOST_VALUES) throw new LiveError(`${name} has ${count.toLocaleString("en")} ${noun}. This page allows ${MOST_VALUES.toLocaleString("en")}.`);
}

/** Check the numbers of a layer's definition before it is built. */
function checkOptions(kind, [height, width, depth], options, name) {
  const { sx, sy, stride, pad, filters, group_size: group = 2, drop_prob: drop = 0.5 } = options;
  const isWindow = kind === "conv" || kind === "pool";
  if (isWindow && !(isCount(sx) && isCount(sy) && isCount(stride) && isCount(pad, 0))) {
    throw new LiveError(`${name} needs windows (${sx} × ${sy}) and a stride (${stride}) of at least 1, and a pad (${pad}) of at least 0.`);
  }
  if ((kind === "conv" || kind === "fc") && !isCount(filters)) throw new LiveError(`${name} needs a number of filters of at least 1, not ${filters}.`);
  if (kind === "conv") checkSize(filters * sx * sy * depth, "weights", name);
  if (kind === "fc") checkSize(filters * height * width * depth, "weights", name);
  if (kind === "maxout" && !(isCount(group) && group <= depth)) throw new LiveError(`${name} takes the maximum of ${group} channels, but its input has ${depth}.`);
  if (kind === "dropout" && !(drop >= 0 && drop <= 1)) throw new LiveError(`${name} drops with the probability ${drop}, which must be 0 to 1.`);
  const { k = 1, n = 5, alpha = 1e-4, beta = 0.75 } = options;
  if (kind === "lrn" && !(isCount(n) && k > 0 && alpha >= 0 && Number.isFinite(k + alpha + beta))) {
    throw new LiveError(`${name} needs n of at least 1, k above 0, alpha of at least 0, and beta.`);
  }
}

/** Copy the weights of a snapshot into a layer. Old browsers wrote typed arrays as {"0": ..., "1": ...}. */
function fillWeights(layer, definition, name) {
  const getValues = (volume) => (Array.isArray(volume?.w) ? volume.w : Object.values(volume?.w ?? {}));
  const values = [definition.filters.flatMap(getValues), getValues(definition.biases)];
  for (const [i, parameter] of layer.parameters.entries()) {
    if (values[i].length !== parameter.value.length || !values[i].every(Number.isFinite)) {
      throw new LiveError(`${name} has ${values[i].length} weights, but its size needs ${parameter.value.length}.`);
    }
    parameter.value.set(values[i]);
  }
}
