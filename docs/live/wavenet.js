// WaveNet: sound made sample by sample in the page, and drawn as the stack of dilated convolutions computes it.

import { LiveError, address, available, button, explain, fetchFile, labeled, loaded, make, need } from "./common.js";
import { unpack } from "./back.js";
import { simd } from "./product.js";
import { remote } from "./remote.js";
import { Stack, drawDistribution, drawWave } from "./wave_draw.js";

const here = new URL(".", import.meta.url);
const NET = "wavenet_small.net";
const MISSING = "wavenet_small has no released weights yet, so there is nothing to run here: this demo appears with them. To train them yourself: kerasrecipes train wavenet_small.";
const SPEEDS = { "node by node": { pause: 70, nodes: true }, "sample by sample": { pause: 60 }, "as fast as it goes": { pause: 0 } };
const COLUMNS = { "32 samples": 32, "256 samples": 256, "1,100 samples, a block": 1100, "3,200 samples, all it sees": 3200 };
const CHUNK_MS = 50; // of work between two pictures at full speed
const wait = (ms) => new Promise((next) => setTimeout(next, ms));
const select = (options, chosen) => make("select", {}, ...options.map(([value, words]) => make("option", { value, selected: value === chosen }, words)));

export async function mount(element) {
  need("WebAssembly", "Worker");
  if (!(await available(NET))) throw new LiveError(MISSING);
  return build(element, await loaded(element, (report) => fetchFile(NET, report)));
}

