// Sound: files and the microphone as samples at the recognizers' rate.

import { LiveError, need } from "./common.js";

export const RATE = 16000; // Hz
export const LONGEST = 120; // seconds that the page takes at once; Python takes any length
const LEAST = 0.1;

/** Samples (Float32Array, mono, 16 kHz) of an encoded sound file (ArrayBuffer; it is used up). */
export async function decode(bytes) {
  need("OfflineAudioContext");
  const sound = await new OfflineAudioContext(1, 1, RATE).decodeAudioData(bytes); // resamples too
  if (sound.duration > LONGEST) {
    throw new LiveError(`This recording lasts ${Math.round(sound.duration)} s, and the page takes up to ${LONGEST} s. "kerasrecipes transcribe" takes any length.`);
  }
  if (sound.duration < LEAST) throw new LiveError("This recording is too short for speech.");
  const wave = new Float32Array(sound.length);
  for (let c = 0; c < sound.numberOfChannels; c++) {
    const channel = sound.getChannelData(c);
    for (let i = 0; i < wave.length; i++) wave[i] += channel[i] / sound.numberOfChannels;
  }
  return wave;
}

/** Listen: `take(Float32Array)` gets samples at 16 kHz as they come. Returns a function that stops. */
export async function listen(take) {
  need("AudioWorklet", "media");
  // what browsers improve for telephones is not what the recognizers learned from
  const wanted = { channelCount: 1, echoCancellation: false, noiseSuppression: false, autoGainControl: true };
  const stream = await navigator.mediaDevices.getUserMedia({ audio: wanted });
  let context;
  const end = async () => {
    for (const track of stream.getTracks()) track.stop();
    await context?.close();
  };
  try {
    try {
      context = new AudioContext({ sampleRate: RATE });
      await connect(context, stream, take);
    } catch (error) {
      if (error.name !== "NotSupportedError") throw error;
      await context?.close();
      context = new AudioContext(); // Firefox takes a microphone at the device's rate only
      const resample = resampler(context.sampleRate);
      await connect(context, stream, (samples) => take(resample(samples)));
    }
    await context.resume();
  } catch (error) {
    await end(); // no microphone stays on behind an error
    throw error;
  }
  return end;
}

async function connect(context, stream, take) {
  const source = context.createMediaStreamSource(stream);
  await context.audioWorklet.addModule(new URL("listen.js", import.meta.url));
  const ear = new AudioWorkletNode(context, "ear", { numberOfOutputs: 0, channelCount: 1, channelCountMode: "explicit" });
  ear.port.onmessage = ({ data }) => take(data);
  source.connect(ear);
}

/** A function that takes samples at `rate` in portions of any size and gives them at 16 kHz: windowed sinc. */
export function resampler(rate) {
  const ratio = rate / RATE, wide = Math.max(ratio, 1), reach = Math.ceil(16 * wide);
  let kept = new Float32Array(reach), at = reach; // place in kept of the next output
  const weight = (x) => {
    const u = x / wide, v = x / reach;
    return Math.abs(v) >= 1 ? 0 : ((u === 0 ? 1 : Math.sin(Math.PI * u) / (Math.PI * u)) * (0.5 + 0.5 * Math.cos(Math.PI * v))) / wide;
  };
  return (samples) => {
    const all = new Float32Array(kept.length + samples.length);
    all.set(kept);
    all.set(samples, kept.length);
    const found = [];
    for (; at + reach < all.length; at += ratio) {
      let sum = 0;
      for (let i = Math.max(0, Math.ceil(at - reach)); i <= at + reach; i++) sum += all[i] * weight(i - at);
      found.push(sum);
    }
    const from = Math.max(0, Math.floor(at) - reach);
    kept = all.slice(from);
    at -= from;
    return Float32Array.from(found);
  };
}
