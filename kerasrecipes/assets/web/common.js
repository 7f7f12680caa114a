// Shared code of the live demos: loading files, running networks in a worker, error messages, and small DOM helpers.
// Every path is relative to this file, so the site works under any URL.

import { startWorker } from "./remote.js";

const here = new URL(".", import.meta.url);
const folder = new URL("files/", here);

/** An error with a message for the reader. */
export class LiveError extends Error {}

// ------------------------------------------------------------------------------------------------ files

let listing;
/** Load the list of files that prepare_live.py wrote: {name: {size, hash, metadata, ...fields of its row}}, by names in files/. */
export function fetchListing() {
  return (listing ??= (async () => {
    const response = await fetch(new URL("files.json", folder), { cache: "no-cache" }).catch(() => {
      throw new LiveError("The list of this page's files could not be loaded. Check your connection and try again.");
    });
    if (!response.ok) throw new LiveError("The folder files/, which this page needs, is not on this server.");
    return response.json();
  })().catch((error) => { listing = undefined; throw error; })); // a second try may succeed
}

/** Return true if the site has all of these files. */
export async function hasFiles(...names) {
  const entries = await fetchListing();
  return names.every((name) => name in entries);
}

/** Add up the sizes of these files, in bytes. */
export async function sumSizes(...names) {
  const entries = await fetchListing();
  return names.reduce((sum, name) => sum + (entries[name]?.size ?? 0), 0);
}

/** Return the URL of a file in files/, for <audio> and <img>. */
export async function getAddress(name) {
  const entry = (await fetchListing())[name];
  if (!entry) throw new LiveError(`${name} is not part of this site.`);
  const url = new URL(name, folder);
  url.searchParams.set("v", entry.hash.slice(0, 8)); // a new build never uses old files from the browser's cache
  return url.href;
}

const fileCache = new Map(), damaged = new Set();
/** Load a file of files/ once and return its bytes (ArrayBuffer). onProgress(loaded, total, name): sizes in bytes. */
export function fetchFile(name, onProgress = () => {}) {
  if (!fileCache.has(name)) {
    const loading = load(name, onProgress);
    loading.catch(() => fileCache.delete(name)); // a second try may succeed
    fileCache.set(name, loading);
  }
  return fileCache.get(name);
}

async function load(name, onProgress) {
  const total = await sumSizes(name);
  let response;
  try {
    response = await fetch(await getAddress(name), { cache: damaged.has(name) ? "reload" : "default" });
  } catch (error) {
    if (error instanceof LiveError) throw error;
    throw new LiveError(`${name} could not be loaded. Check your connection and try again.`);
  }
  if (!response.ok) throw new LiveError(`${name} could not be loaded: the server answered with status ${response.status}.`);
  const parts = [];
  let loaded = 0;
  const reader = response.body.getReader();
  onProgress(0, total, name);
  for (let chunk; !(chunk = await reader.read()).done; ) {
    parts.push(chunk.value);
    onProgress((loaded += chunk.value.length), total, name);
  }
  if (loaded !== total) {
    damaged.add(name);
    throw new LiveError(`Only ${loaded} of ${total} bytes of ${name} arrived. Try again.`);
  }
  const content = await new Blob(parts).arrayBuffer();
  if (globalThis.crypto?.subtle && (await hashBytes(content)) !== (await fetchListing())[name].hash) { // not over plain http
    damaged.add(name);
    throw new LiveError(`${name} arrived damaged: its bytes are not those of this site. Try again.`);
  }
  return content;
}

