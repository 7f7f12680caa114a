// Look inside: squeezenet's layers as tiles for a picture or the camera; a unit's favourite picture, its strongest patches, and its
// activity led back. Moves on the keyboard are those of the Deep Visualization Toolbox.

import { camera } from "./camera.js";
import { attempt, button, explain, fileInput, labeled, loaded, make, newest } from "./common.js";
import { GAMMAS, METHODS, help, keyHandler } from "./look_keys.js";
import { back, fieldOf, forward, keptAddress, maxima, open, prepared, sampleAddress, strongest } from "./look_net.js";
import { FILTERS, drawMap, drawPatch, drawSheet, drawSignal, tileBox, unitAt } from "./look_tiles.js";
import { bars, size } from "./maps.js";
import { readPicture, withoutAlpha } from "./pixels.js";

const MEANING = {
  off: "", gradient: "which change of a pixel would raise the unit", guided: "the same, only through active units and positive signals",
  deconv: "the unit's activity through switches, rectifiers and transposed filters",
};
const canvas = (label, attributes = {}) => make("canvas", { role: "img", "aria-label": label, ...attributes });
const part = (title, ...children) => make("section", { class: "look-part" }, make("h3", {}, title), ...children);
const select = (options, onchange) => make("select", { onchange }, ...options.map((o) => make("option", { value: o }, o)));

