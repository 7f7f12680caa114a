// The page of `kerasrecipes look`: the toolbox for the model that the server has.

import { explain, make } from "./common.js";
import { askJson, makeServerSource } from "./look_server.js";

const demo = document.querySelector(".live-demo"), title = document.querySelector("h1");
try {
  const model = await askJson("model");
  title.textContent = document.title = `Look inside ${model.name}`;
  if (model.kind === "speech") {
    const { mountSpeech } = await import("./look_speech.js");
    await mountSpeech(demo, model);
  } else {
    const { mountLook } = await import("./look_view.js");
    await mountLook(demo, makeServerSource(model));
  }
  demo.parentElement.dataset.ready = "";
  demo.querySelector("canvas[tabindex]")?.focus({ preventScroll: true });
} catch (error) {
  explain(demo, error);
  demo.append(make("p", { class: "live-note" }, "The terminal in which kerasrecipes look runs may say more."));
}
