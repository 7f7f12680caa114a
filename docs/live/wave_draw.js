// The dilated stack as it computes: a row for each layer, a column for each sample, and what the present sample takes from where.

import { size } from "./maps.js";

const ROW = 13, LABEL = 40, KEPT = 8192; // pixels of a row and of the labels; samples that are remembered
const SINGLE = 48; // columns up to which every node is a circle

export class Stack {
  /** net: of live_wavenet.py. */
  constructor(canvas, net) {
    this.canvas = canvas;
    this.net = net;
    this.depth = net.dilations.length;
    this.rows = this.depth + 2; // codes, the first layer's input, every layer's output
    this.clear();
  }

  clear() {
    this.history = new Float32Array(KEPT * this.rows);
    this.least = new Float32Array(this.rows).fill(Infinity);
    this.most = new Float32Array(this.rows).fill(-Infinity);
    this.count = 0;
  }

  /** Columns of activity, (samples, depth + 2). */
  push(activity) {
    const { rows } = this;
    for (let i = 0; i < activity.length; i += rows, this.count++) {
      for (let k = 0; k < rows; k++) {
        const v = activity[i + k];
        this.history[(this.count % KEPT) * rows + k] = v;
        if (v > this.most[k]) this.most[k] = v;
        if (v < this.least[k]) this.least[k] = v;
      }
    }
  }

  /** Brightness 0 to 1 of a row at a sample, between the least and the most so far; 0 before the beginning. */
  shade(row, t) {
    if (t < 0 || t < this.count - KEPT || t >= this.count) return 0;
    const v = this.history[(t % KEPT) * this.rows + row], range = this.most[row] - this.least[row];
    return 0.12 + 0.88 * (range > 0 ? (v - this.least[row]) / range : 0.5);
  }

  /** Draw the last `columns` samples; `lit`: rows of the newest column that are computed already. */
  draw(columns, lit = this.depth + 1) {
    const { canvas, rows, depth } = this, ratio = window.devicePixelRatio || 1, room = canvas.clientWidth || 600;
    size(canvas, Math.round(room * ratio), Math.round(rows * ROW * ratio));
    canvas.style.height = `${rows * ROW}px`;
    const context = canvas.getContext("2d"), now = this.count - 1, first = now - columns + 1;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, room, rows * ROW);
    context.fillStyle = "#10202c";
    context.fillRect(LABEL, 0, room - LABEL, rows * ROW);
    const wide = (room - LABEL) / columns, x = (t) => LABEL + (t - first + 0.5) * wide, y = (row) => (rows - row - 0.5) * ROW;
    const view = { context, columns, first, now, lit, wide, x, y, room };
    this.labels(view);
    if (columns > SINGLE) this.cells(view);
    this.rings(view);
    if (columns <= SINGLE) this.tree(view);
    this.taps(view);
    if (columns <= SINGLE) this.nodes(view);
    if (now < 0) return;
    context.strokeStyle = "#ffb300aa";
    context.strokeRect(x(now) - Math.max(wide, 2) / 2, 0.5, Math.max(wide, 2), rows * ROW - 1);
  }

  labels({ context, y, room }) {
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

  /** All activity as one picture. */
  cells({ context, columns, first, now, lit, room }) {
    const { rows, depth } = this, image = new ImageData(columns, rows), words = new Uint32Array(image.data.buffer);
    for (let row = 0; row < rows; row++) {
      for (let c = 0; c < columns; c++) {
        const t = first + c, done = t < now || row - 1 < lit;
        words[(rows - 1 - row) * columns + c] = color(done ? this.shade(row, t) : 0);
      }
    }
    const small = new OffscreenCanvas(columns, rows);
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, LABEL, 0, room - LABEL, rows * ROW);
  }

  /** What each layer keeps of the row below it: as many columns as its dilation. */
  rings({ context, first, now, wide, y, x }) {
    context.fillStyle = "#26c6da";
    this.net.dilations.forEach((d, k) => {
      const length = (this.net.taps - 1) * d, from = Math.max(x(now - length) - wide / 2, LABEL), to = x(now - 1) + wide / 2;
      if (to > from) context.fillRect(from, y(k + 1) + ROW / 2 - 2, to - from, 1.5);
    });
  }

  /** All that the newest output hangs on, as far as the window reaches. */
  tree({ context, first, now, x, y }) {
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

  /** The columns that the newest sample reads: of each layer the present one and the oldest of its ring. */
  taps({ context, first, now, lit, x, y }) {
    if (now < 0) return;
    context.strokeStyle = "#ffb300";
    context.lineWidth = 1.2;
    context.save();
    context.beginPath();
    context.rect(LABEL, 0, this.canvas.clientWidth, this.rows * ROW);
    context.clip();
    context.beginPath();
    for (let k = 0; k < Math.min(lit, this.depth); k++) {
      for (let tap = 0; tap < this.net.taps; tap++) {
        context.moveTo(x(now), y(k + 2));
        context.lineTo(x(now - tap * this.net.dilations[k]), y(k + 1));
      }
    }
    context.stroke();
    context.restore();
  }

  nodes({ context, first, now, lit, wide, x, y }) {
    const radius = Math.min(wide, ROW) * 0.36;
    for (let row = 0; row < this.rows; row++) {
      for (let t = first; t <= now; t++) {
        const done = t < now || row <= lit + 1;
        const shade = done ? this.shade(row, t) : 0;
        context.beginPath();
        context.arc(x(t), y(row), radius, 0, 2 * Math.PI);
        const word = color(shade);
        context.fillStyle = `rgb(${word & 255},${(word >> 8) & 255},${(word >> 16) & 255})`;
        context.fill();
      }
    }
  }
}

/** Dark blue over teal to yellow, as a word of RGBA bytes. */
function color(share) {
  const v = Math.min(1, Math.max(0, share)), red = 24 + 225 * v ** 2.2, green = 44 + 180 * v, blue = 66 + 60 * v * (1 - v) * 4 - 30 * v;
  return 0xff000000 | (Math.max(0, blue) << 16) | (green << 8) | red;
}

/** The distribution of the next code, and the code that was drawn from it. */
export function drawDistribution(canvas, scores, temperature, code) {
  const top = Math.max(...scores), parts = Array.from(scores, (s) => Math.exp((s - top) / (temperature || 1)));
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

/** A sound so far, in `total` samples; the receptive field of the next sample is marked. */
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
