// Greedy CTC decoding with times, equal to kerasrecipes.decoding.greedy after kerasrecipes.decoding.pauses.

const PAUSE_SECONDS = 0.6, LONG_PAUSE_FACTOR = 3;

const argmax = (logits, begin, size) => {
  let best = 0;
  for (let k = 1; k < size; k++) if (logits[begin + k] > logits[begin + best]) best = k;
  return best;
};

/** Find the most probable symbol of every frame of logits (frames, size), and its probability. */
export function findBestPath(logits, size) {
  const frames = logits.length / size, path = new Int32Array(frames), confidence = new Float64Array(frames);
  for (let t = 0; t < frames; t++) {
    const best = argmax(logits, t * size, size);
    let sum = 0;
    for (let k = 0; k < size; k++) sum += Math.exp(logits[t * size + k] - logits[t * size + best]);
    path[t] = best;
    confidence[t] = 1 / sum;
  }
  return { path, confidence };
}

/** List the runs of equal symbols in a path, blanks left out: [{symbol, begin, end}]. */
function listRuns(path) {
  const runs = [];
  for (let begin = 0, end; begin < path.length; begin = end) {
    for (end = begin + 1; end < path.length && path[end] === path[begin]; end++);
    if (path[begin] !== 0) runs.push({ symbol: path[begin], begin, end });
  }
  return runs;
}

/** Decode logits (frames, blank + symbols) to {text, words: [{text, start, end, confidence}]}, with times in seconds. symbols: the
 * alphabet as one string, after the blank at index 0. frameSeconds: distance of two frames. offset: time of the first frame.
 * pauseSeconds: so many seconds without a letter end a word, if at least two letters follow; three times as many always do. */
export function decodeGreedily(logits, symbols, { frameSeconds, offset = 0, duration = Infinity, pauseSeconds = PAUSE_SECONDS }) {
  const { path, confidence: probabilities } = findBestPath(logits, symbols.length + 1);
  const toSeconds = (frame) => Math.min(offset + frame * frameSeconds, duration);
  const words = [];
  let letters = [];
  const finish = () => {
    if (!letters.length) return;
    const confidence = Math.exp(letters.reduce((sum, l) => sum + Math.log(l.confidence), 0) / letters.length);
    words.push({ text: letters.map((l) => l.text).join(""), start: letters[0].start, end: letters.at(-1).end, confidence });
    letters = [];
  };
  const runs = listRuns(path), pauseFrames = Math.max(Math.round(pauseSeconds / frameSeconds), 2);
  const isLetter = (i) => i < runs.length && symbols[runs[i].symbol - 1] !== " ";
  runs.forEach(({ symbol, begin, end }, i) => {
    if (!isLetter(i)) return finish();
    letters.push({ text: symbols[symbol - 1], start: toSeconds(begin), end: toSeconds(end), confidence: probabilities.subarray(begin, end).reduce((a, b) => Math.max(a, b)) });
    const blanks = (i + 1 < runs.length ? runs[i + 1].begin : path.length) - end;
    if (pauseSeconds && (blanks >= LONG_PAUSE_FACTOR * pauseFrames || (blanks >= pauseFrames && isLetter(i + 1) && isLetter(i + 2)))) finish();
  });
  finish();
  return { text: words.map((w) => w.text).join(" "), words };
}
