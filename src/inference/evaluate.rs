//! The best weights of a run, scored on a recorded split or on other data.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use tempfile::TempDir;

use super::seen::overlap;
use super::trained::Trained;
use crate::data::{
    Case, Crop, Dataset, Labels, Metadata, fingerprint, lacking_stains, open_with_classes,
    pixels_of_cases, regions, stains_lacking,
};
use crate::error::{Error, Result};
use crate::evaluate::{Cases, Strata, classify, evaluate};
use crate::record::{Figure, Reading, Record, RunDir, Stratum};
use crate::run::{
    figures, image_figures, put_new_masks, put_recorded_masks, strata_of_images, strata_of_pixels,
};
use crate::spec::Spec;
use crate::split_name::SplitName;

/// What is scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scored {
    /// A split of the run, as recorded.
    Recorded(SplitName),
    /// All cases of other data.
    Other,
}

impl Scored {
    /// The name of the split in figures.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Recorded(split) => split.as_str(),
            Self::Other => "data",
        }
    }
}

/// Data on which a run is scored.
pub struct Scoring<'a> {
    trained: &'a Trained,
    /// What is scored.
    pub scored: Scored,
    /// The run's spec, with the folder of the data.
    pub spec: Spec,
    /// The data.
    pub dataset: Dataset,
    /// Cases that are scored.
    pub indices: Vec<usize>,
    /// The run's own cases that are read, with the SHA-256 of their pixels where it is known.
    read: BTreeMap<String, String>,
    /// Holds the masks that a guide made.
    masks: Option<TempDir>,
}

impl<'a> Scoring<'a> {
    /// Opens the data of a run, or other data of its kind in a folder: the cases that the run recorded for a split, or,
    /// where only a folder is given, all labelled cases. Without either, those of the validation split.
    ///
    /// # Errors
    /// If the data cannot be opened, or recorded cases are missing.
    pub fn open(
        trained: &'a Trained,
        data: Option<&Path>,
        split: Option<SplitName>,
    ) -> Result<Self> {
        let Trained { record, decisions, .. } = trained;
        let mut spec = decisions.spec.clone();
        let scored = match (data, split) {
            (Some(_), None) => Scored::Other,
            (_, split) => Scored::Recorded(split.unwrap_or(SplitName::Valid)),
        };
        if let Some(folder) = data {
            let Some(root) = spec.dataset.source.source_mut().root_mut() else {
                return Err(Error::user(
                    "this run was trained on synthetic images, which lie in no folder: \
                     leave out --data",
                ));
            };
            *root = folder.display().to_string();
        }
        if let Scored::Recorded(split) = scored {
            trained.same_split(split)?;
        }
        let root = spec.dataset.source.source().root().map(Path::new);
        if let Some(root) = root.filter(|root| !root.is_dir() && data.is_none()) {
            return Err(Error::user(format!(
                "{}: the data of this run are not there any more; `--data DIR --split {}` reads \
                 them from another folder",
                root.display(),
                split.unwrap_or(SplitName::Valid)
            )));
        }
        let classes = match &decisions.labels {
            Labels::Images { names } => names,
            Labels::Binary { .. } | Labels::Classes { .. } => &decisions.image_classes,
        };
        let mut dataset = open_with_classes(&spec, classes)?;
        dataset.decide_levels(decisions.window)?;
        let indices = match scored {
            Scored::Other => (0..dataset.cases.len()).collect(),
            Scored::Recorded(split) => cases_of(record, &dataset, split)?,
        };
        if let Some(stain) = &decisions.stain {
            let lacking =
                lacking_stains(&dataset, &indices, Some(stain), Crop::new(&spec.dataset).as_ref())?;
            dataset.findings.extend(stains_lacking(&dataset, &lacking));
        }
        for case in indices.iter().map(|&case: &usize| &dataset.cases[case]) {
            trained.predictor.preprocess.numbers(&case.id, &case.metadata)?;
        }
        // Before all cases are predicted.
        for by in &spec.evaluation.by {
            Strata::new(by, &dataset, spec.dataset.source.source().metadata())?;
        }
        Ok(Self { trained, scored, spec, dataset, indices, read: BTreeMap::new(), masks: None })
    }

