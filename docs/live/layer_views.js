// Views of all layers of a network: activations and weights, each with its gradients and its range.

import { make, makeFigure } from "./common.js";
import { drawMaps, findLimits, setSize } from "./maps.js";
import { ACTIVATIONS } from "./units.js";

const MOST_CHANNELS = 8; // channels of a filter that are drawn
const MOST_FILTERS = 32;

const chooseZoom = (side) => (side >= 24 ? 2 : side >= 10 ? 3 : side >= 4 ? 6 : 8);

/** Describe a layer in words. */
export function describeLayer({ kind, sx, sy, stride, pad, shape, groupSize, n, probability }) {
  const window = `${sy} × ${sx}${stride === 1 ? "" : `, stride ${stride}`}${pad ? `, pad ${pad}` : ""}`;
  const words = {
    conv: () => `convolution, ${shape[2]} filters ${window}`, pool: () => `max pooling ${window}`, fc: () => "fully connected", relu: () => "ReLU",
    maxout: () => `maxout of ${groupSize}`, lrn: () => `response normalization over ${n} maps`, dropout: () => `dropout ${probability}`,
  };
  return words[kind]?.() ?? kind;
}

/** Return how many parameters a layer has, as a sum: "8 × 5 × 5 × 1 + 8 = 208 parameters". */
export function countParameters(layer) {
  if (!layer.parameters.length) return "no parameters";
  const filters = layer.shape[2], fan = layer.kind === "conv" ? `${layer.sy} × ${layer.sx} × ${layer.inputShape[2]}` : layer.fanIn;
  return `${filters} × ${fan} + ${filters} = ${(filters * layer.fanIn + filters).toLocaleString("en")} parameters`;
}

/** Draw color tiles, values (tile, height, width, 3), of which -limit is 0 and limit is 255. */
function drawColorTiles(canvas, values, tiles, [height, width], zoom, limit) {
  const columns = Math.min(tiles, 8), rows = Math.ceil(tiles / columns), gap = 2;
  setSize(canvas, columns * (width * zoom + gap) - gap, rows * (height * zoom + gap) - gap);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (let t = 0; t < tiles; t++) {
    const image = context.createImageData(width * zoom, height * zoom);
    for (let i = 0, at = 0; i < height * zoom; i++) {
      for (let k = 0; k < width * zoom; k++, at += 4) {
        const from = 3 * ((t * height + Math.floor(i / zoom)) * width + Math.floor(k / zoom));
        for (let c = 0; c < 3; c++) image.data[at + c] = 127.5 * (1 + values[from + c] / limit);
        image.data[at + 3] = 255;
      }
    }
    context.putImageData(image, (t % columns) * (width * zoom + gap), Math.floor(t / columns) * (height * zoom + gap));
  }
}

const findLimit = (values) => Math.max(1e-9, ...findLimits(values).map(Math.abs));

/** Draw a volume: a color image, or its channels side by side. */
function drawVolume(canvas, values, shape, { isImage = false, ...options }) {
  const zoom = chooseZoom(shape[0]);
  if (shape[2] === 3 && shape[0] > 1) drawColorTiles(canvas, values, 1, shape, zoom, isImage ? 0.5 : findLimit(values));
  else drawMaps(canvas, values, shape, { zoom, perRow: shape[0] === 1 ? 32 : shape[0] >= 24 ? 8 : 16, ...options });
}

/** Draw weights (filters, fanIn) of a layer, or their gradients. Returns a note about what is left out. */
function drawWeights(canvas, values, layer) {
  const isConv = layer.kind === "conv", [h, w, depth] = isConv ? [layer.sy, layer.sx, layer.inputShape[2]] : layer.inputShape;
  const filters = Math.min(layer.shape[2], MOST_FILTERS), notes = filters < layer.shape[2] ? [`the first ${filters} filters`] : [];
  if (h === 1 && w === 1) {
    // a vector: one matrix with a row for each filter
    const matrix = Float64Array.from({ length: filters * depth }, (_, i) => values[i]);
    drawMaps(canvas, matrix, [filters, depth, 1], { zoom: depth > 64 ? 3 : 8, symmetric: true });
    return ["a row for each filter", ...notes].join(", ");
  }
  if (depth === 3) {
    drawColorTiles(canvas, values, filters, [h, w], chooseZoom(h), findLimit(values));
    return notes.join(", ");
  }
  const channels = Math.min(depth, MOST_CHANNELS);
  if (channels < depth) notes.push(`for ${channels} of ${depth} input maps`);
  if (depth > 1) notes.unshift("a row for each filter");
  const tiles = new Float64Array(h * w * filters * channels);
  for (let f = 0; f < filters; f++) {
    for (let i = 0; i < h * w; i++) {
      for (let c = 0; c < channels; c++) tiles[i * filters * channels + f * channels + c] = values[f * layer.fanIn + i * depth + c];
    }
  }
  drawMaps(canvas, tiles, [h, w, filters * channels], { zoom: depth > 1 ? 3 : chooseZoom(h), perRow: depth > 1 ? channels : 8, symmetric: true });
  return notes.join(", ");
}

/** Make the views of a network: {element, draw(x, inspection)}, where inspection is that of `net.inspect(x, target)`. */
export function makeLayerViews(net) {
  const makeView = (words, label) => {
    const canvas = make("canvas", { role: "img", "aria-label": `${words} of ${label}` }), range = make("span", {});
    return { words, canvas, range, element: makeFigure(make("span", {}, `${words}: `, range), canvas) };
  };
  const makeCard = (title, note, words) => {
    const views = words.map((w) => makeView(w, title));
    return { views, element: make("section", { class: "net-layer" }, make("h5", {}, title), make("div", { class: "live-note" }, note), make("div", { class: "net-maps" }, ...views.map((v) => v.element))) };
  };
  const input = makeCard("input", net.inputShape.join(" × "), ["values", "gradients"]);
  const cards = net.layers.map((layer) =>
    makeCard(describeLayer(layer), `${layer.shape.join(" × ")}; ${countParameters(layer)}`,
      ["activations", "gradients", ...(layer.parameters.length ? ["weights", "weight gradients"] : [])]));
  const setRange = (view, values, note = "") => {
    view.range.textContent = findLimits(values).map((v) => +v.toPrecision(3)).join(" to ") + (note && `; ${note}`);
  };
  return {
    element: make("div", { class: "net-layers" }, input.element, ...cards.map((c) => c.element)),
    draw(x, { inputGradient, layers }) {
      const drawBoth = ([values, gradients], out, gradient, shape, options) => {
        drawVolume(values.canvas, out, shape, options);
        setRange(values, out);
        drawVolume(gradients.canvas, gradient, shape, { symmetric: true });
        setRange(gradients, gradient);
      };
      drawBoth(input.views, x, inputGradient, net.inputShape, { low: -0.5, high: 0.5, isImage: true });
      for (const [i, { views }] of cards.entries()) {
        const layer = net.layers[i], { out, gradient, weightGradients } = layers[i];
        const options = layer.kind === "relu" ? { low: 0 } : ACTIVATIONS.includes(layer.kind) ? {} : { symmetric: layer.kind === "conv" || layer.kind === "fc" };
        drawBoth(views, out, gradient, layer.shape, options);
        if (!layer.parameters.length) continue;
        const weights = layer.parameters[0].value;
        setRange(views[2], weights, drawWeights(views[2].canvas, weights, layer));
        drawWeights(views[3].canvas, weightGradients[0], layer);
        setRange(views[3], weightGradients[0]);
      }
    },
  };
}
