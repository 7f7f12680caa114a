// Draw a digit: convnetjs_mnist answers at every stroke, and shows all its layers.

import { button, explain, figure, fileInput, labeled, LiveError, loaded, make, newest, run, session, softmax } from "./common.js";
import { digits } from "./digits.js";
import { bars, drawMaps, layerMaps } from "./maps.js";
import { SIDE, pad } from "./pad.js";
import { center, digit, gray, readPicture } from "./pixels.js";

const NET = "convnetjs_mnist.activations";
const LAYERS = {
  rescaling: { shape: [24, 24, 1], words: "what the first layer gets, p / 255 − 0.5", zoom: 3, low: -0.5, high: 0.5 },
  conv2d: { shape: [24, 24, 8], words: "convolution 5 × 5 with 8 filters (208 weights), rectifier", zoom: 2, perRow: 8, low: 0 },
  max_pooling2d: { shape: [12, 12, 8], words: "max pooling 2 × 2", zoom: 3, perRow: 8, low: 0 },
  conv2d_1: { shape: [12, 12, 16], words: "convolution 5 × 5 with 16 filters (3,216 weights), rectifier", zoom: 3, perRow: 8, low: 0 },
  max_pooling2d_1: { shape: [4, 4, 16], words: "max pooling 3 × 3; 10 × 256 more weights make the answer of it", zoom: 6, perRow: 8, low: 0 },
};

/** What the network says to a prepared digit, bytes (28, 28): {probabilities, outputs, ms}. */
export async function classify(net, prepared) {
  const picture = Float32Array.from(center(prepared, 28, 24));
  const { outputs, ms } = await run(net, { picture: [picture, [1, 24, 24, 1]] });
  return { probabilities: softmax(outputs.logits.data), outputs, ms };
}

export async function mount(element) {
  const [net, samples] = await loaded(element, async (report) => [await session(NET, report), await digits(report)]);

  const { classes } = net.told;
  const answer = make("div", { class: "digit-answer", role: "status", "aria-live": "polite" });
  const time = make("div", { class: "live-note" });
  const chart = bars(classes);
  const input = make("canvas", { role: "img", "aria-label": "the drawing as prepared, 28 by 28 pixels" });
  const layers = layerMaps(LAYERS);
  const problems = make("div");
  let busy = false, next = null;

  /** Answer to what `prepare` gives, bytes (28, 28); while an answer is being computed only the newest drawing waits. */
  async function answerTo(prepare) {
    if (busy) return void (next = prepare);
    busy = true;
    const begin = performance.now();
    explain(problems, null);
    try {
      const prepared = prepare();
      const { probabilities, outputs, ms } = await classify(net, prepared);
      const best = classes[probabilities.indexOf(Math.max(...probabilities))];
      answer.textContent = best;
      chart.update(probabilities);
      const whole = performance.now() - begin;
      drawMaps(input, prepared, [28, 28, 1], { zoom: 3, low: 0, high: 255 });
      layers.draw(outputs);
      time.textContent = `the network took ${ms.toFixed(1)} ms, with preparing the drawing ${whole.toFixed(1)} ms`;
      Object.assign(element.dataset, { answer: best, ms: ms.toFixed(2), wholeMs: whole.toFixed(2) });
    } catch (error) {
      clearViews();
      if (!(error instanceof LiveError)) explain(problems, error); // an empty pad is no error
    }
    busy = false;
    if (next) {
      const waiting = next;
      next = null;
      answerTo(waiting);
    }
  }

  function clearViews() {
    answer.textContent = "";
    chart.update(classes.map(() => 0));
    drawMaps(input, new Uint8Array(28 * 28), [28, 28, 1], { zoom: 3 });
    layers.clear();
    time.textContent = "Draw a digit, large or small, anywhere on the pad.";
  }

  const choice = newest();
  const drawing = pad(() => {
    choice();
    answerTo(() => digit(drawing.ink, [SIDE, SIDE]));
  });

  function showSample(label) {
    choice();
    const some = samples.test.filter((d) => d.label === label), one = some[Math.floor(Math.random() * some.length)];
    drawing.show(one.pixels, [28, 28]);
    answerTo(() => one.pixels); // MNIST's are prepared already
  }

  async function fromFile(file) {
    const current = choice();
    try {
      const { rgb, shape } = await readPicture(file, 512);
      if (!current()) return;
      const prepared = digit(gray(rgb), shape);
      drawing.show(prepared, [28, 28]);
      answerTo(() => prepared);
    } catch (error) {
      explain(problems, error);
    }
  }

  element.append(
    make("div", { class: "live-row" }, drawing.element, make("div", { class: "digit-result" }, answer, chart.element, time)),
    make("div", { class: "live-row" },
      make("div", {}, make("div", { class: "live-note" }, "A digit of MNIST's test set"), ...Array.from("0123456789", (n) => button(n, () => showSample(+n)))),
      labeled("A photograph of a digit (or drop it here)", fileInput(element, "image/*", fromFile)),
    ),
    problems,
    figure("the drawing, prepared as MNIST's digits are: 28 × 28, of which the network takes the middle 24 × 24", input),
    layers.element,
    make("p", { class: "live-note" }, samples.credit),
  );
  clearViews();
}
