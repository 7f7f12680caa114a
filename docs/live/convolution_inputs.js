// Drawings and kernels of the page A convolution.

import { readImage, resize } from "./pixels.js";

const here = new URL(".", import.meta.url);
const STRONG = 9; // the largest value of a cell

// one 8 x 8 drawing for each channel; larger and smaller inputs take the nearest cells
const SHAPES = {
  seven: ["........", ".######.", ".....##.", "....##..", "...##...", "..##....", "..##....", "........"],
  square: ["........", ".######.", ".#....#.", ".#....#.", ".#....#.", ".#....#.", ".######.", "........"],
  cross: ["...##...", "...##...", "...##...", "########", "########", "...##...", "...##...", "...##..."],
  diagonal: ["##......", "###.....", ".###....", "..###...", "...###..", "....###.", ".....###", "......##"],
};
const ORDER = Object.keys(SHAPES);

export const DRAWINGS = ["a seven", "a square", "a cross", "a diagonal", "one bright cell", "random numbers", "the cat's eye (a photograph)"];

/** Return the cells (channels, size, size) of a drawing of `DRAWINGS`, 0 to 9. */
export async function makeDrawing(name, { size, channels }) {
  const cells = new Float64Array(channels * size * size), random = makeRandom(7);
  const fill = (value) => { for (let i = 0; i < cells.length; i++) cells[i] = value(Math.floor(i / size / size), Math.floor(i / size) % size, i % size); };
  if (name === "one bright cell") fill((_, y, x) => (y === size >> 1 && x === size >> 1 ? STRONG : 0));
  else if (name === "random numbers") fill(() => Math.floor(random() * (STRONG + 1)));
  else if (name === DRAWINGS.at(-1)) {
    const rgb = await readEye(size);
    const weights = [[0.3, 0.59, 0.11], [1, 0, 0], [0, 0, 1], [0, 1, 0]]; // gray, red, blue, green
    fill((l, y, x) => Math.round((STRONG / 255) * weights[l].reduce((sum, w, c) => sum + w * rgb[3 * (y * size + x) + c], 0)));
  } else {
    const first = DRAWINGS.indexOf(name);
    fill((l, y, x) => (SHAPES[ORDER[(first + l) % ORDER.length]][Math.floor(((y + 0.5) * 8) / size)][Math.floor(((x + 0.5) * 8) / size)] === "#" ? STRONG : 0));
  }
  return cells;
}

/** Read the part of the photograph around an eye, as bytes (size, size, 3). */
async function readEye(size) {
  const { rgb, shape } = await readImage(new URL("samples/chelsea.png", here).href);
  return resize(rgb, shape, [size, size], [42, 56, 102, 116]);
}

/** Kernels by name: (row, column, side) -> weight. */
const RULES = {
  "vertical edges": (y, x, k) => (k === 1 ? 1 : Math.sign(x - (k - 1) / 2)),
  "horizontal edges": (y, x, k) => (k === 1 ? 1 : Math.sign(y - (k - 1) / 2)),
  mean: (y, x, k) => Math.round(100 / (k * k)) / 100,
  sharpen: (y, x, k) => (y === (k >> 1) && x === (k >> 1) ? 2 * k * k - 1 : -1) / Math.max(k * k, 1),
  identity: (y, x, k) => (y === (k >> 1) && x === (k >> 1) ? 1 : 0),
};
export const KERNELS = [...Object.keys(RULES), "random weights"];

/** Return weights (output channel, input channel of its group, row, column). Each output channel takes the next kernel of the list. */
export function makeKernel(name, { kernel: k, channels, groups }) {
  const each = channels / groups, weights = new Float64Array(channels * each * k * k), random = makeRandom(3), names = Object.keys(RULES);
  for (let i = 0; i < weights.length; i++) {
    const o = Math.floor(i / (each * k * k)), [y, x] = [Math.floor(i / k) % k, i % k], rule = RULES[names[(names.indexOf(name) + o) % names.length]];
    const value = name === "random weights" ? 4 * random() - 2 : rule(y, x, k);
    weights[i] = Math.round(100 * value) / 100;
  }
  return weights;
}

/** Return a generator of numbers from 0 to 1 (mulberry32). */
function makeRandom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
