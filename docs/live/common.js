// What all live demos share: files with progress, networks in a worker, words for what goes wrong, and small DOM helpers.
// Every path is relative to this file, so that the site works under any address.

const here = new URL(".", import.meta.url);
const folder = new URL("files/", here);

/** An error whose message is meant for the reader. */
export class LiveError extends Error {}

// ------------------------------------------------------------------------------------------------ files

let listed;
/** What prepare_live.py made: {name: {size, hash, ...facts of its row}}; names are those of files/. */
export function listing() {
  return (listed ??= (async () => {
    const answer = await fetch(new URL("files.json", folder), { cache: "no-cache" }).catch(() => {
      throw new LiveError("The list of the demo's files could not be loaded: is the connection gone? Try again.");
    });
    if (!answer.ok) throw new LiveError("The demo's files are not on this server: it was built without docs/build/prepare_live.py.");
    return answer.json();
  })().catch((error) => { listed = undefined; throw error; })); // a second try may succeed
}

/** Whether all of these files were built. */
export async function available(...names) {
  const known = await listing();
  return names.every((name) => name in known);
}

/** Bytes that these files take to load. */
export async function sizeOf(...names) {
  const known = await listing();
  return names.reduce((sum, name) => sum + (known[name]?.size ?? 0), 0);
}

/** The address of a file of files/, for <audio> and <img>. */
export async function address(name) {
  const known = (await listing())[name];
  if (!known) throw new LiveError(`${name} is not part of this site.`);
  const url = new URL(name, folder);
  url.searchParams.set("v", known.hash.slice(0, 8)); // a new build never meets old files in a browser's cache
  return url.href;
}

const kept = new Map();
/** The bytes of a file of files/ (ArrayBuffer), loaded once. onProgress(loaded, total, name) in bytes. */
export function fetchFile(name, onProgress = () => {}) {
  if (!kept.has(name)) {
    const loading = load(name, onProgress);
    loading.catch(() => kept.delete(name)); // a second try may succeed
    kept.set(name, loading);
  }
  return kept.get(name);
}

export const fetchJson = async (name, onProgress) => JSON.parse(new TextDecoder().decode(await fetchFile(name, onProgress)));

async function load(name, onProgress) {
  const total = await sizeOf(name);
  let answer;
  try {
    answer = await fetch(await address(name));
  } catch (error) {
    if (error instanceof LiveError) throw error;
    throw new LiveError(`${name} could not be loaded: is the connection gone? Try again.`);
  }
  if (!answer.ok) throw new LiveError(`${name} could not be loaded: the server answered ${answer.status}.`);
  const parts = [];
  let loaded = 0;
  const reader = answer.body.getReader();
  onProgress(0, total, name);
  for (let piece; !(piece = await reader.read()).done; ) {
    parts.push(piece.value);
    onProgress((loaded += piece.value.length), total, name);
  }
  if (loaded !== total) throw new LiveError(`${name} arrived with ${loaded} of ${total} bytes. Try again.`);
  return new Blob(parts).arrayBuffer();
}

// ------------------------------------------------------------------------------------------------ networks

let worker, asked = 0;
const waiting = new Map();

/** onnxruntime-web in a worker of its own (engine.js), single-threaded WebAssembly; loaded at the first call. */
export function ort(onProgress) {
  return (worker ??= (async () => {
    need("WebAssembly", "Worker", "DecompressionStream");
    try {
      const wasm = await fetchFile("ort.wasm.gz", onProgress);
      const made = new Worker(new URL("engine.js", here), { type: "module" });
      made.onmessage = ({ data: { number, error, ...rest } }) => {
        const { resolve, reject } = waiting.get(number);
        waiting.delete(number);
        error ? reject(new Error(error)) : resolve(rest);
      };
      made.onerror = (event) => {
        for (const { reject } of waiting.values()) reject(new Error(event.message || "The engine could not be started."));
        waiting.clear();
      };
      await ask(made, { kind: "start", module: await address("ort.mjs"), wasm });
      return made;
    } catch (error) {
      worker = undefined;
      throw error;
    }
  })());
}

function ask(to, message, moved = []) {
  return new Promise((resolve, reject) => {
    waiting.set(++asked, { resolve, reject });
    to.postMessage({ number: asked, ...message }, moved);
  });
}

const sessions = new Map();
/** A network of files/ (its name without .onnx), opened once: {name, inputs, outputs, told}; `told` is the description
 * that `kerasrecipes export` wrote into the file: classes, alphabet, geometries and more. */
export function session(name, onProgress) {
  if (!sessions.has(name)) {
    const opening = (async () => {
      const engine = await ort(onProgress);
      const bytes = await fetchFile(`${name}.onnx`, onProgress);
      const told = (await listing())[`${name}.onnx`].told;
      return { name, told, ...(await ask(engine, { kind: "open", name, bytes })) };
    })();
    opening.catch(() => sessions.delete(name));
    sessions.set(name, opening);
  }
  return sessions.get(name);
}

/** Run a session. feeds: {input: [typed array, dims]}; wanted: names of outputs, all by default.
 * Returns {outputs: {name: {data, dims}}, ms}: ms is the network's own time. Of inputs that the graph lacks none is fed. */
