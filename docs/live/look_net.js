// squeezenet for the page Look inside: a picture prepared as Python prepares it, all layers' activations, the strongest
// patches of the free pictures, and the way back in a worker of its own.

import { fetchFile, run, session, softmax } from "./common.js";
import { unpack } from "./back.js";
import { center, centered, readPicture, resize } from "./pixels.js";
import { remote } from "./remote.js";

const here = new URL(".", import.meta.url);
const CANVAS = 256; // the recipe's canvas; its center is the network's input

/** {net, session, side, wanted}: the network, opened once; report: an onProgress of common.js. */
export async function open(report) {
  const [opened, net] = [await session("squeezenet.activations", report), unpack(await fetchFile("squeezenet.net", report))];
  const convolved = Object.entries(net.steps).filter(([, step]) => step.kind === "conv").map(([name]) => name);
  const inside = new Set(Object.values(net.steps).filter((s) => s.kind === "concat").flatMap((s) => s.inputs));
  const joined = Object.entries(net.steps).filter(([, step]) => step.kind === "concat").map(([name]) => name);
  // a concatenation holds its parts; the map of `logits` has a name of its own, for `logits` are the averaged scores
  const wanted = [...convolved.filter((name) => !inside.has(name) && name !== "logits"), ...joined, "logits_maps", "logits"];
  return { net, session: opened, side: net.picture[0], wanted };
}

/** Bytes (height, width, 3) of any size -> bytes (227, 227, 3): the largest centered square at 256 x 256, of it the center. */
export function prepared({ rgb, shape }, side) {
  if (shape[0] === side && shape[1] === side) return rgb; // the samples are the network's inputs
  const square = resize(rgb, shape, [CANVAS, CANVAS], centered(shape, [CANVAS, CANVAS]));
  return center(square, CANVAS, side, 3);
}

/** {values: {layer: numbers (rows, columns, maps)}, probabilities, ms} of prepared bytes. */
export async function forward(look, pixels) {
  const { outputs, ms } = await run(look.session, { picture: [Float32Array.from(pixels), [1, look.side, look.side, 3]] }, look.wanted);
  const values = Object.fromEntries(Object.entries(outputs).map(([name, { data }]) => [name, data]));
  values.scores = values.logits;
  values.logits = values.logits_maps;
  delete values.logits_maps;
  return { values, probabilities: softmax(values.scores), ms };
}

export const sampleAddress = (name) => new URL(`samples/${name}.png`, here).href;

/** Address of the kept picture of what a unit would like to see, undefined where none was drawn. */
export function keptAddress(look, layer, channel) {
  const stem = look.net.kept[`${layer}:${channel}`];
  return stem && new URL(`units/${stem}.jpg`, here).href;
}

/** Flat index of the largest value of a map, the first of several. */
export function strongest(values, maps, channel) {
  let best = 0;
  for (let p = 1; p * maps < values.length; p++) if (values[p * maps + channel] > values[best * maps + channel]) best = p;
  return best;
}

/** [top, left, height, width] of what a place of a layer sees, the whole field also where it reaches over the picture's edge. */
export function fieldOf(look, layer, place) {
  const fields = look.net.fields[layer], [, columns] = look.net.steps[layer].shape;
  if (!fields || place === "all") return [0, 0, look.side, look.side];
  const at = [Math.floor(place / columns), place % columns];
  const [rows, across] = fields.map(({ low, high, span }, axis) => {
    const begin = low[at[axis]], end = high[at[axis]] + 1, size = Math.min(span ?? look.side, look.side);
    return [size === look.side ? 0 : begin === 0 ? end - size : begin, size];
  });
  return [rows[0], across[0], rows[1], across[1]];
}

let strongestOf;
/** The free pictures' activations, computed once: a function (layer, channel) -> [{sample, pixels, value, place}] falling. */
export function maxima(look) {
  return (strongestOf ??= (async () => {
    const seen = [];
    for (const sample of Object.keys(look.net.samples)) {
      const pixels = prepared(await readPicture(sampleAddress(sample)), look.side);
      const { values } = await forward(look, pixels);
      const best = {};
      for (const layer of look.net.shown) best[layer] = peaks(values[layer], look.net.steps[layer].shape[2]);
      seen.push({ sample, pixels, best });
    }
    return (layer, channel) =>
      seen
        .map(({ sample, pixels, best }) => ({ sample, pixels, value: best[layer].values[channel], place: best[layer].places[channel] }))
        .sort((a, b) => b.value - a.value);
  })().catch((error) => { strongestOf = undefined; throw error; }));
}

function peaks(values, maps) {
  const highest = new Float32Array(values.subarray(0, maps)), places = new Int32Array(maps);
  for (let p = 1, i = maps; i < values.length; p++) {
    for (let k = 0; k < maps; k++, i++) if (values[i] > highest[k]) [highest[k], places[k]] = [values[i], p];
  }
  return { values: highest, places };
}

let worker;
/** `lead` of back.js in a worker: {picture, signals: {layer}}; layers: of which signals are wanted. */
export async function back(values, unit, method, layers = []) {
  worker ??= (async () => {
    const call = remote(new URL("look_worker.js", here));
    await call("start", { bytes: await fetchFile("squeezenet.net") });
    return call;
  })().catch((error) => { worker = undefined; throw error; }); // a second try may succeed
  return (await worker)("lead", { values, unit, method, layers });
}
