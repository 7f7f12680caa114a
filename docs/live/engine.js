// The worker that runs networks: onnxruntime-web, single-threaded WebAssembly. common.js talks to it.

let ort;
const sessions = new Map();

const HANDLERS = {
  async start({ module, wasm }) {
    ort = await import(module);
    const unpacked = new Blob([wasm]).stream().pipeThrough(new DecompressionStream("gzip"));
    ort.env.wasm.wasmBinary = await new Response(unpacked).arrayBuffer();
    ort.env.wasm.numThreads = 1; // several threads would need special headers of the server
    ort.env.logLevel = "error";
    return {};
  },

  async open({ name, bytes }) {
    const opened = await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
    sessions.set(name, opened);
    return { inputs: [...opened.inputNames], outputs: [...opened.outputNames] };
  },

  async run({ name, feeds, wanted }) {
    const tensors = {};
    for (const [input, [data, dims]] of Object.entries(feeds)) tensors[input] = new ort.Tensor(kindOf(data), data, dims);
    const begin = performance.now();
    const found = await sessions.get(name).run(tensors, wanted);
    const ms = performance.now() - begin;
    return { ms, outputs: Object.fromEntries(Object.entries(found).map(([key, t]) => [key, { data: t.data, dims: [...t.dims] }])) };
  },
};

function kindOf(data) {
  const kinds = [[Float32Array, "float32"], [Int32Array, "int32"], [Uint8Array, "uint8"], [BigInt64Array, "int64"]];
  return kinds.find(([type]) => data instanceof type)[1];
}

let last = Promise.resolve();
onmessage = ({ data: { number, kind, ...rest } }) => {
  // one after the other: a session takes one run at a time
  last = last.then(async () => {
    try {
      postMessage({ number, ...(await HANDLERS[kind](rest)) });
    } catch (error) {
      postMessage({ number, error: error?.message ?? String(error) });
    }
  });
};