/** The demo for a network's bytes (docs/build/live_wavenet.py). */
export async function build(element, bytes) {
  const net = unpack(bytes), call = remote(new URL("wave_worker.js", here));
  await call("open", { bytes });
  const clips = Object.entries(net.clips);
  const controls = {
    speaker: select(net.speakers.map((name, i) => [String(i), name || "nobody in particular"]), "1"),
    says: select([["", "whatever comes"], ...clips.map(([name, { credit }]) => [name, `a copy of the clip “${name}”`])], clips[0]?.[0] ?? ""),
    seconds: make("input", { type: "number", min: 0.05, max: 10, step: "any", value: 1 }),
    temperature: make("input", { type: "number", min: 0, max: 2, step: 0.1, value: 1 }),
    seed: make("input", { type: "number", min: 0, step: 1, value: 1 }),
    speed: select(Object.keys(SPEEDS).map((s) => [s, s]), "as fast as it goes"),
    columns: select(Object.entries(COLUMNS).map(([words, n]) => [String(n), words]), "256"),
  };
  const views = {
    stack: make("canvas", { class: "wave-stack", role: "img", "aria-label": "the stack: a row for each layer, a column for each sample" }),
    chances: make("canvas", { class: "wave-strip", width: 512, height: 70, role: "img", "aria-label": "probabilities of the next code" }),
    wave: make("canvas", { class: "wave-strip", width: 900, height: 70, role: "img", "aria-label": "the sound so far" }),
    words: make("p", { class: "live-note", role: "status" }), problems: make("div"),
    sound: make("audio", { controls: true, hidden: true }), save: make("a", { class: "live-button", hidden: true, download: "wavenet.wav" }, "save"),
  };
  const start = button("Generate", () => generate()), pause = button("Pause", () => toggle(), { disabled: true });
  const step = button("One step", () => single(), { title: "one sample more, drawn node by node" });
  const stack = new Stack(views.stack, net);
  let job = null; // {samples, count, total, running, temperature; turn: of the loop that goes on with it; queue: of requests}

  element.classList.add("wave");
  element.append(
    make("div", { class: "live-row" }, labeled("speaker", controls.speaker), labeled("it says", controls.says), labeled("seconds", controls.seconds),
      labeled("temperature", controls.temperature), labeled("seed", controls.seed), labeled("speed", controls.speed), labeled("shown", controls.columns)),
    make("div", { class: "wave-buttons" }, start, pause, step), views.problems,
    views.stack, views.words,
    make("div", { class: "wave-strips" }, make("figure", {}, make("figcaption", {}, "the next code’s probabilities, and the one drawn"), views.chances),
      make("figure", {}, make("figcaption", {}, "the sound, and what the next sample sees of it"), views.wave)),
    make("div", { class: "wave-buttons" }, views.sound, views.save),
  );
  if (!simd) element.append(make("p", { class: "live-note" }, "This browser has no SIMD in WebAssembly: it takes several times longer here."));
  if (clips.length) element.append(await originals(clips));
  controls.says.onchange = () => {
    const clip = net.clips[controls.says.value];
    if (clip) controls.speaker.value = String(Math.max(0, net.speakers.indexOf(clip.speaker)));
    controls.seconds.disabled = Boolean(clip);
    if (clip) controls.seconds.value = (lengthOf(controls.says.value) / net.rate).toFixed(2);
  };
  controls.says.onchange();
  controls.columns.onchange = () => paint();
  new ResizeObserver(() => paint()).observe(views.stack);

  function lengthOf(clip) { return (net.arrays[`clip_${clip}`].length / net.mels) * net.hop; }

  async function begin() {
    if (job) job.running = false;
    explain(views.problems, null);
    const says = controls.says.value, seconds = Number(controls.seconds.value), temperature = Number(controls.temperature.value);
    const total = says ? lengthOf(says) : Math.round(seconds * net.rate);
    if (!(total >= 1 && total <= 10 * net.rate)) throw new LiveError("Between 0.05 and 10 seconds can be made here.");
    if (!(temperature >= 0)) throw new LiveError("The temperature is 0 or more; 1 is the network’s own.");
    await call("begin", { speaker: Number(controls.speaker.value), spectrogram: says ? net.arrays[`clip_${says}`].slice() : null, samples: total, seed: Number(controls.seed.value) || 0, temperature });
    stack.clear();
    views.sound.pause();
    views.sound.hidden = views.save.hidden = true;
    return (job = { samples: new Float32Array(total), count: 0, total, running: false, temperature, ms: 0, last: null, turn: null, queue: null });
  }

  async function generate() {
    try {
      await run(await begin());
    } catch (error) {
      explain(views.problems, error);
    }
  }

  /** Until the sound is whole or somebody stops it. */
  async function run(mine) {
    const turn = (mine.turn = {}), current = () => mine === job && mine.turn === turn;
    mine.running = true;
    pause.disabled = false;
    pause.textContent = "Pause";
    let chunk = 32;
    while (current() && mine.running && mine.count < mine.total && element.isConnected) {
      const speed = SPEEDS[controls.speed.value], found = await advance(mine, speed.pause ? 1 : chunk);
      if (!current() || !found) return;
      if (!speed.pause) chunk = Math.max(16, Math.min(2048, Math.round((found.samples.length * CHUNK_MS) / Math.max(found.ms, 1))));
      if (speed.nodes) await nodeByNode(mine, speed.pause, current);
      else await Promise.race([new Promise(requestAnimationFrame), wait(100)]), paint(); // a hidden tab has no frames
      if (speed.pause) await wait(speed.pause);
    }
    if (!current()) return;
    mine.running = false;
    pause.textContent = "Go on";
    if (mine.count === mine.total) finish(mine);
  }

  /** The next samples, `most` at most, one request after the other; undefined where none is left or another job has begun. */
  function advance(mine, most) {
    const answer = Promise.resolve(mine.queue).then(() => request(mine, Math.min(most, mine.total - mine.count)));
    mine.queue = answer.catch(() => {});
    return answer;
  }

  async function request(mine, count) {
    if (mine !== job || count < 1) return undefined;
    const found = await call("run", { count });
    if (mine !== job) return undefined;
    mine.samples.set(found.samples, mine.count);
    mine.count += count;
    mine.ms += found.ms;
    mine.last = found;
    stack.push(found.activity);
    return found;
  }

  async function nodeByNode(mine, pauseMs, current) {
    for (let lit = 0; lit <= stack.depth + 1 && current() && element.isConnected; lit++) {
      stack.draw(Number(controls.columns.value), lit);
      views.words.textContent = lit < stack.depth ? `sample ${mine.count}: layer ${lit + 1} of ${stack.depth} reads the present and ${net.dilations[lit]} samples ago` : `sample ${mine.count}: the sum of all layers' skips gives the probabilities of ${net.levels} codes`;
      await wait(pauseMs);
    }
    paint();
  }

  function paint() {
    stack.draw(Number(controls.columns.value));
    if (!job) return void (views.words.textContent = "Press Generate: each sample is drawn from what the network expects after those before it.");
    drawWave(views.wave, job.samples, job.count, job.total, net.field);
    if (job.last) drawDistribution(views.chances, job.last.scores, job.temperature, job.last.codes.at(-1));
    const rate = job.ms ? Math.round((1000 * job.count) / job.ms) : 0;
    views.words.textContent = `${job.count.toLocaleString("en")} of ${job.total.toLocaleString("en")} samples; ${rate.toLocaleString("en")} a second here, ${net.rate.toLocaleString("en")} would be as fast as sound`;
    Object.assign(element.dataset, { count: job.count, total: job.total, rate });
  }

  function finish(mine) {
    const url = URL.createObjectURL(wav(mine.samples, net.rate));
    if (views.sound.src) URL.revokeObjectURL(views.sound.src);
    views.sound.src = views.save.href = url;
    views.sound.hidden = views.save.hidden = false;
    pause.disabled = true;
    pause.textContent = "Pause";
    element.dataset.finished = mine.total;
  }

  function toggle() {
    if (!job) return;
    if (job.running) {
      job.running = false;
      pause.textContent = "Go on";
    } else run(job).catch((error) => explain(views.problems, error));
  }

  async function single() {
    try {
      const mine = job && job.count < job.total ? job : await begin();
      const turn = (mine.turn = {}), current = () => mine === job && mine.turn === turn; // ends a run
      mine.running = false;
      if (!(await advance(mine, 1))) return;
      await nodeByNode(mine, SPEEDS["node by node"].pause, current);
      if (!current()) return;
      pause.disabled = false;
      pause.textContent = "Go on";
      if (mine.count === mine.total) finish(mine);
    } catch (error) {
      explain(views.problems, error);
    }
  }
  paint();
}

