// The most likely classes of an image from the camera or a file, by a network that `kerasrecipes export` wrote.

import { makeCamera } from "./camera.js";
import { explain, fetchListing, make, makeButton, makeField, makeFileInput, openSession, run, softmax, withProgress } from "./common.js";
import { makeBars } from "./maps.js";
import { trackNewest } from "./newest.js";
import { dropAlpha, findCenteredBox, readImage, resize, toGray } from "./pixels.js";

const MAX_SIDE = 4096; // larger images are reduced by the browser, smaller ones as Python does
const NUM_BARS = 5;

/** Prepare RGB bytes of a shape [height, width, 3] like kerasrecipes.image.ImagePreprocessing: resize them to the canvas and crop its
 * center. Returns bytes (height, width, channels). */
export function prepareImage(rgb, shape, { resize_to: size, crop_size: [height, width], resize_mode: mode, channels }) {
  const canvas = resize(rgb, shape, size, mode === "crop" ? findCenteredBox(shape, size) : undefined);
  const pixels = channels === 1 ? toGray(canvas) : canvas, crop = new Uint8ClampedArray(height * width * channels);
  const top = Math.floor((size[0] - height) / 2), left = Math.floor((size[1] - width) / 2);
  for (let y = 0; y < height; y++) {
    const from = ((top + y) * size[1] + left) * channels;
    crop.set(pixels.subarray(from, from + width * channels), y * width * channels);
  }
  return crop;
}

/** Return {probabilities, ms} of an image that `prepareImage` prepared. net: from `openSession`. */
export async function classify(net, pixels) {
  const { crop_size: size, channels } = net.metadata.preprocessing;
  const { outputs, ms } = await run(net, { [net.inputs[0]]: [Float32Array.from(pixels), [1, ...size, channels]] }, ["logits"]);
  return { probabilities: softmax(outputs.logits.data), ms };
}

/** Build the page of a classifier in `element`. network: its name without .onnx. */
export async function mountClassifier(element, network) {
  const { classes, preprocessing } = (await fetchListing())[`${network}.onnx`].metadata;
  const [height, width] = preprocessing.crop_size;
  const canvas = make("canvas", { width, height, class: "classifier-image", role: "img", "aria-label": "the image as the network gets it" });
  const bars = makeBars(classes, Math.min(NUM_BARS, classes.length));
  const problems = make("div"), answer = make("p", { class: "speak-live", role: "status", "aria-live": "polite" }), note = make("p", { class: "live-note" });
  const beginChoice = trackNewest();

  /** Classify RGB bytes, and show them unless the reader has chosen something else in the meantime. */
  async function show(rgb, shape, isCurrent) {
    const net = await withProgress(problems, (report) => openSession(network, report));
    const pixels = prepareImage(rgb, shape, preprocessing), { probabilities, ms } = await classify(net, pixels);
    if (!isCurrent()) return;
    const image = new ImageData(width, height), { channels } = preprocessing;
    for (let i = 0; i < width * height; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[i * channels + Math.min(c, channels - 1)];
      image.data[4 * i + 3] = 255;
    }
    canvas.getContext("2d").putImageData(image, 0, 0);
    bars.update(probabilities);
    const best = probabilities.reduce((a, p, k) => (p > probabilities[a] ? k : a), 0);
    if (!camera.on) answer.textContent = classes[best]; // a screen reader cannot follow a camera
    note.textContent = `${Math.round(ms)} ms for an image`;
    Object.assign(element.dataset, { best: classes[best], done: String(Number(element.dataset.done ?? 0) + 1) });
  }

  async function openImage(file) {
    camera.stop();
    const isCurrent = beginChoice();
    try {
      explain(problems, null);
      const { rgb, shape } = await readImage(file, MAX_SIDE);
      await show(rgb, shape, isCurrent);
    } catch (error) {
      if (isCurrent()) explain(problems, error);
    }
  }

  async function showFrame(video) {
    const { videoWidth: across, videoHeight: down } = video;
    const frame = new OffscreenCanvas(across, down).getContext("2d", { willReadFrequently: true });
    frame.drawImage(video, 0, 0);
    await show(dropAlpha(frame.getImageData(0, 0, across, down).data), [down, across, 3], () => camera.on);
  }

  const cameraButton = makeButton("Camera", () => {
    if (camera.on) return camera.stop();
    beginChoice();
    explain(problems, null);
    answer.textContent = "";
    camera.start().catch((error) => {
      explain(problems, error);
      problems.querySelector(".live-error")?.append(" You can choose an image file instead.");
    });
  }, { class: "live-start", "aria-pressed": "false" });
  const camera = makeCamera(element, { width: 640, height: 480 }, showFrame, (isOn) => {
    cameraButton.textContent = isOn ? "Stop" : "Camera";
    cameraButton.setAttribute("aria-pressed", String(isOn));
  });

  element.append(
    make("div", { class: "live-row" }, cameraButton, makeField("An image file (or drop it here)", makeFileInput(element, "image/*", openImage))),
    problems, make("div", { class: "live-row" }, canvas, make("div", { class: "live-grow" }, answer, bars.element, note)),
  );
  await withProgress(problems, (report) => openSession(network, report));
}
