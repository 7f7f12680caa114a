// y += x W in WebAssembly with SIMD. product.wat is the source and names the command that made these bytes.

const BYTES = "AGFzbQEAAAABCQFgBX9/f39/AAIQAQRsaXZlBm1lbW9yeQIAAQMCAQAHCwEHcHJvZHVjdAAACucBAeQBAgV7BX8gBEECdCENIAIgDWohDgNAIA" +
  "L9AAQAIQUgAv0ABBAhBiAC/QAEICEHIAL9AAQwIQggACELIAEhDCADIQoDQCAM/QkCACEJIAUgCSAL/QAEAP3mAf3kASEFIAYgCSAL/QAEEP3m" +
  "Af3kASEGIAcgCSAL/QAEIP3mAf3kASEHIAggCSAL/QAEMP3mAf3kASEIIAsgDWohCyAMQQRqIQwgCkEBayIKDQALIAIgBf0LBAAgAiAG/QsEEC" +
  "ACIAf9CwQgIAIgCP0LBDAgAEHAAGohACACQcAAaiECIAIgDkkNAAsL";
const bytes = Uint8Array.from(atob(BYTES), (c) => c.charCodeAt(0));

/** True if this browser supports SIMD. Otherwise the product is plain JavaScript, several times slower. */
export const simd = WebAssembly.validate(bytes);

/** Make a function (w, x, y, n, m) that computes y += x W. w, x, y: indices into a Float32Array over `memory`. W: (n, m), row-major. */
export function makeProduct(memory, isPlain = !simd) {
  if (isPlain) {
    const f = new Float32Array(memory.buffer);
    return (w, x, y, n, m) => {
      for (let i = 0; i < n; i++) for (let j = 0, v = f[x + i]; j < m; j++) f[y + j] += v * f[w + i * m + j];
    };
  }
  const { product } = new WebAssembly.Instance(new WebAssembly.Module(bytes), { live: { memory } }).exports;
  return (w, x, y, n, m) => product(4 * w, 4 * x, 4 * y, n, m);
}
