// Generation beside the page: wavenet.js asks for samples, and gets them with every layer's activity.

import { unpack } from "./back.js";
import { Loop, amplitude, choose, chance } from "./wave_loop.js";

let net, loop, random, temperature;
const HANDLERS = {
  open({ bytes }) {
    net = unpack(bytes);
    return {};
  },
  begin({ speaker, spectrogram, samples, seed, temperature: t }) {
    loop = new Loop(net);
    loop.begin(speaker, spectrogram, samples);
    [random, temperature] = [chance(seed), t];
    return {};
  },
  /** `count` samples; the last one's probabilities too. */
  run({ count }) {
    const samples = new Float32Array(count), codes = new Uint16Array(count), activity = new Float32Array(count * (loop.depth + 1));
    let scores;
    const begin = performance.now();
    for (let i = 0; i < count; i++) {
      scores = loop.step();
      codes[i] = choose(scores, random(), temperature);
      loop.push(codes[i]);
      samples[i] = amplitude(codes[i], net.levels);
      activity.set(loop.activity, i * (loop.depth + 1));
    }
    return { samples, codes, activity, scores: scores.slice(), ms: performance.now() - begin };
  },
};

onmessage = ({ data: { number, kind, ...rest } }) => {
  try {
    postMessage({ number, ...HANDLERS[kind](rest) });
  } catch (error) {
    postMessage({ number, error: error?.message ?? String(error) });
  }
};
