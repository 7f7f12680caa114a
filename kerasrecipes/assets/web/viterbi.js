// Decoding of logits with transitions (ASG, CRF) and of frames without a blank, equal to kerasrecipes.decoding.viterbi and criteria.

import { findBestPath } from "./ctc.js";
import { countFrames, joinWords, listRuns, pathToWords, readAlphabet } from "./transcript.js";

const PAUSE_SECONDS = 0.6, IMPOSSIBLE = 100, FLOOR = 1e-100;
const SILENCES = ["SIL", "sil", "h#", "pau", "epi"]; // phonemes that a transcript leaves out

/** Find the path with the largest sum of logits (frames, size) and transitions [from][to]. */
export function findViterbiPath(logits, transitions) {
  const size = transitions.length, frames = logits.length / size, path = new Int32Array(frames);
  if (!frames) return path;
  const origins = new Int16Array(logits.length);
  let best = Float64Array.from(logits.subarray(0, size));
  for (let t = 1; t < frames; t++) {
    const next = new Float64Array(size);
    for (let to = 0; to < size; to++) {
      let from = 0;
      for (let k = 1; k < size; k++) if (transitions[k][to] + best[k] > transitions[from][to] + best[from]) from = k;
      origins[t * size + to] = from;
      next[to] = transitions[from][to] + best[from] + logits[t * size + to];
    }
    best = next;
  }
  path[frames - 1] = best.indexOf(best.reduce((a, b) => Math.max(a, b)));
  for (let t = frames - 1; t > 0; t--) path[t - 1] = origins[t * size + path[t]];
  return path;
}

/** Return the probability of each frame's column of a path, over all paths. */
function computePosteriors(logits, transitions, path) {
  const size = transitions.length, frames = path.length;
  const top = transitions.reduce((most, row) => Math.max(most, ...row), -Infinity);
  const matrix = transitions.map((row) => row.map((v) => Math.max(Math.exp(v - top), FLOOR)));
  const emission = new Float64Array(logits.length), posterior = new Float64Array(logits.length);
  let forward = new Float64Array(size).fill(1), backward = new Float64Array(size).fill(1);
  const scale = (t, factors, source) => {
    let sum = 0;
    for (let k = 0; k < size; k++) sum += posterior[t * size + k] = factors[k] * source[t * size + k];
    for (let k = 0; k < size; k++) posterior[t * size + k] /= sum;
  };
  for (let t = 0; t < frames; t++) {
    const highest = logits.subarray(t * size, (t + 1) * size).reduce((a, b) => Math.max(a, b));
    for (let k = 0; k < size; k++) emission[t * size + k] = Math.max(Math.exp(logits[t * size + k] - highest), FLOOR);
    scale(t, forward, emission);
    forward = new Float64Array(size);
    for (let from = 0; from < size; from++) for (let to = 0; to < size; to++) forward[to] += posterior[t * size + from] * matrix[from][to];
  }
  for (let t = frames - 1; t >= 0; t--) {
    scale(t, backward, posterior);
    const values = new Float64Array(size);
    for (let from = 0; from < size; from++) for (let to = 0; to < size; to++) values[from] += matrix[from][to] * emission[t * size + to] * backward[to];
    const largest = values.reduce((a, b) => Math.max(a, b));
    backward = values.map((v) => v / largest);
  }
  return Float64Array.from(path, (column, t) => posterior[t * size + column]);
}

/** Return logits in which frames of a letter that is held for `pauseSeconds` are spaces, from half of this time on. */
function markHeldLetters(logits, transitions, { space }, frameSeconds, pauseSeconds) {
  if (!pauseSeconds || !frameSeconds || space === null) return logits;
  const size = transitions.length, pauseFrames = countFrames(pauseSeconds, frameSeconds), marked = logits.slice();
  for (const { column, begin, end } of listRuns(findViterbiPath(logits, transitions))) {
    if (end - begin < pauseFrames || column === space) continue;
    for (let t = begin + (pauseFrames >> 1); t < end; t++) {
      const top = logits.subarray(t * size, (t + 1) * size).reduce((a, b) => Math.max(a, b));
      marked.fill(top - IMPOSSIBLE, t * size, (t + 1) * size);
      marked[t * size + space] += IMPOSSIBLE;
    }
  }
  return marked;
}

/** Decode logits (frames, symbols) without a blank to {text, words}: the best path. transitions: [from][to] scores, or null for the best
 * symbol of each frame. isPhonemes: the symbols are phonemes, and silence is left out. times: as in `decodeGreedily`. */
export function decodeBestPath(logits, alphabet, transitions, isPhonemes, { pauseSeconds = PAUSE_SECONDS, ...times }) {
  const columns = readAlphabet(alphabet);
  let { path, probabilities } = transitions ? {} : findBestPath(logits, columns.size);
  if (transitions) {
    const marked = markHeldLetters(logits, transitions, columns, times.frameSeconds, pauseSeconds);
    path = findViterbiPath(marked, transitions);
    probabilities = computePosteriors(marked, transitions, path);
  }
  const words = pathToWords(path, probabilities, columns, times);
  return joinWords(isPhonemes ? words.filter((w) => !SILENCES.includes(w.text)) : words, columns);
}
