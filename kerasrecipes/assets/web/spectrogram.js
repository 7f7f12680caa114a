// Spectrogram that grows with the audio: windows of 25 ms every 10 ms, 0 to 8 kHz, darker is louder.

import { RATE } from "./audio.js";

const SIZE = 512, WINDOW = 400, HOP = 160, BINS = 256;
const HANN = Float64Array.from({ length: WINDOW }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * (i + 0.5)) / WINDOW));

const [COS, SIN] = [Math.cos, Math.sin].map((f) => Float64Array.from({ length: SIZE / 2 }, (_, k) => f((2 * Math.PI * k) / SIZE)));

/** Fourier transform of SIZE values in place (radix 2). */
function transform(re, im) {
  const n = re.length;
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1;
    for (; j & bit; bit >>= 1) j ^= bit;
    j ^= bit;
    if (i < j) [re[i], re[j]] = [re[j], re[i]];
  }
  for (let half = 1; half < n; half *= 2) {
    for (let k = 0; k < half; k++) {
      const c = COS[(k * SIZE) / (2 * half)], s = -SIN[(k * SIZE) / (2 * half)];
      for (let i = k; i < n; i += 2 * half) {
        const a = re[i + half] * c - im[i + half] * s, b = re[i + half] * s + im[i + half] * c;
        re[i + half] = re[i] - a;
        im[i + half] = im[i] - b;
        re[i] += a;
        im[i] += b;
      }
    }
  }
}

/** Compute the decibels (BINS) of the window of `wave` that starts at `begin`. */
function computeColumn(wave, begin) {
  const re = new Float64Array(SIZE), im = new Float64Array(SIZE);
  for (let i = 0; i < WINDOW && begin + i < wave.length; i++) re[i] = wave[begin + i] * HANN[i];
  transform(re, im);
  return Float32Array.from({ length: BINS }, (_, k) => 10 * Math.log10(re[k] ** 2 + im[k] ** 2 + 1e-10));
}

// from transparent to dark blue; bytes from the highest: alpha, blue, green, red
const SHADES = Uint32Array.from({ length: 256 }, (_, i) => ((i << 24) | ((110 + i / 10) << 16) | ((60 - i / 10) << 8) | (40 - i / 8)) >>> 0);
const RANGE = 60; // dB from the maximum to transparent

/** Draw a spectrogram in a canvas: {canvas, show(wave), add(samples), clear()}. `add` scrolls after `seconds`. */
export function makeSpectrogram(canvas, seconds = 6) {
  let columns = [], rest = new Float32Array(0), isScheduled = false;
  const wide = Math.round((seconds * RATE) / HOP);

  function draw(width = wide) {
    canvas.width = width;
    canvas.height = BINS;
    const context = canvas.getContext("2d"), image = context.createImageData(width, BINS), pixels = new Uint32Array(image.data.buffer);
    const top = columns.reduce((most, values) => values.reduce((a, b) => (b > a ? b : a), most), 0);
    columns.forEach((values, x) => {
      for (let k = 0; k < BINS; k++) {
        pixels[(BINS - 1 - k) * width + x] = SHADES[Math.min(255, Math.max(0, ((values[k] - top + RANGE) * 255) / RANGE)) | 0];
      }
    });
    context.putImageData(image, 0, 0);
  }

  function add(samples) {
    const all = new Float32Array(rest.length + samples.length);
    all.set(rest);
    all.set(samples, rest.length);
    let at = 0;
    for (; at + WINDOW <= all.length; at += HOP) columns.push(computeColumn(all, at));
    rest = all.slice(at);
  }

  return {
    canvas,
    show(wave) {
      [columns, rest] = [[], new Float32Array(0)];
      add(wave);
      draw(columns.length || 1);
    },
    add(samples) {
      add(samples);
      columns = columns.slice(-wide);
      if (isScheduled) return;
      isScheduled = true; // draws at most once per screen update
      requestAnimationFrame(() => {
        isScheduled = false;
        draw();
      });
    },
    clear() {
      [columns, rest] = [[], new Float32Array(0)];
      draw();
    },
  };
}
