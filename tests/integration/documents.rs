//! What the documents show is true: their TOML is accepted, their commands run, their links lead somewhere.
//!
//! A line before a block says more about it: `<!-- exits 2 -->`, how its commands end; `<!-- not run -->`, that they
//! need what a test has not, so that only their arguments are read. TOML with a `name` becomes the file `<name>.toml`;
//! TOML without one is laid over the last that has. A `text` block is part of what the commands before it printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::{CommandFactory, Parser};
use oncospec::cli::Cli;
use oncospec::spec::{MetricKind, load, suite};

use crate::support::{Bench, Said, repository, said};

/// A fenced block of a document.
struct Block {
    /// `toml`, `sh`, `text`, ..
    language: String,
    text: String,
    /// What the comment before it says.
    mark: Option<String>,
}

/// The documents of the repository, each with its path from the root.
fn documents() -> Vec<(PathBuf, String)> {
    let mut folders = vec![repository().to_path_buf(), repository().join("docs")];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && folder != repository() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap();
                found.push((path.strip_prefix(repository()).unwrap().to_path_buf(), text));
            }
        }
    }
    found.sort();
    assert!(found.len() >= 4, "{found:?}");
    found
}

fn blocks(document: &str) -> Vec<Block> {
    let mut found = Vec::new();
    let mut lines = document.lines();
    let mut mark = None;
    while let Some(line) = lines.next() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            let inside = lines.by_ref().take_while(|line| line.trim_start() != "```");
            let text = inside.map(|line| format!("{line}\n")).collect();
            found.push(Block { language: language.into(), text, mark: mark.take() });
        } else if let Some(said) = line.strip_prefix("<!-- ").and_then(|s| s.strip_suffix(" -->")) {
            mark = Some(said.to_owned());
        } else if !line.trim().is_empty() {
            mark = None;
        }
    }
    found
}

