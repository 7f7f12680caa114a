// Plot of the dilated stack during generation: a row for each layer, a column for each sample, and the columns that the newest sample reads.

import { setSize } from "./maps.js";

const ROW = 13, LABEL = 40; // height of a row and width of the labels, in pixels
const HISTORY = 8192; // stored samples
const MAX_CIRCLES = 48; // up to so many columns every node is a circle

export class Stack {
  /** net: from `unpack` of a file that docs/build/live_wavenet.py wrote. */
  constructor(canvas, net) {
    this.canvas = canvas;
    this.net = net;
    this.depth = net.dilations.length;
    this.rows = this.depth + 2; // codes, the input of the first layer, the output of every layer
    this.clear();
  }

  clear() {
    this.history = new Float32Array(HISTORY * this.rows);
    this.least = new Float32Array(this.rows).fill(Infinity);
    this.most = new Float32Array(this.rows).fill(-Infinity);
    this.count = 0;
  }

  /** Append columns of activity, (samples, depth + 2). */
  push(activity) {
    const { rows } = this;
    for (let i = 0; i < activity.length; i += rows, this.count++) {
      for (let k = 0; k < rows; k++) {
        const v = activity[i + k];
        this.history[(this.count % HISTORY) * rows + k] = v;
        if (v > this.most[k]) this.most[k] = v;
        if (v < this.least[k]) this.least[k] = v;
      }
    }
  }

  /** Return the brightness, 0 to 1, of a row at a sample, scaled by the range so far. It is 0 before the first sample. */
  getBrightness(row, t) {
    if (t < 0 || t < this.count - HISTORY || t >= this.count) return 0;
    const v = this.history[(t % HISTORY) * this.rows + row], range = this.most[row] - this.least[row];
    return 0.12 + 0.88 * (range > 0 ? (v - this.least[row]) / range : 0.5);
  }

  /** Draw the last `columns` samples. numDone: number of rows of the newest column that are already computed. */
  draw(columns, numDone = this.depth + 1) {
    const { canvas, rows } = this, ratio = window.devicePixelRatio || 1, room = canvas.clientWidth || 600;
    setSize(canvas, Math.round(room * ratio), Math.round(rows * ROW * ratio));
    canvas.style.height = `${rows * ROW}px`;
    const context = canvas.getContext("2d"), now = this.count - 1, first = now - columns + 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, room, rows * ROW);
    context.fillStyle = "#10202c";
    context.fillRect(LABEL, 0, room - LABEL, rows * ROW);
    const wide = (room - LABEL) / columns, x = (t) => LABEL + (t - first + 0.5) * wide, y = (row) => (rows - row - 0.5) * ROW;
    const view = { context, columns, first, now, numDone, wide, x, y, room };
    this.drawLabels(view);
    if (columns > MAX_CIRCLES) this.drawCells(view);
    this.drawRings(view);
    if (columns <= MAX_CIRCLES) this.drawTree(view);
    this.drawTaps(view);
    if (columns <= MAX_CIRCLES) this.drawNodes(view);
    if (now < 0) return;
    context.strokeStyle = "#ffb300aa";
    context.strokeRect(x(now) - Math.max(wide, 2) / 2, 0.5, Math.max(wide, 2), rows * ROW - 1);
  }

  drawLabels({ context, y, room }) {
    context.font = "9px sans-serif";
    context.textAlign = "right";
    context.textBaseline = "middle";
    const ink = getComputedStyle(this.canvas).color;
    for (let row = 0; row < this.rows; row++) {
      context.fillStyle = ink;
      const words = row === 0 ? "codes" : row === 1 ? "first" : String(this.net.dilations[row - 2]);
      context.fillText(words, LABEL - 4, y(row));
      if (row > 2 && this.net.dilations[row - 2] < this.net.dilations[row - 3]) { // a block begins
        context.fillStyle = "#78909c";
        context.fillRect(LABEL, y(row) + ROW / 2, room - LABEL, 1);
      }
    }
  }

  /** Draw all activity as one image. */
  drawCells({ context, columns, first, now, numDone, room }) {
    const { rows } = this, image = new ImageData(columns, rows), words = new Uint32Array(image.data.buffer);
    for (let row = 0; row < rows; row++) {
      for (let c = 0; c < columns; c++) {
        const t = first + c, done = t < now || row - 1 < numDone;
        words[(rows - 1 - row) * columns + c] = toColor(done ? this.getBrightness(row, t) : 0);
      }
    }
    const small = new OffscreenCanvas(columns, rows);
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, LABEL, 0, room - LABEL, rows * ROW);
  }

  /** Draw the ring buffer of each layer: as many columns of the row below as its dilation. */
  drawRings({ context, first, now, wide, y, x }) {
    context.fillStyle = "#26c6da";
    this.net.dilations.forEach((d, k) => {
      const length = (this.net.taps - 1) * d, from = Math.max(x(now - length) - wide / 2, LABEL), to = x(now - 1) + wide / 2;
      if (to > from) context.fillRect(from, y(k + 1) + ROW / 2 - 2, to - from, 1.5);
    });
  }

  /** Draw all columns that the newest output depends on, within the visible range. */
  drawTree({ context, first, now, x, y }) {
    context.strokeStyle = "#ffffff30";
    context.lineWidth = 0.6;
    context.beginPath();
    let needed = [now];
    for (let k = this.depth - 1; k >= 0; k--) {
      const below = new Set();
      for (const t of needed) {
        for (let tap = 0; tap < this.net.taps; tap++) {
          const from = t - tap * this.net.dilations[k];
          if (from < first) continue;
          context.moveTo(x(t), y(k + 2));
          context.lineTo(x(from), y(k + 1));
          below.add(from);
        }
      }
      needed = [...below];
    }
    context.stroke();
  }

  /** Draw the columns that the newest sample reads: in each layer the current one and the oldest one of its ring buffer. */
  drawTaps({ context, first, now, numDone, x, y }) {
    if (now < 0) return;
    context.strokeStyle = "#ffb300";
    context.lineWidth = 1.2;
    context.save();
    context.beginPath();
    context.rect(LABEL, 0, this.canvas.clientWidth, this.rows * ROW);
    context.clip();
    context.beginPath();
    for (let k = 0; k < Math.min(numDone, this.depth); k++) {
      for (let tap = 0; tap < this.net.taps; tap++) {
        context.moveTo(x(now), y(k + 2));
        context.lineTo(x(now - tap * this.net.dilations[k]), y(k + 1));
      }
    }
    context.stroke();
    context.restore();
  }

  drawNodes({ context, first, now, numDone, wide, x, y }) {
    const radius = Math.min(wide, ROW) * 0.36;
    for (let row = 0; row < this.rows; row++) {
      for (let t = first; t <= now; t++) {
        const done = t < now || row <= numDone + 1;
        const brightness = done ? this.getBrightness(row, t) : 0;
        context.beginPath();
        context.arc(x(t), y(row), radius, 0, 2 * Math.PI);
        const word = toColor(brightness);
        context.fillStyle = `rgb(${word & 255},${(word >> 8) & 255},${(word >> 16) & 255})`;
        context.fill();
      }
    }
  }
}