export async function mount(element) {
  const look = await loaded(element, open);
  const { net } = look, samples = Object.keys(net.samples);
  const state = {
    layer: "fire7", channel: 197, place: null, method: "deconv", filter: "raw", gamma: 0.5, origin: null, diffs: false, pattern: false,
    sample: samples.indexOf("chelsea"), frozen: false, seen: null,
  };
  const shape = (layer = state.layer) => net.steps[layer].shape;

  // ---------------------------------------------------------------- what there is to see
  const views = {
    picture: canvas("the network's input; the frame is what the unit sees"), frame: make("div", { class: "look-frame" }),
    back: canvas("saliency of the unit in the image"), near: canvas("the same, enlarged"), backWords: make("p", { class: "live-note" }),
    sheet: make("canvas", { tabindex: 0, role: "application", "aria-label": "all maps of the layer; arrow keys choose a unit" }),
    cursor: make("div", { class: "look-cursor" }), marks: make("div", { class: "look-marks" }), patterns: make("div", { class: "look-marks" }),
    map: canvas("map of the unit: click to choose a position"), where: make("div", { class: "look-frame" }),
    name: make("p", { class: "look-name", role: "status", "aria-live": "polite" }), kept: make("div"), patches: make("div", { class: "look-patches" }),
    layers: make("div", { class: "look-layers", role: "toolbar", "aria-label": "layers" }), time: make("p", { class: "live-note" }),
    problems: make("div"), credit: make("p", { class: "live-note" }), classes: bars(net.classes, 5), help: help(),
  };
  const method = select(METHODS, () => choose({ method: method.value })), filter = select(FILTERS, () => choose({ filter: filter.value }));
  const gamma = select(GAMMAS, () => choose({ gamma: Number(gamma.value) }));
  const toggles = {
    origin: button("freeze origin", () => actions.freezeOrigin(), { "aria-pressed": "false", title: "d: lead back from this unit while looking at other layers" }),
    diffs: button("signals in tiles", () => actions.diffs(), { "aria-pressed": "false", title: "a: show the saliency at this layer instead of activations" }),
    pattern: button("patterns", () => actions.pattern(), { "aria-pressed": "false", title: "s: kept pictures over their units' tiles" }),
  };
  const cameraButton = button("camera", () => actions.camera(), { "aria-pressed": "false" });
  const freeze = button("freeze", () => actions.freeze(), { "aria-pressed": "false", hidden: true });
  const thumbs = samples.map((name, i) =>
    make("button", { type: "button", class: "look-thumb", title: net.samples[name], "aria-label": `picture: ${name}`, onclick: () => sample(i) }, make("img", { src: sampleAddress(name), alt: "", width: 48, height: 48 })),
  );
  for (const layer of net.shown) views.layers.append(button(layer, () => choose({ layer, channel: 0, place: null }), { "data-layer": layer }));

  element.classList.add("look");
  element.append(
    make("div", { class: "look-sources live-row" }, ...thumbs, labeled("A picture of yours (or drop it here)", fileInput(element, "image/*", (file) => picture(file))), cameraButton, freeze),
    views.problems,
    make("div", { class: "look-panes" },
      make("div", { class: "look-left" },
        part("Picture", make("div", { class: "look-over" }, views.picture, views.frame), views.classes.element, views.credit),
        part("Saliency", views.back, views.near, views.backWords,
          make("div", { class: "live-row" }, field("method", method), field("shown as", filter)))),
      make("div", { class: "look-middle" },
        views.layers,
        make("div", { class: "look-over" }, views.sheet, views.patterns, views.marks, views.cursor),
        make("div", { class: "live-row" }, field("brightness, gamma", gamma), ...Object.values(toggles)), views.time, views.help),
      make("div", { class: "look-right" }, views.name,
        part("Its map", make("div", { class: "look-over" }, views.map, views.where)),
        part("What activates it most", views.kept),
        part("Strongest patches of the free images", views.patches))),
  );
  function field(words, control) { return make("label", { class: "live-field" }, make("span", {}, words), control); }

  // ---------------------------------------------------------------- drawing
  /** Everything that depends on the unit or the picture. */
  async function draw() {
    const { layer, channel, seen } = state, maps = shape()[2];
    for (const b of views.layers.children) b.setAttribute("aria-pressed", b.dataset.layer === layer);
    for (const name of Object.keys(toggles)) toggles[name].setAttribute("aria-pressed", Boolean(state[name]));
    [method.value, filter.value, gamma.value] = [state.method, state.filter, state.gamma];
    lay(views.cursor, tileBox(shape(), channel));
    if (!seen) return;
    const place = state.place ?? strongest(seen.values[layer], maps, channel), value = seen.values[layer][place * maps + channel];
    const [rows, columns] = shape(), at = [Math.floor(place / columns), place % columns];
    const title = layer === "scores" || layer === "logits" ? `${net.classes[channel]}, ` : "";
    views.name.textContent = `${layer}, ${title}unit ${channel} of ${maps}: ${short(value)}` + (rows > 1 ? ` at row ${at[0]}, column ${at[1]}` : "");
    Object.assign(element.dataset, { unit: `${layer}:${channel}`, value: String(value), place: String(place) });
    drawPatch(views.picture, seen.pixels, look.side, [0, 0, look.side, look.side]);
    const [top, left, height, width] = fieldOf(look, layer, place).map((n) => n / look.side);
    lay(views.frame, { left: Math.max(left, 0), top: Math.max(top, 0), width: Math.min(left + width, 1) - Math.max(left, 0), height: Math.min(top + height, 1) - Math.max(top, 0) });
    drawMap(views.map, seen.values[layer], shape(), channel, state.gamma);
    lay(views.where, { left: at[1] / columns, top: at[0] / rows, width: 1 / columns, height: 1 / rows });
    if (!state.diffs) drawSheet(views.sheet, seen.values[layer], shape(), { gamma: state.gamma });
    overlays();
    await lead(state.origin ?? { layer, channel, place });
  }

  let busy = false, again = null;
  /** The way back, one after the other; only the newest wish waits. */
  async function lead(unit) {
    if (state.method === "off") {
      views.back.getContext("2d").clearRect(0, 0, views.back.width, views.back.height);
      enlarge(null);
      views.backWords.textContent = "off";
      if (state.diffs) drawSheet(views.sheet, new Float32Array(shape().reduce((a, b) => a * b)), shape(), { signed: true });
      return;
    }
    if (busy) return void (again = unit);
    busy = true;
    try {
      const { layer } = state, begin = performance.now();
      const found = await back(state.seen.values, unit, state.method, state.diffs ? [layer] : []);
      const something = drawSignal(views.back, found.picture, [look.side, look.side], state.filter);
      enlarge(something ? fieldOf(look, unit.layer, unit.place) : null);
      const from = state.origin ? `from ${unit.layer}:${unit.channel}, frozen; ` : "";
      views.backWords.textContent = from + (something ? MEANING[state.method] : "nothing comes through: the unit is off, or rectifiers let nothing pass; try gradient") + `; ${Math.round(performance.now() - begin)} ms`;
      if (state.diffs && layer === state.layer) {
        drawSheet(views.sheet, found.signals[layer] ?? new Float32Array(shape().reduce((a, b) => a * b)), shape(), { gamma: state.gamma, signed: true });
      }
      element.dataset.led = `${unit.layer}:${unit.channel} ${state.method} ${state.filter}`;
    } catch (error) {
      explain(views.problems, error);
    } finally {
      busy = false;
    }
    if (again) [unit, again] = [again, null], await lead(unit);
  }

  /** The part of what is led back that can differ from zero, larger, where that is less than half of it. */
  function enlarge(field) {
    views.near.hidden = !field || field[2] * field[3] > 0.5 * look.side ** 2;
    if (views.near.hidden) return;
    const [top, left, height, width] = field;
    size(views.near, width, height);
    views.near.getContext("2d").drawImage(views.back, left, top, width, height, 0, 0, width, height);
  }

  let marked = null;
  /** Dots on units whose favourite picture is kept, or these pictures over the tiles. */
  function overlays() {
    const key = `${state.layer} ${state.pattern}`;
    if (marked === key) return;
    marked = key;
    views.marks.replaceChildren();
    views.patterns.replaceChildren();
    for (const unit of Object.keys(net.kept)) {
      const [layer, channel] = unit.split(":");
      if (layer !== state.layer) continue;
      const mark = state.pattern ? make("img", { src: keptAddress(look, layer, channel), alt: "" }) : make("div");
      lay(mark, tileBox(shape(), Number(channel)));
      (state.pattern ? views.patterns : views.marks).append(mark);
    }
  }

  let asked = 0;
  /** What is known of a unit beside this picture. */
  async function drawUnit() {
    const { layer, channel } = state, mine = ++asked, address = keptAddress(look, layer, channel);
    views.kept.replaceChildren(
      address
        ? make("img", { src: address, alt: `pictures synthesized for ${layer}, unit ${channel}`, class: "look-kept" })
        : make("p", { class: "live-note" }, "Not kept here: the units with a dot have one. ", make("code", {}, `kerasrecipes visualize squeezenet --method maximize --unit ${layer}:${channel}`), " makes it."),
    );
    const of = await maxima(look);
    if (mine !== asked) return;
    views.patches.replaceChildren(
      ...of(layer, channel).filter((p) => p.value > 0).map(({ sample: name, pixels, value, place }) => {
        const drawn = canvas(`${name}, ${short(value)}`);
        drawPatch(drawn, pixels, look.side, fieldOf(look, layer, place));
        return make("figure", {}, drawn, make("figcaption", {}, short(value)));
      }),
    );
    if (!views.patches.children.length) views.patches.append(make("p", { class: "live-note" }, "It is off in all five."));
    element.dataset.patches = `${layer}:${channel}`;
  }

  // ---------------------------------------------------------------- what the reader does
  function choose(changes) {
    const before = `${state.layer}:${state.channel}`;
    Object.assign(state, changes);
    if (changes.channel !== undefined && changes.place === undefined) state.place = null;
    if (before !== `${state.layer}:${state.channel}`) drawUnit().catch((error) => explain(views.problems, error));
    return draw();
  }

  async function show(pixels, credit) {
    const { values, probabilities, ms } = await forward(look, pixels);
    state.seen = { values, pixels };
    views.classes.update(probabilities);
    views.credit.textContent = credit;
    views.time.textContent = `forward ${ms.toFixed(0)} ms`;
    element.dataset.answer = net.classes[probabilities.indexOf(Math.max(...probabilities))];
    await draw();
  }

  const choice = newest();
  const picture = (source, credit = "your picture; it stays on this device") => {
    const current = choice();
    lens.stop();
    return attempt(views.problems, async () => {
      const read = await readPicture(source);
      if (current()) await show(prepared(read, look.side), credit);
    });
  };
  function sample(i) {
    state.sample = (i + samples.length) % samples.length;
    thumbs.forEach((t, k) => t.setAttribute("aria-pressed", k === state.sample));
    return picture(sampleAddress(samples[state.sample]), net.samples[samples[state.sample]]);
  }

  const frame = new OffscreenCanvas(256, 256), pixels = frame.getContext("2d", { willReadFrequently: true });
  const lens = camera(element, { width: 320, height: 240 }, async (video) => {
    if (state.frozen) return;
    const side = Math.min(video.videoWidth, video.videoHeight);
    pixels.drawImage(video, (video.videoWidth - side) / 2, (video.videoHeight - side) / 2, side, side, 0, 0, 256, 256);
    await show(prepared({ rgb: withoutAlpha(pixels.getImageData(0, 0, 256, 256).data), shape: [256, 256, 3] }, look.side), "camera; nothing leaves this device");
  }, (on) => {
    state.frozen = false;
    freeze.hidden = !on;
    freeze.setAttribute("aria-pressed", "false");
    cameraButton.setAttribute("aria-pressed", on);
  });
  function startCamera() {
    choice();
    explain(views.problems, null);
    return lens.start().catch((error) => explain(views.problems, error));
  }

  const actions = {
    state, choose, shape, sample, layers: net.shown,
    diffs: () => choose({ diffs: !state.diffs }),
    pattern: () => choose({ pattern: !state.pattern }),
    camera: () => (lens.on ? sample(state.sample) : startCamera()),
    freeze() {
      state.frozen = lens.on && !state.frozen;
      freeze.setAttribute("aria-pressed", state.frozen);
    },
    freezeOrigin() {
      const { layer, channel, seen } = state;
      const place = state.place ?? (seen ? strongest(seen.values[layer], shape()[2], channel) : 0);
      return choose({ origin: state.origin ? null : { layer, channel, place } });
    },
    help() { views.help.open = !views.help.open; },
  };
  element.addEventListener("keydown", keyHandler(actions));
  views.sheet.addEventListener("click", (event) => {
    const box = views.sheet.getBoundingClientRect();
    const unit = unitAt(shape(), (event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height);
    if (unit !== undefined) choose({ channel: unit, place: null });
  });
  views.map.addEventListener("click", (event) => {
    const box = views.map.getBoundingClientRect(), [rows, columns] = shape();
    const at = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    choose({ place: Math.min(rows - 1, Math.floor(at[0] * rows)) * columns + Math.min(columns - 1, Math.floor(at[1] * columns)) });
  });

  await sample(state.sample);
  drawUnit().catch((error) => explain(views.problems, error));
}

/** A number with three digits that count. */
const short = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));

/** Put an element over a part of its parent, given in shares. */
function lay(element, { left, top, width, height }) {
  for (const [side, share] of Object.entries({ left, top, width, height })) element.style[side] = `${100 * share}%`;
}
