use std::collections::BTreeMap;
use std::fs;
use std::time::Instant;

use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use super::*;
use crate::baseline::Baseline;
use crate::figure_name::FigureName;
use crate::record::{Record, examples};
use crate::split_name::SplitName;
use crate::text;

fn options() -> ReportOptions {
    ReportOptions {
        compare: Vec::new(),
        unreadable: Vec::new(),
        title: "Attention & <others>".into(),
        command: "oncospec report runs/* -o report.html".into(),
        templates: None,
        literature: Vec::new(),
        redact: false,
        again_after: None,
    }
}

/// Three records: one that overfits, one interrupted, one with five classes and hostile names.
fn records(root: &std::path::Path) -> Vec<Record> {
    let mut records =
        vec![examples::overfitting(root), examples::interrupted(root), examples::multi_class(root)];
    for record in &mut records {
        let folder = record.path.strip_prefix(root).unwrap().to_path_buf();
        *record = Record::read(&record.path).unwrap();
        assert!(record.path.ends_with(folder));
    }
    records
}

fn page() -> String {
    let root = tempfile::tempdir().unwrap();
    let html = render(&records(root.path()), &options()).unwrap();
    if let Some(folder) = std::env::var_os("ONCOSPEC_REPORT_SAMPLES") {
        fs::write(std::path::Path::new(&folder).join("three.html"), &html).unwrap();
        let one = render(&[examples::overfitting(root.path())], &ReportOptions::default()).unwrap();
        fs::write(std::path::Path::new(&folder).join("one.html"), one).unwrap();
        let seeds: Vec<Record> =
            (0..3).map(|seed| examples::busi(root.path(), "seeds", seed, 12, 40)).collect();
        let seeds = render(&seeds, &ReportOptions::default()).unwrap();
        fs::write(std::path::Path::new(&folder).join("seeds.html"), seeds).unwrap();
        let index = index(&records(root.path()), &BTreeMap::new(), &options()).unwrap();
        fs::write(std::path::Path::new(&folder).join("index.html"), index).unwrap();
    }
    html
}

/// Compares with `snapshots/<name>.snap`.
fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// Tags of a page, by a scan that a browser would agree with on our own output; what scripts hold are no tags.
fn tags(html: &str) -> Vec<&str> {
    let mut in_script = false;
    let tags = html.split('<').skip(1).filter_map(|part| part.split_once('>'));
    tags.map(|(tag, _)| tag)
        .filter(|tag| {
            let ends = *tag == "/script";
            let is_tag = !in_script || ends;
            in_script = (in_script || tag.starts_with("script")) && !ends;
            is_tag
        })
        .collect()
}

/// A page without its scripts, data blocks and the bytes of pictures.
fn without_scripts(html: &str) -> String {
    let without = |html: &str, begin: &str, end: &str| {
        let mut parts = html.split(begin);
        let first = parts.next().unwrap_or_default().to_owned();
        parts.fold(first, |page, part| page + part.split_once(end).map_or("", |(_, rest)| rest))
    };
    without(&without(html, "<script", "</script>"), ";base64,", "\"")
}

/// What each script of a page holds, data blocks left out.
fn scripts(html: &str) -> Vec<&str> {
    html.split("<script>")
        .skip(1)
        .filter_map(|rest| rest.split_once("</script>"))
        .map(|(s, _)| s)
        .collect()
}

