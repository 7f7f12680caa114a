// A recurrent cell: the GRU of a released recognizer on a spoken sentence, one step and one unit at a time.

import { LiveError, fetchFile, getAddress, hasFiles, make, makeButton, makeField, makeFigure, withProgress } from "./common.js";
import { unpack } from "./back.js";
import { findLiveliest, readUnit, runCell } from "./gru_cell.js";
import { COLORS, drawCurves, drawSound, drawUnits, locateStep } from "./gru_draw.js";

const FILE = "gru.net", CLIP = "clip-1919.mp3", MISSING = "deepspeech2_small has no released weights on this server: it was built without docs/build/prepare_live.py.";
const STAGES = ["reset", "update", "candidate", "state"]; // in the order in which they are explained
const SPEEDS = { "gate by gate": 900, "step by step": 160 }; // milliseconds of a stage or a step
const FORCED = { "as computed": null, "always 0": 0, "always 0.5": 0.5, "always 1": 1 };
const wait = (ms) => new Promise((next) => setTimeout(next, ms));
const format = (v) => (Math.abs(v) < 0.0005 ? "0.000" : v.toFixed(3)).replace("-", "−");
const bracket = (v) => (v < 0 ? `(${format(v)})` : format(v));

export async function mount(element) {
  if (!(await hasFiles(FILE))) throw new LiveError(MISSING);
  const net = unpack(await withProgress(element, (report) => fetchFile(FILE, report)));
  const select = (options, onchange) => make("select", { onchange }, ...options.map((v) => make("option", {}, v)));
  let cell = runCell(net);
  const { steps, units } = cell;
  const state = { t: 0, unit: findLiveliest(cell), stage: STAGES.length - 1, turn: null };
  const controls = {
    word: make("select", { onchange: () => (stop(), move(Number(controls.word.value))) }, ...net.words.map(({ text, start }) => make("option", { value: Math.round(start / net.step) }, text))),
    unit: make("input", { type: "number", min: 0, max: units - 1, value: state.unit, oninput: () => chooseUnit(Number(controls.unit.value)) }),
    update: select(Object.keys(FORCED), () => recompute()), reset: select(Object.keys(FORCED), () => recompute()),
    speed: select(Object.keys(SPEEDS)), map: select(["state", "update", "reset", "candidate"], () => paint()),
  };
  const play = makeButton("Play", () => (state.turn ? stop() : run()), { class: "live-button gru-play" });
  const canvases = Object.fromEntries(["sound", "gates", "values", "units"].map((name) => [name, make("canvas", {
    class: "gru-canvas", tabindex: 0, role: "application", "aria-label": `${{ sound: "spectrogram and words", gates: "gates", values: "candidate and state", units: "all units" }[name]} over time: left and right move the step, up and down the unit, space plays`,
  })]));
  const rows = Object.fromEntries(STAGES.map((name) => [name, { name: make("strong", { style: `color: ${COLORS[name]}` }, { reset: "reset gate r", update: "update gate z", candidate: "candidate c", state: "state h" }[name]), formula: make("span", { class: "gru-formula" }), numbers: make("span", { class: "gru-numbers" }) }]));
  for (const row of Object.values(rows)) row.element = make("div", { class: "gru-row" }, row.name, row.formula, row.numbers);
  const words = make("p", { class: "live-note", role: "status" });
  const legend = (...names) => make("span", {}, ...names.flatMap(([name, text]) => [make("span", { style: `color: ${COLORS[name]}` }, "■ "), `${text}  `]));

  element.classList.add("gru");
  element.append(
    make("div", { class: "live-row" }, makeField("word", controls.word), makeField(`unit, 0 to ${units - 1}`, controls.unit), makeField("update gate", controls.update), makeField("reset gate", controls.reset), makeField("speed", controls.speed)),
    make("div", { class: "gru-buttons" }, play, makeButton("Next gate", () => (stop(), nextStage())), makeButton("Next step", () => (stop(), move(state.t + 1))), makeButton("Previous step", () => (stop(), move(state.t - 1)))),
    words, make("div", { class: "gru-rows" }, ...STAGES.map((name) => rows[name].element)),
    makeFigure("what is said", canvases.sound), makeFigure(legend(["update", "update gate z"], ["reset", "reset gate r"]), canvases.gates),
    makeFigure(legend(["candidate", "candidate c"], ["state", "state h"]), canvases.values),
    makeField("all units", controls.map), makeFigure("green is positive, orange negative; a click chooses a unit and a step", canvases.units),
  );
  if (await hasFiles(CLIP)) element.append(make("audio", { controls: true, preload: "none", src: await getAddress(CLIP) }));
  for (const [name, canvas] of Object.entries(canvases)) {
    canvas.addEventListener("pointerdown", (event) => {
      stop();
      if (name === "units") chooseUnit(Math.floor((event.offsetY / canvas.clientHeight) * units));
      move(locateStep(event, canvas, steps));
    });
    canvas.addEventListener("pointermove", (event) => event.buttons && (name !== "units") && move(locateStep(event, canvas, steps)));
    canvas.addEventListener("keydown", handleKey);
  }
  new ResizeObserver(() => paint()).observe(element);

  function recompute() {
    cell = runCell(net, { update: FORCED[controls.update.value], reset: FORCED[controls.reset.value] });
    paint();
  }

  function chooseUnit(unit) {
    state.unit = Math.min(units - 1, Math.max(0, Math.floor(unit) || 0));
    if (Number(controls.unit.value) !== state.unit) controls.unit.value = state.unit;
    paint();
  }

  function move(t, stage = STAGES.length - 1) {
    state.t = (t + steps) % steps;
    state.stage = stage;
    paint();
  }

  function nextStage() {
    if (state.stage + 1 < STAGES.length) move(state.t, state.stage + 1);
    else move(state.t + 1, 0);
  }

  async function run() {
    const turn = (state.turn = {});
    play.textContent = "Pause";
    while (state.turn === turn && element.isConnected) {
      if (controls.speed.value === "gate by gate") nextStage();
      else move(state.t + 1);
      await wait(SPEEDS[controls.speed.value]);
    }
  }

  function stop() {
    state.turn = null;
    play.textContent = "Play";
  }

  function handleKey(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key], up = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (step) stop(), move(Math.min(steps - 1, Math.max(0, state.t + step)));
    else if (up) chooseUnit(state.unit + up);
    else if (event.key === " ") state.turn ? stop() : run();
    else if (event.key === "Enter") stop(), nextStage();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function paint() {
    const { t, unit, stage } = state, now = readUnit(cell, t, unit), { update: z, reset: r, candidate: c, before, fromInput, fromState } = now;
    const read = (name) => (i) => cell[name][i * units + unit], gate = (i, forced, value) => (forced == null ? `σ(${format(fromInput[i])} + ${bracket(fromState[i])}) = ${format(value)}` : `set to ${format(value)}`);
    const isForced = { update: FORCED[controls.update.value], reset: FORCED[controls.reset.value] };
    const texts = {
      reset: ["r = σ(W x + b + U h₋ + b′)", gate(1, isForced.reset, r)],
      update: ["z = σ(W x + b + U h₋ + b′)", gate(0, isForced.update, z)],
      candidate: ["c = tanh(W x + b + r · (U h₋ + b′))", `tanh(${format(fromInput[2])} + ${format(r)} · ${bracket(fromState[2])}) = ${format(c)}`],
      state: ["h = z · h₋ + (1 − z) · c", `${format(z)} · ${bracket(before)} + ${format(1 - z)} · ${bracket(c)} = ${format(now.state)}`],
    };
    STAGES.forEach((name, i) => {
      [rows[name].formula.textContent, rows[name].numbers.textContent] = texts[name];
      rows[name].element.classList.toggle("lit", i === stage);
      rows[name].element.classList.toggle("later", i > stage);
    });
    const word = net.words.find(({ start, end }) => t * net.step >= start && t * net.step < end);
    words.textContent = `Step ${t + 1} of ${steps}, ${(t * net.step).toFixed(2)} s${word ? `, in “${word.text}”` : ""}; unit ${unit}. ${describe(z, r)}`;
    drawSound(canvases.sound, net, steps, t);
    drawCurves(canvases.gates, steps, t, { update: read("update"), reset: read("reset") }, [0, 1]);
    drawCurves(canvases.values, steps, t, { candidate: read("candidate"), state: read("state") }, [-1, 1]);
    drawUnits(canvases.units, cell[controls.map.value], units, steps, t, unit);
    Object.assign(element.dataset, { step: t, unit, stage: STAGES[stage], update: z, reset: r, candidate: c, state: now.state });
  }

  controls.word.value = controls.word.options[Math.min(3, net.words.length - 1)].value;
  move(Number(controls.word.value));
}

/** Say what the gates do at this step. */
function describe(z, r) {
  const keeps = z > 0.8 ? "It keeps nearly all of its state" : z < 0.2 ? "It replaces its state by the candidate" : "It mixes its state with the candidate";
  const reads = r > 0.8 ? "the candidate reads the states before" : r < 0.2 ? "the candidate ignores the states before" : "the candidate reads a part of the states before";
  return `${keeps}; ${reads}.`;
}
