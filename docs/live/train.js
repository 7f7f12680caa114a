// Train the digit network of ConvNetJS in the page: net.js on the digits of MNIST that come with the site.

import { makeButton, explain, makeFigure, makeFileInput, makeField, LiveError, withProgress, make, offerFile } from "./common.js";
import { loadDigits } from "./digits.js";
import { makeBars, makeCurves, drawMaps, makeLayerMaps, findLimits } from "./maps.js";
import { DIGITS, Net } from "./net.js";
import { cropCenter } from "./pixels.js";
import { SETTINGS, Trainer } from "./trainer.js";

const WINDOW = 200; // examples in a moving average
const SLICE = 40, REDRAW = 300; // ms of training until the page handles events; ms between two updates of the plots
const POINT = 100; // examples between two points of the curves
const NUM_TESTS = 9; // test digits with their results
const CLASSES = [..."0123456789"];

/** Return the input for a digit, p / 255 - 0.5: a crop of side x side at `corner`, by default at the center. */
export function prepareInput({ pixels }, side, corner = [(28 - side) >> 1, (28 - side) >> 1]) {
  return Float64Array.from(cropCenter(pixels, 28, side, 1, ...corner), (p) => p / 255 - 0.5);
}

/** Mean of the last `size` numbers. */
class MovingAverage {
  constructor(size) {
    Object.assign(this, { size, values: [] });
  }

  add(value) {
    this.values.push(value);
    if (this.values.length > this.size) this.values.shift();
  }

  get mean() {
    return this.values.length ? this.values.reduce((a, b) => a + b, 0) / this.values.length : NaN;
  }
}

const formatPercent = (x) => (Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : "–");
const argmax = (values) => values.indexOf(Math.max(...values));

