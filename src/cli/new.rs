//! `oncospec new`.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::init::{first_spec_at, name_of};
use super::spec::{Overrides, report_findings};
use super::{Output, OverwriteArgs, pretty, print};
use crate::error::{Error, Result};
use crate::outputs::{Outputs, Planned};
use crate::plan::{Depth, check};

/// The experiments that come with oncospec and what they build on, each with its path below `experiments`.
macro_rules! embedded {
    ($($path:literal,)*) => {
        const FILES: &[(&str, &str)] =
            &[$(($path, include_str!(concat!("../../experiments/", $path)))),*];
    };
}

embedded! {
    "base/busi.toml",
    "base/busi_benchmark.toml",
    "base/busi_classify.toml",
    "base/busi_lite0.toml",
    "bcss_unet_resnet34.toml",
    "bcss_unet_resnet34_512.toml",
    "bcss_unet_resnet34_frozen.toml",
    "busi_alexnet.toml",
    "busi_attention_unet.toml",
    "busi_attention_unet_51.toml",
    "busi_attention_unet_first.toml",
    "busi_cmunext.toml",
    "busi_densenet169.toml",
    "busi_efficientnet_b0.toml",
    "busi_efficientnet_lite0.toml",
    "busi_efficientnet_lite0_scratch.toml",
    "busi_guided_efficientnet_b0.toml",
    "busi_mobile_uvit.toml",
    "busi_multi_task.toml",
    "busi_resnet50.toml",
    "busi_rgu_net.toml",
    "busi_unet.toml",
    "busi_unet_3_plus.toml",
    "busi_unet_efficientnet_lite0.toml",
    "busi_unet_log_cosh_dice.toml",
    "busi_unet_plus_plus.toml",
    "busi_unet_plus_plus_resnet34.toml",
    "busi_unext.toml",
    "busi_unext_as_published.toml",
    "busi_vgg16.toml",
    "demo.toml",
}

/// Arguments of `new`.
#[derive(Debug, Args)]
pub(super) struct NewArgs {
    /// The experiment to copy, such as `busi_unet`, or `schema` for the JSON Schema of specs; without it they are listed.
    example: Option<String>,
    /// Images to train on in the place of the experiment's: a folder or a table, as `data init` takes them. The file
    /// extends the experiment, which goes beside it.
    #[arg(long, value_name = "ROOT", requires = "example")]
    data: Option<PathBuf>,
    /// The file to write, by default of the experiment's name, here; what it builds on goes beside it.
    #[arg(long, short, value_name = "FILE", requires = "example")]
    out: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// An experiment that comes with oncospec.
struct Example {
    name: &'static str,
    text: &'static str,
}

impl Example {
    /// All that can be copied, by their names.
    fn all() -> impl Iterator<Item = Self> {
        FILES.iter().filter_map(|(path, text)| {
            let name = path.strip_suffix(".toml").filter(|name| !name.contains('/'))?;
            Some(Self { name, text })
        })
    }

    /// Its first line, which says what it is.
    fn title(&self) -> &'static str {
        self.text.lines().next().unwrap_or_default().trim_start_matches("# ")
    }
}

/// Lists the experiments, or copies one.
pub(super) fn execute(args: &NewArgs, output: Output) -> Result<u8> {
    let Some(name) = args.example.as_deref() else { return list(output) };
    let name = name.strip_suffix(".toml").unwrap_or(name);
    if name == "schema" {
        if args.data.is_some() {
            return Err(Error::user("--data: the schema is about no images; leave it out"));
        }
        let out = args.out.clone().unwrap_or_else(|| "schema.json".into());
        let schema = pretty(&crate::spec::schema())?;
        return write(&out, vec![(file_name(&out)?, schema)], args, output);
    }
    let Some(example) = Example::all().find(|example| example.name == name) else {
        let mut near: Vec<&str> = Example::all().map(|example| example.name).collect();
        near.sort_by_key(|other| strsim::levenshtein(name, other));
        return Err(Error::user(format!(
            "no experiment `{name}` comes with oncospec; the nearest are {} (`oncospec new` lists all)",
            near[..3].join(", ")
        )));
    };
    let Some(root) = &args.data else {
        let out = args.out.clone().unwrap_or_else(|| format!("{name}.toml").into());
        return write(&out, with_bases(file_name(&out)?, example.text), args, output);
    };
    if guide_of(&example.text.parse().unwrap_or_default()).is_some() {
        return Err(Error::user(format!(
            "--data: {name} is guided by another experiment, whose images would stay its own; copy both, and write the \
             `dataset` of `oncospec data init` into both"
        )));
    }
    let copy = format!("{name}.toml");
    let of_data = name_of(root);
    let out = args.out.clone().unwrap_or_else(|| format!("{of_data}-{copy}").into());
    let file = file_name(&out)?;
    if file == copy {
        return Err(Error::user(format!(
            "--out {}: the experiment that it extends goes beside it under this name; use another",
            out.display()
        )));
    }
    let first = first_spec_at(&out, root, &format!("{of_data}-{}", name.replace('_', "-")))?;
    let mut files = with_bases(copy.clone(), example.text);
    files.insert(0, (file, first.text_over(&copy)));
    write(&out, files, args, output)?;
    let checked = check(Overrides::default().load(&out)?, Depth::Headers)?;
    report_findings(&checked.findings, &of_data, output);
    Ok(0)
}

