// A picture of the reader's own in convnetjs_cifar10, 32 x 32 pixels, with all its layers.

import { button, explain, fileInput, labeled, loaded, make, newest, run, session, softmax } from "./common.js";
import { bars, drawColor, layerMaps } from "./maps.js";
import { centered, readPicture, resize } from "./pixels.js";

const NET = "convnetjs_cifar10.activations";
const SIDE = 32;
const SAMPLES = {
  chelsea: "Chelsea the cat (Stéfan van der Walt, CC0)", rocket: "Falcon 9 (SpaceX, CC0)", coffee: "Coffee (Rachel Michetti, CC0)",
  astronaut: "Eileen Collins (NASA, public domain)", camera: "Cameraman (Lav Varshney, CC0)",
};
const LAYERS = {
  rescaling: { shape: [32, 32, 3], words: "what the network gets, p / 255 − 0.5", zoom: 4, color: true },
  conv2d: { shape: [32, 32, 16], words: "convolution 5 × 5 with 16 filters (1,216 weights), rectifier", zoom: 1, perRow: 8, low: 0 },
  max_pooling2d: { shape: [16, 16, 16], words: "max pooling 2 × 2", zoom: 2, perRow: 8, low: 0 },
  conv2d_1: { shape: [16, 16, 20], words: "convolution 5 × 5 with 20 filters (8,020 weights), rectifier", zoom: 2, perRow: 10, low: 0 },
  max_pooling2d_1: { shape: [8, 8, 20], words: "max pooling 2 × 2", zoom: 3, perRow: 10, low: 0 },
  conv2d_2: { shape: [8, 8, 20], words: "convolution 5 × 5 with 20 filters (10,020 weights), rectifier", zoom: 3, perRow: 10, low: 0 },
  max_pooling2d_2: { shape: [4, 4, 20], words: "max pooling 2 × 2; 10 × 320 more weights make the answer of it", zoom: 5, perRow: 10, low: 0 },
};

/** RGB bytes (height, width, 3) as the network takes them: the middle square, 32 x 32. */
export const prepare = (rgb, shape) => Float32Array.from(resize(rgb, shape, [SIDE, SIDE], centered(shape, [SIDE, SIDE])));

/** {probabilities, outputs, ms} of a prepared picture. */
export async function classify(net, prepared) {
  const { outputs, ms } = await run(net, { picture: [prepared, [1, SIDE, SIDE, 3]] });
  return { probabilities: softmax(outputs.logits.data), outputs, ms };
}

export async function mount(element) {
  const net = await loaded(element, (report) => session(NET, report));

  const shown = make("canvas", { class: "cifar-picture", role: "img", "aria-label": "the picture" });
  const answer = make("div", { class: "digit-answer", role: "status", "aria-live": "polite" });
  const time = make("div", { class: "live-note" });
  const chart = bars(net.told.classes);
  const layers = layerMaps(LAYERS);
  const problems = make("div");

  const choice = newest();
  async function look(source) {
    const current = choice();
    try {
      const { rgb, shape } = await readPicture(source, 512);
      if (!current()) return;
      explain(problems, null);
      drawColor(shown, rgb, shape);
      const { probabilities, outputs, ms } = await classify(net, prepare(rgb, shape));
      answer.textContent = net.told.classes[probabilities.indexOf(Math.max(...probabilities))];
      chart.update(probabilities);
      layers.draw(outputs);
      time.textContent = `the network took ${ms.toFixed(1)} ms`;
      Object.assign(element.dataset, { answer: answer.textContent, ms: ms.toFixed(2) });
    } catch (error) {
      explain(problems, error);
    }
  }

  const place = (name) => new URL(`samples/${name}.png`, import.meta.url).href;
  element.classList.add("live-drop");
  element.append(
    make("div", { class: "live-row" },
      labeled("A picture of yours (or drop it here)", fileInput(element, "image/*", look)),
      make("div", { class: "live-samples" }, ...Object.entries(SAMPLES).map(([name, words]) => {
        const one = button("", () => look(place(name)), { "aria-label": words, title: words });
        one.append(make("img", { src: place(name), alt: "", loading: "lazy" }));
        return one;
      })),
    ),
    problems,
    make("div", { class: "live-row" }, shown, make("div", { class: "digit-result" }, answer, chart.element, time)),
    layers.element,
    make("p", { class: "live-note" },
      `It knows ${net.told.classes.join(", ")}, and must say one of them to every picture. Samples: ${Object.values(SAMPLES).join("; ")}.`),
  );
  await look(place("chelsea"));
}
