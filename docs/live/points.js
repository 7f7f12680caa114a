// Classify points in the plane: the decision boundary, and the plane as two units of a hidden layer see it.

import { explain, make, makeButton, makeField } from "./common.js";
import { buildNet } from "./definition.js";
import { describeLayer } from "./layer_views.js";
import { setSize } from "./maps.js";
import { formatNumber, formatPercent, makeDefinitionBox, makeLoop, makeSettings, showStats } from "./net_parts.js";
import { drawMark, makePlane } from "./plane.js";
import { makePoints, POINT_SETS, PointsTraining } from "./points_training.js";
import { chooseSeed } from "./random.js";

export const NETWORK = "input 2\nfc 6, tanh\nfc 2, tanh\nsoftmax 2";
export const SETTINGS = { method: "momentum", rate: 0.01, momentum: 0.1, batch: 10, decay: 0.001 };
const CELLS = 60; // cells of the background along each side
const GRID = 30; // lines of the warped plane along each side
const RANGE = 6;
const SHADES = [[57, 73, 171], [245, 124, 0]]; // of the classes, as in COLORS

/** Mix the color of a preference for class 1 with white. */
function shade(p) {
  const [from, share] = p > 0.5 ? [SHADES[1], 2 * p - 1] : [SHADES[0], 1 - 2 * p];
  return from.map((v) => 255 - (255 - v) * (0.15 + 0.4 * share));
}

export async function mount(element) {
  let training, seed = 1;
  const problems = make("div"), stats = make("dl", { class: "live-stats" });
  const warped = make("canvas", { class: "plane", role: "img", "aria-label": "the plane as two hidden units see it" });
  const layerChoice = make("select", { class: "net-select", onchange: () => chooseLayer() }), unitChoices = [0, 1].map(() => make("select", { class: "net-select", onchange: () => show() }));

  const plane = makePlane({
    x: [-RANGE, RANGE], y: [-RANGE, RANGE], kinds: ["adds or moves a blue disk", "adds or moves an orange square"], drawBackground, onChange() {},
    label: "Plane with points of two classes and the decision of the network",
  });

  function drawBackground(context, { toPlane, size }) {
    if (!training) return;
    const cell = size / CELLS;
    for (let r = 0; r < CELLS; r++) {
      for (let c = 0; c < CELLS; c++) {
        context.fillStyle = `rgb(${shade(training.evaluate(...toPlane((c + 0.5) * cell, (r + 0.5) * cell))).join()})`;
        context.fillRect(c * cell, r * cell, cell + 1, cell + 1);
      }
    }
    context.fillStyle = "rgba(0, 0, 0, 0.35)";
    context.fillRect(0, size / 2, size, 1);
    context.fillRect(size / 2, 0, 1, size);
  }

  /** Draw the lines of the plane and the points by the outputs of two units of a layer. */
  function drawWarped() {
    const layer = training.net.layers[+layerChoice.value], [u, v] = unitChoices.map((c) => +c.value), size = plane.size, context = warped.getContext("2d");
    const look = (x, y) => {
      const p = training.evaluate(x, y);
      return [layer.out[u], layer.out[v], p];
    };
    const places = Array.from({ length: GRID + 1 }, (_, i) => -RANGE + (2 * RANGE * i) / GRID);
    const grid = places.map((y) => places.map((x) => look(x, y)));
    const limits = [0, 1].map((k) => grid.flat().reduce(([a, b], g) => [Math.min(a, g[k]), Math.max(b, g[k])], [Infinity, -Infinity]));
    const toPixels = (g) => [0, 1].map((k) => {
      const [low, high] = limits[k], share = high > low ? (g[k] - low) / (high - low) : 0.5;
      return 12 + (size - 24) * (k ? 1 - share : share);
    });
    setSize(warped, size, size);
    context.fillStyle = "#fff";
    context.fillRect(0, 0, size, size);
    context.lineWidth = 1;
    const drawLine = (a, b) => {
      context.strokeStyle = `rgb(${shade((a[2] + b[2]) / 2 > 0.5 ? 1 : 0).join()})`;
      context.beginPath();
      context.moveTo(...toPixels(a));
      context.lineTo(...toPixels(b));
      context.stroke();
    };
    for (let r = 0; r <= GRID; r++) {
      for (let c = 0; c < GRID; c++) {
        drawLine(grid[r][c], grid[r][c + 1]);
        drawLine(grid[c][r], grid[c + 1][r]);
      }
    }
    for (const p of plane.points) drawMark(context, ...toPixels(look(p.x, p.y)), p.label, 4);
  }

  function chooseLayer() {
    const { size } = training.net.layers[+layerChoice.value];
    for (const [i, choice] of unitChoices.entries()) {
      choice.replaceChildren(...Array.from({ length: size }, (_, k) => make("option", { value: k }, `unit ${k + 1}`)));
      choice.value = Math.min(i, size - 1);
    }
    show();
  }

  function show() {
    plane.draw();
    drawWarped();
    const { trainer, loss } = training, count = plane.points.length;
    showStats(stats, {
      "rounds": count ? Math.floor(trainer.numExamples / count).toLocaleString("en") : "0", "loss": formatNumber(loss), "accuracy": count ? formatPercent(training.accuracy) : "–",
      "parameters": training.net.parameters.reduce((n, p) => n + p.value.length, 0),
    });
    Object.assign(element.dataset, { examples: trainer.numExamples, loss: formatNumber(loss, 5), accuracy: count ? training.accuracy.toFixed(4) : "", points: count });
  }

  function begin(net) {
    const next = new PointsTraining(plane.points, net, settings.read());
    loop.switch(false);
    training = next;
    layerChoice.replaceChildren(...net.layers.map((l, i) => make("option", { value: i }, `${i + 1}: ${describeLayer(l)}, ${l.size}`)));
    layerChoice.value = Math.max(0, net.layers.length - 2);
    chooseLayer();
  }

  const loop = makeLoop(element, () => training.step(), () => show(), (error) => explain(problems, error), { redraw: 100, words: "Start learning" });
  const settings = makeSettings(SETTINGS, (values) => training.trainer.change(values));
  const box = makeDefinitionBox(NETWORK, (text) => begin(buildNet(text, seed)), { rows: 5 });

  const sets = make("div", {}, ...POINT_SETS.map((name) => makeButton(name, () => {
    plane.set(makePoints(name, seed));
    show();
  })));
  element.append(
    make("div", { class: "live-row" }, loop.button, makeButton("New random weights", () => { seed = chooseSeed(); box.build(); }),),
    make("div", {}, make("div", { class: "live-note" }, "Points:"), sets),
    make("div", { class: "live-row" }, plane.element,
      make("div", { class: "live-pad-box plane-box" }, warped, make("div", { class: "live-row" }, makeField("layer", layerChoice), makeField("across", unitChoices[0]), makeField("up", unitChoices[1])))),
    stats, problems, box.element, settings.element,
  );
  plane.points.push(...makePoints("circle", seed));
  begin(buildNet(NETWORK, seed));
}
