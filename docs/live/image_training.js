// The training of an image classifier in the page, without its views.

import { averageOutputs, cropCentral, sampleCrop } from "./crops.js";
import { findBest, MovingAverage } from "./net_parts.js";
import { makeRandom, sampleInteger } from "./random.js";
import { Trainer } from "./trainer.js";

const WINDOW = 200; // examples in a moving average
const VALIDATE = 5; // training examples for each validation example

export class ImageTraining {
  /** data: a data set of data_sets.js. seed: for the order of the examples and their crops. */
  constructor(data, net, settings, seed = 1) {
    Object.assign(this, { data, net, trainer: new Trainer(net, settings), uniform: makeRandom(seed), testUniform: makeRandom(seed + 1), numValidated: 0, numTested: 0 });
    const names = ["loss", "total", "train", "validation", "test", "forward", "backward"];
    this.averages = Object.fromEntries(names.map((name) => [name, new MovingAverage(WINDOW)]));
  }

  get numExamples() {
    return this.trainer.numExamples;
  }

  /** Sample a training example: [input, label]. */
  sample() {
    const { data, net, uniform } = this, { pixels, label } = data.train[sampleInteger(data.train.length, uniform)];
    return [sampleCrop(pixels, data.shape, net.inputShape, data.augment, uniform), label];
  }

  /** Train on one example, and validate on one after every fifth, which avoids a pause for a whole validation set. */
  step() {
    const { data, net, trainer, averages } = this, [x, label] = this.sample();
    const result = trainer.train(x, label);
    averages.loss.add(result.loss);
    averages.total.add(result.loss + result.decayLoss);
    averages.train.add(findBest(result.output) === label);
    averages.forward.add(result.forward);
    averages.backward.add(result.backward);
    if (trainer.numExamples % VALIDATE) return;
    const next = data.validation[this.numValidated++ % data.validation.length];
    averages.validation.add(findBest(net.forward(this.crop(next.pixels))) === next.label);
  }

  /** Return the central crop of an image as an input. */
  crop(pixels) {
    return cropCentral(pixels, this.data.shape, this.net.inputShape);
  }

  /** Return the outputs for an image, averaged over random crops. */
  average(pixels) {
    const { data, net, testUniform } = this;
    return averageOutputs(net, Array.from({ length: data.crops }, () => sampleCrop(pixels, data.shape, net.inputShape, data.augment, testUniform)));
  }

  /** Take the next n test examples: [{example, output, isRight}]. */
  testNext(n) {
    const { test } = this.data;
    return Array.from({ length: n }, () => {
      const example = test[(this.numTested++ * 11) % test.length], output = this.average(example.pixels), isRight = findBest(output) === example.label;
      this.averages.test.add(isRight);
      return { example, output, isRight };
    });
  }

  /** Return the accuracies of the whole test set {averaged, central}: from averages over crops and from the central crops. */
  testAll() {
    const { test } = this.data, measure = (predict) => test.filter((e) => findBest(predict(e.pixels)) === e.label).length / test.length;
    return { averaged: measure((pixels) => this.average(pixels)), central: measure((pixels) => this.net.forward(this.crop(pixels))) };
  }
}
