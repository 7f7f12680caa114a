// Pad to draw on with a mouse, a finger or keys. The ink is an array of bytes, so every browser draws the same pixels.

import { makeButton, make } from "./common.js";

export const SIDE = 280;
const RADIUS = 11, STEP = 8; // radius of the pen and step of an arrow key, in pixels

/** Make a pad: {element, canvas, ink: Uint8Array (SIDE, SIDE), drawLine(x0, y0, x1, y1), clear(), show()}. onChange() is called after
 * every part of a stroke. */
export function makePad(onChange) {
  const ink = new Uint8Array(SIDE * SIDE);
  const canvas = make("canvas", {
    width: SIDE, height: SIDE, tabindex: 0, class: "live-pad", role: "application",
    "aria-label": "Drawing pad. Arrow keys move the pen, space lowers and lifts it, Escape clears.",
  });
  const context = canvas.getContext("2d");
  const pen = { x: SIDE / 2, y: SIDE / 4, down: false, keys: false };

  function draw() {
    const image = context.createImageData(SIDE, SIDE);
    for (let i = 0; i < ink.length; i++) {
      image.data[4 * i] = image.data[4 * i + 1] = image.data[4 * i + 2] = 255 - ink[i];
      image.data[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    if (!pen.keys) return;
    context.strokeStyle = pen.down ? "#d32f2f" : "#1976d2";
    context.lineWidth = 2;
    context.beginPath();
    context.arc(pen.x, pen.y, RADIUS, 0, 7);
    context.stroke();
  }

  function drawLine(x0, y0, x1, y1) {
    const [dx, dy] = [x1 - x0, y1 - y0], length = dx * dx + dy * dy, reach = RADIUS + 1;
    for (let y = Math.max(0, Math.floor(Math.min(y0, y1) - reach)); y < Math.min(SIDE, Math.max(y0, y1) + reach); y++) {
      for (let x = Math.max(0, Math.floor(Math.min(x0, x1) - reach)); x < Math.min(SIDE, Math.max(x0, x1) + reach); x++) {
        const along = length ? Math.min(1, Math.max(0, ((x + 0.5 - x0) * dx + (y + 0.5 - y0) * dy) / length)) : 0;
        const far = Math.hypot(x + 0.5 - x0 - along * dx, y + 0.5 - y0 - along * dy);
        const cover = 255 * Math.min(1, Math.max(0, RADIUS + 0.5 - far));
        if (cover > ink[y * SIDE + x]) ink[y * SIDE + x] = cover;
      }
    }
    draw();
    onChange();
  }

  function clear() {
    ink.fill(0);
    draw();
    onChange();
  }

  /** Show gray bytes (height, width) of at most SIDE, light on dark, as ink. Does not call onChange. */
  function show(values, [height, width]) {
    const zoom = Math.floor(SIDE / Math.max(height, width)), x0 = (SIDE - width * zoom) >> 1, y0 = (SIDE - height * zoom) >> 1;
    ink.fill(0);
    for (let y = 0; y < height * zoom; y++) {
      for (let x = 0; x < width * zoom; x++) ink[(y0 + y) * SIDE + x0 + x] = values[Math.floor(y / zoom) * width + Math.floor(x / zoom)];
    }
    draw();
  }

  const getPosition = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  };
  let last = null, finger = null; // one pointer draws at a time
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || finger !== null) return;
    finger = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
    pen.keys = false;
    last = getPosition(event);
    drawLine(...last, ...last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== finger) return;
    for (const step of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
      const next = getPosition(step);
      drawLine(...last, ...next);
      last = next;
    }
  });
  for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => event.pointerId === finger && (last = finger = null));

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  canvas.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (event.key === "Escape") clear();
    else if (event.key === " ") {
      pen.down = !pen.down;
      pen.keys = true;
      pen.down ? drawLine(pen.x, pen.y, pen.x, pen.y) : draw();
    } else if (move) {
      const from = [pen.x, pen.y];
      pen.keys = true;
      [pen.x, pen.y] = from.map((v, i) => Math.min(SIDE - RADIUS, Math.max(RADIUS, v + STEP * move[i])));
      pen.down ? drawLine(...from, pen.x, pen.y) : draw();
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener("blur", () => {
    pen.keys = pen.down = false;
    draw();
  });
  draw();
  return { element: make("div", { class: "live-pad-box" }, canvas, make("div", {}, makeButton("Clear", clear))), canvas, ink, drawLine, clear, show };
}
