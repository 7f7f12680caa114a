// The Trainer of ConvNetJS for a network of net.js, with the methods of optimizers.js.

import { METHODS } from "./optimizers.js";

/** Settings that a page does not give. ConvNetJS's page of digits starts with Adadelta, which needs many times more digits. */
export const SETTINGS = { method: "momentum", rate: 0.05, momentum: 0.9, batch: 20, decay: 0.001, l1: 0, ro: 0.95, eps: 1e-8, beta1: 0.9, beta2: 0.999 };

/** Sums the gradients of `batch` examples and the weight decays, and divides them by the batch size, as ConvNetJS does. */
export class Trainer {
  constructor(net, settings = {}) {
    Object.assign(this, { net, settings: { ...SETTINGS, ...settings }, numExamples: 0, decayLoss: 0 });
    this.reset();
  }

  /** Change settings between two examples. A new method begins with a new state. */
  change(settings) {
    const isOther = settings.method !== undefined && settings.method !== this.settings.method;
    Object.assign(this.settings, settings);
    if (isOther) this.reset();
  }

  /** Set momenta, running averages and gradients to zero. */
  reset() {
    this.states = this.net.parameters.map(({ value, gradient }) => {
      gradient.fill(0);
      return { first: new Float64Array(value.length), second: new Float64Array(value.length) };
    });
    this.inBatch = this.numUpdates = 0;
  }

  /** Train on one example and update the weights after each batch. Returns {loss, decayLoss, output, forward, backward}, the last two in
   * ms. */
  train(x, target) {
    const begin = performance.now();
    const output = this.net.forward(x, true);
    const middle = performance.now();
    const loss = this.net.backward(target);
    const end = performance.now();
    this.numExamples++;
    if (++this.inBatch >= this.settings.batch) this.update();
    return { loss, decayLoss: this.decayLoss, output, forward: middle - begin, backward: end - middle };
  }

  update() {
    const { settings, inBatch: batch } = this, { step } = METHODS[settings.method], count = ++this.numUpdates;
    this.decayLoss = 0;
    for (const [k, { value, gradient, decay }] of this.net.parameters.entries()) {
      const state = this.states[k], l2 = settings.decay * decay, l1 = settings.l1 * decay;
      for (let i = 0; i < value.length; i++) {
        const w = value[i];
        this.decayLoss += (l2 * w * w) / 2 + l1 * Math.abs(w);
        value[i] += step(state, (l2 * w + (l1 && (w > 0 ? l1 : -l1)) + gradient[i]) / batch, i, settings, count);
        gradient[i] = 0;
      }
    }
    this.inBatch = 0;
  }
}
