// Look inside: the layers of squeezenet as tiles for an image or the camera; synthesized images of a unit, its strongest patches and its
// saliency. The keys are those of the Deep Visualization Toolbox.

import { makeCamera } from "./camera.js";
import { attempt, makeButton, explain, makeFileInput, makeField, withProgress, make, trackNewest } from "./common.js";
import { GAMMAS, METHODS, makeHelp, makeKeyHandler } from "./look_keys.js";
import { computeSaliency, getReceptiveField, forward, getSynthesizedAddress, findTopActivations, open, prepare, getSampleAddress, findStrongest } from "./look_net.js";
import { FILTERS, drawMap, drawPatch, drawSheet, drawSignal, findTileBox, findUnit } from "./look_tiles.js";
import { makeBars, setSize } from "./maps.js";
import { readImage, dropAlpha } from "./pixels.js";

const MEANING = {
  off: "", gradient: "gradient of the unit with respect to the pixels", guided: "the gradient, only through active units and positive signals",
  deconv: "the unit's activation through switches, ReLUs and transposed filters",
};
const makeCanvas = (label, attributes = {}) => make("canvas", { role: "img", "aria-label": label, ...attributes });
const makePart = (title, ...children) => make("section", { class: "look-part" }, make("h3", {}, title), ...children);
const makeSelect = (options, onchange) => make("select", { onchange }, ...options.map((o) => make("option", { value: o }, o)));

