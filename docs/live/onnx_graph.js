// ONNX files as bytes: read the graph, cut it behind a tensor, and append nodes, weights, outputs and metadata.
// An ONNX file is a protocol buffer (onnx.proto). A field that occurs twice counts twice, so appending to a message is appending bytes.

import { LiveError } from "./common.js";

const MODEL = { graph: 7, metadata: 14 };
const GRAPH = { node: 1, initializer: 5, output: 12, valueInfo: 13 };
const NODE = { input: 1, output: 2, name: 3, operator: 4, attribute: 5 };
const TENSOR_NAME = 8;
const ATTRIBUTE_TYPES = { int: 2, ints: 7 };
const FLOAT = 1; // data type of tensors
const [VARINT, FIXED64, BYTES, FIXED32] = [0, 1, 2, 5]; // kinds of fields
const encoder = new TextEncoder(), decoder = new TextDecoder();

// ------------------------------------------------------------------------------------------------ reading

/** Read an integer of 7 bits a byte: [value, position after it]. */
function readVarint(bytes, position) {
  let value = 0;
  for (let scale = 1; position < bytes.length; scale *= 128) {
    const byte = bytes[position++];
    value += (byte & 127) * scale;
    if (byte < 128) return [value, position];
  }
  throw new LiveError("The network's file ends too early.");
}

/** Read the fields of a message: [{number, value, bytes}]. value: an integer, or the content; bytes: the whole field. */
export function readFields(bytes) {
  const fields = [];
  for (let position = 0; position < bytes.length; ) {
    const begin = position;
    let key, value;
    [key, position] = readVarint(bytes, position);
    const kind = key % 8;
    if (kind === VARINT) {
      [value, position] = readVarint(bytes, position);
    } else {
      let length = kind === FIXED64 ? 8 : 4;
      if (kind === BYTES) [length, position] = readVarint(bytes, position);
      else if (kind !== FIXED64 && kind !== FIXED32) throw new LiveError("The network's file is damaged.");
      value = bytes.subarray(position, position + length);
      position += length;
    }
    fields.push({ number: Math.floor(key / 8), value, bytes: bytes.subarray(begin, position) });
  }
  return fields;
}

const readTexts = (fields, number) => fields.filter((f) => f.number === number).map((f) => decoder.decode(f.value));

/** Read a node's names of inputs and outputs. */
function readNode(bytes) {
  const fields = readFields(bytes);
  return { inputs: readTexts(fields, NODE.input), outputs: readTexts(fields, NODE.output) };
}

/** Return the metadata of an ONNX file: {key: text}. */
export function readMetadata(model) {
  const entries = readFields(model).filter((f) => f.number === MODEL.metadata).map((f) => readFields(f.value));
  return Object.fromEntries(entries.map((fields) => [readTexts(fields, 1)[0], readTexts(fields, 2)[0] ?? ""]));
}

// ------------------------------------------------------------------------------------------------ writing

export function concatenateBytes(parts) {
  const result = new Uint8Array(parts.reduce((n, part) => n + part.length, 0));
  let at = 0;
  for (const part of parts) {
    result.set(part, at);
    at += part.length;
  }
  return result;
}

function writeVarint(value) {
  const bytes = [];
  for (; value > 127; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Uint8Array.from([...bytes, value]);
}

const writeInteger = (number, value) => concatenateBytes([writeVarint(8 * number + VARINT), writeVarint(value)]);

/** Write a field of bytes, a text, or a message given as a list of its fields. */
function writeField(number, content) {
  const bytes = typeof content === "string" ? encoder.encode(content) : Array.isArray(content) ? concatenateBytes(content) : content;
  return concatenateBytes([writeVarint(8 * number + BYTES), writeVarint(bytes.length), bytes]);
}

/** Write a node of a graph. attributes: {name: integer or list of integers}. */
export function writeNode(operator, inputs, outputs, attributes = {}) {
  const fields = [...inputs.map((name) => writeField(NODE.input, name)), ...outputs.map((name) => writeField(NODE.output, name))];
  fields.push(writeField(NODE.name, outputs[0]), writeField(NODE.operator, operator));
  for (const [name, value] of Object.entries(attributes)) {
    const values = Array.isArray(value) ? value.map((v) => writeInteger(8, v)) : [writeInteger(3, value)];
    fields.push(writeField(NODE.attribute, [writeField(1, name), ...values, writeInteger(20, ATTRIBUTE_TYPES[Array.isArray(value) ? "ints" : "int"])]));
  }
  return writeField(GRAPH.node, fields);
}

/** Write a tensor of float32 weights. */
export function writeWeights(name, values, dims) {
  const data = new DataView(new ArrayBuffer(4 * values.length));
  values.forEach((v, i) => data.setFloat32(4 * i, v, true));
  return writeField(GRAPH.initializer, [
    ...dims.map((n) => writeInteger(1, n)), writeInteger(2, FLOAT), writeField(TENSOR_NAME, name), writeField(9, new Uint8Array(data.buffer)),
  ]);
}

/** Write an output of float32 values. dims: numbers, or names of sizes that vary. */
export function writeOutput(name, dims) {
  const shape = dims.map((n) => writeField(1, [typeof n === "number" ? writeInteger(1, n) : writeField(2, n)]));
  return writeField(GRAPH.output, [writeField(1, name), writeField(2, [writeField(1, [writeInteger(1, FLOAT), writeField(2, shape)])])]);
}

const writeMetadata = (key, text) => writeField(MODEL.metadata, [writeField(1, key), writeField(2, text)]);

// ------------------------------------------------------------------------------------------------ graphs

/** Find the only tensor that a node computes and whose name ends with `suffix`. */
export function findTensor(model, suffix) {
  const graph = readFields(readFields(model).find((f) => f.number === MODEL.graph).value);
  const names = graph.filter((f) => f.number === GRAPH.node).flatMap((f) => readNode(f.value).outputs).filter((name) => name.endsWith(suffix));
  if (names.length !== 1) throw new LiveError(`The network has ${names.length} tensors that end with ${suffix}: this page needs one.`);
  return names[0];
}

/** Cut a network behind `tensor` and let `parts` go on (fields from writeNode, writeWeights and writeOutput). What only other outputs
 * need is left out. metadata: {key: text} that replaces the file's. */
export function replaceHead(model, tensor, parts, metadata) {
  const fields = readFields(model), graph = readFields(fields.find((f) => f.number === MODEL.graph).value);
  const nodes = graph.filter((f) => f.number === GRAPH.node).map((field) => ({ field, ...readNode(field.value) }));
  const needed = new Set([tensor]), kept = new Set();
  for (const { field, inputs, outputs } of nodes.toReversed()) { // a node stands after those that it needs
    if (!outputs.some((name) => needed.has(name))) continue;
    kept.add(field);
    for (const name of inputs) needed.add(name);
  }
  const isKept = (field) => {
    if (field.number === GRAPH.node) return kept.has(field);
    if (field.number === GRAPH.initializer) return needed.has(readTexts(readFields(field.value), TENSOR_NAME)[0]);
    return field.number !== GRAPH.output && field.number !== GRAPH.valueInfo;
  };
  const cut = writeField(MODEL.graph, [...graph.filter(isKept).map((f) => f.bytes), ...parts]);
  const others = fields.filter((f) => f.number !== MODEL.graph && f.number !== MODEL.metadata).map((f) => f.bytes);
  return concatenateBytes([...others, cut, ...Object.entries(metadata).map(([key, text]) => writeMetadata(key, text))]);
}