export async function run(opened, feeds, wanted = opened.outputs) {
  const given = Object.fromEntries(Object.entries(feeds).filter(([name]) => opened.inputs.includes(name)));
  return ask(await ort(), { kind: "run", name: opened.name, feeds: given, wanted });
}

// ------------------------------------------------------------------------------------------------ words

const FEATURES = {
  WebAssembly: ["WebAssembly, which runs the network", () => typeof WebAssembly === "object"],
  Worker: ["background workers", () => typeof Worker === "function"],
  DecompressionStream: ["DecompressionStream, which unpacks the engine", () => typeof DecompressionStream === "function"],
  OfflineAudioContext: ["Web Audio, which reads sound files", () => typeof OfflineAudioContext === "function"],
  AudioWorklet: ["AudioWorklet, which listens to the microphone", () => typeof AudioWorkletNode === "function"],
  media: [
    "access to a microphone or camera (browsers give it to https pages and localhost only)",
    () => Boolean(navigator.mediaDevices?.getUserMedia),
  ],
};

/** Throw a LiveError that names what this browser lacks of these features (keys of FEATURES). */
export function need(...names) {
  const missing = names.filter((name) => !FEATURES[name][1]()).map((name) => FEATURES[name][0]);
  if (missing.length) {
    throw new LiveError(`This browser lacks ${missing.join(" and ")}. A current Firefox, Chrome, Edge or Safari has it.`);
  }
}

const NAMES = {
  NotAllowedError: "The browser did not give leave to use the microphone or camera. The address bar's lock symbol changes that.",
  NotFoundError: "There is no microphone or camera at this device.",
  NotReadableError: "Another program is using the microphone or camera.",
  EncodingError: "This file's sound cannot be read by the browser. WAV, MP3, Ogg and FLAC usually can.",
};

/** Show in words inside `element` what went wrong; an error already shown there is replaced, null removes it. */
export function explain(element, error) {
  element.querySelector(":scope > .live-error")?.remove();
  if (!error) return;
  const text = error instanceof LiveError ? error.message : NAMES[error.name] ?? `Something went wrong: ${error.message ?? error}`;
  element.append(make("p", { class: "live-error", role: "alert" }, text));
  if (!(error instanceof LiveError)) console.error(error);
}

/** Bytes in words. */
export const bytes = (n) => (n < 1e6 ? `${Math.max(1, Math.round(n / 1e3))} KB` : `${(n / 1e6).toFixed(1)} MB`);

// ------------------------------------------------------------------------------------------------ DOM

/** An element: attributes by name (functions become listeners, `class` too), then children. */
export function make(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}

export const button = (text, onclick, attributes = {}) => make("button", { type: "button", class: "live-button", onclick, ...attributes }, text);

/** A labeled control: a label element around text and control. */
export const labeled = (text, control) => make("label", { class: "live-field" }, make("span", {}, text), control);

/** A picture or graph below its words. */
export const figure = (words, ...children) => make("figure", { class: "live-figure" }, make("figcaption", {}, words), ...children);

/** A file input, and `element` as a place to drop a file on; `take(file)` gets it. accept: as of <input>. */
export function fileInput(element, accept, take) {
  const input = make("input", { type: "file", accept, onchange: () => { if (input.files[0]) take(input.files[0]); input.value = ""; } });
  element.addEventListener("dragover", (event) => { event.preventDefault(); element.classList.add("over"); });
  for (const kind of ["dragleave", "drop"]) element.addEventListener(kind, () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => { event.preventDefault(); if (event.dataTransfer.files[0]) take(event.dataTransfer.files[0]); });
  return input;
}

/** Offer a text to the reader as a file to save. */
export function offer(text, name) {
  const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  const link = make("a", { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 1000);
}

/** A progress bar inside `element`: its `report` is an onProgress; `done()` removes it. */
export function progress(element) {
  const bar = make("progress", { max: 1, value: 0 });
  const words = make("span", {}, "Loading");
  const box = make("div", { class: "live-progress", role: "status" }, bar, words);
  element.append(box);
  return {
    report(loaded, total, name) {
      bar.value = total ? loaded / total : 0;
      words.textContent = `${name.replace(/\.(onnx|gz)$/, "")}: ${bytes(loaded)} of ${bytes(total)}`;
    },
    done: () => box.remove(),
  };
}

/** What `work(onProgress)` gives, with a progress bar in `element` meanwhile. */
export async function loaded(element, work) {
  const bar = progress(element);
  try {
    return await work(bar.report);
  } finally {
    bar.done();
  }
}

/** As `loaded`; explains in `element` what goes wrong, and gives undefined then. */
export async function attempt(element, work) {
  explain(element, null);
  try {
    return await loaded(element, work);
  } catch (error) {
    explain(element, error);
  }
}

/** `begin()` gives a function that says whether nothing has begun since: what comes late must not overwrite what was chosen later. */
export function newest() {
  let last = 0;
  return () => {
    const mine = ++last;
    return () => mine === last;
  };
}

/** Softmax of an array of numbers. */
export function softmax(scores) {
  const top = Math.max(...scores);
  const parts = Array.from(scores, (s) => Math.exp(s - top));
  const sum = parts.reduce((a, b) => a + b, 0);
  return parts.map((p) => p / sum);
}