/// A spec under a name, and the files that it builds on.
fn with_bases(name: String, text: &str) -> Vec<(String, String)> {
    let mut files = vec![(name, text.to_string())];
    let mut open: Vec<String> = builds_on("", text);
    while let Some(path) = open.pop() {
        let Some((_, text)) = FILES.iter().find(|(known, _)| *known == path) else { continue };
        if !files.iter().any(|(known, _)| *known == path) {
            let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
            open.extend(builds_on(folder, text));
            files.push((path, (*text).to_string()));
        }
    }
    files
}

fn list(output: Output) -> Result<u8> {
    if output.json {
        let all = Example::all().map(|one| json!({ "name": one.name, "title": one.title() }));
        return print(&pretty(&all.collect::<Vec<_>>())?);
    }
    let width = Example::all().map(|one| one.name.len()).max().unwrap_or_default();
    let line = |one: Example| format!("{:width$}  {}\n", one.name, one.title());
    let lines: String = Example::all().map(line).collect();
    print(&format!("{lines}{:width$}  The JSON Schema of specs, for editors\n", "schema"))
}

/// The experiment that guides that of a spec.
fn guide_of(spec: &toml::Table) -> Option<&toml::Value> {
    spec.get("task")?.get("guide")?.get("experiment")
}

/// The files that a spec in a folder names: those that it extends and the experiment that guides it.
fn builds_on(folder: &str, text: &str) -> Vec<String> {
    let Ok(spec) = text.parse::<toml::Table>() else { return Vec::new() };
    let named = spec.get("extends").into_iter().chain(guide_of(&spec));
    let names = named.flat_map(|value| match value {
        toml::Value::Array(names) => names.clone(),
        one => vec![one.clone()],
    });
    names.filter_map(|name| Some(format!("{folder}{}", name.as_str()?))).collect()
}

fn file_name(out: &Path) -> Result<String> {
    let name = out.file_name().and_then(|name| name.to_str()).filter(|_| !out.is_dir());
    name.map(String::from).ok_or_else(|| {
        Error::user(format!(
            "{}: a folder, or no name for a file; name a file to write",
            out.display()
        ))
    })
}

fn write(out: &Path, files: Vec<(String, String)>, args: &NewArgs, output: Output) -> Result<u8> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    // Each folder has a ledger of its own: all are claimed before one file is written.
    let mut claimed = Vec::new();
    for (path, text) in &files {
        let (below, name) = path.rsplit_once('/').unwrap_or(("", path));
        let folder = if below.is_empty() { folder.to_path_buf() } else { folder.join(below) };
        let planned = vec![Planned::named(name)];
        let outputs = Outputs::folder(&folder, "a spec", planned, args.overwrite.overwrite)?;
        claimed.push((outputs, name, text));
    }
    let mut written = Vec::new();
    for (outputs, name, text) in claimed {
        written.push(outputs.write(name, text.as_bytes())?);
    }
    for path in &written {
        output.say(path.display().to_string());
    }
    if output.json { print(&pretty(&written)?) } else { Ok(0) }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn all_experiments_and_what_they_build_on_are_there() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments");
        let mut there = BTreeSet::new();
        for below in ["", "base/"] {
            for entry in std::fs::read_dir(folder.join(below)).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                there.extend(name.ends_with(".toml").then(|| format!("{below}{name}")));
            }
        }
        let known: BTreeSet<String> = FILES.iter().map(|(path, _)| path.to_string()).collect();
        assert_eq!(known, there);
        for (path, text) in FILES {
            let folder = path.rfind('/').map_or("", |slash| &path[..=slash]);
            let lacking: Vec<String> =
                builds_on(folder, text).into_iter().filter(|path| !known.contains(path)).collect();
            assert_eq!(lacking, Vec::<String>::new(), "{path}");
        }
    }

    #[test]
    fn each_says_what_it_is_in_its_first_line() {
        for example in Example::all() {
            assert!(
                example.text.starts_with("# ") && example.title().len() > 10,
                "{}",
                example.name
            );
        }
    }
}
