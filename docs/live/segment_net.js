// What a segmenter does around its network, as kerasrecipes.inference.image_segmentation: a mirrored margin, probabilities enlarged
// bilinearly, the largest of each pixel; and how far a cell sees.

import { run } from "./common.js";

/** Bytes (height, width, 3) with the margin mirrored around them, the sides padded to whole cells: {data, dims}. */
export function padded(rgb, [height, width], { margin, stride }) {
  const high = height + 2 * margin + wholeUp(height, stride), wide = width + 2 * margin + wholeUp(width, stride);
  const data = new Float32Array(high * wide * 3), column = Int32Array.from({ length: wide }, (_, x) => mirror(x - margin, width));
  for (let y = 0, o = 0; y < high; y++) {
    const row = mirror(y - margin, height) * width;
    for (let x = 0; x < wide; x++) for (let c = 0, at = 3 * (row + column[x]); c < 3; c++) data[o++] = rgb[at + c];
  }
  return { data, dims: [1, high, wide, 3] };
}

const wholeUp = (n, stride) => (stride - (n % stride)) % stride;

/** numpy's "reflect": the edge itself is not repeated. */
function mirror(i, n) {
  const period = Math.max(2 * (n - 1), 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

/** The network on bytes: {front, context: scores (rows, columns, classes), rows, columns, ms}. */
export async function segmented(net, rgb, shape) {
  const { data, dims } = padded(rgb, shape, net.told);
  const { outputs, ms } = await run(net, { picture: [data, dims] }, ["front", "logits"]);
  const [, rows, columns] = outputs.logits.dims;
  return { front: outputs.front.data, context: outputs.logits.data, rows, columns, ms };
}

/** Class of every pixel, bytes (height, width), and the shares of all classes, from scores of cells. */
export function classesOf(scores, rows, columns, count, [height, width], stride) {
  const p = new Float32Array(scores.length);
  for (let at = 0; at < p.length; at += count) {
    let top = -Infinity, sum = 0;
    for (let k = 0; k < count; k++) top = Math.max(top, scores[at + k]);
    for (let k = 0; k < count; k++) sum += p[at + k] = Math.exp(scores[at + k] - top);
    for (let k = 0; k < count; k++) p[at + k] /= sum;
  }
  const down = places(height, rows, stride), across = places(width, columns, stride);
  const mask = new Uint8Array(height * width), areas = new Float64Array(count);
  for (let y = 0, o = 0; y < height; y++) {
    const [y0, y1, v] = down[y];
    for (let x = 0; x < width; x++, o++) {
      const [x0, x1, u] = across[x];
      const a = (y0 * columns + x0) * count, b = (y0 * columns + x1) * count, c = (y1 * columns + x0) * count, d = (y1 * columns + x1) * count;
      let best = 0, most = -1;
      for (let k = 0; k < count; k++) {
        const value = (p[a + k] * (1 - v) + p[c + k] * v) * (1 - u) + (p[b + k] * (1 - v) + p[d + k] * v) * u;
        if (value > most) [most, best] = [value, k];
      }
      mask[o] = best;
      areas[best] += 1 / (height * width);
    }
  }
  return { mask, areas };
}

/** [cell before, cell behind, share of the one behind] of each pixel's middle; beyond the outer cells' middles their own. */
function places(size, cells, stride) {
  return Array.from({ length: size }, (_, i) => {
    const at = Math.min(cells - 1, Math.max(0, (i + 0.5) / stride - 0.5)), low = Math.min(Math.floor(at), Math.max(cells - 2, 0));
    return [low, Math.min(low + 1, cells - 1), at - low];
  });
}

/** [top, left, height, width] in pixels of what the cell at a pixel sees, before and with the context module; it may reach
 * beyond the picture into its mirrored margin. */
export function fieldsAt(y, x, { margin, stride, context }) {
  const cell = [Math.floor(y / stride), Math.floor(x / stride)];
  const box = (around) => {
    const side = 2 * margin + stride + 2 * around * stride, first = margin + around * stride;
    return [cell[0] * stride - first, cell[1] * stride - first, side, side];
  };
  return { front: box(0), context: box((context - 1) / 2) };
}
