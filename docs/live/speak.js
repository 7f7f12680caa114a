// The recognizers of the site, with clips to choose.

import { fetchListing } from "./common.js";
import { mountRecognizers } from "./speech.js";

const STREAMING = "deepspeech2_streaming_small.step";
const RECOGNIZERS = {
  deepspeech2_small: "reads the whole recording, forward and backward",
  wav2letter_small: "convolutions only",
  [STREAMING]: "reads forward only and writes while you speak",
};
const CLIPS = { "clip-84.mp3": "A heavy step", "clip-652.mp3": "A recipe", "clip-1919.mp3": "Cooking" };

export async function mount(element) {
  const entries = await fetchListing();
  const clips = Object.entries(CLIPS).map(([file, label]) => ({ file, label, text: entries[file].text }));
  const { credit } = entries[clips[0].file];
  const missing = "This site was built without the weights of deepspeech2_streaming_small, which writes while you speak. The text appears when you stop.";
  await mountRecognizers(element, { recognizers: RECOGNIZERS, streaming: STREAMING, clips, credit, missing });
}
