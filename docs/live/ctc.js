// Greedy CTC decoding with times, as kerasrecipes.decoding.greedy does it.

const argmax = (scores, begin, size) => {
  let best = 0;
  for (let k = 1; k < size; k++) if (scores[begin + k] > scores[begin + best]) best = k;
  return best;
};

/** The best symbol of every frame of scores (frames, size), and the network's trust in it. */
export function bestPath(scores, size) {
  const frames = scores.length / size, path = new Int32Array(frames), trust = new Float64Array(frames);
  for (let t = 0; t < frames; t++) {
    const best = argmax(scores, t * size, size);
    let sum = 0;
    for (let k = 0; k < size; k++) sum += Math.exp(scores[t * size + k] - scores[t * size + best]);
    path[t] = best;
    trust[t] = 1 / sum;
  }
  return { path, trust };
}

/** {text, words: [{text, start, end, confidence}]} of scores (frames, symbols + blank), times in seconds.
 * symbols: of the alphabet, one string; the blank is number 0. frameSeconds: between frames; offset: of the first. */
export function greedy(scores, symbols, { frameSeconds, offset = 0, duration = Infinity }) {
  const { path, trust } = bestPath(scores, symbols.length + 1);
  const seconds = (frame) => Math.min(offset + frame * frameSeconds, duration);
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
    else letters.push({ text, start: seconds(begin), end: seconds(end), confidence: trust.subarray(begin, end).reduce((a, b) => Math.max(a, b)) });
  }
  finish();
  return { text: words.map((w) => w.text).join(" "), words };
}
