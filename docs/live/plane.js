// A plane with points that can be added, moved and removed with a mouse, a finger or keys.

import { make, makeButton, makeField } from "./common.js";
import { setSize } from "./maps.js";

export const COLORS = ["#3949ab", "#f57c00"]; // of the classes
const SIZE = 340, RADIUS = 5; // pixels
const GRAB = 12; // distance in pixels up to which a pointer takes a point
const STEP = 0.02; // step of an arrow key as a part of the plane's side

/** Draw a point's mark: a disk for class 0, a square for class 1. */
export function drawMark(context, x, y, label, radius = RADIUS) {
  context.fillStyle = COLORS[label];
  context.strokeStyle = "#fff";
  context.lineWidth = 1.5;
  context.beginPath();
  if (label) context.rect(x - radius, y - radius, 2 * radius, 2 * radius);
  else context.arc(x, y, radius, 0, 7);
  context.fill();
  context.stroke();
}

/** Make a plane. x, y: [low, high] of its axes. kinds: words for each label. drawBackground(context, plane) draws below the points.
 * onChange() is called when points change. Returns {element, canvas, points: [{x, y, label}], toPixels, toPlane, draw(), set(points)}. */
export function makePlane({ x: [x0, x1], y: [y0, y1], kinds, drawBackground, onChange, label }) {
  const canvas = make("canvas", { width: SIZE, height: SIZE, tabindex: 0, class: "live-pad plane", role: "application",
    "aria-label": `${label}. Arrow keys move the cursor, space adds a point or takes the nearest one and drops it, Delete removes the nearest one${kinds.length > 1 ? ", C changes the class" : ""}.` });
  const context = canvas.getContext("2d"), status = make("span", { class: "live-note", role: "status", "aria-live": "polite" });
  const kind = make("select", { class: "net-select" }, ...kinds.map((words, i) => make("option", { value: i }, words)), make("option", { value: "remove" }, "remove points"));
  const plane = { canvas, points: [], toPixels, toPlane, draw, set, size: SIZE };
  const cursor = { x: (x0 + x1) / 2, y: (y0 + y1) / 2, visible: false };
  let held = null, finger = null; // the point that moves, and the pointer that moves it

  function toPixels(x, y) {
    return [((x - x0) / (x1 - x0)) * SIZE, ((y1 - y) / (y1 - y0)) * SIZE];
  }

  function toPlane(px, py) {
    return [x0 + (px / SIZE) * (x1 - x0), y1 - (py / SIZE) * (y1 - y0)];
  }

  function draw() {
    setSize(canvas, SIZE, SIZE);
    context.clearRect(0, 0, SIZE, SIZE);
    drawBackground(context, plane);
    for (const p of plane.points) drawMark(context, ...toPixels(p.x, p.y), p.label, p === held ? RADIUS + 2 : RADIUS);
    if (!cursor.visible) return;
    const [cx, cy] = toPixels(cursor.x, cursor.y);
    context.strokeStyle = held ? "#d32f2f" : "#000";
    context.lineWidth = 1.5;
    context.strokeRect(cx - 9, cy - 9, 18, 18);
  }

  /** Find the nearest point within `reach` pixels. */
  function findNearest(px, py, reach) {
    let best = null, least = reach;
    for (const p of plane.points) {
      const [qx, qy] = toPixels(p.x, p.y), far = Math.hypot(qx - px, qy - py);
      if (far <= least) [best, least] = [p, far];
    }
    return best;
  }

  function change(words) {
    if (words) status.textContent = `${words}; ${plane.points.length} points`;
    onChange();
    draw();
  }

  function add(x, y) {
    const point = { x, y, label: kind.value === "remove" ? 0 : +kind.value };
    plane.points.push(point);
    change(`point added at ${x.toFixed(1)}, ${y.toFixed(1)}`);
    return point;
  }

  function remove(point) {
    if (!point) return;
    plane.points.splice(plane.points.indexOf(point), 1);
    held = null;
    change("point removed");
  }

  function move(point, x, y) {
    point.x = Math.min(x1, Math.max(x0, x));
    point.y = Math.min(y1, Math.max(y0, y));
    change();
  }

  function set(points) {
    held = null;
    plane.points.splice(0, Infinity, ...points);
    change();
  }

  const getPosition = (event) => {
    const box = canvas.getBoundingClientRect();
    return [((event.clientX - box.left) * SIZE) / box.width, ((event.clientY - box.top) * SIZE) / box.height];
  };
  canvas.addEventListener("pointerdown", (event) => {
    if (event.button || finger !== null) return;
    const at = getPosition(event), near = findNearest(...at, GRAB);
    cursor.visible = false;
    if (kind.value === "remove") return remove(near);
    finger = event.pointerId;
    canvas.setPointerCapture(event.pointerId);
    held = near ?? add(...toPlane(...at));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId === finger && held) move(held, ...toPlane(...getPosition(event)));
  });
  for (const name of ["pointerup", "pointercancel"]) {
    canvas.addEventListener(name, (event) => {
      if (event.pointerId !== finger) return;
      finger = held = null;
      draw();
    });
  }

  const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
  canvas.addEventListener("keydown", (event) => {
    const step = MOVES[event.key], at = toPixels(cursor.x, cursor.y);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    cursor.visible = true;
    if (step) {
      cursor.x = Math.min(x1, Math.max(x0, cursor.x + step[0] * STEP * (x1 - x0)));
      cursor.y = Math.min(y1, Math.max(y0, cursor.y + step[1] * STEP * (y1 - y0)));
      held ? move(held, cursor.x, cursor.y) : draw();
    } else if (event.key === " " || event.key === "Enter") {
      if (held) [held, status.textContent] = [null, "point dropped"];
      else if ((held = findNearest(...at, GRAB))) status.textContent = "point taken: arrow keys move it, space drops it";
      else add(cursor.x, cursor.y);
      draw();
    } else if (event.key === "Delete" || event.key === "Backspace") remove(held ?? findNearest(...at, 3 * GRAB));
    else if (event.key.toLowerCase() === "c" && kinds.length > 1) {
      kind.value = kind.value === "0" ? 1 : 0;
      status.textContent = `new points: ${kinds[kind.value]}`;
    } else return;
    event.preventDefault();
  });
  canvas.addEventListener("blur", () => {
    cursor.visible = false;
    held = null;
    draw();
  });

  plane.element = make("div", { class: "live-pad-box plane-box" }, canvas,
    make("div", { class: "live-row" }, makeField("a click or tap", kind), makeButton("Remove all points", () => set([]))), status);
  return plane;
}
