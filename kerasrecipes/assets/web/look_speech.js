// The toolbox for speech recognizers: the features of a recording or of the microphone, the letters, the channels of a layer over time, and
// for one channel its curve, its saliency in the features and its synthesized features. The server of `kerasrecipes look` computes all.

import { RATE, listen } from "./audio.js";
import { attempt, explain, make, makeButton, makeField, makeFileInput } from "./common.js";
import { BOOSTS, GAMMAS, WORDS, makeHelp, makeKeyHandler } from "./look_keys.js";
import { askArray, inspect, inspectFile, makeLayerCache, makeServerSource, nameUnit, NO_GRADIENTS } from "./look_server.js";
import { FILTERS, drawSignal, findStrongest } from "./look_tiles.js";
import { drawChannels, drawCurve, drawFeatures, drawLetters } from "./look_time.js";
import { formatValue, makeUnitPane } from "./look_unit.js";
import { keepLatest, trackNewest } from "./newest.js";

const SECONDS = 4; // of the microphone that are shown
const KEYS = {
  "arrows or i j k l": "channel above or below, frame before or after; with shift, three further", "u o": WORDS["u o"], b: WORDS.b, "n m": WORDS["n m"],
  d: WORDS.d, t: "brightness of all channels", T: "brightness of each channel by its own range", "e w": "next recording, recording before", c: "microphone on and off",
  f: "freeze the microphone", 8: "letters on and off", 9: WORDS[9], Escape: WORDS.Escape, h: WORDS.h,
};
const makeCanvas = (label, attributes = {}) => make("canvas", { role: "img", "aria-label": label, ...attributes });
const makePart = (title, ...children) => make("section", { class: "look-part" }, make("h3", {}, title), ...children);
const makeSelect = (options, onchange) => make("select", { onchange }, ...options.map((o) => make("option", { value: o }, o)));