/** Recordings, and copies of them that Python made from their spectrograms. */
async function originals(clips) {
  const rows = [];
  for (const [name, { credit }] of clips) {
    const copy = `${name}.copy.mp3`;
    const players = [["original", new URL(`samples/${name}.mp3`, here).href]];
    if (await available(copy)) players.push(["copy by wavenet_small", await address(copy)]);
    rows.push(make("div", { class: "wave-original" }, make("p", { class: "live-note" }, `“${name}”: ${credit}`),
      ...players.map(([words, src]) => make("label", { class: "live-field" }, make("span", {}, words), make("audio", { controls: true, preload: "none", src })))));
  }
  return make("section", {}, make("h3", {}, "Originals and copies"), ...rows);
}

/** A WAV file of 16 bits. */
export function wav(samples, rate) {
  const view = new DataView(new ArrayBuffer(44 + 2 * samples.length));
  const text = (at, words) => [...words].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"), view.setUint32(4, 36 + 2 * samples.length, true), text(8, "WAVEfmt "), view.setUint32(16, 16, true);
  view.setUint16(20, 1, true), view.setUint16(22, 1, true), view.setUint32(24, rate, true), view.setUint32(28, 2 * rate, true);
  view.setUint16(32, 2, true), view.setUint16(34, 16, true), text(36, "data"), view.setUint32(40, 2 * samples.length, true);
  samples.forEach((v, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, v))), true));
  return new Blob([view], { type: "audio/wav" });
}
