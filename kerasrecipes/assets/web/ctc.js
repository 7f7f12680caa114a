// Greedy CTC decoding, equal to kerasrecipes.decoding.greedy after kerasrecipes.decoding.pauses.

import { countFrames, joinWords, listRuns, pathToWords, readAlphabet } from "./transcript.js";

const PAUSE_SECONDS = 0.6, LONG_PAUSE_FACTOR = 3;

const argmax = (logits, begin, size) => {
  let best = 0;
  for (let k = 1; k < size; k++) if (logits[begin + k] > logits[begin + best]) best = k;
  return best;
};

/** Find the most probable symbol of every frame of logits (frames, size), and its probability. */
export function findBestPath(logits, size) {
  const frames = logits.length / size, path = new Int32Array(frames), probabilities = new Float64Array(frames);
  for (let t = 0; t < frames; t++) {
    const best = argmax(logits, t * size, size);
    let sum = 0;
    for (let k = 0; k < size; k++) sum += Math.exp(logits[t * size + k] - logits[t * size + best]);
    path[t] = best;
    probabilities[t] = 1 / sum;
  }
  return { path, probabilities };
}

/** Write a space into every pause of a path: so many seconds without a letter end a word, if at least two letters follow. Three times
 * as many always do. alphabet: from `readAlphabet`. */
export function markPauses({ path, probabilities }, alphabet, frameSeconds, pauseSeconds = PAUSE_SECONDS) {
  if (!pauseSeconds || !frameSeconds || alphabet.space === null) return;
  const pauseFrames = countFrames(pauseSeconds, frameSeconds);
  const runs = listRuns(path).filter(({ column }) => column !== 0);
  const isLetter = (i) => i < runs.length && runs[i].column !== alphabet.space;
  const frames = [];
  runs.forEach(({ end }, i) => {
    const blanks = (i + 1 < runs.length ? runs[i + 1].begin : path.length) - end;
    const isPause = blanks >= LONG_PAUSE_FACTOR * pauseFrames || (blanks >= pauseFrames && isLetter(i + 1) && isLetter(i + 2));
    if (isLetter(i) && isPause) frames.push(end + (pauseFrames >> 1));
  });
  for (const frame of frames) [path[frame], probabilities[frame]] = [alphabet.space, 1];
}

/** Decode logits (frames, blank + symbols) to {text, words}. alphabet: that of a network's metadata. times: {frameSeconds, offset,
 * duration} of `pathToWords`, and pauseSeconds. */
export function decodeGreedily(logits, alphabet, { pauseSeconds, ...times }) {
  const columns = readAlphabet(alphabet), best = findBestPath(logits, columns.size);
  markPauses(best, columns, times.frameSeconds, pauseSeconds);
  return joinWords(pathToWords(best.path, best.probabilities, columns, times), columns);
}
