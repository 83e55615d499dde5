//! The page in a browser: nothing cut off, no empty chart, no broken picture, no network.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::classify::CLASSIFIER;
use crate::multi_task::BOTH;
use crate::support::Bench;

/// What a page measures of a report in a frame of a given width.
const PROBE: &str = r#"<!doctype html><title>probe</title>
<iframe id="page" src="REPORT" style="width:WIDTHpx;height:2000px;border:0"></iframe><pre id="found"></pre>
<script>
addEventListener("load", () => {
  const page = document.getElementById("page").contentDocument;
  const root = page.documentElement;
  for (const details of page.querySelectorAll("details")) details.open = true;
  const images = [...page.images];
  const cut = [...page.querySelectorAll("h1, h2, h3, p, figure, table")].filter((element) => {
    const box = element.getBoundingClientRect();
    const scrolls = (at) => at && (["auto", "scroll"].includes(getComputedStyle(at).overflowX) || scrolls(at.parentElement));
    return box.right > root.clientWidth + 1 && !scrolls(element);
  });
  document.getElementById("found").textContent = JSON.stringify({
    overflow: root.scrollWidth - root.clientWidth,
    cut: cut.map((element) => element.outerHTML.slice(0, 80)),
    images: images.length,
    broken: images.filter((image) => !image.naturalWidth).length,
    unnamed: images.filter((image) => !image.alt).length,
    charts: page.querySelectorAll("svg").length,
    empty: [...page.querySelectorAll("figure svg")].filter((svg) => !svg.querySelector("polyline, path, circle, rect, use")).length,
  });
});
</script>"#;

fn browser() -> Option<&'static str> {
    let found = ["chromium", "chromium-browser", "google-chrome"]
        .into_iter()
        .find(|name| Command::new(name).arg("--version").output().is_ok());
    if found.is_none() {
        eprintln!("skipped: no Chromium on this machine");
    }
    found
}

fn measure(browser: &str, bench: &Bench, report: &Path, width: u32) -> Value {
    let page = PROBE
        .replace("REPORT", &format!("file://{}", report.display()))
        .replace("WIDTH", &width.to_string());
    let probe = bench.file(&format!("probe-{width}.html"), page);
    let profile = bench.path().join(format!("profile-{width}"));
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--allow-file-access-from-files", "--virtual-time-budget=5000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("--window-size={},2100", width + 20))
        .arg(format!("file://{}", probe.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout).into_owned();
    let found = dom.split("<pre id=\"found\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let text =
        found.unwrap_or_default().replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {dom}"))
}

/// A report loads nothing and shows all it has at any width.
fn assert_whole(browser: &str, bench: &Bench) {
    let report = bench.path().join("report.html");
    let html = fs::read_to_string(&report).unwrap();
    for load in ["src=\"http", "href=\"http", "@import", "<script src", "<link", "url(http"] {
        assert!(!html.contains(load), "the page loads something: {load}");
    }
    for width in [390, 800, 1400] {
        let found = measure(browser, bench, &report, width);
        assert_eq!(found["overflow"], 0, "{width} px: {found}");
        assert_eq!(found["cut"], serde_json::json!([]), "{width} px");
        assert!(found["images"].as_u64().unwrap() > 10 && found["charts"].as_u64().unwrap() >= 4);
        assert_eq!(
            (&found["broken"], &found["unnamed"], &found["empty"]),
            (&0.into(), &0.into(), &0.into()),
            "{found}"
        );
    }
}

#[test]
fn the_report_is_whole_at_any_width() {
    let Some(browser) = browser() else { return };
    let bench = Bench::new();
    bench.tiny("[gate]\n\"test.dice.mean\" = { at-least = 0.1 }\n");
    bench.oncospec(&["run", "tiny.toml", "--set", "seeds=[0, 1]", "-o", "report.html"]).with(0);
    assert_whole(browser, &bench);
}

#[test]
fn so_is_that_of_networks_that_tell_images_apart() {
    let Some(browser) = browser() else { return };
    let bench = Bench::new();
    bench.file("sorted.toml", CLASSIFIER);
    bench.file("both.toml", BOTH);
    bench.oncospec(&["run", "sorted.toml", "both.toml", "-o", "report.html"]).with(0);
    assert_whole(browser, &bench);
}

#[test]
fn a_page_is_printed_by_a_chromium_that_is_there_and_refused_without_one() {
    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["run", "tiny.toml", "-o", "report.html"]).with(0);
    let print = ["report", "tiny", "-o", "a #%41?.html", "--pdf", "report.pdf"];
    let mut without = bench.command(&print);
    let refused = without.env("PATH", "").env_remove("CHROMIUM").output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("no Chromium to print with"));
    if browser().is_some() {
        bench.oncospec(&print).with(0);
        assert!(fs::read(bench.path().join("report.pdf")).unwrap().starts_with(b"%PDF"));
    }
}
