// Pictures of numbers for the page Look inside: all maps of a layer as tiles, one map, and signed signals.

import { size } from "./maps.js";

const RATIO = 1.5; // width to height of a sheet of tiles

/** How the maps of a layer (rows, columns, maps) lie on the sheet: {columns, rows, tile: [height, width], zoom}. */
export function sheetOf([height, width, maps]) {
  const zoom = height * width === 1 ? 9 : height < 20 ? 2 : 1; // single numbers as squares
  const columns = Math.max(1, Math.round(Math.sqrt((maps * RATIO * (height * zoom + 1)) / (width * zoom + 1))));
  return { columns, rows: Math.ceil(maps / columns), tile: [height * zoom + 1, width * zoom + 1], zoom };
}

/** Draw all maps on one scale. gamma: of the shades (below 1 lifts weak ones); signed: gray is zero. */
export function drawSheet(canvas, values, shape, { gamma = 1, signed = false } = {}) {
  const [height, width, maps] = shape, { columns, rows, tile, zoom } = sheetOf(shape);
  size(canvas, columns * tile[1] - 1, rows * tile[0] - 1);
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height);
  const shades = new Uint32Array(image.data.buffer), line = canvas.width;
  shades.fill(0xff40342a); // between tiles
  const shade = shader(values, gamma, signed);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let k = 0; k < maps; k++, i++) {
        const v = shade(values[i]), word = 0xff000000 | (v << 16) | (v << 8) | v;
        let at = (Math.floor(k / columns) * tile[0] + y * zoom) * line + (k % columns) * tile[1] + x * zoom;
        for (let r = 0; r < zoom; r++, at += line) for (let c = 0; c < zoom; c++) shades[at + c] = word;
      }
    }
  }
  context.putImageData(image, 0, 0);
}

/** Number -> 0 to 255, over all values of a layer. */
function shader(values, gamma, signed) {
  let most = 1e-12;
  for (const v of values) if (Math.abs(v) > most) most = Math.abs(v);
  if (signed) return (v) => 128 + Math.round(127 * Math.sign(v) * Math.pow(Math.abs(v) / most, gamma));
  return (v) => (v > 0 ? Math.round(255 * Math.pow(v / most, gamma)) : 0);
}

/** Where a unit's tile lies on the sheet, in shares of it: {left, top, width, height}. */
export function tileBox(shape, channel) {
  const { columns, rows, tile } = sheetOf(shape), wide = columns * tile[1] - 1, high = rows * tile[0] - 1;
  return {
    left: ((channel % columns) * tile[1]) / wide, top: (Math.floor(channel / columns) * tile[0]) / high,
    width: (tile[1] - 1) / wide, height: (tile[0] - 1) / high,
  };
}

/** The unit at a point of the sheet (shares of it), undefined between and behind them. */
export function unitAt(shape, x, y) {
  const { columns, rows, tile } = sheetOf(shape);
  const column = Math.floor((x * (columns * tile[1] - 1)) / tile[1]), row = Math.floor((y * (rows * tile[0] - 1)) / tile[0]);
  const unit = row * columns + column;
  return column >= 0 && column < columns && row >= 0 && unit < shape[2] ? unit : undefined;
}

/** One map (rows, columns) out of a layer, its own largest value white. */
export function drawMap(canvas, values, [height, width, maps], channel, gamma) {
  const single = new Float32Array(height * width);
  for (let p = 0; p < single.length; p++) single[p] = values[p * maps + channel];
  drawSheet(canvas, single, [height, width, 1], { gamma });
}

export const FILTERS = ["raw", "gray", "norm", "normblur"];

/** A signal at the picture (height, width, 3) as kerasrecipes.visualize draws it: "raw" and "gray" around middle gray, "norm"
 * the magnitude over the colors, "normblur" that, blurred by 4 pixels. */
export function drawSignal(canvas, values, [height, width], filter) {
  size(canvas, width, height);
  const context = canvas.getContext("2d"), image = context.createImageData(width, height), count = height * width;
  let planes = [0, 1, 2].map((c) => Float32Array.from({ length: count }, (_, p) => values[3 * p + c]));
  if (filter !== "raw") {
    const join = filter === "gray" ? (a, b, c) => a + b + c : (a, b, c) => Math.hypot(a, b, c);
    const joined = planes[0].map((v, p) => join(v, planes[1][p], planes[2][p]));
    planes = [filter === "normblur" ? blurred(joined, height, width, 4) : joined];
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
function blurred(values, height, width, deviation) {
  const reach = Math.round(4 * deviation), weights = [];
  for (let i = -reach; i <= reach; i++) weights.push(Math.exp((-i * i) / (2 * deviation * deviation)));
  const sum = weights.reduce((a, b) => a + b);
  const fold = (i, n) => { i = ((i % (2 * n)) + 2 * n) % (2 * n); return i < n ? i : 2 * n - 1 - i; };
  const along = (from, lines, line, n, step) => {
    const to = new Float32Array(from.length);
    for (let l = 0; l < lines; l++) {
      for (let i = 0; i < n; i++) {
        let total = 0;
        for (let k = -reach; k <= reach; k++) total += weights[k + reach] * from[l * line + fold(i + k, n) * step];
        to[l * line + i * step] = total / sum;
      }
    }
    return to;
  };
  return along(along(values, height, width, width, 1), width, 1, height, width);
}

/** A part of bytes (side, side, 3); middle gray outside. field: [top, left, height, width]. */
export function drawPatch(canvas, pixels, side, [top, left, height, width]) {
  size(canvas, width, height);
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
