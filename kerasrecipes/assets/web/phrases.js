// Search for the phrases of a closed list, equal to kerasrecipes.decoding.phrase_search: Viterbi's over a tree of the phrases' letters, a
// gap between words, and other speech, in which each frame has its best symbol and pays for letters.

import { countFrames, joinWords, pathToWords, readAlphabet } from "./transcript.js";

const PAUSE_SECONDS = 1.0, LOG_ZERO = -1e30, MISSING_SPACE_COSTS = 3;
const BLANK = 0, GAP = 1, LABEL = 2, OTHER = 3; // kinds of states; of equal scores the higher kind wins, then the higher node
const STAY = 0, FROM_LABEL = 1, FROM_BLANK = 2; // origins of a label; 3 is the gap

/** Return log probabilities (Float64Array) of logits (frames, size). */
function computeLogProbabilities(logits, size) {
  const result = new Float64Array(logits.length);
  for (let begin = 0; begin < logits.length; begin += size) {
    let top = -Infinity, sum = 0;
    for (let k = begin; k < begin + size; k++) top = Math.max(top, logits[k]);
    for (let k = begin; k < begin + size; k++) sum += Math.exp(logits[k] - top);
    const log = Math.log(sum);
    for (let k = begin; k < begin + size; k++) result[k] = logits[k] - top - log;
  }
  return result;
}

/** Return the best of [score, kind, node]. */
const choose = (...states) => states.reduce((a, b) => (b[0] - a[0] || b[1] - a[1] || b[2] - a[2]) > 0 ? b : a);

/** The best way through the phrases for frames that arrive in portions of any size. */
export class PhraseSearch {
  /** tree: {symbols, parents, ends} of each node, as kerasrecipes.decoding.phrase_search.PhraseTree has them, and rejectionCost: nats
   * that each frame of other speech pays which is not a blank or a space, null for infinity. */
  constructor({ symbols, parents, ends, rejectionCost }, alphabet, frameSeconds) {
    const columns = readAlphabet(alphabet);
    const isFirst = parents.map((p) => p < 0), origin = parents.map((p) => Math.max(p, 0));
    Object.assign(this, {
      size: columns.size, space: columns.space ?? 0, symbols, isFirst, parents: origin,
      isRepeat: symbols.map((s, i) => !isFirst[i] && symbols[origin[i]] === s), // a blank stands between equal letters
      ends: ends.flatMap((isEnd, i) => (isEnd ? [i] : [])),
      rejectionCost: rejectionCost ?? Infinity, pauseFrames: countFrames(PAUSE_SECONDS, frameSeconds), finalPaths: [],
    });
    this.letters = Array.from({ length: this.size }, (_, k) => k).filter((k) => k !== 0 && k !== this.space);
    this.start();
  }

  /** Begin in a gap between words. */
  start() {
    const count = this.symbols.length;
    Object.assign(this, {
      label: new Float64Array(count).fill(LOG_ZERO), blank: new Float64Array(count).fill(LOG_ZERO), // scores of the states of each node
      gap: 0, other: LOG_ZERO, idleFrames: 0, frames: [], origins: [],
    });
  }

  /** Take the next logits (frames, size). After a pause, what is before is final. */
  advance(logits) {
    const values = computeLogProbabilities(logits, this.size);
    for (let begin = 0; begin < values.length; begin += this.size) {
      this.advanceFrame(values.slice(begin, begin + this.size));
      const highest = (scores) => scores.reduce((a, b) => Math.max(a, b), -Infinity);
      const isIdle = Math.max(this.gap, this.other, highest(this.blank)) >= highest(this.label);
      this.idleFrames = isIdle ? this.idleFrames + 1 : 0;
      if (this.idleFrames >= this.pauseFrames) {
        this.finalPaths.push(this.findBestPath(true));
        this.start();
      }
    }
  }

