// Train ConvNetJS's digit net in the page: net.js on the bundled digits of MNIST.

import { button, explain, figure, fileInput, labeled, LiveError, loaded, make, offer } from "./common.js";
import { digits } from "./digits.js";
import { bars, curves, drawMaps, layerMaps, limits } from "./maps.js";
import { DIGITS, Net } from "./net.js";
import { center } from "./pixels.js";
import { SETTINGS, Trainer } from "./trainer.js";

const WINDOW = 200; // examples that an accuracy is of
const SLICE = 40, REDRAW = 300; // ms of training before the page may breathe; between drawings
const POINT = 100; // examples between two points of the curves
const SHOWN = 9; // test digits with their answers
const CLASSES = [..."0123456789"];

/** The network's input of a digit: a cut-out of 24 x 24, p / 255 - 0.5; in training anywhere, else the middle. */
export function input({ pixels }, side, place = [(28 - side) >> 1, (28 - side) >> 1]) {
  return Float64Array.from(center(pixels, 28, side, 1, ...place), (p) => p / 255 - 0.5);
}

/** The mean of the newest `size` numbers. */
class Recent {
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

const percent = (x) => (Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : "–");
const most = (values) => values.indexOf(Math.max(...values));

export async function mount(element) {
  const data = await loaded(element, digits);

  let net, trainer, running = false, tested = 0, drawn = 0, recent;
  const problems = make("div");
  const stats = make("dl", { class: "live-stats" });
  const loss = curves("Loss of the last 200 digits", { classification: "#3949ab", "with decay": "#f57c00" }, { high: 2.5 });
  const accuracy = curves("Right answers of the last 200 digits", { "training digits": "#3949ab", "test digits": "#388e3c" }, { high: 100, unit: " %" });

  // -------------------------------------------------------------------------------------------- training

  function begin(made) {
    if (made.inputShape[2] !== 1 || made.inputShape[0] !== made.inputShape[1] || made.inputShape[0] > 28 || made.layers.at(-1)?.size !== 10) {
      throw new LiveError("This snapshot is no net for digits: it needs a square input of one channel, at most 28 × 28, and 10 classes.");
    }
    const settings = read(); // throws before anything is changed
    net = made;
    trainer = new Trainer(net, settings);
    const window = () => new Recent(WINDOW);
    recent = { loss: window(), whole: window(), train: window(), test: window(), forward: window(), backward: window() };
    tested = 0;
    for (const curve of [loss, accuracy]) curve.clear();
    showNetwork();
    show();
  }

  function step() {
    const { train, test } = data, side = net.inputShape[0], room = 29 - side;
    const one = train[Math.floor(Math.random() * train.length)];
    const place = [Math.floor(Math.random() * room), Math.floor(Math.random() * room)];
    const got = trainer.train(input(one, side, place), one.label);
    recent.loss.add(got.loss);
    recent.whole.add(got.loss + got.decayLoss);
    recent.train.add(got.right);
    recent.forward.add(got.forward);
    recent.backward.add(got.backward);
    if (trainer.seen % 5 === 0) {
      // test digits one by one between the training digits: no pause for all of them
      const next = test[tested++ % test.length];
      recent.test.add(most(net.forward(input(next, side))) === next.label);
    }
    if (trainer.seen % POINT === 0) {
      loss.add(trainer.seen, { classification: recent.loss.mean, "with decay": recent.whole.mean });
      accuracy.add(trainer.seen, { "training digits": 100 * recent.train.mean, "test digits": 100 * recent.test.mean });
    }
  }

  function slice() {
    if (!running || !element.isConnected) return;
    const end = performance.now() + SLICE;
    do step(); while (performance.now() < end);
    if (performance.now() - drawn > REDRAW) show();
    setTimeout(slice);
  }

  function go(on) {
    running = on;
    start.textContent = on ? "Pause" : trainer.seen ? "Go on" : "Start training";
    start.setAttribute("aria-pressed", on);
    on ? slice() : show();
  }

  // -------------------------------------------------------------------------------------------- controls

  const field = (words, name, more) => {
    const control = make("input", { type: "number", value: SETTINGS[name], min: 0, step: "any", onchange: () => change(), ...more });
    return { name, control, element: labeled(words, control) };
  };
  const method = make("select", { onchange: () => change() },
    make("option", { value: "sgd" }, "SGD"), make("option", { value: "adadelta" }, "Adadelta"));
  const fields = [
    field("learning rate (SGD)", "rate"), field("momentum (SGD)", "momentum", { max: 0.999 }),
    field("batch size", "batch", { min: 1, step: 1 }), field("weight decay", "decay"),
  ];

  function read() {
    const settings = { method: method.value };
    for (const { name, control } of fields) {
      const value = control.valueAsNumber;
      if (!control.checkValidity() || !Number.isFinite(value)) throw new LiveError(`${control.parentElement.firstChild.textContent}: ${control.validationMessage || "a number is needed"}`);
      settings[name] = value;
    }
    return settings;
  }

  function change() {
    try {
      const settings = read(), other = settings.method !== trainer.settings.method;
      explain(problems, null);
      Object.assign(trainer.settings, settings);
      if (other) trainer.forget(); // the methods remember different things
    } catch (error) {
      explain(problems, error);
    }
    for (const { name, control } of fields) if (name === "rate" || name === "momentum") control.disabled = method.value === "adadelta";
  }

  async function fromFile(file) {
    try {
      const snapshot = await file.text().then(JSON.parse).catch(() => { throw new LiveError(`${file.name} is no JSON file.`); });
      go(false);
      begin(Net.fromJSON(snapshot));
      explain(problems, null);
    } catch (error) {
      explain(problems, error);
    }
  }

  const start = button("Start training", () => go(!running), { class: "live-start" });
  const actions = make("div", { class: "live-row" },
    start,
    button("New random weights", () => {
      try {
        begin(new Net(DIGITS, Math.floor(Math.random() * 2 ** 31)));
        explain(problems, null);
      } catch (error) {
        explain(problems, error);
      }
    }),
    button("Clear the graphs", () => { loss.clear(); accuracy.clear(); }),
    button("Save as JSON", () => offer(JSON.stringify(net.toJSON()), "digits.json")),
    labeled("Load a ConvNetJS JSON (or drop it here)", fileInput(element, ".json,application/json", fromFile)),
  );

  // -------------------------------------------------------------------------------------------- views

  const network = make("div");
  let maps, weights;
  function showNetwork() {
    const zoomOf = ([height]) => (height >= 20 ? 2 : height >= 10 ? 3 : 6);
    const words = (l) => (l.kind === "conv" ? `convolution ${l.sx} × ${l.sy}` : l.kind === "pool" ? `max pooling ${l.sx} × ${l.sy}` : l.kind);
    const spatial = net.layers.map((l, i) => [`layer ${i}`, l]).filter(([, l]) => l.shape[0] > 1);
    maps = layerMaps({
      input: { shape: net.inputShape, words: "input", zoom: 3, low: -0.5, high: 0.5 },
      ...Object.fromEntries(spatial.map(([name, l]) => [name, { shape: l.shape, words: words(l), zoom: zoomOf(l.shape), perRow: 8, symmetric: l.kind === "conv", ...(l.kind === "relu" ? { low: 0 } : {}) }])),
    });
    weights = net.layers.filter((l) => l.kind === "conv").map((layer) => {
      const range = make("span", {}), canvas = make("canvas", { role: "img", "aria-label": "weights" });
      const depth = layer.inputShape[2];
      const note = depth > 1 ? `, the part that sees map 1 of ${depth}` : "";
      return { layer, canvas, range, element: figure(make("span", {}, `weights of ${layer.shape[2]} filters ${layer.sx} × ${layer.sy}${note}: gray is zero; `, range), canvas) };
    });
    network.replaceChildren(make("h4", {}, "Weights"), ...weights.map((w) => w.element), make("h4", {}, "Activations for one test digit"), maps.element);
  }

  const tests = Array.from({ length: SHOWN }, () => {
    const canvas = make("canvas", { role: "img", "aria-label": "test digit" }), chart = bars(CLASSES, 3);
    return { canvas, chart, element: make("div", {}, canvas, chart.element) };
  });

  function show() {
    drawn = performance.now();
    const rows = {
      "digits seen": trainer.seen.toLocaleString("en"), "loss, classification": recent.loss.mean.toFixed(3), "loss with decay": recent.whole.mean.toFixed(3),
      "right of training digits": percent(recent.train.mean), "right of test digits": percent(recent.test.mean),
      "forward": `${recent.forward.mean.toFixed(2)} ms a digit`, "backward": `${recent.backward.mean.toFixed(2)} ms a digit`,
    };
    stats.replaceChildren(...Object.entries(rows).flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, v.replace(/NaN/, "–"))]));
    const side = net.inputShape[0];
    for (const [i, one] of tests.entries()) {
      const digit = data.test[(Math.floor(trainer.seen / 500) * SHOWN + i * 11) % data.test.length], x = input(digit, side);
      one.chart.update(net.forward(x), digit.label);
      drawMaps(one.canvas, x, net.inputShape, { zoom: 2, low: -0.5, high: 0.5 });
      if (i === SHOWN - 1) maps.draw({ input: x, ...Object.fromEntries(net.layers.map((l, k) => [`layer ${k}`, l.out])) });
    }
    for (const { layer, canvas, range } of weights) {
      const { sx, sy } = layer, depth = layer.inputShape[2], filters = layer.shape[2], { value } = layer.parameters[0];
      const one = Float64Array.from({ length: sx * sy * filters }, (_, i) => value[(i % filters) * layer.fanIn + Math.floor(i / filters) * depth]);
      drawMaps(canvas, one, [sy, sx, filters], { zoom: 7, perRow: 8, symmetric: true });
      range.textContent = limits(value).map((v) => v.toFixed(2)).join(" to ");
    }
    Object.assign(element.dataset, {
      seen: trainer.seen, train: recent.train.mean.toFixed(4), test: recent.test.mean.toFixed(4),
      rate: (1000 / (recent.forward.mean + recent.backward.mean)).toFixed(1),
    });
  }

  element.append(
    actions,
    make("div", { class: "live-row" }, labeled("method", method), ...fields.map((f) => f.element)),
    problems,
    make("div", { class: "live-row" }, stats, make("div", { class: "train-curves live-grow" }, loss.element, accuracy.element)),
    make("h4", {}, "Test digits, three best answers each"),
    make("div", { class: "train-tests" }, ...tests.map((t) => t.element)),
    network,
    make("p", { class: "live-note" }, data.credit),
  );
  begin(new Net(DIGITS, 1));
  change();
}
