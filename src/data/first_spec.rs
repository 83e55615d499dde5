//! A first spec for a folder or table of images: what is there, and settings chosen from it, each with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::commented::{Line, quoted, table};
use super::dataset::Dataset;
use super::duplicates::{find_duplicates, unsearched};
use super::first_settings::{Chosen, MeasuredStep, intensity};
use super::open::open_with;
use super::split::split;
use super::task::for_task;
use crate::error::{Error, Result};
use crate::source::guess::{Guess, guess};
use crate::source::{Labels, Masks};
use crate::spec::{ClassifySpec, DatasetSpec, TaskSpec};
use crate::split_name::SplitName;

/// Most images among which near-duplicates are looked for before a spec is written.
const MOST_SEARCHED: usize = 2000;

/// A first spec, and what it is about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FirstSpec {
    #[serde(skip)]
    name: String,
    /// Where the data lie and how they are read.
    #[serde(skip)]
    data: Vec<Line>,
    /// How images are given to the network.
    #[serde(skip)]
    images: Vec<Line>,
    #[serde(skip)]
    division: Vec<Line>,
    #[serde(skip)]
    has_test: bool,
    #[serde(skip)]
    chosen: Chosen,
    /// The kind of the data set.
    pub kind: String,
    /// Cases with labels.
    pub cases: usize,
    /// Cases without.
    pub unlabelled: usize,
    /// Mask files of cases.
    pub masks: usize,
    /// Cases of each class of images; none where images have no class.
    pub classes: BTreeMap<String, usize>,
    /// Groups that the data give; 0 where they give none.
    pub groups: usize,
    /// The classes of pixels, or of images where there are no masks.
    pub labels: Vec<String>,
    /// Cases of each split that folders or a column declare.
    pub declared: BTreeMap<String, usize>,
}

/// Looks at a folder or table of images, and makes a spec for it that has this name. `shown` gives a folder as the spec
/// names it.
///
/// # Errors
/// The user's: no image, files that cannot be used, neither masks nor classes.
pub fn first_spec(
    path: &Path,
    name: &str,
    shown: impl Fn(&Path) -> Result<String>,
) -> Result<FirstSpec> {
    let guess = guess(path)?;
    let mut data = vec![Line::new("root", &quoted(&shown(&guess.root)?), "relative to this file")];
    data.extend(guess.keys.iter().map(|key| Line::new(key.key, &key.value, &key.why)));
    // The kind comes first.
    data.swap(0, 1);
    let dataset = opened(&guess).map_err(|error| {
        let lines: String =
            guess.keys.iter().map(|key| format!("\n  {} = {}", key.key, key.value)).collect();
        Error::user(format!("{error}\nread with{lines}"))
    })?;
    let dataset = if guess.has_masks {
        dataset
    } else {
        for_task(dataset, &TaskSpec::Classify(ClassifySpec::default())).map_err(|_| {
            Error::user(format!(
                "{}: neither masks nor classes of images: nothing to learn from. Put masks beside the images \
                 (`<image>_mask.png`) or into a folder `masks`, or images into one folder a class",
                path.display()
            ))
        })?
    };
    data.extend(intensity(&dataset)?);
    let (division, has_test) = division(&guess, &dataset, &data)?;
    let mut classes = BTreeMap::new();
    for case in dataset.cases.iter().filter(|case| !case.label.is_empty()) {
        *classes.entry(case.label.clone()).or_insert(0) += 1;
    }
    let mut declared = BTreeMap::new();
    for split in dataset.cases.iter().filter_map(|case| case.folder) {
        *declared.entry(split.to_string()).or_insert(0) += 1;
    }
    let groups: BTreeSet<&str> =
        dataset.cases.iter().filter_map(|case| case.known_group()).collect();
    let kind = guess.keys.iter().find(|key| key.key == "kind");
    let chosen = Chosen::of(&dataset);
    Ok(FirstSpec {
        name: name.into(),
        data,
        images: chosen.images(&dataset),
        division,
        has_test,
        chosen,
        kind: kind.map_or(String::new(), |key| key.value.trim_matches('"').into()),
        cases: dataset.cases.len(),
        unlabelled: dataset.unlabelled.len(),
        masks: dataset.cases.iter().map(|case| case.mask.files().len()).sum(),
        groups: groups.len(),
        classes,
        labels: dataset.labels.names(),
        declared,
    })
}

impl FirstSpec {
    /// The spec in TOML, with comments; its batch that of a step that was measured, else what the images suggest.
    pub fn text(&self, step: Option<&MeasuredStep>) -> String {
        let mut text = self.head("data init");
        let _ = writeln!(text, "name = {}", quoted(&self.name));
        if matches!(self.chosen.labels, Labels::Images { .. }) {
            text.push_str("\n[task]\nkind = \"classify\" # images have classes and no masks\n");
        }
        table(&mut text, "dataset", self.data.iter().chain(&self.images));
        table(&mut text, "dataset.split", &self.division);
        table(
            &mut text,
            "augment",
            &[Line::new(
                "horizontal-flip",
                "{ probability = 0.5 }",
                "left and right mean the same in most images",
            )],
        );
        table(&mut text, "model", &self.chosen.model(self.cases));
        table(&mut text, "loss", &self.chosen.loss());
        table(&mut text, "schedule", &self.chosen.schedule(step));
        self.evaluation(&mut text);
        text
    }