/** Return the SHA-256 of bytes in hexadecimal. */
async function hashBytes(content) {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", content));
  return Array.from(digest, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

// ------------------------------------------------------------------------------------------------ networks

let engine;

/** Start onnxruntime-web as single-threaded WebAssembly in a worker (engine.js), and resolve to the function that calls it. Later calls
 * return the same worker's. */
function startEngine(onProgress) {
  return (engine ??= (async () => {
    requireFeatures("WebAssembly", "Worker", "DecompressionStream");
    try {
      const wasm = await fetchFile("ort.wasm.gz", onProgress), call = startWorker(new URL("engine.js", here));
      await call("start", { module: await getAddress("ort.mjs"), wasm });
      return call;
    } catch (error) {
      engine = undefined;
      throw error;
    }
  })());
}

const sessions = new Map();
/** Open a network of files/ once, by its name without .onnx: {name, inputs, outputs, metadata}. `kerasrecipes export` wrote the
 * metadata into the file: classes, alphabet, geometries and more. */
export function openSession(name, onProgress) {
  if (!sessions.has(name)) {
    const opening = (async () => {
      const call = await startEngine(onProgress);
      const bytes = await fetchFile(`${name}.onnx`, onProgress);
      const { metadata } = (await fetchListing())[`${name}.onnx`];
      return { name, metadata, ...(await call("open", { name, bytes })) };
    })();
    opening.catch(() => sessions.delete(name));
    sessions.set(name, opening);
  }
  return sessions.get(name);
}

/** Open a network of given bytes under a name that no file has: {name, inputs, outputs}. */
export async function openBytes(name, bytes, onProgress) {
  return { name, ...(await (await startEngine(onProgress))("open", { name, bytes })) };
}

/** Run a network. feeds: {input: [typed array, dims]}, where inputs that the graph lacks are ignored. outputNames: all by default.
 * Returns {outputs: {name: {data, dims}}, ms}, where ms is the time of the network alone. */
export async function run(net, feeds, outputNames = net.outputs) {
  const inputs = Object.fromEntries(Object.entries(feeds).filter(([name]) => net.inputs.includes(name)));
  return (await startEngine())("run", { name: net.name, feeds: inputs, outputNames });
}

// ------------------------------------------------------------------------------------------------ errors

const FEATURES = {
  WebAssembly: ["WebAssembly, which runs the network", () => typeof WebAssembly === "object"],
  Worker: ["background workers", () => typeof Worker === "function"],
  DecompressionStream: ["DecompressionStream, which unpacks the engine", () => typeof DecompressionStream === "function"],
  OfflineAudioContext: ["Web Audio, which reads audio files", () => typeof OfflineAudioContext === "function"],
  AudioWorklet: ["AudioWorklet, which reads the microphone", () => typeof AudioWorkletNode === "function"],
  media: [
    "access to a microphone or camera (browsers allow it only on https pages and localhost)",
    () => Boolean(navigator.mediaDevices?.getUserMedia),
  ],
};

/** Throw a LiveError that names the features (keys of FEATURES) that this browser lacks. */
export function requireFeatures(...names) {
  const missing = names.filter((name) => !FEATURES[name][1]()).map((name) => FEATURES[name][0]);
  if (missing.length) {
    throw new LiveError(`This browser lacks ${missing.join(" and ")}. A current Firefox, Chrome, Edge or Safari has it.`);
  }
}

const ERROR_MESSAGES = {
  NotAllowedError: "The browser does not allow the microphone or camera. The lock symbol in the address bar changes that.",
  NotFoundError: "This device has no microphone or camera.",
  NotReadableError: "Another program is using the microphone or camera.",
  EncodingError: "The browser cannot read the audio of this file. Try WAV, MP3, Ogg or FLAC.",
};

/** Show an error message in `element` in place of an earlier one. null removes the message. */
export function explain(element, error) {
  element.querySelector(":scope > .live-error")?.remove();
  if (!error) return;
  const text = error instanceof LiveError ? error.message : ERROR_MESSAGES[error.name] ?? `Something went wrong: ${error.message ?? error}`;
  element.append(make("p", { class: "live-error", role: "alert" }, text));
  if (!(error instanceof LiveError)) console.error(error);
}

/** Format a number of bytes. */
export const formatBytes = (n) => (n < 1e6 ? `${Math.max(1, Math.round(n / 1e3))} KB` : `${(n / 1e6).toFixed(1)} MB`);

// ------------------------------------------------------------------------------------------------ DOM

/** Make an element. Attributes are set by name, and functions become listeners. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const makeButton = (text, onclick, attributes = {}) => make("button", { type: "button", class: "live-button", onclick, ...attributes }, text);

/** Make a label element around a text and a control. */
export const makeField = (text, control) => make("label", { class: "live-field" }, make("span", {}, text), control);

/** Make a figure with its caption above it. */
export const makeFigure = (caption, ...children) => make("figure", { class: "live-figure" }, make("figcaption", {}, caption), ...children);

/** Make a file input, and accept files that are dropped on `element`. onFile(file) receives them. accept: as in <input>. */
export function makeFileInput(element, accept, onFile) {
  const input = make("input", { type: "file", accept, onchange: () => { if (input.files[0]) onFile(input.files[0]); input.value = ""; } });
  element.addEventListener("dragover", (event) => { event.preventDefault(); element.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) element.addEventListener(kind, () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) onFile(event.dataTransfer.files[0]); });
  return input;
}

/** Offer a text, or bytes of another type, as a download. */
export function offerFile(content, name, type = "application/json") {
  const url = URL.createObjectURL(new Blob([content], { type }));
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** Show a progress bar in `element`. Returns {report, done}: report is an onProgress, done() removes the bar. */
function showProgress(element) {
  const bar = make("progress", { max: 1, value: 0 });
  const words = make("span", {}, "Loading");
  const box = make("div", { class: "live-progress", role: "status" }, bar, words);
  element.append(box);
  return {
    report(loaded, total, name) {
      bar.value = total ? loaded / total : 0;
      words.textContent = `${name.replace(/\.(onnx|gz)$/, "")}: ${formatBytes(loaded)} of ${formatBytes(total)}`;
    },
    done: () => box.remove(),
  };
}

/** Return the result of `work(onProgress)`, and show a progress bar in `element` until it is there. */
export async function withProgress(element, work) {
  const bar = showProgress(element);
  try {
    return await work(bar.report);
  } finally {
    bar.done();
  }
}

/** Like `withProgress`, but show an error in `element` and return undefined. */
export async function attempt(element, work) {
  explain(element, null);
  try {
    return await withProgress(element, work);
  } catch (error) {
    explain(element, error);
  }
}

/** Softmax of an array of logits. */
export function softmax(logits) {
  const top = Math.max(...logits);
  const parts = Array.from(logits, (s) => Math.exp(s - top));
  const sum = parts.reduce((a, b) => a + b, 0);
  return parts.map((p) => p / sum);
}
