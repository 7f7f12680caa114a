// The toolbox: the layers of an image network as tiles for an image or the camera, and for one unit its map, synthesized images, its
// strongest patches and its saliency. The keys are those of the Deep Visualization Toolbox. A source computes all values:
//
//   name, classes, layers, methods, words        what the network has; words: {saliency, signals} say what it has not
//   samples: [{name, credit, address}]           images to choose from
//   start: {layer, channel, sample, method}      what is shown first
//   openSample(i, options), openImage(blob, options), openPixels({rgb, shape}) -> input     options: {stretch}
//   input: {pixels, size: [height, width], probabilities, ms, shapes: {layer: [rows, columns, maps]}, fetchLayer(layer) -> values}
//   getField(input, layer, place)                [top, left, height, width] of the receptive field
//   computeSaliency(input, unit, method, layer)  {picture, channels, signals}; layer: whose signals are returned, or null
//   listSynthesized(layer), findUnitImages(layer, channel, method)      see look_unit.js

import { makeCamera } from "./camera.js";
import { attempt, makeButton, explain, makeFileInput, makeField, make } from "./common.js";
import { BOOSTS, GAMMAS, ZOOMS, makeHelp, makeKeyHandler } from "./look_keys.js";
import { FILTERS, drawMap, drawPatch, drawSheet, drawSignal, findStrongest, findTileBox, findUnit, layOutSheet, placeOver } from "./look_tiles.js";
import { formatValue, makeUnitPane } from "./look_unit.js";
import { makeBars, setSize } from "./maps.js";
import { keepLatest, trackNewest } from "./newest.js";
import { dropAlpha } from "./pixels.js";

const MEANING = {
  gradient: "gradient of the unit with respect to the pixels", guided: "the gradient, only through active units and positive signals",
  deconv: "the unit's activation through switches, ReLUs and transposed filters",
};
const ZERO = "the saliency is zero: the unit is off, or the ReLUs block all signals; try gradient";
const makeCanvas = (label, attributes = {}) => make("canvas", { role: "img", "aria-label": label, ...attributes });
const makePart = (title, ...children) => make("section", { class: "look-part" }, make("h3", {}, title), ...children);
const makeSelect = (options, onchange) => make("select", { onchange }, ...options.map((o) => make("option", { value: o }, o)));
const count = (shape) => shape.reduce((a, b) => a * b);

