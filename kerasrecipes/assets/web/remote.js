// A module worker as a function: call(kind, values) resolves to the worker's answer.

/** Start the worker module at a URL. It receives {number, kind, ...values} and posts {number, ...answer} or {number, error}. */
export function startWorker(address) {
  const worker = new Worker(address, { type: "module" });
  const pending = new Map();
  let last = 0;
  worker.onmessage = ({ data: { number, error, ...answer } }) => {
    const { resolve, reject } = pending.get(number);
    pending.delete(number);
    error ? reject(new Error(error)) : resolve(answer);
  };
  worker.onerror = (event) => {
    for (const { reject } of pending.values()) reject(new Error(event.message || "The background worker could not be started."));
    pending.clear();
  };
  return (kind, values = {}) =>
    new Promise((resolve, reject) => {
      pending.set(++last, { resolve, reject });
      worker.postMessage({ number: last, kind, ...values });
    });
}
