// Finds <div class="live" data-demo="NAME"> and imports NAME.js when the reader presses its start button; its `mount(element)`
// builds the demo. Options of the div:
//   data-title   the button's words                     data-files   what a start loads, to say how many bytes
//   data-near    start by itself when it comes into view (for demos that load next to nothing)
// Other data-... are the demo's own: `mount` reads them from `element.dataset`.

import { bytes, button, explain, make, sizeOf } from "./common.js";

async function begin(element) {
  if (element.dataset.started !== undefined) return;
  element.dataset.started = "";
  const box = make("div", { class: "live-demo" });
  element.replaceChildren(box);
  try {
    const demo = await import(`./${element.dataset.demo}.js`);
    await demo.mount(box, element.dataset);
    element.dataset.ready = "";
    box.querySelector("button, canvas[tabindex], input, [tabindex]")?.focus({ preventScroll: true });
  } catch (error) {
    explain(box, error);
    delete element.dataset.started;
    box.append(button("Try again", () => begin(element)));
  }
}

function poster(element) {
  const size = make("span", { class: "live-size" });
  const words = [...element.childNodes];
  element.replaceChildren(
    make("div", { class: "live-poster" }, ...words, button(element.dataset.title ?? "Start", () => begin(element), { class: "live-start" }), size),
  );
  const names = (element.dataset.files ?? "").split(" ").filter(Boolean);
  if (names.length) {
    sizeOf(...names).then((n) => n && (size.textContent = `loads ${bytes(n)}; computes on your device, nothing is sent`), () => {});
  }
  if (element.dataset.near !== undefined) {
    const watcher = new IntersectionObserver((seen) => {
      if (!seen.some((s) => s.isIntersecting)) return;
      watcher.disconnect();
      begin(element);
    });
    watcher.observe(element);
  }
}

document.querySelectorAll(".live[data-demo]").forEach(poster);
