// The reader's own ONNX file in the toolbox, a source of look_view.js: the outputs of all its layers, by declaring them as outputs of the
// graph. kerasrecipes/serving/onnx_layers.py does the same in Python.

import { LiveError, make, openBytes, run, softmax } from "./common.js";
import { concatenateBytes, readFields, readMetadata } from "./onnx_graph.js";
import { cropCenter, findCenteredBox, readImage, resize, toGray } from "./pixels.js";

const CHANNELS_FIRST = "Conv ConvTranspose MaxPool AveragePool GlobalAveragePool GlobalMaxPool BatchNormalization InstanceNormalization LRN".split(" ");
const HIDDEN = ("Cast Constant ConstantOfShape Dropout Equal Expand Flatten Gather Greater Identity Less Loop Not Pad Range ReduceMax ReduceMean ReduceSum " +
  "Reshape ReverseSequence ScatterND Shape Slice Split Squeeze Tile Transpose Unsqueeze Where").split(" ");
const decoder = new TextDecoder(), encoder = new TextEncoder();
const NO_GRADIENTS = "An ONNX file has no gradients.";

const pick = (fields, number) => fields.filter((f) => f.number === number).map((f) => f.value);
const readTexts = (fields, number) => pick(fields, number).map((bytes) => decoder.decode(bytes));
const readChild = (bytes, ...path) => path.reduce((value, number) => value && pick(readFields(value), number)[0], bytes);

/** Read the graph: {nodes: [{operation, inputs, outputs, order}], outputs, input: {name, dims}}. order: of a transposition. */
function readGraph(model) {
  const graph = readFields(readChild(model, 7));
  const nodes = pick(graph, 1).map(readFields).map((node) => {
    const operation = readTexts(node, 4)[0], perm = operation === "Transpose" && pick(node, 5).map(readFields).find((a) => readTexts(a, 1)[0] === "perm");
    const order = perm ? pick(perm, 8).flatMap((v) => (typeof v === "number" ? [v] : [...v])).join() : "";
    return { operation, inputs: readTexts(node, 1), outputs: readTexts(node, 2), order };
  });
  const weights = new Set(pick(graph, 5).flatMap((tensor) => readTexts(readFields(tensor), 8)));
  const input = pick(graph, 11).find((value) => !weights.has(readTexts(readFields(value), 1)[0])), shape = readChild(input, 2, 1, 2);
  const dims = shape ? pick(readFields(shape), 1).map((dim) => pick(readFields(dim), 1)[0] ?? 0) : [];
  return { nodes, outputs: pick(graph, 12).flatMap((value) => readTexts(readFields(value), 1)), input: { name: readTexts(readFields(input), 1)[0], dims } };
}

/** List the layers that are shown, the nearest to the input first: [{name, output, channelsFirst}]. */
export function listLayers(model) {
  const { nodes, outputs, input } = readGraph(model), isFirst = input.dims.length === 4 && ![1, 3].includes(input.dims[3]);
  const layouts = new Map(), depths = new Map(), layers = new Map(), isNamed = outputs.length > 2;
  for (const { operation, inputs, outputs: names, order } of nodes) {
    const known = inputs.find((name) => layouts.has(name));
    const layout = CHANNELS_FIRST.includes(operation) || order === "0,3,1,2" || (order !== "0,2,3,1" && (known ? layouts.get(known) : isFirst));
    const depth = 1 + Math.max(0, ...inputs.map((name) => depths.get(name) ?? 0));
    for (const name of names) layouts.set(name, layout), depths.set(name, depth);
    const [output] = names, isOutput = outputs.includes(output);
    if (!output || (isNamed ? !isOutput : HIDDEN.includes(operation) && !isOutput)) continue;
    const name = isOutput ? output : shortenName(output);
    layers.set(name, { name, output, channelsFirst: layout, depth });
  }
  return { input, channelsFirst: isFirst, outputs, layers: [...layers.values()].sort((a, b) => a.depth - b.depth) };
}

/** Return the name of the layer that an output belongs to, by the naming of tf2onnx or of torch. */
export function shortenName(output) {
  const parts = output.split("/");
  if (output.startsWith("/") && parts.length > 2) return parts.slice(1, -1).join("/");
  return parts.length > 2 ? parts[1] : output.split(":")[0];
}

/** Append declarations of outputs to a file's bytes: a message that comes twice in a protocol buffer is merged. */
export function addOutputs(model, names) {
  const writeSize = (n) => (n < 128 ? [n] : [(n % 128) + 128, ...writeSize(Math.floor(n / 128))]);
  const writeField = (number, bytes) => concatenateBytes([Uint8Array.from([number * 8 + 2, ...writeSize(bytes.length)]), bytes]);
  const values = names.map((name) => writeField(12, writeField(1, encoder.encode(name))));
  return concatenateBytes([model, writeField(7, concatenateBytes(values))]);
}

/** Bring an output to (rows, columns, maps): {values, shape}, null if it holds no numbers with channels. */
export function toMaps({ data, dims }, channelsFirst) {
  if (!(data instanceof Float32Array) || dims.length < 2 || dims.length > 4 || dims[0] !== 1 || !data.length) return null;
  if (dims.length < 4) return { values: data, shape: dims.length === 3 ? [dims[1], 1, dims[2]] : [1, 1, dims[1]] };
  if (!channelsFirst) return { values: data, shape: dims.slice(1) };
  const [, maps, rows, columns] = dims, values = new Float32Array(data.length), places = rows * columns;
  for (let k = 0; k < maps; k++) for (let p = 0; p < places; p++) values[p * maps + k] = data[k * places + p];
  return { values, shape: [rows, columns, maps] };
}

