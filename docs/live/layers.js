// Layers with weights or windows: convolution, max pooling and fully connected layer.
// A volume is a Float64Array with value (y, x, d) at ((y * width) + x) * depth + d.
//
// A layer has the shape [height, width, depth] of its output. forward(x, isTraining) stores `out`. backward(dy) stores `gradient` (of out)
// and returns the gradient of the input. Layers with weights have parameters: [{value, gradient, decay}], weights before biases.

import { sampleGaussian } from "./random.js";

export class Layer {
  constructor(kind, inputShape, shape) {
    Object.assign(this, { kind, inputShape, shape, parameters: [] });
    this.size = shape[0] * shape[1] * shape[2];
    this.inputSize = inputShape[0] * inputShape[1] * inputShape[2];
    this.out = new Float64Array(this.size);
  }

  /** Add weights from N(0, 1 / fanIn) and constant biases. */
  addWeights(filters, fanIn, bias, uniform) {
    const makeParameter = (value, decay) => ({ value, decay, gradient: new Float64Array(value.length) });
    this.fanIn = fanIn;
    this.parameters = [makeParameter(sampleGaussian(filters * fanIn, Math.sqrt(1 / fanIn), uniform), 1), makeParameter(new Float64Array(filters).fill(bias), 0)];
  }

  /** Return the fields of this layer in a snapshot, without its type, output size and weights. */
  describe() {
    return {};
  }
}

/** Cross-correlation with windows (sy, sx) over the whole depth, every `stride` positions, with `pad` zeros at each edge. */
export class Conv extends Layer {
  constructor(inputShape, { sx, sy, filters, stride, pad, bias }, uniform) {
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

  describe() {
    const { sx, sy, stride, pad, inputShape } = this;
    return { sx, sy, stride, pad, in_depth: inputShape[2] };
  }
}

const countOutputs = (n, window, stride, pad) => Math.floor((n + 2 * pad - window) / stride) + 1;

/** Maximum of each window and channel. Of equal values the first wins, column by column, as in ConvNetJS. */
export class Pool extends Layer {
  constructor(inputShape, { sx, sy, stride, pad }) {
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
    const dx = new Float64Array(this.inputSize);
    for (let i = 0; i < dy.length; i++) if (this.from[i] >= 0) dx[this.from[i]] += dy[i];
    return dx;
  }

  describe() {
    const { sx, sy, stride, pad, inputShape } = this;
    return { sx, sy, stride, pad, in_depth: inputShape[2] };
  }
}

/** Fully connected layer. */
export class FullyConnected extends Layer {
  constructor(inputShape, { filters, bias }, uniform) {
    super("fc", inputShape, [1, 1, filters]);
    this.addWeights(filters, this.inputSize, bias, uniform);
  }

  forward(x) {
    this.x = x;
    const [weights, biases] = this.parameters.map((p) => p.value), fan = this.fanIn;
    for (let f = 0; f < this.size; f++) {
      let sum = biases[f];
      for (let i = 0, w = f * fan; i < fan; i++, w++) sum += x[i] * weights[w];
      this.out[f] = sum;
    }
    return this.out;
  }

  backward(dy) {
    this.gradient = dy;
    const [{ value, gradient }, biases] = this.parameters, fan = this.fanIn, x = this.x, dx = new Float64Array(fan);
    for (let f = 0; f < this.size; f++) {
      const g = dy[f];
      if (g === 0) continue;
      biases.gradient[f] += g;
      for (let i = 0, w = f * fan; i < fan; i++, w++) {
        gradient[w] += g * x[i];
        dx[i] += g * value[w];
      }
    }
    return dx;
  }

  describe() {
    return { num_inputs: this.fanIn };
  }
}
