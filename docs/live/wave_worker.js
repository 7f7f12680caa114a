// Worker that generates samples. wavenet.js requests them and also receives the activity of all layers.

import { unpack } from "./back.js";
import { Sampler, toAmplitude, sampleCode, makeRandom } from "./wave_sampler.js";

let net, sampler, random, temperature;
const HANDLERS = {
  open({ bytes }) {
    net = unpack(bytes);
    return {};
  },
  begin({ speaker, spectrogram, samples, seed, temperature: t }) {
    sampler = new Sampler(net);
    sampler.begin(speaker, spectrogram, samples);
    [random, temperature] = [makeRandom(seed), t];
    return {};
  },
  /** Generate `count` samples, and return the logits of the last one. activity: (count, depth + 2), the input code and the activity of
   * all layers (`Sampler`). */
  run({ count }) {
    const samples = new Float32Array(count), codes = new Uint16Array(count), columns = sampler.depth + 2, activity = new Float32Array(count * columns);
    let logits;
    const begin = performance.now();
    for (let i = 0; i < count; i++) {
      activity[i * columns] = sampler.codes.at(-1) / net.levels;
      logits = sampler.step();
      codes[i] = sampleCode(logits, random(), temperature);
      sampler.push(codes[i]);
      samples[i] = toAmplitude(codes[i], net.levels);
      activity.set(sampler.activity, i * columns + 1);
    }
    return { samples, codes, activity, logits: logits.slice(), ms: performance.now() - begin };
  },
};

onmessage = ({ data: { number, kind, ...rest } }) => {
  try {
    postMessage({ number, ...HANDLERS[kind](rest) });
  } catch (error) {
    postMessage({ number, error: error?.message ?? String(error) });
  }
};
