// An autoencoder of digits with a code of two numbers, without views.

import { LiveError } from "./common.js";
import { makeRandom, sampleInteger } from "./random.js";
import { Trainer } from "./trainer.js";

export const SIDE = 28;

/** Return a digit's pixels, 0 to 1. */
export const prepareInput = ({ pixels }) => Float64Array.from(pixels, (p) => p / 255);

/** Find the layer of the code: the last one with two outputs before the network widens again. */
export function findCode(net) {
  const index = net.layers.findLastIndex((l) => l.size === 2);
  if (index < 0 || index === net.layers.length - 1) throw new LiveError("The network needs a layer `fc 2` in its middle: the code.");
  return index;
}

export class CodeTraining {
  constructor({ train, test }, net, settings, seed) {
    const size = SIDE * SIDE;
    if (net.inputShape[0] * net.inputShape[1] * net.inputShape[2] !== size || net.lossKind !== "regression" || net.layers.at(-1).size !== size) {
      throw new LiveError(`The network must begin with \`input ${SIDE} x ${SIDE} x 1\` and end with \`regression ${size}\`.`);
    }
    Object.assign(this, { train, test, net, code: findCode(net), trainer: new Trainer(net, settings), uniform: makeRandom(seed), loss: NaN });
  }

  /** Train on one random digit, whose target is the digit itself. The loss is an average over about 200 digits. */
  step() {
    const x = prepareInput(this.train[sampleInteger(this.train.length, this.uniform)]), { loss } = this.trainer.train(x, x);
    this.loss = Number.isFinite(this.loss) ? 0.995 * this.loss + 0.005 * loss : loss;
    if (!Number.isFinite(this.loss)) throw new LiveError("The training diverged: the loss is not a number any more. Take a lower learning rate and new random weights.");
  }

  /** Return the code of a digit and its reconstruction. */
  encode(digit) {
    const output = this.net.forward(prepareInput(digit));
    return { code: this.net.layers[this.code].out.slice(), output };
  }

  /** Return the digit that a code stands for. */
  decode(code) {
    return this.net.layers.slice(this.code + 1).reduce((v, layer) => layer.forward(v), Float64Array.from(code));
  }
}
