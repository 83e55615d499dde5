//! What `report` writes beside a plain page.

use std::fs;
use std::path::Path;

use oncospec::record::Record;

use crate::support::Bench;

/// The page without its scripts, which hold no figure and no name.
fn text(path: &Path) -> String {
    let html = fs::read_to_string(path).unwrap();
    html.split("<script>").next().unwrap().to_owned()
}

/// One run made once for all ways to show it.
#[test]
fn a_page_is_redacted_parted_from_its_pictures_indexed_and_whole_after_a_loss() {
    let bench = Bench::new();
    bench.tiny("[gate]\n\"test.dice.mean\" = { at-least = 0.0 }\n[report]\ncases = 3\n");
    bench.oncospec(&["run", "tiny.toml", "--set", "seeds=[0, 1]", "-o", "page.html"]).with(0);
    let page = text(&bench.path().join("page.html"));
    let [first, _] = [0, 1].map(|at| runs(&bench).remove(at));
    let record = Record::read(&first).unwrap();
    let pictured = record.pictured().unwrap();
    assert_eq!(pictured.len(), 3, "`report.cases` bounds what is kept");
    assert_eq!(page.matches("<li class=\"case\"").count(), 3);
    assert!(page.contains("3 of ") && page.contains("id=\"cases-data\""));
    assert!(page.contains("A training case as the network sees it"));

    bench.oncospec(&["report", "tiny", "--redact", "-o", "redacted.html"]).with(0);
    let redacted = text(&bench.path().join("redacted.html"));
    assert!(!redacted.contains("data:image/") && redacted.contains("are left out of this page"));
    for row in record.split.iter() {
        assert!(!redacted.contains(&row.case), "{}", row.case);
    }

    let assets = ["report", "tiny", "--assets", "pictures", "-o", "parted.html"];
    bench.oncospec(&assets).with(0);
    bench.oncospec(&assets).with(0);
    let parted = text(&bench.path().join("parted.html"));
    assert!(!parted.contains("data:image/"));
    let mut shown = 0;
    for name in parted.split("src=\"pictures/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(bench.path().join("pictures").join(name).is_file(), "{name}");
        shown += 1;
    }
    assert_eq!(shown, page.matches("src=\"data:image/").count());
    for elsewhere in ["/tmp", "../pictures", "pictures/../..", "."] {
        bench
            .oncospec(&["report", "tiny", "--assets", elsewhere, "-o", "parted.html"])
            .with(2)
            .telling(&["--assets", "below that of the page"]);
    }

    bench.oncospec(&["report", "runs", "--index", "-o", "out/all.html"]).with(0);
    let index = text(&bench.path().join("out/all.html"));
    assert!(
        index.contains("href=\"all-pages&#x2f;tiny.html\"") && index.contains("Gates over time")
    );
    assert!(text(&bench.path().join("out/all-pages/tiny.html")).contains("id=\"answer\""));

    // Of finished runs nothing is left to be watched.
    bench.oncospec(&["report", "tiny", "--watch", "-o", "page.html"]).with(0);

    fs::remove_file(first.join("pictured.parquet")).unwrap();
    for entry in fs::read_dir(first.join("pictures")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending != "json") {
            fs::remove_file(path).unwrap();
        }
    }
    bench.oncospec(&["report", "tiny", "-o", "half.html"]).with(0);
    let half = text(&bench.path().join("half.html"));
    assert!(half.contains("pictured.parquet") && half.contains("<li class=\"case\""));
}

/// The run directories, by their names.
fn runs(bench: &Bench) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(bench.path().join("runs/tiny")).unwrap();
    let mut runs: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    runs.retain(|path| path.is_dir());
    runs.sort();
    runs
}
