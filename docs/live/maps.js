// Drawing: layers' maps as tiles, filters, bars of classes, curves.

import { figure, make } from "./common.js";

/** Gray picture of numbers (height, width, depth) at one depth: dark is `low`, light is `high`. */
function tile(context, x, y, values, [height, width, depth], d, low, high, zoom) {
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

/** Layers' maps below each other. layers: {name: {shape: [height, width, depth], words, zoom, perRow}}.
 * Returns {element, draw({name: numbers}), clear()}; a layer behind a rectifier has zero as black. */
export function layerMaps(layers) {
  const views = Object.entries(layers).map(([name, layer]) => {
    const canvas = make("canvas", { role: "img", "aria-label": `activations: ${layer.words}` }), range = make("span", {});
    const words = make("span", {}, `${layer.words}: ${layer.shape.join(" × ")}`, range);
    return { name, layer, canvas, range, element: figure(words, canvas) };
  });
  return {
    element: make("div", { class: "live-layers" }, ...views.map((v) => v.element)),
    draw(found) {
      for (const { name, layer, canvas, range } of views) {
        const values = found[name].data ?? found[name], [low, high] = limits(values);
        range.textContent = `; from ${low.toFixed(2)} to ${high.toFixed(2)}`;
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

export function limits(values) {
  let [low, high] = [Infinity, -Infinity];
  for (const v of values) {
    if (v < low) low = v;
    if (v > high) high = v;
  }
  return [low, high];
}

/** All maps of a layer side by side in `canvas`, on one scale: (height, width, depth) numbers. options: zoom; perRow; symmetric:
 * gray is zero; high: the value that is white. */
export function drawMaps(canvas, values, shape, { zoom = 2, perRow = 8, symmetric = false, high, low } = {}) {
  const [height, width, depth] = shape, columns = Math.min(perRow, depth), rows = Math.ceil(depth / columns), gap = 2;
  let [least, most] = limits(values);
  if (symmetric) [least, most] = [-Math.max(-least, most, 1e-9), Math.max(-least, most, 1e-9)];
  size(canvas, columns * (width * zoom + gap) - gap, rows * (height * zoom + gap) - gap);
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  for (let d = 0; d < depth; d++) {
    const x = (d % columns) * (width * zoom + gap), y = Math.floor(d / columns) * (height * zoom + gap);
    tile(context, x, y, values, shape, d, low ?? least, high ?? most, zoom);
  }
}

/** A color picture (height, width, 3) of numbers from `low` to `high`. */
export function drawColor(canvas, values, [height, width], { zoom = 1, low = 0, high = 255 } = {}) {
  size(canvas, width * zoom, height * zoom);
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

export function size(canvas, width, height) {
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
}

/** Bars of all classes; `update(probabilities, right)` redraws: the best is marked, green or red where the right one is known. */
export function bars(names, most = names.length) {
  const rows = Array.from({ length: most }, () => {
    const [name, bar, value] = [make("span", { class: "bar-name" }), make("span", { class: "bar-fill" }), make("span", { class: "bar-value" })];
    return { element: make("div", { class: "bar-row" }, name, make("span", { class: "bar-track" }, bar), value), name, bar, value };
  });
  const element = make("div", { class: "live-bars" }, ...rows.map((r) => r.element));
  const update = (probabilities, right) => {
    const order = Array.from(probabilities.keys());
    const best = order.reduce((a, b) => (probabilities[b] > probabilities[a] ? b : a), 0);
    if (most < names.length) order.sort((a, b) => probabilities[b] - probabilities[a]);
    for (const [i, row] of rows.entries()) {
      const k = order[i];
      row.name.textContent = names[k];
      row.bar.style.width = `${100 * probabilities[k]}%`;
      row.value.textContent = `${(100 * probabilities[k]).toFixed(1)} %`;
      row.element.classList.toggle("best", k === best);
      row.element.classList.toggle("right", right !== undefined && k === right);
      row.element.classList.toggle("wrong", right !== undefined && k === best && k !== right);
    }
  };
  return { element, update };
}

/** Curves over examples seen: {element, add(x, {name: y}), clear()}. lines: {name: color}; the range grows with the values. */
export function curves(title, lines, { low = 0, high = 1, unit = "" } = {}) {
  const canvas = make("canvas", { width: 520, height: 200, class: "live-curves", role: "img", "aria-label": title });
  const legend = make("div", { class: "live-note" });
  let points = [];
  function draw() {
    const context = canvas.getContext("2d"), { width, height } = canvas;
    const style = getComputedStyle(canvas), ink = style.color, left = 44, bottom = 22;
    const last = points.at(-1)?.x ?? 1;
    const shown = points.flatMap((p) => Object.values(p.y)).filter(Number.isFinite);
    const top = Math.max(high, ...(shown.length > 8 ? [quantile(shown, 0.98)] : shown));
    const place = (x, y) => [left + ((width - left - 6) * x) / last, height - bottom - ((height - bottom - 8) * (Math.min(y, top) - low)) / (top - low)];
    context.clearRect(0, 0, width, height);
    context.font = "12px sans-serif";
    context.textAlign = "right";
    for (let i = 0; i <= 4; i++) {
      const value = low + ((top - low) * i) / 4, [, y] = place(0, value);
      context.fillStyle = ink;
      context.globalAlpha = 0.8;
      context.fillText(`${+value.toPrecision(2)}${unit}`, left - 5, y + 4);
      context.globalAlpha = 0.2;
      context.fillRect(left, y, width - left - 6, 1);
    }
    context.globalAlpha = 0.8;
    context.fillText(`${last} digits seen`, width - 6, height - 6);
    context.globalAlpha = 1;
    context.lineWidth = 2;
    for (const [name, color] of Object.entries(lines)) {
      context.strokeStyle = color;
      context.beginPath();
      for (const p of points) if (Number.isFinite(p.y[name])) context.lineTo(...place(p.x, p.y[name]));
      context.stroke();
    }
  }
  legend.append(...Object.entries(lines).flatMap(([name, color]) => [make("span", { style: `color:${color}` }, "■ "), `${name}  `]));
  return {
    element: make("figure", { class: "live-figure" }, make("figcaption", {}, title), canvas, legend),
    add(x, y) {
      points.push({ x, y });
      if (points.length > 800) points = points.filter((_, i) => i % 2 || i > 700); // older points thin out
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
