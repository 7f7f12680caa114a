// WaveNet: generate audio sample by sample and plot the activity of the dilated convolutions.

import { LiveError, getAddress, hasFiles, makeButton, explain, fetchFile, makeField, withProgress, make, requireFeatures } from "./common.js";
import { encodeWav } from "./audio.js";
import { unpack } from "./back.js";
import { simd } from "./product.js";
import { startWorker } from "./remote.js";
import { Stack, drawDistribution, drawWave } from "./wave_draw.js";

const here = new URL(".", import.meta.url);
const NET = "wavenet_small.net";
const MISSING = "wavenet_small has no released weights yet, so this demo cannot run. To train the network: kerasrecipes train wavenet_small.";
const SPEEDS = { "node by node": { pause: 70, nodes: true }, "sample by sample": { pause: 60 }, "full speed": { pause: 0 } };
const COLUMNS = { "32 samples": 32, "256 samples": 256, "1,100 samples, one block": 1100, "3,200 samples, the receptive field": 3200 };
const CHUNK_MS = 50; // of work between two updates at full speed
const wait = (ms) => new Promise((next) => setTimeout(next, ms));
const makeSelect = (options, initial) => make("select", {}, ...options.map(([value, words]) => make("option", { value, selected: value === initial }, words)));

export async function mount(element) {
  requireFeatures("WebAssembly", "Worker");
  if (!(await hasFiles(NET))) throw new LiveError(MISSING);
  return build(element, await withProgress(element, (report) => fetchFile(NET, report)));
}

