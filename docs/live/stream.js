// Streaming recognition like kerasrecipes.inference.streaming_session, with the step graph in the engine.

import { run } from "./common.js";
import { findBestPath, decodeGreedily } from "./ctc.js";

const ENDLESS = 2 ** 30; // length in samples of an utterance that has not ended
const CHUNK = 0.24; // seconds of audio in one run of the network

const computeOutputLength = (geometries, length) => geometries.reduce(
  (n, [span, stride, left, right]) => Math.max(0, Math.floor((n + left + right - (span ?? 1)) / stride) + 1), length);

const concatenate = (parts) => {
  const result = new Float32Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
};

/** Computes the logits of one recording chunk by chunk. They equal those of the whole recording for all chunk sizes. Await each call
 * before the next. */
export class ChunkedNetwork {
  /** net: NAME.step.onnx, from `openSession`. */
  constructor(net, seconds = CHUNK) {
    const { streaming, sample_rate } = net.metadata;
    Object.assign(this, { net, streaming, pending: new Float32Array(0), position: 0, delivered: 0, ms: 0 });
    this.chunk = Math.ceil(Math.round(seconds * sample_rate) / streaming.stride) * streaming.stride;
    this.states = Object.fromEntries(streaming.shapes.map((shape, i) => [`state_${i}`, [new Float32Array(shape.reduce((a, b) => a * b, 1)), [1, ...shape]]]));
  }

  async feed(samples) {
    const parts = [];
    this.pending = concatenate([this.pending, samples]);
    while (this.pending.length >= this.chunk) {
      const chunk = this.pending.slice(0, this.chunk);
      this.pending = this.pending.slice(this.chunk);
      parts.push(await this.run(chunk, ENDLESS));
    }
    return concatenate(parts);
  }

  async finish() {
    const length = this.position + this.pending.length, parts = [];
    while (this.delivered < computeOutputLength(this.streaming.geometries, length)) {
      parts.push(await this.run(this.pending.slice(0, this.chunk), length));
      this.pending = this.pending.slice(this.chunk);
    }
    return concatenate(parts);
  }

  async run(samples, length) {
    const chunk = new Float32Array(this.chunk), { width, geometries, source } = this.streaming;
    chunk.set(samples);
    const feeds = {
      [source]: [chunk, [1, this.chunk]], position: [Int32Array.of(this.position), [1]], length: [Int32Array.of(length), [1]], ...this.states,
    };
    const { outputs, ms } = await run(this.net, feeds);
    this.ms += ms;
    for (const name of Object.keys(this.states)) {
      const { data, dims } = outputs[`next_${name}`];
      this.states[name] = [data, dims];
    }
    this.position += this.chunk;
    const first = outputs.frame.data[0], frames = computeOutputLength(geometries, length), have = outputs.logits.dims[1];
    const begin = Math.min(Math.max(-first, 0), have), end = Math.min(Math.max(frames - first, begin), have);
    this.delivered += end - begin;
    return outputs.logits.data.slice(begin * width, end * width);
  }
}

/** Transcribes a recording that has not ended. Memory grows only with the text. */
export class Stream {
  constructor(net) {
    this.network = new ChunkedNetwork(net);
    this.symbols = net.metadata.alphabet.symbols;
    this.rate = net.metadata.sample_rate;
    this.frameSeconds = this.network.streaming.stride / this.rate;
    Object.assign(this, { logits: new Float32Array(0), frames: 0, samples: 0, finalWords: [], hasSound: false });
    this.last = Promise.resolve();
  }

  /** Add samples and return {text, words}. Only the last word may still change. */
  feed(samples) {
    return this.enqueue(async () => {
      this.samples += samples.length;
      this.hasSound ||= samples.some((v) => v !== 0);
      this.logits = concatenate([this.logits, await this.network.feed(samples)]);
      this.storeFinalWords();
      return this.getTranscript();
    });
  }

  /** End the recording and return {text, words} of all of it. */
  finish() {
    return this.enqueue(async () => {
      this.logits = concatenate([this.logits, await this.network.finish()]);
      return this.getTranscript();
    });
  }

  enqueue(work) {
    return (this.last = this.last.then(work)); // keeps the order of the chunks
  }

  getTranscript() {
    const words = [...this.finalWords, ...this.decode(this.logits).words];
    return { text: words.map((w) => w.text).join(" "), words };
  }

  decode(logits) {
    if (!this.hasSound) return { words: [] }; // digital silence has no text
    const offset = this.frames * this.frameSeconds;
    const frames = this.frames + logits.length / (this.symbols.length + 1);
    const duration = Math.max(this.samples / this.rate, frames * this.frameSeconds);
    return decodeGreedily(logits, this.symbols, { frameSeconds: this.frameSeconds, offset, duration });
  }

  /** Words before a space do not change any more. Store them and drop their logits. */
  storeFinalWords() {
    const size = this.symbols.length + 1, space = this.symbols.indexOf(" ") + 1;
    const { path } = findBestPath(this.logits, size);
    let firstLetter = path.findIndex((k) => k !== 0 && k !== space);
    if (firstLetter < 0) firstLetter = path.length;
    let cut = 0;
    for (let t = 1; t < path.length; t++) {
      if ((path[t] === space && path[t - 1] !== space) || (t < firstLetter && path[t] === 0)) cut = t;
    }
    if (!cut) return;
    this.finalWords.push(...this.decode(this.logits.subarray(0, cut * size)).words);
    this.logits = this.logits.slice(cut * size);
    this.frames += cut;
  }
}
