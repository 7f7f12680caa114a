// Networks of ConvNetJS (Karpathy, 2014) in plain typed arrays: forward, backward and JSON snapshots.
// A volume is a Float64Array with value (y, x, d) at ((y * width) + x) * depth + d. Examples come one at a time, and gradients add up.

import { LiveError } from "./common.js";

/** Make a random generator from a seed (mulberry32): uniform numbers in [0, 1). */
function makeRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Sample n numbers from N(0, deviation^2). */
function sampleGaussian(n, deviation, uniform) {
  return Float64Array.from({ length: n }, () => deviation * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

// ------------------------------------------------------------------------------------------------ layers
// A layer has the shape [height, width, depth] of its output. forward(x) stores `out`. backward(dy) stores `gradient` (of out) and
// returns the gradient of the input. Layers with weights have parameters: [{value, gradient, decay}], weights before biases.

class Layer {
  constructor(kind, inputShape, shape) {
    Object.assign(this, { kind, inputShape, shape, parameters: [] });
    this.size = shape[0] * shape[1] * shape[2];
    this.out = new Float64Array(this.size);
  }

  addWeights(filters, fanIn, bias, uniform) {
    const makeParameter = (value, decay) => ({ value, decay, gradient: new Float64Array(value.length) });
    this.fanIn = fanIn;
    this.parameters = [makeParameter(sampleGaussian(filters * fanIn, Math.sqrt(1 / fanIn), uniform), 1), makeParameter(new Float64Array(filters).fill(bias), 0)];
  }
}

/** Cross-correlation with windows (sy, sx) over the whole depth, every `stride` positions, with `pad` zeros at each edge. */
class Conv extends Layer {
  constructor(inputShape, { sx, sy, filters, stride, pad, bias = 0.1 }, uniform) {
    const [h, w, depth] = inputShape;
    super("conv", inputShape, [countOutputs(h, sy, stride, pad), countOutputs(w, sx, stride, pad), filters]);
    Object.assign(this, { sx, sy, stride, pad });
    this.addWeights(filters, sx * sy * depth, bias, uniform);
  }

  forward(x) {
    this.x = x;
    const [weights, biases] = this.parameters.map((p) => p.value);
    const filters = this.shape[2], fan = this.fanIn, out = this.out;
    this.visitWindows((at, rows) => {
      for (let f = 0; f < filters; f++) {
        let sum = biases[f];
        for (const [from, to, length] of rows) {
          const w = f * fan + to;
          for (let i = 0; i < length; i++) sum += x[from + i] * weights[w + i];
        }
        out[at + f] = sum;
      }
    });
    return out;
  }

  backward(dy) {
    this.gradient = dy;
    const [weights, biases] = this.parameters;
    const filters = this.shape[2], fan = this.fanIn, x = this.x, dx = new Float64Array(x.length);
    this.visitWindows((at, rows) => {
      for (let f = 0; f < filters; f++) {
        const g = dy[at + f];
        if (g === 0) continue; // most gradients are zero after a ReLU and a pooling
        biases.gradient[f] += g;
        for (const [from, to, length] of rows) {
          const w = f * fan + to;
          for (let i = 0; i < length; i++) {
            weights.gradient[w + i] += g * x[from + i];
            dx[from + i] += g * weights.value[w + i];
          }
        }
      }
    });
    return dx;
  }

  /** Call visit(index in out, rows) for each window. rows: the parts of the window inside the image, [index in x, index in the filter,
   * length]. */
  visitWindows(visit) {
    const [h, w, depth] = this.inputShape, [oh, ow, filters] = this.shape, { sx, sy, stride, pad } = this;
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++) {
        const top = oy * stride - pad, left = ox * stride - pad;
        const first = Math.max(0, -left), last = Math.min(sx, w - left);
        const rows = [];
        for (let fy = Math.max(0, -top); fy < Math.min(sy, h - top); fy++) {
          rows.push([((top + fy) * w + left + first) * depth, (fy * sx + first) * depth, (last - first) * depth]);
        }
        visit((oy * ow + ox) * filters, rows);
      }
    }
  }
}

