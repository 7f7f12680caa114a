// The frozen networks of the page Teach a machine: features of sound and images, and the ONNX file of a network with a new head.

import { fetchFile, openBytes, run } from "./common.js";
import { findTensor, readMetadata, replaceHead, writeNode, writeOutput, writeWeights } from "./onnx_graph.js";

/** file: in files/. tensor: the end of its name. axes: of the tensor, whose mean is the features. size: number of features. */
const TRUNKS = {
  // output of the last convolution that sees several frames, 13 of them
  sound: { recipe: "wav2letter_small", file: "wav2letter_small.onnx", tensor: "re_lu_8_1/clip_by_value:0", axes: [1], size: 512 },
  image: { recipe: "squeezenet", file: "squeezenet.activations.onnx", tensor: "fire9_1/concat:0", axes: [2, 3], size: 512 },
};
const KEY = "kerasrecipes"; // of the metadata that kerasrecipes.load reads

const writeMean = (tensor, axes) => writeNode("ReduceMean", [tensor], ["features"], { axes, keepdims: 0 });

/** Open the trunk of a kind, "sound" or "image": {compute(feeds) -> features, makeModel(head, metadata) -> bytes}. */
export async function openTrunk(kind, onProgress) {
  const { recipe, file, tensor: suffix, axes, size } = TRUNKS[kind];
  const model = new Uint8Array(await fetchFile(file, onProgress)), tensor = findTensor(model, suffix);
  const bytes = replaceHead(model, tensor, [writeMean(tensor, axes), writeOutput("features", ["batch", size])], {});
  const net = await openBytes(`${recipe}.features`, bytes, onProgress);
  return {
    async compute(feeds) {
      const { outputs } = await run(net, feeds);
      return outputs.features.data;
    },
    /** Return the bytes of the trunk with a head. describe(metadata of the trunk) returns {key: JSON value} of the new file. */
    makeModel({ weights, biases }, describe) {
      const count = biases.length, metadata = describe(JSON.parse(readMetadata(model)[KEY]));
      return replaceHead(model, tensor, [
        writeMean(tensor, axes),
        writeWeights("head/kernel", weights, [size, count]), writeWeights("head/bias", biases, [count]),
        writeNode("Gemm", ["features", "head/kernel", "head/bias"], ["logits"]), writeNode("Softmax", ["logits"], ["probabilities"], { axis: 1 }),
        writeOutput("logits", ["batch", count]), writeOutput("probabilities", ["batch", count]),
      ], Object.fromEntries(Object.entries(metadata).map(([key, value]) => [key, JSON.stringify(value)])));
    },
  };
}
