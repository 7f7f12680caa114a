// Segmentation around the network, equal to kerasrecipes.inference.image_segmentation: a mirrored margin, bilinear interpolation of the
// probabilities, argmax of each pixel. Also the receptive fields of a cell.

import { run } from "./common.js";

/** Pad bytes (height, width, 3) by the mirrored margin, and to whole cells: {data, dims}. */
function pad(rgb, [height, width], { margin, stride }) {
  const high = height + 2 * margin + computeRest(height, stride), wide = width + 2 * margin + computeRest(width, stride);
  const data = new Float32Array(high * wide * 3), column = Int32Array.from({ length: wide }, (_, x) => mirror(x - margin, width));
  for (let y = 0, o = 0; y < high; y++) {
    const row = mirror(y - margin, height) * width;
    for (let x = 0; x < wide; x++) for (let c = 0, at = 3 * (row + column[x]); c < 3; c++) data[o++] = rgb[at + c];
  }
  return { data, dims: [1, high, wide, 3] };
}

const computeRest = (n, stride) => (stride - (n % stride)) % stride;

/** Mirror an index like numpy's "reflect", which does not repeat the edge. */
function mirror(i, n) {
  const period = Math.max(2 * (n - 1), 1);
  i = ((i % period) + period) % period;
  return i < n ? i : period - i;
}

/** Run the network on bytes: {front, context: logits (rows, columns, classes), rows, columns, ms}. */
export async function segment(net, rgb, shape) {
  const { data, dims } = pad(rgb, shape, net.metadata);
  const { outputs, ms } = await run(net, { picture: [data, dims] }, ["front", "logits"]);
  const [, rows, columns] = outputs.logits.dims;
  return { front: outputs.front.data, context: outputs.logits.data, rows, columns, ms };
}

/** Return the class of every pixel, bytes (height, width), and the areas of all classes, from the logits of cells.
 * alignment: "center" or "release", as in Python's upsample_bilinear. */
export function classifyPixels(logits, rows, columns, count, [height, width], stride, alignment = "center") {
  const p = new Float32Array(logits.length);
  for (let at = 0; at < p.length; at += count) {
    let top = -Infinity, sum = 0;
    for (let k = 0; k < count; k++) top = Math.max(top, logits[at + k]);
    for (let k = 0; k < count; k++) sum += p[at + k] = Math.exp(logits[at + k] - top);
    for (let k = 0; k < count; k++) p[at + k] /= sum;
  }
  const offset = alignment === "release" ? 0 : 0.5;
  const down = computeNeighbors(height, rows, stride, offset), across = computeNeighbors(width, columns, stride, offset);
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

/** Return [cell before, cell after, weight of the cell after] for each pixel. Outside the outer cells' own pixels the outer cell counts
 * alone. */
function computeNeighbors(size, cells, stride, offset) {
  return Array.from({ length: size }, (_, i) => {
    const at = Math.min(cells - 1, Math.max(0, (i + offset) / stride - offset)), low = Math.min(Math.floor(at), Math.max(cells - 2, 0));
    return [low, Math.min(low + 1, cells - 1), at - low];
  });
}

/** Return the receptive fields [top, left, height, width] of the cell at a pixel, without and with the context module. They may extend
 * beyond the image into its mirrored margin. */
export function getReceptiveFields(y, x, { margin, stride, context }) {
  const cell = [Math.floor(y / stride), Math.floor(x / stride)];
  const computeBox = (around) => {
    const side = 2 * margin + stride + 2 * around * stride, first = margin + around * stride;
    return [cell[0] * stride - first, cell[1] * stride - first, side, side];
  };
  return { front: computeBox(0), context: computeBox((context - 1) / 2) };
}
