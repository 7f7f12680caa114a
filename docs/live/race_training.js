// Seven optimizers on copies of one network, with the same examples in the same order, without views.

import { cropCentral, sampleCrop } from "./crops.js";
import { buildNet } from "./definition.js";
import { findBest, MovingAverage } from "./net_parts.js";
import { METHODS } from "./optimizers.js";
import { makeRandom, sampleInteger } from "./random.js";
import { Trainer } from "./trainer.js";

const WINDOW = 400;

/** Settings of each method, as on ConvNetJS's page. */
export const RACERS = {
  sgd: { rate: 0.01 }, momentum: { rate: 0.01, momentum: 0.9 }, nesterov: { rate: 0.01, momentum: 0.9 }, adagrad: { rate: 0.01, eps: 1e-6 },
  windowgrad: { rate: 0.01, ro: 0.95, eps: 1e-6 }, adadelta: { ro: 0.95, eps: 1e-6 }, adam: { rate: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8 },
};

export class Race {
  /** data: a data set of data_sets.js. text: the network. rates: {method: learning rate} in place of those of RACERS. seed: of the initial
   * weights, which all racers share, and of the order of the examples. */
  constructor(data, text, { batch, decay, rates = {} }, seed) {
    Object.assign(this, { data, uniform: makeRandom(seed), numExamples: 0, numValidated: 0 });
    this.racers = Object.entries(RACERS).map(([method, settings]) => {
      const net = buildNet(text, seed), rate = rates[method] ?? settings.rate;
      const trainer = new Trainer(net, { ...settings, ...(rate ? { rate } : {}), method, batch, decay });
      return { method, words: METHODS[method].words, net, trainer, loss: new MovingAverage(WINDOW), validation: new MovingAverage(WINDOW) };
    });
    this.inputShape = this.racers[0].net.inputShape;
  }

  /** Give every racer the same training example and, after every fifth, the same validation example. */
  step() {
    const { data, uniform, inputShape } = this, { pixels, label } = data.train[sampleInteger(data.train.length, uniform)];
    const x = sampleCrop(pixels, data.shape, inputShape, data.augment, uniform);
    for (const { trainer, loss } of this.racers) loss.add(trainer.train(x, label).loss);
    if (++this.numExamples % 5) return;
    const next = data.validation[this.numValidated++ % data.validation.length], central = cropCentral(next.pixels, data.shape, inputShape);
    for (const { net, validation } of this.racers) validation.add(findBest(net.forward(central)) === next.label);
  }
}
