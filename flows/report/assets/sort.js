"use strict";
// Sorts a table by the button in the head of a column: numbers by value, others as text.
const Sorting = (() => {
  const ORDER = new Intl.Collator("en", { numeric: true });

  function valueOf(row, index) {
    const cell = row.cells[index];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  }

  // Cells without a value come last, whichever way.
  function compare(a, b, sign) {
    const missing = (each) => each === null || each === "–" || Number.isNaN(each);
    if (missing(a) || missing(b)) return missing(a) - missing(b);
    return sign * (typeof a === "number" ? a - b : ORDER.compare(a, b));
  }

  function sortBy(table, head) {
    const ascending = head.getAttribute("aria-sort") === "descending";
    const body = table.tBodies[0];
    const rows = [...body.rows].map((row) => [valueOf(row, head.cellIndex), row]);
    rows.sort((a, b) => compare(a[0], b[0], ascending ? 1 : -1));
    table.querySelectorAll("th[aria-sort]").forEach((each) => each.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    body.replaceChildren(...rows.map(([, row]) => row));
  }

  function enable(root = document) {
    root.querySelectorAll("table[data-sortable] th button").forEach((button) =>
      button.addEventListener("click", () => sortBy(button.closest("table"), button.closest("th"))),
    );
  }
  return { enable };
})();
