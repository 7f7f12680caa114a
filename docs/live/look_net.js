// squeezenet for the page Look inside, a source of look_view.js: image preparation equal to Python's, the activations of all layers, the
// strongest patches of the free images, and saliency in a worker.

import { fetchFile, make, run, openSession, softmax } from "./common.js";
import { unpack } from "./back.js";
import { computeField } from "./look_tiles.js";
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

/** Prepare bytes (height, width, 3) of any size: resize the largest centered square to 256 x 256 and crop its center, (227, 227, 3).
 * stretch: resize the whole image instead. */
export function prepare({ rgb, shape }, side, stretch = false) {
  if (shape[0] === side && shape[1] === side) return rgb; // the samples are prepared already
  const square = resize(rgb, shape, [CANVAS, CANVAS], stretch ? undefined : findCenteredBox(shape, [CANVAS, CANVAS]));
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

/** Return the receptive field [top, left, height, width] of a position of a layer. It may extend beyond the image. */
export function getReceptiveField(look, layer, place) {
  return computeField(look.net.fields[layer], look.net.steps[layer].shape[1], place, [look.side, look.side]);
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

let sheets;
/** Load which layers have sheets of tiles, drawn by docs/build/draw_units.py: {layer: {units, columns, tile}}. */
const fetchSheets = () => (sheets ??= fetch(new URL("layers/squeezenet/layers.json", here)).then((r) => (r.ok ? r.json() : {}), () => ({})));
const KEPT = { synthesized: "by gradient ascent", patches: "strongest patches in 200 crops of the free images", saliency: "saliency in these" };

/** List the tiles of a unit. */
async function findTiles(layer, channel) {
  const sheet = (await fetchSheets())[layer];
  if (!sheet) return [];
  return Object.entries(KEPT).map(([kind, words]) => ({ address: new URL(`layers/squeezenet/${layer}.${kind}.jpg`, here).href, index: channel, words, ...sheet }));
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

/** Make the source of the toolbox. */
export function makeSource(look) {
  const { net, side } = look, names = Object.keys(net.samples), size = [side, side];
  const shapes = Object.fromEntries(net.layers.map((layer) => [layer, net.steps[layer].shape]));
  async function makeInput(pixels) {
    const { values, probabilities, ms } = await forward(look, pixels);
    return { pixels, size, values, probabilities, ms, shapes, fetchLayer: async (layer) => values[layer] };
  }
  const openImage = async (source, { stretch }) => makeInput(prepare(await readImage(source), side, stretch));

  return {
    name: "squeezenet", classes: net.classes, layers: net.layers, methods: ["gradient", "guided", "deconv"],
    words: { patches: "Strongest patches of the free images" },
    start: { layer: "fire7", channel: 197, sample: names.indexOf("chelsea"), method: "deconv" },
    samples: names.map((name) => ({ name, credit: net.samples[name], address: getSampleAddress(name) })),
    openImage, openSample: (i, options) => openImage(getSampleAddress(names[i]), options), openPixels: (image) => makeInput(prepare(image, side)),
    getField: async (input, layer, place) => getReceptiveField(look, layer, place),

    async computeSaliency(input, unit, method, layer) {
      const { picture, signals } = await computeSaliency(input.values, unit, method, layer ? [layer] : []);
      return { picture, channels: 3, signals: signals[layer] ?? null };
    },
    async listSynthesized(layer) {
      const units = Object.keys(net.synthesized).map((unit) => unit.split(":")).filter(([name]) => name === layer);
      return new Map(units.map(([, channel]) => [Number(channel), getSynthesizedAddress(look, layer, channel)]));
    },
    async findUnitImages(layer, channel) {
      const getTopActivations = await findTopActivations(look), address = getSynthesizedAddress(look, layer, channel);
      const patches = getTopActivations(layer, channel).filter((p) => p.value > 0)
        .map(({ sample, pixels, value, place }) => ({ name: sample, value, pixels, size, field: getReceptiveField(look, layer, place) }));
      const command = make("code", {}, `kerasrecipes visualize squeezenet --method maximize --unit ${layer}:${channel}`);
      const text = ["This page has no synthesized images of this unit, only of the units with a dot. ", command, " makes them."];
      const kept = await findTiles(layer, channel), synthesized = address ? { address } : { text: kept.length ? [] : text };
      return { synthesized, kept, patches, note: patches.length ? "" : "The unit is off in all five images.", isFinal: true };
    },
  };
}
