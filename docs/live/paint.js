// Paint a picture: a network gets the coordinates of a pixel and learns its color.

import { explain, make, makeButton, makeField, makeFileInput, makeFigure } from "./common.js";
import { buildNet } from "./definition.js";
import { PictureTraining } from "./function_training.js";
import { drawColor } from "./maps.js";
import { formatNumber, makeDefinitionBox, makeLoop, makeSettings, showStats } from "./net_parts.js";
import { trackNewest } from "./newest.js";
import { findCenteredBox, readImage, resize } from "./pixels.js";
import { chooseSeed } from "./random.js";

export const NETWORK = ["input 2", ...Array(5).fill("fc 20, relu"), "regression 3"].join("\n");
export const SETTINGS = { method: "momentum", rate: 0.01, momentum: 0.9, batch: 5, decay: 0 };
const SIDE = 80, ZOOM = 3; // pixels of the picture; size of a pixel on the screen
const SAMPLES = { chelsea: "Chelsea the cat (Stéfan van der Walt, CC0)", rocket: "Falcon 9 (SpaceX, CC0)", coffee: "Coffee (Rachel Michetti, CC0)" };

export async function mount(element) {
  let training, picture, seed = 1;
  const problems = make("div"), stats = make("dl", { class: "live-stats" });
  const original = make("canvas", { role: "img", "aria-label": "the picture" }), painted = make("canvas", { role: "img", "aria-label": "the picture of the network" });

  function show() {
    drawColor(painted, training.paint(), [SIDE, SIDE], { zoom: ZOOM });
    const { trainer, loss, net } = training;
    showStats(stats, {
      "pixels": trainer.numExamples.toLocaleString("en"), "loss, half the squared error": formatNumber(loss, 4),
      "parameters": net.parameters.reduce((n, p) => n + p.value.length, 0).toLocaleString("en"), "numbers of the picture": (3 * SIDE * SIDE).toLocaleString("en"),
    });
    Object.assign(element.dataset, { examples: trainer.numExamples, loss: formatNumber(loss, 5) });
  }

  function begin(net) {
    const next = new PictureTraining(picture, [SIDE, SIDE], net, settings.read(), seed);
    loop.switch(false);
    training = next;
    show();
  }

  const beginChoice = trackNewest();
  async function choose(source) {
    const isCurrent = beginChoice();
    try {
      const { rgb, shape } = await readImage(source, 512);
      if (!isCurrent()) return;
      picture = resize(rgb, shape, [SIDE, SIDE], findCenteredBox(shape, [SIDE, SIDE]));
      drawColor(original, picture, [SIDE, SIDE], { zoom: ZOOM });
      explain(problems, null);
      box.build();
    } catch (error) {
      explain(problems, error);
    }
  }

  const loop = makeLoop(element, () => training.step(), () => show(), (error) => explain(problems, error), { redraw: 700, words: "Start painting" });
  const settings = makeSettings(SETTINGS, (values) => training.trainer.change(values));
  const box = makeDefinitionBox(NETWORK, (text) => begin(buildNet(text, seed)), { rows: 8 });
  const getSampleUrl = (name) => new URL(`samples/${name}.png`, import.meta.url).href;
  const thumbnails = Object.entries(SAMPLES).map(([name, words]) => {
    const thumbnail = makeButton("", () => choose(getSampleUrl(name)), { "aria-label": words, title: words });
    thumbnail.append(make("img", { src: getSampleUrl(name), alt: "", loading: "lazy" }));
    return thumbnail;
  });
  element.append(
    make("div", { class: "live-row" }, loop.button, makeButton("New random weights", () => { seed = chooseSeed(); box.build(); }),
      make("div", { class: "live-samples" }, ...thumbnails), makeField("Your picture (or drop it here)", makeFileInput(element, "image/*", choose))),
    problems,
    make("div", { class: "live-row" }, makeFigure(`the picture, ${SIDE} × ${SIDE} pixels`, original), makeFigure("what the network paints", painted), stats),
    box.element, settings.element, make("p", { class: "live-note" }, `Samples: ${Object.values(SAMPLES).join("; ")}.`),
  );
  await choose(getSampleUrl("chelsea"));
}
