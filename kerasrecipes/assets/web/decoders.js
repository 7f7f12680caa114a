// From a recognizer's logits to words: the decoder of its metadata, for a whole recording and for one that still goes on.

import { LiveError } from "./common.js";
import { decodeGreedily, findBestPath, markPauses } from "./ctc.js";
import { PhraseSearch, decodePhrases } from "./phrases.js";
import { joinWords, pathToWords, readAlphabet } from "./transcript.js";
import { decodeBestPath } from "./viterbi.js";

/** Decode the logits of a whole recording to {text, words}. phrases: a closed list as for `PhraseSearch`, or null. times: {frameSeconds,
 * duration}. */
export function decodeLogits(logits, metadata, phrases, times) {
  const { criterion, alphabet, transitions, task } = metadata;
  if (phrases) return decodePhrases(logits, alphabet, phrases, times);
  if (criterion === "ctc") return decodeGreedily(logits, alphabet, times);
  if (["asg", "crf", "frames"].includes(criterion)) {
    return decodeBestPath(logits, alphabet, criterion === "frames" ? null : transitions, task === "phoneme-recognition", times);
  }
  throw new LiveError(`This page does not know how to read the criterion ${criterion} of this recognizer.`);
}

/** Words of a recording that still goes on, equal to kerasrecipes.inference.stream_decoders. What is final is kept as words. */
class StreamDecoder {
  constructor(alphabet, frameSeconds) {
    Object.assign(this, { columns: readAlphabet(alphabet), frameSeconds, finalWords: [], finalFrames: 0 });
  }

  /** Return the words of frames after the final ones. */
  decode({ path, probabilities }, duration = Infinity) {
    const offset = this.finalFrames * this.frameSeconds;
    return pathToWords(path, probabilities, this.columns, { frameSeconds: this.frameSeconds, offset, duration: Math.max(duration, offset) });
  }

  store(best) {
    this.finalWords.push(...this.decode(best));
    this.finalFrames += best.path.length;
  }

  join(best, duration) {
    return joinWords([...this.finalWords, ...this.decode(best, duration)], this.columns);
  }
}

/** The most probable symbol of each frame. Words before the last space are final. */
class GreedyStreamDecoder extends StreamDecoder {
  best = { path: new Int32Array(0), probabilities: new Float64Array(0) };

  /** Take the next logits (frames, symbols). */
  append(logits) {
    const next = findBestPath(logits, this.columns.size);
    const join = (a, b, type) => type.from([...a, ...b]);
    this.best = {
      path: join(this.best.path, next.path, Int32Array),
      probabilities: join(this.best.probabilities, next.probabilities, Float64Array),
    };
    markPauses(this.best, this.columns, this.frameSeconds);
    const cut = this.countFinalFrames(this.best.path), take = (begin, end) => ({
      path: this.best.path.subarray(begin, end), probabilities: this.best.probabilities.subarray(begin, end),
    });
    if (!cut) return;
    this.store(take(0, cut));
    this.best = take(cut);
  }

  /** Return {text, words} of all frames so far, of which `duration` seconds of audio have arrived. */
  read(duration) {
    return this.join(this.best, duration);
  }

  /** Return the number of frames before the last space, or before the first letter. Without a space in the alphabet, a blank serves. */
  countFinalFrames(path) {
    const border = this.columns.space ?? 0;
    let firstLetter = path.findIndex((k) => k !== 0 && k !== border), cut = 0;
    if (firstLetter < 0) firstLetter = path.length;
    for (let t = 1; t < path.length; t++) {
      if ((path[t] === border && path[t - 1] !== border) || (t < firstLetter && path[t] === 0)) cut = t;
    }
    return cut;
  }
}

/** The phrases of a closed list. Those before a pause are final. */
class PhraseStreamDecoder extends StreamDecoder {
  constructor(alphabet, frameSeconds, phrases) {
    super(alphabet, frameSeconds);
    this.search = new PhraseSearch(phrases, alphabet, frameSeconds);
  }

  append(logits) {
    this.search.advance(logits);
    this.store(this.search.takeFinalPath());
  }

  read(duration) {
    return this.join(this.search.findBestPath(), duration);
  }
}

/** Return the decoder of a recording that still goes on: of a closed list of phrases, or null for all words. */
export function makeStreamDecoder({ alphabet, stride, sample_rate }, phrases) {
  const frameSeconds = stride / sample_rate;
  return phrases ? new PhraseStreamDecoder(alphabet, frameSeconds, phrases) : new GreedyStreamDecoder(alphabet, frameSeconds);
}
