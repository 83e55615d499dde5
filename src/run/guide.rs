//! Masks for a guided classifier, predicted out of fold by segmentation networks.
//!
//! The training cases are divided into folds. For each fold a network is trained without it; the next fold chooses its
//! epoch. The first network also predicts the masks of validation and test cases, on which no network is trained. Before
//! the classifier is trained, the cases in the record of each network are compared with those whose masks it predicted.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::net::predictor;
use super::outcome::Outcome;
use crate::data::{Dataset, Decoded, MaskSource, Split, decode, decode_binary, folds};
use crate::device::{Chosen, Family};
use crate::digest::sha256_of_file;
use crate::error::{Error, Result};
use crate::evaluate::{Predictor, count_binary, png_gray};
use crate::metric::overlap;
use crate::plan::{Checked, Decisions, Extent, Plan, survey};
use crate::record::{GuideRow, MaskChecksums, Position, Record, RunDir, RunState, write_file};
use crate::spec::{EmptyRule, ForegroundSpec, MetricKind};
use crate::split_name::SplitName;

/// Makes a run.
pub(super) type Runner<'a> = &'a dyn Fn(&Plan) -> Result<Outcome>;

/// The result of the runs that a spec depends on.
pub enum Guided {
    /// All are finished: the spec with the predicted masks.
    Ready(Box<Checked>),
    /// One did not finish, so that the spec cannot be run.
    Unfinished(Box<Outcome>),
}

/// Gives the cases of a guided classifier the masks that its guide predicts; other specs stay as they are.
///
/// # Errors
/// If a segmentation network was trained on a case whose mask it predicted, or a mask cannot be written.
pub fn guided(checked: Checked, device: &Chosen, run: Runner) -> Result<Guided> {
    let Some(guide) = checked.guide.clone() else { return Ok(Guided::Ready(checked.into())) };
    let folds = divide(&checked);
    let count = count(&checked);
    let mut dataset = Dataset::clone(&checked.dataset);
    let mut rows = Vec::new();
    for fold in 0..count {
        let plan = plan_of(&guide, (&checked.split, &folds), (fold, count), device.kind.family())?;
        let outcome = run(&plan)?;
        if outcome.state != RunState::Finished {
            return Ok(Guided::Unfinished(Box::new(outcome)));
        }
        let of_fold = folds.iter().filter(|(_, number)| *number == fold);
        let mut cases: Vec<_> = of_fold.map(|&(case, _)| (case, SplitName::Train)).collect();
        if fold == 0 {
            for part in [SplitName::Valid, SplitName::Test] {
                cases.extend(checked.split.part(part).iter().map(|&case| (case, part)));
            }
        }
        rows.extend(masks(&outcome.path, &cases, fold, &checked, &guide, &mut dataset, device)?);
    }
    check_out_of_fold(&rows, &checked)?;
    rows.sort_by(|a, b| a.case.cmp(&b.case));
    let dataset = Arc::new(dataset);
    Ok(Guided::Ready(Checked { dataset, guide_rows: rows, ..checked }.into()))
}

/// The plans of the networks that guide a classifier, in the order of their folds; none where it has no guide.
///
/// # Errors
/// As of the plan of a run.
pub fn plans_of_guide(checked: &Checked, device: Family) -> Result<Vec<Plan>> {
    let Some(guide) = &checked.guide else { return Ok(Vec::new()) };
    let (folds, count) = (divide(checked), count(checked));
    let of_fold = |fold| plan_of(guide, (&checked.split, &folds), (fold, count), device);
    (0..count).map(of_fold).collect()
}

/// A guided classifier with the true masks in the place of those that its guide will predict. It has the layers and the
/// cost of the classifier; its numbers of pixels, and all ids, are others.
pub fn with_true_masks(checked: &Checked) -> Checked {
    let Some(guide) = &checked.guide else { return checked.clone() };
    let mut dataset = Dataset::clone(&checked.dataset);
    for (case, of_guide) in dataset.cases.iter_mut().zip(&guide.dataset.cases) {
        case.mask = of_guide.mask.clone();
    }
    Checked { dataset: Arc::new(dataset), ..checked.clone() }
}

/// How many networks guide a classifier.
fn count(checked: &Checked) -> usize {
    checked.loaded.spec.task.guide().map_or(0, |guide| guide.folds as usize)
}

/// Training cases with their folds; groups stay together and classes are spread evenly.
fn divide(checked: &Checked) -> Vec<(usize, usize)> {
    let train = &checked.split.train;
    let dealt = folds(&checked.dataset, &checked.split.groups, train, count(checked));
    train.iter().copied().zip(dealt).collect()
}

