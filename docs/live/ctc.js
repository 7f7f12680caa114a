// Greedy CTC decoding with times, equal to kerasrecipes.decoding.greedy.

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

/** Decode logits (frames, blank + symbols) to {text, words: [{text, start, end, confidence}]}, with times in seconds. symbols: the
 * alphabet as one string, after the blank at index 0. frameSeconds: distance of two frames. offset: time of the first frame. */
export function decodeGreedily(logits, symbols, { frameSeconds, offset = 0, duration = Infinity }) {
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
  for (let begin = 0, end; begin < path.length; begin = end) {
    for (end = begin + 1; end < path.length && path[end] === path[begin]; end++);
    if (path[begin] === 0) continue;
    const text = symbols[path[begin] - 1];
    if (text === " ") finish();
    else letters.push({ text, start: toSeconds(begin), end: toSeconds(end), confidence: probabilities.subarray(begin, end).reduce((a, b) => Math.max(a, b)) });
  }
  finish();
  return { text: words.map((w) => w.text).join(" "), words };
}
