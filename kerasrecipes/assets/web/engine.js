// Worker that runs networks with onnxruntime-web in single-threaded WebAssembly. common.js sends it requests.

let ort;
const sessions = new Map();

const HANDLERS = {
  async start({ module, wasm }) {
    ort = await import(module);
    const unpacked = new Blob([wasm]).stream().pipeThrough(new DecompressionStream("gzip"));
    ort.env.wasm.wasmBinary = await new Response(unpacked).arrayBuffer();
    ort.env.wasm.numThreads = 1; // more threads need special headers from the server
    ort.env.logLevel = "error";
    return {};
  },

  async open({ name, bytes }) {
    const session = await ort.InferenceSession.create(new Uint8Array(bytes), { executionProviders: ["wasm"] });
    sessions.set(name, session);
    return { inputs: [...session.inputNames], outputs: [...session.outputNames] };
  },

  async run({ name, feeds, outputNames }) {
    const tensors = {};
    for (const [input, [data, dims]] of Object.entries(feeds)) tensors[input] = new ort.Tensor(findDtype(data), data, dims);
    const begin = performance.now();
    const outputs = await sessions.get(name).run(tensors, outputNames);
    const ms = performance.now() - begin;
    return { ms, outputs: Object.fromEntries(Object.entries(outputs).map(([key, t]) => [key, { data: t.data, dims: [...t.dims] }])) };
  },
};

function findDtype(data) {
  const dtypes = [[Float32Array, "float32"], [Int32Array, "int32"], [Uint8Array, "uint8"], [BigInt64Array, "int64"]];
  return dtypes.find(([type]) => data instanceof type)[1];
}

let last = Promise.resolve();
onmessage = ({ data: { number, kind, ...rest } }) => {
  // one request after the other, because a session does one run at a time
  last = last.then(async () => {
    try {
      postMessage({ number, ...(await HANDLERS[kind](rest)) });
    } catch (error) {
      postMessage({ number, error: error?.message ?? String(error) });
    }
  });
};
