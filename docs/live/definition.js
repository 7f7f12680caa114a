// Networks as text, one layer a line: `conv 8 filters 5 x 5, pad 2, relu`. Sizes are height x width x depth.

import { LiveError } from "./common.js";
import { Net } from "./net.js";
import { ACTIVATIONS, LOSSES } from "./units.js";

const FORMS = {
  input: "input 24 x 24 x 1", conv: "conv 8 filters 5 x 5, stride 1, pad 2, relu", pool: "pool 2 x 2, stride 2", fc: "fc 20, tanh",
  relu: "relu", tanh: "tanh", sigmoid: "sigmoid", maxout: "maxout 2", lrn: "lrn n 5, alpha 0.0001, beta 0.75, k 1", dropout: "dropout 0.5",
  softmax: "softmax 10", svm: "svm 10", regression: "regression 1",
};
const NORMALIZATION = { k: 1, n: 5, alpha: 0.0001, beta: 0.75 };

/** [pattern of the words before the first comma, its layers]. A loss brings the fully connected layer that it needs. */
const LINES = [
  [/^input (\d+)$/, (n) => [{ layer_type: "input", out_sy: 1, out_sx: 1, out_depth: n }]],
  [/^input (\d+) x (\d+) x (\d+)$/, (h, w, d) => [{ layer_type: "input", out_sy: h, out_sx: w, out_depth: d }]],
  [/^conv (\d+)(?: filters?)? (\d+) x (\d+)$/, (filters, sy, sx) => [{ layer_type: "conv", filters, sy, sx, stride: 1, pad: 0 }]],
  [/^(?:max )?pool (\d+) x (\d+)$/, (sy, sx) => [{ layer_type: "pool", sy, sx, stride: Math.max(sy, sx), pad: 0 }]],
  [/^fc (\d+)$/, (filters) => [{ layer_type: "fc", filters }]],
  [/^(?:lrn)(?: (k|n|alpha|beta) (\S+))?$/, (name, value) => [{ layer_type: "lrn", ...NORMALIZATION, ...(name ? { [name]: value } : {}) }]],
];
for (const kind of ACTIVATIONS) LINES.push([RegExp(`^${kind}$`), () => [{ layer_type: kind }]]);
LINES.push(
  [/^maxout(?: (\d+))?$/, (n = 2) => [{ layer_type: "maxout", group_size: n }]],
  [/^dropout(?: (\S+))?$/, (p = 0.5) => [{ layer_type: "dropout", drop_prob: p }]],
);
for (const kind of Object.keys(LOSSES)) LINES.push([RegExp(`^${kind} (\\d+)$`), (n) => [{ layer_type: "fc", filters: n }, { layer_type: kind }]]);

/** Parse a text into layers for Net, each with its `line` from 1. Empty lines and words after # do not count. Throws a LiveError that names
 * the line. */
export function parseDefinition(text) {
  const layers = [];
  for (const [i, source] of text.split("\n").entries()) {
    const words = source.replace(/#.*/, "").toLowerCase().replace(/×/g, "x").replace(/(\d)\s*x\s*(?=\d)/g, "$1 x ").replace(/\s+/g, " ").trim();
    if (!words) continue;
    const fail = (problem) => { throw new LiveError(`Line ${i + 1} (${source.trim()}): ${problem}`); };
    if (layers.at(-1)?.layer_type in LOSSES) fail(`nothing can follow the loss ${layers.at(-1).layer_type}. Remove this line, or move it up.`);
    const added = parseLine(words, fail);
    if (!layers.length !== (added[0].layer_type === "input")) fail("the network begins with one line `input HEIGHT x WIDTH x DEPTH`.");
    layers.push(...added.map((layer) => ({ ...layer, line: i + 1 })));
  }
  if (!layers.length) throw new LiveError("The network is empty. Its first line is `input HEIGHT x WIDTH x DEPTH`.");
  if (!(layers.at(-1).layer_type in LOSSES)) {
    throw new LiveError(`The network lacks a last line with its loss: ${Object.keys(LOSSES).map((k) => `\`${FORMS[k]}\``).join(", ")}.`);
  }
  return layers;
}

function parseLine(words, fail) {
  const [head, ...options] = words.split(",").map((part) => part.trim());
  const kind = head.replace(/^max pool/, "pool").split(" ")[0];
  if (!Object.hasOwn(FORMS, kind)) fail(`unknown layer ${kind}. Known: ${Object.keys(FORMS).join(", ")}.`);
  const [pattern, build] = LINES.find(([p]) => p.test(head)) ?? fail(`write it like \`${FORMS[kind]}\`.`);
  const layers = build(...pattern.exec(head).slice(1).map((v) => (v === undefined || /^[a-z]/.test(v) ? v : parseNumber(v, fail))));
  for (const option of options) {
    const [name, value, ...rest] = option.split(" "), first = layers[0];
    const isWindow = kind === "conv" || kind === "pool";
    const takes = isWindow && (name === "stride" || name === "pad") ? true : kind === "lrn" && Object.hasOwn(NORMALIZATION, name);
    if (takes && value !== undefined && !rest.length) first[name] = parseNumber(value, fail);
    else if ((kind === "conv" || kind === "fc") && (ACTIVATIONS.includes(name) || name === "maxout" || name === "dropout")) layers.push(...parseLine(option, fail));
    else fail(`unknown option ${option}. Write the line like \`${FORMS[kind]}\`.`);
  }
  return layers;
}

function parseNumber(text, fail) {
  const value = Number(text);
  return Number.isFinite(value) && text !== "" ? value : fail(`${text} is not a number.`);
}

/** Build the network of a text with initial weights of a seed. Errors name lines. */
export function buildNet(text, seed) {
  const layers = parseDefinition(text);
  return new Net(layers, seed, (number) => `Line ${layers[number].line} (${text.split("\n")[layers[number].line - 1].trim()})`);
}

/** Write a network as a text that parseDefinition reads. */
export function formatDefinition(net) {
  const [height, width, depth] = net.inputShape;
  const lines = [height === 1 && width === 1 ? `input ${depth}` : `input ${height} x ${width} x ${depth}`];
  const layers = [...net.layers];
  const last = layers.at(-1).kind === "fc" ? layers.pop() : null; // the loss brings it
  for (const layer of layers) {
    const words = formatLayer(layer), isOption = ACTIVATIONS.includes(layer.kind) || layer.kind === "maxout" || layer.kind === "dropout";
    if (isOption && /^(conv|fc)/.test(lines.at(-1))) lines[lines.length - 1] += `, ${words}`;
    else lines.push(words);
  }
  if (!last) throw new LiveError("The network's last layer must be fully connected.");
  return [...lines, `${net.lossKind} ${last.size}`].join("\n");
}

function formatLayer(layer) {
  const { kind, sy, sx, stride, pad } = layer;
  const padding = pad ? `, pad ${pad}` : "";
  if (kind === "conv") return `conv ${layer.shape[2]} filters ${sy} x ${sx}${stride === 1 ? "" : `, stride ${stride}`}${padding}`;
  if (kind === "pool") return `pool ${sy} x ${sx}${stride === Math.max(sy, sx) ? "" : `, stride ${stride}`}${padding}`;
  if (kind === "fc") return `fc ${layer.size}`;
  if (kind === "maxout") return `maxout ${layer.groupSize}`;
  if (kind === "dropout") return `dropout ${layer.probability}`;
  if (kind === "lrn") return `lrn n ${layer.n}, alpha ${layer.alpha}, beta ${layer.beta}, k ${layer.k}`;
  return kind;
}
