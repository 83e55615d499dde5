//! A first spec for a folder or table of images: what is there, and settings chosen from it, each with its reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use serde::Serialize;

use super::dataset::Dataset;
use super::duplicates::{find_duplicates, unsearched};
use super::open::open_with;
use super::split::split;
use super::task::for_task;
use crate::error::{Error, Result};
use crate::finding::FindingKind;
use crate::source::decode::real_window;
use crate::source::guess::{Guess, guess};
use crate::source::header::{Color, Limit, read_header};
use crate::source::{Labels, Masks, Window};
use crate::spec::{ClassifySpec, DatasetSpec, TaskSpec};
use crate::split_name::SplitName;

/// Most images among which near-duplicates are looked for before a spec is written.
const MOST_SEARCHED: usize = 2000;

/// A first spec, and what it is about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct FirstSpec {
    /// The spec in TOML, with comments.
    #[serde(skip)]
    pub text: String,
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

/// Looks at a folder or table of images, and writes a spec for it that has this name. `shown` gives a folder as the spec
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
    let mut lines = vec![Line::new("root", &quoted(&shown(&guess.root)?), "relative to this file")];
    lines.extend(guess.keys.iter().map(|key| Line::new(key.key, &key.value, &key.why)));
    // The kind comes first.
    lines.swap(0, 1);
    let dataset = opened(&guess).map_err(|error| {
        let lines: String =
            guess.keys.iter().map(|key| format!("\n  {} = {}", key.key, key.value)).collect();
        Error::user(format!("{error}\nread with{lines}"))
    })?;
    let task =
        if guess.has_masks { None } else { Some(TaskSpec::Classify(ClassifySpec::default())) };
    let dataset = match &task {
        None => dataset,
        Some(task) => for_task(dataset, task).map_err(|_| {
            Error::user(format!(
                "{}: neither masks nor classes of images: nothing to learn from. Put masks beside the images \
                 (`<image>_mask.png`) or into a folder `masks`, or images into one folder a class",
                path.display()
            ))
        })?,
    };
    let chosen = Chosen::of(&dataset);
    lines.extend(chosen.dataset_lines(&dataset)?);
    let (division, has_test) = division(&guess, &dataset, &lines)?;
    let mut text = format!(
        "# Written by `oncospec data init` for {} images. Each value can be changed; `oncospec explain` says what a key does.\n\
         #\n# Check:  oncospec check <this file>\n# Train:  oncospec run <this file>\n\nname = {}\n",
        dataset.cases.len(),
        quoted(name)
    );
    if task.is_some() {
        text.push_str("\n[task]\nkind = \"classify\" # images have classes and no masks\n");
    }
    table(&mut text, "dataset", &lines);
    table(&mut text, "dataset.split", &division);
    table(
        &mut text,
        "augment",
        &[Line::new(
            "horizontal-flip",
            "{ probability = 0.5 }",
            "left and right mean the same in most images",
        )],
    );
    chosen.training(&mut text, &dataset, task.is_some());
    if !has_test {
        let why = "there is no test split";
        table(&mut text, "evaluation", &[Line::new("splits", "[\"valid\"]", why)]);
    }
    Ok(summary(text, &guess, &dataset))
}

fn summary(text: String, guess: &Guess, dataset: &Dataset) -> FirstSpec {
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
    FirstSpec {
        text,
        kind: kind.map_or(String::new(), |key| key.value.trim_matches('"').into()),
        cases: dataset.cases.len(),
        unlabelled: dataset.unlabelled.len(),
        masks: dataset.cases.iter().map(|case| case.mask.files().len()).sum(),
        groups: groups.len(),
        classes,
        labels: dataset.labels.names(),
        declared,
    }
}

/// The data that a guess leads to, images of 16 bits read through a window.
fn opened(guess: &Guess) -> Result<Dataset> {
    let masks = if guess.has_masks { Masks::Read } else { Masks::Ignored };
    open_with(&guess.read("intensity = { kind = \"percentiles\" }")?, masks)
}

