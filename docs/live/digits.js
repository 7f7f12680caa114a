// The digits of MNIST that come with the site.

import { fetchFile, fetchListing } from "./common.js";

const FILE = "mnist_digits.bin.gz";

/** Load {train, test, credit}: lists of {pixels: Uint8Array (28, 28), label}. */
export async function loadDigits(onProgress) {
  const compressed = await fetchFile(FILE, onProgress);
  const bytes = new Uint8Array(await new Response(new Blob([compressed]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer());
  const { credit, train } = (await fetchListing())[FILE];
  // each digit: a label and 784 pixels
  const all = Array.from({ length: bytes.length / 785 }, (_, i) => ({ label: bytes[785 * i], pixels: bytes.subarray(785 * i + 1, 785 * (i + 1)) }));
  return { train: all.slice(0, train), test: all.slice(train), credit };
}
