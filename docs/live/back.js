// Saliency of a unit: propagate its activation back to the image by the rules of kerasrecipes.visualize.
//
//   layer          gradient         guided                  deconv (arXiv 1311.2901, section 2.1)
//   ReLU           g * 1[x > 0]     max(g, 0) * 1[x > 0]    max(g, 0)
//   max pooling    to the switch (the maximum; the first in row order if several are equal); overlapping windows add up
//   convolution    transposed filters, no bias
//   mean           g / positions
//
// Plain loops without DOM or libraries. They skip zeros, because most signals of a single unit are zero.

/** Read the header and the arrays of a file that docs/build/live_packing.py wrote. */
export function unpack(buffer) {
  const size = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, size)));
  const begin = 4 + size;
  const arrays = {};
  for (const [name, { offset, shape, half }] of Object.entries(header.arrays)) {
    const count = shape.reduce((a, b) => a * b, 1);
    arrays[name] = half ? toFloat32(new Uint16Array(buffer, begin + offset, count)) : new Float32Array(buffer, begin + offset, count);
  }
  return { ...header, arrays };
}

/** Convert float16, as words of 16 bits, to float32. */
function toFloat32(halves) {
  const words = new Uint32Array(halves.length);
  const singles = new Float32Array(words.buffer);
  for (let i = 0; i < halves.length; i++) {
    const h = halves[i], sign = (h & 0x8000) << 16, exponent = (h >> 10) & 31, fraction = h & 1023;
    if (exponent) words[i] = exponent === 31 ? sign | 0x7f800000 | (fraction << 13) : sign | ((exponent + 112) << 23) | (fraction << 13);
    else singles[i] = (sign ? -1 : 1) * fraction * 2 ** -24;
  }
  return singles;
}

/** Return the shape [rows, columns, maps] of a step's output. */
const getShape = (net, name) => net.steps[name]?.shape ?? net.picture;

/**
 * Propagate the activation of a unit back to the image.
 *
 * net: from unpack(). values: activations {step: Float32Array (rows, columns, maps)} of the convolutions and of the inputs of the
 * poolings. unit: {layer, channel, place: flat index of the position, or "all"}. Returns {picture: Float32Array (rows, columns, 3) as
 * RGB, signals: {step: Float32Array}} with the signal at the output of each step between the unit and the image.
 */
export function propagateBack(net, values, unit, method) {
  const [rows, columns, maps] = getShape(net, unit.layer);
  const seed = new Float32Array(rows * columns * maps);
  const start = values[unit.layer];
  for (let p = 0; p < rows * columns; p++) {
    if (unit.place !== "all" && unit.place !== p) continue;
    const at = p * maps + unit.channel;
    seed[at] = method === "deconv" ? start[at] : 1; // the deconvnet starts with the activation, the gradient with 1
  }
  const signals = { [unit.layer]: seed };
  const order = Object.keys(net.steps);
  for (let i = order.indexOf(unit.layer); i >= 0; i--) {
    const step = net.steps[order[i]], signal = signals[order[i]];
    if (signal) RULES[step.kind](net, step, signal, values, signals, method, order[i]);
  }
  const picture = signals.picture ?? new Float32Array(net.picture.reduce((a, b) => a * b));
  delete signals.picture;
  return { picture, signals };
}

/** Return the signal at the output of a step, initially zeros. */
function getSignal(net, signals, name) {
  return (signals[name] ??= new Float32Array(getShape(net, name).reduce((a, b) => a * b)));
}

const RULES = {
  conv(net, step, signal, values, signals, method, name) {
    if (step.relu) signal = rectify(signal, values[name], method);
    const [rows, columns, maps] = step.shape;
    const [source] = step.inputs, [high, wide, depth] = getShape(net, source);
    const { stride, pad: [top, left] } = step, [tall, broad] = step.kernel;
    const out = getSignal(net, signals, source), weights = net.arrays[name], row = broad * depth; // (maps, tall, broad, depth)
    for (let y = 0, p = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++, p += maps) {
        const fromX = x * stride - left;
        const first = Math.max(0, -fromX), last = Math.min(broad, wide - fromX); // taps inside the image
        for (let k = 0; k < maps; k++) {
          const g = signal[p + k];
          if (g === 0) continue;
          for (let i = 0; i < tall; i++) {
            const toY = y * stride - top + i;
            if (toY < 0 || toY >= high) continue;
            let w = (k * tall + i) * row + first * depth, o = (toY * wide + fromX + first) * depth;
            for (const end = o + (last - first) * depth; o < end; ) out[o++] += g * weights[w++];
          }
        }
      }
    }
  },

  pool(net, step, signal, values, signals) {
    const [rows, columns, maps] = step.shape, [source] = step.inputs, wide = getShape(net, source)[1];
    const out = getSignal(net, signals, source), activations = values[source];
    for (let y = 0, p = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        for (let k = 0; k < maps; k++, p++) {
          if (signal[p] === 0) continue;
          let best = -1;
          for (let i = 0; i < step.size; i++) {
            for (let j = 0; j < step.size; j++) {
              const o = ((y * step.stride + i) * wide + x * step.stride + j) * maps + k;
              if (best < 0 || activations[o] > activations[best]) best = o;
            }
          }
          out[best] += signal[p];
        }
      }
    }
  },

  concat(net, step, signal, values, signals, method, name) {
    const maps = step.shape[2];
    let first = 0;
    for (const source of step.inputs) {
      const depth = getShape(net, source)[2], out = getSignal(net, signals, source);
      for (let p = first, o = 0; p < signal.length; p += maps) {
        for (let k = 0; k < depth; k++) out[o++] += signal[p + k];
      }
      values[source] ??= sliceMaps(values[name], maps, first, depth);
      first += depth;
    }
  },

  mean(net, step, signal, values, signals) {
    const [source] = step.inputs, [rows, columns, maps] = getShape(net, source), out = getSignal(net, signals, source);
    for (let o = 0; o < out.length; o++) out[o] += signal[o % maps] / (rows * columns);
  },

  flip(net, step, signal, values, signals) { // the network reads blue, green, red
    const out = getSignal(net, signals, step.inputs[0]);
    for (let p = 0; p < signal.length; p += 3) for (let k = 0; k < 3; k++) out[p + k] += signal[p + 2 - k];
  },
};

/** Copy `depth` maps of an activation, because each ReLU before a concatenation needs its own maps. */
function sliceMaps(activation, maps, first, depth) {
  const out = new Float32Array((activation.length / maps) * depth);
  for (let p = first, o = 0; p < activation.length; p += maps) for (let k = 0; k < depth; k++) out[o++] = activation[p + k];
  return out;
}

/** Apply the rule of a ReLU. */
function rectify(signal, values, method) {
  const out = new Float32Array(signal.length);
  const usesMask = method !== "deconv", isPositive = method !== "gradient";
  for (let i = 0; i < out.length; i++) {
    if ((!usesMask || values[i] > 0) && (!isPositive || signal[i] > 0)) out[i] = signal[i];
  }
  return out;
}
