// Receptive fields: point at an output of any layer of a recipe, and see which positions of each earlier layer it reads.

import { LiveError, fetchFile, hasFiles, make, makeField, withProgress } from "./common.js";
import { setSize } from "./maps.js";
import { traceBack } from "./receptive_net.js";

const FILE = "receptive.json", MISSING = "The geometry of the networks is not on this server: it was built without docs/build/prepare_live.py.";
const here = new URL(".", import.meta.url);
const INPUT_SIDE = 190, LAYER_SIDE = 92, STRIP = 22, WAVE = 64; // of the drawings, in pixels
const FRAME = "#ffb300", READ = "#1e88e5";

export async function mount(element) {
  if (!(await hasFiles(FILE))) throw new LiveError(MISSING);
  const bytes = await withProgress(element, (report) => fetchFile(FILE, report));
  const { networks, peaks, rate } = JSON.parse(new TextDecoder().decode(bytes));
  const choice = make("select", { onchange: () => show() }, ...Object.entries(networks).map(([name, { title }]) => make("option", { value: name, selected: name === "squeezenet" }, title)));
  const layerChoice = make("select", { onchange: () => point(Number(layerChoice.value), null) });
  const words = make("p", { class: "field-words", role: "status", "aria-live": "polite" }), list = make("div"), views = [];
  const state = { net: null, layer: 0, position: [] };
  element.classList.add("field");
  element.append(make("div", { class: "live-row" }, makeField("recipe", choice), makeField("layer", layerChoice)), words, list);
  new ResizeObserver(() => state.net && paint()).observe(element);

  function show() {
    state.net = networks[choice.value];
    const { layers, image } = state.net, isLine = layers[0].sizes.length === 1;
    views.length = 0;
    layerChoice.replaceChildren(...layers.slice(1).map((layer, i) => make("option", { value: i + 1 }, layer.name)));
    list.className = isLine ? "field-lines" : "field-maps";
    const figures = layers.map((layer, number) => {
      const canvas = make("canvas", { tabindex: number ? 0 : null, role: number ? "application" : "img", "aria-label": number ? `${layer.name}: arrow keys move the position, Page Up and Page Down change the layer` : "the input" });
      const picture = image && !number ? make("img", { src: new URL(`samples/${image}.png`, here).href, alt: "" }) : null;
      const box = make("span", { class: "field-box" });
      const kind = [layer.kind, layer.words.replaceAll(" x ", " × ")].filter(Boolean).join(" ");
      const title = make("figcaption", {}, make("strong", {}, layer.name), number ? ` ${kind}` : "", make("br"), `${layer.sizes.join(" × ")}${layer.channels > 1 ? ` × ${layer.channels}` : ""}`, make("br"), box);
      if (number) {
        for (const event of ["pointermove", "pointerdown"]) canvas.addEventListener(event, (e) => point(number, locate(e, canvas, layer)));
        canvas.addEventListener("keydown", (event) => handleKey(event, number));
        canvas.addEventListener("focus", () => canvas.matches(":focus-visible") && state.layer !== number && point(number, null));
      }
      views.push({ canvas, box, picture, figure: make("figure", { class: "field-layer" }, title, make("div", { class: "field-over" }, picture ?? "", canvas)) });
      return views.at(-1).figure;
    });
    list.replaceChildren(figures[0], make("div", { class: "field-rest" }, ...figures.slice(1)));
    point(Math.max(1, layers.findLastIndex((layer) => layer.sizes.every((n) => n > 1) && layer.reads.every((r) => r.axes.every((a) => a.low.length > 1)))), null);
  }

  function locate(event, canvas, { sizes }) {
    const box = canvas.getBoundingClientRect(), shares = sizes.length === 1 ? [(event.clientX - box.left) / box.width] : [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
    return sizes.map((n, i) => Math.min(n - 1, Math.max(0, Math.floor(shares[i] * n))));
  }

  function handleKey(event, number) {
    const { sizes } = state.net.layers[number], far = event.shiftKey ? 5 : 1, isLine = sizes.length === 1;
    const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key], jump = { PageUp: -1, PageDown: 1 }[event.key];
    if (event.ctrlKey || event.altKey || event.metaKey || !(step || jump)) return;
    event.preventDefault();
    event.stopPropagation();
    if (jump) return void views[Math.min(views.length - 1, Math.max(1, number + jump))].canvas.focus();
    const steps = isLine ? [step[0] + step[1]] : step, from = state.layer === number ? state.position : sizes.map((n) => n >> 1);
    point(number, from.map((p, i) => Math.min(sizes[i] - 1, Math.max(0, p + far * steps[i]))));
  }

  /** Choose a position of a layer; null is its middle. */
  function point(layer, position) {
    const { sizes } = state.net.layers[layer];
    Object.assign(state, { layer, position: position ?? sizes.map((n) => n >> 1) });
    layerChoice.value = layer;
    paint();
  }

  function paint() {
    const { net: { layers }, layer, position } = state, boxes = traceBack(layers, layer, position), isLine = layers[0].sizes.length === 1;
    views.forEach((view, number) => {
      const { sizes } = layers[number], box = boxes[number];
      view.figure.classList.toggle("unread", !box);
      view.box.textContent = box ? describe(box, sizes) : "not read";
      if (isLine) drawLine(view.canvas, sizes[0], box?.[0], number === layer, number ? null : peaks, Math.min(1000, element.clientWidth - 30));
      else drawMap(view, sizes, box, number === layer, number ? LAYER_SIDE : Math.min(INPUT_SIDE, element.clientWidth - 30));
    });
    const field = boxes[0], all = layers[0].sizes, where = isLine ? `position ${position[0]}` : `row ${position[0]}, column ${position[1]}`;
    const seconds = isLine && field?.[0] ? `, ${(field[0][0] / rate).toFixed(3)} to ${((field[0][1] + 1) / rate).toFixed(3)} s` : "";
    const isWhole = field?.every((r, i) => r && r[0] === 0 && r[1] === all[i] - 1);
    words.textContent = field ? `${layers[layer].name}, ${where}: reads ${describe(field, all)} of the input${seconds}${isWhole ? ", all of it" : ""}.` : `${layers[layer].name}, ${where}: reads padding only.`;
    Object.assign(element.dataset, { layer: layers[layer].name, position: position.join(), field: JSON.stringify(field ?? null) });
  }

  show();
}

