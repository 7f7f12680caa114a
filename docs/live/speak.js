// Speak, upload or choose a clip: its spectrogram and the transcripts of the recognizers, with the time of each word.

import { MAX_SECONDS, RATE, decode, encodeWav, listen } from "./audio.js";
import { attempt, hasFiles, makeButton, formatBytes, explain, fetchFile, makeFileInput, makeField, fetchListing, make, trackNewest, run, openSession, sumSizes } from "./common.js";
import { decodeGreedily } from "./ctc.js";
import { makeSpectrogram } from "./spectrogram.js";
import { Stream } from "./stream.js";

const STREAMING = "deepspeech2_streaming_small.step";
const RECOGNIZERS = {
  deepspeech2_small: "reads the whole recording, forward and backward",
  wav2letter_small: "convolutions only",
  [STREAMING]: "reads forward only and writes while you speak",
};
const CLIPS = { "clip-84.mp3": "A heavy step", "clip-652.mp3": "A recipe", "clip-1919.mp3": "Cooking" };

/** Transcribe a wave (Float32Array, 16 kHz): {text, words, ms, logits}. onText(result) receives the text so far of a streaming
 * recognizer. */
export async function transcribe(net, wave, onText = () => {}) {
  if (net.metadata.part === "step") {
    const stream = new Stream(net);
    for (let at = 0; at < wave.length; at += RATE) onText(await stream.feed(wave.subarray(at, at + RATE)));
    const result = await stream.finish();
    return { ...result, ms: stream.network.ms };
  }
  const { outputs, ms } = await run(net, { audio: [wave, [1, wave.length]], length: [Int32Array.of(wave.length), [1]] });
  const { data, dims } = outputs.logits, { symbols } = net.metadata.alphabet;
  const logits = data.subarray(0, Math.min(outputs.frames.data[0], dims[1]) * dims[2]);
  const isSilent = wave.every((v) => v === 0); // digital silence has no text
  const frameSeconds = net.metadata.stride / net.metadata.sample_rate;
  const transcript = decodeGreedily(isSilent ? logits.subarray(0, 0) : logits, symbols, { frameSeconds, duration: wave.length / net.metadata.sample_rate });
  return { ...transcript, ms, logits };
}

