// Classes by camera for the page Teach a machine: frames become features of squeezenet.

import { makeCamera } from "./camera.js";
import { make } from "./common.js";
import { setSize } from "./maps.js";
import { cropCenter, dropAlpha, findCenteredBox, readImage, resize } from "./pixels.js";
import { openTrunk } from "./teach_trunk.js";

const SIDE = 256, INPUT = 227; // pixels of a stored frame, and of its center, the network's input
const PERIOD = 0.5; // s between the frames of a recording

/** Reduce an image to its largest centered square, as Python does: bytes (256, 256, 3). */
export const makeSquare = ({ rgb, shape }) => resize(rgb, shape, [SIDE, SIDE], findCenteredBox(shape, [SIDE, SIDE]));

/** Return the source of images that makeWorkshop of teach_workshop.js takes. element: camera frames stop when it is closed. */
export function makeImageSource(element) {
  const preview = make("canvas", { class: "teach-preview", role: "img", "aria-label": "the camera", width: SIDE, height: SIDE, hidden: true });
  let trunk, onFrame = async () => {};

  const open = (report) => (trunk ??= openTrunk("image", report).catch((error) => { trunk = undefined; throw error; }));

  async function compute(square) {
    const pixels = Float32Array.from(cropCenter(square, SIDE, INPUT, 3));
    return (await open()).compute({ picture: [pixels, [1, INPUT, INPUT, 3]] });
  }

  const frame = new OffscreenCanvas(SIDE, SIDE);
  const camera = makeCamera(element, { width: 640, height: 480 }, async (video) => {
    const context = frame.getContext("2d", { willReadFrequently: true });
    const [left, top, right, bottom] = findCenteredBox([video.videoHeight, video.videoWidth], [SIDE, SIDE]);
    context.drawImage(video, left, top, right - left, bottom - top, 0, 0, SIDE, SIDE);
    preview.getContext("2d").drawImage(frame, 0, 0);
    await onFrame(dropAlpha(context.getImageData(0, 0, SIDE, SIDE).data));
  }, (on) => (preview.hidden = !on));

  const stop = async () => camera.stop();

  function addSquare(square, group) {
    drawSquare(group.canvas, square);
    return group.addClips([square]);
  }

  return {
    kind: "image", noun: "images", least: 4, device: "camera", accept: "image/*", modelName: "classes.onnx", open, stop, preview, compute,
    names: ["mug", "nothing"], other: null, addWords: "Add a class",
    nameHint: "What the camera sees", filesHint: "or images",
    steps: "Name what the camera will see, press Record, and move it for 20 s: near and far, from several sides. A class “nothing” shows the place without it.",

    /** Record for `seconds`, or until `group.finish()`. onTick receives the seconds so far. */
    async record(group, seconds, onTick) {
      let begin = null, next = 0;
      group.finish = stop;
      onFrame = async (square) => {
        const time = (performance.now() - (begin ??= performance.now())) / 1000;
        onTick(time);
        if (time >= seconds) return camera.stop();
        if (time < next) return;
        next = time + PERIOD;
        addSquare(square, group); // its features may come later
      };
      await camera.start();
    },

    addFile: async (file, group) => addSquare(makeSquare(await readImage(file)), group),
    computeExamples: async (square) => [{ features: await compute(square), variant: false }],
    computeOthers: async () => [],

    /** Watch, and call onResult(features) for each frame. */
    async start(groups, onResult, onError) {
      onFrame = async (square) => onResult(await compute(square));
      camera.start().catch(onError);
    },

    describe: (classes, threshold) => ({ row, decoder, weights_hash, ...trunkMetadata }) => ({
      kerasrecipes: { ...trunkMetadata, classes, row: null, decoder: {} },
      taught: { task: "image classes", threshold, trunk: trunkMetadata.recipe, trunk_license: row?.license },
    }),

    /** Return the files of the archive: a folder of JPEG files for each class. */
    async makeFiles(groups) {
      const files = {};
      for (const { name, clips } of groups) {
        for (const [i, square] of clips.entries()) {
          const canvas = new OffscreenCanvas(SIDE, SIDE);
          drawSquare(canvas, square);
          const blob = await canvas.convertToBlob({ type: "image/jpeg", quality: 0.92 });
          files[`classes/${name.replace(/[^\p{L}\p{N} _-]/gu, "_")}/${String(i + 1).padStart(3, "0")}.jpg`] = new Uint8Array(await blob.arrayBuffer());
        }
      }
      return files;
    },

    makeCanvas: () => make("canvas", { class: "teach-image", role: "img", "aria-label": "the last image" }),
  };
}

function drawSquare(canvas, square) {
  setSize(canvas, SIDE, SIDE);
  const context = canvas.getContext("2d"), image = context.createImageData(SIDE, SIDE);
  for (let p = 0; p < SIDE * SIDE; p++) image.data.set([square[3 * p], square[3 * p + 1], square[3 * p + 2], 255], 4 * p);
  context.putImageData(image, 0, 0);
}
