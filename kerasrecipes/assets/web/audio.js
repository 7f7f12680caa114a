// Audio from files and the microphone, at the sample rate of the recognizers.

import { LiveError, requireFeatures } from "./common.js";

export const RATE = 16000; // Hz
export const MAX_SECONDS = 120; // of one recording on the page; Python takes any length
const MIN_SECONDS = 0.1;

/** Decode an audio file (ArrayBuffer, which is detached) to samples (Float32Array, mono, at `rate` Hz). */
export async function decode(bytes, rate = RATE) {
  requireFeatures("OfflineAudioContext");
  const audio = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes); // resamples too
  if (audio.duration > MAX_SECONDS) {
    throw new LiveError(`This recording lasts ${Math.round(audio.duration)} s. This page takes up to ${MAX_SECONDS} s; "kerasrecipes transcribe" takes any length.`);
  }
  if (audio.duration < MIN_SECONDS) throw new LiveError("This recording is too short for speech.");
  const wave = new Float32Array(audio.length);
  for (let c = 0; c < audio.numberOfChannels; c++) {
    const channel = audio.getChannelData(c);
    for (let i = 0; i < wave.length; i++) wave[i] += channel[i] / audio.numberOfChannels;
  }
  return wave;
}

/** Read the microphone: onSamples(Float32Array) receives chunks of samples at `rate` Hz. Returns a function that stops. */
export async function listen(onSamples, rate = RATE) {
  requireFeatures("AudioWorklet", "media");
  // the recognizers were not trained on audio that was processed for calls
  const constraints = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints });
  let context;
  const end = async () => {
    for (const track of stream.getTracks()) track.stop();
    await context?.close();
  };
  try {
    try {
      context = new AudioContext({ sampleRate: rate });
      await connect(context, stream, onSamples);
    } catch (error) {
      if (error.name !== "NotSupportedError") throw error;
      await context?.close();
      context = new AudioContext(); // Firefox reads a microphone only at the device's rate
      const resample = makeResampler(context.sampleRate, rate);
      await connect(context, stream, (samples) => onSamples(resample(samples)));
    }
    await context.resume();
  } catch (error) {
    await end(); // an error turns the microphone off
    throw error;
  }
  return end;
}

async function connect(context, stream, onSamples) {
  const source = context.createMediaStreamSource(stream);
  await context.audioWorklet.addModule(new URL("listen.js", import.meta.url));
  const recorder = new AudioWorkletNode(context, "recorder", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  recorder.port.onmessage = ({ data }) => onSamples(data);
  source.connect(recorder);
}

/** Return a function that resamples chunks of any size from `rate` to `target` Hz, by a windowed sinc. */
export function makeResampler(rate, target = RATE) {
  const ratio = rate / target, wide = Math.max(ratio, 1), reach = Math.ceil(16 * wide);
  let history = new Float32Array(reach), at = reach; // position of the next output in history
  const weight = (x) => {
    const u = x / wide, v = x / reach;
    return Math.abs(v) >= 1 ? 0 : ((u === 0 ? 1 : Math.sin(Math.PI * u) / (Math.PI * u)) * (0.5 + 0.5 * Math.cos(Math.PI * v))) / wide;
  };
  return (samples) => {
    const all = new Float32Array(history.length + samples.length);
    all.set(history);
    all.set(samples, history.length);
    const output = [];
    for (; at + reach < all.length; at += ratio) {
      let sum = 0;
      for (let i = Math.max(0, Math.ceil(at - reach)); i <= at + reach; i++) sum += all[i] * weight(i - at);
      output.push(sum);
    }
    const from = Math.max(0, Math.floor(at) - reach);
    history = all.slice(from);
    at -= from;
    return Float32Array.from(output);
  };
}

/** Encode samples as a WAV file of 16 bits. */
export function encodeWav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const writeText = (at, text) => [...text].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  writeText(0, "RIFF"), view.setUint32(4, 36 + 2 * samples.length, true), writeText(8, "WAVEfmt "), view.setUint32(16, 16, true);
  view.setUint16(20, 1, true), view.setUint16(22, 1, true), view.setUint32(24, rate, true), view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true), view.setUint16(34, 16, true), writeText(36, "data"), view.setUint32(40, 2 * samples.length, true);
  samples.forEach((v, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, v))), true));
  return new Blob([view], { type: "audio/wav" });
}