export async function mount(element) {
  const data = await withProgress(element, loadDigits);

  let net, trainer, running = false, numTested = 0, lastDrawing = 0, averages;
  const problems = make("div");
  const stats = make("dl", { class: "live-stats" });
  const loss = makeCurves("Loss of the last 200 digits", { classification: "#3949ab", "with decay": "#f57c00" }, { high: 2.5 });
  const accuracy = makeCurves("Accuracy on the last 200 digits", { "training digits": "#3949ab", "test digits": "#388e3c" }, { high: 100, unit: " %" });

  // -------------------------------------------------------------------------------------------- training

  function begin(newNet) {
    if (newNet.inputShape[2] !== 1 || newNet.inputShape[0] !== newNet.inputShape[1] || newNet.inputShape[0] > 28 || newNet.layers.at(-1)?.size !== 10) {
      throw new LiveError("This snapshot is not a network for digits, which has a square input of one channel, at most 28 × 28, and 10 classes.");
    }
    const settings = readSettings(); // throws before anything is changed
    net = newNet;
    trainer = new Trainer(net, settings);
    const makeAverage = () => new MovingAverage(WINDOW);
    averages = Object.fromEntries(["loss", "total", "train", "test", "forward", "backward"].map((name) => [name, makeAverage()]));
    numTested = 0;
    for (const curve of [loss, accuracy]) curve.clear();
    showNetwork();
    show();
  }

  function step() {
    const { train, test } = data, side = net.inputShape[0], room = 29 - side;
    const digit = train[Math.floor(Math.random() * train.length)];
    const corner = [Math.floor(Math.random() * room), Math.floor(Math.random() * room)];
    const result = trainer.train(prepareInput(digit, side, corner), digit.label);
    averages.loss.add(result.loss);
    averages.total.add(result.loss + result.decayLoss);
    averages.train.add(result.isCorrect);
    averages.forward.add(result.forward);
    averages.backward.add(result.backward);
    if (trainer.numExamples % 5 === 0) {
      // one test digit after every fifth training digit avoids a pause for a whole test
      const next = test[numTested++ % test.length];
      averages.test.add(argmax(net.forward(prepareInput(next, side))) === next.label);
    }
    if (trainer.numExamples % POINT === 0) {
      loss.add(trainer.numExamples, { classification: averages.loss.mean, "with decay": averages.total.mean });
      accuracy.add(trainer.numExamples, { "training digits": 100 * averages.train.mean, "test digits": 100 * averages.test.mean });
    }
  }

  function trainSlice() {
    if (!running || !element.isConnected) return;
    const end = performance.now() + SLICE;
    do step(); while (performance.now() < end);
    if (performance.now() - lastDrawing > REDRAW) show();
    setTimeout(trainSlice);
  }

  function switchTraining(on) {
    running = on;
    start.textContent = on ? "Pause" : trainer.numExamples ? "Continue" : "Start training";
    start.setAttribute("aria-pressed", on);
    on ? trainSlice() : show();
  }

  // -------------------------------------------------------------------------------------------- controls

  const makeSetting = (words, name, more) => {
    const control = make("input", { type: "number", value: SETTINGS[name], min: 0, step: "any", onchange: () => change(), ...more });
    return { name, control, element: makeField(words, control) };
  };
  const method = make("select", { onchange: () => change() },
    make("option", { value: "sgd" }, "SGD"), make("option", { value: "adadelta" }, "Adadelta"));
  const fields = [
    makeSetting("learning rate (SGD)", "rate"), makeSetting("momentum (SGD)", "momentum", { max: 0.999 }),
    makeSetting("batch size", "batch", { min: 1, step: 1 }), makeSetting("weight decay", "decay"),
  ];

  function readSettings() {
    const settings = { method: method.value };
    for (const { name, control } of fields) {
      const value = control.valueAsNumber;
      if (!control.checkValidity() || !Number.isFinite(value)) throw new LiveError(`${control.parentElement.firstChild.textContent}: ${control.validationMessage || "enter a number"}`);
      settings[name] = value;
    }
    return settings;
  }

  function change() {
    try {
      const settings = readSettings(), isOther = settings.method !== trainer.settings.method;
      explain(problems, null);
      Object.assign(trainer.settings, settings);
      if (isOther) trainer.reset(); // each method has its own state
    } catch (error) {
      explain(problems, error);
    }
    for (const { name, control } of fields) if (name === "rate" || name === "momentum") control.disabled = method.value === "adadelta";
  }

  async function readFile(file) {
    try {
      const snapshot = await file.text().then(JSON.parse).catch(() => { throw new LiveError(`${file.name} is not a JSON file.`); });
      switchTraining(false);
      begin(Net.fromJSON(snapshot));
      explain(problems, null);
    } catch (error) {
      explain(problems, error);
    }
  }

  const start = makeButton("Start training", () => switchTraining(!running), { class: "live-start" });
  const actions = make("div", { class: "live-row" },
    start,
    makeButton("New random weights", () => {
      try {
        begin(new Net(DIGITS, Math.floor(Math.random() * 2 ** 31)));
        explain(problems, null);
      } catch (error) {
        explain(problems, error);
      }
    }),
    makeButton("Clear the graphs", () => { loss.clear(); accuracy.clear(); }),
    makeButton("Save as JSON", () => offerFile(JSON.stringify(net.toJSON()), "digits.json")),
    makeField("Load a ConvNetJS JSON (or drop it here)", makeFileInput(element, ".json,application/json", readFile)),
  );

  // -------------------------------------------------------------------------------------------- views

  const network = make("div");
  let maps, weights;
  function showNetwork() {
    const chooseZoom = ([height]) => (height >= 20 ? 2 : height >= 10 ? 3 : 6);
    const describe = (l) => (l.kind === "conv" ? `convolution ${l.sx} × ${l.sy}` : l.kind === "pool" ? `max pooling ${l.sx} × ${l.sy}` : l.kind);
    const spatial = net.layers.map((l, i) => [`layer ${i}`, l]).filter(([, l]) => l.shape[0] > 1);
    maps = makeLayerMaps({
      input: { shape: net.inputShape, words: "input", zoom: 3, low: -0.5, high: 0.5 },
      ...Object.fromEntries(spatial.map(([name, l]) => [name, { shape: l.shape, words: describe(l), zoom: chooseZoom(l.shape), perRow: 8, symmetric: l.kind === "conv", ...(l.kind === "relu" ? { low: 0 } : {}) }])),
    });
    weights = net.layers.filter((l) => l.kind === "conv").map((layer) => {
      const range = make("span", {}), canvas = make("canvas", { role: "img", "aria-label": "weights" });
      const depth = layer.inputShape[2];
      const note = depth > 1 ? `, the part for map 1 of ${depth}` : "";
      return { layer, canvas, range, element: makeFigure(make("span", {}, `weights of ${layer.shape[2]} filters ${layer.sx} × ${layer.sy}${note}: zero is gray; `, range), canvas) };
    });
    network.replaceChildren(make("h4", {}, "Weights"), ...weights.map((w) => w.element), make("h4", {}, "Activations of one test digit"), maps.element);
  }

  const tests = Array.from({ length: NUM_TESTS }, () => {
    const canvas = make("canvas", { role: "img", "aria-label": "test digit" }), chart = makeBars(CLASSES, 3);
    return { canvas, chart, element: make("div", {}, canvas, chart.element) };
  });

  function show() {
    lastDrawing = performance.now();
    const rows = {
      "training digits": trainer.numExamples.toLocaleString("en"), "classification loss": averages.loss.mean.toFixed(3), "loss with decay": averages.total.mean.toFixed(3),
      "training accuracy": formatPercent(averages.train.mean), "test accuracy": formatPercent(averages.test.mean),
      "forward": `${averages.forward.mean.toFixed(2)} ms per digit`, "backward": `${averages.backward.mean.toFixed(2)} ms per digit`,
    };
    stats.replaceChildren(...Object.entries(rows).flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, v.replace(/NaN/, "–"))]));
    const side = net.inputShape[0];
    for (const [i, view] of tests.entries()) {
      const digit = data.test[(Math.floor(trainer.numExamples / 500) * NUM_TESTS + i * 11) % data.test.length], x = prepareInput(digit, side);
      view.chart.update(net.forward(x), digit.label);
      drawMaps(view.canvas, x, net.inputShape, { zoom: 2, low: -0.5, high: 0.5 });
      if (i === NUM_TESTS - 1) maps.draw({ input: x, ...Object.fromEntries(net.layers.map((l, k) => [`layer ${k}`, l.out])) });
    }
    for (const { layer, canvas, range } of weights) {
      const { sx, sy } = layer, depth = layer.inputShape[2], filters = layer.shape[2], { value } = layer.parameters[0];
      const slice = Float64Array.from({ length: sx * sy * filters }, (_, i) => value[(i % filters) * layer.fanIn + Math.floor(i / filters) * depth]);
      drawMaps(canvas, slice, [sy, sx, filters], { zoom: 7, perRow: 8, symmetric: true });
      range.textContent = findLimits(value).map((v) => v.toFixed(2)).join(" to ");
    }
    Object.assign(element.dataset, {
      examples: trainer.numExamples, train: averages.train.mean.toFixed(4), test: averages.test.mean.toFixed(4),
      rate: (1000 / (averages.forward.mean + averages.backward.mean)).toFixed(1),
    });
  }

  element.append(
    actions,
    make("div", { class: "live-row" }, makeField("method", method), ...fields.map((f) => f.element)),
    problems,
    make("div", { class: "live-row" }, stats, make("div", { class: "train-curves live-grow" }, loss.element, accuracy.element)),
    make("h4", {}, "Test digits with the three most probable classes"),
    make("div", { class: "train-tests" }, ...tests.map((t) => t.element)),
    network,
    make("p", { class: "live-note" }, data.credit),
  );
  begin(new Net(DIGITS, 1));
  change();
}
