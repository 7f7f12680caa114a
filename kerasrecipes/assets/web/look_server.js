// A source of the toolbox (look_view.js) that asks the server of `kerasrecipes look`.

import { LiveError } from "./common.js";
import { computeField } from "./look_tiles.js";

const ROOT = new URL("..", import.meta.url);

/** Ask the server. Returns the response, and throws a LiveError with the server's message. */
async function ask(path, parameters = {}, options = {}) {
  const url = new URL(path, ROOT);
  for (const [name, value] of Object.entries(parameters)) if (value !== null && value !== undefined) url.searchParams.set(name, value);
  const response = await fetch(url, options).catch(() => {
    throw new LiveError("The program does not answer. Start it again in the terminal: kerasrecipes look");
  });
  if (response.ok) return response;
  const answer = await response.json().catch(() => null);
  throw new LiveError(answer?.error?.message ?? `The program answers with status ${response.status}. The terminal may say more.`);
}

export const askJson = async (...request) => (await ask(...request)).json();

/** Ask for an array: {values, shape, headers}. */
export async function askArray(path, parameters, type = Float32Array) {
  const response = await ask(path, parameters), shape = response.headers.get("x-shape").split(",").map(Number);
  return { values: new type(await response.arrayBuffer()), shape, headers: response.headers };
}

/** Post bytes to be computed. Returns the server's description of the input. */
export const inspect = (body, parameters) => askJson("inspect", parameters, { method: "POST", body });
export const inspectFile = (index, parameters) => askJson(`files/${index}/inspect`, parameters, { method: "POST" });
export const getFileAddress = (index) => new URL(`files/${index}`, ROOT).href;

/** Return a function that asks for the activations of a layer once. */
export function makeLayerCache(number) {
  const layers = new Map();
  return (layer) => {
    if (!layers.has(layer)) layers.set(layer, askArray(`inputs/${number}/activations`, { layer }).then(({ values }) => values));
    return layers.get(layer);
  };
}

/** Name a unit as Python does. place: flat index, "all" or null. */
export function nameUnit({ layer, channel, place }, shape) {
  if (place === null || place === undefined) return `${layer}:${channel}`;
  if (place === "all") return `${layer}:${channel}@all`;
  const [rows, columns] = shape;
  return rows * columns === 1 ? `${layer}:${channel}` : `${layer}:${channel}@${Math.floor(place / columns)},${place % columns}`;
}

