// Grids of numbers: cells on a canvas, with padding around them, the cells of a window and a cursor.

import { make } from "./common.js";
import { setSize } from "./maps.js";

const LARGEST = 32, SMALLEST = 7, READABLE = 13; // sides of a cell in pixels; in smaller ones no number can be read
const GREEN = [18, 122, 90], ORANGE = [217, 84, 30];

/** Format a number with at most two decimals. */
export const format = (v) => (Object.is(v, -0) || Math.abs(v) < 0.005 ? "0" : String(Math.round(100 * v) / 100).replace("-", "−"));

/** Return [background, text] colors of a signed value: green above 0, orange below, the paler the nearer to 0. */
export function signedColors(value, largest) {
  const share = Math.min(1, Math.abs(value) / (largest || 1)), color = value < 0 ? ORANGE : GREEN;
  const mixed = color.map((c) => Math.round(255 + (c - 255) * share));
  return [`rgb(${mixed.join()})`, share > 0.55 ? "#fff" : "#111"];
}

/** Return [background, text] colors of a brightness: 0 is black. */
export function grayColors(value, largest) {
  const shade = Math.round(255 * Math.min(1, Math.max(0, value / (largest || 1))));
  return [`rgb(${shade},${shade},${shade})`, shade > 120 ? "#111" : "#eee"];
}

/** Make a grid: {element, canvas, draw(view), locate(event)}. attributes: of the canvas.
 *
 * view: {rows: cells of a side, before, after: padding cells, values (rows, rows), colors(value) -> [background, text], window: [[row,
 * column]], active: [row, column] or undefined, cursor: the same, isPale(row, column), words, room: width in pixels}. */
export function makeGrid(attributes) {
  const canvas = make("canvas", { class: "conv-grid", role: "img", ...attributes }), words = make("span", { class: "conv-words" });
  let shape = { count: 1, before: 0, rows: 1 };
  function draw(view) {
    const { rows, before = 0, after = 0, room = 240 } = view, count = rows + before + after;
    const cell = Math.max(SMALLEST, Math.min(LARGEST, Math.floor(room / Math.max(count, 1)))), side = cell * count + 1, ratio = window.devicePixelRatio || 1;
    shape = { count, before, rows };
    words.textContent = view.words ?? "";
    setSize(canvas, Math.round(side * ratio), Math.round(side * ratio));
    Object.assign(canvas.style, { width: `${side}px`, height: `${side}px` });
    const context = canvas.getContext("2d"), ink = getComputedStyle(canvas).color;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, side, side);
    Object.assign(context, { textAlign: "center", textBaseline: "middle" });
    for (let y = -before; y < rows + after; y++) {
      for (let x = -before; x < rows + after; x++) {
        const isInside = y >= 0 && x >= 0 && y < rows && x < rows, [left, top] = [(x + before) * cell, (y + before) * cell];
        const value = isInside ? view.values[y * rows + x] : 0, [back, front] = isInside ? view.colors(value) : [null, ink];
        context.globalAlpha = isInside ? (view.isPale?.(y, x) ? 0.25 : 1) : 0.45;
        if (back) Object.assign(context, { fillStyle: back }), context.fillRect(left, top, cell, cell);
        Object.assign(context, { strokeStyle: isInside ? "#8888" : ink, lineWidth: 1 });
        context.setLineDash(isInside ? [] : [2, 2]);
        context.strokeRect(left + 0.5, top + 0.5, cell, cell);
        if (cell < READABLE) continue;
        const text = format(value);
        Object.assign(context, { fillStyle: front, font: `${Math.min(12, Math.floor((1.7 * cell) / Math.max(2, text.length)))}px sans-serif` });
        context.fillText(text, left + cell / 2 + 0.5, top + cell / 2 + 1);
      }
    }
    context.globalAlpha = 1;
    const frame = ([y, x], color, width, dash = []) => {
      Object.assign(context, { strokeStyle: color, lineWidth: width });
      context.setLineDash(dash);
      context.strokeRect((x + before) * cell + 0.5, (y + before) * cell + 0.5, cell, cell);
    };
    for (const place of view.window ?? []) frame(place, "#1e88e5", 2.5);
    if (view.active) frame(view.active, "#ffb300", 4);
    if (view.cursor) frame(view.cursor, "#e91e63", 2, [3, 2]);
  }
  /** Return the [row, column] of a pointer's event, or null outside of the values. */
  function locate(event) {
    const box = canvas.getBoundingClientRect();
    const place = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width].map((v) => Math.floor(v * shape.count) - shape.before);
    return place.every((v) => v >= 0 && v < shape.rows) ? place : null;
  }
  return { element: make("div", { class: "conv-cell" }, canvas, words), canvas, draw, locate };
}

/** Make a drawing pad of a grid. set(row, column, value | null): null switches the cell. getRows(): cells of a side. onCursor([row,
 * column] or null) redraws. */
export function makePaintable(grid, { set, getRows, onCursor }) {
  const { canvas, locate } = grid, MOVES = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  let last = null, cursor = [0, 0];
  canvas.addEventListener("pointerdown", (event) => {
    const place = locate(event);
    if (event.button || !place) return;
    canvas.setPointerCapture?.(event.pointerId);
    last = { place, value: set(...place, null) };
  });
  canvas.addEventListener("pointermove", (event) => {
    const place = last && locate(event);
    if (place && String(place) !== String(last.place)) set(...(last.place = place), last.value);
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, () => (last = null));
  canvas.addEventListener("keydown", (event) => {
    const move = MOVES[event.key], digit = /^[0-9]$/.test(event.key) ? Number(event.key) : null;
    if (event.ctrlKey || event.altKey || event.metaKey) return;
    if (move) cursor = cursor.map((v, i) => Math.min(getRows() - 1, Math.max(0, v + move[i])));
    else if (digit !== null || event.key === " ") set(...cursor.map((v) => Math.min(v, getRows() - 1)), digit);
    else return;
    onCursor(cursor);
    event.preventDefault();
    event.stopPropagation();
  });
  canvas.addEventListener("focus", () => onCursor(canvas.matches(":focus-visible") ? cursor : null));
  canvas.addEventListener("blur", () => onCursor(null));
}
