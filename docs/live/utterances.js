// Utterances of a recording, found by their energy, and the examples that are cut from it.

import { RATE } from "./audio.js";

const FRAME = RATE / 100; // samples whose energy is measured
const PAD = 0.1, GAP = 0.3, SHORTEST = 0.15; // s: kept around an utterance; of silence that ends it; of speech
const ABOVE_NOISE = 8, BELOW_PEAK = 30, QUIETEST = -60; // dB: speech is louder than each of the three limits
export const LONGEST = 2.5; // s of an utterance that can be a command
const WINDOWS = [0.9, 0.5]; // s of other speech; each begins in the middle of the one before
const PAUSE = 0.4, MAX_PAUSES = 2;

/** Compute the energy of each frame in dB below full scale. */
function computeLevels(wave) {
  return Float32Array.from({ length: Math.floor(wave.length / FRAME) }, (_, i) => {
    let sum = 0;
    for (let n = i * FRAME; n < (i + 1) * FRAME; n++) sum += wave[n] * wave[n];
    return 10 * Math.log10(sum / FRAME + 1e-10);
  });
}

/** Find the utterances of a recording (samples at 16 kHz): [[begin, end], ...] in samples. */
export function findUtterances(wave) {
  const levels = computeLevels(wave), sorted = levels.toSorted();
  if (!levels.length) return [];
  const getQuantile = (q) => sorted[Math.floor(q * (sorted.length - 1))];
  const limit = Math.max(getQuantile(0.1) + ABOVE_NOISE, getQuantile(0.98) - BELOW_PEAK, QUIETEST);
  const utterances = [];
  let first = -1, last = -1;
  const close = () => {
    if (first >= 0 && (last + 1 - first) * FRAME >= SHORTEST * RATE) {
      utterances.push([Math.max(0, first * FRAME - PAD * RATE), Math.min(wave.length, (last + 1) * FRAME + PAD * RATE)]);
    }
    first = -1;
  };
  for (const [i, level] of levels.entries()) {
    if (level > limit) {
      if (first < 0) first = i;
      last = i;
    } else if (first >= 0 && (i - last) * FRAME > GAP * RATE) {
      close();
    }
  }
  close();
  return utterances;
}

/** Cut up to two pauses between the utterances of a recording. */
export function cutPauses(wave, utterances) {
  const edges = [0, ...utterances.flat(), wave.length], pauses = [];
  for (let i = 0; i < edges.length; i += 2) {
    if (edges[i + 1] - edges[i] >= PAUSE * RATE) pauses.push(wave.slice(edges[i], edges[i + 1]));
  }
  return pauses.slice(0, MAX_PAUSES);
}

/** Cut a recording of other speech into windows as long as commands of one word and of several. */
export function cutWindows(wave) {
  const windows = [];
  for (const size of WINDOWS.map((seconds) => seconds * RATE)) {
    for (let at = 0; at + size <= wave.length; at += size / 2) windows.push(wave.slice(at, at + size));
  }
  return windows;
}

/** Return a clip at another speed and pitch with faint noise, so that the head depends less on the voice. number: odd clips are
 * faster, even ones slower. */
export function makeVariant(clip, number, uniform) {
  const speed = number % 2 ? 1.15 : 0.87, peak = clip.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
  return Float32Array.from({ length: Math.floor((clip.length - 1) / speed) }, (_, i) => {
    const at = i * speed, n = Math.floor(at), share = at - n;
    return clip[n] * (1 - share) + clip[n + 1] * share + 0.02 * peak * 2 * (uniform() + uniform() + uniform() - 1.5);
  });
}

/** White noise of a second, faint as in a quiet room. */
export const makeNoise = (uniform) => Float32Array.from({ length: RATE }, () => 0.004 * (uniform() - 0.5));

/** Finds utterances in audio that goes on. feed(samples) calls onUtterance(wave) for each, once it has ended. */
export class UtteranceDetector {
  constructor(onUtterance, seconds = 4) {
    Object.assign(this, { onUtterance, buffer: new Float32Array(0), begin: 0, done: 0, length: seconds * RATE });
  }

  feed(samples) {
    const all = new Float32Array(this.buffer.length + samples.length);
    all.set(this.buffer);
    all.set(samples, this.buffer.length);
    const dropped = Math.max(0, all.length - this.length);
    this.buffer = all.slice(dropped);
    this.begin += dropped;
    for (const [from, to] of findUtterances(this.buffer)) {
      const isOver = to + (GAP - PAD) * RATE < this.buffer.length, isWhole = from > 0 || this.begin === 0;
      if (!isOver || this.begin + from < this.done) continue;
      this.done = this.begin + to;
      if (isWhole) this.onUtterance(this.buffer.slice(from, to));
    }
  }
}
