// Tables: sort by a column, save as CSV.
(() => {
  "use strict";
  const { element, csvButton } = globalThis.oncospec;
  const collator = new Intl.Collator(document.documentElement.lang || "en", { numeric: true, sensitivity: "base" });
  const UNDEFINED = new Set(["", "-", "–", "—", "undefined"]);
  const NUMBER = /[-+−]?(?:\d[\d,]*)?\.?\d+(?:e[-+−]?\d+)?/i;

  /// The text of a cell; what stands on a line of its own is kept apart.
  function text(cell) {
    const copy = cell.cloneNode(true);
    for (const block of copy.querySelectorAll("br, p, .under, .over, .interval, .badge")) block.before(" ");
    return copy.textContent.replace(/\s+/g, " ").trim();
  }

  /// The exact value of a cell where it has one, else its text.
  const content = (cell) => cell.dataset.value ?? text(cell);

  /// The first number of a text, which may have thousands separators; `null` where there is none.
  function firstNumber(text) {
    const found = NUMBER.exec(text);
    return found && Number(found[0].replaceAll(",", "").replaceAll("−", "-"));
  }

  /// The cell of each column, by index; one that spans several stands in the first of them.
  function cellsByColumn(row) {
    const cells = [];
    for (const cell of row.cells) {
      cells.push(cell);
      for (let more = 1; more < cell.colSpan; more += 1) cells.push(null);
    }
    return cells;
  }

  /// A column is of numbers if its header says so, or all of its cells begin with one.
  function isNumeric(header, cells) {
    if (header.classList.contains("number")) return true;
    return cells.filter(Boolean).map(content).every((one) => UNDEFINED.has(one) || one.search(NUMBER) === 0);
  }

  /// What a cell is sorted by; `null` for one that is empty or undefined.
  function key(cell, numeric) {
    if (!cell) return null;
    const shown = content(cell);
    if (UNDEFINED.has(shown.toLowerCase())) return null;
    return numeric ? firstNumber(shown) : shown;
  }

  /// Sorts the rows of each body: those without a value last in both directions, equal ones in the order of the page.
  function sort(table, column, header, descending) {
    const rows = [...table.tBodies].flatMap((body) => [...body.rows]);
    const cells = new Map(rows.map((row) => [row, cellsByColumn(row)[column]]));
    const numeric = isNumeric(header, [...cells.values()]);
    const keys = new Map(rows.map((row) => [row, key(cells.get(row), numeric)]));
    const compare = (a, b) => {
      const [first, second] = [keys.get(a), keys.get(b)];
      if (first === null || second === null) return (first === null) - (second === null);
      const order = numeric ? first - second : collator.compare(first, second);
      return descending ? -order : order;
    };
    for (const body of table.tBodies) {
      const original = [...body.rows].sort((a, b) => places.get(a) - places.get(b));
      body.append(...original.sort(compare));
    }
  }

  const places = new WeakMap();

  function makeSortable(table) {
    const row = table.tHead && table.tHead.rows[table.tHead.rows.length - 1];
    if (!row) return;
    [...table.tBodies].flatMap((body) => [...body.rows]).forEach((one, index) => places.set(one, index));
    cellsByColumn(row).forEach((header, column) => {
      if (!header || header.colSpan > 1 || !header.textContent.trim() || header.querySelector("a, button")) return;
      const click = () => {
        const descending = header.getAttribute("aria-sort") === "ascending";
        for (const other of row.cells) other.removeAttribute("aria-sort");
        header.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sort(table, column, header, descending);
      };
      header.append(element("button", { type: "button", class: "sort", click }, ...header.childNodes));
    });
  }

  /// The table as it is shown; a cell that has its exact value gives that.
  function rowsOf(table) {
    const rows = [...table.rows].filter((row) => row.parentElement !== table.tHead || row === table.tHead.lastElementChild);
    return rows.map((row) => cellsByColumn(row).map((cell) => cell && content(cell)));
  }

  for (const table of document.querySelectorAll("table.sortable")) makeSortable(table);
  for (const table of document.querySelectorAll("table[data-csv]")) {
    const save = csvButton(table.dataset.csv, () => rowsOf(table));
    (table.closest(".scroll") ?? table).after(save);
  }
})();