/// A key with its value, and the comment beside it.
#[derive(Clone, Debug)]
struct Line {
    key: String,
    value: String,
    why: String,
}

impl Line {
    fn new(key: &str, value: &str, why: &str) -> Self {
        Self { key: key.into(), value: value.into(), why: why.into() }
    }

    fn text(&self) -> String {
        let statement = format!("{} = {}", self.key, self.value);
        let why = crate::text::name(&self.why);
        match statement.chars().count() + why.chars().count() {
            _ if why.is_empty() => format!("{statement}\n"),
            ..117 => format!("{statement} # {why}\n"),
            _ => format!("# {why}\n{statement}\n"),
        }
    }
}

fn table(text: &mut String, name: &str, lines: &[Line]) {
    let lines: String = lines.iter().map(Line::text).collect();
    let _ = write!(text, "\n[{name}]\n{lines}");
}

fn quoted(text: &str) -> String {
    toml::Value::from(text).to_string()
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

/// Settings chosen from the sizes of images and their number.
struct Chosen {
    /// Widths and heights in the middle.
    middle: (u32, u32),
    /// Side of the network's images.
    side: u32,
    why_side: String,
    batch: usize,
    why_batch: String,
}

/// Side of images beyond which a first trial takes too long.
const MOST_SIDE: u32 = 256;

/// Pixels of a batch: as many as eight images of 256.
const BATCH_PIXELS: u32 = 8 * 256 * 256;

impl Chosen {
    fn of(dataset: &Dataset) -> Self {
        let middle = (
            median(dataset.cases.iter().map(|case| case.width).collect()),
            median(dataset.cases.iter().map(|case| case.height).collect()),
        );
        let natural = (f64::from(middle.0) * f64::from(middle.1)).sqrt();
        let rounded = ((natural / 32.0).round() as u32).max(1) * 32;
        let side = rounded.min(MOST_SIDE);
        let size = format!("images are {} x {} in the middle", middle.0, middle.1);
        let why_side = match rounded > MOST_SIDE {
            true => format!(
                "{size}; larger sees more detail, and a step takes longer with the square of it"
            ),
            false => format!(
                "{size}; this is the nearest multiple of 32, which can be halved again and again"
            ),
        };
        let train = training_images(dataset);
        let fits = (BATCH_PIXELS / (side * side)).clamp(1, 16) as usize;
        let few = (train / 4).max(2);
        let batch = fits.min(few);
        let why_batch = match few < fits {
            true => {
                format!("a quarter of about {train} training images, for several steps an epoch")
            }
            false => format!(
                "about {} MB of images a step and what the layers keep of them; halve it where memory is short",
                (batch as u32 * side * side * 12).div_ceil(1_000_000)
            ),
        };
        Self { middle, side, why_side, batch, why_batch }
    }

    fn dataset_lines(&self, dataset: &Dataset) -> Result<Vec<Line>> {
        let mut lines = vec![Line::new("image-size", &self.side.to_string(), &self.why_side)];
        let files = dataset.cases.iter().filter_map(|case| case.image.file());
        let gray = files.clone().count() > 0
            && files.clone().all(|file| {
                read_header(file, Limit::Image).is_ok_and(|header| header.mode.color == Color::Gray)
            });
        if gray {
            lines.push(Line::new("channels", "\"gray\"", "all images are stored in grey"));
        }
        let deep = dataset.findings.iter().any(|found| found.kind == FindingKind::DeepImage);
        // DICOM gives it of its own.
        let windowed = || {
            let headers = files.clone().filter_map(|file| read_header(file, Limit::Image).ok());
            headers.filter(|header| header.mode.is_deep()).all(|header| header.window.is_some())
        };
        if deep && windowed() {
            let why = "each file gives the window through which it is seen; a window for all would go before it";
            lines.push(Line::new("intensity", "{ kind = \"as-stored\" }", why));
        } else if deep {
            let mut real: Option<Window> = None;
            for file in files {
                let found = real_window(file, Limit::Image)?;
                real = real.into_iter().chain(found).reduce(Window::or);
            }
            lines.push(match real {
                Some(Window { low, high }) => Line::new(
                    "intensity",
                    &format!("{{ kind = \"window\", low = {low:?}, high = {high:?} }}"),
                    "images hold floating-point numbers; these are the least and the greatest, a scanner's own window is \
                     better",
                ),
                None => Line::new(
                    "intensity",
                    "{ kind = \"percentiles\", low = 0.5, high = 99.5 }",
                    "images have 16 bits; this window is taken from the training images, a scanner's own is better",
                ),
            });
        }
        Ok(lines)
    }

    /// The tables about model, loss and schedule.
    fn training(&self, text: &mut String, dataset: &Dataset, classify: bool) {
        let cases = dataset.cases.len();
        let steps = training_images(dataset).div_ceil(self.batch).max(1);
        let epochs = (4000 / steps).clamp(10, 100);
        let why_epochs = match epochs {
            100 => format!(
                "{steps} steps an epoch; the best epoch is kept, so that more do no harm but take time"
            ),
            10 => format!("{steps} steps an epoch, so that few epochs are many steps"),
            _ => format!("{steps} steps an epoch, 4000 in all"),
        };
        let (width, height) = self.middle;
        let model = if classify {
            vec![Line::new(
                "kind",
                "\"resnet18\"",
                "small; `weights` may name a file of published weights, which few images need",
            )]
        } else {
            let levels = (self.side / 16).max(2).ilog2() + 1;
            let levels = levels.clamp(2, 5);
            let first: u32 = if cases < 200 { 16 } else { 32 };
            let filters: Vec<String> =
                (0..levels).map(|level| (first << level).to_string()).collect();
            let deepest = self.side >> (levels - 1);
            let why = format!(
                "{levels} levels, so that the deepest maps are {deepest} pixels wide and see all of {width} x {height}; {first} \
                 filters first, for {cases} images"
            );
            let encoder = format!(
                "{{ kind = \"plain\", filters = [{}], norm = \"batch\" }}",
                filters.join(", ")
            );
            vec![
                Line::new("kind", "\"unet\"", "the network to compare others with"),
                Line::new("encoder", &encoder, &why),
            ]
        };
        table(text, "model", &model);
        let (loss, best) = match &dataset.labels {
            Labels::Binary { foreground } => (
                vec![
                    Line::new("kind", "\"sum\"", ""),
                    Line::new(
                        "terms",
                        "[{ kind = \"bce\" }, { kind = \"dice\" }]",
                        "Dice, since the foreground is small",
                    ),
                ],
                format!("valid.dice.{foreground}"),
            ),
            Labels::Classes { .. } => (
                vec![Line::new("kind", "\"cross-entropy\"", "several classes of pixels")],
                String::new(),
            ),
            Labels::Images { .. } => (
                vec![
                    Line::new("kind", "\"cross-entropy\"", ""),
                    Line::new(
                        "class-weights",
                        "{ kind = \"balanced\" }",
                        "rare classes count as much as common ones",
                    ),
                ],
                String::new(),
            ),
        };
        table(text, "loss", &loss);
        let mut schedule = vec![
            Line::new("epochs", &epochs.to_string(), &why_epochs),
            Line::new("batch-size", &self.batch.to_string(), &self.why_batch),
            Line::new(
                "optimizer",
                "{ kind = \"adam\", learning-rate = 1e-3 }",
                "a rate that seldom fails",
            ),
        ];
        if !best.is_empty() {
            let value = format!("{{ metric = {} }}", quoted(&best));
            schedule.push(Line::new("best", &value, "the epoch whose weights are kept"));
        }
        table(text, "schedule", &schedule);
    }
}

/// Images of the usual share of training.
fn training_images(dataset: &Dataset) -> usize {
    (dataset.cases.len() * 7 / 10).max(1)
}

fn median(mut values: Vec<u32>) -> u32 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(1)
}
