// The page Look inside: the toolbox with squeezenet, which runs in the browser, or with the reader's own ONNX file.

import { attempt, make, makeField, withProgress } from "./common.js";
import { makeSource, open } from "./look_net.js";
import { openOwnNetwork } from "./look_onnx.js";
import { mountLook } from "./look_view.js";

const RANGES = { "0 to 1": [0, 1], "0 to 255": [0, 255], "-1 to 1": [-1, 1] }; // of pixels, for files of other programs

export async function mount(element) {
  const look = await withProgress(element, open), source = makeSource(look);
  const range = make("select", {}, ...Object.keys(RANGES).map((name) => make("option", { value: name }, name)));
  const input = make("input", { type: "file", accept: ".onnx", onchange: () => input.files[0] && showOwn(input.files[0]) });
  const problems = make("div"), own = make("details", { class: "look-own" }, make("summary", {}, "Your own network (.onnx)"),
    make("div", { class: "live-row" }, makeField("ONNX file of an image classifier; it stays on this device", input), makeField("its pixels", range)), problems);

  function showOwn(file) {
    return attempt(problems, async () => {
      const network = await openOwnNetwork(file, RANGES[range.value], source.samples, () => {});
      element.querySelector(":scope > .look").remove();
      await mountLook(element, network);
      element.append(own);
      element.dataset.network = file.name;
    });
  }
  await mountLook(element, source);
  element.append(own);
}