/** Return a color from dark blue through teal to yellow, as a 32-bit word of RGBA bytes. */
function toColor(brightness) {
  const v = Math.min(1, Math.max(0, brightness)), red = 24 + 225 * v ** 2.2, green = 44 + 180 * v, blue = 66 + 60 * v * (1 - v) * 4 - 30 * v;
  return 0xff000000 | (Math.max(0, blue) << 16) | (green << 8) | red;
}

/** Plot the distribution of the next code and the sampled code. */
export function drawDistribution(canvas, logits, temperature, code) {
  const top = Math.max(...logits), parts = Array.from(logits, (s) => Math.exp((s - top) / (temperature || 1)));
  const context = canvas.getContext("2d"), { width, height } = canvas, most = Math.max(...parts), step = width / parts.length;
  context.clearRect(0, 0, width, height);
  parts.forEach((p, i) => {
    context.fillStyle = i === code ? "#ff6f00" : "#26a69a";
    const tall = Math.max((p / most) * (height - 2), i === code ? height : 0.5);
    context.globalAlpha = i === code && tall === height ? 0.55 : 1;
    context.fillRect(i * step, height - tall, Math.max(step, i === code ? 2 : 1), tall);
  });
  context.globalAlpha = 1;
}

/** Plot the first `count` of `total` samples, and mark the receptive field of the next sample. */
export function drawWave(canvas, samples, count, total, field) {
  const context = canvas.getContext("2d"), { width, height } = canvas, wide = width / total;
  context.clearRect(0, 0, width, height);
  context.fillStyle = "#ffb30055";
  context.fillRect(Math.max(0, count - field) * wide, 0, Math.max(1, Math.min(field, count) * wide), height);
  context.fillStyle = "#26a69a";
  for (let p = 0; p < Math.min(width, count * wide); p++) {
    let low = 0, high = 0;
    for (let i = Math.floor(p / wide); i < Math.min(count, (p + 1) / wide); i++) [low, high] = [Math.min(low, samples[i]), Math.max(high, samples[i])];
    context.fillRect(p, (height / 2) * (1 - high), 1, Math.max(1, (height / 2) * (high - low)));
  }
}
