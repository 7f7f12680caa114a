// Lengths of layers over time, equal to kerasrecipes.layers.time_geometry.

/** Return the number of output steps of layers, one after the other, for `length` input steps. geometries: [receptive field or null,
 * stride, left padding, right padding, multiple] of each layer, from a network's metadata. */
export function computeOutputLength(geometries, length) {
  return geometries.reduce((n, [field, stride, left, right, multiple = 1]) => {
    const span = field ?? 1;
    if (n <= 0 && left + right >= span) return 0; // no input, no output, whatever the padding
    const steps = Math.floor((n + left + right - span) / stride) + 1;
    return Math.max(0, Math.ceil(steps / multiple) * multiple);
  }, length);
}
