// Keys of the toolbox. They are those of the Deep Visualization Toolbox where it has the same command.

import { make } from "./common.js";
import { FILTERS } from "./look_tiles.js";

export const GAMMAS = [1, 0.7, 0.5, 0.3];
export const BOOSTS = [0, 0.3, 0.5, 0.8, 1]; // 0: white is the layer's largest value, 1: the largest value of each map
export const ZOOMS = ["none", "unit", "saliency"];

// sequence of the key b, as in the toolbox
const MODES = [["off", "raw"], ["gradient", "raw"], ["gradient", "norm"], ["deconv", "raw"]];
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], j: [0, -1], l: [0, 1], i: [-1, 0], k: [1, 0] };
const FAST = 3;
export const WORDS = {
  "arrows or i j k l": "select a unit; with shift, three units further", "u o": "layer before, layer after", b: "saliency: off, gradient, its norm, deconvnet",
  "n m": "next method, next filter", d: "keep the unit of the saliency", a: "signals in the tiles instead of activations",
  z: "enlarge the map of the unit, its saliency, or nothing", t: "brightness of all maps", T: "brightness of each map by its own range",
  s: "synthesized images over their tiles", "e w": "next image, previous image; also page down and page up", c: "camera or image", f: "freeze the camera",
  0: "change the proportions of images to the network's, or take their middle", 5: "times: none, of the network, of all parts",
  8: "probabilities of the classes on and off", 9: "images of the unit on and off", Escape: "reset: first layer, unit 0, no saliency, usual brightness", h: "list of keys",
};
const RESET = { channel: 0, place: null, method: "off", filter: "raw", origin: null, signals: false, gamma: 0.5, boost: 0, zoom: "none" };

const getNext = (list, item, step = 1) => list[(list.indexOf(item) + step + list.length) % list.length];

/** Make a keydown listener. It ignores controls and keys with modifiers. words: as WORDS, which keys there are.
 * actions.move([down, across], steps) selects a unit. */
export function makeKeyHandler({ state, choose, methods, sample, layers, move, ...actions }, words = WORDS) {
  const moveLayer = (step) => choose({ layer: layers[Math.min(layers.length - 1, Math.max(0, layers.indexOf(state.layer) + step))], channel: 0 });
  const commands = {
    u: () => moveLayer(-1),
    o: () => moveLayer(1),
    b() {
      const modes = MODES.filter(([method]) => methods.includes(method));
      const at = modes.findIndex(([method, filter]) => method === state.method && filter === state.filter);
      const [method, filter] = modes[(at + 1) % modes.length];
      return choose({ method, filter });
    },
    n: () => choose({ method: getNext(methods, state.method) }),
    m: () => choose({ filter: getNext(FILTERS, state.filter) }),
    t: () => choose({ gamma: getNext(GAMMAS, state.gamma) }),
    T: () => choose({ boost: getNext(BOOSTS, state.boost) }),
    d: actions.freezeOrigin, a: () => actions.toggle("signals"), s: () => actions.toggle("synthesized"), z: actions.switchZoom,
    c: actions.switchCamera, f: actions.freezeCamera, h: actions.switchHelp,
    0: actions.switchStretch, 5: actions.switchTimings, 8: () => actions.toggle("labels"), 9: () => actions.toggle("unitImages"),
    e: () => sample(state.sample + 1), w: () => sample(state.sample - 1),
    Escape: () => choose({ ...RESET, layer: layers[0] }),
  };
  const named = Object.keys(words).flatMap((names) => names.split(" "));
  const keys = Object.fromEntries(Object.entries(commands).filter(([key]) => named.includes(key)));
  Object.assign(keys, { PageDown: keys.e, PageUp: keys.w });
  return (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, input, summary")) return;
    const key = event.key === "T" || event.key.length > 1 ? event.key : event.key.toLowerCase();
    const onButton = event.target.closest("button") && (key === " " || key === "Enter");
    if (onButton || !(MOVES[key] || keys[key])) return;
    event.preventDefault();
    event.stopPropagation(); // the site uses some of these keys too
    if (MOVES[key]) move(MOVES[key], event.shiftKey ? FAST : 1);
    else keys[key]();
  };
}

/** Make the list of keys, closed. */
export function makeHelp(words = WORDS) {
  const rows = Object.entries(words).map(([keys, text]) => make("tr", {}, make("td", {}, ...keys.split(" ").map((k) => (k === "or" || k === "arrows" ? ` ${k} ` : make("kbd", {}, k)))), make("td", {}, text)));
  return make("details", { class: "look-help" }, make("summary", {}, "Keys"), make("table", {}, make("tbody", {}, ...rows)));
}
