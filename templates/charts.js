// Charts: read values by pointer and keyboard, hide and show runs, save the points.
(() => {
  "use strict";
  const { element, figure: number, mark, keyOf, csvButton } = globalThis.oncospec;

  function svgElement(name, attributes) {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  const axisText = (value) => String(Number.isInteger(value) ? value : Number(value.toPrecision(4)));

  /// The index of the nearest number in a sorted list.
  function nearest(sorted, value) {
    let [low, high] = [0, sorted.length - 1];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (sorted[middle] < value) low = middle;
      else high = middle;
    }
    return Math.abs(sorted[low] - value) < Math.abs(sorted[high] - value) ? low : high;
  }

  /// The point of a line nearest to x; none outside its extent.
  function pointAt({ sorted, across }, x) {
    return x < across[0] || x > across[across.length - 1] ? undefined : sorted[nearest(across, x)];
  }

  function makeChart(figure) {
    const svg = figure.querySelector("svg");
    const data = JSON.parse(figure.querySelector("script").textContent);
    const [left, top, right, bottom] = data.frame;
    const [x0, x1] = data.x_range;
    const [y0, y1] = data.y_range;
    const across = (x) => left + ((x - x0) / (x1 - x0 || 1)) * (right - left);
    const down = (y) => bottom - ((y - y0) / (y1 - y0 || 1)) * (bottom - top);
    for (const line of data.lines) {
      line.sorted = line.points.filter((point) => point[0] !== null).sort((a, b) => a[0] - b[0]);
      line.across = line.sorted.map((point) => point[0]);
    }
    const hidden = new Set();
    /// The lines that are visible, where the cursor stops, at which stop it is, and what it reads there.
    let visible, stops, at, read;

    const cursor = svgElement("g", { class: "cursor" });
    const box = element("div", { class: "read-out", hidden: "", "aria-hidden": "true" });
    const spoken = element("p", { class: "visually-hidden", "aria-live": "polite" });
    const title = figure.querySelector("figcaption").textContent.trim();
    // An application: a screen reader hands the arrow keys on to it.
    const area = element("div", {
      class: "chart-area", tabindex: 0, role: "application", "aria-label": title, blur: hide, keydown: pressed,
      "aria-description": "Left and Right read the values, Home and End go to the ends, Escape hides them.",
    });
    svg.replaceWith(area);
    svg.append(cursor);
    area.append(svg, box, spoken);
    const points = () => data.lines.flatMap((line) => line.points.map((point) => [line.name, ...point]));
    figure.append(csvButton(title, () => [["line", data.x, data.y], ...points()]));
    svg.addEventListener("pointermove", pointed);
    svg.addEventListener("pointerdown", pointed);
    svg.addEventListener("pointerleave", (event) => event.pointerType === "mouse" && hide());
    update();

    function update() {
      visible = data.lines.filter((line) => !hidden.has(line.run));
      const defined = visible.flatMap((line) => line.sorted.filter((point) => point[1] !== null));
      stops = [...new Set(defined.map((point) => point[0]))].sort((a, b) => a - b);
      for (const drawn of svg.querySelectorAll("[data-line]")) {
        drawn.classList.toggle("hidden-line", hidden.has(data.lines[drawn.dataset.line]?.run));
      }
      hide();
    }

    function toggle(run, hide) {
      hidden[hide ? "add" : "delete"](run);
      update();
    }

    function pointed({ clientX }) {
      const shown = svg.getBoundingClientRect();
      const place = ((clientX - shown.left) / shown.width) * svg.viewBox.baseVal.width;
      if (stops.length) show(nearest(stops, x0 + ((place - left) / (right - left)) * (x1 - x0)));
    }

    function pressed(event) {
      const last = stops.length - 1;
      const before = at === null ? last : at - 1;
      const to = { ArrowLeft: before, ArrowRight: (at ?? -1) + 1, Home: 0, End: last }[keyOf(event)];
      if (to === undefined || last < 0) return;
      event.preventDefault();
      show(Math.min(last, Math.max(0, to)));
      const said = read.map(({ line, point }) => `${line.name} ${number(point?.[1])}`);
      spoken.textContent = `${data.x} ${axisText(stops[at])}: ${said.join("; ")}`;
    }

    function hide() {
      at = null;
      box.hidden = true;
      cursor.replaceChildren();
      spoken.textContent = "";
    }

    /// Shows the values at a stop, the highest first as in the drawing.
    function show(stop) {
      if (stop === at) return;
      at = stop;
      const x = stops[stop];
      const height = ({ point }) => point?.[1] ?? -Infinity;
      read = visible.map((line) => ({ line, point: pointAt(line, x) })).sort((a, b) => height(b) - height(a) || 0);
      const dots = read.filter(({ point }) => Number.isFinite(point?.[1])).map(({ line, point }) =>
        svgElement("circle", { cx: across(point[0]), cy: down(point[1]), r: 7, class: `mark-${line.run % 10}` }));
      cursor.replaceChildren(svgElement("line", { x1: across(x), x2: across(x), y1: top, y2: bottom }), ...dots);
      const rows = read.map(({ line, point }) => {
        const elsewhere = point && point[0] !== x ? ` at ${axisText(point[0])}` : "";
        return element("div", { class: "reading" }, mark(line.run), element("bdi", {}, line.name),
          element("span", { class: "number" }, element("strong", {}, number(point?.[1])), elsewhere));
      });
      box.replaceChildren(element("p", {}, `${data.x} ${axisText(x)}`), ...rows);
      // On the side that the cursor leaves free.
      box.classList.toggle("on-left", across(x) > (left + right) / 2);
      box.hidden = false;
    }

    return { svg, lines: data.lines, hide, toggle };
  }

  /// Makes the runs in the legends of a section buttons that hide and show their lines.
  function makeToggles(section, charts) {
    const runs = new Set(charts.flatMap((chart) => chart.lines.map((line) => line.run)));
    const buttons = [];
    for (const entry of section.querySelectorAll(".legend li[data-run]")) {
      const run = Number(entry.dataset.run);
      if (runs.size < 2 || !runs.has(run)) continue;
      const click = () => {
        const hide = made.getAttribute("aria-pressed") === "true";
        for (const chart of charts) chart.toggle(run, hide);
        for (const other of buttons) if (other.run === run) other.made.setAttribute("aria-pressed", !hide);
      };
      const made = element("button", { type: "button", class: "toggle", "aria-pressed": "true", click }, ...entry.childNodes);
      entry.replaceChildren(made);
      buttons.push({ run, made });
    }
  }

  const sections = new Map();
  for (const figure of document.querySelectorAll("[data-chart]")) {
    const section = figure.closest("section") ?? document.body;
    sections.set(section, [...(sections.get(section) ?? []), makeChart(figure)]);
  }
  const charts = [...sections.values()].flat();
  for (const [section, inside] of sections) makeToggles(section, inside);
  // What appears under the pointer also goes without moving it.
  document.addEventListener("keydown", (event) => event.key === "Escape" && charts.forEach((chart) => chart.hide()));
  document.addEventListener("pointerdown", ({ target }) => charts.forEach((chart) => chart.svg.contains(target) || chart.hide()));
})();