/** Build the toolbox in `element`. model: the server's description. */
export async function mountSpeech(element, model) {
  const methods = ["off", ...Object.keys(model.methods)], hasGradients = methods.length > 1, server = makeServerSource(model);
  const state = {
    layer: model.layers.at(-1), channel: 1, place: null, method: hasGradients ? "gradient" : "off", filter: "raw", gamma: 1, boost: 0, origin: null,
    frozen: false, labels: true, unitImages: true, sample: 0, input: null, shape: [1, 1, 1],
  };
  const views = {
    features: makeCanvas("features that the network reads, time to the right"), back: makeCanvas("saliency of the unit in the features"),
    letters: makeCanvas("probabilities of the letters over time"), curve: makeCanvas("the channel over time: click to choose a frame"),
    sheet: make("canvas", { tabindex: 0, role: "application", "aria-label": "channels of the layer, time to the right; arrow keys select a channel and a frame" }),
    cursor: make("div", { class: "look-cursor" }), layers: make("div", { class: "look-layers", role: "toolbar", "aria-label": "layers" }),
    text: make("p", { class: "look-text", role: "status", "aria-live": "polite" }), name: make("p", { class: "look-name" }),
    backWords: make("p", { class: "live-note" }), time: make("p", { class: "live-note" }), credit: make("p", { class: "live-note" }),
    problems: make("div"), help: makeHelp(KEYS),
  };
  const markers = ["features", "back", "letters", "sheet"].map(() => make("div", { class: "look-marker" }));
  const cover = (canvas, i, ...more) => make("div", { class: "look-over look-time" }, canvas, ...more, markers[i]);
  const unitPane = makeUnitPane({ ...server, words: {}, findUnitImages: findImages }, element, views.problems, () => {});
  const method = makeSelect(methods, () => choose({ method: method.value })), filter = makeSelect(FILTERS, () => choose({ filter: filter.value }));
  const gamma = makeSelect(GAMMAS, () => choose({ gamma: Number(gamma.value) })), boost = makeSelect(BOOSTS, () => choose({ boost: Number(boost.value) }));
  const microphone = makeButton("microphone", () => actions.switchCamera(), { "aria-pressed": "false", title: "c" });
  const freeze = makeButton("freeze", () => actions.freezeCamera(), { "aria-pressed": "false", hidden: true, title: "f" });
  const origin = makeButton("freeze unit", () => actions.freezeOrigin(), { title: "d: keep the saliency of this unit while you look at other layers" });
  const recordings = model.files.map((name, i) => makeButton(name, () => showFile(i), { class: "live-button look-recording" }));
  for (const layer of model.layers) views.layers.append(makeButton(layer, () => choose({ layer, channel: 0, place: null }), { "data-layer": layer }));
  const letters = makePart("Letters", cover(views.letters, 2));

  element.classList.add("look");
  element.append(
    make("div", { class: "look-sources live-row" }, make("div", { class: "look-thumbs" }, ...recordings), makeField("Your recording (or drop it here)", makeFileInput(element, "audio/*", (file) => showUpload(file))), microphone, freeze),
    views.problems, views.text,
    make("div", { class: "look-panes look-speech" },
      make("div", { class: "look-middle" }, makePart("Features", cover(views.features, 0)), letters, views.credit,
        makePart("Channels of the layer", views.layers, make("div", { class: "look-scroll" }, cover(views.sheet, 3, views.cursor))),
        make("div", { class: "live-row" }, makeField("brightness, gamma", gamma), makeField("own range of channels", boost), origin), views.time, views.help),
      make("div", { class: "look-right" }, views.name, makePart("Channel over time", views.curve),
        makePart("Saliency in the features", cover(views.back, 1), views.backWords, make("div", { class: "live-row" }, makeField("method", method), makeField("shown as", filter))),
        unitPane.element)),
  );

  async function findImages(layer, channel) {
    const { synthesized } = await server.findUnitImages(layer, channel, null);
    return { synthesized, patches: [], isFinal: !synthesized.progress };
  }

  // ---------------------------------------------------------------- drawing
  const beginDrawing = trackNewest();
  async function draw() {
    const isCurrent = beginDrawing(), { layer, input } = state;
    for (const b of views.layers.children) b.setAttribute("aria-pressed", b.dataset.layer === layer);
    [method.value, filter.value, gamma.value, boost.value] = [state.method, state.filter, state.gamma, state.boost];
    method.disabled = !hasGradients;
    origin.setAttribute("aria-pressed", Boolean(state.origin));
    letters.hidden = !state.labels;
    unitPane.element.hidden = !state.unitImages;
    if (!input) return;
    const values = await input.fetchLayer(layer), shape = input.shapes[layer], [frames, bands, maps] = shape;
    if (!isCurrent()) return;
    state.shape = shape;
    const channel = (state.channel = Math.min(state.channel, maps - 1)), place = state.place ?? findStrongest(values, maps, channel);
    const frame = Math.floor(place / bands), value = values[place * maps + channel], title = maps === model.classes.length ? `${show(model.classes[channel])}, ` : "";
    views.name.textContent = `${layer}, ${title}channel ${channel} of ${maps}: ${formatValue(value)} in frame ${frame} of ${frames}, ${((frame + 0.5) * input.seconds / frames).toFixed(2)} s`;
    Object.assign(element.dataset, { unit: `${layer}:${channel}`, value: String(value), frame: String(frame), gamma: String(state.gamma), boost: String(state.boost) });
    drawChannels(views.sheet, values, shape, state);
    Object.assign(views.cursor.style, { left: 0, width: "100%", top: `${(100 * channel) / maps}%`, height: `${100 / maps}%` });
    drawCurve(views.curve, values, shape, channel, place);
    for (const marker of markers) marker.style.left = `${(100 * (frame + 0.5)) / frames}%`;
    await drawSaliency(state.origin ?? { layer, channel, place });
  }

  function clearSaliency() {
    views.back.getContext("2d").clearRect(0, 0, views.back.width, views.back.height);
    views.backWords.textContent = hasGradients ? "off" : NO_GRADIENTS;
    element.dataset.saliency = "off";
  }

  /** Draw the saliency of a unit. During a computation only the newest request waits. */
  const drawSaliency = (unit) => (state.method === "off" ? clearSaliency() : computeSaliency(unit));
  const computeSaliency = keepLatest(async (unit, isLatest) => {
    if (state.method === "off") return; // chosen while this request waited
    const { input, method: asked } = state;
    try {
      const { values, shape: [frames, bands] } = await askArray(`inputs/${input.number}/saliency`, { unit: nameFrame(unit, input), method: asked });
      if (state.method !== asked) return; // another method was chosen meanwhile
      const turned = new Float32Array(values.length); // time to the right, low bands at the bottom
      for (let t = 0; t < frames; t++) for (let b = 0; b < bands; b++) turned[(bands - 1 - b) * frames + t] = values[t * bands + b];
      const isNonzero = drawSignal(views.back, turned, [bands, frames, 1], state.filter);
      views.backWords.textContent = (state.origin ? `from ${unit.layer}:${unit.channel}, frozen; ` : "") + (isNonzero ? model.methods[state.method] : "the saliency is zero: the unit is off");
      element.dataset.saliency = `${unit.layer}:${unit.channel} ${state.method} ${state.filter}`;
    } catch (error) {
      if (isLatest()) views.backWords.textContent = error.message ?? String(error);
      element.dataset.saliency = "error";
    }
  });
  const nameFrame = (unit, input) => (input.shapes[unit.layer][1] > 1 ? nameUnit(unit, input.shapes[unit.layer]) : `${unit.layer}:${unit.channel}@${unit.place}`);

  // ---------------------------------------------------------------- input of the reader
  function choose(changes) {
    const before = `${state.layer}:${state.channel}`;
    Object.assign(state, changes);
    if (changes.channel !== undefined && changes.place === undefined) state.place = null;
    if (before !== `${state.layer}:${state.channel}`) unitPane.draw(state.layer, state.channel, null);
    return draw().catch((error) => explain(views.problems, error));
  }

  async function showInput(answer, credit) {
    const { values, shape } = await askArray(`inputs/${answer.number}/display`);
    state.input = { ...answer, fetchLayer: makeLayerCache(answer.number) };
    state.place = null;
    drawFeatures(views.features, values, shape);
    drawLetters(views.letters, answer.probabilities, model.classes.map(show));
    views.text.textContent = answer.text || "(no words)";
    views.credit.textContent = `${answer.seconds.toFixed(1)} s; ${credit}`;
    views.time.textContent = `forward ${answer.milliseconds.toFixed(0)} ms`;
    Object.assign(element.dataset, { text: answer.text, number: String(answer.number) });
    await draw();
  }

  const beginChoice = trackNewest();
  async function showAnswer(request, credit) {
    const isCurrent = beginChoice();
    await stopMicrophone();
    return attempt(views.problems, async () => {
      const answer = await request();
      if (isCurrent()) await showInput(answer, credit);
    });
  }
  const showUpload = (file) => showAnswer(async () => inspect(await file.arrayBuffer()), `${file.name}; it stays on this device`);
  function showFile(i) {
    if (!recordings.length) return undefined;
    state.sample = (i + recordings.length) % recordings.length;
    recordings.forEach((b, k) => b.setAttribute("aria-pressed", k === state.sample));
    return showAnswer(() => inspectFile(state.sample), model.files[state.sample]);
  }

  let stop = null, samples = new Float32Array(0), isComputing = false;
  async function startMicrophone() {
    beginChoice();
    explain(views.problems, null);
    samples = new Float32Array(0);
    try {
      stop = await listen((chunk) => {
        const all = new Float32Array(Math.min(samples.length + chunk.length, SECONDS * RATE)), from = samples.length + chunk.length - all.length;
        all.set(samples.subarray(from));
        all.set(chunk, all.length - chunk.length);
        samples = all;
        computeMicrophone();
      });
    } catch (error) {
      explain(views.problems, error);
    }
    microphone.setAttribute("aria-pressed", Boolean(stop));
    freeze.hidden = !stop;
  }
  async function computeMicrophone() {
    const whole = Math.floor(samples.length / RATE) * RATE; // few lengths, because a length is compiled once
    if (isComputing || state.frozen || !whole) return;
    isComputing = true;
    try {
      const answer = await inspect(samples.slice(samples.length - whole), { sample_rate: RATE });
      if (stop) await showInput(answer, "microphone; nothing leaves this device");
    } catch (error) {
      explain(views.problems, error);
    } finally {
      isComputing = false;
    }
  }
  async function stopMicrophone() {
    await stop?.();
    stop = null;
    state.frozen = false;
    freeze.hidden = true;
    for (const button of [microphone, freeze]) button.setAttribute("aria-pressed", "false");
  }

  const actions = {
    state, choose, methods, layers: model.layers, sample: showFile, toggle: (name) => choose({ [name]: !state[name] }),
    move([down, across], steps) {
      const [frames, bands, maps] = state.shape, channel = state.channel + down * steps, frame = Number(element.dataset.frame) + across * steps;
      if (down && channel >= 0 && channel < maps) choose({ channel });
      if (across && frame >= 0 && frame < frames) choose({ place: frame * bands });
    },
    switchCamera: () => (stop ? stopMicrophone() : startMicrophone()),
    freezeCamera() {
      state.frozen = Boolean(stop) && !state.frozen;
      freeze.setAttribute("aria-pressed", state.frozen);
    },
    freezeOrigin: () => choose({ origin: state.origin ? null : { layer: state.layer, channel: state.channel, place: Number(element.dataset.frame) * state.shape[1] } }),
    switchHelp() { views.help.open = !views.help.open; },
  };
  element.addEventListener("keydown", makeKeyHandler(actions, KEYS));
  for (const canvas of [views.sheet, views.curve, views.letters, views.features]) {
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect(), [frames, bands, maps] = state.shape;
      const place = Math.min(frames - 1, Math.floor(((event.clientX - box.left) / box.width) * frames)) * bands;
      choose(canvas === views.sheet ? { place, channel: Math.min(maps - 1, Math.floor(((event.clientY - box.top) / box.height) * maps)) } : { place });
    });
  }

  for (let i = 0; i < recordings.length && !state.input; i++) await showFile(i); // a file may be damaged
  if (!recordings.length) views.text.textContent = "Choose a recording, drop one here, or press c for the microphone.";
  unitPane.draw(state.layer, state.channel, null);
}

/** Write a symbol so that it can be seen. */
const show = (symbol) => (symbol === " " ? "space" : symbol);
