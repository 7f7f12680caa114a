// Fast WaveNet (arXiv 1611.09482) like kerasrecipes.inference.wavenet_sampler: a sample costs one column of every layer. Each layer stores
// its past in a ring buffer of (taps - 1) * dilation columns, initially zeros. It reads the oldest column.

import { makeProduct, simd } from "./product.js";

/** Generates one sequence of samples. net: from `unpack` of a file that docs/build/live_wavenet.py wrote. isPlain: without SIMD. */
export class Sampler {
  constructor(net, isPlain = !simd) {
    const { arrays, dilations, taps, width, filters, skips, levels } = (this.net = net);
    this.depth = dilations.length;
    const rings = dilations.map((d) => Math.max((taps - 1) * d, 1));
    const sizes = { x: width, total: 2 * filters, z: filters, sum: skips, hidden: skips, out: levels, entry: this.depth * 2 * filters };
    const blocks = Object.values(arrays).concat(rings.map((n) => ({ length: n * width })), Object.values(sizes).map((length) => ({ length })));
    const floats = blocks.reduce((sum, { length }) => sum + length + (-length & 3), 4);
    this.memory = new WebAssembly.Memory({ initial: Math.ceil((4 * floats) / 65536) });
    const f = (this.floats = new Float32Array(this.memory.buffer));
    let free = 0;
    const allocate = (length) => { const at = free; free += length + (-length & 3); return at; };
    this.at = Object.fromEntries(Object.entries(arrays).map(([name, values]) => { const at = allocate(values.length); f.set(values, at); return [name, at]; }));
    this.rings = rings.map((size) => ({ size, at: allocate(size * width) }));
    for (const [name, length] of Object.entries(sizes)) this.at[name] = allocate(length);
    this.product = makeProduct(this.memory, isPlain || [2 * filters, width, skips, levels].some((n) => n % 16));
    this.codes = new Array(net.recent).fill(levels); // "before the beginning"
    this.codes[net.recent - 1] = levels >> 1; // silence
    this.now = 0;
    this.frame = -1;
    this.activity = new Float32Array(this.depth + 1); // root mean square of the input of each layer and of the last output
  }

  /** Set the conditions. speaker: index. spectrogram: (frames, mels), or null to generate without one. samples: total number. */
  begin(speaker, spectrogram, samples) {
    Object.assign(this, { speaker, samples });
    const { mels, hop, reach, mean, deviation, arrays } = this.net;
    if (!mels) return;
    const count = Math.ceil(samples / hop), left = (reach - 1) >> 1, { nothing, local, local_bias } = arrays, channels = local_bias.length;
    const frames = new Float32Array((count + reach - 1) * mels); // zeros at both ends
    for (let i = 0; i < count * mels; i++) {
      const value = i < (spectrogram?.length ?? 0) ? spectrogram[i] : 0;
      frames[left * mels + i] = spectrogram ? (value - mean) / deviation : nothing[i % mels];
    }
    this.local = new Float32Array(count * channels);
    for (let t = 0; t < count; t++) {
      const out = this.local.subarray(t * channels, (t + 1) * channels);
      out.set(local_bias);
      for (let i = 0, w = 0; i < reach * mels; i++) for (let c = 0, v = frames[t * mels + i]; c < channels; c++) out[c] += v * local[w++];
      for (let c = 0; c < channels; c++) out[c] = Math.max(0, out[c]);
    }
  }

  /** Compute what the conditions add to the sums of all layers at the current sample. It is constant within a frame. */
  updateConditions() {
    const { filters, hop, mels, arrays } = this.net, double = 2 * filters, { floats: f, at } = this;
    const frame = mels ? Math.min(Math.floor(this.now / hop), this.local.length / arrays.local_bias.length - 1) : 0;
    if (frame === this.frame) return;
    this.frame = frame;
    for (let k = 0; k < this.depth; k++) {
      const to = at.entry + k * double;
      for (let j = 0; j < double; j++) f[to + j] = arrays.bias[k * double + j];
      if (arrays.speakers) for (let j = 0, from = (k * this.net.speakers.length + this.speaker) * double; j < double; j++) f[to + j] += arrays.speakers[from + j];
      if (!mels) continue;
      const channels = arrays.local_bias.length;
      for (let c = 0, w = k * channels * double; c < channels; c++) {
        for (let j = 0, v = this.local[frame * channels + c]; j < double; j++) f[to + j] += v * arrays.conditions[w++];
      }
    }
  }

