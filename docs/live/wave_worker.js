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
  /** `count` samples; the last one's scores too. activity: (count, depth + 2), the code that went in, and all layers' (`Loop`). */
  run({ count }) {
    const samples = new Float32Array(count), codes = new Uint16Array(count), columns = loop.depth + 2, activity = new Float32Array(count * columns);
    let scores;
    const begin = performance.now();
    for (let i = 0; i < count; i++) {
      activity[i * columns] = loop.codes.at(-1) / net.levels;
      scores = loop.step();
      codes[i] = choose(scores, random(), temperature);
      loop.push(codes[i]);
      samples[i] = amplitude(codes[i], net.levels);
      activity.set(loop.activity, i * columns + 1);
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
