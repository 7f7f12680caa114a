// What the toolbox shows of a unit besides its map: synthesized images, and its strongest patches with their saliency.
//
// A source's `findUnitImages(layer, channel, method)` returns {
//   synthesized: {address} or {text} or {progress: [done, total], text},
//   kept: [{address, index, columns, tile, words}], tiles of sheets that were drawn before, or none,
//   patches: [{name, value, pixels, size: [height, width] of pixels, field, saliency?}], note, isFinal }

import { explain, make, makeButton } from "./common.js";
import { drawPatch } from "./look_tiles.js";
import { trackNewest } from "./newest.js";

const PATIENCE = 1000; // ms between two looks at what is computed in the background

/** Make the parts of the page: {element, draw(layer, channel, method)}. onSynthesized() is called when there are new images. */
export function makeUnitPane(source, demo, problems, onSynthesized) {
  const synthesized = make("div"), patches = make("div", { class: "look-patches" }), note = make("p", { class: "live-note" });
  const kept = make("div", { class: "look-kept" });
  const part = (title, ...children) => make("section", { class: "look-part" }, make("h3", {}, title), ...children);
  const element = make("div", {}, part("What activates it most", synthesized, kept), ...(source.words.patches ? [part(source.words.patches, patches, note)] : []));
  const begin = trackNewest();
  let timer, shownAddress = null;

  function draw(layer, channel, method) {
    clearTimeout(timer);
    const isCurrent = begin();
    timer = setTimeout(() => update(layer, channel, method, isCurrent), source.patience ?? 0); // arrow keys pass many units
  }

  async function update(layer, channel, method, isCurrent) {
    try {
      const images = await source.findUnitImages(layer, channel, method);
      if (!isCurrent()) return;
      showSynthesized(layer, channel, images.synthesized);
      kept.replaceChildren(...(images.kept ?? []).map(makeTile));
      patches.replaceChildren(...images.patches.flatMap(drawFigures));
      note.textContent = images.note ?? "";
      demo.dataset.patches = `${layer}:${channel}`;
      if (!images.isFinal) timer = setTimeout(() => update(layer, channel, method, isCurrent), PATIENCE);
    } catch (error) {
      if (isCurrent()) explain(problems, error);
    }
  }

  function showSynthesized(layer, channel, { address, text, progress }) {
    if (address) {
      if (address !== shownAddress) {
        synthesized.replaceChildren(make("img", { src: address, alt: `images synthesized for ${layer}, unit ${channel}`, class: "look-synthesized" }));
        onSynthesized();
      }
    } else {
      const bar = progress && make("progress", { value: progress[0], max: Math.max(progress[1], 1), "aria-label": "steps of the synthesis" });
      synthesized.replaceChildren(...(bar ? [bar] : []), make("p", { class: "live-note" }, ...text));
      if (source.synthesizeLayer) synthesized.append(makeButton(`all units of ${layer}`, () => source.synthesizeLayer(layer).catch((error) => explain(problems, error)), { title: "computes them one after the other while you go on" }));
    }
    shownAddress = address ?? null;
    demo.dataset.synthesized = `${layer}:${channel} ${address ? "image" : "text"}`;
  }

  function drawFigures({ name, value, pixels, size, field, saliency }) {
    const draw = (bytes, label) => {
      const canvas = make("canvas", { role: "img", "aria-label": label });
      drawPatch(canvas, bytes, size, field);
      return canvas;
    };
    const caption = make("figcaption", {}, formatValue(value));
    const figure = make("figure", { title: name }, draw(pixels, `${name}, ${formatValue(value)}`), ...(saliency ? [draw(saliency, `saliency in ${name}`)] : []), caption);
    return [figure];
  }

  return { element, draw };
}

/** Show one tile of a sheet. */
function makeTile({ address, index, columns, tile, words }) {
  const image = make("div", { class: "look-tile", role: "img", "aria-label": words });
  Object.assign(image.style, { width: `${tile}px`, height: `${tile}px`, backgroundImage: `url("${address}")`, backgroundPosition: `${-(index % columns) * tile}px ${-Math.floor(index / columns) * tile}px` });
  return make("figure", { class: "live-figure" }, image, make("figcaption", {}, words));
}

/** Format a number with three significant digits. */
export const formatValue = (value) => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
