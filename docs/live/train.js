// Train an image classifier of your own definition in the page.

import { explain, LiveError, make, makeButton, makeField, makeFileInput, makeFigure, offerFile, softmax, withProgress } from "./common.js";
import { checkNet, loadDigitSet, makeOwnSet, makeShapeSet, prepareOwn } from "./data_sets.js";
import { buildNet, formatDefinition } from "./definition.js";
import { ImageTraining } from "./image_training.js";
import { makeLayerViews } from "./layer_views.js";
import { drawColor, drawMaps, makeBars, makeCurves } from "./maps.js";
import { Net } from "./net.js";
import { formatNumber, formatPercent, makeDefinitionBox, makeLoop, makeSettings, showStats } from "./net_parts.js";
import { trackNewest } from "./newest.js";
import { chooseSeed } from "./random.js";

const POINT = 100; // examples between two points of the curves
const NUM_TESTS = 8, TEST_PAUSE = 1500; // test images with their results; ms between two rounds of them

/** Draw an image, bytes or values of `shape`. */
function drawImage(canvas, pixels, shape, options) {
  shape[2] === 3 ? drawColor(canvas, pixels, shape, options) : drawMaps(canvas, pixels, shape, options);
}

export async function mount(element) {
  const digits = await withProgress(element, loadDigitSet);

  let data = digits, training, seed = 1, layers, lastTests = 0, tests = [], bars = null;
  const problems = make("div"), stats = make("dl", { class: "live-stats" }), curves = make("div", { class: "train-curves live-grow" });
  const network = make("div"), testBox = make("div", { class: "train-tests" }), ownResult = make("div", { class: "live-row" }), testLine = make("p", { class: "live-note", role: "status" });
  const credit = make("p", { class: "live-note" });
  let loss, accuracy;

  // -------------------------------------------------------------------------------------------- training

  function begin(net) {
    checkNet(net, data);
    const read = settings.read(); // throws before anything is changed
    loop.switch(false);
    training = new ImageTraining(data, net, read, seed);
    layers = makeLayerViews(net);
    network.replaceChildren(layers.element);
    loss = makeCurves(`Loss of the last 200 ${data.noun}`, { classification: "#3949ab", "with decay": "#f57c00" }, { high: 2.5, noun: data.noun });
    accuracy = makeCurves(`Accuracy on the last 200 ${data.noun}`, { training: "#3949ab", validation: "#388e3c" }, { high: 100, unit: " %", noun: data.noun });
    curves.replaceChildren(loss.element, accuracy.element);
    tests = Array.from({ length: NUM_TESTS }, () => ({ canvas: make("canvas", { role: "img", "aria-label": "test image" }), chart: makeBars(data.classes, Math.min(3, data.classes.length)) }));
    testBox.replaceChildren(...tests.map((t) => make("div", {}, t.canvas, t.chart.element)));
    bars = makeBars(data.classes);
    ownResult.replaceChildren();
    testLine.textContent = "";
    credit.textContent = data.credit;
    lastTests = 0;
    explain(problems, null);
    show();
  }

  function step() {
    training.step();
    const { numExamples, averages } = training;
    if (numExamples % POINT) return;
    loss.add(numExamples, { classification: averages.loss.mean, "with decay": averages.total.mean });
    accuracy.add(numExamples, { training: 100 * averages.train.mean, validation: 100 * averages.validation.mean });
  }

  const loop = makeLoop(element, step, () => show(), (error) => explain(problems, error));
  const settings = makeSettings({ rate: 0.05 }, (values) => training.trainer.change(values));

  // -------------------------------------------------------------------------------------------- data and network

  const box = makeDefinitionBox(data.definition, (text) => begin(buildNet(text, seed)));

  function choose(next) {
    data = next;
    box.set(data.definition);
    box.build();
  }

  const own = Object.create(null); // class: pixels of its images
  const ownList = make("span", { class: "live-note" }), ownName = make("input", { type: "text", class: "net-text", value: "class 1", maxlength: 30 });
  const ownFiles = make("input", { type: "file", accept: "image/*", multiple: true, onchange: () => addImages([...ownFiles.files]) });
  async function addImages(files) {
    try {
      const name = ownName.value.trim();
      if (!name) throw new LiveError("Name the class first.");
      for (const file of files) (own[name] ??= []).push(await prepareOwn(file));
      ownFiles.value = "";
      ownList.textContent = Object.entries(own).map(([k, all]) => `${k}: ${all.length}`).join("; ");
      ownName.value = `class ${Object.keys(own).length + 1}`;
      explain(problems, null);
      if (Object.keys(own).length > 1) choose(makeOwnSet(own));
    } catch (error) {
      explain(problems, error);
    }
  }
  const ownBox = make("div", { class: "live-row", hidden: true },
    makeField("class of the next images", ownName), makeField("its images (several at once)", ownFiles), ownList);

  const dataChoice = make("select", {
    class: "net-select",
    onchange: () => {
      ownBox.hidden = dataChoice.value !== "own";
      try {
        if (dataChoice.value !== "own") choose(dataChoice.value === "digits" ? digits : makeShapeSet());
        else if (Object.keys(own).length > 1) choose(makeOwnSet(own));
      } catch (error) {
        explain(problems, error);
      }
    },
  }, make("option", { value: "digits" }, "MNIST digits"), make("option", { value: "shapes" }, "colored shapes"), make("option", { value: "own" }, "your own images"));

  async function readSnapshot(file) {
    if (file.type.startsWith("image/")) return classify(file); // dropped on the page
    try {
      const snapshot = await file.text().then(JSON.parse).catch(() => { throw new LiveError(`${file.name} is not a JSON file.`); });
      const net = Net.fromJSON(snapshot), text = formatDefinition(net);
      begin(net);
      box.set(text);
    } catch (error) {
      explain(problems, error);
    }
  }

  const beginChoice = trackNewest();
  async function classify(file) {
    const isCurrent = beginChoice();
    try {
      const pixels = await data.prepare(file);
      if (!isCurrent()) return;
      const canvas = make("canvas", { role: "img", "aria-label": "your image as the network gets it" }), output = training.average(pixels);
      drawImage(canvas, pixels, data.shape, { zoom: 3, low: 0, high: 255 });
      ownResult.replaceChildren(makeFigure(`your image, ${data.shape.slice(0, 2).join(" × ")} pixels; average of ${data.crops} crops`, canvas), bars.element);
      bars.update(toShares(output));
      element.dataset.own = data.classes[output.indexOf(Math.max(...output))];
      explain(problems, null);
    } catch (error) {
      explain(problems, error);
    }
  }

  const toShares = (output) => (training.net.lossKind === "svm" ? softmax(output) : output);

  // -------------------------------------------------------------------------------------------- views

  function showTests() {
    lastTests = performance.now();
    for (const [i, { example, output }] of training.testNext(NUM_TESTS).entries()) {
      drawImage(tests[i].canvas, example.pixels, data.shape, { zoom: 2, low: 0, high: 255 });
      tests[i].chart.update(toShares(output), example.label);
    }
  }

  function show() {
    const { numExamples, averages, net } = training;
    showStats(stats, {
      [`training ${data.noun}`]: numExamples.toLocaleString("en"), "loss": formatNumber(averages.loss.mean), "loss with decay": formatNumber(averages.total.mean),
      "training accuracy": formatPercent(averages.train.mean), "validation accuracy": formatPercent(averages.validation.mean),
      "forward": `${formatNumber(averages.forward.mean, 2)} ms`, "backward": `${formatNumber(averages.backward.mean, 2)} ms`,
      "parameters": net.parameters.reduce((n, p) => n + p.value.length, 0).toLocaleString("en"),
    });
    if (!loop.isRunning() || performance.now() - lastTests > TEST_PAUSE) showTests();
    const { pixels, label } = data.test[Math.floor(numExamples / 500) % data.test.length], x = training.crop(pixels);
    layers.draw(x, net.inspect(x, label));
    Object.assign(element.dataset, {
      examples: numExamples, train: averages.train.mean.toFixed(4), validation: averages.validation.mean.toFixed(4), test: averages.test.mean.toFixed(4),
      rate: (1000 / (averages.forward.mean + averages.backward.mean)).toFixed(1),
    });
  }

  function testAll() {
    const { averaged, central } = training.testAll();
    testLine.textContent = `Accuracy on all ${data.test.length} test images: ${formatPercent(averaged)} with averages of ${data.crops} crops, ${formatPercent(central)} with the central crop alone.`;
    Object.assign(element.dataset, { averaged: averaged.toFixed(4), central: central.toFixed(4) });
  }

  const buildAgain = () => {
    seed = chooseSeed();
    box.build();
  };
  element.append(
    make("div", { class: "live-row" }, makeField("data", dataChoice), ownBox),
    box.element,
    make("div", { class: "live-row" },
      loop.button, makeButton("New random weights", buildAgain), makeButton("Clear the graphs", () => { loss.clear(); accuracy.clear(); }),
      makeButton("Save as JSON", () => offerFile(JSON.stringify(training.net.toJSON()), "network.json")),
      makeField("Load a ConvNetJS JSON (or drop it here)", makeFileInput(element, ".json,application/json", readSnapshot)),
    ),
    settings.element, problems,
    make("div", { class: "live-row" }, stats, curves),
    make("h4", {}, "Test images with the three most probable classes, averages over crops"), testBox,
    make("div", { class: "live-row" }, makeButton("Test all", testAll), makeField("Classify an image of yours", makeFileInput(make("div"), "image/*", classify))),
    testLine, ownResult,
    make("h4", {}, "All layers for one test image: values and gradients of its loss"), network, credit,
  );
  begin(buildNet(data.definition, seed));
}
