// Teach a machine: record own commands or classes, train a head on a frozen network, try it, and take it along.

import { explain, make } from "./common.js";
import { makeImageSource } from "./teach_images.js";
import { makeSoundSource } from "./teach_sounds.js";
import { makeWorkshop } from "./teach_workshop.js";

const KINDS = {
  sound: { words: "Commands, by microphone", makeSource: makeSoundSource },
  image: { words: "Things, by camera", makeSource: makeImageSource },
};

export async function mount(element) {
  const place = make("div"), workshops = {};
  let current = null;

  async function show(kind) {
    await current?.stop().catch((error) => explain(place, error));
    current = workshops[kind] ??= makeWorkshop(KINDS[kind].makeSource(place));
    place.replaceChildren(current.element);
    element.dataset.kind = kind;
    current.open();
  }

  const radios = Object.entries(KINDS).map(([kind, { words }], i) =>
    make("label", { class: "teach-kind" }, make("input", { type: "radio", name: "teach-kind", checked: i === 0, onchange: () => show(kind) }), words));
  element.classList.add("teach");
  element.append(make("fieldset", { class: "teach-kinds" }, make("legend", {}, "What should it recognize?"), ...radios), place);
  await show("sound");
}