export async function mount(element) {
  const look = await withProgress(element, open);
  const { net } = look, samples = Object.keys(net.samples);
  const state = {
    layer: "fire7", channel: 197, place: null, method: "deconv", filter: "raw", gamma: 0.5, origin: null, signals: false, synthesized: false,
    sample: samples.indexOf("chelsea"), frozen: false, input: null,
  };
  const getShape = (layer = state.layer) => net.steps[layer].shape;

  // ---------------------------------------------------------------- views
  const views = {
    image: makeCanvas("input of the network; the frame is the receptive field of the unit"), frame: make("div", { class: "look-frame" }),
    back: makeCanvas("saliency of the unit in the image"), near: makeCanvas("saliency of the unit, enlarged"), backWords: make("p", { class: "live-note" }),
    sheet: make("canvas", { tabindex: 0, role: "application", "aria-label": "all maps of the layer; arrow keys select a unit" }),
    cursor: make("div", { class: "look-cursor" }), marks: make("div", { class: "look-marks" }), patterns: make("div", { class: "look-marks" }),
    map: makeCanvas("map of the unit: click to choose a position"), where: make("div", { class: "look-frame" }),
    name: make("p", { class: "look-name", role: "status", "aria-live": "polite" }), synthesized: make("div"), patches: make("div", { class: "look-patches" }),
    layers: make("div", { class: "look-layers", role: "toolbar", "aria-label": "layers" }), time: make("p", { class: "live-note" }),
    problems: make("div"), credit: make("p", { class: "live-note" }), classes: makeBars(net.classes, 5), help: makeHelp(),
  };
  const method = makeSelect(METHODS, () => choose({ method: method.value })), filter = makeSelect(FILTERS, () => choose({ filter: filter.value }));
  const gamma = makeSelect(GAMMAS, () => choose({ gamma: Number(gamma.value) }));
  const toggles = {
    origin: makeButton("freeze unit", () => actions.freezeOrigin(), { "aria-pressed": "false", title: "d: keep the saliency of this unit while you look at other layers" }),
    signals: makeButton("signals in tiles", () => actions.showSignals(), { "aria-pressed": "false", title: "a: show the signals of the saliency at this layer instead of activations" }),
    synthesized: makeButton("synthesized images", () => actions.showSynthesized(), { "aria-pressed": "false", title: "s: synthesized images over the tiles of their units" }),
  };
  const cameraButton = makeButton("camera", () => actions.switchCamera(), { "aria-pressed": "false" });
  const freeze = makeButton("freeze", () => actions.freezeCamera(), { "aria-pressed": "false", hidden: true });
  const thumbs = samples.map((name, i) =>
    make("button", { type: "button", class: "look-thumb", title: net.samples[name], "aria-label": `image: ${name}`, onclick: () => showSample(i) }, make("img", { src: getSampleAddress(name), alt: "", width: 48, height: 48 })),
  );
  for (const layer of net.layers) views.layers.append(makeButton(layer, () => choose({ layer, channel: 0, place: null }), { "data-layer": layer }));

  element.classList.add("look");
  element.append(
    make("div", { class: "look-sources live-row" }, ...thumbs, makeField("Your image (or drop it here)", makeFileInput(element, "image/*", (file) => showImage(file))), cameraButton, freeze),
    views.problems,
    make("div", { class: "look-panes" },
      make("div", { class: "look-left" },
        makePart("Image", make("div", { class: "look-over" }, views.image, views.frame), views.classes.element, views.credit),
        makePart("Saliency", views.back, views.near, views.backWords,
          make("div", { class: "live-row" }, makeField("method", method), makeField("shown as", filter)))),
      make("div", { class: "look-middle" },
        views.layers,
        make("div", { class: "look-over" }, views.sheet, views.patterns, views.marks, views.cursor),
        make("div", { class: "live-row" }, makeField("brightness, gamma", gamma), ...Object.values(toggles)), views.time, views.help),
      make("div", { class: "look-right" }, views.name,
        makePart("Map of the unit", make("div", { class: "look-over" }, views.map, views.where)),
        makePart("What activates it most", views.synthesized),
        makePart("Strongest patches of the free images", views.patches))),
  );

  // ---------------------------------------------------------------- drawing
  /** Draw everything that depends on the unit or the image. */
  async function draw() {
    const { layer, channel, input } = state, maps = getShape()[2];
    for (const b of views.layers.children) b.setAttribute("aria-pressed", b.dataset.layer === layer);
    for (const name of Object.keys(toggles)) toggles[name].setAttribute("aria-pressed", Boolean(state[name]));
    [method.value, filter.value, gamma.value] = [state.method, state.filter, state.gamma];
    placeOver(views.cursor, findTileBox(getShape(), channel));
    if (!input) return;
    const place = state.place ?? findStrongest(input.values[layer], maps, channel), value = input.values[layer][place * maps + channel];
    const [rows, columns] = getShape(), at = [Math.floor(place / columns), place % columns];
    const title = layer === "scores" || layer === "logits" ? `${net.classes[channel]}, ` : "";
    views.name.textContent = `${layer}, ${title}unit ${channel} of ${maps}: ${formatValue(value)}` + (rows > 1 ? ` at row ${at[0]}, column ${at[1]}` : "");
    Object.assign(element.dataset, { unit: `${layer}:${channel}`, value: String(value), place: String(place) });
    drawPatch(views.image, input.pixels, look.side, [0, 0, look.side, look.side]);
    const [top, left, height, width] = getReceptiveField(look, layer, place).map((n) => n / look.side);
    placeOver(views.frame, { left: Math.max(left, 0), top: Math.max(top, 0), width: Math.min(left + width, 1) - Math.max(left, 0), height: Math.min(top + height, 1) - Math.max(top, 0) });
    drawMap(views.map, input.values[layer], getShape(), channel, state.gamma);
    placeOver(views.where, { left: at[1] / columns, top: at[0] / rows, width: 1 / columns, height: 1 / rows });
    if (!state.signals) drawSheet(views.sheet, input.values[layer], getShape(), { gamma: state.gamma });
    drawOverlays();
    await drawSaliency(state.origin ?? { layer, channel, place });
  }

  let busy = false, next = null;
  /** Draw the saliency of a unit. During a computation only the newest request waits. */
  async function drawSaliency(unit) {
    if (state.method === "off") {
      views.back.getContext("2d").clearRect(0, 0, views.back.width, views.back.height);
      enlarge(null);
      views.backWords.textContent = "off";
      if (state.signals) drawSheet(views.sheet, new Float32Array(getShape().reduce((a, b) => a * b)), getShape(), { signed: true });
      return;
    }
    if (busy) return void (next = unit);
    busy = true;
    try {
      const { layer } = state, begin = performance.now();
      const saliency = await computeSaliency(state.input.values, unit, state.method, state.signals ? [layer] : []);
      const isNonzero = drawSignal(views.back, saliency.picture, [look.side, look.side], state.filter);
      enlarge(isNonzero ? getReceptiveField(look, unit.layer, unit.place) : null);
      const from = state.origin ? `from ${unit.layer}:${unit.channel}, frozen; ` : "";
      views.backWords.textContent = from + (isNonzero ? MEANING[state.method] : "the saliency is zero: the unit is off, or the ReLUs block all signals; try gradient") + `; ${Math.round(performance.now() - begin)} ms`;
      if (state.signals && layer === state.layer) {
        drawSheet(views.sheet, saliency.signals[layer] ?? new Float32Array(getShape().reduce((a, b) => a * b)), getShape(), { gamma: state.gamma, signed: true });
      }
      element.dataset.saliency = `${unit.layer}:${unit.channel} ${state.method} ${state.filter}`;
    } catch (error) {
      explain(views.problems, error);
    } finally {
      busy = false;
    }
    if (next) [unit, next] = [next, null], await drawSaliency(unit);
  }

  /** Enlarge the receptive field in the saliency if it is less than half of the image. */
  function enlarge(field) {
    views.near.hidden = !field || field[2] * field[3] > 0.5 * look.side ** 2;
    if (views.near.hidden) return;
    const [top, left, height, width] = field;
    setSize(views.near, width, height);
    views.near.getContext("2d").drawImage(views.back, left, top, width, height, 0, 0, width, height);
  }

  let overlayKey = null;
  /** Draw dots on units with synthesized images, or these images over the tiles. */
  function drawOverlays() {
    const key = `${state.layer} ${state.synthesized}`;
    if (overlayKey === key) return;
    overlayKey = key;
    views.marks.replaceChildren();
    views.patterns.replaceChildren();
    for (const unit of Object.keys(net.synthesized)) {
      const [layer, channel] = unit.split(":");
      if (layer !== state.layer) continue;
      const mark = state.synthesized ? make("img", { src: getSynthesizedAddress(look, layer, channel), alt: "" }) : make("div");
      placeOver(mark, findTileBox(getShape(), Number(channel)));
      (state.synthesized ? views.patterns : views.marks).append(mark);
    }
  }

  let lastRequest = 0;
  /** Draw what does not depend on the image: synthesized images and strongest patches. */
  async function drawUnit() {
    const { layer, channel } = state, request = ++lastRequest, address = getSynthesizedAddress(look, layer, channel);
    views.synthesized.replaceChildren(
      address
        ? make("img", { src: address, alt: `images synthesized for ${layer}, unit ${channel}`, class: "look-synthesized" })
        : make("p", { class: "live-note" }, "This page has no synthesized images of this unit, only of the units with a dot. ", make("code", {}, `kerasrecipes visualize squeezenet --method maximize --unit ${layer}:${channel}`), " makes them."),
    );
    const getTopActivations = await findTopActivations(look);
    if (request !== lastRequest) return;
    views.patches.replaceChildren(
      ...getTopActivations(layer, channel).filter((p) => p.value > 0).map(({ sample: name, pixels, value, place }) => {
        const patch = makeCanvas(`${name}, ${formatValue(value)}`);
        drawPatch(patch, pixels, look.side, getReceptiveField(look, layer, place));
        return make("figure", {}, patch, make("figcaption", {}, formatValue(value)));
      }),
    );
    if (!views.patches.children.length) views.patches.append(make("p", { class: "live-note" }, "The unit is off in all five images."));
    element.dataset.patches = `${layer}:${channel}`;
  }

  // ---------------------------------------------------------------- input of the reader
  function choose(changes) {
    const before = `${state.layer}:${state.channel}`;
    Object.assign(state, changes);
    if (changes.channel !== undefined && changes.place === undefined) state.place = null;
    if (before !== `${state.layer}:${state.channel}`) drawUnit().catch((error) => explain(views.problems, error));
    return draw();
  }

  async function show(pixels, credit) {
    const { values, probabilities, ms } = await forward(look, pixels);
    state.input = { values, pixels };
    views.classes.update(probabilities);
    views.credit.textContent = credit;
    views.time.textContent = `forward ${ms.toFixed(0)} ms`;
    element.dataset.answer = net.classes[probabilities.indexOf(Math.max(...probabilities))];
    await draw();
  }

  const beginChoice = trackNewest();
  const showImage = (source, credit = "your image; it stays on this device") => {
    const isCurrent = beginChoice();
    lens.stop();
    return attempt(views.problems, async () => {
      const image = await readImage(source);
      if (isCurrent()) await show(prepare(image, look.side), credit);
    });
  };
  function showSample(i) {
    state.sample = (i + samples.length) % samples.length;
    thumbs.forEach((t, k) => t.setAttribute("aria-pressed", k === state.sample));
    return showImage(getSampleAddress(samples[state.sample]), net.samples[samples[state.sample]]);
  }

  const frame = new OffscreenCanvas(256, 256), pixels = frame.getContext("2d", { willReadFrequently: true });
  const lens = makeCamera(element, { width: 320, height: 240 }, async (video) => {
    if (state.frozen) return;
    const side = Math.min(video.videoWidth, video.videoHeight);
    pixels.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, 256, 256);
    await show(prepare({ rgb: dropAlpha(pixels.getImageData(0, 0, 256, 256).data), shape: [256, 256, 3] }, look.side), "camera; nothing leaves this device");
  }, (on) => {
    state.frozen = false;
    freeze.hidden = !on;
    freeze.setAttribute("aria-pressed", "false");
    cameraButton.setAttribute("aria-pressed", on);
  });
  function startCamera() {
    beginChoice();
    explain(views.problems, null);
    return lens.start().catch((error) => explain(views.problems, error));
  }

  const actions = {
    state, choose, shape: getShape, sample: showSample, layers: net.layers,
    showSignals: () => choose({ signals: !state.signals }),
    showSynthesized: () => choose({ synthesized: !state.synthesized }),
    switchCamera: () => (lens.on ? showSample(state.sample) : startCamera()),
    freezeCamera() {
      state.frozen = lens.on && !state.frozen;
      freeze.setAttribute("aria-pressed", state.frozen);
    },
    freezeOrigin() {
      const { layer, channel, input } = state;
      const place = state.place ?? (input ? findStrongest(input.values[layer], getShape()[2], channel) : 0);
      return choose({ origin: state.origin ? null : { layer, channel, place } });
    },
    switchHelp() { views.help.open = !views.help.open; },
  };
  element.addEventListener("keydown", makeKeyHandler(actions));
  views.sheet.addEventListener("click", (event) => {
    const box = views.sheet.getBoundingClientRect();
    const unit = findUnit(getShape(), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    if (unit !== undefined) choose({ channel: unit, place: null });
  });
  views.map.addEventListener("click", (event) => {
    const box = views.map.getBoundingClientRect(), [rows, columns] = getShape();
    const at = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    choose({ place: Math.min(rows - 1, Math.floor(at[0] * rows)) * columns + Math.min(columns - 1, Math.floor(at[1] * columns)) });
  });

  await showSample(state.sample);
  drawUnit().catch((error) => explain(views.problems, error));
}

/** Format a number with three significant digits. */
const formatValue = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** Place an element over a part of its parent, in fractions of it. */
function placeOver(element, { left, top, width, height }) {
  for (const [side, fraction] of Object.entries({ left, top, width, height })) element.style[side] = `${100 * fraction}%`;
}
