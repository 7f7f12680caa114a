// Worker that computes saliency. look_net.js sends it requests.

import { propagateBack, unpack } from "./back.js";

let net;
onmessage = ({ data: { kind, bytes, number, values, unit, method, layers } }) => {
  try {
    if (kind === "open") {
      net = unpack(bytes);
      return postMessage({ number });
    }
    const { picture, signals } = propagateBack(net, values, unit, method);
    const selection = Object.fromEntries(Object.entries(signals).filter(([name]) => layers.includes(name)));
    postMessage({ number, picture, signals: selection }, [picture.buffer, ...Object.values(selection).map((s) => s.buffer)]);
  } catch (error) {
    postMessage({ number, error: error?.message ?? String(error) });
  }
};
