// Text while somebody speaks: kerasrecipes.inference.streaming_session and .carried, with the step graph in the engine.

import { run } from "./common.js";
import { bestPath, greedy } from "./ctc.js";

const ENDLESS = 2 ** 30; // samples of an utterance whose end has not come
const CHUNK = 0.24; // seconds that are scored at once

const outputLength = (geometries, length) => geometries.reduce(
  (n, [span, stride, left, right]) => Math.max(0, Math.floor((n + left + right - (span ?? 1)) / stride) + 1), length);

const joined = (parts) => {
  const found = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    found.set(part, at);
    at += part.length;
  }
  return found;
};

/** Scores of one recording, piece by piece: those of the whole, whatever the cuts. Calls must wait for each other. */
export class Carried {
  /** net: a session of NAME.step.onnx. */
  constructor(net, seconds = CHUNK) {
    const { streaming: pieces, sample_rate } = net.told;
    Object.assign(this, { net, pieces, waiting: new Float32Array(0), position: 0, delivered: 0, ms: 0 });
    this.piece = Math.ceil(Math.round(seconds * sample_rate) / pieces.stride) * pieces.stride;
    this.states = Object.fromEntries(pieces.shapes.map((shape, i) => [`state_${i}`, [new Float32Array(shape.reduce((a, b) => a * b, 1)), [1, ...shape]]]));
  }

  async feed(samples) {
    const found = [];
    this.waiting = joined([this.waiting, samples]);
    while (this.waiting.length >= this.piece) {
      const piece = this.waiting.slice(0, this.piece);
      this.waiting = this.waiting.slice(this.piece);
      found.push(await this.score(piece, ENDLESS));
    }
    return joined(found);
  }

  async finish() {
    const length = this.position + this.waiting.length, found = [];
    while (this.delivered < outputLength(this.pieces.geometries, length)) {
      found.push(await this.score(this.waiting.slice(0, this.piece), length));
      this.waiting = this.waiting.slice(this.piece);
    }
    return joined(found);
  }

  async score(samples, length) {
    const piece = new Float32Array(this.piece), { width, geometries, source } = this.pieces;
    piece.set(samples);
    const feeds = {
      [source]: [piece, [1, this.piece]], position: [Int32Array.of(this.position), [1]], length: [Int32Array.of(length), [1]], ...this.states,
    };
    const { outputs, ms } = await run(this.net, feeds);
    this.ms += ms;
    for (const name of Object.keys(this.states)) {
      const { data, dims } = outputs[`next_${name}`];
      this.states[name] = [data, dims];
    }
    this.position += this.piece;
    const first = outputs.frame.data[0], frames = outputLength(geometries, length), have = outputs.logits.dims[1];
    const begin = Math.min(Math.max(-first, 0), have), end = Math.min(Math.max(frames - first, begin), have);
    this.delivered += end - begin;
    return outputs.logits.data.slice(begin * width, end * width);
  }
}

/** A recording that is still going on; memory grows with the text only. */
export class Stream {
  constructor(net) {
    this.carried = new Carried(net);
    this.symbols = net.told.alphabet.symbols;
    this.rate = net.told.sample_rate;
    this.frameSeconds = this.carried.pieces.stride / this.rate;
    Object.assign(this, { scores: new Float32Array(0), frames: 0, samples: 0, fixed: [], sound: false });
    this.last = Promise.resolve();
  }

  /** Take samples; gives {text, words}: only the last word may still change. */
  feed(samples) {
    return this.next(async () => {
      this.samples += samples.length;
      this.sound ||= samples.some((v) => v !== 0);
      this.scores = joined([this.scores, await this.carried.feed(samples)]);
      this.fixWords();
      return this.now();
    });
  }

  /** The end: {text, words} of everything. */
  finish() {
    return this.next(async () => {
      this.scores = joined([this.scores, await this.carried.finish()]);
      return this.now();
    });
  }

  next(work) {
    return (this.last = this.last.then(work)); // pieces in their order
  }

  now() {
    const words = [...this.fixed, ...this.decoded(this.scores).words];
    return { text: words.map((w) => w.text).join(" "), words };
  }

  decoded(scores) {
    if (!this.sound) return { words: [] }; // digital silence has no text
    const offset = this.frames * this.frameSeconds;
    const frames = this.frames + scores.length / (this.symbols.length + 1);
    const duration = Math.max(this.samples / this.rate, frames * this.frameSeconds);
    return greedy(scores, this.symbols, { frameSeconds: this.frameSeconds, offset, duration });
  }

  /** Words behind which a space has come do not change any more: keep them, drop their scores. */
  fixWords() {
    const size = this.symbols.length + 1, space = this.symbols.indexOf(" ") + 1;
    const { path } = bestPath(this.scores, size);
    let spoken = path.findIndex((k) => k !== 0 && k !== space);
    if (spoken < 0) spoken = path.length;
    let cut = 0;
    for (let t = 1; t < path.length; t++) {
      if ((path[t] === space && path[t - 1] !== space) || (t < spoken && path[t] === 0)) cut = t;
    }
    if (!cut) return;
    this.fixed.push(...this.decoded(this.scores.subarray(0, cut * size)).words);
    this.scores = this.scores.slice(cut * size);
    this.frames += cut;
  }
}