#[test]
fn the_page_loads_nothing_and_runs_its_own_scripts_alone() {
    use base64::Engine;
    use sha2::{Digest, Sha256};
    let html = page();
    let policy = html.split("Content-Security-Policy\" content=\"").nth(1).unwrap();
    let policy = policy.split('"').next().unwrap();
    let scripts = scripts(&html);
    assert!(scripts.len() >= 3 && policy.matches("'sha256-").count() == scripts.len());
    for script in scripts {
        let sum = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(script));
        assert!(policy.contains(&format!("'sha256-{sum}'")), "{policy}");
        assert!(script.len() < 60_000);
    }
    for tag in tags(&html) {
        let name = tag.split([' ', '/']).next().unwrap().to_lowercase();
        assert!(
            !["link", "iframe", "object", "embed", "base", "form"].contains(&name.as_str()),
            "<{tag}>"
        );
        let own = ["script", "script type=\"application/json\""];
        assert!(name != "script" || own.iter().any(|own| tag.starts_with(own)), "<{tag}>");
        let loads = ["src=\"", "href=\"", "srcset=\"", "data=\"", "action=\""];
        for attribute in loads.iter().filter_map(|name| tag.split_once(name)) {
            let target = attribute.1;
            assert!(target.starts_with("data:image/") || target.starts_with('#'), "<{tag}>");
        }
        assert!(!tag.to_lowercase().contains(" on"), "an event handler: <{tag}>");
    }
    assert!(!html.contains("url(") && !html.contains("@import"), "the stylesheet loads nothing");
}

#[test]
fn runs_on_the_same_cases_are_compared_with_their_seeds_as_one() {
    let root = tempfile::tempdir().unwrap();
    let runs = [("a", 0), ("a", 1), ("b", 0)];
    let records: Vec<Record> =
        runs.iter().map(|&(name, seed)| examples::busi(root.path(), name, seed, 12, 40)).collect();
    let html = render(&records, &ReportOptions::default()).unwrap();
    for part in ["Differences in Dice", "correction for 1 test.", "a, 2 seeds"] {
        assert!(html.contains(part), "{part}");
    }
    assert!(!html.contains("Not compared, since"));
}

#[test]
fn names_cannot_become_markup() {
    let html = page();
    assert!(!html.contains("<script>alert") && !tags(&html).contains(&"b"));
    assert!(html.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;"));
    assert!(html.contains("caf\u{e9} &lt;b&gt;bold"));
    assert!(html.contains("Attention &amp; &lt;others&gt;"));
}

#[test]
fn tags_are_balanced_and_ids_are_unique() {
    const VOID: [&str; 4] = ["meta", "img", "!doctype", "wbr"];
    let html = page();
    let mut open: Vec<String> = Vec::new();
    let mut ids: Vec<String> = Vec::new();
    for tag in tags(&html) {
        if let Some(id) = tag.split_once(" id=\"").and_then(|(_, rest)| rest.split('"').next()) {
            assert!(!ids.iter().any(|seen| seen == id), "id {id} twice");
            ids.push(id.to_owned());
        }
        let name = tag.split([' ', '\n']).next().unwrap().to_lowercase();
        if let Some(closed) = name.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(closed), "</{closed}> closes nothing");
        } else if !tag.ends_with('/') && !VOID.contains(&name.as_str()) {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "left open: {open:?}");
    for target in html.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(ids.iter().any(|id| id == target), "#{target} leads nowhere");
    }
}

#[test]
fn headings_descend_one_level_at_a_time_and_tables_say_what_they_are() {
    let root = tempfile::tempdir().unwrap();
    let one = render(&[examples::overfitting(root.path())], &ReportOptions::default()).unwrap();
    for html in [page(), one] {
        let levels: Vec<u32> = tags(&html)
            .into_iter()
            .filter_map(|tag| tag.strip_prefix('h').and_then(|rest| rest.get(..1)?.parse().ok()))
            .collect();
        assert_eq!(levels.iter().filter(|&&level| level == 1).count(), 1);
        assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
        assert_eq!(html.matches("<table").count(), html.matches("<caption").count());
        assert!(
            tags(&html)
                .iter()
                .filter(|tag| tag.starts_with("th "))
                .all(|tag| tag.contains("scope="))
        );
        assert!(
            tags(&html)
                .iter()
                .filter(|tag| tag.starts_with("img "))
                .all(|tag| tag.contains("alt=\""))
        );
    }
}

