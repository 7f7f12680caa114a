// Draw a digit: convnetjs_mnist classifies it after every stroke, and the page shows all its layers.

import { makeButton, explain, makeFigure, makeFileInput, makeField, LiveError, withProgress, make, run, openSession, softmax } from "./common.js";
import { loadDigits } from "./digits.js";
import { makeBars, drawMaps, makeLayerMaps } from "./maps.js";
import { trackNewest } from "./newest.js";
import { SIDE, makePad } from "./pad.js";
import { cropCenter, prepareDigit, toGray, readImage } from "./pixels.js";

const NET = "convnetjs_mnist.activations";
const LAYERS = {
  rescaling: { shape: [24, 24, 1], words: "input of the first layer, p / 255 − 0.5", zoom: 3, low: -0.5, high: 0.5 },
  conv2d: { shape: [24, 24, 8], words: "convolution 5 × 5 with 8 filters (208 weights), ReLU", zoom: 2, perRow: 8, low: 0 },
  max_pooling2d: { shape: [12, 12, 8], words: "max pooling 2 × 2", zoom: 3, perRow: 8, low: 0 },
  conv2d_1: { shape: [12, 12, 16], words: "convolution 5 × 5 with 16 filters (3,216 weights), ReLU", zoom: 3, perRow: 8, low: 0 },
  max_pooling2d_1: { shape: [4, 4, 16], words: "max pooling 3 × 3; 10 × 256 more weights compute the logits from it", zoom: 6, perRow: 8, low: 0 },
};

/** Classify a prepared digit, bytes (28, 28): {probabilities, outputs, ms}. */
export async function classify(net, digit) {
  const image = Float32Array.from(cropCenter(digit, 28, 24));
  const { outputs, ms } = await run(net, { picture: [image, [1, 24, 24, 1]] });
  return { probabilities: softmax(outputs.logits.data), outputs, ms };
}

export async function mount(element) {
  const [net, samples] = await withProgress(element, async (report) => [await openSession(NET, report), await loadDigits(report)]);

  const { classes } = net.metadata;
  const answer = make("div", { class: "digit-answer", role: "status", "aria-live": "polite" });
  const time = make("div", { class: "live-note" });
  const chart = makeBars(classes);
  const input = make("canvas", { role: "img", "aria-label": "the prepared drawing, 28 by 28 pixels" });
  const layers = makeLayerMaps(LAYERS);
  const problems = make("div");
  let busy = false, next = null;

  /** Classify the digit, bytes (28, 28), that `prepare` returns. During a classification only the newest drawing waits. */
  async function classifyDrawing(prepare) {
    if (busy) return void (next = prepare);
    busy = true;
    const begin = performance.now();
    explain(problems, null);
    try {
      const digit = prepare();
      const { probabilities, outputs, ms } = await classify(net, digit);
      const best = classes[probabilities.indexOf(Math.max(...probabilities))];
      answer.textContent = best;
      chart.update(probabilities);
      const total = performance.now() - begin;
      drawMaps(input, digit, [28, 28, 1], { zoom: 3, low: 0, high: 255 });
      layers.draw(outputs);
      time.textContent = `network: ${ms.toFixed(1)} ms; with the preparation of the drawing: ${total.toFixed(1)} ms`;
      Object.assign(element.dataset, { answer: best, ms: ms.toFixed(2), totalMs: total.toFixed(2) });
    } catch (error) {
      clearViews();
      if (!(error instanceof LiveError)) explain(problems, error); // an empty pad is not an error
    }
    busy = false;
    if (next) {
      const waiting = next;
      next = null;
      classifyDrawing(waiting);
    }
  }

  function clearViews() {
    answer.textContent = "";
    chart.update(classes.map(() => 0));
    drawMaps(input, new Uint8Array(28 * 28), [28, 28, 1], { zoom: 3 });
    layers.clear();
    time.textContent = "Draw a digit, large or small, anywhere on the pad.";
  }

  const beginChoice = trackNewest();
  const drawing = makePad(() => {
    beginChoice();
    classifyDrawing(() => prepareDigit(drawing.ink, [SIDE, SIDE]));
  });

  function showSample(label) {
    beginChoice();
    const digits = samples.test.filter((d) => d.label === label), digit = digits[Math.floor(Math.random() * digits.length)];
    drawing.show(digit.pixels, [28, 28]);
    classifyDrawing(() => digit.pixels); // digits of MNIST need no preparation
  }

  async function readFile(file) {
    const isCurrent = beginChoice();
    try {
      const { rgb, shape } = await readImage(file, 512);
      if (!isCurrent()) return;
      const digit = prepareDigit(toGray(rgb), shape);
      drawing.show(digit, [28, 28]);
      classifyDrawing(() => digit);
    } catch (error) {
      explain(problems, error);
    }
  }

  element.append(
    make("div", { class: "live-row" }, drawing.element, make("div", { class: "digit-result" }, answer, chart.element, time)),
    make("div", { class: "live-row" },
      make("div", {}, make("div", { class: "live-note" }, "A digit of MNIST's test set"), ...Array.from("0123456789", (n) => makeButton(n, () => showSample(+n)))),
      makeField("A photograph of a digit (or drop it here)", makeFileInput(element, "image/*", readFile)),
    ),
    problems,
    makeFigure("the drawing, prepared like the digits of MNIST: 28 × 28 pixels; the network reads the central 24 × 24", input),
    layers.element,
    make("p", { class: "live-note" }, samples.credit),
  );
  clearViews();
}
