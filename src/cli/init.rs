//! `oncospec data init`.

use std::path::{Component, Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::first_step::measured;
use super::spec::{Overrides, report_findings};
use super::{Output, OverwriteArgs, pretty, print};
use crate::data::{FirstSpec, first_spec};
use crate::error::{Error, Result};
use crate::outputs::{OutputFile, absolute};
use crate::plan::{Depth, check};

/// Arguments of `data init`.
#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Folder of the images, or a table (.csv, .tsv, .parquet) whose cells lead to them.
    root: PathBuf,
    /// The spec to write; by default the folder's name with .toml, here.
    #[arg(long, short, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    overwrite: OverwriteArgs,
}

/// Writes a spec for the images of a folder or table, and checks it.
pub(super) fn execute(args: &InitArgs, output: Output) -> Result<u8> {
    let name = name_of(&args.root);
    let out = args.out.clone().unwrap_or_else(|| PathBuf::from(format!("{name}.toml")));
    let file = OutputFile::new(&out, "a spec", args.overwrite.overwrite)?;
    let first = first_spec_at(&out, &args.root, &name)?;
    let written = file.write(first.text(None).as_bytes())?;
    let checked = check(Overrides::default().load(&written)?, Depth::Headers)?;
    report_findings(&checked.findings, &name, output);
    let step = measured(&written, &first);
    match &step {
        Ok(step) => {
            file.write(first.text(Some(step)).as_bytes())?;
        }
        Err(error) => output.say(format!("no training step was measured: {error}")),
    }
    output.say(said(&written, &first));
    if output.json {
        return print(&pretty(&json!({ "spec": written, "found": first, "step": step.ok() }))?);
    }
    Ok(0)
}

/// A first spec for the images of a folder or table, for a file that will lie at `out`.
pub(super) fn first_spec_at(out: &Path, root: &Path, name: &str) -> Result<FirstSpec> {
    let folder = absolute(out).parent().map(Path::to_path_buf).unwrap_or_default();
    first_spec(root, name, |root| from(&folder, root))
}

fn said(written: &Path, first: &FirstSpec) -> String {
    let classes: Vec<String> =
        first.classes.iter().map(|(class, cases)| format!("{cases} {class}")).collect();
    let classes =
        if classes.is_empty() { String::new() } else { format!(" ({})", classes.join(", ")) };
    let groups = match first.groups {
        0 => "no groups".to_string(),
        groups => format!("{groups} groups"),
    };
    let spec = written.display();
    format!(
        "{spec}: kind `{}`, {} cases{classes}, {} masks, {groups}; read it, then `oncospec run {spec}`",
        first.kind, first.cases, first.masks
    )
}

/// The name of an experiment on a folder.
pub(super) fn name_of(root: &Path) -> String {
    let root = absolute(root);
    let name = root.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    let plain: String =
        name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    let words: Vec<&str> = plain.split('-').filter(|word| !word.is_empty()).collect();
    let name: String = words.join("-").chars().take(60).collect();
    if name.is_empty() { "data".into() } else { name }
}

/// The path of a folder as a file of another folder names it.
fn from(folder: &Path, root: &Path) -> Result<String> {
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| absolute(path));
    let (folder, root) = (canonical(folder), canonical(root));
    let (here, there): (Vec<Component>, Vec<Component>) =
        (folder.components().collect(), root.components().collect());
    let shared = here.iter().zip(&there).take_while(|(a, b)| a == b).count();
    let up = here.len() - shared;
    let path: PathBuf = match shared {
        // Nothing but the root of the file system.
        0 | 1 if up > 0 => root,
        _ => std::iter::repeat_n(Component::ParentDir, up)
            .chain(there[shared..].iter().copied())
            .collect(),
    };
    let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
    path.into_os_string().into_string().map_err(|path| {
        Error::user(format!("{}: the name is not valid UTF-8", path.to_string_lossy()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_experiments_are_plain() {
        assert_eq!(name_of(Path::new("/data/My Set (2)")), "my-set-2");
        assert_eq!(name_of(Path::new("/data/\u{e9}\u{e9}")), "data");
    }

    #[test]
    fn a_folder_is_named_from_where_the_spec_lies() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("specs/deep")).unwrap();
        std::fs::create_dir_all(at("data/a b")).unwrap();
        assert_eq!(from(&at("specs/deep"), &at("data/a b")).unwrap(), "../../data/a b");
        assert_eq!(from(folder.path(), &at("data")).unwrap(), "data");
        assert_eq!(from(&at("data"), &at("data")).unwrap(), ".");
    }
}
