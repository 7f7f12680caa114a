// A pad to draw on with pointer, finger or keys. Ink lies in an array of bytes of our own: every browser draws the same.

import { button, make } from "./common.js";

export const SIDE = 280;
const RADIUS = 11, STEP = 8; // of the pen; pixels that an arrow key moves it

/** {element, ink: Uint8Array (SIDE, SIDE), line(x0, y0, x1, y1), clear()}; `changed()` is called at every piece of a stroke. */
export function pad(changed) {
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

  function line(x0, y0, x1, y1) {
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
    changed();
  }

  function clear() {
    ink.fill(0);
    draw();
    changed();
  }

  /** Show gray bytes (height, width) of at most SIDE, light on dark, as if they were drawn; nothing is called. */
  function show(values, [height, width]) {
    const zoom = Math.floor(SIDE / Math.max(height, width)), x0 = (SIDE - width * zoom) >> 1, y0 = (SIDE - height * zoom) >> 1;
    ink.fill(0);
    for (let y = 0; y < height * zoom; y++) {
      for (let x = 0; x < width * zoom; x++) ink[(y0 + y) * SIDE + x0 + x] = values[Math.floor(y / zoom) * width + Math.floor(x / zoom)];
    }
    draw();
  }

  const place = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIDE) / box.width, ((event.clientY - box.top) * SIDE) / box.height];
  };
  let last = null, finger = null; // one pointer draws at a time
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || finger !== null) return;
    finger = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
    pen.keys = false;
    last = place(event);
    line(...last, ...last);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== finger) return;
    for (const one of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
      const next = place(one);
      line(...last, ...next);
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
      pen.down ? line(pen.x, pen.y, pen.x, pen.y) : draw();
    } else if (move) {
      const from = [pen.x, pen.y];
      pen.keys = true;
      [pen.x, pen.y] = from.map((v, i) => Math.min(SIDE - RADIUS, Math.max(RADIUS, v + STEP * move[i])));
      pen.down ? line(...from, pen.x, pen.y) : draw();
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener("blur", () => {
    pen.keys = pen.down = false;
    draw();
  });
  draw();
  return { element: make("div", { class: "live-pad-box" }, canvas, make("div", {}, button("Clear", clear))), canvas, ink, line, clear, show };
}