/** Make the source of an image model. model: the server's description. */
export function makeServerSource(model) {
  const hasGradients = model.engine === "keras", { classes } = model;
  const fieldCache = new Map();

  async function makeInput(answer) {
    const { values } = await askArray(`inputs/${answer.number}/display`, {}, Uint8Array);
    return {
      number: answer.number, pixels: values, size: answer.display.slice(0, 2), probabilities: answer.probabilities, ms: answer.milliseconds,
      shapes: answer.shapes, fetchLayer: makeLayerCache(answer.number),
    };
  }

  async function findSynthesized(layer, channel) {
    if (!model.can_synthesize) return { text: [model.engine === "onnx" ? NO_GRADIENTS : "Nothing can be synthesized."] };
    const unit = `${layer}:${channel}`, address = new URL(`synthesized/image?${new URLSearchParams({ unit })}`, ROOT).href;
    if ((await askJson("synthesized", { layer })).includes(channel)) return { address };
    const job = await askJson("synthesized", { unit }, { method: "POST" });
    if (job.error) return { text: [`It cannot be synthesized: ${job.error}`], failed: true };
    if (job.unit === unit) return { progress: [job.done, job.total], text: [`gradient ascent from noise: step ${job.done} of ${job.total || "…"}`] };
    return { progress: [0, 1], text: [job.unit ? `waits for ${job.unit}, step ${job.done} of ${job.total}` : "waits"] };
  }

  async function findPatches(layer, channel, method) {
    if (!model.has_folder) return { patches: [], note: "Start with --images FOLDER: then the strongest patches of your images stand here.", isFinal: true };
    if (!hasGradients) return { patches: [], note: NO_PATCHES, isFinal: true };
    const kept = ["gradient", "guided", "deconv"].includes(method) ? method : null;
    const { values, shape: [count, height, width], headers } = await askArray("patches", { layer, channel, method: kept }, Uint8Array);
    const { scan, errors } = await askJson("jobs"), bytes = height * width * 3;
    const activations = headers.get("x-activations").split(",").map(Number), files = headers.get("x-files").split(",").map(Number);
    const total = count && activations.length, part = (i) => values.subarray(i * bytes, (i + 1) * bytes);
    const patches = Array.from({ length: total }, (_, i) => ({
      name: model.files[files[i]], value: activations[i], pixels: part(i), saliency: count > total ? part(total + i) : undefined,
      size: [height, width], field: [0, 0, height, width],
    })).filter(({ value }) => value > 0);
    const isFinal = !scan || scan.done === scan.total, notes = [...errors];
    if (!isFinal) notes.push(`${scan.done} of ${scan.total} images scanned`);
    if (scan?.errors.length) notes.push(`${scan.errors.length} cannot be read: ${scan.errors.slice(0, 3).join("; ")}`);
    if (isFinal && !patches.length) notes.push("The unit is off in all images.");
    return { patches, note: notes.join(". "), isFinal: isFinal || errors.length > 0 };
  }

  return {
    name: model.name, classes, layers: model.layers, methods: Object.keys(model.methods), patience: 250,
    words: { saliency: hasGradients ? undefined : NO_GRADIENTS, patches: "Strongest patches of your images", methods: model.methods },
    start: { layer: model.layers[Math.floor(model.layers.length / 2)], channel: 0, sample: 0, method: hasGradients ? "deconv" : "off" },
    samples: model.files.map((name, i) => ({ name, credit: name, address: getFileAddress(i) })),
    openSample: async (i, { stretch }) => makeInput(await inspectFile(i, { stretch })),
    openImage: async (file, { stretch }) => makeInput(await inspect(await file.arrayBuffer(), { stretch })),
    openPixels: async ({ rgb, shape: [height, width] }) => makeInput(await inspect(rgb, { height, width })),

    async getField(input, layer, place) {
      const key = `${layer} ${input.size}`;
      if (!fieldCache.has(key)) fieldCache.set(key, askJson(`inputs/${input.number}/fields`, { layer }));
      return computeField(await fieldCache.get(key), input.shapes[layer][1], place, input.size);
    },
    async computeSaliency(input, unit, method, layer) {
      const parameters = { unit: nameUnit(unit, input.shapes[unit.layer]), method };
      const { values, shape } = await askArray(`inputs/${input.number}/saliency`, parameters);
      let signals = null, note;
      if (layer) {
        try {
          signals = (await askArray(`inputs/${input.number}/signals`, { ...parameters, layer })).values;
        } catch (error) {
          note = error.message;
        }
      }
      return { picture: values, channels: shape[2], signals, note };
    },
    async listSynthesized(layer) {
      const channels = await askJson("synthesized", { layer });
      return new Map(channels.map((c) => [c, new URL(`synthesized/image?${new URLSearchParams({ unit: `${layer}:${c}` })}`, ROOT).href]));
    },
    async findUnitImages(layer, channel, method) {
      const [synthesized, found] = await Promise.all([findSynthesized(layer, channel), findPatches(layer, channel, method)]);
      return { synthesized, ...found, isFinal: found.isFinal && !synthesized.progress };
    },
    synthesizeLayer: model.can_synthesize ? (layer) => askJson("synthesized", { layer }, { method: "POST" }) : undefined,
  };
}

export const NO_GRADIENTS = "An ONNX file has no gradients: open the recipe or its .keras file for this.";
const NO_PATCHES = "Strongest patches need the recipe or its .keras file.";
