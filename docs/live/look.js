// The page Look inside: the toolbox with squeezenet, which runs in the browser.

import { withProgress } from "./common.js";
import { makeSource, open } from "./look_net.js";
import { mountLook } from "./look_view.js";

export async function mount(element) {
  const look = await withProgress(element, open);
  await mountLook(element, makeSource(look));
}
