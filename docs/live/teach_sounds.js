// Commands by microphone for the page Teach a machine: recordings become clips, clips become features of wav2letter_small.

import { RATE, decode, encodeWav, listen } from "./audio.js";
import { LiveError, fetchFile, make } from "./common.js";
import { setSize } from "./maps.js";
import { makeRandom } from "./random.js";
import { openTrunk } from "./teach_trunk.js";
import { LONGEST, UtteranceDetector, cutPauses, cutWindows, findUtterances, makeNoise, makeVariant } from "./utterances.js";

const OTHER_SPEECH = ["clip-84.mp3", "clip-652.mp3", "clip-1919.mp3"]; // sentences that every set of commands has to tell apart
const NUM_NOISES = 8, TOLERANCE = 1.5; // longest utterance that can be a command, in lengths of the longest clip

/** Return the source of sounds that makeWorkshop of teach_workshop.js takes. */
export function makeSoundSource() {
  const uniform = makeRandom(1);
  let trunk, others, stopListening = null;

  const open = (report) => (trunk ??= openTrunk("sound", report).catch((error) => { trunk = undefined; throw error; }));

  async function compute(wave) {
    return (await open()).compute({ audio: [wave, [1, wave.length]], length: [Int32Array.of(wave.length), [1]] });
  }

  /** Compute the features of speech and noise that no set of commands has, once. */
  const computeOthers = () => (others ??= (async () => {
    const features = [];
    for (const name of OTHER_SPEECH) {
      for (const wave of cutWindows(await decode((await fetchFile(name)).slice(0)))) features.push(await compute(wave));
    }
    for (let i = 0; i < NUM_NOISES; i++) features.push(await compute(makeNoise(uniform)));
    return features;
  })().catch((error) => { others = undefined; throw error; }));

  /** Add the utterances of a recording to a class. For other speech: windows of it. */
  function addWave(wave, group) {
    const utterances = findUtterances(wave).filter(([from, to]) => to - from <= LONGEST * RATE);
    drawWave(group.canvas, wave, group.isOther ? [] : utterances);
    const clips = group.isOther ? cutWindows(wave) : utterances.map(([from, to]) => wave.slice(from, to));
    if (!clips.length) throw new LiveError("No speech was found in this recording. Speak louder, or closer to the microphone, with a pause after each repetition.");
    group.addClips(clips, group.isOther ? [] : cutPauses(wave, utterances));
  }

  /** Open the microphone until `stop` is called. */
  async function startListening(onSamples) {
    await stop();
    const end = await listen(onSamples);
    stopListening = end;
  }

  async function stop() {
    const end = stopListening;
    stopListening = null;
    await end?.();
  }

  return {
    kind: "sound", noun: "clips", least: 4, device: "microphone", accept: "audio/*,video/*", modelName: "commands.onnx", stop, compute,
    names: ["lights on", "lights off"], other: "other speech", addWords: "Add a command",
    nameHint: "What you say, in words", filesHint: "or audio files",
    steps: "Type what you say, press Record, and say it about ten times in 20 s: louder and softer, faster and slower, with a pause after each.",
    otherHint: "Optional: talk about anything else. Sentences of three readers are already part of it.",

    /** Record for `seconds`, or until `group.finish()`. onTick receives the seconds so far. */
    async record(group, seconds, onTick) {
      const chunks = [];
      let length = 0, finish;
      const finished = new Promise((resolve) => (finish = resolve));
      group.finish = finish;
      await startListening((chunk) => {
        chunks.push(chunk);
        length += chunk.length;
        onTick(length / RATE);
        if (length >= seconds * RATE) finish();
      });
      await finished;
      await stop();
      const wave = new Float32Array(length);
      chunks.reduce((at, chunk) => (wave.set(chunk, at), at + chunk.length), 0);
      addWave(wave, group);
    },

    addFile: async (file, group) => addWave(await decode(await file.arrayBuffer()), group),

    /** Compute the examples of a clip: [{features, variant}]. The second is a changed copy. */
    async computeExamples(clip, number, isOther) {
      const examples = [{ features: await compute(clip), variant: false }];
      if (!isOther) examples.push({ features: await compute(makeVariant(clip, number, uniform)), variant: true });
      return examples;
    },

    /** Open the network, and begin to compute what every set of commands needs. */
    async open(report) {
      const opened = await open(report);
      computeOthers().catch(() => {}); // the training repeats it and shows the error
      return opened;
    },

    computeOthers,

    /** Listen, and call onResult(features, seconds) for each utterance that is short enough for a command. */
    async start(groups, onResult, onError) {
      const longest = TOLERANCE * Math.max(...groups.flatMap((g) => g.clips.map((clip) => clip.length)));
      const detector = new UtteranceDetector((wave) => {
        if (wave.length > longest) return onResult(null, wave.length / RATE);
        compute(wave).then((features) => onResult(features, wave.length / RATE), onError);
      });
      await startListening((samples) => detector.feed(samples));
    },

    describe: (classes, threshold) => (trunkMetadata) => ({
      taught: {
        task: "spoken commands", classes, threshold, sample_rate: RATE, trunk: trunkMetadata.recipe, trunk_license: trunkMetadata.row?.license,
      },
    }),

    /** Return the files of the archive: WAV files and their table. */
    async makeFiles(groups) {
      const files = {}, rows = ["path\ttranscript\tspeaker"];
      for (const [g, { name, clips }] of groups.entries()) {
        for (const [i, clip] of clips.entries()) {
          const path = `clips/${g + 1}_${String(i + 1).padStart(3, "0")}.wav`;
          files[path] = new Uint8Array(await encodeWav(clip, RATE).arrayBuffer());
          rows.push(`${path}\t${name}\treader`);
        }
      }
      return { "clips.tsv": new TextEncoder().encode(`${rows.join("\n")}\n`), ...files };
    },

    makeCanvas: () => make("canvas", { class: "teach-wave", role: "img", "aria-label": "the recording; clips are marked" }),
  };
}

/** Draw a recording and mark its utterances. */
function drawWave(canvas, wave, utterances) {
  const width = 320, height = 40, context = canvas.getContext("2d"), step = Math.max(1, Math.floor(wave.length / width));
  setSize(canvas, width, height);
  context.clearRect(0, 0, width, height);
  context.fillStyle = "#7986cb55";
  for (const [from, to] of utterances) context.fillRect(from / step, 0, (to - from) / step, height);
  const peak = wave.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-4);
  context.fillStyle = "#5c6bc0";
  for (let x = 0; x < width; x++) {
    let most = 0;
    for (let i = x * step; i < (x + 1) * step && i < wave.length; i++) most = Math.max(most, Math.abs(wave[i]));
    const half = (most / peak) * (height / 2 - 1) + 0.5;
    context.fillRect(x, height / 2 - half, 1, 2 * half);
  }
}
