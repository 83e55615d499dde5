//! Records to one HTML page.
//!
//! A report reads run directories and nothing else: polars groups the recorded frames for its tables, plotters draws its
//! charts, minijinja renders the page from `templates/`. The page is one file that loads
//! nothing; its scripts, which its policy allows by their hashes, add nothing that is not there without them.

mod answer;
mod assets;
mod by_run;
mod calibration;
mod case_scores;
mod cases;
mod charts;
mod choice;
mod compare;
mod comparison;
mod configuration;
mod confusion;
mod contact_sheet;
mod conventions;
mod curves;
mod film;
mod folds;
mod froc;
mod galleries;
mod gallery;
mod gallery_data;
mod gates;
mod guide;
mod headline;
mod images;
mod index;
mod junit;
mod legend;
mod literature;
mod markdown;
mod means;
mod names;
mod network;
mod numbers;
mod page;
mod parallel;
mod pictures;
mod pooled;
mod readings;
mod redact;
mod remarks;
mod run;
mod seeded;
mod semantics;
mod split_table;
mod spread;
mod strata;
mod thresholds;
mod words;

pub use assets::with_assets;
pub use compare::{SideBySide, side_by_side};
pub use contact_sheet::{
    ContactSheet, SheetBorderline, SheetCluster, SheetPair, SheetPicture, contact_sheet, jpeg_uri,
};
pub use folds::{Folds, Unjudged, folds, unjudged};
pub use gates::fallen;
pub use headline::left_out;
pub use index::index;
pub use junit::{NotBegun, junit};
pub use markdown::markdown;
pub use page::check_templates;
pub use pooled::pooled_lines;

use std::path::PathBuf;

use serde::Serialize;

use crate::error::{Error, Result};
use crate::evaluate::paired;
use crate::record::{Record, RunState};
use crate::spec::{Literature, PublishedSpec};

/// How a page is made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReportOptions {
    /// Title of the page; the experiments' names where it is empty.
    pub title: String,
    /// The command line that makes this page.
    pub command: String,
    /// A folder with files that replace the built-in templates of the same name.
    pub templates: Option<PathBuf>,
    /// Requested runs that cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// Figures that are tested between runs, such as `dice.lesion`; without any, the first headline figure.
    pub compare: Vec<String>,
    /// Published figures that are shown beside the runs.
    pub literature: Vec<Literature>,
    /// Whether pictures and the names of cases and groups are left out.
    pub redact: bool,
    /// After how many seconds the page loads itself again while a run is not finished; `None` for never.
    pub again_after: Option<u32>,
}

/// A run that cannot be read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// The run directory.
    pub path: String,
    /// What is wrong with it.
    pub problem: String,
}

/// The data of the templates.
#[derive(Serialize)]
struct Page<'a> {
    title: String,
    command: String,
    version: &'static str,
    /// Whether pictures and names of cases are left out.
    redacted: bool,
    /// Seconds after which the page loads itself again.
    again_after: Option<u32>,
    runs: Vec<run::RunView<'a>>,
    unreadable: &'a [Unreadable],
    /// What the page says first.
    answer: answer::Answer,
    /// All numbers, as JSON.
    numbers: String,
    /// One for each task.
    headlines: Vec<headline::Headline>,
    /// Figures over the test cases of all folds.
    pooled: Vec<pooled::PooledFigures<'a>>,
    /// Bounds on such figures of experiments whose folds are not all here.
    unjudged: Vec<Unjudged>,
    shared_remarks: Vec<run::SharedRemark>,
    comparisons: Vec<comparison::Comparison>,
    /// The permutation test: most groups whose flips are all enumerated, and the fewest random flips for more.
    flips: (usize, u32),
    semantics: Vec<semantics::Semantic>,
    published: Vec<&'a PublishedSpec>,
    /// Tables of the files of published figures.
    literature: Vec<literature::PublishedTable>,
    /// What has lines of its own in them.
    drawn: Vec<curves::Drawn>,
    curves: Vec<curves::Curve>,
    more_curves: Vec<curves::Curve>,
    distributions: Vec<curves::Curve>,
    /// ROC and precision-recall curves of classified images, and reliability diagrams of images and pixels.
    image_curves: Vec<curves::Curve>,
    calibration: Vec<calibration::Calibration>,
    pixel_calibration: Vec<calibration::PixelCalibration>,
    spread: Vec<spread::Spread>,
    /// Lesions found, at so many false ones an image.
    lesions: Vec<froc::Found>,
    false_an_image: [f64; froc::FALSE_AN_IMAGE.len()],
    conventions: Vec<conventions::ConventionTable>,
    cases: Vec<cases::CaseTable>,
    /// Every evaluated case with its pictures.
    galleries: Vec<gallery::Gallery>,
    /// Why pictures of a run are missing.
    no_pictures: Vec<String>,
    differences: Vec<configuration::Difference>,
    /// Runs with equal data and split, by index.
    data_groups: Vec<Vec<usize>>,
    /// Runs with equal networks, by index.
    model_groups: Vec<Vec<usize>>,
}

