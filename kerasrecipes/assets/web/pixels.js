// Image preparation equal to Python's: Pillow's bicubic resizing, ITU-R 601 gray, digits in the format of MNIST.

import { LiveError } from "./common.js";

const A = -0.5; // Pillow's bicubic
const cubic = (x) => {
  x = Math.abs(x);
  return x < 1 ? ((A + 2) * x - (A + 3)) * x * x + 1 : x < 2 ? (((x - 5) * x + 8) * x - 4) * A : 0;
};

/** Compute the weights of each output pixel like Pillow: [first input pixel, Int32Array with 22 fractional bits]. */
function computeKernels(from, to, begin, end) {
  const scale = (end - begin) / to, wide = Math.max(scale, 1), support = 2 * wide;
  return Array.from({ length: to }, (_, i) => {
    const center = begin + (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5)), last = Math.min(from, Math.trunc(center + support + 0.5));
    const weights = Array.from({ length: last - first }, (_, k) => cubic((k + first - center + 0.5) / wide));
    const sum = weights.reduce((a, b) => a + b, 0);
    return [first, Int32Array.from(weights, (w) => { const v = (w / sum) * (1 << 22); return Math.trunc(v < 0 ? v - 0.5 : v + 0.5); })];
  });
}

/** Resize bytes (height, width, channels) to [rows, columns]. box: [left, top, right, bottom] of the part to use. Equal to Pillow's
 * `resize(..., BICUBIC, box=box)`: first the rows, then the columns, rounded to bytes after each. */
export function resize(source, [height, width, channels], [rows, columns], box = [0, 0, width, height]) {
  const lines = computeKernels(height, rows, box[1], box[3]), [top, lastWeights] = lines.at(-1); // the rows below are not needed
  const bottom = Math.min(height, top + lastWeights.length);
  let across = source;
  if (columns !== width || box[0] !== 0 || box[2] !== width) {
    across = new Uint8ClampedArray(height * columns * channels);
    for (const [x, [first, weights]] of computeKernels(width, columns, box[0], box[2]).entries()) {
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

/** Find the box of the largest centered part with the proportions of [rows, columns]. */
export function findCenteredBox([height, width], [rows, columns]) {
  const scale = Math.min(height / rows, width / columns), h = Math.min(rows * scale, height), w = Math.min(columns * scale, width);
  return [(width - w) / 2, (height - h) / 2, (width + w) / 2, (height + h) / 2];
}

/** Convert RGB bytes to gray (ITU-R 601, rounded like Pillow). */
export function toGray(rgb) {
  return Uint8ClampedArray.from({ length: rgb.length / 3 }, (_, i) => (rgb[3 * i] * 19595 + rgb[3 * i + 1] * 38470 + rgb[3 * i + 2] * 7471 + 0x8000) >> 16);
}

/** Read a File, a Blob or the URL of an image: {rgb: bytes (height, width, 3), shape: [height, width, 3]}. Transparent pixels become
 * white. Larger images are reduced to `maxSide` pixels along the longer side. */
export async function readImage(source, maxSide = 1024) {
  const blob = typeof source === "string" ? await (await fetch(source)).blob() : source;
  let bitmap;
  try {
    bitmap = await createImageBitmap(blob);
  } catch {
    throw new LiveError("The browser cannot read this file as an image. Try PNG, JPEG or WebP.");
  }
  const scale = Math.min(1, maxSide / Math.max(bitmap.width, bitmap.height));
  const width = Math.max(1, Math.round(bitmap.width * scale)), height = Math.max(1, Math.round(bitmap.height * scale));
  const canvas = new OffscreenCanvas(width, height), context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = "#fff";
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return { rgb: dropAlpha(data), shape: [height, width, 3] };
}

/** Convert RGBA bytes to RGB. */
export function dropAlpha(rgba) {
  const rgb = new Uint8ClampedArray((rgba.length / 4) * 3);
  for (let i = 0, j = 0; i < rgba.length; i += 4, j += 3) rgb.set(rgba.subarray(i, i + 3), j);
  return rgb;
}

/** Prepare a drawing or photograph of a digit like MNIST, as examples/classify_digit.py does: light on black, in a box of 20 pixels,
 * with its center of mass at the center of 28 x 28. source: gray bytes (height, width). Returns Uint8Array (28, 28). */
export function prepareDigit(source, [height, width]) {
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
  if (high - low < 30) throw new LiveError("There is no digit in this image. Draw one, or take a photograph of a black digit on white paper.");
  // float32 arithmetic in numpy's order, so that every value rounds to the same byte
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
  const columns = Math.max(roundHalfEven((right - left) * scale), 1), rows = Math.max(roundHalfEven((bottom - top) * scale), 1);
  const small = resize(ink, [height, width, 1], [rows, columns], [left, top, right, bottom]);
  let sum = 0, across = 0, down = 0;
  for (let i = 0; i < small.length; i++) {
    sum += small[i];
    across += small[i] * ((i % columns) + 0.5);
    down += small[i] * (Math.floor(i / columns) + 0.5);
  }
  const y = Math.min(28 - rows, Math.max(0, roundHalfEven(14 - down / sum))), x = Math.min(28 - columns, Math.max(0, roundHalfEven(14 - across / sum)));
  const canvas = new Uint8Array(28 * 28);
  for (let r = 0; r < rows; r++) canvas.set(small.subarray(r * columns, (r + 1) * columns), (y + r) * 28 + x);
  return canvas;
}

/** Round like Python: halves go to the even neighbor. */
function roundHalfEven(x) {
  const below = Math.floor(x), rest = x - below;
  return rest < 0.5 ? below : rest > 0.5 ? below + 1 : below % 2 ? below + 1 : below;
}

/** Quantile of bytes, interpolated linearly like numpy. */
function quantile(values, q) {
  const counts = new Uint32Array(256), position = q * (values.length - 1), below = Math.floor(position);
  for (const v of values) counts[v]++;
  const getRank = (rank) => { let v = -1; for (let left = rank; left >= 0; left -= counts[v]) v++; return v; };
  const first = getRank(below);
  return first + (position - below) * (getRank(Math.min(below + 1, values.length - 1)) - first);
}

/** Crop a square volume (side, side, depth) to its center of size x size, or to the crop at (top, left). */
export function cropCenter(source, side, size, depth = 1, top = (side - size) >> 1, left = (side - size) >> 1) {
  const crop = new source.constructor(size * size * depth);
  for (let y = 0; y < size; y++) {
    const from = ((top + y) * side + left) * depth;
    crop.set(source.subarray(from, from + size * depth), y * size * depth);
  }
  return crop;
}
