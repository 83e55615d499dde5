//! Data sets that were opened for one spec, for others that have the same: folds, trials, specs of a suite.

use crate::data::{Dataset, Duplicates, find_duplicates, for_task, masks_of, open_with};
use crate::error::Error;
use crate::spec::{DatasetSpec, KfoldSpec, SplitSpec, SubsetSpec, TaskSpec};

/// The data sets that were opened so far. Files that change in between are not looked at again.
#[derive(Debug, Default)]
pub struct Opened(Vec<Known>);

/// A data set that is open.
#[derive(Debug)]
struct Known {
    spec: DatasetSpec,
    task: TaskSpec,
    dataset: Dataset,
    duplicates: Option<Duplicates>,
}

impl Opened {
    /// The data set of a spec, for its task.
    ///
    /// # Errors
    /// The key and what is wrong, if it cannot be opened or does not suit the task.
    pub(super) fn dataset(
        &mut self,
        spec: &DatasetSpec,
        task: &TaskSpec,
    ) -> Result<Dataset, (&'static str, Error)> {
        if let Some(known) = self.known(spec, task) {
            return Ok(known.dataset.clone());
        }
        let dataset = open_with(spec, masks_of(task)).map_err(|error| ("dataset.root", error))?;
        let dataset = for_task(dataset, task).map_err(|error| ("task.kind", error))?;
        let (spec, task) = (undivided(spec), task.clone());
        self.0.push(Known { spec, task, dataset: dataset.clone(), duplicates: None });
        Ok(dataset)
    }

    /// The near-duplicates among the images of a data set that is open.
    ///
    /// # Errors
    /// As [`find_duplicates`].
    pub(super) fn duplicates(
        &mut self,
        spec: &DatasetSpec,
        task: &TaskSpec,
        dataset: &Dataset,
    ) -> Result<Duplicates, Error> {
        let known = self.known(spec, task);
        if let Some(found) = known.as_ref().and_then(|known| known.duplicates.clone()) {
            return Ok(found);
        }
        let found = find_duplicates(dataset)?;
        if let Some(known) = self.known(spec, task) {
            known.duplicates = Some(found.clone());
        }
        Ok(found)
    }

    fn known(&mut self, spec: &DatasetSpec, task: &TaskSpec) -> Option<&mut Known> {
        let spec = undivided(spec);
        self.0.iter_mut().find(|known| known.spec == spec && known.task == *task)
    }
}

/// The keys of a data set without those that decide where its cases go.
fn undivided(spec: &DatasetSpec) -> DatasetSpec {
    let mut spec = spec.clone();
    spec.subset = SubsetSpec::default();
    if let SplitSpec::Kfold(kfold) = &mut spec.split {
        // What keeps cases together decides what is read of their names.
        *kfold = KfoldSpec { group: kfold.group, ..KfoldSpec::default() };
    }
    spec
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_of_a_division_have_one_data_set_and_other_keys_another() {
        let spec = |more: &str| -> DatasetSpec {
            toml::from_str(&format!("kind = 'phantom'\ncases = 12\n{more}")).unwrap()
        };
        let mut opened = Opened::default();
        let mut count = |more: &str| {
            opened.dataset(&spec(more), &TaskSpec::default()).unwrap();
            opened.0.len()
        };
        assert_eq!(count("split = { kind = 'kfold', folds = 3, fold = 0 }"), 1);
        assert_eq!(count("split = { kind = 'kfold', folds = 3, fold = 1, seed = 4 }"), 1);
        assert_eq!(count("split = { kind = 'kfold', folds = 3, group = 'none' }"), 2);
        assert_eq!(count("image-size = 64"), 3);
        assert_eq!(count("split = { kind = 'kfold', folds = 3, fold = 2 }"), 3);
    }
}
