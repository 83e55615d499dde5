// Opens report pages in Chromium and checks them: node check.mjs PAGE.html [PAGE.html ..]
//
// Prints a line for each check. Exits with 1 if any check of any page failed, with all failures listed at the end, and with
// 2 if there is nothing to check with. Chromium is that of the environment variable CHROMIUM, or the one on the PATH.
import { accessSync, constants, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, delimiter, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";

import { HtmlValidate } from "html-validate";
import puppeteer from "puppeteer-core";

const AXE_SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const THEMES = ["light", "dark"];
const OVERFLOW_WIDTHS = [320, 400, 768, 1280];
const AXE_WIDTHS = [320, 768, 1280, 1920];
const AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"];
/// What depends on colours. They take most of the time, a theme changes nothing else, and no width changes a colour.
const AXE_COLOURS = ["color-contrast", "link-in-text-block"];
const AXE_COLOUR_WIDTHS = [320, 1280];
/// The longest that sorting or filtering may take, in milliseconds.
const MOST_MS = 100;
/// Fewest bytes of a printed page that is not empty.
const LEAST_PDF_BYTES = 10_000;

const failures = [];

/// The path of a program on the PATH.
function whereIs(program) {
  return (process.env.PATH ?? "").split(delimiter).map((folder) => join(folder, program)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

/// One page in one tab: notes what its checks find.
class Check {
  constructor(file, page) {
    this.file = file;
    this.page = page;
    this.url = pathToFileURL(resolve(file)).href;
    this.messages = [];
    this.requests = [];
  }

  /// A check passes if nothing is wrong; `found` is what is wrong, one line each.
  report(name, found, note = "") {
    const passed = found.length === 0;
    console.log(`${passed ? "ok    " : "FAILED"} ${basename(this.file)}: ${name}${note ? ` (${note})` : ""}`);
    for (const line of found) failures.push(`${basename(this.file)}: ${name}: ${line}`);
  }

  async listen() {
    const { page } = this;
    page.on("console", (message) => {
      if (["error", "warn", "warning"].includes(message.type())) this.messages.push(`console ${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.messages.push(`error: ${error.message}`));
    await page.setRequestInterception(true);
    page.on("request", (request) => {
      const url = request.url();
      // Nothing but the page itself and what it holds.
      if (url.startsWith("data:") || url.split("#")[0] === this.url) return request.continue();
      this.requests.push(`asks for ${url.slice(0, 200)}`);
      return request.abort();
    });
    page.on("requestfailed", (request) => this.requests.push(`request failed: ${request.url().slice(0, 100)}`));
  }

  async show(width, theme = "light", hash = "") {
    const { page } = this;
    await page.setViewport({ width, height: 900 });
    await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
    // A change of the fragment alone would not load the page anew.
    await page.goto("about:blank");
    await page.goto(this.url + hash, { waitUntil: "load", timeout: 120_000 });
  }
}

/// All that is in closed details is shown, and all pictures are loaded.
const openAll = (page) => page.evaluate(async () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
  for (const image of document.images) image.loading = "eager";
  await Promise.all([...document.images].map((image) => image.decode().catch(() => {})));
});

async function checkPictures(check) {
  await check.show(1280);
  await openAll(check.page);
  const found = await check.page.evaluate(() => {
    const images = [...document.images];
    const broken = images.filter((image) => image.naturalWidth === 0).map((image) => `not decoded: ${image.alt.slice(0, 100)}`);
    const unnamed = images.filter((image) => !image.hasAttribute("alt")).map((image) => `no alt: ${image.src.slice(0, 60)}`);
    return { number: images.length, wrong: [...broken, ...unnamed] };
  });
  check.report("pictures decode and have text alternatives", found.wrong, `${found.number} pictures`);
}

async function checkOverflow(check) {
  const wrong = [];
  for (const theme of THEMES) {
    for (const width of OVERFLOW_WIDTHS) {
      await check.show(width, theme);
      const found = await check.page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true;
        const root = document.documentElement;
        const scrolls = (at) => at && (["auto", "scroll", "hidden"].includes(getComputedStyle(at).overflowX) || scrolls(at.parentElement));
        const cut = [...document.querySelectorAll("h1, h2, h3, p, figure, table, button, select, input")]
          .filter((element) => element.getBoundingClientRect().right > root.clientWidth + 1 && !scrolls(element.parentElement))
          .map((element) => element.outerHTML.slice(0, 80));
        return { overflow: root.scrollWidth - root.clientWidth, cut };
      });
      if (found.overflow > 0) wrong.push(`${width} px, ${theme}: the document is ${found.overflow} px too wide: ${found.cut[0] ?? ""}`);
      else wrong.push(...found.cut.map((html) => `${width} px, ${theme}: cut off: ${html}`));
    }
  }
  check.report("nothing is cut off or overflows", wrong, `${OVERFLOW_WIDTHS.join(", ")} px, light and dark`);
}

/// What axe-core says of a part of the page as it is: by all rules where colours are looked at too, in the dark theme by theirs.
async function axe(check, part, width, theme) {
  const coloured = AXE_COLOUR_WIDTHS.includes(width);
  const rules = Object.fromEntries(AXE_COLOURS.map((rule) => [rule, { enabled: coloured }]));
  const options = theme === "light" ? { runOnly: AXE_TAGS, rules } : { runOnly: { type: "rule", values: AXE_COLOURS } };
  // The policy of the page allows its own scripts only; what the debugger evaluates is not subject to it.
  await check.page.evaluate(AXE_SOURCE);
  const violations = await check.page.evaluate(async (part, options) => {
    const { violations } = await globalThis.axe.run(part, { ...options, resultTypes: ["violations"] });
    const first = ({ html, failureSummary }) => `${html.slice(0, 160)} (${failureSummary.split("\n")[1]?.trim()})`;
    return violations.map(({ id, help, nodes }) => `${id}, ${help}: ${nodes.length} times, first ${first(nodes[0])}`);
  }, part, options);
  return violations.map((line) => `${part}, ${width} px, ${theme}: ${line}`);
}

async function checkAxe(check) {
  const wrong = [];
  for (const theme of THEMES) {
    for (const width of theme === "light" ? AXE_WIDTHS : AXE_COLOUR_WIDTHS) {
      await check.show(width, theme);
      await check.page.evaluate(() => {
        for (const details of document.querySelectorAll("details")) details.open = true;
      });
      wrong.push(...(await axe(check, "html", width, theme)));
    }
  }
  check.report("axe-core: WCAG 2.2 AA and best practice", wrong, `${AXE_WIDTHS.join(", ")} px, light and dark`);
}

/// Every column of every sortable table: in order, and reversed by a second press.
async function checkTables(check) {
  await check.show(1280);
  const found = await check.page.evaluate(() => {
    const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
    const wrong = [];
    let pressed = 0;
    const texts = (body, column) => [...body.rows].map((row) => {
      const cell = row.cells[column] ?? document.createElement("td");
      const copy = cell.cloneNode(true);
      for (const block of copy.querySelectorAll("br, p, .under, .over, .interval, .badge")) block.before(" ");
      return (cell.dataset.value ?? copy.textContent.replace(/\s+/g, " ").trim()).trim();
    });
    const isUndefined = (text) => ["", "-", "–", "—", "undefined"].includes(text);
    const number = (text) => Number.parseFloat(text.replaceAll(",", "").replaceAll("−", "-").match(/[-+]?\d*\.?\d+(e[-+]?\d+)?/i)?.[0]);
    for (const table of document.querySelectorAll("table.sortable")) {
      const row = table.tHead.lastElementChild;
      // Cells that span several columns would shift the columns.
      if ([...table.rows].some((one) => [...one.cells].some((cell) => cell.colSpan > 1))) continue;
      const before = [...table.tBodies].map((body) => body.rows.length);
      for (const [column, header] of [...row.cells].entries()) {
        const button = header.querySelector("button.sort");
        if (!button) {
          if (header.textContent.trim()) wrong.push(`no button in ${header.textContent}`);
          continue;
        }
        for (const direction of ["ascending", "descending"]) {
          button.click();
          pressed += 1;
          if (header.getAttribute("aria-sort") !== direction) wrong.push(`${header.textContent}: aria-sort is not ${direction}`);
          for (const body of table.tBodies) {
            const values = texts(body, column);
            const defined = values.filter((text) => !isUndefined(text));
            if (values.slice(0, defined.length).some(isUndefined)) wrong.push(`${header.textContent}: undefined values are not last`);
            const numeric = header.classList.contains("number") || defined.every((text) => /^[-+−]?\.?\d/.test(text));
            for (let at = 1; at < defined.length; at += 1) {
              const [a, b] = numeric ? [number(defined[at - 1]), number(defined[at])] : [0, collator.compare(defined[at], defined[at - 1])];
              if (direction === "ascending" ? a > b : a < b) wrong.push(`${header.textContent}, ${direction}: ${defined[at - 1]} before ${defined[at]}`);
            }
          }
        }
      }
      if ([...table.tBodies].some((body, at) => body.rows.length !== before[at])) wrong.push("rows have left their body");
    }
    return { wrong, pressed, tables: document.querySelectorAll("table.sortable").length };
  });
  if (found.tables) check.report("tables sort, and in reverse", found.wrong, `${found.tables} tables, ${found.pressed} times`);
}

/// The saved files have all rows. What a press would save is taken from the link that the script makes.
async function checkSaved(check) {
  await check.show(1280);
  const found = await check.page.evaluate(() => {
    const wrong = [];
    let saved = null;
    HTMLAnchorElement.prototype.click = function take() {
      saved = { name: this.download, href: this.href };
    };
    const press = (button) => {
      saved = null;
      button?.click();
      if (!saved?.href.startsWith("data:text/csv") || !saved.name.endsWith(".csv")) return null;
      return decodeURIComponent(saved.href.slice(saved.href.indexOf(",") + 1)).split("\r\n").length;
    };
    for (const table of document.querySelectorAll("table[data-csv]")) {
      const body = [...table.tBodies].reduce((sum, one) => sum + one.rows.length, 0) + (table.tFoot?.rows.length ?? 0);
      const lines = press((table.closest(".scroll") ?? table).nextElementSibling);
      if (lines !== body + 1) wrong.push(`${table.dataset.csv}: ${lines} lines of ${body + 1}`);
    }
    for (const figure of document.querySelectorAll("[data-chart]")) {
      const { lines: drawn } = JSON.parse(figure.querySelector("script").textContent);
      const points = drawn.reduce((sum, line) => sum + line.points.length, 0);
      const lines = press(figure.querySelector("button.save"));
      if (lines !== points + 1) wrong.push(`${figure.textContent.trim().slice(0, 40)}: ${lines} lines of ${points + 1}`);
    }
    return { wrong, number: document.querySelectorAll("table[data-csv], [data-chart]").length };
  });
  if (found.number) check.report("tables and charts are saved whole", found.wrong, `${found.number} files`);
}

/// Arrow keys read the values of the data; a legend entry hides the lines of its run.
async function checkCharts(check) {
  await check.show(1280);
  const { page } = check;
  await page.evaluate(() => {
    for (const details of document.querySelectorAll("details")) details.open = true;
  });
  const wrong = [];
  const figures = await page.$$("[data-chart]");
  for (const figure of figures) {
    await (await figure.$(".chart-area"))?.focus();
    await page.keyboard.press("Home");
    await page.keyboard.press("ArrowRight");
    const found = await figure.evaluate((element) => {
      const wrong = [];
      const name = element.querySelector("figcaption").textContent;
      const { lines } = JSON.parse(element.querySelector("script").textContent);
      const defined = lines.flatMap((line) => line.points.filter((point) => point[0] !== null && point[1] !== null));
      const stops = [...new Set(defined.map((point) => point[0]))].sort((a, b) => a - b);
      const x = stops[Math.min(1, stops.length - 1)];
      const box = element.querySelector(".read-out");
      if (!box || box.hidden) return [`${name}: no read-out`];
      if (!element.querySelector("[aria-live]").textContent) wrong.push(`${name}: nothing is said`);
      const readings = [...box.querySelectorAll(".reading")];
      lines.forEach((line) => {
        // Several points may share an x (a vertical part of a curve): any of them is right.
        const values = line.points.filter((point) => point[0] === x && point[1] !== null).map((point) => point[1]);
        const reading = readings.find((one) => one.querySelector("bdi").textContent === line.name);
        const shown = reading && Number(reading.querySelector("strong").textContent);
        const near = (value) => Math.abs(shown - value) <= 0.006 * Math.max(Math.abs(value), 0.1);
        if (values.length && !values.some(near)) wrong.push(`${name}: ${line.name} at ${x} reads ${shown}, is ${values}`);
      });
      return wrong;
    });
    wrong.push(...found);
    await page.keyboard.press("Escape");
    if (await figure.evaluate((element) => !element.querySelector(".read-out").hidden)) wrong.push("Escape does not hide the read-out");
  }
  const toggled = await page.evaluate(() => {
    const toggle = document.querySelector(".legend button.toggle");
    if (!toggle) return [];
    const section = toggle.closest("section");
    const run = Number(toggle.closest("li").dataset.run);
    const hidden = () => [...section.querySelectorAll("[data-chart]")].flatMap((figure) => {
      const { lines } = JSON.parse(figure.querySelector("script").textContent);
      return [...figure.querySelectorAll("[data-line]")].filter((drawn) => (getComputedStyle(drawn).display === "none") !== (lines[drawn.dataset.line].run === run));
    });
    toggle.click();
    const wrong = hidden().length ? ["a legend entry does not hide just the lines of its run"] : [];
    toggle.click();
    if ([...section.querySelectorAll("[data-line]")].some((drawn) => getComputedStyle(drawn).display === "none")) wrong.push("a second press does not show them again");
    return wrong;
  });
  if (figures.length) check.report("charts read their data by keyboard", [...wrong, ...toggled], `${figures.length} charts`);
}

/// The identifiers of the galleries that have data.
const galleries = (page) => page.$$eval(".gallery script[type='application/json']", (blocks) => blocks.map((block) => block.closest(".gallery").id));

/// Order, filter and how long they take.
async function checkCases(check) {
  await check.show(1280);
  for (const id of await galleries(check.page)) await checkGallery(check, id);
}

async function checkGallery(check, id) {
  const found = await check.page.evaluate(async (id) => {
    const section = document.getElementById(id);
    if (!section.querySelector(".controls")) return { wrong: ["no controls"], slowest: {}, total: 0, runs: 0 };
    const data = JSON.parse(section.querySelector("script").textContent);
    const wrong = [];
    const slowest = {};
    const control = (name) => section.querySelector(`.controls [name="${name}"]`);
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
    const set = async (kind, element, value) => {
      await frame();
      const before = performance.now();
      element.value = value;
      element.dispatchEvent(new Event(element.localName === "select" ? "change" : "input", { bubbles: true }));
      document.body.getBoundingClientRect();
      slowest[kind] = Math.max(slowest[kind] ?? 0, performance.now() - before);
    };
    const shown = () => [...section.querySelectorAll(".case")].filter((node) => !node.hidden);
    const indices = () => shown().map((node) => Number(node.id.split("-").at(-1)));
    const mean = (values) => {
      const defined = values.filter((value) => value !== null);
      return defined.length ? defined.reduce((a, b) => a + b, 0) / defined.length : null;
    };
    const total = data.cases.length;
    if (shown().length !== total) wrong.push(`${shown().length} of ${total} cases are shown at first`);
    for (const metric of data.metrics) {
      if (control("metric")) await set("sort", control("metric"), metric);
      const sign = data.lower_is_better.includes(metric) ? -1 : 1;
      for (const [order, direction] of [["best", -1], ["worst", 1]]) {
        await set("sort", control("order"), order);
        const scores = indices().map((index) => mean(data.cases[index].scores[metric] ?? []));
        const defined = scores.filter((score) => score !== null);
        if (scores.slice(0, defined.length).includes(null)) wrong.push(`${metric}: undefined scores are not last`);
        if (defined.some((score, at) => at && direction * sign * (score - defined[at - 1]) < -1e-9)) wrong.push(`${metric}: ${order} first is not in order`);
      }
      if (!control("metric")) break;
    }
    for (const option of [...control("order").options].map((one) => one.value)) {
      await set("sort", control("order"), option);
      if (shown().length !== total) wrong.push(`order ${option} loses cases`);
    }
    await set("sort", control("order"), "worst");
    if (total > 1) {
      await set("filter", control("text"), data.cases[total - 1].case);
      if (!(shown().length >= 1 && shown().length < total)) wrong.push(`the filter leaves ${shown().length} of ${total}`);
      if (!section.querySelector(".count").textContent.startsWith(`${shown().length} of `)) wrong.push("the count is not that of the cases");
      await set("filter", control("text"), "");
      if (shown().length !== total) wrong.push("without a filter cases are missing");
    }
    return { wrong, slowest, total, runs: data.runs.length };
  }, id);
  const { slowest } = found;
  const times = Object.entries(slowest).map(([kind, ms]) => `${kind} ${ms.toFixed(1)} ms`).join(", ");
  check.report("cases are ordered and filtered", found.wrong, `${found.total} cases, ${found.runs} runs`);
  const slow = Object.entries(slowest).filter(([, ms]) => ms >= MOST_MS);
  check.report(`ordering and filtering take less than ${MOST_MS} ms`, slow.map(([kind, ms]) => `${kind}: ${ms.toFixed(1)} ms`), times);
}

const openTitle = (page) => page.evaluate(() => document.querySelector("dialog[open] h2")?.textContent ?? null);

/// The dialog of a case: by address, by keyboard, back to the page.
async function checkDialogs(check) {
  await check.show(1280);
  for (const id of await galleries(check.page)) await checkDialog(check, id);
}

async function checkDialog(check, id) {
  const { page } = check;
  const cases = await page.evaluate((id) => JSON.parse(document.getElementById(id).querySelector("script").textContent).cases, id);
  const names = cases.map((one) => one.case);
  const wrong = [];
  // Of an empty mask, or of a case that the first run did not see, there is nothing that a slider could change.
  const marked = cases.findIndex((one) => one.size > 0 && Object.values(one.scores)[0]?.[0] != null);
  const at = marked < 0 ? Math.min(2, names.length - 1) : marked;
  await check.show(1280, "light", `#${id.replace("cases", "case")}=${encodeURIComponent(names[at])}`);
  const expect = async (name, when) => {
    const title = await openTitle(page);
    if (title !== name) wrong.push(`${when}: ${title} instead of ${name}`);
  };
  await page.waitForSelector("dialog[open]", { timeout: 5000 }).catch(() => {});
  await expect(names[at], "by its address");
  // In the order of the page, from the last to the first.
  await page.keyboard.press("ArrowRight");
  await expect(names[(at + 1) % names.length], "after Right");
  await page.keyboard.press("ArrowLeft");
  await expect(names[at], "after Left");
  await page.waitForFunction(() => document.querySelector("dialog canvas").style.width, { timeout: 5000 }).catch(() => wrong.push("no picture is painted"));
  const painted = () => page.evaluate(() => document.querySelector("dialog canvas").toDataURL());
  const slider = await page.$("dialog input[type=range]");
  if (slider) {
    const seen = new Set();
    for (const value of ["100", "0"]) {
      await slider.evaluate((element, value) => {
        element.value = value;
        element.dispatchEvent(new Event("input", { bubbles: true }));
      }, value);
      seen.add(await painted());
    }
    if (seen.size !== 2) wrong.push("the slider does not change the picture");
    await slider.evaluate((element) => {
      element.value = "60";
      element.dispatchEvent(new Event("input", { bubbles: true }));
    });
    const modes = new Set();
    for (const mode of await page.$$eval("dialog [name=mode] option", (options) => options.map((one) => one.value))) {
      await page.select("dialog [name=mode]", mode);
      modes.add(await painted());
    }
    if (modes.size < 4) wrong.push(`the modes paint ${modes.size} different pictures only`);
    await page.select("dialog [name=mode]", "errors");
  }
  for (const theme of THEMES) {
    for (const width of [320, 1280]) {
      await page.setViewport({ width, height: 900 });
      await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: theme }]);
      wrong.push(...(await axe(check, "dialog", width, theme)));
      const over = await page.evaluate(() => document.querySelector("dialog").scrollWidth - document.querySelector("dialog").clientWidth);
      if (over > 0) wrong.push(`the dialog is ${over} px too wide at ${width} px`);
    }
  }
  await page.evaluate(() => document.querySelector("dialog h2").focus());
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => document.activeElement.closest(".case"), { timeout: 2000 }).catch(() => {});
  const left = await page.evaluate(() => ({ open: Boolean(document.querySelector("dialog[open]")), at: document.activeElement.closest(".case")?.dataset.case ?? null }));
  if (left.open) wrong.push("Escape does not close it");
  if (left.at !== names[at]) wrong.push(`the focus returns to ${left.at} instead of ${names[at]}`);
  check.report("the dialog of a case: address, arrow keys, slider, Escape, axe-core", wrong, names[at].slice(0, 40));
}

/// Without script nothing is missing, and no control is there that does nothing.
async function checkWithoutScript(check) {
  const { page } = check;
  await page.setJavaScriptEnabled(false);
  await check.show(1280);
  const found = await page.evaluate(() => {
    const wrong = [];
    const hasBox = (element) => element.getBoundingClientRect().width > 1 && element.getBoundingClientRect().height > 1;
    for (const heading of document.querySelectorAll("h1, h2")) if (!hasBox(heading)) wrong.push(`no box: ${heading.textContent}`);
    const cases = document.querySelectorAll(".case");
    for (const node of cases) {
      if (!hasBox(node)) wrong.push(`no box: ${node.dataset.case}`);
      for (const image of node.querySelectorAll("img")) if (!hasBox(image)) wrong.push(`no box: ${image.alt}`);
    }
    for (const control of document.querySelectorAll("button, input, select, dialog")) wrong.push(`a control without script: ${control.outerHTML.slice(0, 80)}`);
    return { wrong, cases: cases.length };
  });
  await page.setJavaScriptEnabled(true);
  check.report("without script nothing is missing", found.wrong, `${found.cases} cases`);
}

/// In print all headings and tables have a place, controls have none, and the PDF is not empty.
async function checkPrint(check) {
  const { page } = check;
  await check.show(1280);
  await page.emulateMediaType("print");
  const wrong = await page.evaluate(() => {
    const height = (element) => element.getBoundingClientRect().height;
    const told = (elements, is, what) => [...elements].filter(is).map((element) => `${what}: ${element.textContent.trim().slice(0, 60)}`);
    const dialogs = (element) => !element.closest("dialog");
    return [
      ...told([...document.querySelectorAll("h2, table, .case")].filter(dialogs), (element) => height(element) < 2, "not in print"),
      ...told(document.querySelectorAll(".controls, .save, .strip, dialog"), (element) => height(element) > 0, "a control in print"),
    ];
  });
  await page.emulateMediaType(null);
  const pdf = await page.pdf({ format: "A4", timeout: 300_000 });
  if (pdf.length < LEAST_PDF_BYTES) wrong.push(`the PDF has ${pdf.length} bytes`);
  check.report("in print nothing is missing", wrong, `PDF of ${Math.round(pdf.length / 1024)} KB`);
}

async function checkHtml(check) {
  // What is encoded in base64 holds no markup; without it large pages are read quickly.
  const html = readFileSync(check.file, "utf8").replace(/(;base64,)[A-Za-z0-9+/=]+/g, "$1AAAA");
  const validator = new HtmlValidate({ extends: ["html-validate:standard"] });
  const { results } = await validator.validateString(html);
  const wrong = results.flatMap(({ messages }) => messages.map(({ line, column, ruleId, message }) => `${line}:${column} ${ruleId}: ${message.slice(0, 160)}`));
  check.report("html-validate", wrong);
}

/// How soon after the start of loading the scripts have made the page usable.
async function reportLoading(check) {
  await check.show(1280);
  const ms = await check.page.evaluate(() => performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd);
  console.log(`       ${basename(check.file)}: usable after ${Math.round(ms)} ms`);
}

const CHECKS = [
  reportLoading, checkPictures, checkOverflow, checkTables, checkSaved, checkCharts, checkCases, checkDialogs, checkWithoutScript, checkPrint, checkHtml, checkAxe,
];

async function checkPage(browser, file) {
  const check = new Check(file, await browser.newPage());
  await check.listen();
  for (const one of CHECKS) {
    try {
      await one(check);
    } catch (error) {
      check.report(one.name, [String(error.stack ?? error).split("\n").slice(0, 3).join(" ")]);
    }
  }
  check.report("no error or warning in the console", [...new Set(check.messages)]);
  check.report("nothing is loaded", [...new Set(check.requests)]);
  await check.page.close();
}

const files = process.argv.slice(2);
if (!files.length) {
  console.error("usage: node check.mjs PAGE.html [PAGE.html ..]");
  process.exit(2);
}
const executablePath = process.env.CHROMIUM || whereIs("chromium");
if (!executablePath) {
  console.error("no Chromium: install it, or name it in the environment variable CHROMIUM");
  process.exit(2);
}
const browser = await puppeteer.launch({
  executablePath,
  headless: true,
  protocolTimeout: 300_000,
  args: ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--no-first-run"],
});
try {
  for (const file of files) await checkPage(browser, file);
} finally {
  await browser.close();
}
if (failures.length) {
  console.log(`\n${failures.length} failures:`);
  for (const line of failures) console.log(`  ${line}`);
  process.exit(1);
}
console.log("all checks passed");
