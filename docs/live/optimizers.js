// Seven optimizers, with the names and formulas of ConvNetJS (Adam: of its paper, because ConvNetJS multiplies by the bias corrections).

/** name: {words, uses, step}. uses: the settings that the method reads. step(state, g, i, settings, count) -> change of a weight, from its
 * gradient g. state has two arrays, `first` and `second`, which begin with zeros. count: number of updates, from 1. */
export const METHODS = {
  sgd: { words: "SGD", uses: ["rate"], step: (_, g, i, { rate }) => -rate * g },
  momentum: {
    words: "SGD with momentum", uses: ["rate", "momentum"],
    step: ({ first }, g, i, { rate, momentum }) => (first[i] = momentum * first[i] - rate * g),
  },
  nesterov: {
    words: "Nesterov momentum", uses: ["rate", "momentum"],
    step({ first }, g, i, { rate, momentum }) {
      first[i] = momentum * first[i] - rate * g;
      return momentum * first[i] - rate * g;
    },
  },
  adagrad: {
    words: "Adagrad", uses: ["rate", "eps"],
    step({ first }, g, i, { rate, eps }) {
      first[i] += g * g;
      return (-rate * g) / Math.sqrt(first[i] + eps);
    },
  },
  windowgrad: {
    words: "RMSprop (windowgrad)", uses: ["rate", "ro", "eps"],
    step({ first }, g, i, { rate, ro, eps }) {
      first[i] = ro * first[i] + (1 - ro) * g * g;
      return (-rate * g) / Math.sqrt(first[i] + eps);
    },
  },
  adadelta: {
    words: "Adadelta", uses: ["ro", "eps"],
    step({ first, second }, g, i, { ro, eps }) {
      first[i] = ro * first[i] + (1 - ro) * g * g;
      const step = -Math.sqrt((second[i] + eps) / (first[i] + eps)) * g;
      second[i] = ro * second[i] + (1 - ro) * step * step;
      return step;
    },
  },
  adam: {
    words: "Adam", uses: ["rate", "beta1", "beta2", "eps"],
    step({ first, second }, g, i, { rate, beta1, beta2, eps }, count) {
      first[i] = beta1 * first[i] + (1 - beta1) * g;
      second[i] = beta2 * second[i] + (1 - beta2) * g * g;
      return (-rate * (first[i] / (1 - beta1 ** count))) / (Math.sqrt(second[i] / (1 - beta2 ** count)) + eps);
    },
  },
};
