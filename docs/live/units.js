// Layers without weights, and the losses at the end of a network.

import { Layer } from "./layers.js";
import { LiveError } from "./common.js";

const SLOPES = {
  // name: [y as a function of x, dy/dx as a function of y]
  relu: [(x) => (x > 0 ? x : 0), (y) => (y > 0 ? 1 : 0)],
  tanh: [Math.tanh, (y) => 1 - y * y],
  sigmoid: [(x) => 1 / (1 + Math.exp(-x)), (y) => y * (1 - y)],
};

export const ACTIVATIONS = Object.keys(SLOPES);

export class Activation extends Layer {
  constructor(kind, inputShape) {
    super(kind, inputShape, inputShape);
    [this.apply, this.slope] = SLOPES[kind];
  }

  forward(x) {
    const { apply, out } = this;
    for (let i = 0; i < out.length; i++) out[i] = apply(x[i]);
    return out;
  }

  backward(dy) {
    this.gradient = dy;
    return dy.map((g, i) => g * this.slope(this.out[i]));
  }
}

/** Maximum of each `group_size` neighbors in depth (Goodfellow et al., 2013). Channels that fill no group are dropped. */
export class Maxout extends Layer {
  constructor(inputShape, { group_size: groupSize = 2 }) {
    const [h, w, depth] = inputShape;
    super("maxout", inputShape, [h, w, Math.floor(depth / groupSize)]);
    Object.assign(this, { groupSize, from: new Int32Array(this.size) });
  }

  forward(x) {
    const depth = this.inputShape[2], groups = this.shape[2];
    for (let i = 0; i < this.size; i++) {
      const first = Math.floor(i / groups) * depth + (i % groups) * this.groupSize;
      let best = first;
      for (let k = first + 1; k < first + this.groupSize; k++) if (x[k] > x[best]) best = k;
      this.out[i] = x[best];
      this.from[i] = best;
    }
    return this.out;
  }

  backward(dy) {
    this.gradient = dy;
    const dx = new Float64Array(this.inputSize);
    for (let i = 0; i < this.size; i++) dx[this.from[i]] = dy[i];
    return dx;
  }

  describe() {
    return { group_size: this.groupSize };
  }
}

/** x_i / (k + alpha / n * sum of x_j^2)^beta over the n channels j around i. backward is the true gradient, which ConvNetJS's is not:
 * it has x_j in place of x_i. */
export class ResponseNormalization extends Layer {
  constructor(inputShape, { k = 1, n = 5, alpha = 1e-4, beta = 0.75 }) {
    super("lrn", inputShape, inputShape);
    Object.assign(this, { k, n, alpha, beta, half: Math.floor(n / 2), sums: new Float64Array(this.size) });
  }

  forward(x) {
    this.x = x;
    for (let i = 0; i < this.size; i++) {
      let sum = 0;
      this.visitNeighbors(i, (j) => (sum += x[j] * x[j]));
      this.sums[i] = this.k + (this.alpha / this.n) * sum;
      this.out[i] = x[i] * this.sums[i] ** -this.beta;
    }
    return this.out;
  }

  backward(dy) {
    this.gradient = dy;
    const { x, out, sums } = this, scale = (2 * this.alpha * this.beta) / this.n;
    return x.map((value, j) => {
      let sum = 0;
      this.visitNeighbors(j, (i) => (sum += (dy[i] * out[i]) / sums[i]));
      return dy[j] * sums[j] ** -this.beta - scale * value * sum;
    });
  }

  visitNeighbors(i, visit) {
    const depth = this.shape[2], d = i % depth, start = i - d;
    for (let e = Math.max(0, d - this.half); e <= Math.min(depth - 1, d + this.half); e++) visit(start + e);
  }

  describe() {
    const { k, n, alpha, beta } = this;
    return { k, n, alpha, beta };
  }
}

/** In training, set values to zero with probability drop_prob. Otherwise multiply them by drop_prob, as ConvNetJS does. */
export class Dropout extends Layer {
  constructor(inputShape, { drop_prob: probability = 0.5 }, uniform) {
    super("dropout", inputShape, inputShape);
    Object.assign(this, { probability, uniform, factors: new Float64Array(this.size) });
  }

  forward(x, isTraining) {
    for (let i = 0; i < this.size; i++) {
      this.factors[i] = !isTraining ? this.probability : this.uniform() < this.probability ? 0 : 1;
      this.out[i] = this.factors[i] * x[i];
    }
    return this.out;
  }

  backward(dy) {
    this.gradient = dy;
    return dy.map((g, i) => g * this.factors[i]);
  }

  describe() {
    return { drop_prob: this.probability };
  }
}

// A loss maps the last layer's output to the network's: forward(x). Its grad(output, target) is [loss, gradient of x].

export const LOSSES = {
  softmax: {
    forward(x) {
      const top = x.reduce((a, b) => Math.max(a, b));
      const parts = x.map((s) => Math.exp(s - top)), sum = parts.reduce((a, b) => a + b, 0);
      return parts.map((p) => p / sum);
    },
    /** -log p(label) */
    grad(output, label) {
      const dx = output.slice();
      dx[label] -= 1;
      return [-Math.log(output[label]), dx];
    },
  },
  svm: {
    forward: (x) => x.slice(),
    /** Sum over the other classes of max(0, score - score of the label + 1) (Weston and Watkins, 1999). */
    grad(output, label) {
      const dx = new Float64Array(output.length);
      let loss = 0;
      for (const [i, score] of output.entries()) {
        const excess = score - output[label] + 1;
        if (i === label || excess <= 0) continue;
        dx[i] += 1;
        dx[label] -= 1;
        loss += excess;
      }
      return [loss, dx];
    },
  },
  regression: {
    forward: (x) => x.slice(),
    /** Half the sum of squared differences to the targets, a number or as many numbers as outputs. */
    grad(output, targets) {
      const values = typeof targets === "number" ? [targets] : targets;
      if (values.length !== output.length) throw new LiveError(`The network has ${output.length} outputs, but the example has ${values.length} targets.`);
      const dx = output.map((v, i) => v - values[i]);
      return [dx.reduce((sum, d) => sum + (d * d) / 2, 0), dx];
    },
  },
};
