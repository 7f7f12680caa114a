// Classify an image of the reader with convnetjs_cifar10 (32 x 32 pixels) and show all its layers.

import { makeButton, explain, makeFileInput, makeField, withProgress, make, run, openSession, softmax } from "./common.js";
import { makeBars, drawColor, makeLayerMaps } from "./maps.js";
import { trackNewest } from "./newest.js";
import { findCenteredBox, readImage, resize } from "./pixels.js";

const NET = "convnetjs_cifar10.activations";
const SIDE = 32;
const SAMPLES = {
  chelsea: "Chelsea the cat (Stéfan van der Walt, CC0)", rocket: "Falcon 9 (SpaceX, CC0)", coffee: "Coffee (Rachel Michetti, CC0)",
  astronaut: "Eileen Collins (NASA, public domain)", camera: "Cameraman (Lav Varshney, CC0)",
};
const LAYERS = {
  rescaling: { shape: [32, 32, 3], words: "input of the network, p / 255 − 0.5", zoom: 4, color: true },
  conv2d: { shape: [32, 32, 16], words: "convolution 5 × 5 with 16 filters (1,216 weights), ReLU", zoom: 1, perRow: 8, low: 0 },
  max_pooling2d: { shape: [16, 16, 16], words: "max pooling 2 × 2", zoom: 2, perRow: 8, low: 0 },
  conv2d_1: { shape: [16, 16, 20], words: "convolution 5 × 5 with 20 filters (8,020 weights), ReLU", zoom: 2, perRow: 10, low: 0 },
  max_pooling2d_1: { shape: [8, 8, 20], words: "max pooling 2 × 2", zoom: 3, perRow: 10, low: 0 },
  conv2d_2: { shape: [8, 8, 20], words: "convolution 5 × 5 with 20 filters (10,020 weights), ReLU", zoom: 3, perRow: 10, low: 0 },
  max_pooling2d_2: { shape: [4, 4, 20], words: "max pooling 2 × 2; 10 × 320 more weights compute the logits from it", zoom: 5, perRow: 10, low: 0 },
};

/** Crop RGB bytes (height, width, 3) to the centered square and resize it to 32 x 32. */
export const prepare = (rgb, shape) => Float32Array.from(resize(rgb, shape, [SIDE, SIDE], findCenteredBox(shape, [SIDE, SIDE])));

/** Return {probabilities, outputs, ms} of a prepared image. */
export async function classify(net, pixels) {
  const { outputs, ms } = await run(net, { picture: [pixels, [1, SIDE, SIDE, 3]] });
  return { probabilities: softmax(outputs.logits.data), outputs, ms };
}

export async function mount(element) {
  const net = await withProgress(element, (report) => openSession(NET, report));

  const canvas = make("canvas", { class: "cifar-image", role: "img", "aria-label": "the image" });
  const answer = make("div", { class: "digit-answer", role: "status", "aria-live": "polite" });
  const time = make("div", { class: "live-note" });
  const chart = makeBars(net.metadata.classes);
  const layers = makeLayerMaps(LAYERS);
  const problems = make("div");

  const begin = trackNewest();
  async function show(source) {
    const isCurrent = begin();
    try {
      const { rgb, shape } = await readImage(source, 512);
      if (!isCurrent()) return;
      explain(problems, null);
      drawColor(canvas, rgb, shape);
      const { probabilities, outputs, ms } = await classify(net, prepare(rgb, shape));
      answer.textContent = net.metadata.classes[probabilities.indexOf(Math.max(...probabilities))];
      chart.update(probabilities);
      layers.draw(outputs);
      time.textContent = `network: ${ms.toFixed(1)} ms`;
      Object.assign(element.dataset, { answer: answer.textContent, ms: ms.toFixed(2) });
    } catch (error) {
      explain(problems, error);
    }
  }

  const getSampleUrl = (name) => new URL(`samples/${name}.png`, import.meta.url).href;
  element.classList.add("live-drop");
  element.append(
    make("div", { class: "live-row" },
      makeField("Your image (or drop it here)", makeFileInput(element, "image/*", show)),
      make("div", { class: "live-samples" }, ...Object.entries(SAMPLES).map(([name, words]) => {
        const thumbnail = makeButton("", () => show(getSampleUrl(name)), { "aria-label": words, title: words });
        thumbnail.append(make("img", { src: getSampleUrl(name), alt: "", loading: "lazy" }));
        return thumbnail;
      })),
    ),
    problems,
    make("div", { class: "live-row" }, canvas, make("div", { class: "digit-result" }, answer, chart.element, time)),
    layers.element,
    make("p", { class: "live-note" },
      `Classes: ${net.metadata.classes.join(", ")}. Every image gets one of them. Samples: ${Object.values(SAMPLES).join("; ")}.`),
  );
  await show(getSampleUrl("chelsea"));
}
