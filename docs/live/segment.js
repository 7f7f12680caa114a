// Segment a street: dilated_camvid_small on an image or the camera, with and without its context module, and the receptive fields of
// its cells.

import { makeCamera } from "./camera.js";
import { LiveError, attempt, hasFiles, makeButton, explain, makeFileInput, makeField, withProgress, make, openSession } from "./common.js";
import { setSize } from "./maps.js";
import { trackNewest } from "./newest.js";
import { findCenteredBox, readImage, resize, dropAlpha } from "./pixels.js";
import { classifyPixels, getReceptiveFields, segment } from "./segment_net.js";

const NET = "dilated_camvid_small";
const MISSING = `${NET} has no released weights yet, so this demo cannot run. To train the network: kerasrecipes train ${NET}.`;
const SIZES = { "240 × 180, as in training": [180, 240], "320 × 240": [240, 320], "480 × 360, slower": [360, 480] };
const WORDS = { context: "with the context module", front: "without the context module" };
const here = new URL(".", import.meta.url);

export async function mount(element) {
  if (!(await hasFiles(`${NET}.onnx`))) throw new LiveError(MISSING);
  return build(element, await withProgress(element, (report) => openSession(NET, report)));
}

/** Build the demo for a network whose metadata has classes, palette, margin, stride and context. */
export async function build(element, net) {
  const { classes, palette, stride, alignment } = net.metadata;
  const state = { image: null, shape: null, source: null, results: {}, pointer: null };
  const opacity = make("input", { type: "range", min: 0, max: 1, step: 0.05, value: 0.55, oninput: () => paint() });
  const sizes = make("select", { onchange: () => repeat() }, ...Object.keys(SIZES).map((words) => make("option", {}, words)));
  const cameraButton = makeButton("camera", () => (lens.on ? lens.stop() : startCamera()), { "aria-pressed": "false" });
  const problems = make("div"), time = make("p", { class: "live-note" }), pixelWords = make("p", { class: "segment-pixel", role: "status", "aria-live": "polite" });
  const panes = Object.fromEntries(Object.entries(WORDS).map(([part, words]) => {
    const canvas = make("canvas", { tabindex: 0, role: "application", "aria-label": `classes ${words}; arrow keys move the pointer` });
    const box = make("div", { class: `segment-field ${part}`, hidden: true });
    const areas = make("table", { class: "segment-areas" });
    canvas.addEventListener("pointermove", (event) => movePointer(event, canvas));
    canvas.addEventListener("pointerdown", (event) => movePointer(event, canvas));
    canvas.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && showPixel(null)); // not after a touch, which always ends so
    canvas.addEventListener("keydown", (event) => handleKey(event));
    return [part, { canvas, box, areas, element: make("figure", { class: "segment-pane" }, make("figcaption", {}, words), make("div", { class: "segment-over" }, canvas, box), areas) }];
  }));

  element.classList.add("segment");
  element.append(
    make("div", { class: "live-row" }, makeButton("the rendered street", () => showSample()), makeField("Your image (or drop it here)", makeFileInput(element, "image/*", (file) => showImage(file))), cameraButton,
      makeField("overlay", opacity), makeField("size", sizes)),
    problems, make("div", { class: "segment-panes" }, panes.context.element, panes.front.element), pixelWords, time,
  );

  const beginChoice = trackNewest();
  /** Segment an image from a file or a URL at the selected size. */
  function showImage(source) {
    const isCurrent = beginChoice();
    lens.stop();
    return attempt(problems, async () => {
      const { rgb, shape } = await readImage(source);
      if (!isCurrent()) return;
      state.source = source;
      await show(...fit(rgb, shape));
    });
  }
  const showSample = () => showImage(new URL("samples/street.png", here).href);
  const repeat = () => (state.source && !lens.on ? showImage(state.source) : undefined);

  /** Crop bytes to the largest centered part in 4 : 3, or 3 : 4 for a portrait, and resize it to the selected size. */
  function fit(rgb, shape) {
    const landscape = SIZES[sizes.value], target = shape[0] > shape[1] ? landscape.toReversed() : landscape;
    return [resize(rgb, shape, target, findCenteredBox(shape, target)), target];
  }

  async function show(rgb, shape) {
    const { rows, columns, ms, ...logits } = await segment(net, rgb, shape);
    const [y, x] = state.pointer ?? [0, 0];
    if (y >= shape[0] || x >= shape[1]) state.pointer = null;
    Object.assign(state, { image: rgb, shape });
    for (const part of Object.keys(panes)) state.results[part] = classifyPixels(logits[part], rows, columns, classes.length, shape, stride, alignment);
    time.textContent = `network ${ms.toFixed(0)} ms for ${shape[1]} × ${shape[0]} pixels, ${columns} × ${rows} cells`;
    paint();
    Object.assign(element.dataset, { size: `${shape[1]}x${shape[0]}`, largest: classes[state.results.context.areas.indexOf(Math.max(...state.results.context.areas))] });
  }

  function paint() {
    if (!state.image) return;
    const share = Number(opacity.value), [height, width] = state.shape;
    for (const [part, pane] of Object.entries(panes)) {
      const { mask, areas } = state.results[part], context = pane.canvas.getContext("2d");
      setSize(pane.canvas, width, height);
      const image = context.createImageData(width, height);
      for (let p = 0; p < mask.length; p++) {
        for (let c = 0; c < 3; c++) image.data[4 * p + c] = (1 - share) * state.image[3 * p + c] + share * palette[mask[p]][c];
        image.data[4 * p + 3] = 255;
      }
      context.putImageData(image, 0, 0);
      const order = [...areas.keys()].filter((k) => areas[k] > 0.0005).sort((a, b) => areas[b] - areas[a]);
      pane.areas.replaceChildren(make("tbody", {}, ...order.map((k) => make("tr", {},
        make("td", {}, make("span", { class: "segment-color", style: `background: rgb(${palette[k].join()})` })), make("td", {}, classes[k]),
        make("td", {}, `${(100 * areas[k]).toFixed(1)} %`)))));
    }
    showPixel(state.pointer);
  }

  function movePointer(event, canvas) {
    if (!state.shape) return;
    const box = canvas.getBoundingClientRect(), [height, width] = state.shape;
    showPixel([Math.min(height - 1, Math.max(0, Math.floor(((event.clientY - box.top) / box.height) * height))), Math.min(width - 1, Math.max(0, Math.floor(((event.clientX - box.left) / box.width) * width)))]);
  }

  function handleKey(event) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!state.shape || !(step || event.key === "Escape")) return;
    event.preventDefault();
    event.stopPropagation();
    if (!step) return showPixel(null);
    const [height, width] = state.shape, [y, x] = state.pointer ?? [height >> 1, width >> 1], far = stride * (event.shiftKey ? 5 : 1);
    showPixel([Math.min(height - 1, Math.max(0, y + far * step[0])), Math.min(width - 1, Math.max(0, x + far * step[1]))]);
  }

  /** Show the classes at a pixel and the receptive fields of its cell. */
  function showPixel(place) {
    state.pointer = place;
    for (const pane of Object.values(panes)) pane.box.hidden = !place;
    if (!place) return void (pixelWords.textContent = "Point at a pixel, or use the arrow keys, to see the receptive fields of its cell.");
    const [height, width] = state.shape, [y, x] = place, fields = getReceptiveFields(y, x, net.metadata), at = y * width + x;
    for (const [part, pane] of Object.entries(panes)) {
      const [top, left, high, wide] = fields[part], [y0, x0] = [Math.max(0, top), Math.max(0, left)];
      const sides = { top: y0 / height, left: x0 / width, height: (Math.min(height, top + high) - y0) / height, width: (Math.min(width, left + wide) - x0) / width };
      for (const [side, share] of Object.entries(sides)) pane.box.style[side] = `${100 * share}%`;
    }
    const getClass = (part) => classes[state.results[part].mask[at]];
    pixelWords.textContent = `row ${y}, column ${x}: ${getClass("context")} with context, receptive field ${fields.context[2]} × ${fields.context[2]} pixels; ${getClass("front")} without, ${fields.front[2]} × ${fields.front[2]} pixels`;
    element.dataset.pixel = `${getClass("context")} ${getClass("front")}`;
  }

  const lens = makeCamera(element, { width: 640, height: 480 }, async (video) => {
    const [height, width] = video.videoHeight > video.videoWidth ? SIZES[sizes.value].toReversed() : SIZES[sizes.value];
    const frame = new OffscreenCanvas(width, height), context = frame.getContext("2d");
    const [left, top, right, bottom] = findCenteredBox([video.videoHeight, video.videoWidth], [height, width]);
    context.drawImage(video, left, top, right - left, bottom - top, 0, 0, width, height);
    await show(dropAlpha(context.getImageData(0, 0, width, height).data), [height, width]);
  }, (on) => cameraButton.setAttribute("aria-pressed", on));
  function startCamera() {
    beginChoice();
    explain(problems, null);
    return lens.start().catch((error) => explain(problems, error));
  }

  showPixel(null);
  await showSample();
}
