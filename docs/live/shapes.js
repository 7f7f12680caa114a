// Colored shapes on colored backgrounds: a data set of images (28, 28, 3) that the page makes itself.

import { makeRandom, sampleInteger } from "./random.js";

export const SHAPES = ["disk", "square", "triangle", "cross", "ring"];
export const SIDE = 28;

/** Is the point (u, v) inside the shape? Shapes fill about -1 to 1. */
const INSIDE = {
  disk: (u, v) => u * u + v * v < 1,
  square: (u, v) => Math.max(Math.abs(u), Math.abs(v)) < 0.85,
  triangle: (u, v) => v < 0.7 && v > 2 * Math.abs(u) - 1,
  cross: (u, v) => Math.min(Math.abs(u), Math.abs(v)) < 0.3 && Math.max(Math.abs(u), Math.abs(v)) < 1,
  ring: (u, v) => u * u + v * v < 1 && u * u + v * v > 0.35,
};

/** Draw a shape at a random place, in a random size and two colors that differ, with noise: bytes (28, 28, 3). */
export function drawShape(name, uniform) {
  const sample = (low, high) => low + (high - low) * uniform();
  const radius = sample(6, 10), x0 = sample(radius + 1, SIDE - radius - 1), y0 = sample(radius + 1, SIDE - radius - 1);
  const back = [0, 1, 2].map(() => sampleInteger(256, uniform)), front = back.map((v) => (v + 70 + sampleInteger(116, uniform)) % 256);
  const pixels = new Uint8Array(SIDE * SIDE * 3);
  for (let y = 0; y < SIDE; y++) {
    for (let x = 0; x < SIDE; x++) {
      const color = INSIDE[name]((x + 0.5 - x0) / radius, (y + 0.5 - y0) / radius) ? front : back;
      for (let c = 0; c < 3; c++) pixels[3 * (y * SIDE + x) + c] = Math.max(0, Math.min(255, color[c] + sample(-15, 15)));
    }
  }
  return pixels;
}

/** Make n images, the classes in turn. The seed decides all of them. */
export function makeShapes(n, seed) {
  const uniform = makeRandom(seed);
  return Array.from({ length: n }, (_, i) => ({ label: i % SHAPES.length, pixels: drawShape(SHAPES[i % SHAPES.length], uniform) }));
}
