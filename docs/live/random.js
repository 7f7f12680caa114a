// Seeded random numbers, the same in every browser.

/** Make a random generator from a seed (mulberry32): uniform numbers in [0, 1). */
export function makeRandom(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Sample n numbers from N(0, deviation^2). */
export function sampleGaussian(n, deviation, uniform) {
  return Float64Array.from({ length: n }, () => deviation * Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform()));
}

/** Sample an integer from 0 to n - 1. */
export const sampleInteger = (n, uniform) => Math.floor(n * uniform());

/** Return a seed that differs at every call. */
export const chooseSeed = () => Math.floor(Math.random() * 2 ** 31);
