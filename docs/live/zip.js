// ZIP archives without compression, which every system opens.

import { concatenateBytes } from "./onnx_graph.js";

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let k = 0; k < 8; k++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});

/** CRC-32 of bytes, as ZIP has it. */
export function computeCrc(bytes) {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

/** Write little-endian numbers: [[value, bytes], ...]. */
function writeNumbers(numbers) {
  const view = new DataView(new ArrayBuffer(numbers.reduce((n, [, size]) => n + size, 0)));
  let at = 0;
  for (const [value, size] of numbers) {
    size === 2 ? view.setUint16(at, value, true) : view.setUint32(at, value, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

const VERSION = 20, UTF8 = 0x800, STORED = 0, DAY = 0x21; // January 1, 1980: the archive says nothing about the time

/** Return the bytes of an archive. files: {path: bytes}. */
export function writeZip(files) {
  const parts = [], directory = [];
  let offset = 0;
  for (const [path, bytes] of Object.entries(files)) {
    const name = new TextEncoder().encode(path);
    const common = [[VERSION, 2], [UTF8, 2], [STORED, 2], [0, 2], [DAY, 2], [computeCrc(bytes), 4], [bytes.length, 4], [bytes.length, 4], [name.length, 2], [0, 2]];
    const header = writeNumbers([[0x04034b50, 4], ...common]);
    parts.push(header, name, bytes);
    directory.push(writeNumbers([[0x02014b50, 4], [VERSION, 2], ...common, [0, 2], [0, 2], [0, 2], [0, 4], [offset, 4]]), name);
    offset += header.length + name.length + bytes.length;
  }
  const size = directory.reduce((n, part) => n + part.length, 0), count = Object.keys(files).length;
  return concatenateBytes([...parts, ...directory, writeNumbers([[0x06054b50, 4], [0, 2], [0, 2], [count, 2], [count, 2], [size, 4], [offset, 4], [0, 2]])]);
}
