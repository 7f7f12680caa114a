// The page of one recognizer, which `kerasrecipes export NAME --web FOLDER` writes. files/page.json names its network and its phrases.

import { explain, fetchFile } from "./common.js";
import { mountRecognizers } from "./speech.js";

const element = document.getElementById("page");
try {
  element.replaceChildren();
  const { network, streaming, phrases } = JSON.parse(new TextDecoder().decode(await fetchFile("page.json")));
  await mountRecognizers(element, { recognizers: { [network]: "" }, streaming: streaming ? network : null, phrases });
  element.dataset.ready = "";
} catch (error) {
  explain(element, error);
}
