// The steps of the page Teach a machine, for sounds and for images: record classes, train, try, download.

import { LiveError, explain, make, makeButton, makeField, offerFile, withProgress } from "./common.js";
import { makeBars } from "./maps.js";
import { makeGroupCard } from "./teach_card.js";
import { findBest, measureHead, trainHead } from "./teach_head.js";
import { writeZip } from "./zip.js";

const SECONDS = 20; // of a recording
const THRESHOLD = 0.7, NUM_RECENT = 8;

/** Return {element, open(), stop()} for a source of examples (teach_sounds.js, teach_images.js). */
export function makeWorkshop(source) {
  const loading = make("div"), problems = make("div"), cards = make("div", { class: "teach-cards" });
  const result = make("div", { class: "teach-result", hidden: true });
  const trainNote = make("p", { class: "teach-note", role: "status", "aria-live": "polite" });
  let groups = [], head = null, labels = [], busy = null, isTrying = false;

  // -------------------------------------------------------------------------------------------- classes

  function addGroup(name, isOther = false) {
    const group = makeGroupCard(source, {
      name, isOther, seconds: SECONDS, onRecord: () => toggleRecording(group), onFiles: (files) => addFiles(files, group),
      onRemove: () => removeGroup(group), onChange: forgetHead, onError: (error) => explain(problems, error),
    });
    const last = groups.findIndex((g) => g.isOther), at = isOther || last < 0 ? groups.length : last;
    groups.splice(at, 0, group);
    cards.insertBefore(group.element, cards.children[at] ?? null);
    return group;
  }

  function removeGroup(group) {
    if (busy?.group === group) group.finish?.();
    groups = groups.filter((g) => g !== group);
    group.element.remove();
    forgetHead();
  }

  /** Run work that a later one may not join: a recording, files, a training. */
  async function occupy(group, work) {
    if (busy) return;
    busy = { group };
    explain(problems, null);
    for (const g of groups) g.showRecording(null, g !== group);
    for (const button of [trainButton, tryButton]) button.disabled = true;
    try {
      await stopTrying();
      await work();
    } catch (error) {
      explain(problems, error);
    } finally {
      await source.stop().catch((error) => explain(problems, error));
      busy = null;
      for (const g of groups) g.showRecording(null);
      trainButton.disabled = false;
      tryButton.disabled = !head;
    }
  }

  function toggleRecording(group) {
    if (busy?.group === group) return group.finish?.();
    return occupy(group, async () => {
      group.showRecording(0);
      await source.record(group, SECONDS, (seconds) => group.showRecording(seconds));
    });
  }

  const addFiles = (files, group) => occupy(group, async () => { for (const file of files) await source.addFile(file, group); });

  /** A change of the classes makes the head old. */
  function forgetHead() {
    head = null;
    result.hidden = true;
    trainNote.textContent = "";
    for (const button of [tryButton, saveModel]) button.disabled = true;
    saveClips.disabled = !groups.some((g) => g.clips.length && !g.isOther);
    stopTrying();
  }

  // -------------------------------------------------------------------------------------------- training

  /** Return the classes with enough examples, and their names. */
  function chooseGroups() {
    const used = groups.filter((g) => !g.isOther && g.clips.length), names = used.map((g) => g.name);
    const short = used.find((g) => g.clips.length < source.least), { noun, least } = source, needed = source.other ? 1 : 2;
    if (used.length < needed) throw new LiveError(`Record ${needed === 1 ? "a class" : "two classes"} first: there are no ${noun} to learn from.`);
    if (short) throw new LiveError(`“${short.name}” has ${short.clips.length} ${noun}. Record at least ${least}.`);
    if (names.some((name) => !name) || new Set(names.map((n) => n.toLowerCase())).size < names.length) throw new LiveError("Give each class a name of its own.");
    return { used, names };
  }

  /** Return the examples of the classes, then those of other speech, all of which only train. */
  async function collectExamples(used) {
    const examples = used.flatMap((g, label) => g.examples.flatMap((list, clip) => list.map((e) => ({ ...e, label, clip }))));
    if (!source.other) return examples;
    const recorded = groups.filter((g) => g.isOther).flatMap((g) => g.examples.flat().map((e) => e.features));
    const others = [...(await source.computeOthers()), ...used.flatMap((g) => g.others), ...recorded];
    return [...examples, ...others.map((features, clip) => ({ features, label: used.length, clip, variant: true }))];
  }

  const train = () => occupy(null, async () => {
    forgetHead();
    const begin = performance.now(), bar = make("progress", { max: 2, value: 0, "aria-label": "training" });
    try {
      await Promise.all(groups.map((g) => g.work)); // features of the last recordings
      trainNote.replaceChildren(bar);
      const { used, names } = chooseGroups();
      labels = source.other ? [...names, source.other] : names;
      const examples = await collectExamples(used);
      const { correct, total } = await measureHead(examples, labels.length, (label) => label < names.length, (share) => (bar.value = share));
      head = await trainHead(examples, labels.length, (share) => (bar.value = 1 + share));
      const seconds = (performance.now() - begin) / 1000, count = used.reduce((n, g) => n + g.clips.length, 0);
      trainNote.textContent = `Trained on ${count} ${source.noun} in ${seconds.toFixed(1)} s.` +
        (total ? ` A first training without every fifth of them got ${correct} of these ${total} right.` : "");
      Object.assign(element.dataset, { trained: seconds.toFixed(2), correct, total });
    } finally {
      bar.remove();
    }
    bars = makeBars(labels);
    barsPlace.replaceChildren(bars.element);
    recent.replaceChildren();
    answer.textContent = "…";
    result.hidden = false;
    for (const button of [saveModel, saveClips]) button.disabled = false;
  });

  // -------------------------------------------------------------------------------------------- trying

  let bars = null, barsPlace = make("div", { class: "teach-bars" });
  const answer = make("div", { class: "teach-answer", role: "status", "aria-live": "polite" }), recent = make("p", { class: "live-note" });
  const threshold = make("input", { type: "range", min: 0.3, max: 0.99, step: 0.01, value: THRESHOLD, "aria-label": "smallest probability that counts" });

  function classify(features) {
    const probabilities = head.predict(features), best = findBest(probabilities);
    const isKnown = labels[best] !== source.other && probabilities[best] >= Number(threshold.value);
    return { probabilities, name: isKnown ? labels[best] : null };
  }

  function showResult(features, seconds) {
    if (!head) return;
    const { probabilities, name } = features ? classify(features) : { probabilities: null, name: null };
    if (probabilities) bars.update(probabilities);
    answer.textContent = name ?? "–";
    answer.classList.toggle("known", name !== null);
    if (source.kind === "sound") {
      const words = probabilities ? name ?? "nothing known" : `too long (${seconds.toFixed(1)} s)`;
      recent.prepend(make("span", { class: name ? "teach-known" : "" }, words));
      while (recent.childNodes.length > NUM_RECENT) recent.lastChild.remove();
    }
    Object.assign(element.dataset, { answer: name ?? "", heard: Number(element.dataset.heard ?? 0) + 1 });
  }

  async function toggleTrying() {
    if (isTrying) return stopTrying();
    if (busy || !head) return;
    explain(problems, null);
    isTrying = true;
    showTrying();
    try {
      await source.start(groups.filter((g) => g.clips.length && !g.isOther), showResult, fail);
    } catch (error) {
      fail(error);
    }
  }

  function fail(error) {
    explain(problems, error);
    stopTrying();
  }

  async function stopTrying() {
    if (!isTrying) return;
    isTrying = false;
    showTrying();
    await source.stop();
  }

  function showTrying() {
    tryButton.textContent = isTrying ? "Stop" : `Try it with the ${source.device}`;
    tryButton.setAttribute("aria-pressed", isTrying);
  }

  /** Recognize files, as the microphone or camera would. */
  const tryFiles = (files) => occupy(null, async () => {
    for (const file of files) {
      const clips = [], group = { canvas: source.makeCanvas(), addClips: (found) => clips.push(...found) };
      await source.addFile(file, group);
      for (const clip of clips) showResult(await source.compute(clip));
    }
  });

  // -------------------------------------------------------------------------------------------- the page

  const trainButton = makeButton("Train", train, { class: "live-start" });
  const tryButton = makeButton(`Try it with the ${source.device}`, toggleTrying, { "aria-pressed": "false", disabled: true });
  const saveModel = makeButton("Download the model (.onnx)", async () => {
    const model = (await source.open()).makeModel(head, source.describe(labels, Number(threshold.value)));
    offerFile(model, source.modelName, "application/octet-stream");
  }, { disabled: true });
  const saveClips = makeButton(`Download the ${source.noun} (.zip)`, async () => {
    offerFile(writeZip(await source.makeFiles(groups.filter((g) => g.clips.length && !g.isOther))), `${source.noun}.zip`, "application/zip");
  }, { disabled: true });
  const tryFile = make("input", {
    type: "file", accept: source.accept, multiple: true, onchange: async () => { await tryFiles([...tryFile.files]); tryFile.value = ""; },
  });
  result.append(answer, barsPlace, recent, make("div", { class: "live-row" }, makeField("or try files", tryFile), makeField("smallest probability that counts", threshold)));

  const element = make("div", { class: "teach-workshop" },
    make("h3", {}, "1. Record"), make("p", { class: "live-note" }, source.steps), ...(source.preview ? [source.preview] : []), cards,
    makeButton(source.addWords, () => { forgetHead(); addGroup("").nameInput.focus(); }),
    make("h3", {}, "2. Train"), make("div", { class: "live-row" }, trainButton, trainNote), loading, problems,
    make("h3", {}, "3. Try"), tryButton, result,
    make("h3", {}, "4. Take it along"), saveModel, saveClips,
  );
  for (const name of source.names) addGroup(name);
  if (source.other) addGroup(source.other, true);
  return {
    element,
    stop: async () => { busy?.group?.finish?.(); await stopTrying(); await source.stop(); },
    /** Load the network while the reader records. A failed load is repeated when its features are needed. */
    open: () => withProgress(loading, (report) => source.open(report)).then(() => (element.dataset.open = ""), (error) => explain(problems, error)),
  };
}
