// A module worker as a function: call(kind, values) answers with what the worker posts for that number.

/** address: of the worker's module. It gets {number, kind, ...values} and posts {number, ...answer} or {number, error}. */
export function remote(address) {
  const worker = new Worker(address, { type: "module" });
  const waiting = new Map();
  let last = 0;
  worker.onmessage = ({ data: { number, error, ...answer } }) => {
    const { resolve, reject } = waiting.get(number);
    waiting.delete(number);
    error ? reject(new Error(error)) : resolve(answer);
  };
  worker.onerror = (event) => {
    for (const { reject } of waiting.values()) reject(new Error(event.message || "The background worker could not be started."));
    waiting.clear();
  };
  return (kind, values = {}) =>
    new Promise((resolve, reject) => {
      waiting.set(++last, { resolve, reject });
      worker.postMessage({ number: last, kind, ...values });
    });
}