/** Describe a box in words: "rows 3 to 9, columns 0 to 6 (7 × 7)". */
function describe(box, sizes) {
  const names = sizes.length === 1 ? ["samples"] : ["rows", "columns"];
  if (box.some((r) => !r)) return "padding only";
  if (sizes.every((n) => n === 1)) return "its one position";
  const label = (i) => (sizes.length === 1 && sizes[0] < 10000 ? "positions" : names[i]);
  return `${box.map(([a, b], i) => (a === b ? `${label(i).slice(0, -1)} ${a}` : `${label(i)} ${a} to ${b}`)).join(", ")} (${box.map(([a, b]) => b - a + 1).join(" × ")})`;
}

function prepare(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  setSize(canvas, Math.round(width * ratio), Math.round(height * ratio));
  Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** Draw the rows and columns of a layer and the box in it. */
function drawMap({ canvas, picture }, [rows, columns], box, isChosen, side) {
  const scale = side / Math.max(rows, columns), [height, width] = [rows * scale, columns * scale], context = prepare(canvas, width, height);
  if (picture) Object.assign(picture.style, { width: `${width}px`, height: `${height}px` });
  context.fillStyle = picture ? "#0000" : "#8883";
  context.fillRect(0, 0, width, height);
  context.strokeStyle = "#888";
  context.strokeRect(0.5, 0.5, width - 1, height - 1);
  if (scale >= 6) {
    context.beginPath();
    for (let i = 1; i < rows; i++) context.moveTo(0, i * scale), context.lineTo(width, i * scale);
    for (let i = 1; i < columns; i++) context.moveTo(i * scale, 0), context.lineTo(i * scale, height);
    Object.assign(context, { strokeStyle: "#8886", lineWidth: 1 });
    context.stroke();
  }
  if (!box?.every(Boolean)) return;
  const [[y0, y1], [x0, x1]] = box, [x, y, w, h] = [x0 * scale, y0 * scale, Math.max(2, (x1 - x0 + 1) * scale), Math.max(2, (y1 - y0 + 1) * scale)];
  context.fillStyle = isChosen ? FRAME : picture ? "#1e88e522" : "#1e88e599";
  context.fillRect(x, y, w, h);
  Object.assign(context, { strokeStyle: isChosen ? "#b26a00" : READ, lineWidth: 2 });
  context.strokeRect(x, y, w, h);
}

/** Draw the positions of a layer over time and the part that is read. peaks: amplitudes of the input. */
function drawLine(canvas, count, part, isChosen, peaks, width) {
  const height = peaks ? WAVE : STRIP, context = prepare(canvas, width, height), scale = width / count;
  context.fillStyle = "#8883";
  context.fillRect(0, 0, width, height);
  if (part) {
    context.fillStyle = isChosen ? FRAME : "#1e88e599";
    context.fillRect(part[0] * scale, 0, Math.max(2, (part[1] - part[0] + 1) * scale), height);
  }
  context.fillStyle = getComputedStyle(canvas).color;
  peaks?.forEach((v, i) => context.fillRect((i * width) / peaks.length, (height * (100 - v)) / 200, Math.max(1, width / peaks.length - 1), Math.max(1, (height * v) / 100)));
  if (scale < 4 || peaks) return;
  context.fillStyle = "#8886";
  for (let i = 1; i < count; i++) context.fillRect(i * scale, 0, 1, height);
}