/// The plan of the network that is trained without a fold.
fn plan_of(
    guide: &Checked,
    (shared, folds): (&Split, &[(usize, usize)]),
    (fold, count): (usize, usize),
    device: Family,
) -> Result<Plan> {
    let part = |wanted: &dyn Fn(usize) -> bool| -> Vec<usize> {
        folds.iter().filter(|(_, number)| wanted(*number)).map(|(case, _)| *case).collect()
    };
    let chooses = (fold + 1) % count;
    let left_out = shared.valid.iter().chain(&shared.test).chain(&shared.left_out).copied();
    let split = Split {
        train: part(&|number| number != fold && number != chooses),
        valid: part(&|number| number == chooses),
        test: Vec::new(),
        left_out: part(&|number| number == fold).into_iter().chain(left_out).collect(),
        left_out_why:
            "of a network that guides a classifier, the cases of one fold and the classifier's validation and test cases".into(),
        groups: shared.groups.clone(),
        fold: Some(fold as u32),
        listed: shared.listed.clone(),
    };
    let position = Position { guide: Some(fold as u32), ..guide.position.clone() };
    let mut checked = Checked { split, position, ..guide.clone() };
    checked.loaded.spec.evaluation.splits = vec![SplitName::Valid];
    checked.loaded.spec.gate.clear();
    let seed = checked.loaded.spec.seeds[0];
    checked.plan(&survey(&checked, Extent::All)?, seed, device)
}

/// Predicts the masks of some cases that have none yet, and puts them into the data set.
fn masks(
    run: &Path,
    cases: &[(usize, SplitName)],
    fold: usize,
    checked: &Checked,
    guide: &Checked,
    dataset: &mut Dataset,
    device: &Chosen,
) -> Result<Vec<GuideRow>> {
    let record = Record::read(run)?;
    let decisions = Decisions::from_toml(&record.plan)?;
    let settled = record.settled(&decisions.spec.evaluation);
    let predictor = predictor(run, &decisions, settled, device)?;
    let folder = run.join("masks");
    fs::create_dir_all(&folder).map_err(Error::io(&folder, "cannot create"))?;
    let recorded: MaskChecksums = RunDir::open_read(run)?.read()?;
    let mut written = MaskChecksums::default();
    let mut rows = Vec::new();
    for &(index, part) in cases {
        let case = &guide.dataset.cases[index];
        let truth = decode(&guide.dataset, case)?;
        let path = mask_path(&folder, &case.id);
        let name = file_name(&case.id);
        let labels = match read_mask(&path, truth.image.dimensions(), recorded.0.get(&name)) {
            Some(labels) => labels,
            None => {
                let labels = write_mask(&predictor, &truth, &path)?;
                written.0.insert(name, sha256_of_file(&path)?);
                labels
            }
        };
        let dice = truth.labels.as_ref().and_then(|truth| {
            overlap(MetricKind::Dice, &count_binary(&labels, truth), EmptyRule::One)
        });
        dataset.cases[index].mask = MaskSource::Files(vec![path]);
        rows.push(GuideRow {
            case: case.id.clone(),
            split: part,
            run: decisions.run_id.clone(),
            path: below(run),
            fold: fold as u32,
            group: checked.split.groups[index].clone(),
            dice,
        });
    }
    RunDir::add_masks(run, written)?;
    Ok(rows)
}

/// The mask that a network predicts for an image, at the size of the image.
///
/// # Errors
/// If the image has no pixels.
fn mask(predictor: &Predictor, image: &Decoded) -> Result<Vec<u8>> {
    let (width, height) = image.image.dimensions();
    let seen = predictor.whole(image)?;
    let seen = seen.resized(width as usize, height as usize)?;
    Ok(predictor.labels(&seen, (width, height)))
}

/// Predicts a mask and writes it to a file as 0 and 255.
fn write_mask(predictor: &Predictor, image: &Decoded, path: &Path) -> Result<Vec<u8>> {
    let labels = mask(predictor, image)?;
    let pixels = labels.iter().map(|label| label * 255).collect();
    write_file(path, &png_gray(pixels, image.image.dimensions())?)?;
    Ok(labels)
}

/// A mask that was written before, if it is of this size and has the checksum that was recorded of it.
fn read_mask(path: &Path, dimensions: (u32, u32), recorded: Option<&String>) -> Option<Vec<u8>> {
    if sha256_of_file(path).ok().as_ref() != Some(recorded?) {
        return None;
    }
    let mask = decode_binary(path, &ForegroundSpec::default()).ok()?;
    (mask.dimensions() == dimensions).then(|| mask.into_raw())
}

