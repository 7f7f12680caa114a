// Pixels as kerasrecipes.image prepares them: Pillow's bicubic resizing, ITU-R 601 gray, digits as MNIST has them.

import { LiveError } from "./common.js";

const A = -0.5; // Pillow's bicubic
const cubic = (x) => {
  x = Math.abs(x);
  return x < 1 ? ((A + 2) * x - (A + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
};

/** Weights of each output pixel: [first input pixel, Int32Array of 22 bits behind the point], as Pillow's resampling computes them. */
function kernels(from, to, begin, end) {
  const scale = (end - begin) / to, wide = Math.max(scale, 1), support = 2 * wide;
  return Array.from({ length: to }, (_, i) => {
    const center = begin + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5)), last = Math.min(from, Math.trunc(center + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, k) => cubic((k + first - center + 0.5) / wide));
    const sum = weights.reduce((a, b) => a + b, 0);
    return [first, Int32Array.from(weights, (w) => { const v = (w / sum) * (1 << 22); return Math.trunc(v < 0 ? v - 0.5 : v + 0.5); })];
  });
}

/** Resize bytes (height, width, channels) to [rows, columns]; box: [left, top, right, bottom] of the part to take. The same
 * numbers as Pillow's `resize(..., BICUBIC, box=box)`: across, then down, rounded to bytes in between. */
export function resize(source, [height, width, channels], [rows, columns], box = [0, 0, width, height]) {
  const lines = kernels(height, rows, box[1], box[3]), [top, used] = lines.at(-1); // rows below are of no use
  const bottom = Math.min(height, top + used.length);
  let across = source;
  if (columns !== width || box[0] !== 0 || box[2] !== width) {
    across = new Uint8ClampedArray(height * columns * channels);
    for (const [x, [first, weights]] of kernels(width, columns, box[0], box[2]).entries()) {
      for (let y = lines[0][0]; y < bottom; y++) {
        for (let c = 0; c < channels; c++) {
          let sum = 1 << 21;
          for (let k = 0; k < weights.length; k++) sum += source[(y * width + first + k) * channels + c] * weights[k];
          across[(y * columns + x) * channels + c] = Math.floor(sum / (1 << 22));
        }
      }
    }
  }
  if (rows === height && box[1] === 0 && box[3] === height) return across;
  const down = new Uint8ClampedArray(rows * columns * channels), line = columns * channels;
  for (const [y, [first, weights]] of lines.entries()) {
    for (let i = 0; i < line; i++) {
      let sum = 1 << 21;
      for (let k = 0; k < weights.length; k++) sum += across[(first + k) * line + i] * weights[k];
      down[y * line + i] = Math.floor(sum / (1 << 22));
    }
  }
  return down;
}

/** The largest centered part with the proportions of [rows, columns], as a box. */
export function centered([height, width], [rows, columns]) {
  const scale = Math.min(height / rows, width / columns), h = rows * scale, w = columns * scale;
  return [(width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2];
}

/** Gray bytes of red, green, blue (ITU-R 601, Pillow's rounding). */
export function gray(rgb) {
  return Uint8ClampedArray.from({ length: rgb.length / 3 }, (_, i) => (rgb[3 * i] * 19595 + rgb[3 * i + 1] * 38470 + rgb[3 * i + 2] * 7471 + 0x8000) >> 16);
}

/** {rgb: bytes (height, width, 3), shape: [height, width, 3]} of a File, Blob or the address of a picture; what is
 * transparent shows white. Larger pictures come with `most` pixels along the longer side. */
export async function readPicture(source, most = 1024) {
  const blob = typeof source === "string" ? await (await fetch(source)).blob() : source;
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new LiveError("This file is no picture that the browser can read. PNG, JPEG and WebP are.");
  }
  const scale = Math.min(1, most / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale)), height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return { rgb: withoutAlpha(data), shape: [height, width, 3] };
}

