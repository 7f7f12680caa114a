// Speak, upload or choose a clip: its spectrogram, and what recognizers write, word by word with times.

import { LONGEST, RATE, decode, listen } from "./audio.js";
import { attempt, available, button, bytes, explain, fetchFile, fileInput, labeled, listing, make, newest, run, session, sizeOf } from "./common.js";
import { greedy } from "./ctc.js";
import { spectrogram } from "./spectrogram.js";
import { Stream } from "./stream.js";

const STREAMING = "deepspeech2_streaming_small.step";
const RECOGNISERS = {
  deepspeech2_small: "hears the whole recording, forwards and backwards",
  wav2letter_small: "convolutions only",
  [STREAMING]: "hears forwards only, writes while you speak",
};
const CLIPS = { "clip-84.mp3": "A heavy step", "clip-652.mp3": "A recipe", "clip-1919.mp3": "Cooking" };

/** {text, words, ms, scores} of a wave (Float32Array, 16 kHz) in an opened recognizer; told(result) hears of a stream's text. */
export async function transcribe(net, wave, told = () => {}) {
  if (net.told.part === "step") {
    const stream = new Stream(net);
    for (let at = 0; at < wave.length; at += RATE) told(await stream.feed(wave.subarray(at, at + RATE)));
    const result = await stream.finish();
    return { ...result, ms: stream.carried.ms };
  }
  const { outputs, ms } = await run(net, { audio: [wave, [1, wave.length]], length: [Int32Array.of(wave.length), [1]] });
  const { data, dims } = outputs.logits, { symbols } = net.told.alphabet;
  const scores = data.subarray(0, Math.min(outputs.frames.data[0], dims[1]) * dims[2]);
  const silent = wave.every((v) => v === 0); // digital silence has no text
  const frameSeconds = net.told.stride / net.told.sample_rate;
  const read = greedy(silent ? scores.subarray(0, 0) : scores, symbols, { frameSeconds, duration: wave.length / net.told.sample_rate });
  return { ...read, ms, scores };
}

