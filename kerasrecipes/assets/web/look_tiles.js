// Images of values for the toolbox: all maps of a layer as tiles, one map, signed signals, and parts of the image.

import { setSize } from "./maps.js";

const RATIO = 1.5; // width : height of a sheet of tiles

/** Lay out the maps of a layer (rows, columns, maps) on the sheet: {columns, rows, tile: [height, width], zoom}. */
export function layOutSheet([height, width, maps]) {
  const zoom = height * width === 1 ? 9 : height < 20 ? 2 : 1; // single values become squares
  const columns = Math.max(1, Math.round(Math.sqrt((maps * RATIO * (height * zoom + 1)) / (width * zoom + 1))));
  return { columns, rows: Math.ceil(maps / columns), tile: [height * zoom + 1, width * zoom + 1], zoom };
}

/** Draw all maps. gamma: below 1 brightens weak values. boost: 0 scales all maps by the layer's largest value, 1 each map by its own.
 * signed: zero is gray. */
export function drawSheet(canvas, values, shape, { gamma = 1, boost = 0, signed = false } = {}) {
  const [height, width, maps] = shape, { columns, rows, tile, zoom } = layOutSheet(shape);
  setSize(canvas, columns * tile[1] - 1, rows * tile[0] - 1);
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  const shades = new Uint32Array(image.data.buffer), line = canvas.width;
  shades.fill(0xff40342a); // between tiles
  const scales = findScales(values, maps, signed ? 0 : boost), range = signed ? 127 : 255, middle = signed ? 128 : 0;
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < maps; k++, i++) {
        const size = signed ? Math.abs(values[i]) : Math.max(values[i], 0);
        const v = middle + Math.sign(values[i]) * Math.round(range * Math.pow(Math.min(size * scales[k], 1), gamma)), word = 0xff000000 | (v << 16) | (v << 8) | v;
        let at = (Math.floor(k / columns) * tile[0] + y * zoom) * line + (k % columns) * tile[1] + x * zoom;
        for (let r = 0; r < zoom; r++, at += line) for (let c = 0; c < zoom; c++) shades[at + c] = word;
      }
    }
  }
  context.putImageData(image, 0, 0);
}

/** Find the factor of each map that maps its largest magnitude to 1 where boost is 1, and the layer's where it is 0. */
function findScales(values, maps, boost) {
  const most = new Float32Array(maps).fill(1e-12);
  for (let i = 0, k = 0; i < values.length; i++, k = k + 1 === maps ? 0 : k + 1) if (Math.abs(values[i]) > most[k]) most[k] = Math.abs(values[i]);
  const all = most.reduce((a, b) => Math.max(a, b));
  return most.map((own) => (1 - boost) / all + boost / own);
}

/** Find the flat index of the largest value of a map, the first one if several are equal. */
export function findStrongest(values, maps, channel) {
  let best = 0;
  for (let p = 1; p * maps < values.length; p++) if (values[p * maps + channel] > values[best * maps + channel]) best = p;
  return best;
}

/** Find the tile of a unit as fractions of the sheet: {left, top, width, height}. */
export function findTileBox(shape, channel) {
  const { columns, rows, tile } = layOutSheet(shape), wide = columns * tile[1] - 1, high = rows * tile[0] - 1;
  return {
    left: ((channel % columns) * tile[1]) / wide, top: (Math.floor(channel / columns) * tile[0]) / high,
    width: (tile[1] - 1) / wide, height: (tile[0] - 1) / high,
  };
}

/** Find the unit at a point of the sheet (fractions of it), undefined outside the tiles. */
export function findUnit(shape, x, y) {
  const { columns, rows, tile } = layOutSheet(shape);
  const column = Math.floor((x * (columns * tile[1] - 1)) / tile[1]), row = Math.floor((y * (rows * tile[0] - 1)) / tile[0]);
  const unit = row * columns + column;
  return column >= 0 && column < columns && row >= 0 && unit < shape[2] ? unit : undefined;
}

/** Draw one map of a layer. Its largest value is white. */
export function drawMap(canvas, values, [height, width, maps], channel, gamma) {
  const map = new Float32Array(height * width);
  for (let p = 0; p < map.length; p++) map[p] = values[p * maps + channel];
  drawSheet(canvas, map, [height, width, 1], { gamma });
}

