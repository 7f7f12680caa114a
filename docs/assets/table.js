/* Table of recipes: sort by a heading, filter by words, task and released weights. Without this script it is a plain table. */
"use strict";

(() => {
  const container = document.querySelector(".recipes");
  if (!container) return;
  const body = container.querySelector("tbody");
  const rows = [...body.rows];
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
    output.textContent = `${count} of ${rows.length}`;
  };
  for (const part of [words, task, released]) part.addEventListener("input", filterRows);
  bar.addEventListener("submit", (event) => event.preventDefault());
  filterRows();

  // ---- sort by a heading; rows without a value come last in both directions
  const heads = [...container.querySelectorAll("thead th")];
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
      const order = [...rows].sort((a, b) => {
        const [x, y] = [getKey(a), getKey(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return direction * (typeof x === "number" ? x - y : x.localeCompare(y));
      });
      body.replaceChildren(...order);
    });
  });
})();