/** Build the demo for the bytes of a network (docs/build/live_wavenet.py). */
export async function build(element, bytes) {
  const net = unpack(bytes), call = startWorker(new URL("wave_worker.js", here));
  await call("open", { bytes });
  const clips = Object.entries(net.clips);
  const controls = {
    speaker: makeSelect(net.speakers.map((name, i) => [String(i), name || "no speaker"]), "1"),
    content: makeSelect([["", "free babble"], ...clips.map(([name, { credit }]) => [name, `a copy of the clip “${name}”`])], clips[0]?.[0] ?? ""),
    seconds: make("input", { type: "number", min: 0.05, max: 10, step: "any", value: 1 }),
    temperature: make("input", { type: "number", min: 0, max: 2, step: 0.1, value: 1 }),
    seed: make("input", { type: "number", min: 0, step: 1, value: 1 }),
    speed: makeSelect(Object.keys(SPEEDS).map((s) => [s, s]), "full speed"),
    columns: makeSelect(Object.entries(COLUMNS).map(([words, n]) => [String(n), words]), "256"),
  };
  const views = {
    stack: make("canvas", { class: "wave-stack", role: "img", "aria-label": "the stack: a row for each layer, a column for each sample" }),
    chances: make("canvas", { class: "wave-strip", width: 512, height: 70, role: "img", "aria-label": "probabilities of the next code" }),
    wave: make("canvas", { class: "wave-strip", width: 900, height: 70, role: "img", "aria-label": "the audio so far" }),
    words: make("p", { class: "live-note", role: "status" }), problems: make("div"),
    sound: make("audio", { controls: true, hidden: true }), save: make("a", { class: "live-button", hidden: true, download: "wavenet.wav" }, "Save"),
  };
  const start = makeButton("Generate", () => generate()), pause = makeButton("Pause", () => switchRunning(), { disabled: true });
  const step = makeButton("One step", () => runOneStep(), { title: "generate one sample, shown node by node" });
  const stack = new Stack(views.stack, net);
  let currentTask = null; // {samples, count, total, isRunning, temperature, turn: token of the loop that runs it, queue: of requests}

  element.classList.add("wave");
  element.append(
    make("div", { class: "live-row" }, makeField("speaker", controls.speaker), makeField("audio to generate", controls.content), makeField("seconds", controls.seconds),
      makeField("temperature", controls.temperature), makeField("seed", controls.seed), makeField("speed", controls.speed), makeField("columns", controls.columns)),
    make("div", { class: "wave-buttons" }, start, pause, step), views.problems,
    views.stack, views.words,
    make("div", { class: "wave-strips" }, make("figure", {}, make("figcaption", {}, "probabilities of the next code, and the sampled code"), views.chances),
      make("figure", {}, make("figcaption", {}, "the audio, and the receptive field of the next sample"), views.wave)),
    make("div", { class: "wave-buttons" }, views.sound, views.save),
  );
  if (!simd) element.append(make("p", { class: "live-note" }, "This browser has no SIMD in WebAssembly, so generation is several times slower."));
  if (clips.length) element.append(await makeOriginals(clips));
  controls.content.onchange = () => {
    const clip = net.clips[controls.content.value];
    if (clip) controls.speaker.value = String(Math.max(0, net.speakers.indexOf(clip.speaker)));
    controls.seconds.disabled = Boolean(clip);
    if (clip) controls.seconds.value = (countSamples(controls.content.value) / net.rate).toFixed(2);
  };
  controls.content.onchange();
  controls.columns.onchange = () => paint();
  new ResizeObserver(() => paint()).observe(views.stack);

  function countSamples(clip) { return (net.arrays[`clip_${clip}`].length / net.mels) * net.hop; }

  async function begin() {
    if (currentTask) currentTask.isRunning = false;
    explain(views.problems, null);
    const clip = controls.content.value, seconds = Number(controls.seconds.value), temperature = Number(controls.temperature.value);
    const total = clip ? countSamples(clip) : Math.round(seconds * net.rate);
    if (!(total >= 1 && total <= 10 * net.rate)) throw new LiveError("Choose between 0.05 and 10 seconds.");
    if (!(temperature >= 0)) throw new LiveError("The temperature must be 0 or more. 1 samples from the probabilities of the network.");
    await call("begin", { speaker: Number(controls.speaker.value), spectrogram: clip ? net.arrays[`clip_${clip}`].slice() : null, samples: total, seed: Number(controls.seed.value) || 0, temperature });
    stack.clear();
    views.sound.pause();
    views.sound.hidden = views.save.hidden = true;
    return (currentTask = { samples: new Float32Array(total), count: 0, total, isRunning: false, temperature, ms: 0, last: null, turn: null, queue: null });
  }

  async function generate() {
    try {
      await run(await begin());
    } catch (error) {
      explain(views.problems, error);
    }
  }

  /** Generate until all samples are there or the reader stops it. */
  async function run(task) {
    const turn = (task.turn = {}), isCurrent = () => task === currentTask && task.turn === turn;
    task.isRunning = true;
    pause.disabled = false;
    pause.textContent = "Pause";
    let chunk = 32;
    while (isCurrent() && task.isRunning && task.count < task.total && element.isConnected) {
      const speed = SPEEDS[controls.speed.value], result = await advance(task, speed.pause ? 1 : chunk);
      if (!isCurrent() || !result) return;
      if (!speed.pause) chunk = Math.max(16, Math.min(2048, Math.round((result.samples.length * CHUNK_MS) / Math.max(result.ms, 1))));
      if (speed.nodes) await showNodes(task, speed.pause, isCurrent);
      else await Promise.race([new Promise(requestAnimationFrame), wait(100)]), paint(); // a hidden tab has no frames
      if (speed.pause) await wait(speed.pause);
    }
    if (!isCurrent()) return;
    task.isRunning = false;
    pause.textContent = "Continue";
    if (task.count === task.total) finish(task);
  }

  /** Generate at most `most` samples, one request after the other. Resolves to undefined if none is left or another currentTask has started. */
  function advance(task, most) {
    const answer = Promise.resolve(task.queue).then(() => request(task, Math.min(most, task.total - task.count)));
    task.queue = answer.catch(() => {});
    return answer;
  }

  async function request(task, count) {
    if (task !== currentTask || count < 1) return undefined;
    const result = await call("run", { count });
    if (task !== currentTask) return undefined;
    task.samples.set(result.samples, task.count);
    task.count += count;
    task.ms += result.ms;
    task.last = result;
    stack.push(result.activity);
    return result;
  }

  async function showNodes(task, pauseMs, isCurrent) {
    for (let numDone = 0; numDone <= stack.depth + 1 && isCurrent() && element.isConnected; numDone++) {
      stack.draw(Number(controls.columns.value), numDone);
      views.words.textContent = numDone < stack.depth ? `sample ${task.count}: layer ${numDone + 1} of ${stack.depth} reads the current column and the one ${net.dilations[numDone]} samples ago` : `sample ${task.count}: the sum of the skip outputs of all layers gives the probabilities of ${net.levels} codes`;
      await wait(pauseMs);
    }
    paint();
  }

  function paint() {
    stack.draw(Number(controls.columns.value));
    if (!currentTask) return void (views.words.textContent = "Press Generate. Each sample is drawn from the probabilities that the network computes from the previous samples.");
    drawWave(views.wave, currentTask.samples, currentTask.count, currentTask.total, net.field);
    if (currentTask.last) drawDistribution(views.chances, currentTask.last.logits, currentTask.temperature, currentTask.last.codes.at(-1));
    const rate = currentTask.ms ? Math.round((1000 * currentTask.count) / currentTask.ms) : 0;
    views.words.textContent = `${currentTask.count.toLocaleString("en")} of ${currentTask.total.toLocaleString("en")} samples; ${rate.toLocaleString("en")} per second; real time needs ${net.rate.toLocaleString("en")}`;
    Object.assign(element.dataset, { count: currentTask.count, total: currentTask.total, rate });
  }

  function finish(task) {
    const url = URL.createObjectURL(encodeWav(task.samples, net.rate));
    if (views.sound.src) URL.revokeObjectURL(views.sound.src);
    views.sound.src = views.save.href = url;
    views.sound.hidden = views.save.hidden = false;
    pause.disabled = true;
    pause.textContent = "Pause";
    element.dataset.finished = task.total;
  }

  function switchRunning() {
    if (!currentTask) return;
    if (currentTask.isRunning) {
      currentTask.isRunning = false;
      pause.textContent = "Continue";
    } else run(currentTask).catch((error) => explain(views.problems, error));
  }

  async function runOneStep() {
    try {
      const task = currentTask && currentTask.count < currentTask.total ? currentTask : await begin();
      const turn = (task.turn = {}), isCurrent = () => task === currentTask && task.turn === turn; // ends the loop that runs it
      task.isRunning = false;
      if (!(await advance(task, 1))) return;
      await showNodes(task, SPEEDS["node by node"].pause, isCurrent);
      if (!isCurrent()) return;
      pause.disabled = false;
      pause.textContent = "Continue";
      if (task.count === task.total) finish(task);
    } catch (error) {
      explain(views.problems, error);
    }
  }
  paint();
}

/** Make players of recordings and of their copies, which Python generated from their spectrograms. */
async function makeOriginals(clips) {
  const rows = [];
  for (const [name, { credit }] of clips) {
    const copy = `${name}.copy.mp3`;
    const players = [["original", new URL(`samples/${name}.mp3`, here).href]];
    if (await hasFiles(copy)) players.push(["copy by wavenet_small", await getAddress(copy)]);
    rows.push(make("div", { class: "wave-original" }, make("p", { class: "live-note" }, `“${name}”: ${credit}`),
      ...players.map(([words, src]) => make("label", { class: "live-field" }, make("span", {}, words), make("audio", { controls: true, preload: "none", src })))));
  }
  return make("section", {}, make("h3", {}, "Originals and copies"), ...rows);
}
