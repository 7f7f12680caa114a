// Parts that the pages with small networks share: the loop, the settings of the optimizer, the box with the network's text.

import { explain, LiveError, make, makeButton, makeField } from "./common.js";
import { METHODS } from "./optimizers.js";
import { SETTINGS } from "./trainer.js";

const SLICE = 40, REDRAW = 300; // ms of training until the page handles events; ms between two updates of the views
const VIEW_PAUSE = 4; // an update that took t ms is followed by at least 4 t ms of training, so that a slow device learns, too

/** Mean of the last `size` numbers. */
export class MovingAverage {
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

/** Make a button that starts and pauses a training. step() trains a little, show() updates the views. redraw: ms between two updates.
 * Returns {button, switch(on), isRunning()}. An error of step() pauses the training and goes to onError. */
export function makeLoop(element, step, show, onError, { redraw = REDRAW, words = "Start training" } = {}) {
  let running = false, hasRun = false, nextDrawing = 0;
  const button = makeButton(words, () => switchLoop(!running), { class: "live-start", "aria-pressed": "false" });

  function switchLoop(on) {
    if (on === running) return;
    running = on;
    hasRun ||= on;
    button.textContent = on ? "Pause" : hasRun ? "Continue" : words;
    button.setAttribute("aria-pressed", on);
    on ? setTimeout(trainSlice) : show();
  }

  function trainSlice() {
    if (!running) return;
    if (!element.isConnected) return void (running = false);
    try {
      const end = performance.now() + SLICE;
      do step(); while (performance.now() < end);
      const begin = performance.now();
      if (begin > nextDrawing) {
        show();
        const now = performance.now();
        nextDrawing = now + Math.max(redraw, VIEW_PAUSE * (now - begin));
      }
    } catch (error) {
      switchLoop(false);
      onError(error);
      return;
    }
    setTimeout(trainSlice);
  }

  return { button, switch: switchLoop, isRunning: () => running };
}

/** name: [words, attributes of the input]. */
const FIELDS = {
  rate: ["learning rate", {}], momentum: ["momentum", { max: 0.999 }], ro: ["ρ (share of the old average)", { max: 0.99999 }],
  beta1: ["β₁", { max: 0.99999 }], beta2: ["β₂", { max: 0.999999 }], eps: ["ε", {}],
  batch: ["batch size", { min: 1, step: 1 }], decay: ["weight decay (L2)", {}], l1: ["weight decay (L1)", {}],
};
const ALWAYS = ["batch", "decay", "l1"];

/** Make controls of the optimizer. initial: settings like SETTINGS. onChange(settings) is called after every valid change.
 * fixed: true hides the choice of the method. Returns {element, read(), set(settings)}. */
export function makeSettings(initial, onChange) {
  const problems = make("div");
  const change = () => {
    showUsed();
    try {
      const settings = read();
      explain(problems, null);
      onChange(settings);
    } catch (error) {
      explain(problems, error);
    }
  };
  const method = make("select", { class: "net-select", onchange: change }, ...Object.entries(METHODS).map(([name, { words }]) => make("option", { value: name }, words)));
  const fields = Object.entries(FIELDS).map(([name, [words, attributes]]) => {
    const control = make("input", { type: "number", min: 0, step: "any", onchange: change, ...attributes });
    return { name, words, control, element: makeField(words, control) };
  });

  function showUsed() {
    const names = [...METHODS[method.value].uses, ...ALWAYS];
    for (const { name, element } of fields) element.hidden = !names.includes(name);
  }

  /** Return the settings, or throw a LiveError about a number that is out of range. */
  function read() {
    const settings = { method: method.value };
    for (const { name, words, control, element } of fields) {
      const value = control.valueAsNumber, isValid = control.checkValidity() && Number.isFinite(value);
      if (!isValid && !element.hidden) throw new LiveError(`${words}: ${control.validationMessage || "enter a number"}`);
      if (isValid) settings[name] = value;
    }
    return settings;
  }

  function set(settings) {
    const all = { ...SETTINGS, ...settings };
    method.value = all.method;
    for (const { name, control } of fields) control.value = all[name];
    showUsed();
  }

  set(initial);
  return { element: make("div", {}, make("div", { class: "live-row" }, makeField("optimizer", method), ...fields.map((f) => f.element)), problems), read, set };
}

/** Make the box with the network's text. build(text) makes the network or throws a LiveError, which is shown. Ctrl+Enter builds, too.
 * Returns {element, build(), set(text), explain(error)}. */
export function makeDefinitionBox(text, build, { rows = 7, words = "Build this network" } = {}) {
  const problems = make("div");
  const area = make("textarea", { rows, spellcheck: "false", autocapitalize: "off", autocomplete: "off", class: "net-definition" });
  area.value = text;
  const show = (error) => {
    explain(problems, error);
    area.setAttribute("aria-invalid", Boolean(error));
  };
  const run = () => {
    try {
      build(area.value);
      show(null);
    } catch (error) {
      show(error);
    }
  };
  area.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    run();
  });
  const field = make("label", { class: "live-field net-field" }, make("span", {}, "Network, one layer a line (Ctrl+Enter builds it)"), area);
  const element = make("div", { class: "net-box" }, field, makeButton(words, run), problems);
  return { element, build: run, explain: show, get text() { return area.value; }, set(value) { area.value = value; show(null); } };
}

/** Show rows {name: value} in a <dl>. */
export function showStats(list, rows) {
  list.replaceChildren(...Object.entries(rows).flatMap(([k, v]) => [make("dt", {}, k), make("dd", {}, v)]));
}

export const formatPercent = (x) => (Number.isFinite(x) ? `${(100 * x).toFixed(1)} %` : "–");
export const formatNumber = (x, digits = 3) => (Number.isFinite(x) ? x.toFixed(digits) : "–");
export const findBest = (values) => values.indexOf(Math.max(...values));