#[test]
fn the_page_says_what_a_reviewer_needs() {
    let html = page();
    for needed in [
        "Stopped by Ctrl-C",
        "after 1 of 30 epochs",
        "overfitting",
        "The test split was read 3 times",
        "is never predicted",
        "No group crosses a split",
        "3f2a9c1be07d54e8a6610b2c9d8e7f6051423344",
        "sha256:7d1f0a4be2c93355",
        "CPU (flex)",
        "24,439,269",
        "392.20 G",
        "oncospec report runs",
        "resized to the original",
        "A class absent from truth",
        "bootstrap over groups",
        "dataset.root=data&#x2f;BUSI images (2020)",
        "images with several masks, which are united (17: ",
    ] {
        assert!(html.contains(needed), "the page lacks `{needed}`");
    }
}

#[test]
fn equal_records_make_equal_pages() {
    let root = tempfile::tempdir().unwrap();
    let records = records(root.path());
    assert_eq!(render(&records, &options()).unwrap(), render(&records, &options()).unwrap());
}

#[test]
fn the_structure_of_the_page_is_as_it_was() {
    let mut structure = String::new();
    let mut in_chart = false;
    for tag in tags(&page()) {
        in_chart |= tag.starts_with("svg class=\"chart\"");
        if !in_chart {
            let tag = match tag.split_once("base64,") {
                Some((before, after)) => {
                    format!(
                        "{before}base64,..{}",
                        after.split_once('"').map_or("", |(_, rest)| rest)
                    )
                }
                None => tag.to_owned(),
            };
            let shown = [
                "h1",
                "h2",
                "h3",
                "h4",
                "section",
                "table",
                "caption",
                "details",
                "img",
                "div class=\"banner",
                "svg",
                "li class",
            ];
            if shown.iter().any(|name| tag.starts_with(name)) {
                structure.push_str(&tag);
                structure.push('\n');
            }
        }
        in_chart &= tag != "/svg";
    }
    snapshot("page", &structure);
}

/// What stands between two texts, replaced throughout.
fn replaced(html: &str, begin: &str, end: &str, by: &str) -> String {
    let mut parts = html.split(begin);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |page, part| match part.split_once(end) {
        Some((_, rest)) => page + begin + by + end + rest,
        None => page + begin + part,
    })
}

#[test]
fn each_section_says_what_it_said() {
    let root = tempfile::tempdir().unwrap();
    let html = render(&records(root.path()), &options()).unwrap();
    let html = replaced(&html, ";base64,", "\"", "..");
    let html = replaced(&html, "<svg class=\"chart", "</svg>", "\">..");
    let html = replaced(&html, "<script type=\"application/json\"", "</script>", ">..");
    let folder = words::escape(&root.path().display().to_string());
    let html = html.replace(&folder, "ROOT").replace(&folder.replace('/', "&#x2f;"), "ROOT");
    let html = html.replace(&root.path().display().to_string(), "ROOT");
    let mut sections = 0;
    for part in html.split("<section id=\"").skip(1) {
        let (id, rest) = part.split_once('"').unwrap();
        let (body, _) = rest.split_once("</section>").unwrap();
        let lines = body.lines().map(str::trim_end).filter(|line| !line.is_empty());
        // Of many equal rows the first few are enough.
        let lines: Vec<&str> = lines.take(120).collect();
        snapshot(&format!("section_{}", id.replace('-', "_")), &lines.join("\n"));
        sections += 1;
    }
    assert!(sections >= 11, "{sections}");
}

#[test]
fn markdown_is_one_table_with_the_reasons_below() {
    let root = tempfile::tempdir().unwrap();
    snapshot("markdown", &markdown(&records(root.path()), &Baseline::default()));
}

#[test]
fn a_record_of_a_run_that_has_only_begun_makes_a_page() {
    let html = render(&[Record::default()], &ReportOptions::default()).unwrap();
    for needed in [
        "No figure has been recorded yet",
        "No epoch has been completed",
        "No case has been evaluated",
    ] {
        assert!(html.contains(needed), "the page lacks `{needed}`");
    }
    assert!(markdown(&[Record::default()], &Baseline::default()).contains("planned"));
}

