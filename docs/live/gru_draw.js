// Drawings of the page A recurrent cell: spectrogram with words, curves of one unit over time, and a map of all units.

import { findLimits, setSize } from "./maps.js";

export const COLORS = { update: "#1e88e5", reset: "#d9541e", candidate: "#9c6ade", state: "#12a071" };
const LEFT = 30; // room for the numbers of an axis

/** Prepare a canvas of the width of its parent: {context, width, height, toX(step), toStep(x)}. */
export function prepare(canvas, height, steps) {
  const ratio = window.devicePixelRatio || 1, width = canvas.clientWidth || 300;
  setSize(canvas, Math.round(width * ratio), Math.round(height * ratio));
  canvas.style.height = `${height}px`;
  const context = canvas.getContext("2d"), column = (width - LEFT) / steps;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "10px sans-serif";
  return { context, width, height, column, toX: (t) => LEFT + t * column, ink: getComputedStyle(canvas).color };
}

/** Return the step at a pointer's event. */
export function locateStep(event, canvas, steps) {
  const box = canvas.getBoundingClientRect();
  return Math.min(steps - 1, Math.max(0, Math.floor(((event.clientX - box.left - LEFT) / (box.width - LEFT)) * steps)));
}

/** Draw the spectrogram, the words below it, and the current step. */
export function drawSound(canvas, { arrays, words, step }, steps, t) {
  const height = 110, base = height - 26, { context, column, toX, ink } = prepare(canvas, height, steps), frames = arrays.spectrogram, bands = 53;
  const count = frames.length / bands, image = new ImageData(count, bands);
  for (let x = 0; x < count; x++) {
    for (let y = 0; y < bands; y++) image.data.set([255 - frames[x * bands + y], 255 - frames[x * bands + y], 255 - frames[x * bands + y] * 0.6, 255], 4 * ((bands - 1 - y) * count + x));
  }
  drawImage(context, image, toX(0), 0, toX(steps) - toX(0), base);
  mark(context, toX(t), column, base);
  Object.assign(context, { fillStyle: ink, textAlign: "left", textBaseline: "middle" });
  let line = 0;
  for (const { text, start, end } of words) {
    const [x, to] = [toX(start / step), toX(end / step)];
    context.globalAlpha = t * step >= start && t * step < end ? 1 : 0.75;
    context.fillRect(x, base + 1, to - x - 1, 2);
    context.fillText(text, x, base + 9 + 11 * (line = 1 - line));
  }
  context.globalAlpha = 1;
}

function mark(context, x, column, height) {
  Object.assign(context, { fillStyle: "#ffb30066" });
  context.fillRect(x, 0, Math.max(3, column), height);
}

/** Draw curves over the steps. lines: {name: (step) -> value}. low, high: the range of the axis. shownSteps: later ones are pale. */
export function drawCurves(canvas, steps, t, lines, [low, high]) {
  const height = 104, { context, width, column, toX, ink } = prepare(canvas, height, steps), toY = (v) => 6 + ((high - v) / (high - low)) * (height - 12);
  mark(context, toX(t), column, height);
  Object.assign(context, { textAlign: "right", textBaseline: "middle", fillStyle: ink });
  for (const v of [low, (low + high) / 2, high]) {
    context.fillText(String(v).replace("-", "−"), LEFT - 5, toY(v));
    context.globalAlpha = 0.25;
    context.fillRect(LEFT, toY(v), width - LEFT, 1);
    context.globalAlpha = 1;
  }
  for (const [name, read] of Object.entries(lines)) {
    for (const [from, to, alpha] of [[0, t, 1], [t, steps - 1, 0.35]]) {
      Object.assign(context, { strokeStyle: COLORS[name], lineWidth: 1.8, globalAlpha: alpha });
      context.beginPath();
      for (let i = from; i <= to; i++) context.lineTo(toX(i) + column / 2, toY(read(i)));
      context.stroke();
    }
    Object.assign(context, { globalAlpha: 1, fillStyle: COLORS[name] });
    context.beginPath();
    context.arc(toX(t) + column / 2, toY(read(t)), 3.5, 0, 7);
    context.fill();
  }
}

/** Draw the values (steps, units) of all units as a map with a row for each unit, and mark the step and the unit. */
export function drawUnits(canvas, values, units, steps, t, unit) {
  const height = 176, { context, column, width, toX, ink } = prepare(canvas, height, steps), image = new ImageData(steps, units), [low, high] = findLimits(values);
  const reach = Math.max(high, -low, 1e-9);
  for (let x = 0; x < steps; x++) {
    for (let k = 0; k < units; k++) {
      const v = values[x * units + k] / reach, pale = Math.round(255 * (1 - Math.abs(v)));
      image.data.set(v < 0 ? [255 - (255 - pale) * 0.15, pale + (255 - pale) * 0.33, pale, 255] : [pale, 255 - (255 - pale) * 0.5, pale + (255 - pale) * 0.35, 255], 4 * (k * steps + x));
    }
  }
  drawImage(context, image, toX(0), 0, toX(steps) - toX(0), height);
  mark(context, toX(t), column, height);
  const y = ((unit + 0.5) / units) * height;
  Object.assign(context, { strokeStyle: "#e91e63", lineWidth: 1.5, fillStyle: ink, textAlign: "right", textBaseline: "middle" });
  context.strokeRect(toX(0), y - 1.5, width - LEFT - 1, 3);
  context.fillText(String(unit), LEFT - 5, Math.min(height - 6, Math.max(6, y)));
}

function drawImage(context, image, x, y, width, height) {
  const canvas = new OffscreenCanvas(image.width, image.height);
  canvas.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(canvas, x, y, width, height);
}
