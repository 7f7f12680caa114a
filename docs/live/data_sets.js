// Data sets of the training page. Each has {words, classes, shape, train, validation, test, augment, crops, definition, credit, prepare}:
// train, validation and test are lists of {pixels: bytes of `shape`, label}; augment goes to sampleCrop; crops: number of crops whose
// outputs are averaged in tests; prepare(file) returns the pixels of a reader's image.

import { LiveError } from "./common.js";
import { loadDigits } from "./digits.js";
import { findCenteredBox, prepareDigit, readImage, resize, toGray } from "./pixels.js";
import { makeShapes, SHAPES, SIDE } from "./shapes.js";

const OWN_SIDE = 32;

async function prepareColor(file, side) {
  const { rgb, shape } = await readImage(file, 512);
  return resize(rgb, shape, [side, side], findCenteredBox(shape, [side, side]));
}

/** Hold out every eleventh training example: the classes come in turn, and every tenth would have one class. */
const splitValidation = (all) => ({ train: all.filter((_, i) => i % 11), validation: all.filter((_, i) => i % 11 === 0) });

export async function loadDigitSet(onProgress) {
  const { train, test, credit } = await loadDigits(onProgress);
  return {
    words: "digits of MNIST", noun: "digits", classes: [..."0123456789"], shape: [28, 28, 1], ...splitValidation(train), test, credit, augment: {}, crops: 4,
    definition: "input 24 x 24 x 1\nconv 8 filters 5 x 5, pad 2, relu\npool 2 x 2\nconv 16 filters 5 x 5, pad 2, relu\npool 3 x 3\nsoftmax 10",
    async prepare(file) {
      const { rgb, shape } = await readImage(file, 512);
      return prepareDigit(toGray(rgb), shape);
    },
  };
}

export function makeShapeSet() {
  return {
    words: "colored shapes", noun: "shapes", classes: SHAPES, shape: [SIDE, SIDE, 3], ...splitValidation(makeShapes(1000, 1)), test: makeShapes(200, 2), crops: 6,
    augment: { mirror: true }, credit: "The page draws the shapes itself, from a seed.",
    definition: "input 24 x 24 x 3\nconv 8 filters 5 x 5, pad 2, relu\npool 2 x 2\nconv 16 filters 5 x 5, pad 2, relu\npool 3 x 3\nsoftmax 5",
    prepare: (file) => prepareColor(file, SIDE),
  };
}

/** Make a data set from classes {name: [pixels (32, 32, 3)]}: every fifth image of a class, at least one, is held out for validation and
 * tests. */
export function makeOwnSet(classes) {
  const names = Object.keys(classes);
  if (names.length < 2 || names.some((name) => classes[name].length < 2)) throw new LiveError("Add at least two classes with at least two images each.");
  const all = names.flatMap((name, label) => classes[name].map((pixels, i) => ({ pixels, label, isHeld: i % 5 === 1 })));
  const held = all.filter((e) => e.isHeld);
  return {
    words: "your images", noun: "images", classes: names, shape: [OWN_SIDE, OWN_SIDE, 3], train: all.filter((e) => !e.isHeld), validation: held, test: held, crops: 6,
    augment: { shift: 2, mirror: true }, credit: "Your images stay on your device and are gone when you leave the page.",
    definition: `input 32 x 32 x 3\nconv 16 filters 5 x 5, pad 2, relu\npool 2 x 2\nconv 20 filters 5 x 5, pad 2, relu\npool 2 x 2\nconv 20 filters 5 x 5, pad 2, relu\npool 2 x 2\nsoftmax ${names.length}`,
    prepare: (file) => prepareColor(file, OWN_SIDE),
  };
}

export const prepareOwn = (file) => prepareColor(file, OWN_SIDE);

/** Check that a network fits a data set. Throws a LiveError that says what to change. */
export function checkNet(net, { shape: [height, width, depth], classes, words }) {
  const [h, w, d] = net.inputShape, outputs = net.layers.at(-1).size;
  if (net.lossKind === "regression") throw new LiveError("This page trains classifiers: end the network with softmax or svm.");
  if (d !== depth || h > height || w > width) {
    throw new LiveError(`The network has an input of ${h} × ${w} × ${d}. For ${words} it must have the depth ${depth} and at most ${height} × ${width} pixels.`);
  }
  if (outputs !== classes.length) throw new LiveError(`The network has ${outputs} classes, but there are ${classes.length}: ${classes.join(", ")}.`);
}
