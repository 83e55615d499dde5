// Cases: order and filter them, a strip of their scores, and a dialog that compares a prediction with the truth.
document.querySelectorAll(".gallery").forEach((section) => {
  "use strict";
  const { element, button, figure: number, mark, keyOf } = globalThis.oncospec;
  const block = section.querySelector("script[type='application/json']");
  if (!block) return;

  const list = section.querySelector(".cases");
  /// What the address of a case begins with: `#case=`, in the second gallery `#case-2=`.
  const address = `#${section.id.replace("cases", "case")}=`;
  const data = JSON.parse(block.textContent);
  const { runs, metrics, kind, palette } = data;
  const collator = new Intl.Collator(document.documentElement.lang || "en", { numeric: true, sensitivity: "base" });
  const nodes = [...list.children];
  const cases = data.cases.map((one, index) => (
    { ...one, index, node: nodes[index], text: `${one.case}\n${one.label}\n${one.group}`.toLowerCase() }
  ));
  /// The panels of a case, in the order of the runs.
  const panels = (one) => one.node.querySelectorAll(".panel[data-run]");
  const score = (one, run) => one.scores[view.metric]?.[run] ?? null;
  const limited = (value, last) => Math.min(last, Math.max(0, value));

  // ---- Order and filter ----

  const MEAN = -1;
  const view = { order: "worst", metric: metrics[0], run: MEAN, first: 0, second: Math.min(1, runs.length - 1), label: "", text: "" };
  const initial = { ...view };
  /// All cases in their order, and those of them that are shown.
  let ordered = cases;
  let shown = new Set(cases);
  let written = view.metric;

  /// +1 where a higher score is better, else -1.
  const sign = () => (data.lower_is_better.includes(view.metric) ? -1 : 1);
  const defined = (values) => values.filter((value) => value !== null);

  function value(one) {
    if (view.run !== MEAN) return score(one, view.run);
    const values = defined(one.scores[view.metric] ?? []);
    return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  }

  function change(one) {
    const [before, after] = [score(one, view.first), score(one, view.second)];
    return before === null || after === null ? null : after - before;
  }

  /// The largest range of scores among runs that differ in their seed only; without such runs, among all.
  function dispute(one) {
    const groups = data.seeds.length ? data.seeds : [runs.map((_, run) => run)];
    const scores = groups.map((group) => defined(group.map((run) => score(one, run)))).filter((values) => values.length > 1);
    return scores.length ? Math.max(...scores.map((values) => Math.max(...values) - Math.min(...values))) : null;
  }

  const size = (one) => one.size ?? null;
  const labels = [...new Set(cases.map((one) => one.label))].filter(Boolean).sort(collator.compare);
  const several = runs.length > 1;
  const sized = cases.some((one) => size(one) !== null);
  const minusSign = () => -sign();
  const down = () => -1;
  /// Each order: what it sorts by, in which direction, and whether there is anything to sort.
  const orders = {
    worst: { name: "worst first", key: value, direction: sign },
    best: { name: "best first", key: value, direction: minusSign },
    improved: { name: "most improved", key: change, direction: minusSign, when: several },
    regressed: { name: "most regressed", key: change, direction: sign, when: several },
    disputed: { name: `most disputed between ${data.seeds.length ? "seeds" : "runs"}`, key: dispute, direction: down, when: several },
    largest: { name: "largest lesion", key: size, direction: down, when: sized },
    smallest: { name: "smallest lesion", key: size, direction: () => 1, when: sized },
    label: { name: "by label", key: (one) => one.label || null, when: labels.length > 1 },
    name: { name: "by name", key: (one) => one.case },
  };
  /// What is said beside the name of a case of that by which it is sorted.
  const notes = new Map([
    [value, (mean) => (view.run === MEAN && several ? `mean ${number(mean)}` : "")],
    [change, (by) => (by > 0 ? "+" : "") + number(by)],
    [dispute, (range) => `range ${number(range)}`],
    [size, (pixels) => (pixels === null ? "" : `${pixels.toLocaleString("en")} pixels`)],
  ]);

  /// Orders and filters the list; touches only what differs from what is shown.
  function apply() {
    const { key, direction } = orders[view.order];
    const keys = new Map(cases.map((one) => [one, key(one)]));
    const compare = (a, b) => (direction ? direction() * (a - b) : collator.compare(a, b));
    const wanted = [...cases].sort((first, second) => {
      const [a, b] = [keys.get(first), keys.get(second)];
      // Without a value last, equal ones in the order of the page.
      return (a === null || b === null ? (a === null) - (b === null) : compare(a, b)) || first.index - second.index;
    });
    if (wanted.some((one, place) => one !== ordered[place])) list.append(...wanted.map((one) => one.node));
    ordered = wanted;
    const text = view.text.trim().toLowerCase();
    shown = new Set(ordered.filter((one) => (!view.label || one.label === view.label) && one.text.includes(text)));
    const note = notes.get(key) ?? (() => "");
    for (const one of cases) {
      if (one.node.hidden === shown.has(one)) one.node.hidden = !shown.has(one);
      const said = note(keys.get(one));
      if (one.note.data !== said) one.note.data = said;
    }
    if (written !== view.metric) writeScores();
    hide(controls.first, key !== change);
    hide(controls.second, key !== change);
    hide(controls.run, key !== value || !several);
    const all = `${cases.length} case${cases.length === 1 ? "" : "s"}`;
    count.textContent = shown.size === cases.length ? `All ${all} shown` : `${shown.size} of ${all} shown`;
    strip.draw();
  }

  function writeScores() {
    written = view.metric;
    for (const one of cases) {
      panels(one).forEach((panel, run) => {
        const place = panel.querySelector(".score");
        if (place) place.textContent = number(score(one, run));
      });
    }
  }

  const hide = (control, hidden) => (control.parentElement.hidden = hidden);

  function labelled(text, control) {
    element("label", { class: "control" }, element("span", {}, text), control);
    return control;
  }

  function choose(key, chosen) {
    view[key] = typeof initial[key] === "number" ? Number(chosen) : chosen;
    apply();
  }

  function select(name, text, options, chosen = (value) => choose(name, value)) {
    const entries = options.map((option) => {
      const [value, said = value] = [option].flat();
      return element("option", { value, dir: "auto" }, said);
    });
    const made = element("select", { name, change: () => chosen(made.value) }, ...entries);
    return labelled(text, made);
  }

  const runOptions = runs.map((run, index) => [index, run.label]);
  const orderOptions = Object.entries(orders).filter(([, order]) => order.when ?? true).map(([key, order]) => [key, order.name]);
  const count = element("p", { class: "count", role: "status" });
  const controls = {
    order: select("order", "Order", orderOptions),
    metric: select("metric", "Metric", metrics),
    run: select("run", "Run", [[MEAN, "mean over runs"], ...runOptions]),
    first: select("first", "From", runOptions),
    second: select("second", "To", runOptions),
    label: select("label", "Label", [["", "all"], ...labels]),
    text: labelled("Name contains", element("input", { name: "text", type: "search", input: () => choose("text", controls.text.value) })),
  };

  function reset() {
    Object.assign(view, initial);
    for (const [key, control] of Object.entries(controls)) control.value = view[key];
    apply();
  }

  // ---- Strip: a row of dots for each run, a case at its score ----

  function makeStrip() {
    const HEIGHT = 30;
    const RADIUS = 3.5;
    /// The case that is pointed at, and the row in which.
    let selected, within, waiting;
    const tip = element("p");
    const ends = element("div", { class: "strip-ends" });

    const rows = runs.map((run, index) => {
      const row = { run, index, dots: [], median: element("span", { class: "soft" }) };
      // One row is reached by Tab, the others from there by Up and Down.
      row.canvas = element("canvas", {
        role: "slider", tabindex: index ? -1 : 0,
        pointermove: (event) => point(row, dotAt(row, event)), pointerleave: () => point(),
        keydown: (event) => pressed(row, event),
        click: (event) => {
          const dot = dotAt(row, event);
          if (dot) viewer.open(dot.one, index);
        },
      });
      const name = element("div", { class: "strip-name" }, mark(run.run), element("bdi", {}, run.label), row.median);
      row.node = element("div", { class: "strip-row" }, name, row.canvas);
      return row;
    });

    function layOut() {
      const scores = cases.flatMap((one) => defined(one.scores[view.metric] ?? []));
      let [low, high] = scores.reduce(([low, high], value) => [Math.min(low, value), Math.max(high, value)], [Infinity, -Infinity]);
      if (!scores.length || (low >= 0 && high <= 1)) [low, high] = [0, 1];
      ends.replaceChildren(...[low, (low + high) / 2, high].map((end) => element("span", {}, number(end))));
      for (const row of rows) {
        row.width = row.canvas.clientWidth;
        const across = (value) => RADIUS + 1 + ((value - low) / (high - low || 1)) * (row.width - 2 * RADIUS - 2);
        row.dots = cases.map((one) => ({ one, value: score(one, row.index) })).filter((dot) => dot.value !== null);
        row.dots.sort((a, b) => a.value - b.value);
        for (const dot of row.dots) {
          dot.x = across(dot.value);
          // Spread evenly in height, so that equal scores are seen apart.
          dot.y = RADIUS + 2 + ((dot.one.index * 0.618034) % 1) * (HEIGHT - 2 * RADIUS - 4);
        }
        const n = row.dots.length;
        const median = n ? (row.dots[(n - 1) >> 1].value + row.dots[n >> 1].value) / 2 : null;
        row.middle = median === null ? -9 : across(median);
        row.median.textContent = ` median ${number(median)}`;
        row.canvas.ariaLabel = `${view.metric} of each case, ${row.run.label}${row.median.textContent}`;
        [row.canvas.ariaValueMin, row.canvas.ariaValueMax] = [low, high];
        say(row, row.dots.find((dot) => dot.one === selected) ?? row.dots[0]);
      }
    }

    function paint(row) {
      const scale = devicePixelRatio || 1;
      [row.canvas.width, row.canvas.height] = [Math.round(row.width * scale), HEIGHT * scale];
      const pen = row.canvas.getContext("2d");
      const style = getComputedStyle(document.documentElement);
      const disc = (dot, radius) => {
        pen.beginPath();
        pen.arc(dot.x, dot.y, radius, 0, 7);
      };
      pen.scale(scale, scale);
      pen.fillStyle = style.getPropertyValue(`--run-${row.run.run % 10}`);
      for (const dot of row.dots) {
        pen.globalAlpha = shown.has(dot.one) ? 0.65 : 0.1;
        disc(dot, RADIUS);
        pen.fill();
      }
      pen.globalAlpha = 1;
      pen.fillStyle = pen.strokeStyle = style.getPropertyValue("--ink");
      pen.fillRect(row.middle - 1, 0, 2, HEIGHT);
      const chosen = row.dots.find((dot) => dot.one === selected);
      if (!chosen) return;
      pen.lineWidth = 2;
      disc(chosen, RADIUS + 2);
      pen.stroke();
    }

    function dotAt(row, { offsetX, offsetY }) {
      let [best, least] = [null, 24];
      for (const dot of row.dots) {
        const distance = Math.hypot(dot.x - offsetX, (dot.y - offsetY) / 2);
        if (distance < least && shown.has(dot.one)) [best, least] = [dot, distance];
      }
      return best;
    }

    function point(row, dot) {
      [selected, within] = [dot?.one, row];
      tell();
    }

    /// Marks the case in all rows and says which one it is.
    function tell() {
      const dot = within?.dots.find(({ one }) => one === selected);
      const said = dot && [element("bdi", {}, selected.case), `: ${number(dot.value)}, `, element("bdi", {}, within.run.label)];
      tip.replaceChildren(...(said ?? [`${view.metric} of each case, a line at the median`]));
      rows.forEach(paint);
    }

    function say({ canvas }, dot) {
      canvas.ariaValueNow = dot?.value ?? 0;
      canvas.ariaValueText = dot ? `${dot.one.case}, ${number(dot.value)}` : "no score";
    }

    function pressed(row, event) {
      const dots = row.dots.filter((dot) => shown.has(dot.one));
      const last = dots.length - 1;
      const at = dots.findIndex((dot) => dot.one === selected);
      const to = { ArrowLeft: at < 0 ? last : at - 1, ArrowRight: at + 1, Home: 0, End: last }[keyOf(event)];
      const other = { ArrowUp: -1, ArrowDown: 1 }[keyOf(event)];
      if (to !== undefined && dots.length) {
        const dot = dots[limited(to, last)];
        point(row, dot);
        say(row, dot);
      } else if (other) {
        const next = rows[limited(row.index + other, rows.length - 1)];
        for (const one of rows) one.canvas.tabIndex = one === next ? 0 : -1;
        next.canvas.focus();
      } else if (keyOf(event) === "Enter" && at >= 0) viewer.open(selected, row.index);
      else return;
      event.preventDefault();
    }

    /// Draws once before the next frame. Names and values of the rows are there at once.
    function draw() {
      if (rows.some((row) => row.width === undefined)) layOut();
      waiting ??= requestAnimationFrame(() => {
        waiting = undefined;
        layOut();
        tell();
      });
    }

    const node = element("div", { class: "strip" }, tip, ...rows.map((row) => row.node), ends);
    new ResizeObserver(draw).observe(node);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    return { node, draw };
  }

  // ---- Masks: the label of each pixel in the truth and in the prediction ----

  const IGNORED = 255;
  const code = ([red, green, blue]) => (red << 16) | (green << 8) | blue;
  /// What the colour of a pixel stands for: in an error map truth and prediction, elsewhere a label.
  const PAIRS = { background: [0, 0], right: [1, 1], "too-much": [0, 1], missed: [1, 0] };
  const pairOf = new Map(Object.entries(PAIRS).map(([name, pair]) => [code(palette[name]), pair]));
  const labelOf = new Map(kind === "binary" ? [[0, 0], [0xffffff, 1]] : palette.classes.map((rgb, label) => [code(rgb), label]).reverse());

  /// A picture of the page, decoded whether or not it has been scrolled to.
  async function decoded(img) {
    if (!img) return null;
    const picture = new Image();
    picture.src = img.src;
    await picture.decode();
    return picture;
  }

  /// The colour of each pixel of a picture, at another size if that is given: runs may differ in resolution.
  async function colours(img, size) {
    const picture = await decoded(img);
    if (!picture) return null;
    const { width, height } = size ?? picture;
    const pen = new OffscreenCanvas(width, height).getContext("2d");
    pen.imageSmoothingEnabled = false;
    pen.drawImage(picture, 0, 0, width, height);
    const bytes = pen.getImageData(0, 0, width, height).data;
    return { width, height, at: (pixel) => code(bytes.subarray(4 * pixel)) };
  }

  /// Truth and prediction on the grid of the prediction; `null` without a mask.
  async function masksOf(one, run) {
    if (kind === "images") return null;
    const predicted = await colours(panels(one)[run]?.querySelector("img"));
    const truth = await colours(one.node.querySelector(".panel:not([data-run]) .mask"), predicted);
    if (!predicted && !truth) return null;
    const { width, height } = predicted ?? truth;
    const masks = { width, height, truth: new Uint8Array(width * height), prediction: new Uint8Array(width * height) };
    const label = (side, pixel) => side && labelOf.get(side.at(pixel));
    for (let pixel = 0; pixel < width * height; pixel += 1) {
      const isErrorMap = predicted && kind === "binary";
      const pair = isErrorMap ? pairOf.get(predicted.at(pixel)) : [label(truth, pixel), label(predicted, pixel)];
      masks.truth[pixel] = pair?.[0] ?? IGNORED;
      masks.prediction[pixel] = pair?.[1] ?? IGNORED;
    }
    masks.region = regionOf(masks);
    return masks;
  }

  /// The part that is not background, with a margin. Background of several classes is the most frequent one.
  function regionOf({ width, height, truth, prediction }) {
    const counts = new Uint32Array(256);
    for (const label of truth) counts[label] += 1;
    counts[IGNORED] = 0;
    const background = kind === "binary" ? 0 : counts.indexOf(Math.max(...counts));
    const isBackground = (label) => label === background || label === IGNORED;
    const [xs, ys] = [new Set(), new Set()];
    truth.forEach((label, pixel) => {
      if (isBackground(label) && isBackground(prediction[pixel])) return;
      xs.add(pixel % width);
      ys.add(Math.floor(pixel / width));
    });
    if (!xs.size) return null;
    const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs) + 1, Math.min(...ys), Math.max(...ys) + 1];
    const margin = Math.ceil(4 + 0.15 * Math.max(right - left, bottom - top));
    const [x, y] = [Math.max(0, left - margin), Math.max(0, top - margin)];
    return { left: x, top: y, width: Math.min(width, right + margin) - x, height: Math.min(height, bottom + margin) - y };
  }

  // ---- Viewer: the dialog of a case ----

  const FILL = [86, 180, 233];
  const MODES = ["errors", "contours", "prediction", "truth", "image"];

  /// The colour of a pixel in a mode; `undefined` for none.
  function colourOf(mode, truth, prediction) {
    if (truth === IGNORED) return palette.ignored;
    if (mode !== "errors") {
      const label = mode === "truth" ? truth : prediction;
      return kind === "classes" ? palette.classes[label] : label === 1 ? FILL : undefined;
    }
    if (prediction === IGNORED) return undefined;
    if (truth === prediction) return kind === "binary" && truth ? palette.right : undefined;
    return palette[kind === "classes" || truth ? "missed" : "too-much"];
  }

  function meanings(mode, masks) {
    const { right, missed, ignored, "too-much": tooMuch } = palette;
    if (mode === "image") return [];
    if (mode === "contours") return [[right, "truth, whole line"], [tooMuch, "prediction, dashed line"]];
    if (mode === "errors") {
      const ofBinary = [[right, "right"], [tooMuch, "predicted too much"], [missed, "missed"]];
      return [...(kind === "binary" ? ofBinary : [[missed, "wrong class"]]), [ignored, "without a label"]];
    }
    if (kind === "binary") return [[FILL, mode]];
    const present = [...new Set(masks[mode])].filter((label) => label !== IGNORED).sort((a, b) => a - b);
    return present.map((label) => [palette.classes[label], data.classes[label] ?? String(label)]);
  }

  /// Draws the edges of pixels between labels, on a dark ground.
  function drawContour(pen, { width, height }, labels, colour, unit, isDrawn) {
    const path = new Path2D();
    for (let pixel = 0; pixel < width * height; pixel += 1) {
      const [x, y] = [pixel % width, Math.floor(pixel / width)];
      if (!isDrawn(x, y)) continue;
      if (x + 1 < width && labels[pixel] !== labels[pixel + 1]) path.rect(x + 1, y, 0, 1);
      if (y + 1 < height && labels[pixel] !== labels[pixel + width]) path.rect(x, y + 1, 1, 0);
    }
    for (const [style, breadth] of [["rgb(0 0 0 / .6)", 5], [`rgb(${colour})`, 3]]) {
      pen.strokeStyle = style;
      pen.lineWidth = breadth * unit;
      pen.stroke(path);
    }
  }

  function makeViewer() {
    /// The case and the run that are shown, their pictures, and the part of them on the canvas.
    let one, run, photo, masks, unread, part, asked, timer;
    let blinked = false;
    const title = element("h2", { id: `${section.id}-title`, tabindex: -1 });
    const under = element("p", { class: "soft" });
    const spoken = element("p", { class: "visually-hidden", "aria-live": "polite" });
    const link = element("a", { class: "case-link" }, "Link to this case");
    const canvas = element("canvas", { role: "img", pointermove: readPixel, pointerleave: () => (pixelText.textContent = "") });
    const side = element("span", { class: "stage-side", "aria-hidden": "true" });
    const stage = element("div", { class: "stage" }, canvas, side);
    const pixelText = element("p", { class: "pixel soft" });
    const legend = element("ul", { class: "legend" });
    const table = element("table", { class: "compact" });
    const runField = select("run", "Run", runOptions, (chosen) => show(one, Number(chosen)));
    const modeField = select("mode", "Shown", MODES, () => blink(false));
    const opacity = labelled("Opacity", element("input", { type: "range", min: 0, max: 100, value: 60, input: paint }));
    const blinkButton = button("Blink truth and prediction", () => blink(!timer), { "aria-pressed": "false" });
    const zoomButton = button(`Zoom to the ${kind === "binary" ? "lesion" : "regions"}`, zoom, { "aria-pressed": "false" });
    const dialog = makeDialog();

    function makeDialog() {
      const tools = kind === "images" ? [] : [modeField.parentElement, opacity.parentElement, blinkButton, zoomButton];
      const scores = element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Scores of the case" }, table);
      const keys = element("p", { class: "soft" }, "Left and Right: other case; Up and Down: other run.");
      const moves = [button("Previous", () => move(-1)), button("Next", () => move(1)), button("Close", () => dialog.close())];
      const made = element("dialog", { class: "case-view", "aria-labelledby": title.id, keydown: pressed, close: closed },
        element("header", { class: "case-view-head" }, element("div", {}, title, under), element("div", { class: "moves" }, ...moves)),
        element("div", { class: "controls" }, several ? runField.parentElement : "", ...tools),
        element("div", { class: "case-view-body" },
          element("div", {}, stage, pixelText),
          element("div", {}, legend, scores, keys, link)),
        spoken);
      made.addEventListener("click", (event) => event.target === made && made.close());
      new ResizeObserver(paint).observe(made);
      return made;
    }

    function open(chosen, ofRun = Math.max(0, view.run)) {
      // Only now, so that a page that is printed or searched has no empty dialog.
      if (!dialog.isConnected) list.after(dialog);
      if (!dialog.open) dialog.showModal();
      show(chosen, ofRun);
      title.focus();
    }

    function closed() {
      blink(false);
      history.replaceState(null, "", `#${section.id}`);
      (one.node.hidden ? controls.text : one.opener).focus();
    }

    /// What Left and Right go through: the cases shown, or all where this one is hidden.
    const sequence = () => (shown.has(one) ? [...shown] : ordered);

    async function show(chosen, ofRun) {
      if (chosen !== one && matchMedia("(prefers-reduced-motion: reduce)").matches) blink(false);
      [one, run] = [chosen, ofRun];
      describe();
      const request = (asked = {});
      // Pictures beside a page that lies on disk may be drawn, but not read.
      const drawn = decoded(panels(one)[run]?.querySelector(".mask")).catch(() => null);
      const pictures = Promise.all([
        decoded(one.node.querySelector(".photo")).catch(() => null),
        masksOf(one, run).catch(() => null),
        drawn,
      ]);
      const found = await pictures;
      // Another case may have been asked for meanwhile.
      if (asked !== request) return;
      [photo, masks] = found;
      unread = masks ? null : found[2];
      canvas.hidden = !photo && !masks && !unread;
      paint();
    }

    function describe() {
      const cases = sequence();
      const place = `${cases.indexOf(one) + 1} of ${cases.length}`;
      const said = `${view.metric} ${number(score(one, run))}`;
      const facts = [one.label, one.group === one.case ? "" : one.group, notes.get(size)(size(one)), place].filter(Boolean);
      title.replaceChildren(element("bdi", {}, one.case));
      under.replaceChildren(...facts.flatMap((fact, index) => [index ? " · " : "", element("bdi", {}, fact)]));
      canvas.ariaLabel = `${one.case}, ${runs[run].label}, ${said}`;
      spoken.textContent = `${one.case}, ${place}, ${runs[run].label}, ${said}`;
      runField.value = run;
      link.href = location.href.split("#")[0] + address + encodeURIComponent(one.case);
      // Replaced, so that the history does not fill with cases.
      history.replaceState(null, "", link.hash);
      const rows = [...panels(one)].map((panel, index) => {
        // The caption has the mark, the name and what was predicted of an image.
        const caption = panel.querySelector("figcaption").cloneNode(true);
        caption.querySelector(".score")?.remove();
        const cells = metrics.map((metric) => element("td", { class: "number" }, number(one.scores[metric]?.[index])));
        const chosen = index === run ? { class: "chosen", "aria-current": "true" } : {};
        return element("tr", chosen, element("th", { scope: "row" }, ...caption.childNodes), ...cells);
      });
      const head = metrics.map((metric) => element("th", { scope: "col", class: "number" }, metric));
      table.replaceChildren(element("caption", {}, "Scores of the case"),
        element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "Run"), ...head)), element("tbody", {}, ...rows));
    }

    function move(step) {
      const cases = sequence();
      show(cases[(cases.indexOf(one) + step + cases.length) % cases.length], run);
    }

    function pressed(event) {
      // These have arrow keys of their own.
      if (event.target.matches("select, input, .scroll")) return;
      const step = { ArrowLeft: -1, ArrowRight: 1 }[keyOf(event)];
      const other = { ArrowUp: -1, ArrowDown: 1 }[keyOf(event)];
      if (step) move(step);
      else if (other) show(one, (run + other + runs.length) % runs.length);
      else return;
      event.preventDefault();
    }

    /// Shows truth and prediction in turn, or stops that.
    function blink(start) {
      clearInterval(timer);
      timer = start ? setInterval(() => paint((blinked = !blinked)), 500) : undefined;
      blinked = false;
      blinkButton.ariaPressed = Boolean(start);
      paint();
    }

    function zoom() {
      zoomButton.ariaPressed = zoomButton.ariaPressed !== "true";
      paint();
    }

    function paint() {
      const source = masks ?? photo ?? unread;
      const mode = !masks ? (unread && modeField.value !== "image" ? "errors" : "image") : timer ? (blinked ? "prediction" : "truth") : modeField.value;
      side.textContent = !source ? "no picture" : timer ? mode : "";
      if (!source || !dialog.open) return;
      part = { left: 0, top: 0, width: source.width, height: source.height };
      if (masks?.region && zoomButton.ariaPressed === "true") part = { ...masks.region };
      const fit = Math.min(stage.clientWidth / part.width, (0.72 * innerHeight) / part.height, 12);
      // By a whole number where there is room, so that all pixels are of one size.
      part.scale = fit >= 2 ? Math.floor(fit) : fit;
      const scale = part.scale * (devicePixelRatio || 1);
      canvas.style.width = `${part.width * part.scale}px`;
      [canvas.width, canvas.height] = [Math.round(part.width * scale), Math.round(part.height * scale)];
      const pen = canvas.getContext("2d");
      pen.fillRect(0, 0, canvas.width, canvas.height);
      pen.setTransform(scale, 0, 0, scale, -scale * part.left, -scale * part.top);
      pen.imageSmoothingQuality = "high";
      if (photo) pen.drawImage(photo, 0, 0, source.width, source.height);
      pen.imageSmoothingEnabled = false;
      pen.globalAlpha = opacity.value / 100;
      opacity.disabled = mode === "image";
      if (mode === "contours") {
        drawContour(pen, masks, masks.truth, palette.right, 1 / part.scale, () => true);
        drawContour(pen, masks, masks.prediction, palette["too-much"], 1 / part.scale, (x, y) => (x + y) % 6 < 4);
      } else if (mode !== "image" && unread) {
        // Its background is black, which lightens nothing.
        pen.globalCompositeOperation = "lighten";
        pen.drawImage(unread, 0, 0, source.width, source.height);
        pen.globalCompositeOperation = "source-over";
      } else if (mode !== "image") pen.drawImage(coloured(mode), 0, 0);
      legend.replaceChildren(...meanings(mode, masks).map(([rgb, text]) => {
        const swatch = element("span", { class: "swatch", "aria-hidden": "true" });
        swatch.style.background = `rgb(${rgb})`;
        return element("li", {}, swatch, element("bdi", {}, text));
      }));
    }

    function coloured(mode) {
      const { width, height, truth, prediction } = masks;
      const flat = new OffscreenCanvas(width, height);
      const mask = new ImageData(width, height);
      for (let pixel = 0; pixel < width * height; pixel += 1) {
        const rgb = colourOf(mode, truth[pixel], prediction[pixel]);
        if (rgb) mask.data.set([...rgb, 255], 4 * pixel);
      }
      flat.getContext("2d").putImageData(mask, 0, 0);
      return flat;
    }

    function readPixel({ offsetX, offsetY }) {
      if (!masks) return;
      const [x, y] = [Math.floor(part.left + offsetX / part.scale), Math.floor(part.top + offsetY / part.scale)];
      const name = (labels) => {
        const label = labels[y * masks.width + x] ?? IGNORED;
        const names = kind === "binary" ? ["background", data.classes[0] ?? "foreground"] : data.classes;
        return element("bdi", {}, label === IGNORED ? "without a label" : names[label] ?? String(label));
      };
      pixelText.replaceChildren(`Pixel ${x}, ${y}: truth `, name(masks.truth), ", prediction ", name(masks.prediction));
    }

    return { open };
  }

  // ---- Start ----

  /// The name of each case becomes a button that opens it; its pictures open it by pointer.
  function makeOpeners() {
    for (const one of cases) {
      const heading = one.node.querySelector("h3");
      one.opener = element("button", { type: "button", class: "case-open", click: () => viewer.open(one) }, ...heading.childNodes);
      heading.append(one.opener);
      one.note = document.createTextNode("");
      heading.parentElement.append(element("span", { class: "case-note" }, one.note));
    }
    list.addEventListener("click", ({ target }) => {
      const panel = target.closest(".panel");
      const one = cases.find(({ node }) => node === panel?.parentElement);
      if (!one || getSelection().toString()) return;
      const run = [...panels(one)].indexOf(panel);
      viewer.open(one, run < 0 ? undefined : run);
    });
    list.classList.add("opens");
  }

  function openAddressed() {
    let hash = "";
    try {
      hash = decodeURIComponent(location.hash);
    } catch {
      // An address that is not well encoded names no case.
    }
    const one = cases.find((one) => hash === address + one.case);
    if (one) viewer.open(one);
  }

  const viewer = makeViewer();
  const strip = makeStrip();
  makeOpeners();
  hide(controls.metric, metrics.length < 2);
  hide(controls.label, labels.length < 2);
  const fields = Object.values(controls).map((control) => control.parentElement);
  list.before(element("div", { class: "controls" }, ...fields, button("Reset", reset)), strip.node, count);
  reset();
  addEventListener("hashchange", openAddressed);
  openAddressed();
});