/** Build the toolbox in `element`. Resolves when the first image is shown. */
export async function mountLook(element, source) {
  const { samples } = source, methods = ["off", ...source.methods], root = make("div", { class: "look" });
  const state = {
    ...source.start, place: null, filter: "raw", gamma: 0.5, boost: 0, zoom: "none", origin: null, signals: false, synthesized: false,
    frozen: false, stretch: false, timings: 1, labels: true, unitImages: true, input: null, shape: [1, 1, 1], times: {},
  };

  // ---------------------------------------------------------------- views
  const views = {
    image: makeCanvas("input of the network; the frame is the receptive field of the unit"), frame: make("div", { class: "look-frame" }),
    back: makeCanvas("saliency of the unit in the image"), near: makeCanvas("saliency of the unit, enlarged"), backWords: make("p", { class: "live-note" }),
    sheet: make("canvas", { tabindex: 0, role: "application", "aria-label": "all maps of the layer; arrow keys select a unit" }),
    zoom: makeCanvas("the map of the unit or its saliency, enlarged", { class: "look-zoom" }),
    cursor: make("div", { class: "look-cursor" }), marks: make("div", { class: "look-marks" }), patterns: make("div", { class: "look-marks" }),
    map: makeCanvas("map of the unit: click to choose a position"), where: make("div", { class: "look-frame" }),
    name: make("p", { class: "look-name", role: "status", "aria-live": "polite" }),
    layers: make("div", { class: "look-layers", role: "toolbar", "aria-label": "layers" }), time: make("p", { class: "live-note" }),
    problems: make("div"), credit: make("p", { class: "live-note" }), classes: makeBars(source.classes, Math.min(5, source.classes.length)), help: makeHelp(),
  };
  const unitPane = makeUnitPane(source, element, views.problems, () => drawOverlays(true));
  const method = makeSelect(methods, () => choose({ method: method.value })), filter = makeSelect(FILTERS, () => choose({ filter: filter.value }));
  const gamma = makeSelect(GAMMAS, () => choose({ gamma: Number(gamma.value) })), boost = makeSelect(BOOSTS, () => choose({ boost: Number(boost.value) }));
  const toggles = {
    origin: makeButton("freeze unit", () => actions.freezeOrigin(), { title: "d: keep the saliency of this unit while you look at other layers" }),
    signals: makeButton("signals in tiles", () => actions.toggle("signals"), { title: "a: show the signals of the saliency at this layer instead of activations" }),
    synthesized: makeButton("synthesized images", () => actions.toggle("synthesized"), { title: "s: synthesized images over the tiles of their units" }),
    zoomed: makeButton("zoom", () => actions.switchZoom(), { title: "z: the map of the unit, its saliency, or all tiles" }),
    stretch: makeButton("stretch", () => actions.switchStretch(), { title: "0: change the proportions of images, or take their middle" }),
  };
  const cameraButton = makeButton("camera", () => actions.switchCamera(), { "aria-pressed": "false" });
  const freeze = makeButton("freeze", () => actions.freezeCamera(), { "aria-pressed": "false", hidden: true });
  const thumbs = samples.map(({ name, credit, address }, i) =>
    make("button", { type: "button", class: "look-thumb", title: credit, "aria-label": `image: ${name}`, onclick: () => showSample(i) }, make("img", { src: address, alt: "", width: 48, height: 48, loading: "lazy" })),
  );
  for (const layer of source.layers) views.layers.append(makeButton(layer, () => choose({ layer, channel: 0, place: null }), { "data-layer": layer }));
  const classesPart = make("div", {}, views.classes.element);

  element.append(root);
  root.append(
    make("div", { class: "look-sources live-row" }, make("div", { class: "look-thumbs" }, ...thumbs), makeField("Your image (or drop it here)", makeFileInput(root, "image/*", (file) => showImage(file))), cameraButton, freeze),
    views.problems,
    make("div", { class: "look-panes" },
      make("div", { class: "look-left" },
        makePart("Image", make("div", { class: "look-over" }, views.image, views.frame), classesPart, views.credit),
        makePart("Saliency", views.back, views.near, views.backWords,
          make("div", { class: "live-row" }, makeField("method", method), makeField("shown as", filter)))),
      make("div", { class: "look-middle" },
        views.layers,
        make("div", { class: "look-over" }, views.sheet, views.patterns, views.marks, views.cursor, views.zoom),
        make("div", { class: "live-row" }, makeField("brightness, gamma", gamma), makeField("own range of maps", boost), ...Object.values(toggles)), views.time, views.help),
      make("div", { class: "look-right" }, views.name,
        makePart("Map of the unit", make("div", { class: "look-over" }, views.map, views.where)), unitPane.element)),
  );

  // ---------------------------------------------------------------- drawing
  function showState() {
    for (const b of views.layers.children) b.setAttribute("aria-pressed", b.dataset.layer === state.layer);
    for (const name of Object.keys(toggles)) toggles[name].setAttribute("aria-pressed", name === "zoomed" ? state.zoom !== "none" : Boolean(state[name]));
    [method.value, filter.value, gamma.value, boost.value] = [state.method, state.filter, state.gamma, state.boost];
    method.disabled = methods.length < 2;
    views.sheet.parentElement.classList.toggle("zoomed", state.zoom !== "none");
    classesPart.hidden = !state.labels;
    unitPane.element.hidden = !state.unitImages;
    Object.assign(element.dataset, { zoom: state.zoom, gamma: String(state.gamma), boost: String(state.boost) });
  }

  const beginDrawing = trackNewest();
  /** Draw everything that depends on the unit or the image. */
  async function draw() {
    const isCurrent = beginDrawing(), { layer, input } = state, begin = performance.now();
    showState();
    if (!input) return;
    const shape = input.shapes[layer], [rows, columns, maps] = shape, values = await input.fetchLayer(layer);
    if (!isCurrent()) return;
    Object.assign(state, { shape, values, channel: Math.min(state.channel, maps - 1) });
    const { channel } = state, place = state.place ?? findStrongest(values, maps, channel), value = values[place * maps + channel];
    const at = [Math.floor(place / columns), place % columns], title = maps === source.classes.length ? `${source.classes[channel]}, ` : "";
    views.name.textContent = `${layer}, ${title}unit ${channel} of ${maps}: ${formatValue(value)}` + (rows * columns > 1 ? ` at row ${at[0]}, column ${at[1]}` : "");
    Object.assign(element.dataset, { unit: `${layer}:${channel}`, value: String(value), place: String(place) });
    drawPatch(views.image, input.pixels, input.size, [0, 0, ...input.size]);
    drawMap(views.map, values, shape, channel, state.gamma);
    placeOver(views.where, { left: at[1] / columns, top: at[0] / rows, width: 1 / columns, height: 1 / rows });
    placeOver(views.cursor, findTileBox(shape, channel));
    if (!state.signals) drawSheet(views.sheet, values, shape, state);
    drawOverlays();
    drawZoom();
    const [top, left, height, width] = await source.getField(input, layer, place), [high, wide] = input.size;
    if (!isCurrent()) return;
    placeOver(views.frame, { left: Math.max(left, 0) / wide, top: Math.max(top, 0) / high, width: (Math.min(left + width, wide) - Math.max(left, 0)) / wide, height: (Math.min(top + height, high) - Math.max(top, 0)) / high });
    showTime({ drawing: performance.now() - begin });
    await drawSaliency(state.origin ?? { layer, channel, place: state.place ?? place });
  }

  function clearSaliency() {
    views.back.getContext("2d").clearRect(0, 0, views.back.width, views.back.height);
    views.near.hidden = true;
    views.backWords.textContent = source.words.saliency ?? "off";
    element.dataset.saliency = "off";
    if (state.signals) drawSheet(views.sheet, new Float32Array(count(state.shape)), state.shape, { signed: true });
  }

  /** Draw the saliency of a unit. During a computation only the newest request waits. */
  const drawSaliency = (unit) => (state.method === "off" ? clearSaliency() : computeSaliency(unit));
  const computeSaliency = keepLatest(async (unit, isLatest) => {
    if (state.method === "off") return; // chosen while this request waited
    const { layer, input, shape, method: asked } = state, begin = performance.now();
    try {
      const saliency = await source.computeSaliency(input, unit, asked, state.signals ? layer : null);
      if (state.method !== asked) return; // another method was chosen meanwhile
      const isNonzero = drawSignal(views.back, saliency.picture, [...input.size, saliency.channels], state.filter);
      enlarge(isNonzero ? await source.getField(input, unit.layer, unit.place) : null);
      const from = state.origin ? `from ${unit.layer}:${unit.channel}, frozen; ` : "", what = MEANING[state.method] ?? source.words.methods?.[state.method] ?? state.method;
      views.backWords.textContent = from + (isNonzero ? what : ZERO) + (saliency.note ? `; ${saliency.note}` : "");
      showTime({ saliency: performance.now() - begin });
      if (state.signals && layer === state.layer) {
        drawSheet(views.sheet, saliency.signals ?? new Float32Array(count(shape)), shape, { gamma: state.gamma, signed: true });
      }
      drawZoom();
      element.dataset.saliency = `${unit.layer}:${unit.channel} ${state.method} ${state.filter}`;
    } catch (error) {
      if (isLatest()) views.backWords.textContent = error.message ?? String(error);
      element.dataset.saliency = "error";
    }
  });

  /** Enlarge the receptive field in the saliency if it is less than half of the image. */
  function enlarge(field) {
    views.near.hidden = !field || field[2] * field[3] > 0.5 * count(state.input.size);
    if (views.near.hidden) return;
    const [top, left, height, width] = field;
    setSize(views.near, width, height);
    views.near.getContext("2d").drawImage(views.back, left, top, width, height, 0, 0, width, height);
  }

  function drawZoom() {
    if (state.zoom === "none") return;
    const from = state.zoom === "unit" ? views.map : views.back, context = views.zoom.getContext("2d");
    setSize(views.zoom, from.width, from.height);
    context.clearRect(0, 0, from.width, from.height);
    if (state.zoom === "unit" || state.method !== "off") context.drawImage(from, 0, 0);
  }

  function showTime(changes, times = Object.assign(state.times, changes)) {
    const shown = Object.entries(times).slice(0, state.timings === 2 ? 9 : 1);
    views.time.textContent = state.timings ? shown.map(([name, ms]) => `${name} ${ms.toFixed(0)} ms`).join(", ") : "";
  }

  let overlayKey = null;
  /** Draw dots on units with synthesized images, or these images over the tiles. */
  async function drawOverlays(again = false) {
    const { layer, shape } = state, key = `${layer} ${state.synthesized} ${shape}`;
    if (overlayKey === key && !again) return;
    overlayKey = key;
    const images = await source.listSynthesized(layer);
    if (overlayKey !== key) return;
    const marks = [...images].map(([channel, address]) => {
      const mark = state.synthesized ? make("img", { src: address, alt: "" }) : make("div");
      placeOver(mark, findTileBox(shape, channel));
      return mark;
    });
    views.marks.replaceChildren(...(state.synthesized ? [] : marks));
    views.patterns.replaceChildren(...(state.synthesized ? marks : []));
  }

  // ---------------------------------------------------------------- input of the reader
  function choose(changes) {
    const before = `${state.layer}:${state.channel}:${state.method}`;
    Object.assign(state, changes);
    if (changes.channel !== undefined && changes.place === undefined) state.place = null;
    if (before !== `${state.layer}:${state.channel}:${state.method}`) unitPane.draw(state.layer, state.channel, state.method);
    return draw().catch((error) => explain(views.problems, error));
  }

  async function show(input, credit) {
    state.input = input;
    views.classes.update(input.probabilities);
    views.credit.textContent = credit;
    showTime({ forward: input.ms });
    element.dataset.number = String(input.number ?? "");
    element.dataset.answer = source.classes[input.probabilities.indexOf(Math.max(...input.probabilities))];
    await draw();
  }

  const beginChoice = trackNewest();
  let showAgain = () => {};
  function showInput(open, credit) {
    const isCurrent = beginChoice();
    lens.stop();
    showAgain = () => showInput(open, credit);
    return attempt(views.problems, async () => {
      const input = await open();
      if (isCurrent()) await show(input, credit);
    });
  }
  const showImage = (file) => showInput(() => source.openImage(file, state), "your image; it stays on this device");
  function showSample(i) {
    if (!samples.length) return startCamera();
    const sample = (state.sample = (i + samples.length) % samples.length);
    thumbs.forEach((t, k) => t.setAttribute("aria-pressed", k === sample));
    return showInput(() => source.openSample(sample, state), samples[sample].credit);
  }

  const frame = new OffscreenCanvas(256, 256), pixels = frame.getContext("2d", { willReadFrequently: true });
  const lens = makeCamera(root, { width: 320, height: 240 }, async (video) => {
    if (state.frozen) return;
    const side = Math.min(video.videoWidth, video.videoHeight);
    pixels.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, 256, 256);
    await show(await source.openPixels({ rgb: dropAlpha(pixels.getImageData(0, 0, 256, 256).data), shape: [256, 256, 3] }), "camera; nothing leaves this device");
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
    state, choose, methods, layers: source.layers, sample: showSample,
    toggle: (name) => choose({ [name]: !state[name] }),
    move([down, across], steps) {
      const channel = state.channel + (down * layOutSheet(state.shape).columns + across) * steps;
      if (channel >= 0 && channel < state.shape[2]) choose({ channel });
    },
    switchZoom: () => choose({ zoom: ZOOMS[(ZOOMS.indexOf(state.zoom) + 1) % ZOOMS.length] }),
    switchCamera: () => (lens.on ? showSample(state.sample) : startCamera()),
    switchStretch() {
      state.stretch = !state.stretch;
      showState();
      return lens.on ? undefined : showAgain();
    },
    switchTimings() {
      state.timings = (state.timings + 1) % 3;
      showTime({});
    },
    freezeCamera() {
      state.frozen = lens.on && !state.frozen;
      freeze.setAttribute("aria-pressed", state.frozen);
    },
    freezeOrigin: () => choose({ origin: state.origin ? null : { layer: state.layer, channel: state.channel, place: Number(element.dataset.place) } }),
    switchHelp() { views.help.open = !views.help.open; },
  };
  root.addEventListener("keydown", makeKeyHandler(actions));
  const findPoint = (event, canvas) => {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  };
  views.sheet.addEventListener("click", (event) => {
    const unit = findUnit(state.shape, ...findPoint(event, views.sheet));
    if (unit !== undefined) choose({ channel: unit, place: null });
  });
  views.map.addEventListener("click", (event) => {
    const [rows, columns] = state.shape, [x, y] = findPoint(event, views.map);
    choose({ place: Math.min(rows - 1, Math.floor(y * rows)) * columns + Math.min(columns - 1, Math.floor(x * columns)) });
  });

  for (let i = 0; i < samples.length && !state.input; i++) await showSample(state.sample + (i > 0)); // a file may be damaged
  if (!samples.length) views.problems.append(make("p", { class: "live-note" }, "Choose an image, drop one here, or press c for the camera."));
  unitPane.draw(state.layer, state.channel, state.method);
}
