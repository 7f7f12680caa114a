// Images of values for the page Look inside: all maps of a layer as tiles, one map, and signed signals.

import { setSize } from "./maps.js";

const RATIO = 1.5; // width : height of a sheet of tiles

/** Lay out the maps of a layer (rows, columns, maps) on the sheet: {columns, rows, tile: [height, width], zoom}. */
export function layOutSheet([height, width, maps]) {
  const zoom = height * width === 1 ? 9 : height < 20 ? 2 : 1; // single values become squares
  const columns = Math.max(1, Math.round(Math.sqrt((maps * RATIO * (height * zoom + 1)) / (width * zoom + 1))));
  return { columns, rows: Math.ceil(maps / columns), tile: [height * zoom + 1, width * zoom + 1], zoom };
}

/** Draw all maps on one scale. gamma: below 1 brightens weak values. signed: zero is gray. */
export function drawSheet(canvas, values, shape, { gamma = 1, signed = false } = {}) {
  const [height, width, maps] = shape, { columns, rows, tile, zoom } = layOutSheet(shape);
  setSize(canvas, columns * tile[1] - 1, rows * tile[0] - 1);
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  const shades = new Uint32Array(image.data.buffer), line = canvas.width;
  shades.fill(0xff40342a); // between tiles
  const toShade = makeShader(values, gamma, signed);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < maps; k++, i++) {
        const v = toShade(values[i]), word = 0xff000000 | (v << 16) | (v << 8) | v;
        let at = (Math.floor(k / columns) * tile[0] + y * zoom) * line + (k % columns) * tile[1] + x * zoom;
        for (let r = 0; r < zoom; r++, at += line) for (let c = 0; c < zoom; c++) shades[at + c] = word;
      }
    }
  }
  context.putImageData(image, 0, 0);
}

/** Return a function from a value to 0...255, scaled by all values of a layer. */
function makeShader(values, gamma, signed) {
  let most = 1e-12;
  for (const v of values) if (Math.abs(v) > most) most = Math.abs(v);
  if (signed) return (v) => 128 + Math.round(127 * Math.sign(v) * Math.pow(Math.abs(v) / most, gamma));
  return (v) => (v > 0 ? Math.round(255 * Math.pow(v / most, gamma)) : 0);
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

/** Draw a signal at the image (height, width, 3) like kerasrecipes.visualize: "raw" and "gray" with zero as middle gray, "norm" as the
 * magnitude over the colors, "normblur" as the norm with a blur of 4 pixels. */
export function drawSignal(canvas, values, [height, width], filter) {
  setSize(canvas, width, height);
  const context = canvas.getContext("2d"), image = context.createImageData(width, height), count = height * width;
  let planes = [0, 1, 2].map((c) => Float32Array.from({ length: count }, (_, p) => values[3 * p + c]));
  if (filter !== "raw") {
    const combine = filter === "gray" ? (a, b, c) => a + b + c : (a, b, c) => Math.hypot(a, b, c);
    const plane = planes[0].map((v, p) => combine(v, planes[1][p], planes[2][p]));
    planes = [filter === "normblur" ? blur(plane, height, width, 4) : plane];
  }
  const magnitudes = planes.flatMap((plane) => Array.from(plane.filter((v) => v !== 0), Math.abs)).sort((a, b) => a - b);
  const signed = filter === "raw" || filter === "gray";
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

/** Draw a part of bytes (side, side, 3), with middle gray outside the image. field: [top, left, height, width]. */
export function drawPatch(canvas, pixels, side, [top, left, height, width]) {
  setSize(canvas, width, height);
  const context = canvas.getContext("2d"), image = context.createImageData(width, height);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = 4 * (y * width + x), inside = top + y >= 0 && top + y < side && left + x >= 0 && left + x < side;
      for (let c = 0; c < 3; c++) image.data[at + c] = inside ? pixels[3 * ((top + y) * side + left + x) + c] : 128;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}
