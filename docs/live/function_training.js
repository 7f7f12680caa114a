// Regression in one dimension and pictures from coordinates, without views.

import { LiveError } from "./common.js";
import { makeRandom, sampleInteger } from "./random.js";
import { Trainer } from "./trainer.js";

/** name: [words, function]. */
export const FUNCTIONS = {
  xsinx: ["x sin x", (x) => x * Math.sin(x)],
  sine: ["3 sin 2x", (x) => 3 * Math.sin(2 * x)],
  steps: ["steps", (x) => 2 * Math.floor(x / 2) + 1],
  abs: ["|x| − 2", (x) => Math.abs(x) - 2],
};

/** Sample n points {x, y, label: 0} of a function at random places from -5 to 5. */
export function sampleFunction(name, n, seed) {
  const uniform = makeRandom(seed);
  return Array.from({ length: n }, () => {
    const x = 10 * uniform() - 5;
    return { x, y: FUNCTIONS[name][1](x), label: 0 };
  });
}

function checkRegression(net, inputs, outputs) {
  if (net.inputShape.join() !== `1,1,${inputs}` || net.lossKind !== "regression" || net.layers.at(-1).size !== outputs) {
    throw new LiveError(`The network must begin with \`input ${inputs}\` and end with \`regression ${outputs}\`.`);
  }
}

export class FunctionTraining {
  /** points: a list [{x, y}] that may change during the training. */
  constructor(points, net, settings) {
    checkRegression(net, 1, 1);
    Object.assign(this, { points, net, trainer: new Trainer(net, settings), loss: NaN });
  }

  /** Train on all points once, in order. */
  step() {
    const { points, trainer } = this;
    if (!points.length) return;
    let sum = 0;
    for (const { x, y } of points) sum += trainer.train(Float64Array.of(x), y).loss;
    this.loss = sum / points.length;
  }

  evaluate(x) {
    return this.net.forward(Float64Array.of(x))[0];
  }
}

export class PictureTraining {
  /** pixels: RGB bytes (height, width, 3). seed: for the order of the pixels. */
  constructor(pixels, [height, width], net, settings, seed) {
    checkRegression(net, 2, 3);
    Object.assign(this, { pixels, height, width, net, trainer: new Trainer(net, settings), uniform: makeRandom(seed), loss: NaN });
  }

  /** Return the network's input for a pixel: its coordinates from -0.5 to 0.5. */
  locate(x, y) {
    return Float64Array.of(x / this.width - 0.5, y / this.height - 0.5);
  }

  /** Train on one random pixel. The loss is an average over about 1,000 pixels. */
  step() {
    const x = sampleInteger(this.width, this.uniform), y = sampleInteger(this.height, this.uniform), from = 3 * (y * this.width + x);
    const target = Array.from(this.pixels.subarray(from, from + 3), (p) => p / 255);
    const { loss } = this.trainer.train(this.locate(x, y), target);
    this.loss = Number.isFinite(this.loss) ? 0.999 * this.loss + 0.001 * loss : loss;
    if (!Number.isFinite(this.loss)) throw new LiveError("The training diverged: the loss is not a number any more. Take a lower learning rate and new random weights.");
  }

  /** Return the picture of the network, bytes (height, width, 3). */
  paint() {
    const painted = new Uint8ClampedArray(3 * this.height * this.width);
    for (let y = 0, at = 0; y < this.height; y++) {
      for (let x = 0; x < this.width; x++) for (const v of this.net.forward(this.locate(x, y))) painted[at++] = 255 * v;
    }
    return painted;
  }
}
