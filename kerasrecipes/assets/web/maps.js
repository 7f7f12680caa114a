// Plots: maps of layers as tiles, filters, bars of classes, curves.

import { makeFigure, make } from "./common.js";

/** Draw values (height, width, depth) at depth `d` as a gray image: `low` is black, `high` is white. */
function drawTile(context, x, y, values, [height, width, depth], d, low, high, zoom) {
  const image = context.createImageData(width * zoom, height * zoom), range = high - low || 1;
  for (let r = 0; r < height * zoom; r++) {
    for (let c = 0; c < width * zoom; c++) {
      const v = values[(Math.floor(r / zoom) * width + Math.floor(c / zoom)) * depth + d];
      const at = 4 * (r * width * zoom + c), shade = (255 * (v - low)) / range;
      image.data[at] = image.data[at + 1] = image.data[at + 2] = shade;
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, x, y);
}

/** Show the maps of layers one below the other. layers: {name: {shape: [height, width, depth], words, zoom, perRow}}.
 * Returns {element, draw({name: values}), clear()}. After a ReLU zero is black. */
export function makeLayerMaps(layers) {
  const views = Object.entries(layers).map(([name, layer]) => {
    const canvas = make("canvas", { role: "img", "aria-label": `activations: ${layer.words}` }), range = make("span", {});
    const words = make("span", {}, `${layer.words}: ${layer.shape.join(" × ")}`, range);
    return { name, layer, canvas, range, element: makeFigure(words, canvas) };
  });
  return {
    element: make("div", { class: "live-layers" }, ...views.map((v) => v.element)),
    draw(activations) {
      for (const { name, layer, canvas, range } of views) {
        const values = activations[name].data ?? activations[name], [low, high] = findLimits(values);
        range.textContent = `; range ${low.toFixed(2)} to ${high.toFixed(2)}`;
        if (layer.color) drawColor(canvas, values, layer.shape, { zoom: layer.zoom, low: -0.5, high: 0.5 });
        else drawMaps(canvas, values, layer.shape, layer);
      }
    },
    clear() {
      for (const { canvas, range } of views) {
        canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
        range.textContent = "";
      }
    },
  };
}

/** Find [smallest, largest] of the values. */
export function findLimits(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return [low, high];
}

/** Draw all maps of a layer, values (height, width, depth), side by side on one scale. symmetric: zero is gray. low, high: the
 * values that are black and white. */
export function drawMaps(canvas, values, shape, { zoom = 2, perRow = 8, symmetric = false, high, low } = {}) {
  const [height, width, depth] = shape, columns = Math.min(perRow, depth), rows = Math.ceil(depth / columns), gap = 2;
  let [least, most] = findLimits(values);
  if (symmetric) [least, most] = [-Math.max(-least, most, 1e-9), Math.max(-least, most, 1e-9)];
  setSize(canvas, columns * (width * zoom + gap) - gap, rows * (height * zoom + gap) - gap);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (let d = 0; d < depth; d++) {
    const x = (d % columns) * (width * zoom + gap), y = Math.floor(d / columns) * (height * zoom + gap);
    drawTile(context, x, y, values, shape, d, low ?? least, high ?? most, zoom);
  }
}

/** Draw a color image (height, width, 3) of values from `low` to `high`. */
export function drawColor(canvas, values, [height, width], { zoom = 1, low = 0, high = 255 } = {}) {
  setSize(canvas, width * zoom, height * zoom);
  const context = canvas.getContext("2d"), image = context.createImageData(width * zoom, height * zoom);
  for (let y = 0; y < height * zoom; y++) {
    for (let x = 0; x < width * zoom; x++) {
      const from = 3 * (Math.floor(y / zoom) * width + Math.floor(x / zoom)), at = 4 * (y * width * zoom + x);
      for (let c = 0; c < 3; c++) image.data[at + c] = (255 * (values[from + c] - low)) / (high - low);
      image.data[at + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** Set the size of a canvas, which clears it, only if it differs. */
export function setSize(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/** Make bars of the classes. `update(probabilities, label)` redraws them and marks the best one, in green or red if the label is known. */
export function makeBars(names, most = names.length) {
  const rows = Array.from({ length: most }, () => {
    const [name, bar, value] = [make("span", { class: "bar-name" }), make("span", { class: "bar-fill" }), make("span", { class: "bar-value" })];
    return { element: make("div", { class: "bar-row" }, name, make("span", { class: "bar-track" }, bar), value), name, bar, value };
  });
  const element = make("div", { class: "live-bars" }, ...rows.map((r) => r.element));
  const update = (probabilities, label) => {
    const order = Array.from(probabilities.keys());
    const best = order.reduce((a, b) => (probabilities[b] > probabilities[a] ? b : a), 0);
    if (most < names.length) order.sort((a, b) => probabilities[b] - probabilities[a]);
    for (const [i, row] of rows.entries()) {
      const k = order[i];
      row.name.textContent = names[k];
      row.bar.style.width = `${100 * probabilities[k]}%`;
      row.value.textContent = `${(100 * probabilities[k]).toFixed(1)} %`;
      row.element.classList.toggle("best", k === best);
      row.element.classList.toggle("right", label !== undefined && k === label);
      row.element.classList.toggle("wrong", label !== undefined && k === best && k !== label);
    }
  };
  return { element, update };
}

/** Make curves over the number of examples: {element, add(x, {name: y}), clear()}. lines: {name: color}. The range grows with the values. */
export function makeCurves(title, lines, { low = 0, high = 1, unit = "", noun = "digits" } = {}) {
  const canvas = make("canvas", { width: 520, height: 200, class: "live-curves", role: "img", "aria-label": title });
  const legend = make("div", { class: "live-note" });
  let points = [];
  function draw() {
    const context = canvas.getContext("2d"), { width, height } = canvas;
    const style = getComputedStyle(canvas), ink = style.color, left = 44, bottom = 22;
    const last = points.at(-1)?.x ?? 1;
    const values = points.flatMap((p) => Object.values(p.y)).filter(Number.isFinite);
    const top = Math.max(high, ...(values.length > 8 ? [quantile(values, 0.98)] : values));
    const toPixels = (x, y) => [left + ((width - left - 6) * x) / last, height - bottom - ((height - bottom - 8) * (Math.min(y, top) - low)) / (top - low)];
    context.clearRect(0, 0, width, height);
    context.font = "12px sans-serif";
    context.textAlign = "right";
    for (let i = 0; i <= 4; i++) {
      const value = low + ((top - low) * i) / 4, [, y] = toPixels(0, value);
      context.fillStyle = ink;
      context.globalAlpha = 0.8;
      context.fillText(`${+value.toPrecision(2)}${unit}`, left - 5, y + 4);
      context.globalAlpha = 0.2;
      context.fillRect(left, y, width - left - 6, 1);
    }
    context.globalAlpha = 0.8;
    context.fillText(`${last.toLocaleString("en")} ${noun}`, width - 6, height - 6);
    context.globalAlpha = 1;
    context.lineWidth = 2;
    for (const [name, color] of Object.entries(lines)) {
      context.strokeStyle = color;
      context.beginPath();
      for (const p of points) if (Number.isFinite(p.y[name])) context.lineTo(...toPixels(p.x, p.y[name]));
      context.stroke();
    }
  }
  legend.append(...Object.entries(lines).flatMap(([name, color]) => [make("span", { style: `color:${color}` }, "■ "), `${name}  `]));
  return {
    element: make("figure", { class: "live-figure" }, make("figcaption", {}, title), canvas, legend),
    add(x, y) {
      points.push({ x, y });
      if (points.length > 800) points = points.filter((_, i) => i % 2 || i > 700); // drop every second of the older points
      draw();
    },
    clear() {
      points = [];
      draw();
    },
  };
}

function quantile(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(q * (sorted.length - 1))];
}
