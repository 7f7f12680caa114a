// Segment a street: dilated_camvid_small on the reader's picture or camera, with and without its context module, and how far a
// cell of each sees.

import { camera } from "./camera.js";
import { LiveError, attempt, available, button, explain, fileInput, labeled, loaded, make, newest, session } from "./common.js";
import { size } from "./maps.js";
import { centered, readPicture, resize, withoutAlpha } from "./pixels.js";
import { classesOf, fieldsAt, segmented } from "./segment_net.js";

const NET = "dilated_camvid_small";
const MISSING = `${NET} has no released weights yet, so there is nothing to run here: this demo appears with them. To train them yourself: kerasrecipes train ${NET}.`;
const SIZES = { "240 × 180, as in training": [180, 240], "320 × 240": [240, 320], "480 × 360, slower": [360, 480] };
const WORDS = { context: "with the context module", front: "without: the front end’s own maps" };
const here = new URL(".", import.meta.url);

export async function mount(element) {
  if (!(await available(`${NET}.onnx`))) throw new LiveError(MISSING);
  return build(element, await loaded(element, (report) => session(NET, report)));
}

/** The demo for an opened network whose description has classes, palette, margin, stride and context. */
export async function build(element, net) {
  const { classes, palette, stride } = net.told;
  const state = { picture: null, shape: null, source: null, found: {}, pointer: null };
  const opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.55, oninput: () => paint() });
  const sizes = make("select", { onchange: () => again() }, ...Object.keys(SIZES).map((words) => make("option", {}, words)));
  const cameraButton = button("camera", () => (lens.on ? lens.stop() : startCamera()), { "aria-pressed": "false" });
  const problems = make("div"), time = make("p", { class: "live-note" }), pointed = make("p", { class: "segment-pointed", role: "status", "aria-live": "polite" });
  const panes = Object.fromEntries(Object.entries(WORDS).map(([part, words]) => {
    const canvas = make("canvas", { tabindex: 0, role: "application", "aria-label": `classes ${words}; arrow keys move the pointer` });
    const box = make("div", { class: `segment-field ${part}`, hidden: true });
    const areas = make("table", { class: "segment-areas" });
    canvas.addEventListener("pointermove", (event) => point(event, canvas));
    canvas.addEventListener("pointerdown", (event) => point(event, canvas));
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && move(null)); // a finger always leaves
    canvas.addEventListener("keydown", (event) => keys(event));
    return [part, { canvas, box, areas, element: make("figure", { class: "segment-pane" }, make("figcaption", {}, words), make("div", { class: "segment-over" }, canvas, box), areas) }];
  }));

  element.classList.add("segment");
  element.append(
    make("div", { class: "live-row" }, button("the drawn street", () => sample()), labeled("A picture of yours (or drop it here)", fileInput(element, "image/*", (file) => take(file))), cameraButton,
      labeled("overlay", opacity), labeled("size", sizes)),
    problems, make("div", { class: "segment-panes" }, panes.context.element, panes.front.element), pointed, time,
  );

  /** A picture from a file or an address, at the chosen size. */
  const choice = newest();
  function take(source) {
    const current = choice();
    lens.stop();
    return attempt(problems, async () => {
      const { rgb, shape } = await readPicture(source);
      if (!current()) return;
      state.source = source;
      await show(...fitted(rgb, shape));
    });
  }
  const sample = () => take(new URL("samples/street.png", here).href);
  const again = () => (state.source && !lens.on ? take(state.source) : undefined);

  /** Bytes of the largest centered part in 4 : 3, or of a portrait in 3 : 4, at the chosen size. */
  function fitted(rgb, shape) {
    const chosen = SIZES[sizes.value], target = shape[0] > shape[1] ? chosen.toReversed() : chosen;
    return [resize(rgb, shape, target, centered(shape, target)), target];
  }

  async function show(rgb, shape) {
    const { rows, columns, ms, ...scores } = await segmented(net, rgb, shape);
    const [y, x] = state.pointer ?? [0, 0];
    if (y >= shape[0] || x >= shape[1]) state.pointer = null;
    Object.assign(state, { picture: rgb, shape });
    for (const part of Object.keys(panes)) state.found[part] = classesOf(scores[part], rows, columns, classes.length, shape, stride);
    time.textContent = `network ${ms.toFixed(0)} ms for ${shape[1]} × ${shape[0]} pixels, ${columns} × ${rows} cells`;
    paint();
    Object.assign(element.dataset, { shown: `${shape[1]}x${shape[0]}`, largest: classes[state.found.context.areas.indexOf(Math.max(...state.found.context.areas))] });
  }

  function paint() {
    if (!state.picture) return;
    const share = Number(opacity.value), [height, width] = state.shape;
    for (const [part, pane] of Object.entries(panes)) {
      const { mask, areas } = state.found[part], context = pane.canvas.getContext("2d");
      size(pane.canvas, width, height);
      const image = context.createImageData(width, height);
      for (let p = 0; p < mask.length; p++) {
        for (let c = 0; c < 3; c++) image.data[4 * p + c] = (1 - share) * state.picture[3 * p + c] + share * palette[mask[p]][c];
        image.data[4 * p + 3] = 255;
      }
      context.putImageData(image, 0, 0);
      const order = [...areas.keys()].filter((k) => areas[k] > 0.0005).sort((a, b) => areas[b] - areas[a]);
      pane.areas.replaceChildren(make("tbody", {}, ...order.map((k) => make("tr", {},
        make("td", {}, make("span", { class: "segment-color", style: `background: rgb(${palette[k].join()})` })), make("td", {}, classes[k]),
        make("td", {}, `${(100 * areas[k]).toFixed(1)} %`)))));
    }
    move(state.pointer);
  }

  function point(event, canvas) {
    if (!state.shape) return;
    const box = canvas.getBoundingClientRect(), [height, width] = state.shape;
    move([Math.min(height - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * height))), Math.min(width - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * width)))]);
  }

  function keys(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!state.shape || !(step || event.key === "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (!step) return move(null);
    const [height, width] = state.shape, [y, x] = state.pointer ?? [height >> 1, width >> 1], far = stride * (event.shiftKey ? 5 : 1);
    move([Math.min(height - 1, Math.max(0, y + far * step[0])), Math.min(width - 1, Math.max(0, x + far * step[1]))]);
  }

  /** Show what is at a pixel, and what its cell sees. */
  function move(place) {
    state.pointer = place;
    for (const pane of Object.values(panes)) pane.box.hidden = !place;
    if (!place) return void (pointed.textContent = "Point at a pixel, or use the arrow keys: frames show what its cell sees.");
    const [height, width] = state.shape, [y, x] = place, fields = fieldsAt(y, x, net.told), at = y * width + x;
    for (const [part, pane] of Object.entries(panes)) {
      const [top, left, high, wide] = fields[part], [y0, x0] = [Math.max(0, top), Math.max(0, left)];
      const sides = { top: y0 / height, left: x0 / width, height: (Math.min(height, top + high) - y0) / height, width: (Math.min(width, left + wide) - x0) / width };
      for (const [side, share] of Object.entries(sides)) pane.box.style[side] = `${100 * share}%`;
    }
    const name = (part) => classes[state.found[part].mask[at]];
    pointed.textContent = `row ${y}, column ${x}: ${name("context")} with context, which sees ${fields.context[2]} × ${fields.context[2]} pixels; ${name("front")} without, from ${fields.front[2]} × ${fields.front[2]}`;
    element.dataset.pointed = `${name("context")} ${name("front")}`;
  }

  const lens = camera(element, { width: 640, height: 480 }, async (video) => {
    const [height, width] = video.videoHeight > video.videoWidth ? SIZES[sizes.value].toReversed() : SIZES[sizes.value];
    const frame = new OffscreenCanvas(width, height), context = frame.getContext("2d");
    const [left, top, right, bottom] = centered([video.videoHeight, video.videoWidth], [height, width]);
    context.drawImage(video, left, top, right - left, bottom - top, 0, 0, width, height);
    await show(withoutAlpha(context.getImageData(0, 0, width, height).data), [height, width]);
  }, (on) => cameraButton.setAttribute("aria-pressed", on));
  function startCamera() {
    choice();
    explain(problems, null);
    return lens.start().catch((error) => explain(problems, error));
  }

  move(null);
  await sample();
}