/** RGBA bytes as RGB. */
export function withoutAlpha(rgba) {
  const rgb = new Uint8ClampedArray((rgba.length / 4) * 3);
  for (let i = 0, j = 0; i < rgba.length; i += 4, j += 3) rgb.set(rgba.subarray(i, i + 3), j);
  return rgb;
}

/** A drawn or photographed digit as MNIST has its own, as `kr.image.digit` makes it: light on black, in a box of 20 pixels,
 * its center of mass at the center of 28 x 28. source: gray bytes (height, width). Returns Uint8Array (28, 28). */
export function digit(source, [height, width]) {
  const border = [];
  for (let x = 0; x < width; x++) border.push(source[x], source[(height - 1) * width + x]);
  for (let y = 0; y < height; y++) border.push(source[y * width], source[y * width + width - 1]);
  const dark = quantile(border, 0.5) > 127 ? 255 : 0, ink = new Uint8ClampedArray(source.length);
  let high = 0;
  for (let i = 0; i < ink.length; i++) {
    ink[i] = dark ? dark - source[i] : source[i];
    if (ink[i] > high) high = ink[i];
  }
  const low = quantile(ink, 0.05), f = Math.fround;
  if (high - low < 30) throw new LiveError("Nothing is drawn here yet: draw a digit, or take a picture of one in black on white.");
  // numpy's float32, step by step: a value at the edge of a byte falls on the same side
  const table = Float32Array.from({ length: 256 }, (_, v) => Math.min(255, Math.max(0, f(f(f(v - f(low)) * 255) / f(high - low)))));
  const bytes = Uint8Array.from(table);
  let [left, top, right, bottom] = [width, height, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const value = ink[y * width + x];
      ink[y * width + x] = bytes[value];
      if (table[value] <= 64) continue;
      if (x < left) left = x;
      if (x >= right) right = x + 1;
      if (y < top) top = y;
      bottom = y + 1;
    }
  }
  const scale = 20 / Math.max(right - left, bottom - top);
  const columns = Math.max(even((right - left) * scale), 1), rows = Math.max(even((bottom - top) * scale), 1);
  const small = resize(ink, [height, width, 1], [rows, columns], [left, top, right, bottom]);
  let sum = 0, across = 0, down = 0;
  for (let i = 0; i < small.length; i++) {
    sum += small[i];
    across += small[i] * ((i % columns) + 0.5);
    down += small[i] * (Math.floor(i / columns) + 0.5);
  }
  const y = Math.min(28 - rows, Math.max(0, even(14 - down / sum))), x = Math.min(28 - columns, Math.max(0, even(14 - across / sum)));
  const found = new Uint8Array(28 * 28);
  for (let r = 0; r < rows; r++) found.set(small.subarray(r * columns, (r + 1) * columns), (y + r) * 28 + x);
  return found;
}

/** Python's rounding: halves to the even neighbor. */
function even(x) {
  const below = Math.floor(x), rest = x - below;
  return rest < 0.5 ? below : rest > 0.5 ? below + 1 : below % 2 ? below + 1 : below;
}

/** numpy's quantile of bytes, linear between neighbors. */
function quantile(values, q) {
  const counts = new Uint32Array(256), place = q * (values.length - 1), below = Math.floor(place);
  for (const v of values) counts[v]++;
  const ranked = (rank) => { let v = -1; for (let left = rank; left >= 0; left -= counts[v]) v++; return v; };
  const first = ranked(below);
  return first + (place - below) * (ranked(Math.min(below + 1, values.length - 1)) - first);
}

/** The center of `size` x `size` of a square volume (side, side, depth). */
export function center(source, side, size, depth = 1, top = (side - size) >> 1, left = (side - size) >> 1) {
  const found = new source.constructor(size * size * depth);
  for (let y = 0; y < size; y++) {
    const from = ((top + y) * side + left) * depth;
    found.set(source.subarray(from, from + size * depth), y * size * depth);
  }
  return found;
}
