// From a path through the frames to words with times, equal to kerasrecipes.decoding.greedy.path_to_transcript.

/** Return the columns of an alphabet's logits. alphabet: {symbols, separator, num_repetition_symbols} of a network's metadata. */
export function readAlphabet({ symbols, separator = "", num_repetition_symbols: repetitions = null }) {
  const list = Array.from(symbols), hasBlank = repetitions === null, first = hasBlank ? 1 : 0;
  return {
    symbols: list,
    separator,
    hasBlank,
    size: list.length + (hasBlank ? 1 : repetitions),
    space: separator || !list.includes(" ") ? null : list.indexOf(" ") + first, // column of the space, null without one
    first, // column of the first symbol: column 0 is the blank of an alphabet that has one
  };
}

/** List the runs of equal columns in a path: [{column, begin, end}]. */
export function listRuns(path) {
  const runs = [];
  for (let begin = 0, end; begin < path.length; begin = end) {
    for (end = begin + 1; end < path.length && path[end] === path[begin]; end++);
    runs.push({ column: path[begin], begin, end });
  }
  return runs;
}

/** Return the symbols of each run: none for a blank, several for a repetition symbol. */
function decodeRuns(runs, { symbols, first }) {
  let previous = null;
  return runs.map(({ column }) => {
    const number = column - first;
    if (number >= symbols.length) return previous === null ? [] : Array(number - symbols.length + 1).fill(previous);
    previous = number < 0 ? null : symbols[number];
    return previous === null ? [] : [previous];
  });
}

/** Return the words [{text, start, end, confidence}] of a path, with times in seconds. probabilities: of each frame's column. alphabet:
 * from `readAlphabet`; with a separator, every symbol is a word. times: {frameSeconds, offset, duration}, where no time exceeds
 * `duration`. */
export function pathToWords(path, probabilities, alphabet, { frameSeconds, offset = 0, duration = Infinity }) {
  const toSeconds = (frame) => Math.min(offset + frame * frameSeconds, duration);
  const runs = listRuns(path), texts = decodeRuns(runs, alphabet), words = [];
  let letters = [];
  const finish = () => {
    if (!letters.length) return;
    const confidence = Math.exp(letters.reduce((sum, l) => sum + Math.log(Math.max(l.confidence, 1e-30)), 0) / letters.length);
    words.push({ text: letters.map((l) => l.text).join(""), start: letters[0].start, end: letters.at(-1).end, confidence });
    letters = [];
  };
  runs.forEach(({ begin, end }, i) => {
    const confidence = probabilities.subarray(begin, end).reduce((a, b) => Math.max(a, b), 0);
    const share = (end - begin) / Math.max(texts[i].length, 1); // the letters of one repetition symbol divide its frames
    texts[i].forEach((text, k) => {
      if (text === " " && !alphabet.separator) return finish();
      letters.push({ text, start: toSeconds(begin + k * share), end: toSeconds(begin + (k + 1) * share), confidence });
      if (alphabet.separator) finish();
    });
  });
  finish();
  return words;
}

/** Return {text, words} of words. */
export function joinWords(words, alphabet) {
  return { text: words.map((w) => w.text).join(alphabet.separator || " "), words };
}

/** Return the number of frames of so many seconds, at least 2. Halves are rounded to even, as Python does. */
export function countFrames(seconds, frameSeconds) {
  const frames = seconds / frameSeconds, below = Math.floor(frames);
  const isUp = frames - below > 0.5 || (frames - below === 0.5 && below % 2 === 1);
  return Math.max(isUp ? below + 1 : below, 2);
}
