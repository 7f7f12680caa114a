// Speak, or choose a recording: its spectrogram and the words of one or more recognizers, with the time of each word.

import { MAX_SECONDS, RATE, decode, encodeWav, listen } from "./audio.js";
import { attempt, hasFiles, makeButton, formatBytes, explain, fetchFile, makeFileInput, makeField, fetchListing, make, openSession, sumSizes } from "./common.js";
import { trackNewest } from "./newest.js";
import { transcribe } from "./recognizer.js";
import { makeSpectrogram } from "./spectrogram.js";
import { Stream } from "./stream.js";

/** Return the title of a network's file: that of its recipe. */
const getTitle = (name) => name.replace(/\.step$/, "");

/** Build the page of recognizers in `element`.
 *
 * recognizers: {name of a network without .onnx: what it does, or ""}. Those whose file is missing are left out.
 * streaming: name of the network that writes while the reader speaks, or null.
 * clips: [{file, label, text}] that the reader can choose. credit: of the clips.
 * phrases: a closed list {texts, symbols, parents, ends, rejectionCost} as `kerasrecipes export --web` writes it, or null.
 * missing: text in place of a missing streaming network. */
export async function mountRecognizers(element, { recognizers, streaming = null, clips = [], credit = "", phrases = null, missing = "" }) {
  const sizes = {}, listing = await fetchListing();
  for (const name of Object.keys(recognizers)) if (await hasFiles(`${name}.onnx`)) sizes[name] = await sumSizes(`${name}.onnx`);
  const names = Object.keys(sizes), isStreaming = names.includes(streaming);
  const rate = listing[`${names[0]}.onnx`]?.metadata.sample_rate ?? RATE;

  const problems = make("div"), liveText = make("div", { class: "speak-live", role: "status", "aria-live": "polite" });
  const spectrogram = makeSpectrogram(make("canvas", { class: "speak-spectrogram", role: "img", "aria-label": "spectrogram, 0 to 8 kHz" }));
  const player = make("audio", { controls: true, "aria-label": "the recording" });
  const cards = make("div", { class: "speak-cards" });
  let wave = null, job = 0, recording = null, until = Infinity;

  // -------------------------------------------------------------------------------------------- transcripts

  const boxes = Object.fromEntries(names.map((name, i) => [name, make("input", { type: "checkbox", checked: i === 0, onchange: () => (wave ? transcribeAll() : undefined) })]));
  const choices = names.map((name) => make("label", { class: "speak-choice" }, boxes[name], make("span", {}, make("b", {}, getTitle(name)), ` ${formatBytes(sizes[name])}; ${recognizers[name]}`)));
  const phraseBox = make("input", { type: "checkbox", checked: true, onchange: () => (wave ? transcribeAll() : undefined) });
  const getPhrases = () => (phrases && phraseBox.checked ? phrases : null);

  /** Show the transcripts of all selected recognizers, one after the other. streamed: {name: result} that are known already. */
  async function transcribeAll(streamed = {}) {
    const number = ++job;
    cards.replaceChildren();
    for (const name of names) {
      if (!boxes[name].checked) continue;
      const card = make("section", { class: "speak-card", "aria-label": getTitle(name) }, names.length > 1 ? make("h4", {}, getTitle(name)) : "");
      cards.append(card);
      await attempt(card, async (report) => {
        const net = await openSession(name, report);
        const words = make("p", { class: "speak-words", "aria-busy": "true" }, "…"), note = make("p", { class: "live-note" });
        if (number !== job) return;
        card.append(words, note);
        const onText = ({ text }) => (words.textContent = `${text} …`);
        const result = streamed[name] ?? (await transcribe(net, wave, { phrases: getPhrases(), onText }));
        words.setAttribute("aria-busy", "false");
        const nothing = getPhrases() ? "(none of the phrases)" : "(no words)";
        words.replaceChildren(...(result.words.length ? result.words.map(makeWordButton) : [nothing]));
        const seconds = wave.length / rate, ratio = (1000 * seconds) / result.ms;
        const speed = ratio >= 1.5 ? `${ratio.toFixed(0)} times faster than real time` : ratio >= 1 ? "about as fast as real time" : "slower than real time";
        note.textContent = `${seconds.toFixed(1)} s of audio in ${Math.round(result.ms)} ms: ${speed}`;
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

  async function showRecording(samples, text, streamed) {
    wave = samples;
    liveText.textContent = text;
    spectrogram.show(wave);
    URL.revokeObjectURL(player.src);
    player.src = URL.createObjectURL(encodeWav(wave, rate));
    player.hidden = false;
    await transcribeAll(streamed);
  }

  const beginChoice = trackNewest();
  async function openClip(readBytes, text = "") {
    const isCurrent = beginChoice();
    try {
      explain(problems, null);
      await stop(false);
      const samples = await decode(await readBytes(), rate);
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
      const stream = isStreaming && (await attempt(problems, async (report) => new Stream(await openSession(streaming, report), getPhrases())));
      const chunks = [];
      let numSamples = 0;
      spectrogram.clear();
      liveText.textContent = isStreaming ? "…" : "listening …";
      const end = await listen((chunk) => {
        chunks.push(chunk);
        numSamples += chunk.length;
        spectrogram.add(chunk);
        stream && stream.feed(chunk).then(({ text }) => (liveText.textContent = text || "…"), (error) => explain(problems, error));
        if (numSamples > MAX_SECONDS * rate) stop().catch((error) => explain(problems, error));
      }, rate);
      microphone.disabled = false;
      if (!isCurrent()) return await end(); // the reader has chosen a clip in the meantime
      recording = { chunks, end, stream };
      microphone.textContent = "Stop";
      microphone.setAttribute("aria-pressed", "true");
    } catch (error) {
      liveText.textContent = "";
      explain(problems, error);
      problems.querySelector(".live-error")?.append(" You can choose an audio file instead.");
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
    let result = null;
    try {
      if (stream) result = { ...(await stream.finish()), ms: stream.network.ms };
    } catch (error) {
      explain(problems, error); // the recording can still be used
    }
    element.dataset.live = result?.text ?? "";
    await showRecording(recordedWave, names.length > 1 ? result?.text ?? "" : "", result ? { [streaming]: result } : {});
  }

  // -------------------------------------------------------------------------------------------- the page

  const clipButtons = clips.map(({ file, label, text }) => makeButton(label, () => openClip(async () => (await fetchFile(file)).slice(0), `The text of the clip: “${text}”`)));
  const fileInput = makeFileInput(element, "audio/*,video/*", (file) => openClip(() => file.arrayBuffer()));
  element.append(
    make("div", { class: "live-row" },
      microphone,
      clips.length ? make("div", {}, make("div", { class: "live-note" }, "Clips"), ...clipButtons) : "",
      makeField("An audio file (or drop it here)", fileInput),
    ),
    phrases ? makePhraseChoice(phrases.texts, phraseBox) : "",
    names.length > 1 ? make("fieldset", { class: "speak-choices" }, make("legend", {}, "Recognizers, loaded at their first use"), ...choices) : "",
    streaming && !isStreaming ? make("p", { class: "live-note" }, missing) : "",
    problems, spectrogram.canvas, liveText, player, cards,
    credit ? make("p", { class: "live-note" }, `Clips: ${credit}.`) : "",
  );
  player.hidden = true;
  spectrogram.clear();
  await attempt(problems, (report) => openSession(names[0], report));
}

/** Make the choice between a closed list of phrases and all words, with the list. */
function makePhraseChoice(texts, box) {
  const count = texts.length === 1 ? "this phrase" : `these ${texts.length} phrases`;
  return make("div", { class: "speak-choices" },
    make("label", { class: "speak-choice" }, box, make("span", {}, `Write ${count} and nothing else`)),
    make("details", {}, make("summary", {}, "The phrases"), make("ul", { class: "speak-phrases" }, ...texts.map((text) => make("li", {}, text)))),
  );
}