/** Describe how images become an input: {canvas, crop, channels, range, classes}. range: [black, white] of files of other programs. */
function describeInput(model, { dims }, channelsFirst, range) {
  const text = readMetadata(model).kerasrecipes, metadata = text && JSON.parse(text);
  if (metadata && !metadata.preprocessing) throw new LiveError(`This is a network for ${metadata.task}. This page takes image classifiers; "kerasrecipes look" also takes speech recognizers.`);
  if (metadata) {
    const { resize_to: canvas, crop_size: crop, channels = 3, resize_mode: mode } = metadata.preprocessing;
    return { canvas, crop, channels, range: [0, 255], classes: metadata.classes, isStretched: mode === "squash" };
  }
  const [channels, ...crop] = channelsFirst ? dims.slice(1) : [dims[3], dims[1], dims[2]];
  if (dims.length !== 4 || ![1, 3].includes(channels) || !crop.every((n) => n > 0)) throw new LiveError("This network does not take one image of a fixed size.");
  return { canvas: crop, crop, channels, range, classes: [] };
}

/** Open an ONNX file as a source of the toolbox. range: see describeInput. samples: [{name, credit, address}]. */
export async function openOwnNetwork(file, range, samples, report) {
  const model = new Uint8Array(await file.arrayBuffer());
  const { input, channelsFirst, outputs, layers } = listLayers(model), settings = describeInput(model, input, channelsFirst, range), { crop, channels, classes } = settings;
  const network = await openBytes(`own ${file.name} ${Date.now()}`, addOutputs(model, layers.map((l) => l.output).filter((name) => !outputs.includes(name))), report);
  const result = outputs.includes("logits") ? "logits" : outputs[0];

  function toFeeds(rgb) {
    const gray = channels === 1 ? toGray(rgb) : rgb, places = crop[0] * crop[1], [low, high] = settings.range, values = new Float32Array(gray.length);
    for (let p = 0; p < places; p++) for (let c = 0; c < channels; c++) values[channelsFirst ? c * places + p : p * channels + c] = low + ((high - low) * gray[p * channels + c]) / 255;
    return { [input.name]: [values, channelsFirst ? [1, channels, ...crop] : [1, ...crop, channels]] };
  }
  async function runNetwork(rgb, names) {
    const answer = await run(network, toFeeds(rgb), [...new Set(names)]);
    return { ...answer, maps: new Map(layers.filter((l) => answer.outputs[l.output]).map((l) => [l.name, toMaps(answer.outputs[l.output], l.channelsFirst)])) };
  }

  const first = await runNetwork(new Uint8ClampedArray(crop[0] * crop[1] * 3), [result, ...layers.map((l) => l.output)]);
  if (!classes.length) classes.push(...Array.from({ length: first.outputs[result].dims.at(-1) }, (_, i) => `class ${i}`));
  const shown = layers.filter(({ name }) => (first.maps.get(name)?.shape[2] ?? 0) > 1), shapes = Object.fromEntries(shown.map(({ name }) => [name, first.maps.get(name).shape]));
  if (!shown.length) throw new LiveError("This network has no layers with channels that could be shown.");
  let last = shown[Math.floor(shown.length / 2)];

  async function makeInput({ rgb, shape }, stretch = settings.isStretched) {
    const canvas = resize(rgb, shape, settings.canvas, stretch ? undefined : findCenteredBox(shape, settings.canvas));
    const pixels = cropImage(canvas, settings.canvas, crop), { outputs: values, maps, ms } = await runNetwork(pixels, [result, last.output]);
    const logits = values[result].data.slice(0, values[result].dims.at(-1)), sum = logits.reduce((a, b) => a + b, 0);
    const cache = new Map([[last.name, maps.get(last.name)?.values]]);
    return {
      pixels, size: crop, ms, shapes, probabilities: logits.every((v) => v >= 0) && Math.abs(sum - 1) < 1e-3 ? [...logits] : softmax(logits),
      async fetchLayer(name) {
        if (!cache.get(name)) {
          last = shown.find((l) => l.name === name);
          cache.set(name, (await runNetwork(pixels, [last.output])).maps.get(name).values);
        }
        return cache.get(name);
      },
    };
  }
  const source = {
    name: file.name, classes, layers: shown.map((l) => l.name), methods: [], words: { saliency: NO_GRADIENTS, patches: "" }, samples,
    start: { layer: last.name, channel: 0, sample: 0, method: "off" },
    openImage: async (image, { stretch }) => makeInput(await readImage(image), stretch || undefined),
    openSample: (i, options) => source.openImage(samples[i].address, options), openPixels: (image) => makeInput(image),
    getField: async () => [0, 0, ...crop], computeSaliency: () => Promise.reject(new LiveError(NO_GRADIENTS)), listSynthesized: async () => new Map(),
    findUnitImages: async () => ({ synthesized: { text: [NO_GRADIENTS, " ", make("code", {}, "kerasrecipes look"), " synthesizes images for recipes and .keras files."] }, patches: [], isFinal: true }),
  };
  return source;
}



function cropImage(pixels, [height, width], [rows, columns]) {
  if (height === width && rows === columns) return rows === height ? pixels : cropCenter(pixels, height, rows, 3);
  const top = Math.floor((height - rows) / 2), left = Math.floor((width - columns) / 2), out = new Uint8ClampedArray(rows * columns * 3);
  for (let y = 0; y < rows; y++) out.set(pixels.subarray(((top + y) * width + left) * 3, ((top + y) * width + left + columns) * 3), y * columns * 3);
  return out;
}
