// Keys of the page Look inside. They are those of the Deep Visualization Toolbox where it has the same command.

import { make } from "./common.js";
import { FILTERS, layOutSheet } from "./look_tiles.js";

export const METHODS = ["off", "gradient", "guided", "deconv"];
export const GAMMAS = [1, 0.7, 0.5, 0.3];

// sequence of the key b, as in the toolbox
const MODES = [["off", "raw"], ["gradient", "raw"], ["gradient", "norm"], ["deconv", "raw"]];
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], j: [0, -1], l: [0, 1], i: [-1, 0], k: [1, 0] };
const FAST = 3;
const WORDS = {
  "arrows or i j k l": "select a unit; with shift, three units further", "u o": "layer before, layer after", b: "saliency: off, gradient, its norm, deconvnet",
  "n m": "next method, next filter", d: "keep the unit of the saliency", a: "signals in the tiles instead of activations", t: "brightness",
  s: "synthesized images over their tiles", "e w": "next image, previous image", c: "camera or image", f: "freeze the camera", Escape: "back to the strongest position", h: "list of keys",
};

const getNext = (list, item, step = 1) => list[(list.indexOf(item) + step + list.length) % list.length];

/** Make a keydown listener. It ignores controls and keys with modifiers. */
export function makeKeyHandler({ state, choose, shape, sample, layers, ...actions }) {
  const keys = {
    u: () => choose({ layer: layers[Math.max(0, layers.indexOf(state.layer) - 1)], channel: 0 }),
    o: () => choose({ layer: layers[Math.min(layers.length - 1, layers.indexOf(state.layer) + 1)], channel: 0 }),
    b() {
      const at = MODES.findIndex(([method, filter]) => method === state.method && filter === state.filter);
      const [method, filter] = MODES[(at + 1) % MODES.length];
      return choose({ method, filter });
    },
    n: () => choose({ method: getNext(METHODS, state.method) }),
    m: () => choose({ filter: getNext(FILTERS, state.filter) }),
    t: () => choose({ gamma: getNext(GAMMAS, state.gamma) }),
    d: actions.freezeOrigin, a: actions.showSignals, s: actions.showSynthesized, c: actions.switchCamera, f: actions.freezeCamera, h: actions.switchHelp,
    e: () => sample(state.sample + 1), w: () => sample(state.sample - 1),
    Escape: () => choose({ place: null, origin: null }),
  };
  return (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, input, summary")) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const onButton = event.target.closest("button") && (key === " " || key === "Enter");
    const move = MOVES[key];
    if (onButton || !(move || keys[key])) return;
    event.preventDefault();
    event.stopPropagation(); // the site uses some of these keys too
    if (!move) return void keys[key]();
    const { columns } = layOutSheet(shape()), by = (move[0] * columns + move[1]) * (event.shiftKey ? FAST : 1);
    const channel = state.channel + by;
    if (channel >= 0 && channel < shape()[2]) choose({ channel });
  };
}

/** Make the list of keys, closed. */
export function makeHelp() {
  const rows = Object.entries(WORDS).map(([keys, words]) => make("tr", {}, make("td", {}, ...keys.split(" ").map((k) => (k === "or" || k === "arrows" ? ` ${k} ` : make("kbd", {}, k)))), make("td", {}, words)));
  return make("details", { class: "look-help" }, make("summary", {}, "Keys"), make("table", {}, make("tbody", {}, ...rows)));
}
