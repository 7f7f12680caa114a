// Streaming recognition like kerasrecipes.inference.streaming_session, with the step graph in the engine.

import { run } from "./common.js";
import { makeStreamDecoder } from "./decoders.js";
import { computeOutputLength } from "./geometry.js";

const ENDLESS = 2 ** 30; // length in samples of an utterance that has not ended
const CHUNK = 0.24; // seconds of audio in one run of the network

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
  /** phrases: a closed list as for `PhraseSearch`, or null for all words. */
  constructor(net, phrases = null) {
    this.network = new ChunkedNetwork(net);
    this.decoder = makeStreamDecoder(net.metadata, phrases);
    this.rate = net.metadata.sample_rate;
    Object.assign(this, { samples: 0, hasSound: false, last: Promise.resolve() });
  }

  /** Add samples and return {text, words}. Only the last words may still change. */
  feed(samples) {
    return this.enqueue(async () => {
      this.samples += samples.length;
      this.hasSound ||= samples.some((v) => v !== 0);
      this.decoder.append(await this.network.feed(samples));
      return this.read();
    });
  }

  /** End the recording and return {text, words} of all of it. */
  finish() {
    return this.enqueue(async () => {
      this.decoder.append(await this.network.finish());
      return this.read();
    });
  }

  enqueue(work) {
    return (this.last = this.last.then(work)); // keeps the order of the chunks
  }

  read() {
    return this.hasSound ? this.decoder.read(this.samples / this.rate) : { text: "", words: [] }; // digital silence has no text
  }
}
