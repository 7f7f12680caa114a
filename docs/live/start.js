// Find <div class="live" data-demo="NAME"> and import NAME.js when the reader presses the start button. Its `mount(element)`
// builds the demo. Options of the div:
//   data-title   text of the button                     data-files   files that the start loads, to show their size
//   data-near    start without a click when it comes into view (for demos that load little)
// `mount` reads further data-... of the demo from `element.dataset`.

import { formatBytes, makeButton, explain, make, sumSizes } from "./common.js";

async function begin(element, takesFocus = true) {
  if (element.dataset.started !== undefined) return;
  element.dataset.started = "";
  const box = make("div", { class: "live-demo" });
  element.replaceChildren(box);
  try {
    const demo = await import(`./${element.dataset.demo}.js`);
    await demo.mount(box, element.dataset);
    element.dataset.ready = "";
    if (takesFocus) box.querySelector("button, canvas[tabindex], input, [tabindex]")?.focus({ preventScroll: true });
  } catch (error) {
    explain(box, error);
    delete element.dataset.started;
    box.append(makeButton("Try again", () => begin(element)));
  }
}

function showPoster(element) {
  const size = make("span", { class: "live-size" });
  const words = [...element.childNodes];
  element.replaceChildren(
    make("div", { class: "live-poster" }, ...words, makeButton(element.dataset.title ?? "Start", () => begin(element), { class: "live-start" }), size),
  );
  const names = (element.dataset.files ?? "").split(" ").filter(Boolean);
  if (names.length) {
    sumSizes(...names).then((n) => n && (size.textContent = `loads ${formatBytes(n)}; runs on your device and sends nothing`), () => {});
  }
  if (element.dataset.near !== undefined) {
    const watcher = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      watcher.disconnect();
      begin(element, false);
    });
    watcher.observe(element);
  }
}

document.querySelectorAll(".live[data-demo]").forEach(showPoster);