#[test]
fn an_index_has_all_runs_and_the_history_of_their_gates() {
    let root = tempfile::tempdir().unwrap();
    let mut records: Vec<Record> =
        (0..3).map(|seed| examples::busi(root.path(), "ward", seed, 4, 40)).collect();
    records.push(examples::multi_class(root.path()));
    let pages = BTreeMap::from([("ward".to_owned(), "pages/ward.html".to_owned())]);
    let html = index(&records, &pages, &options()).unwrap();
    assert_eq!(html.matches("<a href=\"pages&#x2f;ward.html\">").count(), 6);
    for needed in ["ward, seed 2", "Gates over time", "ward: test.dice.mean", "test.hd95.mean"] {
        assert!(without_scripts(&html).contains(needed), "the index lacks `{needed}`");
    }
    assert!(!html.contains("data:image/"), "pictures are on the pages");
    assert_eq!(index(&[], &pages, &options()).unwrap_err().exit_code(), 2);
}

/// 100 runs make a small index.
#[test]
fn a_hundred_runs_fit_an_index() {
    let root = tempfile::tempdir().unwrap();
    let one = examples::busi(root.path(), "many", 0, 30, 100);
    let run = |seed: u32| {
        let mut record = one.clone();
        record.provenance.seed = seed;
        record
    };
    let records: Vec<Record> = (0..100).map(run).collect();
    let html = index(&records, &BTreeMap::new(), &options()).unwrap();
    assert!(html.len() < 3_000_000, "{} bytes", html.len());
}

#[test]
fn a_report_over_no_run_is_refused() {
    assert_eq!(render(&[], &options()).unwrap_err().exit_code(), 2);
}

#[test]
fn figures_that_are_not_finite_become_dashes_and_gaps() {
    let root = tempfile::tempdir().unwrap();
    let mut record = examples::overfitting(root.path());
    for row in &mut record.epochs {
        row.figures.insert("loss".into(), f64::NAN);
    }
    record.figures[0].value = f64::NAN;
    let html = render(&[record], &ReportOptions::default()).unwrap();
    let html = without_scripts(&html);
    assert!(!html.contains("NaN"));
    assert!(html.contains("No finite value was recorded"));
    assert!(html.contains("not a finite number in epoch 1"));
}

#[test]
fn a_template_of_ones_own_replaces_the_built_in_one() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("provenance.html.j2"), "<p>own {{ runs[0].label }}</p>").unwrap();
    let options = ReportOptions { templates: Some(root.path().into()), ..options() };
    let html = render(&[Record::default()], &options).unwrap();
    assert!(html.contains("<p>own") && html.contains("id=\"results\""));
}

