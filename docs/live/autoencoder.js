// An autoencoder of digits: the plane of its codes, and the digit that each place of the plane stands for.

import { CodeTraining, prepareInput, SIDE } from "./code_training.js";
import { explain, make, makeButton, makeFigure, withProgress } from "./common.js";
import { buildNet } from "./definition.js";
import { loadDigits } from "./digits.js";
import { drawMaps, setSize } from "./maps.js";
import { formatNumber, makeDefinitionBox, makeLoop, makeSettings, showStats } from "./net_parts.js";
import { chooseSeed } from "./random.js";

export const NETWORK = "input 28 x 28 x 1\nfc 50, tanh\nfc 50, tanh\nfc 2\nfc 50, tanh\nfc 50, tanh\nregression 784";
export const SETTINGS = { method: "adam", rate: 0.003, batch: 10, decay: 0 };
const SIZE = 340, NUM_CODES = 300, NUM_EXAMPLES = 10, STEP = 8; // pixels of the plane; its digits; digits with reconstructions; pixels of an arrow key
const COLORS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#6b6b6b", "#9a9b1c", "#17a2b8"]; // of the digits

export async function mount(element) {
  const data = await withProgress(element, loadDigits);
  let training, seed = 1, limits = [[-1, 1], [-1, 1]], place = [SIZE / 2, SIZE / 2];
  const problems = make("div"), stats = make("dl", { class: "live-stats" });
  const plane = make("canvas", { width: SIZE, height: SIZE, tabindex: 0, class: "live-pad plane", role: "application", "aria-label": "Plane of codes. Arrow keys move the place that is decoded." });
  const decoded = make("canvas", { role: "img", "aria-label": "the digit of the place" }), words = make("span", {});
  const pairs = Array.from({ length: NUM_EXAMPLES }, () => [0, 1].map((i) => make("canvas", { role: "img", "aria-label": i ? "reconstruction" : "test digit" })));

  const toPixels = (code) => [0, 1].map((k) => {
    const share = (code[k] - limits[k][0]) / (limits[k][1] - limits[k][0]);
    return SIZE * (k ? 1 - share : share);
  });
  const toCode = (at) => [0, 1].map((k) => limits[k][0] + ((k ? SIZE - at[1] : at[0]) / SIZE) * (limits[k][1] - limits[k][0]));

  function drawPlane() {
    const digits = data.train.slice(0, NUM_CODES), codes = digits.map((d) => training.encode(d).code), context = plane.getContext("2d");
    limits = [0, 1].map((k) => {
      const values = codes.map((c) => c[k]), low = Math.min(...values), high = Math.max(...values), margin = 0.06 * (high - low) || 1;
      return [low - margin, high + margin];
    });
    setSize(plane, SIZE, SIZE);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, SIZE, SIZE);
    context.font = "bold 12px sans-serif";
    context.textAlign = "center";
    context.textBaseline = "middle";
    for (const [i, code] of codes.entries()) {
      context.fillStyle = COLORS[digits[i].label];
      context.fillText(digits[i].label, ...toPixels(code));
    }
    context.strokeStyle = "#000";
    context.lineWidth = 2;
    context.strokeRect(place[0] - 8, place[1] - 8, 16, 16);
  }

  function drawDecoded() {
    const code = toCode(place);
    drawMaps(decoded, training.decode(code), [SIDE, SIDE, 1], { zoom: 5, low: 0, high: 1 });
    words.textContent = `the digit of the code (${code.map((v) => v.toFixed(2)).join(", ")})`;
    element.dataset.code = code.map((v) => v.toFixed(4)).join();
  }

  function show() {
    drawPlane();
    drawDecoded();
    for (const [i, [input, output]] of pairs.entries()) {
      const digit = data.test[i];
      drawMaps(input, prepareInput(digit), [SIDE, SIDE, 1], { zoom: 2, low: 0, high: 1 });
      drawMaps(output, training.encode(digit).output, [SIDE, SIDE, 1], { zoom: 2, low: 0, high: 1 });
    }
    const { trainer, loss, net } = training;
    showStats(stats, {
      "digits": trainer.numExamples.toLocaleString("en"), "loss, half the squared error": formatNumber(loss, 2),
      "parameters": net.parameters.reduce((n, p) => n + p.value.length, 0).toLocaleString("en"),
    });
    Object.assign(element.dataset, { examples: trainer.numExamples, loss: formatNumber(loss, 4) });
  }

  function movePlace(x, y) {
    place = [x, y].map((v) => Math.max(0, Math.min(SIZE, v)));
    loop.isRunning() ? drawDecoded() : (drawPlane(), drawDecoded());
  }
  for (const name of ["pointerdown", "pointermove"]) {
    plane.addEventListener(name, (event) => {
      const box = plane.getBoundingClientRect();
      movePlace(((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height);
    });
  }
  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  plane.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    movePlace(place[0] + STEP * move[0], place[1] + STEP * move[1]);
  });

  function begin(net) {
    const next = new CodeTraining(data, net, settings.read(), seed);
    loop.switch(false);
    training = next;
    show();
  }

  const loop = makeLoop(element, () => training.step(), () => show(), (error) => explain(problems, error), { redraw: 700, words: "Start learning" });
  const settings = makeSettings(SETTINGS, (values) => training.trainer.change(values));
  const box = makeDefinitionBox(NETWORK, (text) => begin(buildNet(text, seed)), { rows: 8 });
  element.append(
    make("div", { class: "live-row" }, loop.button, makeButton("New random weights", () => { seed = chooseSeed(); box.build(); })),
    problems,
    make("div", { class: "live-row" },
      make("div", { class: "plane-box" }, makeFigure(`codes of ${NUM_CODES} training digits; move over the plane to decode a place`, plane)),
      make("div", {}, makeFigure(words, decoded), stats)),
    makeFigure("ten test digits, and what the network makes of them", make("div", { class: "code-pairs" }, ...pairs.map((p) => make("div", {}, ...p)))),
    box.element, settings.element, make("p", { class: "live-note" }, data.credit),
  );
  begin(buildNet(NETWORK, seed));
}
