// The way back beside the page: look_net.js talks to it.

import { lead, unpack } from "./back.js";

let net;
onmessage = ({ data: { kind, bytes, number, values, unit, method, layers } }) => {
  try {
    if (kind === "start") {
      net = unpack(bytes);
      return postMessage({ number });
    }
    const { picture, signals } = lead(net, values, unit, method);
    const kept = Object.fromEntries(Object.entries(signals).filter(([name]) => layers.includes(name)));
    postMessage({ number, picture, signals: kept }, [picture.buffer, ...Object.values(kept).map((s) => s.buffer)]);
  } catch (error) {
    postMessage({ number, error: error?.message ?? String(error) });
  }
};
