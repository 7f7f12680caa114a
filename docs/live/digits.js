// The bundled digits of MNIST.

import { fetchFile, listing } from "./common.js";

const FILE = "mnist_digits.bin.gz";

/** {train, test, credit}: lists of {pixels: Uint8Array (28, 28), label}. */
export async function digits(onProgress) {
  const packed = await fetchFile(FILE, onProgress);
  const bytes = new Uint8Array(await new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  const { credit, train } = (await listing())[FILE];
  // a label and 784 pixels each
  const all = Array.from({ length: bytes.length / 785 }, (_, i) => ({ label: bytes[785 * i], pixels: bytes.subarray(785 * i + 1, 785 * (i + 1)) }));
  return { train: all.slice(0, train), test: all.slice(train), credit };
}
