// The Trainer of ConvNetJS for a network of net.js: Adadelta, or gradient descent with momentum.

/** The initial settings of the page. ConvNetJS starts with Adadelta, which needs many times more digits. */
export const SETTINGS = { method: "sgd", rate: 0.05, momentum: 0.9, batch: 20, decay: 0.001, ro: 0.95, eps: 1e-8 };

/** Sums the gradients of `batch` examples and the weight decay, and divides both by the batch size, as ConvNetJS does. */
export class Trainer {
  constructor(net, settings = {}) {
    Object.assign(this, { net, settings: { ...SETTINGS, ...settings }, numExamples: 0 });
    this.reset();
  }

  /** Set momenta, running averages and gradients to zero. */
  reset() {
    const zeros = () => this.net.parameters.map((p) => new Float64Array(p.value.length));
    [this.first, this.second] = [zeros(), zeros()];
    this.inBatch = 0;
    for (const { gradient } of this.net.parameters) gradient.fill(0);
  }

  /** Train on one example and update the weights after each batch. Returns {loss, decayLoss, isCorrect, forward, backward}, the last
   * two in ms. */
  train(x, label) {
    const begin = performance.now();
    const probabilities = this.net.forward(x);
    const middle = performance.now();
    const loss = this.net.backward(label);
    const end = performance.now();
    this.numExamples++;
    if (++this.inBatch >= this.settings.batch) this.update();
    return {
      loss, isCorrect: probabilities.indexOf(Math.max(...probabilities)) === label, decayLoss: this.decayLoss ?? 0,
      forward: middle - begin, backward: end - middle,
    };
  }

  update() {
    const { method, rate, momentum, decay, ro, eps } = this.settings, batch = this.inBatch;
    this.decayLoss = 0;
    for (const [k, { value, gradient, decay: decays }] of this.net.parameters.entries()) {
      const first = this.first[k], second = this.second[k];
      for (let i = 0; i < value.length; i++) {
        const l2 = decay * decays;
        this.decayLoss += (l2 * value[i] * value[i]) / 2;
        const g = (l2 * value[i] + gradient[i]) / batch;
        let step;
        if (method === "adadelta") {
          first[i] = ro * first[i] + (1 - ro) * g * g;
          step = -Math.sqrt((second[i] + eps) / (first[i] + eps)) * g;
          second[i] = ro * second[i] + (1 - ro) * step * step;
        } else {
          step = first[i] = momentum * first[i] - rate * g;
        }
        value[i] += step;
        gradient[i] = 0;
      }
    }
    this.inBatch = 0;
  }
}