    /// Compares the data with those of the run, and gives a guided classifier its masks: what a reader of the figures
    /// must know, if anything. `changed_data` lets recorded cases be others than the run had.
    ///
    /// # Errors
    /// If recorded cases have changed, or a mask is missing.
    pub fn compare(&mut self, changed_data: bool) -> Result<Option<String>> {
        self.give_masks()?;
        let root = self.spec.dataset.source.source().root();
        match self.scored {
            Scored::Recorded(split) => {
                if split == SplitName::Test {
                    let names = self.indices.iter().map(|&case| &self.dataset.cases[case].id);
                    let pixels = pixels_of_cases(&self.dataset, &self.indices)?;
                    self.read = names.cloned().zip(pixels).collect();
                }
                self.same_data(changed_data)
            }
            Scored::Other => {
                let Trained { record, decisions, .. } = self.trained;
                let seen = overlap(&self.dataset, record, decisions)?;
                let said = seen.said().map(|said| format!("{}: {said}", root.unwrap_or_default()));
                self.read = seen.read();
                // Runs of an average that is recorded have its cases.
                let is_one = self.trained.others.is_empty() || record.summary.is_average();
                let of_first = match is_one {
                    true => String::new(),
                    false => format!(
                        " (of {}; the runs that are averaged with it may have them in other splits)",
                        self.trained.run.display()
                    ),
                };
                Ok(said.map(|said| said + &of_first))
            }
        }
    }

    fn give_masks(&mut self) -> Result<()> {
        let Trained { run, record, guide, .. } = self.trained;
        match (guide, self.scored) {
            (Some(guide), Scored::Other) => {
                let folder = tempfile::tempdir();
                let folder = folder.map_err(Error::io("temporary folder", "cannot create"))?;
                put_new_masks(&mut self.dataset, guide, folder.path())?;
                self.masks = Some(folder);
                Ok(())
            }
            (Some(_), Scored::Recorded(_)) => {
                put_recorded_masks(&mut self.dataset, run, &record.guide)
            }
            (None, _) => Ok(()),
        }
    }

    /// Images, masks and the columns that go with them must be those that the run recorded, unless a person goes on all the
    /// same.
    fn same_data(&self, go_on: bool) -> Result<Option<String>> {
        let recorded = &self.trained.decisions.data_fingerprint;
        let found = fingerprint(&self.dataset)?;
        let short = |fingerprint: &str| fingerprint.chars().take(12).collect::<String>();
        let differs = if found == *recorded {
            match self.changed_columns() {
                None => return Ok(None),
                Some(case) => format!(
                    "columns of the table are not those of the run, such as those of `{case}`"
                ),
            }
        } else {
            format!(
                "images or masks are not those of the run: their fingerprint is {}, the run recorded {}",
                short(&found),
                short(recorded)
            )
        };
        let root = self.spec.dataset.source.source().root().unwrap_or("synthetic images");
        let said = format!("{root}: {differs}");
        if go_on {
            return Ok(Some(said));
        }
        Err(Error::user(format!(
            "{said}: figures would not compare with the recorded ones; --changed-data scores on them \
             all the same"
        )))
    }

    /// A case whose columns have other values than the run recorded.
    fn changed_columns(&self) -> Option<&str> {
        let recorded = self.trained.record.split.iter();
        let recorded: BTreeMap<&str, &Metadata> =
            recorded.map(|row| (row.case.as_str(), &row.metadata)).collect();
        let differs = |case: &&Case| {
            recorded.get(case.id.as_str()).is_some_and(|metadata| **metadata != case.metadata)
        };
        self.dataset.cases.iter().find(differs).map(|case| case.id.as_str())
    }

