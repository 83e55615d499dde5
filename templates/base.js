// What the scripts of the page share; the first of them.
(() => {
  "use strict";

  /// An element with attributes and children. Children that are strings become text, never markup.
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (typeof value === "function") made.addEventListener(key, value);
      else made.setAttribute(key, value);
    }
    made.append(...children);
    return made;
  }

  function button(text, click, attributes = {}) {
    return element("button", { type: "button", class: "button", click, ...attributes }, text);
  }

  /// A figure as the rest of the page writes it: about three digits, a dash where it is undefined.
  function figure(value) {
    if (!Number.isFinite(value)) return "–";
    const size = Math.abs(value);
    if (size >= 1e6 || (size > 0 && size < 5e-4)) return value.toExponential(2).replace("e+", "e");
    return value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : 3);
  }

  /// The mark of a run, as the page draws it elsewhere.
  function mark(run) {
    return document.querySelector(`[data-run="${run}"] .mark`)?.cloneNode(true) ?? "";
  }

  /// The key of an event; none where it is part of a shortcut of the browser.
  const keyOf = (event) => (event.altKey || event.ctrlKey || event.metaKey ? "" : event.key);

  /// A cell of a CSV file. A spreadsheet would run a text that begins like a formula: an apostrophe stands before it.
  function csvCell(value) {
    const text = String(value ?? "");
    const safe = /^[=+\-@\t\r]/.test(text) && !Number.isFinite(Number(text)) ? `'${text}` : text;
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  }

  /// A button that saves rows as CSV.
  function csvButton(name, rows) {
    const save = () => {
      const text = rows().map((row) => row.map(csvCell).join(",")).join("\r\n");
      const download = `${name.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-|-$/g, "") || "table"}.csv`;
      element("a", { download, href: `data:text/csv;charset=utf-8,${encodeURIComponent(text)}` }).click();
    };
    return button("Save CSV", save, { class: "button save", "aria-label": `Save CSV: ${name}` });
  }

  globalThis.oncospec = { element, button, figure, mark, keyOf, csvButton };
})();
