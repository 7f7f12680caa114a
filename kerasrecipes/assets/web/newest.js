// The newest of several requests: what is slow must not overwrite what was asked for later.

/** Return a function `begin`. Each `begin()` returns a function that is true until the next `begin()`. */
export function trackNewest() {
  let last = 0;
  return () => {
    const number = ++last;
    return () => number === last;
  };
}

/** Return a function that runs `work` with one request at a time. While it works, only the newest request waits. `work` gets the
 * request and a function that is true while no newer one waits. */
export function keepLatest(work) {
  let isBusy = false, waiting = [];
  return async function handle(request) {
    if (isBusy) return void (waiting = [request]);
    isBusy = true;
    try {
      await work(request, () => !waiting.length);
    } finally {
      isBusy = false;
      if (waiting.length) await handle(waiting.pop());
    }
  };
}