export const FILTERS = ["raw", "gray", "norm", "normblur"];

/** Draw a signal at the image (height, width, channels) like kerasrecipes.visualize: "raw" and "gray" with zero as middle gray, "norm" as
 * the magnitude over the colors, "normblur" as the norm with a blur of 4 pixels. Returns false if all values are zero. */
export function drawSignal(canvas, values, [height, width, channels = 3], filter) {
  setSize(canvas, width, height);
  const context = canvas.getContext("2d"), image = context.createImageData(width, height), count = height * width;
  let planes = Array.from({ length: channels }, (_, c) => Float32Array.from({ length: count }, (_, p) => values[channels * p + c]));
  if (filter !== "raw" && channels > 1) {
    const plane = planes[0].map((_, p) => (filter === "gray" ? planes.reduce((sum, each) => sum + each[p], 0) : Math.hypot(...planes.map((each) => each[p]))));
    planes = [plane];
  }
  const signed = filter === "raw" || filter === "gray";
  if (!signed) planes = planes.map((plane) => plane.map(Math.abs));
  if (filter === "normblur") planes = [blur(planes[0], height, width, 4)];
  const magnitudes = planes.flatMap((plane) => Array.from(plane.filter((v) => v !== 0), Math.abs)).sort((a, b) => a - b);
  const most = magnitudes[signed ? Math.floor(0.999 * (magnitudes.length - 1)) : magnitudes.length - 1] || 1;
  for (let p = 0; p < count; p++) {
    for (let c = 0; c < 3; c++) {
      const v = planes[Math.min(c, planes.length - 1)][p] / most;
      image.data[4 * p + c] = signed ? 128 + 127 * Math.max(-1, Math.min(1, v)) : 255 * v;
    }
    image.data[4 * p + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return magnitudes.length > 0;
}

/** Gaussian blur, mirrored at the edges. */
function blur(values, height, width, deviation) {
  const reach = Math.round(4 * deviation), weights = [];
  for (let i = -reach; i <= reach; i++) weights.push(Math.exp((-i * i) / (2 * deviation * deviation)));
  const sum = weights.reduce((a, b) => a + b);
  const mirror = (i, n) => { i = ((i % (2 * n)) + 2 * n) % (2 * n); return i < n ? i : 2 * n - 1 - i; };
  const blurLines = (from, lines, line, n, step) => {
    const to = new Float32Array(from.length);
    for (let l = 0; l < lines; l++) {
      for (let i = 0; i < n; i++) {
        let total = 0;
        for (let k = -reach; k <= reach; k++) total += weights[k + reach] * from[l * line + mirror(i + k, n) * step];
        to[l * line + i * step] = total / sum;
      }
    }
    return to;
  };
  return blurLines(blurLines(values, height, width, width, 1), width, 1, height, width);
}

/** Draw a part of bytes (high, wide, 3), with middle gray outside the image. field: [top, left, height, width]. */
export function drawPatch(canvas, pixels, [high, wide], [top, left, height, width]) {
  setSize(canvas, width, height);
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x), inside = top + y >= 0 && top + y < high && left + x >= 0 && left + x < wide;
      for (let c = 0; c < 3; c++) image.data[at + c] = inside ? pixels[3 * ((top + y) * wide + left + x) + c] : 128;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** Compute the receptive field [top, left, height, width] of a position of a layer. It may extend beyond the image.
 * fields: of the layer along rows and columns {low, high, span}, null for the whole image. size: [height, width] of the image. */
export function computeField(fields, columns, place, size) {
  if (!fields || place === "all") return [0, 0, ...size];
  const at = [Math.floor(place / columns), place % columns];
  const [rows, across] = fields.map(({ low, high, span }, axis) => {
    const begin = low[at[axis]], end = high[at[axis]] + 1, length = Math.min(span ?? size[axis], size[axis]);
    return [length === size[axis] ? 0 : begin === 0 ? end - length : begin, length];
  });
  return [rows[0], across[0], rows[1], across[1]];
}

/** Place an element over a part of its parent, in fractions of it. */
export function placeOver(element, { left, top, width, height }) {
  for (const [side, fraction] of Object.entries({ left, top, width, height })) element.style[side] = `${100 * fraction}%`;
}
