// Points in the plane with two classes, and a network that learns them in order, without views.

import { LiveError } from "./common.js";
import { makeRandom } from "./random.js";
import { Trainer } from "./trainer.js";

const polar = (r, t) => ({ x: r * Math.sin(t), y: r * Math.cos(t) });

/** name: (uniform) -> points [{x, y, label}] within -6 ... 6, after ConvNetJS's page. */
const MAKERS = {
  circle(uniform) {
    const inner = Array.from({ length: 50 }, () => ({ ...polar(2 * uniform(), 2 * Math.PI * uniform()), label: 1 }));
    return [...inner, ...Array.from({ length: 50 }, (_, i) => ({ ...polar(3 + 2 * uniform(), (2 * Math.PI * i) / 50), label: 0 }))];
  },
  spiral(uniform) {
    const arm = (label, turn) => Array.from({ length: 100 }, (_, i) => {
      const noise = () => 0.2 * uniform() - 0.1;
      return { ...polar(i / 20 + noise(), (2.5 * Math.PI * i) / 100 + turn + noise()), label };
    });
    return [...arm(1, 0), ...arm(0, Math.PI)];
  },
  xor(uniform) {
    return Array.from({ length: 100 }, (_, i) => {
      const [sx, sy] = [i % 2 ? 1 : -1, Math.floor(i / 2) % 2 ? 1 : -1];
      return { x: sx * (0.5 + 4 * uniform()), y: sy * (0.5 + 4 * uniform()), label: sx === sy ? 1 : 0 };
    });
  },
  random: (uniform) => Array.from({ length: 40 }, () => ({ x: 6 * uniform() - 3, y: 6 * uniform() - 3, label: uniform() > 0.5 ? 1 : 0 })),
};

export const POINT_SETS = Object.keys(MAKERS);
export const makePoints = (name, seed) => MAKERS[name](makeRandom(seed));

export class PointsTraining {
  /** points: a list that may change during the training. */
  constructor(points, net, settings) {
    const outputs = net.layers.at(-1).size;
    if (net.inputShape.join() !== "1,1,2") throw new LiveError("The network needs two inputs, the coordinates: begin with `input 2`.");
    if (net.lossKind === "regression" || outputs !== 2) throw new LiveError("The network needs two classes: end with `softmax 2` or `svm 2`.");
    Object.assign(this, { points, net, trainer: new Trainer(net, settings), next: 0, loss: NaN });
  }

  /** Train on all points once, in order. */
  step() {
    const { points, trainer } = this;
    if (!points.length) return;
    let sum = 0;
    for (const { x, y, label } of points) sum += trainer.train(Float64Array.of(x, y), label).loss;
    this.loss = sum / points.length;
  }

  /** Return the network's preference for class 1 at a place: a probability, or with an SVM the difference of the scores, squashed. */
  evaluate(x, y) {
    const [a, b] = this.net.forward(Float64Array.of(x, y));
    return this.net.lossKind === "softmax" ? b : 1 / (1 + Math.exp(a - b));
  }

  get accuracy() {
    const right = this.points.filter(({ x, y, label }) => (this.evaluate(x, y) > 0.5) === (label === 1)).length;
    return right / this.points.length;
  }
}