/// A run directory as `<experiment>/<run-id>`, below the folder of all runs.
pub(super) fn below(run: &Path) -> String {
    let names: Vec<_> = run.components().rev().take(2).map(|part| part.as_os_str()).collect();
    names.iter().rev().map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The directory of a run that guides another, from the directory of the other.
pub fn beside(run: &Path, path: &str) -> PathBuf {
    let names = run.components().rev().take(2);
    let named = names.filter(|part| matches!(part, Component::Normal(_))).count() == 2;
    // A path such as `.` does not name the folders above it.
    let whole = if named { None } else { run.canonicalize().ok() };
    let run = whole.as_deref().unwrap_or(run);
    run.ancestors().nth(2).unwrap_or(Path::new(".")).join(path)
}

/// Checks that no network was trained on a case whose mask it predicted, or on one of its group.
///
/// # Errors
/// If one was.
fn check_out_of_fold(rows: &[GuideRow], checked: &Checked) -> Result<()> {
    let runs: BTreeSet<&String> = rows.iter().map(|row| &row.path).collect();
    for path in runs {
        let run = Path::new(&checked.loaded.spec.run.output).join(path);
        let record = Record::read(&run)?;
        for row in rows.iter().filter(|row| row.path == *path) {
            let given = record.split.iter().find(|given| {
                given.case == row.case || (!row.group.is_empty() && given.group == row.group)
            });
            if let Some(given) = given {
                return Err(Error::user(format!(
                    "leak: {} made the mask of `{}`, and its {} cases hold {}; {} is not trained on \
                     masks of cases that their network had seen. Remove that run directory to make it \
                     again",
                    run.display(),
                    row.case,
                    given.split,
                    if given.case == row.case {
                        "that very case".to_string()
                    } else {
                        format!("`{}`, of the same group", given.case)
                    },
                    checked.loaded.spec.name
                )));
            }
        }
    }
    Ok(())
}

/// An image with the mask that the guiding network predicts for it.
///
/// # Errors
/// If the network or the image cannot be read.
pub fn with_mask(predictor: &Predictor, image: Decoded) -> Result<Decoded> {
    let (width, height) = image.image.dimensions();
    let labels = mask(predictor, &image)?;
    let labels = image::GrayImage::from_raw(width, height, labels);
    Ok(Decoded { labels, ..image })
}

/// Puts the recorded masks of a guided run, by its directory, into its data set; cases without one stay as they are.
///
/// # Errors
/// If a mask is not there any more: other networks may have been trained on its case.
pub fn put_recorded_masks(dataset: &mut Dataset, run: &Path, rows: &[GuideRow]) -> Result<()> {
    for case in &mut dataset.cases {
        let Some(row) = rows.iter().find(|row| row.case == case.id) else { continue };
        let path = mask_path(&beside(run, &row.path).join("masks"), &case.id);
        if !path.is_file() {
            return Err(Error::user(format!(
                "{}: the mask of `{}` is not there any more; run the experiment again, which makes \
                 it with the network that has not seen the case",
                path.display(),
                case.id
            )));
        }
        case.mask = MaskSource::Files(vec![path]);
    }
    Ok(())
}

/// Predicts the masks of all cases of another data set into a folder.
///
/// # Errors
/// If an image cannot be read, or a mask not be written.
pub fn put_new_masks(dataset: &mut Dataset, predictor: &Predictor, folder: &Path) -> Result<()> {
    for index in 0..dataset.cases.len() {
        let case = &dataset.cases[index];
        let path = mask_path(folder, &case.id);
        write_mask(predictor, &decode(dataset, case)?, &path)?;
        dataset.cases[index].mask = MaskSource::Files(vec![path]);
    }
    Ok(())
}

/// The file of a case's mask in a folder.
fn mask_path(folder: &Path, case: &str) -> PathBuf {
    folder.join(file_name(case))
}

fn file_name(case: &str) -> String {
    format!("{}.png", case.replace(['/', '\\'], "__"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_counts_with_the_checksum_that_was_recorded_of_it_alone() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("seg/0123");
        fs::create_dir_all(run.join("masks")).unwrap();
        let path = mask_path(&run.join("masks"), "benign/a");
        let name = file_name("benign/a");
        write_file(&path, &png_gray(vec![0, 255], (2, 1)).unwrap()).unwrap();
        let recorded = || -> MaskChecksums { RunDir::open_read(&run).unwrap().read().unwrap() };
        let read = || read_mask(&path, (2, 1), recorded().0.get(&name));
        drop(RunDir::open_write(&run).unwrap());
        assert_eq!(read(), None, "nobody recorded it");
        let sum = sha256_of_file(&path).unwrap();
        RunDir::add_masks(&run, MaskChecksums([(name.clone(), sum)].into())).unwrap();
        assert_eq!(read(), Some(vec![0, 1]));
        write_file(&path, &png_gray(vec![255, 255], (2, 1)).unwrap()).unwrap();
        assert_eq!(read(), None, "another mask of the same size");
    }
}
