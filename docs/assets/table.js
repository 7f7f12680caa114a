/* The table of recipes: sorts by its headings, filters by words, task and release. Without this script it is a plain table. */
"use strict";

(() => {
  const place = document.querySelector(".recipes");
  if (!place) return;
  const body = place.querySelector("tbody");
  const rows = [...body.rows];
  const element = (tag, attributes, text = "") => {
    const made = Object.assign(document.createElement(tag), attributes);
    made.textContent = text;
    return made;
  };

  // ---- filters: words, task, released
  const bar = element("form", { className: "recipes-bar" });
  bar.setAttribute("role", "search");
  const words = element("input", { type: "search", placeholder: "Find a recipe: gru, 1512.02595, pictures …" });
  words.setAttribute("aria-label", "Find a recipe");
  const task = element("select", {});
  task.setAttribute("aria-label", "Task");
  task.append(element("option", { value: "" }, "every task"));
  for (const name of [...new Set(rows.map((r) => r.dataset.task))].sort())
    task.append(element("option", { value: name }, name.replaceAll("-", " ")));
  const label = element("label", {});
  const released = element("input", { type: "checkbox" });
  label.append(released, " with weights");
  const count = element("output", {});
  count.setAttribute("aria-live", "polite");
  bar.append(words, task, label, count);
  place.before(bar);

  const filter = () => {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const text = row.textContent.toLowerCase();
      row.hidden =
        !wanted.every((w) => text.includes(w)) ||
        (task.value !== "" && row.dataset.task !== task.value) ||
        (released.checked && row.dataset.released !== "1");
      shown += !row.hidden;
    }
    count.textContent = `${shown} of ${rows.length}`;
  };
  for (const part of [words, task, released]) part.addEventListener("input", filter);
  bar.addEventListener("submit", (event) => event.preventDefault());
  filter();

  // ---- headings sort; what has no value comes last either way
  const heads = [...place.querySelectorAll("thead th")];
  heads.forEach((head, column) => {
    const button = element("button", { type: "button" }, head.textContent);
    head.replaceChildren(button);
    const key = (row) => {
      const cell = row.cells[column];
      if (head.dataset.kind === "number") return cell.dataset.sort === "" ? null : Number(cell.dataset.sort);
      return cell.textContent.trim().toLowerCase() || null;
    };
    button.addEventListener("click", () => {
      const way = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", way === 1 ? "ascending" : "descending");
      const order = [...rows].sort((a, b) => {
        const [x, y] = [key(a), key(b)];
        if (x === null || y === null) return (x === null) - (y === null);
        return way * (typeof x === "number" ? x - y : x.localeCompare(y));
      });
      body.replaceChildren(...order);
    });
  });
})();