/// Renders records as one self-contained HTML page. Equal records make an equal page.
///
/// ```no_run
/// use oncospec::record::Record;
/// use oncospec::report::{ReportOptions, render};
///
/// let records = [Record::read("runs/demo/aba6bcaab95f-afa477")?];
/// let options = ReportOptions { title: "A demonstration".into(), ..ReportOptions::default() };
/// std::fs::write("demo.html", render(&records, &options)?)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// When there is no record, or a template of `options.templates` is wrong.
pub fn render(records: &[Record], options: &ReportOptions) -> Result<String> {
    if !options.redact {
        return render_records(records, options);
    }
    render_records(&redact::redacted(records)?, options)
}

fn render_records(records: &[Record], options: &ReportOptions) -> Result<String> {
    if records.is_empty() {
        return Err(Error::user("a report needs at least one run; `oncospec list` names the runs"));
    }
    let labels = names::labels(records);
    let mut runs = records
        .iter()
        .zip(&labels)
        .enumerate()
        .map(|(index, (record, label))| run::view(index, label, record))
        .collect::<Result<Vec<_>>>()?;
    let shared_remarks = run::take_shared_remarks(&mut runs);
    let dice: Vec<_> = records.iter().map(cases::dice_of_cases).collect();
    let probabilities: Vec<_> = records.iter().map(images::probabilities).collect();
    let mut case_tables = cases::case_tables("Dice", &dice);
    case_tables.extend(cases::case_tables("Probability of the true class", &probabilities));
    let drawn = curves::drawn(records, &labels);
    let (curves, more_curves) = curves::training(records, &drawn)?;
    let mut image_curves = images::curves(records, &labels)?;
    image_curves.extend(thresholds::curves(records, &labels)?);
    image_curves.extend(froc::curves(records, &labels)?);
    image_curves.extend(calibration::diagrams(records, &labels)?);
    image_curves.extend(calibration::pixel_diagrams(records, &labels)?);
    let folds = folds(records);
    let mut no_pictures = Vec::new();
    let galleries = match options.redact {
        true => Vec::new(),
        false => galleries::galleries(records, &labels, &folds, &mut no_pictures)?,
    };
    let contestants = contestants(records, &folds);
    let contestant_labels = names::labels(&contestants);
    let headlines = headline::headlines(records, &labels, &folds);
    let comparisons = comparison::comparisons(&contestants, &contestant_labels, &options.compare)?;
    let page = Page {
        numbers: numbers::numbers(records, &labels, &folds, &comparisons),
        answer: answer::answer(&headlines, &comparisons, &galleries, &runs, &shared_remarks),
        title: title(records, options),
        command: options.command.clone(),
        version: env!("CARGO_PKG_VERSION"),
        redacted: options.redact,
        again_after: options.again_after.filter(|_| records.iter().any(is_at_work)),
        unreadable: &options.unreadable,
        headlines,
        pooled: pooled::pooled(&folds),
        unjudged: unjudged(records, &folds),
        shared_remarks,
        comparisons,
        flips: (paired::MOST_IN_ALL_WAYS, paired::FLIPS),
        semantics: semantics::semantics(records, &labels),
        published: headline::published(records),
        literature: literature::tables(&options.literature, records, &labels),
        drawn,
        curves,
        more_curves,
        distributions: curves::distributions(&dice, &labels)?,
        image_curves,
        calibration: calibration::table(&contestants, &contestant_labels),
        pixel_calibration: calibration::pixel_table(&contestants, &contestant_labels),
        spread: spread::table(&contestants, &contestant_labels),
        lesions: froc::table(&contestants, &contestant_labels),
        false_an_image: froc::FALSE_AN_IMAGE,
        conventions: conventions::tables(&contestants, &contestant_labels),
        cases: case_tables,
        galleries,
        no_pictures,
        differences: configuration::differences(records),
        data_groups: run::groups(&runs, run::RunView::same_data),
        model_groups: run::groups(&runs, run::RunView::same_model),
        runs,
    };
    page::render(&page, options.templates.as_deref())
}

/// Whether a run may still change its record.
pub fn is_at_work(record: &Record) -> bool {
    matches!(record.status.state, RunState::Planned | RunState::Running)
}

/// What is compared: runs, and in the place of the runs of folds, all test cases of a division with the figures over them.
fn contestants(records: &[Record], folds: &[folds::Folds]) -> Vec<Record> {
    let is_fold = |run: &usize| folds.iter().any(|one| one.runs.contains(run));
    let alone = (0..records.len()).filter(|run| !is_fold(run)).map(|run| records[run].clone());
    alone.chain(folds.iter().flat_map(|one| one.records.clone())).collect()
}

fn title(records: &[Record], options: &ReportOptions) -> String {
    if !options.title.is_empty() {
        return options.title.clone();
    }
    let names = records.iter().map(|record| record.summary.experiment.as_str());
    let names = names::distinct(names.filter(|name| !name.is_empty()));
    match names.as_slice() {
        [] => "oncospec report".into(),
        [first, second, third, .., _] => {
            format!("{first}, {second}, {third} and {} more", names.len() - 3)
        }
        names => names.join(", "),
    }
}

#[cfg(test)]
mod tests;
