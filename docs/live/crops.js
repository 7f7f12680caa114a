// Crops of images for the training in the page. An image is {pixels: bytes (height, width, depth), label}.

import { sampleInteger } from "./random.js";

/** Return values p / 255 - 0.5 of the crop (h, w) whose first row and column are y and x. Positions outside the image are zero. */
export function cropImage(pixels, [height, width, depth], [h, w], [y, x], isMirrored = false) {
  const values = new Float64Array(h * w * depth);
  for (let r = 0; r < h; r++) {
    for (let c = 0; c < w; c++) {
      const row = y + r, column = x + (isMirrored ? w - 1 - c : c);
      if (row < 0 || row >= height || column < 0 || column >= width) continue;
      for (let d = 0; d < depth; d++) values[(r * w + c) * depth + d] = pixels[(row * width + column) * depth + d] / 255 - 0.5;
    }
  }
  return values;
}

/** Return the central crop of an image, for views. */
export const cropCentral = (pixels, shape, [h, w]) => cropImage(pixels, shape, [h, w], [(shape[0] - h) >> 1, (shape[1] - w) >> 1]);

/** Sample a crop: anywhere in an image that is larger than the crop, else moved by up to `shift` pixels. `mirror`: mirror every second
 * one. */
export function sampleCrop(pixels, shape, [h, w], { shift = 0, mirror = false }, uniform) {
  const place = (room) => (room > 0 ? sampleInteger(room + 1, uniform) : sampleInteger(2 * shift + 1, uniform) - shift);
  const [y, x] = [place(shape[0] - h), place(shape[1] - w)];
  return cropImage(pixels, shape, [h, w], [y, x], mirror && uniform() < 0.5);
}

/** Return the network's output, averaged over inputs. */
export function averageOutputs(net, inputs) {
  const sum = new Float64Array(net.layers.at(-1).size);
  for (const x of inputs) net.forward(x).forEach((v, i) => (sum[i] += v / inputs.length));
  return sum;
}