const countOutputs = (n, window, stride, pad) => Math.floor((n + 2 * pad - window) / stride) + 1;

/** Maximum of each window and channel. Of equal values the first wins, column by column, as in ConvNetJS. */
class Pool extends Layer {
  constructor(inputShape, { sx, sy, stride, pad = 0 }) {
    const [h, w, depth] = inputShape;
    super("pool", inputShape, [countOutputs(h, sy, stride, pad), countOutputs(w, sx, stride, pad), depth]);
    Object.assign(this, { sx, sy, stride, pad, from: new Int32Array(this.size) });
  }

  forward(x) {
    const [h, w, depth] = this.inputShape, [oh, ow] = this.shape, { sx, sy, stride, pad } = this;
    let at = 0;
    for (let oy = 0; oy < oh; oy++) {
      for (let ox = 0; ox < ow; ox++) {
        for (let d = 0; d < depth; d++, at++) {
          let best = -99999, bestIndex = -1;
          for (let fx = 0; fx < sx; fx++) {
            for (let fy = 0; fy < sy; fy++) {
              const y = oy * stride - pad + fy, xx = ox * stride - pad + fx;
              if (y < 0 || y >= h || xx < 0 || xx >= w) continue;
              const index = (y * w + xx) * depth + d;
              if (x[index] > best) [best, bestIndex] = [x[index], index];
            }
          }
          this.out[at] = best;
          this.from[at] = bestIndex;
        }
      }
    }
    return this.out;
  }

  backward(dy) {
    this.gradient = dy;
    const [h, w, depth] = this.inputShape, dx = new Float64Array(h * w * depth);
    for (let i = 0; i < dy.length; i++) if (this.from[i] >= 0) dx[this.from[i]] += dy[i];
    return dx;
  }
}

/** Fully connected layer. */
class FullyConnected extends Layer {
  constructor(inputShape, { filters, bias = 0 }, uniform) {
    super("fc", inputShape, [1, 1, filters]);
    this.addWeights(filters, inputShape[0] * inputShape[1] * inputShape[2], bias, uniform);
  }

  forward(x) {
    this.x = x;
    const [weights, biases] = this.parameters.map((p) => p.value);
    for (let f = 0; f < this.size; f++) {
      let sum = biases[f];
      for (let i = 0, w = f * this.fanIn; i < this.fanIn; i++, w++) sum += x[i] * weights[w];
      this.out[f] = sum;
    }
    return this.out;
  }

  backward(dy) {
    this.gradient = dy;
    const [weights, biases] = this.parameters, dx = new Float64Array(this.fanIn);
    for (let f = 0; f < this.size; f++) {
      biases.gradient[f] += dy[f];
      for (let i = 0, w = f * this.fanIn; i < this.fanIn; i++, w++) {
        weights.gradient[w] += dy[f] * this.x[i];
        dx[i] += dy[f] * weights.value[w];
      }
    }
    return dx;
  }
}

const ACTIVATIONS = {
  // name: [y as a function of x, dy/dx as a function of y]
  relu: [(x) => (x > 0 ? x : 0), (y) => (y > 0 ? 1 : 0)],
  tanh: [Math.tanh, (y) => 1 - y * y],
  sigmoid: [(x) => 1 / (1 + Math.exp(-x)), (y) => y * (1 - y)],
};

class Activation extends Layer {
  constructor(kind, inputShape) {
    super(kind, inputShape, inputShape);
    [this.apply, this.slope] = ACTIVATIONS[kind];
  }

  forward(x) {
    for (let i = 0; i < this.size; i++) this.out[i] = this.apply(x[i]);
    return this.out;
  }

  backward(dy) {
    this.gradient = dy;
    return dy.map((g, i) => g * this.slope(this.out[i]));
  }
}

// ------------------------------------------------------------------------------------------------ the network

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

