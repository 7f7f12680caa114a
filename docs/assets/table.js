/* Tables of recipes: sort by a heading, filter by words, task and released weights. Without this script they are plain tables. */
"use strict";

(() => {
  const container = document.querySelector(".recipe-tables");
  if (!container) return;
  const rows = [...container.querySelectorAll("tbody tr")];
  const makeElement = (tag, attributes, text = "") => {
    const element = Object.assign(document.createElement(tag), attributes);
    element.textContent = text;
    return element;
  };

  // ---- filters: words, task, released
  const bar = makeElement("form", { className: "recipes-bar" });
  bar.setAttribute("role", "search");
  const words = makeElement("input", { type: "search", placeholder: "Find a recipe: gru, 1512.02595, images …" });
  words.setAttribute("aria-label", "Find a recipe");
  const task = makeElement("select", {});
  task.setAttribute("aria-label", "Task");
  task.append(makeElement("option", { value: "" }, "all tasks"));
  for (const name of [...new Set(rows.map((r) => r.dataset.task))].sort())
    task.append(makeElement("option", { value: name }, name.replaceAll("-", " ")));
  const label = makeElement("label", {});
  const released = makeElement("input", { type: "checkbox" });
  label.append(released, " with released weights");
  const output = makeElement("output", {});
  output.setAttribute("aria-live", "polite");
  bar.append(words, task, label, output);
  container.before(bar);

  const folds = [...container.querySelectorAll("details")];
  const wasOpen = new Map(folds.map((fold) => [fold, fold.open]));
  const filterRows = () => {
    const terms = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let count = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden =
        !terms.every((w) => text.includes(w)) ||
        (task.value !== "" && row.dataset.task !== task.value) ||
        (released.checked && row.dataset.released !== "1");
      count += !row.hidden;
    }
    for (const part of container.querySelectorAll("section, .recipes, details"))
      part.hidden = !part.querySelector("tbody tr:not([hidden])");
    const isFiltered = terms.length > 0 || task.value !== "";
    for (const fold of folds) fold.open = isFiltered || wasOpen.get(fold);
    output.textContent = `${count} of ${rows.length}`;
  };
  for (const part of [words, task, released]) part.addEventListener("input", filterRows);
  bar.addEventListener("submit", (event) => event.preventDefault());
  filterRows();

  // ---- sort a table by a heading; rows without a value come last in both directions
  for (const table of container.querySelectorAll("table")) {
    const heads = [...table.querySelectorAll("thead th")];
    const body = table.querySelector("tbody");
    heads.forEach((head, column) => {
      const button = makeElement("button", { type: "button" }, head.textContent);
      head.replaceChildren(button);
      const getKey = (row) => {
        const cell = row.cells[column];
        if (head.dataset.kind === "number") return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
        return cell.textContent.trim().toLowerCase() || null;
      };
      button.addEventListener("click", () => {
        const direction = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        for (const other of heads) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", direction === 1 ? "ascending" : "descending");
        const order = [...body.rows].sort((a, b) => {
          const [x, y] = [getKey(a), getKey(b)];
          if (x === null || y === null) return (x === null) - (y === null);
          return direction * (typeof x === "number" ? x - y : x.localeCompare(y));
        });
        body.replaceChildren(...order);
      });
    });
  }
})();
