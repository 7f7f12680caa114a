// Images over time for the toolbox of speech recognizers: features, letters, channels of a layer, and the curve of one channel.

import { setSize } from "./maps.js";

const MIN_PROBABILITY = 0.1; // letters that never reach it are not shown
const ROW = 14; // pixels of a letter's row

/** Draw values (rows, columns) by toColor(value) -> [red, green, blue]; row 0 is the top. */
function drawGrid(canvas, rows, columns, getValue, toColor) {
  setSize(canvas, columns, rows);
  const context = canvas.getContext("2d"), image = context.createImageData(columns, rows);
  for (let y = 0, at = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++, at += 4) {
      image.data.set(toColor(getValue(y, x), y), at);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** From dark violet over red to light yellow, for a share from 0 to 1. */
const toHeat = (v) => [255 * Math.min(1, 1.7 * v), 255 * Math.max(0, 1.6 * v - 0.6), 60 + 120 * Math.sin(Math.PI * v) + 60 * Math.max(0, v - 0.8)];

/** Draw features (frames, bands), low bands at the bottom, or the samples of a network that reads these (frames, 1) as a wave. */
export function drawFeatures(canvas, values, [frames, bands]) {
  if (bands === 1) return drawWave(canvas, values);
  const sorted = Float32Array.from(values).sort(), low = sorted[Math.floor(0.01 * sorted.length)], high = sorted[Math.floor(0.995 * sorted.length)];
  drawGrid(canvas, bands, frames, (y, x) => Math.min(1, Math.max(0, (values[x * bands + bands - 1 - y] - low) / (high - low || 1))), toHeat);
}

function drawWave(canvas, values) {
  const wide = 800, high = 100, columns = Array.from({ length: wide }, (_, x) => values.subarray((x * values.length) / wide, ((x + 1) * values.length) / wide));
  const limits = columns.map((part) => [part.reduce((a, b) => Math.min(a, b), 0), part.reduce((a, b) => Math.max(a, b), 0)]);
  const most = Math.max(1e-9, ...limits.map(([low, up]) => Math.max(-low, up)));
  drawGrid(canvas, high, wide, (y, x) => { const v = 1 - (2 * y) / high; return v * most <= limits[x][1] && v * most >= limits[x][0] ? 0.7 : 0; }, toHeat);
}

/** Draw the probabilities (frames, letters) of all letters that become likely, with their names. */
export function drawLetters(canvas, probabilities, names) {
  const letters = names.map((_, k) => k).filter((k) => probabilities.some((frame) => frame[k] >= MIN_PROBABILITY));
  const wide = canvas.clientWidth || 640, high = Math.max(1, letters.length) * ROW, step = wide / probabilities.length;
  setSize(canvas, wide, high);
  canvas.style.height = `${high}px`;
  const context = canvas.getContext("2d");
  context.fillStyle = "#10131c";
  context.fillRect(0, 0, wide, high);
  context.font = "11px sans-serif";
  letters.forEach((k, row) => {
    probabilities.forEach((frame, t) => {
      if (frame[k] < 0.01) return;
      context.fillStyle = `rgb(130 200 255 / ${frame[k]})`;
      context.fillRect(t * step, row * ROW, Math.ceil(step), ROW - 1);
    });
    context.fillStyle = "#ffca6b";
    context.fillText(names[k], 3, row * ROW + ROW - 4);
  });
}

/** Draw all channels of a layer (frames, bands, channels), one below the other, and the bands of a channel with the low ones at the bottom.
 * gamma, boost: as in look_tiles.js. Negative values are blue. */
export function drawChannels(canvas, values, [frames, bands, maps], { gamma = 1, boost = 0 } = {}) {
  const most = new Float32Array(maps).fill(1e-12);
  for (let i = 0; i < values.length; i++) most[i % maps] = Math.max(most[i % maps], Math.abs(values[i]));
  const all = most.reduce((a, b) => Math.max(a, b)), scales = most.map((own) => (1 - boost) / all + boost / own);
  drawGrid(canvas, maps * bands, frames, (y, x) => values[(x * bands + (bands - 1 - (y % bands))) * maps + Math.floor(y / bands)], (value, y) => {
    const v = 255 * Math.min(1, Math.abs(value) * scales[Math.floor(y / bands)]) ** gamma;
    return value >= 0 ? [v, v, v] : [0, 0.45 * v, v];
  });
  canvas.style.height = `${Math.max(3, Math.min(12, Math.round(400 / maps))) * maps * Math.min(bands, 4)}px`;
}

/** Draw one channel over time, the largest band of each frame, and the chosen place. */
export function drawCurve(canvas, values, [frames, bands, maps], channel, place) {
  const curve = Array.from({ length: frames }, (_, t) => {
    let best = -Infinity;
    for (let b = 0; b < bands; b++) best = Math.max(best, values[(t * bands + b) * maps + channel]);
    return best;
  });
  setSize(canvas, 480, 120);
  const context = canvas.getContext("2d"), low = Math.min(0, ...curve), high = Math.max(1e-9, ...curve), style = getComputedStyle(canvas);
  const toX = (t) => ((t + 0.5) * 480) / frames, toY = (v) => 112 - (104 * (v - low)) / (high - low);
  context.clearRect(0, 0, 480, 120);
  context.strokeStyle = style.color;
  context.globalAlpha = 0.4;
  context.strokeRect(0, toY(0), 480, 0.5);
  context.globalAlpha = 1;
  context.lineWidth = 1.5;
  context.beginPath();
  curve.forEach((v, t) => context.lineTo(toX(t), toY(v)));
  context.stroke();
  const frame = Math.floor(place / bands);
  context.fillStyle = "#ff9800";
  context.fillRect(toX(frame) - 2, toY(curve[frame]) - 2, 5, 5);
}