export class Net {
  /** layers: like DIGITS, or those of a snapshot. seed: for the initial weights. */
  constructor(layers, seed = 1) {
    const uniform = makeRandom(seed), input = layers?.[0];
    if (input?.layer_type !== "input") throw new LiveError("This is not a ConvNetJS snapshot: its first layer must have the type input.");
    this.inputShape = [input.out_sy, input.out_sx, input.out_depth];
    let shape = this.inputShape;
    this.layers = [];
    for (const [number, definition] of layers.slice(1).entries()) {
      const kind = definition.layer_type, { filters } = definition, options = { pad: 0, ...definition, filters: Array.isArray(filters) ? filters.length : filters };
      if (kind === "softmax") break;
      const layer =
        kind === "conv" ? new Conv(shape, options, uniform)
        : kind === "pool" ? new Pool(shape, options)
        : kind === "fc" ? new FullyConnected(shape, options, uniform)
        : kind in ACTIVATIONS ? new Activation(kind, shape) : null;
      if (!layer) throw new LiveError(`Layer ${number + 1} of the snapshot has the unknown type ${kind}. This page supports conv, pool, fc, relu, tanh, sigmoid and softmax.`);
      if (layer.parameters.length && Array.isArray(filters)) fillWeights(layer, definition, number + 1);
      this.layers.push(layer);
      shape = layer.shape;
    }
    this.parameters = this.layers.flatMap((l) => l.parameters);
  }

  /** Return the probabilities of the classes for an input volume. */
  forward(x) {
    const logits = this.layers.reduce((v, layer) => layer.forward(v), (this.x = x));
    const top = logits.reduce((a, b) => Math.max(a, b));
    const parts = logits.map((s) => Math.exp(s - top)), sum = parts.reduce((a, b) => a + b);
    return (this.probabilities = parts.map((p) => p / sum));
  }

  /** After forward: add the gradients of -log p(label) to the parameters' gradients and return this loss. */
  backward(label) {
    let dy = this.probabilities.map((p, i) => p - (i === label ? 1 : 0));
    for (const layer of [...this.layers].reverse()) dy = layer.backward(dy);
    this.inputGradient = dy;
    return -Math.log(this.probabilities[label]);
  }

  /** Return a snapshot in the format of ConvNetJS, which kerasrecipes.export.convnetjs_import reads. */
  toJSON() {
    const describeLayer = (kind, [h, w, d]) => ({ layer_type: kind, out_sy: h, out_sx: w, out_depth: d });
    const classes = this.layers.at(-1).size;
    const layers = this.layers.map((layer) => {
      const definition = describeLayer(layer.kind, layer.shape);
      const { sx, sy, stride, pad, inputShape, fanIn } = layer;
      if (layer.kind === "conv" || layer.kind === "pool") Object.assign(definition, { sx, sy, stride, pad, in_depth: inputShape[2] });
      if (layer.kind === "fc") definition.num_inputs = fanIn;
      if (layer.parameters.length) {
        const [weights, biases] = layer.parameters.map((p) => Array.from(p.value));
        const size = layer.kind === "conv" ? { sx, sy, depth: inputShape[2] } : { sx: 1, sy: 1, depth: fanIn };
        definition.l1_decay_mul = 0;
        definition.l2_decay_mul = 1;
        definition.filters = biases.map((_, f) => ({ ...size, w: weights.slice(f * fanIn, (f + 1) * fanIn) }));
        definition.biases = { sx: 1, sy: 1, depth: biases.length, w: biases };
      }
      return definition;
    });
    return { layers: [describeLayer("input", this.inputShape), ...layers, { ...describeLayer("softmax", [1, 1, classes]), num_inputs: classes }] };
  }

  static fromJSON(snapshot) {
    return new Net(snapshot?.layers);
  }
}

/** Copy the weights of a snapshot into a layer. Old browsers wrote typed arrays as {"0": ..., "1": ...}. */
function fillWeights(layer, definition, number) {
  const getValues = (volume) => (Array.isArray(volume?.w) ? volume.w : Object.values(volume?.w ?? {}));
  const values = [definition.filters.flatMap(getValues), getValues(definition.biases)];
  for (const [i, parameter] of layer.parameters.entries()) {
    if (values[i].length !== parameter.value.length || !values[i].every(Number.isFinite)) {
      throw new LiveError(`Layer ${number} of the snapshot has ${values[i].length} weights, but its size needs ${parameter.value.length}.`);
    }
    parameter.value.set(values[i]);
  }
}
