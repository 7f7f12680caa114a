// The arithmetic of one convolution: sizes, the inputs and weights that an output reads, and its value. It needs no page.
//
// Settings are {size, kernel, stride, dilation, padding, transposed, channels, groups, rectified}. The input has `channels` maps of
// size x size, and the output as many. Weights are flat, (output channel, input channel of its group, row, column).

export const PADDINGS = ["valid", "same", "full"];

/** Return {outputs, before, after, reach}: rows of the output, zeros before and after the input (transposed: outputs that are
 * cropped), and the cells from the first to the last tap of the dilated kernel. Rows and columns are alike. */
export function getGeometry({ size, kernel, stride, dilation, padding, transposed }) {
  const reach = (kernel - 1) * dilation + 1;
  if (transposed) {
    const before = { valid: 0, same: Math.max(reach - stride, 0) >> 1, full: reach - 1 }[padding];
    const outputs = { valid: size * stride + Math.max(reach - stride, 0), same: size * stride, full: Math.max((size - 1) * stride - reach + 2, 0) }[padding];
    return { outputs, before, after: Math.max((size - 1) * stride + reach - before - outputs, 0), reach };
  }
  if (padding === "same") {
    const outputs = Math.ceil(size / stride), zeros = Math.max((outputs - 1) * stride + reach - size, 0);
    return { outputs, before: zeros >> 1, after: zeros - (zeros >> 1), reach };
  }
  const zeros = padding === "full" ? reach - 1 : 0;
  return { outputs: Math.max(Math.floor((size + 2 * zeros - reach) / stride) + 1, 0), before: zeros, after: zeros, reach };
}

/** List the taps of an output along one axis, [{tap, input}]. An input below 0 or from `size` on is a zero of the padding. A transposed
 * convolution has no such zeros: taps that meet no input are left out. */
export function listTaps(output, settings, { before } = getGeometry(settings)) {
  const { kernel, stride, dilation, size, transposed } = settings, taps = [];
  for (let tap = 0; tap < kernel; tap++) {
    const place = transposed ? output + before - tap * dilation : output * stride + tap * dilation - before;
    if (!transposed) taps.push({ tap, input: place });
    else if (place % stride === 0 && place >= 0 && place / stride < size) taps.push({ tap, input: place / stride });
  }
  return taps;
}

/** List the terms of the sum of an output [channel, row, column]: [{channel, row, column, m, n, isPadding, value, weight, product, index}].
 * channel, row, column: of the input; m, n: of the kernel; index: of the weight. */
export function listTerms(input, weights, [output, row, column], settings) {
  const { size, kernel, channels, groups } = settings, each = channels / groups, first = Math.floor(output / each) * each, terms = [];
  const rows = listTaps(row, settings), columns = listTaps(column, settings);
  for (let l = 0; l < each; l++) {
    for (const { tap: m, input: y } of rows) {
      for (const { tap: n, input: x } of columns) {
        const isPadding = y < 0 || x < 0 || y >= size || x >= size, channel = first + l;
        const index = ((output * each + l) * kernel + m) * kernel + n, weight = weights[index];
        const value = isPadding ? 0 : input[(channel * size + y) * size + x];
        terms.push({ channel, row: y, column: x, m, n, isPadding, value, weight, product: weight * value, index });
      }
    }
  }
  return terms;
}

/** Return {sum, biased, output, terms} of one output. */
export function computeOutput(input, weights, biases, position, settings) {
  const terms = listTerms(input, weights, position, settings);
  const sum = terms.reduce((total, { product }) => total + product, 0), biased = sum + biases[position[0]];
  return { sum, biased, output: settings.rectified ? Math.max(0, biased) : biased, terms };
}

/** Return all outputs, (channels, outputs, outputs), as a Float64Array. */
export function convolve(input, weights, biases, settings) {
  const { size, kernel, channels, groups, rectified } = settings, each = channels / groups, { outputs } = getGeometry(settings);
  const values = new Float64Array(channels * outputs * outputs), taps = Array.from({ length: outputs }, (_, i) => listTaps(i, settings));
  for (let o = 0, at = 0; o < channels; o++) {
    const first = Math.floor(o / each) * each;
    for (let row = 0; row < outputs; row++) {
      for (let column = 0; column < outputs; column++, at++) {
        let sum = biases[o];
        for (let l = 0; l < each; l++) {
          for (const { tap: m, input: y } of taps[row]) {
            for (const { tap: n, input: x } of taps[column]) {
              if (y < 0 || x < 0 || y >= size || x >= size) continue;
              sum += weights[((o * each + l) * kernel + m) * kernel + n] * input[((first + l) * size + y) * size + x];
            }
          }
        }
        values[at] = rectified ? Math.max(0, sum) : sum;
      }
    }
  }
  return values;
}

/** Return the number of weights and biases of the convolution, and of a fully connected layer between the same sizes. */
export function countWeights(settings) {
  const { size, kernel, channels, groups } = settings, { outputs } = getGeometry(settings), all = channels * outputs * outputs;
  return { convolution: (kernel * kernel * channels * channels) / groups + channels, dense: channels * size * size * all + all };
}

/** Return [formula, numbers] of the number of output rows, as text. */
export function describeSize(settings) {
  const { size: n, stride: s, kernel: k, dilation: d, padding, transposed } = settings, { outputs, reach } = getGeometry(settings);
  const K = `${reach}`;
  const [formula, numbers] = transposed
    ? {
        valid: ["n · s + max(K − s, 0)", `${n} · ${s} + max(${K} − ${s}, 0)`],
        same: ["n · s", `${n} · ${s}`],
        full: ["(n − 1) · s − K + 2", `(${n} − 1) · ${s} − ${K} + 2`],
      }[padding]
    : {
        valid: ["⌊(n − K) / s⌋ + 1", `⌊(${n} − ${K}) / ${s}⌋ + 1`],
        same: ["⌈n / s⌉", `⌈${n} / ${s}⌉`],
        full: ["⌊(n + K − 2) / s⌋ + 1", `⌊(${n} + ${K} − 2) / ${s}⌋ + 1`],
      }[padding];
  return { reach: `K = (k − 1) · d + 1 = (${k} − 1) · ${d} + 1 = ${reach}`, formula, numbers: `${numbers} = ${outputs > 0 ? outputs : "no outputs"}` };
}
