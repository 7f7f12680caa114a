// A convolution, animated: input, kernel, products, sum, bias, rectifier and output, with every number of the formula.

import { make, makeButton, makeField } from "./common.js";
import { PADDINGS, computeOutput, convolve, countWeights, describeSize, getGeometry } from "./convolve.js";
import { format, grayColors, makeGrid, makePaintable, signedColors } from "./convolution_draw.js";
import { DRAWINGS, KERNELS, makeDrawing, makeKernel } from "./convolution_inputs.js";

const SPEEDS = { "term by term": 260, "output by output": 420, fast: 70 }; // milliseconds of a step
const SIZES = [4, 5, 6, 7, 8], KERNEL_SIZES = [1, 2, 3, 4, 5], STRIDES = [1, 2, 3], CHANNELS = [1, 2, 4];
const ALL = -1; // no single term is lit: all are
const wait = (ms) => new Promise((next) => setTimeout(next, ms));

export async function mount(element) {
  const select = (options, initial) => make("select", { onchange: () => change() }, ...options.map((v) => make("option", { value: v, selected: v === initial }, String(v))));
  const knobs = {
    drawing: select(DRAWINGS, DRAWINGS[0]), weights: select(KERNELS, KERNELS[0]), size: select(SIZES, 8), kernel: select(KERNEL_SIZES, 3),
    stride: select(STRIDES, 1), dilation: select(STRIDES, 1), padding: select(PADDINGS, "valid"), channels: select(CHANNELS, 1), groups: select(CHANNELS, 1),
    kind: select(["convolution", "transposed"], "convolution"), rectified: make("input", { type: "checkbox", checked: true, onchange: () => change() }), speed: make("select", {}, ...Object.keys(SPEEDS).map((v) => make("option", {}, v))),
  };
  const state = { settings: null, geometry: null, input: [], weights: [], biases: new Float64Array(4), values: [], position: [0, 0, 0], term: ALL, cursors: [], turn: null, drawing: "" };
  const parts = { input: make("div"), kernel: make("div"), products: make("div"), output: make("div") };
  const texts = Object.fromEntries(["formula", "terms", "sums", "sizes", "counts"].map((n) => [n, make("p", { class: `conv-${n}` })]));
  texts.sums.setAttribute("role", "status");
  const play = makeButton("Play", () => (state.turn ? stop() : run()), { class: "live-button conv-play" });
  const buttons = [play, makeButton("Next term", () => (stop(), stepTerm())), makeButton("Next output", () => (stop(), stepOutput(1))), makeButton("Previous output", () => (stop(), stepOutput(-1)))];
  const bias = make("input", { type: "number", step: 0.5, value: 0, class: "conv-number", "aria-label": "bias of the output channel", oninput: () => { state.biases[state.position[0]] = Number(bias.value) || 0; compute(); } });
  const section = (words, content, name) => make("section", { class: `conv-part conv-${name}` }, make("h3", {}, words), content);
  const titles = { kernel: make("span", {}, "Kernel") };
  let grids = { input: [], output: [] }, cells = { kernel: [], products: [] };

  element.classList.add("conv");
  element.append(
    make("div", { class: "live-row conv-knobs" }, ...Object.entries({ drawing: "drawing", weights: "kernel", size: "input size n", kernel: "kernel size k", stride: "stride s", dilation: "dilation d", padding: "padding", channels: "channels", groups: "groups", kind: "kind", rectified: "rectifier" }).map(([k, words]) => makeField(words, knobs[k]))),
    make("div", { class: "conv-buttons" }, ...buttons, makeField("speed", knobs.speed)),
    make("div", { class: "conv-flow" }, section("Input", parts.input, "input"), section(titles.kernel, parts.kernel, "kernel"), section("Products", parts.products, "products"), section("Output", parts.output, "output")),
    texts.formula, texts.terms, make("div", { class: "conv-result" }, makeField("bias", bias), texts.sums), texts.sizes, texts.counts,
  );
  new ResizeObserver(() => state.settings && paint()).observe(element);

  /** Read the knobs; make the drawing and the kernel again where their sizes or names changed. */
  async function change() {
    stop();
    const number = (k) => Number(knobs[k].value), channels = number("channels");
    for (const option of knobs.groups.options) option.disabled = Number(option.value) > channels;
    if (number("groups") > channels) knobs.groups.value = channels;
    const settings = { size: number("size"), kernel: number("kernel"), stride: number("stride"), dilation: number("dilation"), padding: knobs.padding.value, transposed: knobs.kind.value === "transposed", channels, groups: number("groups"), rectified: knobs.rectified.checked };
    const drawing = `${knobs.drawing.value} ${settings.size} ${channels}`, kernel = `${knobs.weights.value} ${settings.kernel} ${channels} ${settings.groups}`;
    const input = drawing === state.drawing ? state.input : await makeDrawing(knobs.drawing.value, settings);
    if (kernel !== state.kernel) state.weights = makeKernel(knobs.weights.value, settings);
    const geometry = getGeometry(settings), middle = Math.max(geometry.outputs - 1, 0) >> 1; // where a drawing has its ink
    Object.assign(state, { settings, geometry, input, drawing, kernel, position: [0, middle, middle], term: ALL });
    build();
    compute();
  }

  /** Make the grids and the fields of the kernel for the settings. */
  function build() {
    const { channels, groups, kernel } = state.settings, each = channels / groups;
    grids = { input: [], output: [] };
    for (let l = 0; l < channels; l++) {
      const grid = makeGrid({ tabindex: 0, role: "application", "aria-label": `input channel ${l}: arrow keys move, digits set a cell, space switches it` });
      makePaintable(grid, { set: (y, x, value) => setCell(l, y, x, value), getRows: () => state.settings.size, onCursor: (cursor) => { state.cursors[l] = cursor; paint(); } });
      grids.input.push(grid);
      const output = makeGrid({ tabindex: 0, role: "application", "aria-label": `output channel ${l}: arrow keys move the window, space plays, Enter lights the next term` });
      output.canvas.addEventListener("pointerdown", (event) => { const place = output.locate(event); if (place) stop(), move([l, ...place]); });
      output.canvas.addEventListener("keydown", (event) => handleKey(event, l));
      grids.output.push(output);
    }
    for (const side of ["input", "output"]) parts[side].replaceChildren(...grids[side].map((g) => g.element));
    const table = (makeCell) => Array.from({ length: each }, (_, l) => make("div", { class: "conv-table", style: `grid-template-columns: repeat(${kernel}, minmax(0, 1fr))` }, ...Array.from({ length: kernel * kernel }, (_, i) => makeCell(l * kernel * kernel + i))));
    cells = { kernel: [], products: [] };
    parts.kernel.replaceChildren(...table((i) => (cells.kernel[i] = make("input", { type: "number", step: "any", class: "conv-number", "aria-label": `weight ${getWords(i)}`, oninput: () => setWeight(i) }))));
    parts.products.replaceChildren(...table((i) => (cells.products[i] = make("span", { class: "conv-number" }))));
  }

  const getWords = (i) => { const k = state.settings.kernel; return `${Math.floor(i / k) % k}, ${i % k} of channel ${Math.floor(i / k / k)}`; };
  const getOffset = () => { const { channels, groups, kernel } = state.settings; return (state.position[0] * channels * kernel * kernel) / groups; };

  function setWeight(i) {
    state.weights[getOffset() + i] = Number(cells.kernel[i].value) || 0;
    compute();
  }

  function setCell(l, y, x, value) {
    const { size } = state.settings, at = (l * size + y) * size + x;
    state.input[at] = value ?? (state.input[at] ? 0 : 9);
    compute();
    return state.input[at];
  }

  function compute() {
    state.values = convolve(state.input, state.weights, state.biases, state.settings);
    paint();
  }

  function move(position, term = ALL) {
    Object.assign(state, { position, term });
    paint();
  }

  /** Light the next term of the sum; after the last one go to the next output. */
  function stepTerm() {
    if (!state.geometry.outputs) return;
    const { terms } = computeOutput(state.input, state.weights, state.biases, state.position, state.settings);
    if (state.term + 1 < terms.length) move(state.position, state.term + 1);
    else stepOutput(1, terms.length ? 0 : ALL);
  }

  function stepOutput(step, term = ALL) {
    const { outputs } = state.geometry, all = state.settings.channels * outputs * outputs, [o, y, x] = state.position;
    if (!all) return;
    const next = ((o * outputs + y) * outputs + x + step + all) % all;
    move([Math.floor(next / outputs / outputs), Math.floor(next / outputs) % outputs, next % outputs], term);
  }

  async function run() {
    if (!state.geometry.outputs) return;
    const turn = (state.turn = {});
    play.textContent = "Pause";
    while (state.turn === turn && element.isConnected) {
      if (knobs.speed.value === "term by term") stepTerm();
      else stepOutput(1);
      await wait(SPEEDS[knobs.speed.value]);
    }
  }

  function stop() {
    state.turn = null;
    play.textContent = "Play";
  }

  function handleKey(event, channel) {
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key], last = state.geometry.outputs - 1;
    if (event.ctrlKey || event.altKey || event.metaKey || last < 0) return;
    const [o, ...place] = state.position, from = o === channel ? place : [0, 0];
    if (step) stop(), move([channel, ...from.map((v, i) => Math.min(last, Math.max(0, v + (o === channel ? step[i] : 0))))]);
    else if (event.key === "Home" || event.key === "End") stop(), move([channel, ...(event.key === "Home" ? [0, 0] : [last, last])]);
    else if (event.key === " ") state.turn ? stop() : run();
    else if (event.key === "Enter") stop(), stepTerm();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  /** Show the numbers of the current output. */
  function paint() {
    const { settings, geometry, position, input, weights, biases, values } = state, { size, kernel, channels, groups, transposed } = settings;
    const { outputs, before, after } = geometry, [o, row, column] = position, each = channels / groups, first = Math.floor(o / each) * each;
    const result = outputs ? computeOutput(input, weights, biases, position, settings) : { terms: [], sum: 0, biased: 0, output: 0 };
    const { terms } = result, lit = state.term === ALL ? null : terms[state.term], room = Math.min(300, element.clientWidth - 40);
    const largest = (all) => all.reduce((most, v) => Math.max(most, Math.abs(v)), 1e-9);
    grids.input.forEach((grid, l) => {
      const window = terms.filter((t) => t.channel === l).map((t) => [t.row, t.column]), isUsed = l >= first && l < first + each;
      grid.draw({ rows: size, before: transposed ? 0 : before, after: transposed ? 0 : after, values: input.subarray(l * size * size), colors: (v) => grayColors(v, 9), window, active: lit?.channel === l ? [lit.row, lit.column] : undefined, cursor: state.cursors[l] ?? undefined, isPale: () => !isUsed, room, words: channels > 1 ? `channel ${l}` : "" });
    });
    const most = largest(Array.from(values));
    grids.output.forEach((grid, k) => grid.draw({
      rows: outputs, values: values.subarray(k * outputs * outputs), colors: (v) => signedColors(v, most), window: [], active: k === o && outputs ? [row, column] : undefined, room, words: channels > 1 ? `channel ${k}` : "",
      isPale: (y, x) => state.turn && (k - o || y - row || x - column) > 0,
    }));
    titles.kernel.textContent = channels > 1 ? `Kernel of output channel ${o}` : "Kernel";
    const offset = getOffset(), own = weights.subarray(offset, offset + each * kernel * kernel), highest = largest(Array.from(own));
    const byIndex = new Map(terms.map((t) => [t.index - offset, t])), top = largest(terms.map((t) => t.product));
    own.forEach((weight, i) => {
      const [field, product, term] = [cells.kernel[i], cells.products[i], byIndex.get(i)], isLit = Boolean(term && term === lit);
      if (document.activeElement !== field || Number(field.value) !== weight) field.value = Math.round(100 * weight) / 100;
      for (const [cell, [back, front]] of [[field, signedColors(weight, highest)], [product, signedColors(term?.product ?? 0, top)]]) {
        Object.assign(cell.style, { background: back, color: front });
        cell.classList.toggle("lit", isLit);
        cell.classList.toggle("unused", !term);
      }
      product.textContent = term ? format(term.product) : "";
    });
    if (document.activeElement !== bias) bias.value = biases[o];
    describe(result, lit);
    play.disabled = !outputs;
    Object.assign(element.dataset, { position: position.join(), term: state.term, sum: result.sum, output: result.output, outputs });
  }

  function describe({ terms, sum, biased, output }, lit) {
    const { settings, geometry, position: [o, row, column], biases } = state, { stride: s, dilation: d, transposed, padding, rectified, channels } = settings, p = geometry.before;
    const relu = rectified ? "max(0, " : "", end = rectified ? ")" : "", which = channels > 1 ? ["o, l, m, n", "l, ", `${o}, `] : ["m, n", "", ""];
    const source = (at, tap) => (transposed ? `(${at} + ${p} − ${tap} · ${d}) / ${s}` : `${at} · ${s} + ${tap} · ${d} − ${p}`);
    const read = (at, tap) => (transposed ? `(${at} + p − ${tap} · d) / s` : `${at} · s + ${tap} · d − p`);
    texts.formula.replaceChildren(`y[${channels > 1 ? "o, " : ""}r, c] = ${relu}Σ w[${which[0]}] · x[${which[1]}${read("r", "m")}, ${read("c", "n")}] + b${end}`, make("br"), `y[${which[2]}${row}, ${column}] = ${relu}Σ w[${which[0]}] · x[${which[1]}${source(row, "m")}, ${source(column, "n")}] + b${end}`);
    texts.formula.append(transposed ? "; only where the indices of x are whole numbers inside of the input" : p ? `; p = ${p} zeros before the input` : "");
    texts.terms.replaceChildren(...terms.flatMap((t, i) => [
      i ? " + " : "", make("span", { class: `conv-term${t === lit ? " lit" : ""}${t.isPadding ? " padding" : ""}` }, `${t.weight < 0 ? `(${format(t.weight)})` : format(t.weight)}·${format(t.value)}`),
    ]), terms.length ? ` = ${format(sum)}` : "no input reaches this output: the sum is 0");
    texts.sums.textContent = geometry.outputs
      ? `Output ${row}, ${column}${channels > 1 ? ` of channel ${o}` : ""}: sum ${format(sum)} + bias ${format(biases[o])} = ${format(biased)}${rectified ? `; rectifier max(0, ${format(biased)}) = ${format(output)}` : ""}`
      : `The kernel reaches over ${geometry.reach} cells, more than this input has${padding === "full" ? " outputs for" : ""}: no output. Choose a larger input, a smaller kernel or dilation, or another padding.`;
    const { reach, formula, numbers } = describeSize(settings), { convolution, dense } = countWeights(settings);
    texts.sizes.textContent = `Size: ${reach} cells. ${transposed ? "Transposed, " : ""}${padding}: outputs = ${formula} = ${numbers} in each direction.`;
    texts.counts.textContent = `Weights and biases: ${convolution.toLocaleString("en")}. A fully connected layer between the same sizes: ${dense.toLocaleString("en")}.`;
  }

  await change();
}
