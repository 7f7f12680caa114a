// squeezenet for the page Look inside: image preparation equal to Python's, the activations of all layers, the strongest patches of
// the free images, and saliency in a worker.

import { fetchFile, run, openSession, softmax } from "./common.js";
import { unpack } from "./back.js";
import { cropCenter, findCenteredBox, readImage, resize } from "./pixels.js";
import { startWorker } from "./remote.js";

const here = new URL(".", import.meta.url);
const CANVAS = 256; // size of the recipe's resized image; its center is the input of the network

/** Open the network once: {net, session, side, outputs}. report: an onProgress of common.js. */
export async function open(report) {
  const [session, net] = [await openSession("squeezenet.activations", report), unpack(await fetchFile("squeezenet.net", report))];
  const convolutions = Object.entries(net.steps).filter(([, step]) => step.kind === "conv").map(([name]) => name);
  const inside = new Set(Object.values(net.steps).filter((s) => s.kind === "concat").flatMap((s) => s.inputs));
  const concatenations = Object.entries(net.steps).filter(([, step]) => step.kind === "concat").map(([name]) => name);
  // a concatenation contains its parts; the ONNX output `logits` is the mean, so the maps of the layer `logits` have another name
  const outputs = [...convolutions.filter((name) => !inside.has(name) && name !== "logits"), ...concatenations, "logits_maps", "logits"];
  return { net, session, side: net.picture[0], outputs };
}

/** Prepare bytes (height, width, 3) of any size: resize the largest centered square to 256 x 256 and crop its center, (227, 227, 3). */
export function prepare({ rgb, shape }, side) {
  if (shape[0] === side && shape[1] === side) return rgb; // the samples are prepared already
  const square = resize(rgb, shape, [CANVAS, CANVAS], findCenteredBox(shape, [CANVAS, CANVAS]));
  return cropCenter(square, CANVAS, side, 3);
}

/** Return {values: {layer: activations (rows, columns, maps)}, probabilities, ms} of prepared bytes. */
export async function forward(look, pixels) {
  const { outputs, ms } = await run(look.session, { picture: [Float32Array.from(pixels), [1, look.side, look.side, 3]] }, look.outputs);
  const values = Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
  values.scores = values.logits;
  values.logits = values.logits_maps;
  delete values.logits_maps;
  return { values, probabilities: softmax(values.scores), ms };
}

export const getSampleAddress = (name) => new URL(`samples/${name}.png`, here).href;

/** Return the URL of the synthesized images of a unit, undefined if there are none. */
export function getSynthesizedAddress(look, layer, channel) {
  const stem = look.net.synthesized[`${layer}:${channel}`];
  return stem && new URL(`units/${stem}.jpg`, here).href;
}

/** Find the flat index of the largest value of a map, the first one if several are equal. */
export function findStrongest(values, maps, channel) {
  let best = 0;
  for (let p = 1; p * maps < values.length; p++) if (values[p * maps + channel] > values[best * maps + channel]) best = p;
  return best;
}

/** Return the receptive field [top, left, height, width] of a position of a layer. It may extend beyond the image. */
export function getReceptiveField(look, layer, place) {
  const fields = look.net.fields[layer], [, columns] = look.net.steps[layer].shape;
  if (!fields || place === "all") return [0, 0, look.side, look.side];
  const at = [Math.floor(place / columns), place % columns];
  const [rows, across] = fields.map(({ low, high, span }, axis) => {
    const begin = low[at[axis]], end = high[at[axis]] + 1, size = Math.min(span ?? look.side, look.side);
    return [size === look.side ? 0 : begin === 0 ? end - size : begin, size];
  });
  return [rows[0], across[0], rows[1], across[1]];
}

let topActivations;
/** Compute the activations of the free images once. Returns a function (layer, channel) -> [{sample, pixels, value, place}], with the
 * highest value first. */
export function findTopActivations(look) {
  return (topActivations ??= (async () => {
    const maxima = [];
    for (const sample of Object.keys(look.net.samples)) {
      const pixels = prepare(await readImage(getSampleAddress(sample)), look.side);
      const { values } = await forward(look, pixels);
      const best = {};
      for (const layer of look.net.layers) best[layer] = findPeaks(values[layer], look.net.steps[layer].shape[2]);
      maxima.push({ sample, pixels, best });
    }
    return (layer, channel) =>
      maxima
        .map(({ sample, pixels, best }) => ({ sample, pixels, value: best[layer].values[channel], place: best[layer].places[channel] }))
        .sort((a, b) => b.value - a.value);
  })().catch((error) => { topActivations = undefined; throw error; }));
}

/** Find the largest value of each map, and its position. */
function findPeaks(values, maps) {
  const highest = new Float32Array(values.subarray(0, maps)), places = new Int32Array(maps);
  for (let p = 1, i = maps; i < values.length; p++) {
    for (let k = 0; k < maps; k++, i++) if (values[i] > highest[k]) [highest[k], places[k]] = [values[i], p];
  }
  return { values: highest, places };
}

let worker;
/** Run `propagateBack` of back.js in a worker: {picture, signals: {layer}}. layers: those whose signals are returned. */
export async function computeSaliency(values, unit, method, layers = []) {
  worker ??= (async () => {
    const call = startWorker(new URL("look_worker.js", here));
    await call("open", { bytes: await fetchFile("squeezenet.net") });
    return call;
  })().catch((error) => { worker = undefined; throw error; }); // a second try may succeed
  return (await worker)("propagate", { values, unit, method, layers });
}
