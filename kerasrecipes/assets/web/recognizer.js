// From samples to words by a recognizer that `kerasrecipes export` wrote, whole or in chunks.

import { run } from "./common.js";
import { decodeLogits } from "./decoders.js";
import { computeOutputLength } from "./geometry.js";
import { Stream } from "./stream.js";

/** Transcribe a wave (Float32Array at the network's rate): {text, words, ms}, and the logits of a network for whole recordings. net: from
 * `openSession`. phrases: a closed list as for `PhraseSearch`, or null for all words. onText(result) receives the words so far of a
 * network that takes chunks. */
export async function transcribe(net, wave, { phrases = null, onText = () => {} } = {}) {
  const { part, sample_rate: rate, stride, geometries } = net.metadata;
  if (part === "step") {
    const stream = new Stream(net, phrases);
    for (let at = 0; at < wave.length; at += rate) onText(await stream.feed(wave.subarray(at, at + rate)));
    const result = await stream.finish();
    return { ...result, ms: stream.network.ms };
  }
  const frames = computeOutputLength(geometries, wave.length);
  if (!frames) return { text: "", words: [], ms: 0, logits: new Float32Array(0) }; // too short for a frame
  const { outputs, ms } = await run(net, { audio: [wave, [1, wave.length]], length: [Int32Array.of(wave.length), [1]] });
  const { data, dims } = outputs.logits, logits = data.subarray(0, Math.min(frames, dims[1]) * dims[2]);
  const isSilent = wave.every((v) => v === 0); // digital silence has no text
  const times = { frameSeconds: stride / rate, duration: wave.length / rate };
  return { ...decodeLogits(isSilent ? logits.subarray(0, 0) : logits, net.metadata, phrases, times), ms, logits };
}
