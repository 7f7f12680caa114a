// A class of the page Teach a machine: its name, its recordings, and their examples.

import { make, makeButton, makeField } from "./common.js";

/** Return a class with its card: {element, name, isOther, clips, examples, others, canvas, work, addClips, show, showRecording}.
 * `examples` has for each clip a list of {features, variant}, `others` features of pauses. `work` resolves when all are computed. */
export function makeGroupCard(source, { name, isOther, seconds, onRecord, onFiles, onRemove, onChange, onError }) {
  const nameInput = make("input", {
    type: "text", value: name, maxlength: 60, disabled: isOther, placeholder: source.nameHint, "aria-label": "name of the class", oninput: onChange,
  });
  const status = make("p", { class: "live-note", role: "status" }), record = makeButton("", onRecord);
  const files = make("input", { type: "file", accept: source.accept, multiple: true, onchange: async () => { await onFiles([...files.files]); files.value = ""; } });
  const clear = makeButton("Clear", () => {
    Object.assign(group, { clips: [], examples: [], others: [] });
    group.canvas.hidden = true;
    pending = 0;
    onChange();
    group.show();
  });
  const remove = makeButton("Remove", onRemove);
  let pending = 0;

  const group = {
    isOther, clips: [], examples: [], others: [], finish: null, canvas: source.makeCanvas(), nameInput, work: Promise.resolve(),
    get name() { return nameInput.value.trim().replace(/\s+/g, " "); },

    /** Compute the examples of clips, one after the other, and features of pauses. The reader can go on meanwhile. */
    addClips(newClips, pauses = []) {
      const { clips, examples, others } = group; // "Clear" replaces them
      group.canvas.hidden = false;
      pending += newClips.length;
      group.show();
      group.work = group.work.then(async () => {
        for (const clip of newClips) {
          if (group.clips !== clips) return;
          examples.push(await source.computeExamples(clip, clips.length, isOther));
          clips.push(clip);
          if (group.clips === clips) pending--;
          group.show();
        }
        for (const pause of pauses) others.push(await source.compute(pause));
        onChange();
      }).catch((error) => {
        pending = 0;
        onError(error);
        group.show();
      });
      return group.work;
    },

    show() {
      const hint = isOther && !group.clips.length ? `. ${source.otherHint}` : "";
      status.textContent = `${group.clips.length} ${source.noun}${pending ? `, ${pending} more to compute` : hint}`;
      clear.hidden = !group.clips.length;
      Object.assign(group.element.dataset, { clips: group.clips.length, pending });
    },

    /** time: seconds since the recording began, null if this class is not being recorded. */
    showRecording(time, isDisabled = false) {
      record.textContent = time === null ? `Record ${seconds} s` : `Stop (${Math.max(0, Math.ceil(seconds - time))} s)`;
      record.setAttribute("aria-pressed", time !== null);
      record.disabled = files.disabled = isDisabled;
    },
  };
  group.canvas.hidden = true;
  group.element = make("section", { class: "teach-card", "aria-label": "class" },
    nameInput, group.canvas, make("div", {}, record, clear, ...(isOther ? [] : [remove])), makeField(source.filesHint, files), status);
  group.show();
  group.showRecording(null);
  return group;
}