  /** Compute the logits (levels) of the next code. The next step overwrites this view. */
  step() {
    const { dilations, taps, width, filters, skips, levels } = this.net, { floats: f, at, product, now } = this, double = 2 * filters;
    this.updateConditions();
    for (let j = 0; j < width; j++) f[at.x + j] = 0;
    this.codes.forEach((code, tap) => {
      if (code < levels) for (let j = 0, row = at.codes + (tap * levels + code) * width; j < width; j++) f[at.x + j] += f[row + j];
    });
    f.copyWithin(at.sum, at.skip_bias, at.skip_bias + skips);
    for (let k = 0; k < this.depth; k++) {
      const ring = this.rings[k], slot = ring.at + (now % ring.size) * width;
      this.activity[k] = computeRms(f, at.x, width);
      f.copyWithin(at.total, at.entry + k * double, at.entry + (k + 1) * double);
      for (let tap = 0; tap < taps - 1; tap++) { // oldest first
        const old = ring.at + ((now + tap * dilations[k]) % ring.size) * width;
        product(at.past + (k * (taps - 1) + tap) * width * double, old, at.total, width, double);
      }
      product(at.present + k * width * double, at.x, at.total, width, double);
      f.copyWithin(slot, at.x, at.x + width);
      for (let j = 0; j < filters; j++) f[at.z + j] = Math.tanh(f[at.total + j]) / (1 + Math.exp(-f[at.total + filters + j]));
      for (let j = 0; j < width; j++) f[at.x + j] += f[at.residual_bias + k * width + j];
      product(at.residual + k * filters * width, at.z, at.x, filters, width);
      product(at.skip + k * filters * skips, at.z, at.sum, filters, skips);
    }
    this.activity[this.depth] = computeRms(f, at.x, width);
    for (let j = 0; j < skips; j++) f[at.sum + j] = Math.max(0, f[at.sum + j]);
    f.copyWithin(at.hidden, at.post_bias, at.post_bias + skips);
    product(at.post, at.sum, at.hidden, skips, skips);
    for (let j = 0; j < skips; j++) f[at.hidden + j] = Math.max(0, f[at.hidden + j]);
    f.copyWithin(at.out, at.logits_bias, at.logits_bias + levels);
    product(at.logits, at.hidden, at.out, skips, levels);
    this.now++;
    return f.subarray(at.out, at.out + levels);
  }

  /** Append a code to the input. */
  push(code) {
    this.codes.shift();
    this.codes.push(code);
  }
}

function computeRms(f, at, n) {
  let sum = 0;
  for (let j = 0; j < n; j++) sum += f[at + j] ** 2;
  return Math.sqrt(sum / n);
}

/** Sample a code by the inverse distribution function of a uniform number below 1. Temperature 0 returns the most probable code. */
export function sampleCode(logits, uniform, temperature) {
  let top = 0;
  for (let i = 1; i < logits.length; i++) if (logits[i] > logits[top]) top = i;
  if (!temperature) return top;
  const heights = new Float64Array(logits.length);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) heights[i] = sum += Math.exp((logits[i] - logits[top]) / temperature);
  let code = 0;
  while (code < logits.length - 1 && heights[code] <= uniform * sum) code++;
  return code;
}

/** Convert a mu-law code to an amplitude. */
export function toAmplitude(code, levels) {
  const mu = levels - 1, f = (2 * code) / mu - 1;
  return (Math.sign(f) * Math.expm1(Math.abs(f) * Math.log1p(mu))) / mu;
}

/** Make a random generator from a seed (mulberry32): uniform numbers in [0, 1). */
export function makeRandom(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
