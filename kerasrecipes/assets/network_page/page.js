// The page of one network, which `kerasrecipes export NAME --web FOLDER` writes. files/page.json names the network and its phrases.

import { explain, fetchFile } from "./common.js";

const element = document.getElementById("page");
try {
  element.replaceChildren();
  const { task, network, streaming, phrases } = JSON.parse(new TextDecoder().decode(await fetchFile("page.json")));
  if (task === "image-classification") {
    const { mountClassifier } = await import("./classifier.js");
    await mountClassifier(element, network);
  } else {
    const { mountRecognizers } = await import("./speech.js");
    await mountRecognizers(element, { recognizers: { [network]: "" }, streaming: streaming ? network : null, phrases });
  }
  element.dataset.ready = "";
} catch (error) {
  explain(element, error);
}