/** A sound file (16 bits) of samples at 16 kHz, for the player. */
function asWav(wave) {
  const view = new DataView(new ArrayBuffer(44 + 2 * wave.length));
  const text = (at, s) => [...s].forEach((c, i) => view.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF"), view.setUint32(4, 36 + 2 * wave.length, true), text(8, "WAVEfmt "), view.setUint32(16, 16, true);
  view.setUint16(20, 1, true), view.setUint16(22, 1, true), view.setUint32(24, RATE, true), view.setUint32(28, 2 * RATE, true);
  view.setUint16(32, 2, true), view.setUint16(34, 16, true), text(36, "data"), view.setUint32(40, 2 * wave.length, true);
  wave.forEach((v, i) => view.setInt16(44 + 2 * i, Math.round(32767 * Math.max(-1, Math.min(1, v))), true));
  return new Blob([view], { type: "audio/wav" });
}

export async function mount(element) {
  const present = {}, known = await listing();
  for (const name of Object.keys(RECOGNISERS)) if (await available(`${name}.onnx`)) present[name] = await sizeOf(`${name}.onnx`);
  const live = STREAMING in present;

  const problems = make("div"), said = make("div", { class: "speak-live", role: "status", "aria-live": "polite" });
  const picture = spectrogram(make("canvas", { class: "speak-spectrogram", role: "img", "aria-label": "spectrogram, 0 to 8 kHz" }));
  const player = make("audio", { controls: true, "aria-label": "the recording" });
  const cards = make("div", { class: "speak-cards" });
  let wave = null, job = 0, recording = null, until = Infinity;

  // -------------------------------------------------------------------------------------------- what is written

  const chosen = Object.fromEntries(Object.entries(present).map(([name, size], i) => {
    const box = make("input", { type: "checkbox", checked: i === 0, onchange: () => (wave ? write() : undefined) });
    return [name, { box, element: make("label", { class: "speak-choice" }, box, make("span", {}, make("b", {}, title(name)), ` ${bytes(size)}; ${RECOGNISERS[name]}`)) }];
  }));

  function title(name) {
    return name.replace(/\.step$/, "");
  }

  /** Show what every chosen recognizer makes of the recording, one after the other. */
  async function write() {
    const mine = ++job;
    cards.replaceChildren();
    for (const [name, { box }] of Object.entries(chosen)) {
      if (!box.checked) continue;
      const card = make("section", { class: "speak-card", "aria-label": title(name) }, make("h4", {}, title(name)));
      cards.append(card);
      await attempt(card, async (report) => {
        const net = await session(name, report);
        const words = make("p", { class: "speak-words", "aria-busy": "true" }, "…"), note = make("p", { class: "live-note" });
        if (mine !== job) return;
        card.append(words, note);
        const result = await transcribe(net, wave, ({ text }) => (words.textContent = `${text} …`));
        words.setAttribute("aria-busy", "false");
        words.replaceChildren(...(result.words.length ? result.words.map(wordButton) : ["(no words)"]));
        const seconds = wave.length / RATE;
        note.textContent = `${seconds.toFixed(1)} s of sound in ${Math.round(result.ms)} ms: ${((1000 * seconds) / result.ms).toFixed(0)} times as fast as it was spoken`;
        Object.assign(card.dataset, { recipe: title(name), text: result.text, ms: result.ms.toFixed(1) });
      });
      if (mine !== job) return;
    }
    element.dataset.done = String(Number(element.dataset.done ?? 0) + 1);
  }

  function wordButton({ text, start, end, confidence }) {
    const times = `${start.toFixed(2)} to ${end.toFixed(2)} s`;
    return make("button", {
      type: "button", class: "speak-word", title: `${times}, confidence ${confidence.toFixed(2)}`, "aria-label": `${text}, ${times}: play`,
      style: `opacity: ${(0.45 + 0.55 * confidence).toFixed(2)}`,
      onclick: () => {
        player.currentTime = Math.max(0, start - 0.1);
        until = end + 0.1;
        player.play();
      },
    }, make("span", {}, text), make("small", {}, start.toFixed(2)));
  }
  player.addEventListener("timeupdate", () => {
    if (player.currentTime >= until) player.pause();
  });
  player.addEventListener("pause", () => (until = Infinity));

  async function take(sound, text) {
    wave = sound;
    said.textContent = text;
    picture.show(wave);
    URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(asWav(wave));
    player.hidden = false;
    await write();
  }

  const choice = newest();
  async function open(read, text = "") {
    const current = choice();
    try {
      explain(problems, null);
      await stop(false);
      const sound = await decode(await read());
      if (current()) await take(sound, text);
    } catch (error) {
      if (current()) explain(problems, error);
    }
  }

  // -------------------------------------------------------------------------------------------- the microphone

  const microphone = button("Speak", () => (recording ? stop().catch((error) => explain(problems, error)) : speak()), { class: "live-start", "aria-pressed": "false" });

  async function speak() {
    const current = choice();
    explain(problems, null);
    microphone.disabled = true;
    try {
      const stream = live && (await attempt(problems, async (report) => new Stream(await session(STREAMING, report))));
      const heard = [];
      let samples = 0;
      picture.clear();
      said.textContent = live ? "…" : "listening …";
      const end = await listen((portion) => {
        heard.push(portion);
        samples += portion.length;
        picture.add(portion);
        stream && stream.feed(portion).then(({ text }) => (said.textContent = text || "…"), (error) => explain(problems, error));
        if (samples > LONGEST * RATE) stop().catch((error) => explain(problems, error));
      });
      microphone.disabled = false;
      if (!current()) return await end(); // a clip was chosen meanwhile
      recording = { heard, end, stream };
      microphone.textContent = "Stop";
      microphone.setAttribute("aria-pressed", "true");
    } catch (error) {
      said.textContent = "";
      explain(problems, error);
    }
    microphone.disabled = false;
  }

  /** End listening; `keep`: and show what was said. */
  async function stop(keep = true) {
    if (!recording) return;
    const { heard, end, stream } = recording;
    recording = null;
    microphone.textContent = "Speak";
    microphone.setAttribute("aria-pressed", "false");
    await end();
    const whole = new Float32Array(heard.reduce((n, p) => n + p.length, 0));
    heard.reduce((at, portion) => (whole.set(portion, at), at + portion.length), 0);
    if (!keep || !whole.length) return;
    let text = "";
    try {
      if (stream) ({ text } = await stream.finish());
    } catch (error) {
      explain(problems, error); // the recording is there all the same
    }
    element.dataset.live = text;
    await take(whole, text);
  }

  // -------------------------------------------------------------------------------------------- the page

  const clips = Object.entries(CLIPS).map(([name, words]) => button(words, () => open(async () => (await fetchFile(name)).slice(0), `What is read: “${known[name].said}”`)));
  const { credit } = known[Object.keys(CLIPS)[0]];
  element.append(
    make("div", { class: "live-row" },
      microphone,
      make("div", {}, make("div", { class: "live-note" }, "Clips to listen to"), ...clips),
      labeled("A sound file (or drop it here)", fileInput(element, "audio/*,video/*", (file) => open(() => file.arrayBuffer()))),
    ),
    make("fieldset", { class: "speak-choices" }, make("legend", {}, "Recognizers, loaded when they are first needed"), ...Object.values(chosen).map((c) => c.element)),
    ...(live ? [] : [make("p", { class: "live-note" }, "This site was built without weights of deepspeech2_streaming_small, which writes while you speak: what you say is written when you stop.")]),
    problems, picture.canvas, said, player, cards,
    make("p", { class: "live-note" }, `Clips: ${credit}.`),
  );
  player.hidden = true;
  picture.clear();
  await attempt(problems, (report) => session(Object.keys(present)[0], report));
}