    /// A spec in TOML that extends another, and has these images in the place of its own.
    pub fn text_over(&self, other: &str) -> String {
        let mut text = self.head("new");
        let _ = writeln!(text, "extends = {}\nname = {}", quoted(other), quoted(&self.name));
        table(&mut text, "dataset", &self.data);
        table(&mut text, "dataset.split", &self.division);
        table(&mut text, "schedule", &self.chosen.best());
        self.evaluation(&mut text);
        text
    }

    fn head(&self, command: &str) -> String {
        format!(
            "# Written by `oncospec {command}` for {} images. Each value can be changed; `oncospec explain` says what a key \
             does.\n#\n# Check:  oncospec check <this file>\n# Train:  oncospec run <this file>\n\n",
            self.cases
        )
    }

    fn evaluation(&self, text: &mut String) {
        if !self.has_test {
            let why = "there is no test split";
            table(text, "evaluation", &[Line::new("splits", "[\"valid\"]", why)]);
        }
    }

    /// Cases of a batch, as the images suggest.
    pub fn batch_size(&self) -> usize {
        self.chosen.batch
    }
}

/// The data that a guess leads to, images of 16 bits read through a window.
fn opened(guess: &Guess) -> Result<Dataset> {
    let masks = if guess.has_masks { Masks::Read } else { Masks::Ignored };
    open_with(&guess.read("intensity = { kind = \"percentiles\" }")?, masks)
}

/// The first of some divisions that leaves no part without cases of a class, and whether it has a test split.
fn division(guess: &Guess, dataset: &Dataset, of_data: &[Line]) -> Result<(Vec<Line>, bool)> {
    let known = dataset.cases.iter().all(|case| case.known_group().is_some());
    let search = !known && dataset.cases.len() <= MOST_SEARCHED;
    let (group, why_group) = match known {
        true => ("auto", "what is of one group stays in one split"),
        false => (
            "duplicates",
            "nothing tells patients, so near-duplicates are kept together; `dataset.group` would tell more",
        ),
    };
    let mut ways: Vec<Vec<Line>> = Vec::new();
    if let Some(kind) = guess.split {
        let why = if kind == "by-folder" { "as the folders say" } else { "as the column says" };
        ways.push(vec![Line::new("kind", &quoted(kind), why)]);
    }
    let parts = [
        ([0.7, 0.15, 0.15], "the usual shares"),
        ([0.5, 0.25, 0.25], "large parts, since some class or group has few cases"),
        ([0.34, 0.33, 0.33], "equal parts, since some class or group has hardly any cases"),
        ([0.5, 0.5, 0.0], "no test split: there are too few cases for three"),
    ];
    for stratify in ["class", "none"] {
        for ([train, valid, test], why) in parts {
            let fractions = format!("{{ train = {train}, valid = {valid}, test = {test} }}");
            let why_stratify = match stratify {
                "class" => "each split gets its share of every class of images",
                _ => "classes are too rare to be shared out",
            };
            ways.push(vec![
                Line::new("kind", "\"holdout\"", ""),
                Line::new("fractions", &fractions, why),
                Line::new("stratify", &quoted(stratify), why_stratify),
                Line::new("group", &quoted(group), why_group),
            ]);
        }
    }
    let duplicates = if search { find_duplicates(dataset)? } else { unsearched(dataset) };
    let whole = |name: SplitName, parts: &super::split::Split| -> bool {
        let with_labels = |case: &usize| match &dataset.labels {
            Labels::Images { .. } => true,
            _ => dataset.label_pixels[*case].own.iter().skip(1).any(|&pixels| pixels > 0),
        };
        let part = parts.part(name);
        part.is_empty() || part.iter().any(with_labels)
    };
    let mut last = None;
    for way in ways {
        let division: String =
            way.iter().map(|line| format!("{} = {}\n", line.key, line.value)).collect();
        let intensity = of_data.iter().filter(|line| line.key == "intensity");
        let intensity: String =
            intensity.map(|line| format!("intensity = {}\n", line.value)).collect();
        let spec: DatasetSpec = guess.read(&format!("{intensity}[split]\n{division}"))?;
        match split(&spec.split, dataset, &duplicates) {
            Ok(parts) if SplitName::ALL.into_iter().all(|name| whole(name, &parts)) => {
                return Ok((way, !parts.test.is_empty()));
            }
            Ok(_) => {
                last = Some(Error::user("each split needs an image in which something is outlined"))
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| Error::failed("no division was tried")))
}