#[test]
fn a_wrong_template_is_named_with_its_line() {
    let root = tempfile::tempdir().unwrap();
    let options = ReportOptions { templates: Some(root.path().into()), ..options() };
    let wrong = |text: &str| {
        fs::write(root.path().join("status.html.j2"), text).unwrap();
        let error = render(&[Record::default()], &options).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    for text in ["\n{% if %}", "\n{{ nonsense }}", "\n{{ runs[0].nonsense }}"] {
        let message = wrong(text);
        assert!(message.contains("status.html.j2:2"), "{message}");
    }
    fs::remove_file(root.path().join("status.html.j2")).unwrap();
    let message = render(&[Record::default()], &options).unwrap_err().to_string();
    assert!(message.contains("holds none of the templates") && message.contains("style.css"));
}

/// The limits of the task with much room: 10 runs of 100 cases in seconds and under 25 MB.
#[test]
fn ten_runs_of_a_hundred_cases_fit_a_page() {
    let root = tempfile::tempdir().unwrap();
    let records: Vec<Record> =
        (0..10).map(|seed| examples::busi(root.path(), "many", seed, 100, 100)).collect();
    let begun = Instant::now();
    let html = render(&records, &options()).unwrap();
    eprintln!("{} bytes in {:?}", html.len(), begun.elapsed());
    assert!(html.len() < 25_000_000, "{} bytes", html.len());
}

/// A record in which everything that a person may name has this name.
fn named(record: &Record, name: &str) -> Record {
    let mut record = record.clone();
    record.summary.experiment = name.to_owned();
    record.summary.description = name.to_owned();
    record.summary.classes = vec![name.to_owned()];
    record.summary.notes = vec![name.to_owned()];
    record.status.why = Some(name.to_owned());
    for row in record.cases.iter_mut() {
        row.case = format!("{name}{}", row.case);
        (row.label, row.class) = (name.to_owned(), name.to_owned());
    }
    for row in record.split.iter_mut() {
        row.case = format!("{name}{}", row.case);
        (row.group, row.label) = (format!("{name}{}", row.group), name.to_owned());
    }
    for picture in &mut record.pictures {
        (picture.case, picture.label) = (name.to_owned(), name.to_owned());
        picture.images = Default::default();
    }
    for figure in &mut record.figures {
        figure.name = format!("dice.label.{name}");
    }
    for gate in &mut record.gates {
        gate.figure = FigureName::new(SplitName::Test, format!("dice.label.{name}"));
        gate.held = false;
    }
    record
}

/// Whatever things are called, the page has the same elements, but for where a name may break, and nothing hidden; the
/// summary has the same lines and cells.
#[test]
fn no_name_changes_the_page_or_the_summary() {
    let root = tempfile::tempdir().unwrap();
    let record = examples::busi(root.path(), "named", 0, 4, 40);
    let elements = |html: &str| -> Vec<String> {
        let names = tags(html).into_iter().map(|tag| tag.split([' ', '\n']).next().unwrap());
        names.filter(|name| *name != "wbr").map(String::from).collect()
    };
    let hidden = |text: &str| text.contains(|c| text::is_hidden(c) && c != '\n' && c != '\t');
    // Bars that part cells are those without a backslash.
    let shape = |summary: &str| -> Vec<usize> {
        let bars = |line: &str| line.matches('|').count() - line.matches(r"\|").count();
        summary.lines().map(bars).collect()
    };
    let of = |name: &str| {
        let records = [named(&record, name), named(&record, &format!("{name} 2"))];
        (
            render(&records, &ReportOptions::default()).unwrap(),
            markdown(&records, &Baseline::default()),
        )
    };
    let (page, summary) = of("x");
    let mut runner = TestRunner::new(ProptestConfig::with_cases(24));
    let whatever = runner.run(&text::hostile::name(), |name| {
        let hostile = of(&format!("x{name}"));
        prop_assert!(!hidden(&hostile.0) && !hidden(&hostile.1));
        prop_assert_eq!(elements(&page), elements(&hostile.0));
        prop_assert_eq!(shape(&summary), shape(&hostile.1));
        Ok(())
    });
    whatever.unwrap();
}

#[test]
fn names_written_from_the_right_are_isolated() {
    let root = tempfile::tempdir().unwrap();
    let record = examples::busi(root.path(), "named", 0, 4, 40);
    let name = "\u{5e9}\u{5dc}";
    let records = [named(&record, name), named(&record, &format!("{name}2"))];
    let html = without_scripts(&render(&records, &ReportOptions::default()).unwrap());
    let body = html.split_once("</title>").unwrap().1;
    let mut isolated = 0;
    for (at, _) in body.match_indices(name) {
        let before = &body[..at];
        let in_tag = before.rfind('<') > before.rfind('>');
        let in_bdi = before.rfind("<bdi>") > before.rfind("</bdi>");
        let in_free_text =
            ["<p class=\"lead\">", "<li>", "<dd>", "<p>", "<pre", "<td class=\"note\">"]
                .iter()
                .any(|tag| before.rfind(tag) > before.rfind("</"));
        assert!(
            in_tag || in_bdi || in_free_text || before.ends_with("Dice, "),
            "{}",
            &before[before.len().saturating_sub(200)..]
        );
        isolated += usize::from(in_bdi);
    }
    assert!(isolated > 20, "{isolated}");
}