    /// Notes that cases of the run's test split are about to be read by a command, if any of these are of it.
    ///
    /// # Errors
    /// If the reading cannot be written.
    pub fn note_reading(&self, command: String) -> Result<()> {
        let record = &self.trained.record;
        let of_test = record.split.iter().filter(|row| row.split == SplitName::Test);
        let of_test: BTreeSet<&str> = of_test.map(|row| row.case.as_str()).collect();
        let of_test = self.read.iter().filter(|(case, _)| of_test.contains(case.as_str()));
        let (read, mut pixels): (Vec<&str>, Vec<String>) =
            of_test.map(|(case, pixels)| (case.as_str(), pixels.clone())).unzip();
        pixels.retain(|pixels| !pixels.is_empty());
        if read.is_empty() {
            return Ok(());
        }
        let made = &record.provenance;
        let of = (made.run_id.as_str(), made.seed);
        let reading = Reading::new(of, command, &made.data_fingerprint, &read);
        let average = record.summary.is_average();
        let reading = Reading { average, ..reading };
        let reading = reading.in_experiment(&record.summary.experiment, &pixels);
        RunDir::note_reading(&self.trained.run, &reading)
    }

    /// What is scored, counted in words: cases, or regions with the tiles of them that are cases.
    ///
    /// # Errors
    /// If a case is no tile, though the run was trained on tiles of regions.
    pub fn counted(&self) -> Result<String> {
        let cases = self.indices.len();
        if self.spec.dataset.source.source().tile_scale().is_none() {
            return Ok(format!("{cases} cases"));
        }
        let groups: Vec<String> = self.dataset.cases.iter().map(group_of).collect();
        let regions = regions(&self.dataset, &self.indices, &groups)?.len();
        let of = if regions == 1 { "region" } else { "regions" };
        Ok(format!("{regions} {of} ({cases} tiles)"))
    }

    /// The figures, of which a case is a whole region where the run was trained on tiles of regions, and the headline
    /// figures by the columns that the run's spec names.
    ///
    /// # Errors
    /// If a case cannot be decoded, or the values of a column make no strata.
    pub fn figures(&self) -> Result<(Vec<Figure>, Vec<Stratum>)> {
        let Trained { record, predictor, .. } = self.trained;
        let (groups, split) = match self.scored {
            Scored::Recorded(split) => (recorded_groups(record, &self.dataset), split),
            Scored::Other => (self.dataset.cases.iter().map(group_of).collect(), SplitName::Test),
        };
        let (dataset, indices) = (&self.dataset, self.indices.as_slice());
        let cases = Cases { dataset, indices, groups: &groups, split };
        let tick = |_| Ok(());
        Ok(match &dataset.labels {
            Labels::Binary { .. } | Labels::Classes { .. } => {
                let evaluation = &self.spec.evaluation;
                let scores = evaluate(predictor, &cases, evaluation, 0, &tick)?;
                let strata = strata_of_pixels(&scores, dataset, &self.spec)?;
                (figures(&scores, &dataset.image_classes, &self.spec), strata)
            }
            Labels::Images { names } => {
                let scores = classify(predictor, &cases, &tick)?;
                let strata = strata_of_images(&scores, split, dataset, &[], &self.spec)?;
                (image_figures(&scores, split, names, &self.spec), strata)
            }
        })
    }
}

/// The cases of a split, by the record.
fn cases_of(record: &Record, dataset: &Dataset, split: SplitName) -> Result<Vec<usize>> {
    let wanted: BTreeSet<&str> =
        record.split.iter().filter(|row| row.split == split).map(|row| row.case.as_str()).collect();
    let found: Vec<usize> = (0..dataset.cases.len())
        .filter(|&index| wanted.contains(dataset.cases[index].id.as_str()))
        .collect();
    if wanted.is_empty() {
        return Err(Error::user(format!("the {split} split of this run has no case")));
    }
    if found.len() < wanted.len() {
        return Err(Error::user(format!(
            "{} of the {} cases of the {split} split are not in the data set any more",
            wanted.len() - found.len(),
            wanted.len()
        )));
    }
    Ok(found)
}

/// The group of every case as recorded; of one that is in no split, as its source knows it.
fn recorded_groups(record: &Record, dataset: &Dataset) -> Vec<String> {
    let recorded: BTreeMap<&str, &str> =
        record.split.iter().map(|row| (row.case.as_str(), row.group.as_str())).collect();
    let group = |case: &Case| match recorded.get(case.id.as_str()) {
        Some(group) => group.to_string(),
        None => group_of(case),
    };
    dataset.cases.iter().map(group).collect()
}

/// The group of a case as its source knows it, else itself.
fn group_of(case: &Case) -> String {
    case.known_group().unwrap_or(&case.id).to_string()
}
