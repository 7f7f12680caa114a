// Receptive fields: which positions of each earlier layer a position of a layer reads. The geometry of one layer comes from Python
// (docs/build/live_receptive.py), and this module composes the layers.

/** Return the first and the last input position that the positions `from` to `to` of an axis read, or null if they read padding only. */
function spanAxis({ low, high }, from, to) {
  let [first, last] = [Infinity, -Infinity];
  for (let i = from; i <= to; i++) {
    const at = low.length === 1 ? 0 : i;
    if (low[at] > high[at]) continue; // padding
    first = Math.min(first, low[at]);
    last = Math.max(last, high[at]);
  }
  return first <= last ? [first, last] : null;
}

/** Return the boxes of all layers that a position of a layer depends on: boxes[layer] = [[first, last] of each axis], undefined for
 * layers that it does not read, null for an axis on which it reads padding only. position: an index for each axis. */
export function traceBack(layers, layer, position) {
  const boxes = [];
  boxes[layer] = position.map((p, axis) => (layers[layer].sizes[axis] === 1 ? [0, 0] : [p, p]));
  for (let k = layer; k > 0; k--) {
    if (!boxes[k]) continue;
    for (const read of layers[k].reads) {
      const box = read.axes.map((axis, i) => boxes[k][i] && spanAxis(axis, ...boxes[k][i]));
      boxes[read.layer] = boxes[read.layer] ? boxes[read.layer].map((old, i) => unite(old, box[i])) : box;
    }
  }
  return boxes;
}

const unite = (a, b) => (a && b ? [Math.min(a[0], b[0]), Math.max(a[1], b[1])] : (a ?? b));