  advanceFrame(frame) {
    const { label, blank, gap, other, symbols, parents, space } = this, count = symbols.length;
    const silence = Math.max(frame[0], frame[space]); // the network may leave a space out
    const nextLabel = new Float64Array(count), nextBlank = new Float64Array(count);
    const labelOrigins = new Uint8Array(count), blankOrigins = new Uint8Array(count);
    const end = this.findBestEnd();
    for (let i = 0; i < count; i++) {
      const first = this.isFirst[i], parent = parents[i];
      let best = label[i], origin = STAY;
      const fromLabel = first || this.isRepeat[i] ? LOG_ZERO : label[parent], fromBlank = first ? LOG_ZERO : blank[parent];
      if (fromLabel > best) [best, origin] = [fromLabel, FROM_LABEL];
      if (fromBlank > best) [best, origin] = [fromBlank, FROM_BLANK];
      if (first && gap > best) [best, origin] = [gap, 3];
      nextLabel[i] = best + (symbols[i] === space ? silence : frame[symbols[i]]);
      labelOrigins[i] = origin;
      blankOrigins[i] = label[i] > blank[i] ? 1 : 0;
      nextBlank[i] = Math.max(blank[i], label[i]) + frame[0];
    }
    const rejected = this.letters.reduce((most, k) => Math.max(most, frame[k]), -Infinity) - this.rejectionCost;
    // without a space, a word ends at a price at which no part of a longer word becomes a phrase
    const spaceScore = Math.max(frame[space], frame[0] - MISSING_SPACE_COSTS * this.rejectionCost);
    const bestGap = choose([gap + silence, GAP, 0], [other + spaceScore, OTHER, 0], [end[0] + spaceScore, end[1], end[2]]);
    const bestOther = choose([gap + rejected, GAP, 0], [other + Math.max(frame[0], rejected), OTHER, 0]);
    [this.label, this.blank, this.gap, this.other] = [nextLabel, nextBlank, bestGap[0], bestOther[0]];
    this.frames.push(frame);
    this.origins.push({ labelOrigins, blankOrigins, gapOrigin: bestGap, otherOrigin: bestOther });
  }

  /** Return [score, kind, node] of the best state at the end of a phrase. */
  findBestEnd() {
    let best = [-Infinity, LABEL, this.ends[0]];
    for (const [scores, kind] of [[this.label, LABEL], [this.blank, BLANK]]) {
      for (const node of this.ends) if (scores[node] > best[0]) best = [scores[node], kind, node];
    }
    return best;
  }

  /** Return {path, probabilities} of the frames that are not final. Other speech is the blank, and a space follows each phrase. isFinal:
   * the path ends in a pause, so that its last frame is the space after a phrase. */
  findBestPath(isFinal = false) {
    let [, kind, node] = choose([this.gap, GAP, 0], [this.other, OTHER, 0], this.findBestEnd());
    const count = this.frames.length, path = new Int32Array(count), needsSpace = isFinal && kind !== GAP && kind !== OTHER;
    for (let t = count - 1; t >= 0; t--) {
      const { labelOrigins, blankOrigins, gapOrigin, otherOrigin } = this.origins[t];
      if (kind === GAP) {
        path[t] = gapOrigin[1] === GAP || gapOrigin[1] === OTHER ? 0 : this.space;
        [, kind, node] = gapOrigin;
      } else if (kind === OTHER) {
        [, kind, node] = otherOrigin;
      } else if (kind === BLANK) {
        if (blankOrigins[node]) kind = LABEL;
      } else {
        path[t] = this.symbols[node];
        const origin = labelOrigins[node];
        if (origin === FROM_LABEL || origin === FROM_BLANK) [kind, node] = [origin === FROM_LABEL ? LABEL : BLANK, this.parents[node]];
        else if (origin !== STAY) [kind, node] = [GAP, 0];
      }
    }
    if (needsSpace) path[count - 1] = this.space;
    return { path, probabilities: Float64Array.from(path, (column, t) => Math.exp(this.frames[t][column])) };
  }

  /** Return the path of the final frames since the last call. */
  takeFinalPath() {
    const paths = this.finalPaths;
    this.finalPaths = [];
    return joinPaths(paths);
  }
}

/** Return one path after the other. */
function joinPaths(paths) {
  const join = (name, type) => type.from(paths.flatMap((p) => Array.from(p[name])));
  return { path: join("path", Int32Array), probabilities: join("probabilities", Float64Array) };
}

/** Decode logits (frames, symbols) to the phrases that they hold: {text, words}. phrases: as for `PhraseSearch`. times: {frameSeconds,
 * offset, duration}. */
export function decodePhrases(logits, alphabet, phrases, times) {
  const search = new PhraseSearch(phrases, alphabet, times.frameSeconds), columns = readAlphabet(alphabet);
  search.advance(logits);
  const { path, probabilities } = joinPaths([search.takeFinalPath(), search.findBestPath()]);
  return joinWords(pathToWords(path, probabilities, columns, times), columns);
}
