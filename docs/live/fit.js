// Fit a function: regression in one dimension, with the outputs of the hidden units.

import { explain, make, makeButton, makeField } from "./common.js";
import { buildNet } from "./definition.js";
import { FUNCTIONS, FunctionTraining, sampleFunction } from "./function_training.js";
import { describeLayer } from "./layer_views.js";
import { formatNumber, makeDefinitionBox, makeLoop, makeSettings, showStats } from "./net_parts.js";
import { makePlane } from "./plane.js";
import { chooseSeed } from "./random.js";

export const NETWORK = "input 1\nfc 20, relu\nfc 20, sigmoid\nregression 1";
export const SETTINGS = { method: "sgd", rate: 0.01, batch: 1, decay: 0.001 };
const RANGE = 6, COUNT = 30; // half side of the plane; points of a function
const COLUMN = 3; // pixels between two points of a curve

export async function mount(element) {
  let training, seed = 1;
  const problems = make("div"), stats = make("dl", { class: "live-stats" });
  const layerChoice = make("select", { class: "net-select", onchange: () => plane.draw() });
  const plane = makePlane({ x: [-RANGE, RANGE], y: [-RANGE, RANGE], kinds: ["adds or moves a point"], drawBackground, onChange() {}, label: "Points and the function of the network" });

  function drawBackground(context, { toPixels, toPlane, size }) {
    context.fillStyle = "#fff";
    context.fillRect(0, 0, size, size);
    context.fillStyle = "#bbb";
    context.fillRect(0, size / 2, size, 1);
    context.fillRect(size / 2, 0, 1, size);
    if (!training) return;
    const layer = training.net.layers[+layerChoice.value], curve = [], units = Array.from({ length: layer?.size ?? 0 }, () => []);
    for (let px = 0; px <= size; px += COLUMN) {
      const [x] = toPlane(px, 0);
      curve.push(toPixels(x, training.evaluate(x)));
      for (const [k, points] of units.entries()) points.push(toPixels(x, layer.out[k]));
    }
    const drawCurve = (points, color, width) => {
      context.strokeStyle = color;
      context.lineWidth = width;
      context.beginPath();
      for (const [px, py] of points) context.lineTo(px, Math.max(-size, Math.min(2 * size, py)));
      context.stroke();
    };
    for (const points of units) drawCurve(points, "rgba(211, 47, 47, 0.45)", 1);
    drawCurve(curve, "#000", 2.5);
  }

  function show() {
    plane.draw();
    const { trainer, loss, points } = training;
    showStats(stats, {
      "rounds": points.length ? Math.floor(trainer.numExamples / points.length).toLocaleString("en") : "0", "loss, half the squared error": formatNumber(loss, 4),
      "parameters": training.net.parameters.reduce((n, p) => n + p.value.length, 0),
    });
    Object.assign(element.dataset, { examples: trainer.numExamples, loss: formatNumber(loss, 5), points: points.length });
  }

  function begin(net) {
    const next = new FunctionTraining(plane.points, net, settings.read());
    loop.switch(false);
    training = next;
    layerChoice.replaceChildren(make("option", { value: -1 }, "no units"), ...net.layers.slice(0, -1).map((l, i) => make("option", { value: i }, `${i + 1}: ${describeLayer(l)}, ${l.size}`)));
    layerChoice.value = net.layers.length - 2;
    show();
  }

  const loop = makeLoop(element, () => training.step(), () => show(), (error) => explain(problems, error), { redraw: 100, words: "Start learning" });
  const settings = makeSettings(SETTINGS, (values) => training.trainer.change(values));
  const box = makeDefinitionBox(NETWORK, (text) => begin(buildNet(text, seed)), { rows: 5 });
  const sets = Object.entries(FUNCTIONS).map(([name, [words]]) => makeButton(words, () => {
    plane.set(sampleFunction(name, COUNT, seed));
    show();
  }));
  element.append(
    make("div", { class: "live-row" }, loop.button, makeButton("New random weights", () => { seed = chooseSeed(); box.build(); })),
    make("div", {}, make("div", { class: "live-note" }, `${COUNT} points of:`), ...sets),
    make("div", { class: "live-row" }, plane.element, make("div", { class: "live-grow" }, stats, makeField("thin lines: the units of layer", layerChoice), problems, box.element, settings.element)),
  );
  plane.points.push(...sampleFunction("xsinx", COUNT, seed));
  begin(buildNet(NETWORK, seed));
}
