// Race of the seven optimizers of optimizers.js on the digits of MNIST.

import { explain, LiveError, make, makeButton, makeField, withProgress } from "./common.js";
import { checkNet, loadDigitSet } from "./data_sets.js";
import { makeCurves } from "./maps.js";
import { formatNumber, formatPercent, makeDefinitionBox, makeLoop } from "./net_parts.js";
import { METHODS } from "./optimizers.js";
import { Race, RACERS } from "./race_training.js";
import { chooseSeed } from "./random.js";

export const NETWORK = "input 24 x 24 x 1\nfc 20, relu\nfc 20, relu\nsoftmax 10";
const POINT = 50; // examples between two points of the curves
const COLORS = { sgd: "#6b6b6b", momentum: "#3949ab", nesterov: "#00838f", adagrad: "#2e7d32", windowgrad: "#8e24aa", adadelta: "#b8860b", adam: "#d32f2f" };

export async function mount(element) {
  const data = await withProgress(element, loadDigitSet);
  let race, seed = 1, loss, accuracy;
  const problems = make("div"), curves = make("div", { class: "train-curves" }), count = make("span", { class: "live-note", role: "status" });
  const lines = Object.fromEntries(Object.keys(RACERS).map((name) => [METHODS[name].words, COLORS[name]]));

  const batch = make("input", { type: "number", value: 8, min: 1, step: 1, onchange: () => box.build() });
  const decay = make("input", { type: "number", value: 0.001, min: 0, step: "any", onchange: () => box.build() });
  const rows = Object.entries(RACERS).map(([method, settings]) => {
    const { words } = METHODS[method];
    const rate = settings.rate ? make("input", { type: "number", value: settings.rate, min: 0, step: "any", "aria-label": `learning rate of ${words}`, onchange: () => box.build() }) : null;
    const [lossCell, accuracyCell] = [make("td", {}, "–"), make("td", {}, "–")];
    return { method, rate, lossCell, accuracyCell, element: make("tr", {}, make("th", { scope: "row" }, make("span", { style: `color:${COLORS[method]}`, "aria-hidden": "true" }, "■ "), words), make("td", {}, rate ?? "none"), lossCell, accuracyCell) };
  });
  const table = make("table", { class: "race-table" },
    make("thead", {}, make("tr", {}, ...["optimizer", "learning rate", "loss", "validation accuracy"].map((words) => make("th", { scope: "col" }, words)))),
    make("tbody", {}, ...rows.map((r) => r.element)));

  function readNumber(control, words) {
    if (!control.checkValidity() || !Number.isFinite(control.valueAsNumber)) throw new LiveError(`${words}: ${control.validationMessage || "enter a number"}`);
    return control.valueAsNumber;
  }

  /** Set all racers back to the same initial weights. */
  function begin(text) {
    const rates = Object.fromEntries(rows.filter((r) => r.rate).map((r) => [r.method, readNumber(r.rate, `learning rate of ${METHODS[r.method].words}`)]));
    const next = new Race(data, text, { batch: readNumber(batch, "batch size"), decay: readNumber(decay, "weight decay"), rates }, seed);
    checkNet(next.racers[0].net, data);
    loop.switch(false);
    race = next;
    loss = makeCurves("Loss of the last 400 digits", lines, { high: 2.5, noun: "digits" });
    accuracy = makeCurves("Accuracy on the last 400 validation digits", lines, { high: 100, unit: " %", noun: "digits" });
    curves.replaceChildren(loss.element, accuracy.element);
    explain(problems, null);
    show();
  }

  function step() {
    race.step();
    if (race.numExamples % POINT) return;
    const collect = (read) => Object.fromEntries(race.racers.map((r) => [r.words, read(r)]));
    loss.add(race.numExamples, collect((r) => r.loss.mean));
    accuracy.add(race.numExamples, collect((r) => 100 * r.validation.mean));
  }

  function show() {
    count.textContent = `${race.numExamples.toLocaleString("en")} digits`;
    for (const [i, { loss: losses, validation }] of race.racers.entries()) {
      rows[i].lossCell.textContent = formatNumber(losses.mean);
      rows[i].accuracyCell.textContent = formatPercent(validation.mean);
    }
    element.dataset.examples = race.numExamples;
  }

  const loop = makeLoop(element, step, () => show(), (error) => explain(problems, error), { words: "Start the race" });
  const box = makeDefinitionBox(NETWORK, begin, { rows: 5, words: "Build this network and start again" });
  element.append(
    make("div", { class: "live-row" }, loop.button, makeButton("Other random weights and digits", () => { seed = chooseSeed(); box.build(); }), count),
    problems, curves, make("div", { class: "live-row" }, table, make("div", {}, make("div", { class: "live-row" }, makeField("batch size", batch), makeField("weight decay (L2)", decay)), box.element)),
    make("p", { class: "live-note" }, data.credit),
  );
  begin(NETWORK);
}