/// The commands of a block, those that go over several lines joined.
fn commands(block: &str) -> Vec<String> {
    let joined = block.replace("\\\n", " ");
    let lines =
        joined.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// The words of a command as a shell has them, without what a comment says.
fn words(command: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    let (mut word, mut quote): (Option<String>, Option<char>) = (None, None);
    for c in command.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => word.get_or_insert_default().push(c),
            None if c == '\'' || c == '"' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            None if c == '#' && word.is_none() => break,
            None => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// Writes the TOML of a block where its commands look for it, and loads it. `before` is the last spec of the document.
fn accept(bench: &Bench, text: &str, before: &mut Option<PathBuf>) -> Result<(), String> {
    let table: toml::Table = text.parse().map_err(|error| format!("{error}"))?;
    let file = match table.get("name").and_then(toml::Value::as_str) {
        Some(name) => bench.file(&format!("{name}.toml"), text),
        None => {
            let below =
                before.clone().unwrap_or_else(|| repository().join("experiments/demo.toml"));
            bench.file(
                "part.toml",
                format!("extends = \"{}\"\nname = \"part\"\n{text}", below.display()),
            )
        }
    };
    if suite(&file).map_err(|error| error.to_string())?.is_some() {
        return Ok(());
    }
    load(&file, &[], std::iter::empty()).map_err(|problems| problems.to_string())?;
    if file.file_name().is_some_and(|name| name != "part.toml") {
        *before = Some(file);
    }
    Ok(())
}

#[test]
fn every_toml_block_of_the_documents_is_accepted() {
    let mut seen = 0;
    for (path, text) in documents() {
        let bench = Bench::new();
        let mut before = None;
        for block in blocks(&text).iter().filter(|block| block.language == "toml") {
            seen += 1;
            if let Err(why) = accept(&bench, &block.text, &mut before) {
                panic!("{}:\n{}\n{why}", path.display(), block.text);
            }
        }
    }
    assert!(seen >= 3, "{seen} blocks");
}

#[test]
fn every_command_of_the_documents_has_arguments_that_there_are() {
    let mut seen = 0;
    for (path, text) in documents() {
        let of_workflows = |block: &Block| match block.language.as_str() {
            "sh" => commands(&block.text),
            "yaml" => {
                let command = |line: &str| {
                    let item = line.trim().strip_prefix("- ")?;
                    let of_gitlab = item.starts_with("oncospec ").then_some(item);
                    item.strip_prefix("run: ").or(of_gitlab).map(str::to_owned)
                };
                block.text.lines().filter_map(command).collect()
            }
            _ => Vec::new(),
        };
        for command in blocks(&text).iter().flat_map(of_workflows) {
            let words = words(&command);
            let arguments = match words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
                ["oncospec" | "target/debug/oncospec", ..] => words,
                ["cargo", "run", .., "--", _] => {
                    let after = words.iter().position(|word| word == "--").unwrap();
                    words[after..].to_vec()
                }
                [program, ..] => {
                    let known = [
                        "cargo",
                        "git",
                        "gh",
                        "bash",
                        "mkdir",
                        "curl",
                        "tar",
                        "pip",
                        "unzip",
                        "cp",
                        "ln",
                        "INSTA_UPDATE=always",
                    ];
                    assert!(known.contains(program), "{}: {command}", path.display());
                    continue;
                }
                [] => continue,
            };
            seen += 1;
            if let Err(error) = Cli::try_parse_from(arguments) {
                panic!("{}: {command}\n{error}", path.display());
            }
        }
    }
    assert!(seen >= 5, "{seen} commands");
}

/// Keys that make every run short, and no gate of so short a run fall; `--set` of a document still counts above them.
const SHORT: [(&str, &str); 6] = [
    ("ONCOSPEC_GATE", "false"),
    ("ONCOSPEC_SCHEDULE__EPOCHS", "1"),
    ("ONCOSPEC_DATASET__IMAGE_SIZE", "32"),
    ("ONCOSPEC_RUN__DEVICE", "cpu"),
    ("ONCOSPEC_REPORT__FILM__FRAMES", "1"),
    ("ONCOSPEC_EVALUATION__METRICS", "[\"accuracy\"]"),
];

/// What a shell makes of a line, with `oncospec` being the binary under test.
fn shell(bench: &Bench, line: &str) -> Said {
    let binary = Path::new(env!("CARGO_BIN_EXE_oncospec")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.args(["-c", line]).current_dir(bench.path()).stdin(Stdio::null());
    command.env("PATH", format!("{}:{path}", binary.display())).envs(SHORT);
    said(command.output().unwrap())
}

/// Does what a document says, from its top to its end, in a folder with synthetic images in the layouts of BUSI and BCSS.
fn follow(path: &Path, text: &str) {
    let bench = Bench::new();
    for (kind, folder, cases) in
        [("busi", "data/Dataset_BUSI_with_GT", "40"), ("bcss", "data/BCSS", "8")]
    {
        let out = ["data", "synth", "--kind", kind, "--out", folder, "--cases", cases];
        bench.oncospec(&out).with(0);
    }
    let mut before = None;
    let mut printed = String::new();
    for block in blocks(text) {
        match (block.language.as_str(), block.mark.as_deref()) {
            ("toml", _) => accept(&bench, &block.text, &mut before).unwrap(),
            ("sh", Some("not run")) => printed.clear(),
            ("sh", mark) => {
                let code =
                    mark.and_then(|mark| mark.strip_prefix("exits ")?.parse().ok()).unwrap_or(0);
                printed.clear();
                for line in commands(&block.text).iter().filter(|line| line.starts_with("oncospec"))
                {
                    let said = shell(&bench, line);
                    assert_eq!(said.code, Some(code), "{}: {line}\n{}", path.display(), said.err);
                    printed += &(said.out + &said.err);
                }
            }
            ("text", _) if !printed.is_empty() => {
                for line in block.text.lines() {
                    assert!(
                        printed.contains(line),
                        "{}: no `{line}` in\n{printed}",
                        path.display()
                    );
                }
            }
            _ => {}
        }
    }
}

#[test]
fn the_commands_of_the_readme_run() {
    let text = fs::read_to_string(repository().join("README.md")).unwrap();
    follow(Path::new("README.md"), &text);
}

#[test]
fn the_commands_of_the_documentation_run() {
    for (path, text) in documents().iter().filter(|(path, _)| path.starts_with("docs")) {
        follow(path, text);
    }
}

/// Where forges put the section of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

#[test]
fn links_of_the_documents_lead_to_files_and_sections() {
    for (path, text) in documents() {
        let file = repository().join(&path);
        for rest in text.split("](").skip(1) {
            let target = rest.split(')').next().unwrap();
            if target.contains("://") {
                continue;
            }
            let (name, section) = target.split_once('#').unwrap_or((target, ""));
            let led =
                if name.is_empty() { file.clone() } else { file.parent().unwrap().join(name) };
            assert!(led.exists(), "{}: no {target}", path.display());
            let found = section.is_empty() || {
                let text = fs::read_to_string(&led).unwrap();
                let headings = text.lines().filter_map(|line| line.strip_prefix('#'));
                headings
                    .into_iter()
                    .any(|rest| anchor(rest.trim_start_matches(['#', ' '])) == section)
            };
            assert!(found, "{}: no section {target}", path.display());
        }
    }
}

#[test]
fn paths_that_the_documents_name_are_there() {
    let tops =
        ["src/", "docs/", "experiments/", "tests/", "templates/", "benches/", "build/", ".github/"];
    // A changelog names what was there before, too.
    let now = documents().into_iter().filter(|(path, _)| path != Path::new("CHANGELOG.md"));
    for (path, text) in now {
        for word in text.split('`').skip(1).step_by(2) {
            let is_path = tops.iter().any(|top| word.starts_with(top))
                && !word.contains(['<', '*', ' ', '{', '\n']);
            assert!(!is_path || repository().join(word).exists(), "{}: no {word}", path.display());
        }
    }
}

#[test]
fn the_reference_of_specs_is_what_the_program_writes() {
    let file = repository().join("docs/reference/spec.md");
    let written = Bench::new().oncospec(&["explain", "--markdown"]).with(0).out;
    if std::env::var_os("INSTA_UPDATE").is_some_and(|update| update == "always") {
        fs::write(&file, &written).unwrap();
    }
    let kept = fs::read_to_string(&file).unwrap_or_default();
    let differs = kept.lines().zip(written.lines()).find(|(kept, written)| kept != written);
    assert!(
        kept == written,
        "INSTA_UPDATE=always cargo test writes it anew; the first difference: {differs:#?}"
    );
}

#[test]
fn the_reference_names_every_command_metric_experiment_and_file() {
    let page =
        |name: &str| fs::read_to_string(repository().join("docs/reference").join(name)).unwrap();
    let commands = page("commands.md");
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let named = [format!("`{}`", command.get_name()), format!("`{} ", command.get_name())];
        assert!(
            named.iter().any(|name| commands.contains(name.as_str())),
            "{}",
            command.get_name()
        );
    }
    let figures = page("figures.md");
    for metric in MetricKind::ALL {
        let row = format!("| `{}` |", metric.name());
        assert!(figures.contains(&row), "{row}");
    }

    let experiments = page("experiments.md");
    for entry in fs::read_dir(repository().join("experiments")).unwrap() {
        let path = entry.unwrap().path();
        let name = format!("`experiments/{}", path.file_name().unwrap().to_str().unwrap());
        // Data and runs may lie there too.
        let ours = name.ends_with(".toml")
            || !["`experiments/data", "`experiments/runs"].contains(&name.as_str());
        assert!(!ours || experiments.contains(&name), "{name}");
    }

    let bench = Bench::new();
    bench.tiny("");
    bench.oncospec(&["run", "tiny.toml", "--device", "cpu"]).with(0);
    let run = bench.only_run("runs", "tiny");
    let directory = page("run-directory.md");
    for entry in fs::read_dir(&run).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // Each has the number after the last.
        let name = if name.starts_with("lease.") { "lease.N".into() } else { name };
        assert!(directory.contains(&format!("`{name}")), "{name}");
    }
}