export async function mount(element) {
  const sizes = {}, entries = await fetchListing();
  for (const name of Object.keys(RECOGNIZERS)) if (await hasFiles(`${name}.onnx`)) sizes[name] = await sumSizes(`${name}.onnx`);
  const hasStreaming = STREAMING in sizes;

  const problems = make("div"), liveText = make("div", { class: "speak-live", role: "status", "aria-live": "polite" });
  const spectrogram = makeSpectrogram(make("canvas", { class: "speak-spectrogram", role: "img", "aria-label": "spectrogram, 0 to 8 kHz" }));
  const player = make("audio", { controls: true, "aria-label": "the recording" });
  const cards = make("div", { class: "speak-cards" });
  let wave = null, job = 0, recording = null, until = Infinity;

  // -------------------------------------------------------------------------------------------- transcripts

  const choices = Object.fromEntries(Object.entries(sizes).map(([name, size], i) => {
    const box = make("input", { type: "checkbox", checked: i === 0, onchange: () => (wave ? transcribeAll() : undefined) });
    return [name, { box, element: make("label", { class: "speak-choice" }, box, make("span", {}, make("b", {}, getTitle(name)), ` ${formatBytes(size)}; ${RECOGNIZERS[name]}`)) }];
  }));

  function getTitle(name) {
    return name.replace(/\.step$/, "");
  }

  /** Show the transcripts of all selected recognizers, one after the other. */
  async function transcribeAll() {
    const number = ++job;
    cards.replaceChildren();
    for (const [name, { box }] of Object.entries(choices)) {
      if (!box.checked) continue;
      const card = make("section", { class: "speak-card", "aria-label": getTitle(name) }, make("h4", {}, getTitle(name)));
      cards.append(card);
      await attempt(card, async (report) => {
        const net = await openSession(name, report);
        const words = make("p", { class: "speak-words", "aria-busy": "true" }, "…"), note = make("p", { class: "live-note" });
        if (number !== job) return;
        card.append(words, note);
        const result = await transcribe(net, wave, ({ text }) => (words.textContent = `${text} …`));
        words.setAttribute("aria-busy", "false");
        words.replaceChildren(...(result.words.length ? result.words.map(makeWordButton) : ["(no words)"]));
        const seconds = wave.length / RATE;
        note.textContent = `${seconds.toFixed(1)} s of audio in ${Math.round(result.ms)} ms: ${((1000 * seconds) / result.ms).toFixed(0)} times faster than real time`;
        Object.assign(card.dataset, { recipe: getTitle(name), text: result.text, ms: result.ms.toFixed(1) });
      });
      if (number !== job) return;
    }
    element.dataset.done = String(Number(element.dataset.done ?? 0) + 1);
  }

  function makeWordButton({ text, start, end, confidence }) {
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

  async function showRecording(samples, text) {
    wave = samples;
    liveText.textContent = text;
    spectrogram.show(wave);
    URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(encodeWav(wave, RATE));
    player.hidden = false;
    await transcribeAll();
  }

  const beginChoice = trackNewest();
  async function openClip(readBytes, text = "") {
    const isCurrent = beginChoice();
    try {
      explain(problems, null);
      await stop(false);
      const samples = await decode(await readBytes());
      if (isCurrent()) await showRecording(samples, text);
    } catch (error) {
      if (isCurrent()) explain(problems, error);
    }
  }

  // -------------------------------------------------------------------------------------------- the microphone

  const microphone = makeButton("Speak", () => (recording ? stop().catch((error) => explain(problems, error)) : speak()), { class: "live-start", "aria-pressed": "false" });

  async function speak() {
    const isCurrent = beginChoice();
    explain(problems, null);
    microphone.disabled = true;
    try {
      const stream = hasStreaming && (await attempt(problems, async (report) => new Stream(await openSession(STREAMING, report))));
      const chunks = [];
      let numSamples = 0;
      spectrogram.clear();
      liveText.textContent = hasStreaming ? "…" : "listening …";
      const end = await listen((chunk) => {
        chunks.push(chunk);
        numSamples += chunk.length;
        spectrogram.add(chunk);
        stream && stream.feed(chunk).then(({ text }) => (liveText.textContent = text || "…"), (error) => explain(problems, error));
        if (numSamples > MAX_SECONDS * RATE) stop().catch((error) => explain(problems, error));
      });
      microphone.disabled = false;
      if (!isCurrent()) return await end(); // the reader has chosen a clip in the meantime
      recording = { chunks, end, stream };
      microphone.textContent = "Stop";
      microphone.setAttribute("aria-pressed", "true");
    } catch (error) {
      liveText.textContent = "";
      explain(problems, error);
    }
    microphone.disabled = false;
  }

  /** Stop recording. use: transcribe the recording. */
  async function stop(use = true) {
    if (!recording) return;
    const { chunks, end, stream } = recording;
    recording = null;
    microphone.textContent = "Speak";
    microphone.setAttribute("aria-pressed", "false");
    await end();
    const recordedWave = new Float32Array(chunks.reduce((n, p) => n + p.length, 0));
    chunks.reduce((at, chunk) => (recordedWave.set(chunk, at), at + chunk.length), 0);
    if (!use || !recordedWave.length) return;
    let text = "";
    try {
      if (stream) ({ text } = await stream.finish());
    } catch (error) {
      explain(problems, error); // the recording can still be used
    }
    element.dataset.live = text;
    await showRecording(recordedWave, text);
  }

  // -------------------------------------------------------------------------------------------- the page

  const clips = Object.entries(CLIPS).map(([name, words]) => makeButton(words, () => openClip(async () => (await fetchFile(name)).slice(0), `The text of the clip: “${entries[name].text}”`)));
  const { credit } = entries[Object.keys(CLIPS)[0]];
  element.append(
    make("div", { class: "live-row" },
      microphone,
      make("div", {}, make("div", { class: "live-note" }, "Clips"), ...clips),
      makeField("An audio file (or drop it here)", makeFileInput(element, "audio/*,video/*", (file) => openClip(() => file.arrayBuffer()))),
    ),
    make("fieldset", { class: "speak-choices" }, make("legend", {}, "Recognizers, loaded at their first use"), ...Object.values(choices).map((c) => c.element)),
    ...(hasStreaming ? [] : [make("p", { class: "live-note" }, "This site was built without the weights of deepspeech2_streaming_small, which writes while you speak. The text appears when you stop.")]),
    problems, spectrogram.canvas, liveText, player, cards,
    make("p", { class: "live-note" }, `Clips: ${credit}.`),
  );
  player.hidden = true;
  spectrogram.clear();
  await attempt(problems, (report) => openSession(Object.keys(sizes)[0], report));
}
