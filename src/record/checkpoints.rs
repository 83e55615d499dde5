//! Checkpoints: the parts of an epoch in a folder, and one file that records which epoch counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::artefact::{find, store};
use super::contents::{STAGED, is_epoch, is_part};
use super::files;
use super::last::Last;
use super::{Artefact, EpochRow, Part, RunDir, RunState, Status, Summary, TimesRow};
use crate::digest::{sha256, sha256_of_file};
use crate::error::{Error, Result};

/// How far training came: all that a resumed run needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Progressed {
    /// Epochs completed.
    pub epoch: u32,
    /// The best epoch and the figure that decided.
    pub best: Option<(u32, f64)>,
    /// Figures of each epoch.
    pub rows: Vec<EpochRow>,
    /// Seconds of each epoch.
    pub times: Vec<TimesRow>,
}

/// Keeps the results of training in a run directory.
///
/// ```text
/// checkpoints/last.json          which epoch to resume from, which was best, checksums of parts and best weights
/// checkpoints/epoch-7/           model, optimizer and learning-rate state after epoch 7
/// checkpoints/best.safetensors   best weights on their way into the run directory
/// ```
///
/// Weights that beat the best are written beside it first. `last.json` then records their checksum, which commits them;
/// after that they replace the earlier ones. A reader takes the file that has the checksum, so that a process killed in
/// between leaves the weights of the epoch that counts.
pub struct Checkpoints {
    run: Arc<RunDir>,
    epochs: u32,
}

/// The best weights that a run has committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BestWeights {
    /// The file that holds them.
    pub path: PathBuf,
    /// The epoch that they are of.
    pub epoch: u32,
    /// SHA-256 of the file.
    pub sha256: String,
}

impl RunDir {
    /// The best weights that the run has committed.
    ///
    /// # Errors
    /// The user's, if the run has none yet; else if the file is missing or not the one that was recorded.
    pub fn best_weights(&self) -> Result<BestWeights> {
        // A process that trains may commit other weights between two looks.
        const LOOKS: usize = 3;
        let mut found = self.find_best_weights();
        for _ in 1..LOOKS {
            if found.is_ok() || !self.is_locked() {
                break;
            }
            found = self.find_best_weights();
        }
        found
    }

    /// The epoch to resume from; `None` where none was committed, or nothing can say which.
    pub fn committed_epoch(&self) -> Option<u32> {
        find::<Last>(self.path()).ok()?.map(|last| last.epoch)
    }

    /// Figures and seconds of the epochs that count: a process that is killed may leave those of an epoch that it did
    /// not commit.
    ///
    /// # Errors
    /// If a file is damaged.
    pub(super) fn committed_epochs(&self) -> Result<(Vec<EpochRow>, Vec<TimesRow>)> {
        let committed = self.committed_epoch().unwrap_or(u32::MAX);
        let (mut rows, mut times) = (self.read::<Vec<EpochRow>>()?, self.read::<Vec<TimesRow>>()?);
        rows.retain(|row| row.epoch <= committed);
        times.retain(|row| row.epoch <= committed);
        Ok((rows, times))
    }

    fn find_best_weights(&self) -> Result<BestWeights> {
        let Some(last) = find::<Last>(self.path())? else {
            return Err(match self.model().exists() {
                true => files::missing(&self.file(Last::FILE)),
                false => self.no_weights(),
            });
        };
        let Some(epoch) = last.best else { return Err(self.no_weights()) };
        let mut other = None;
        for path in [self.model(), self.file(STAGED)] {
            if !path.exists() {
                continue;
            }
            let sha256 = sha256_of_file(&path)?;
            if last.best_sha256.as_ref().is_none_or(|recorded| *recorded == sha256) {
                return Ok(BestWeights { path, epoch, sha256 });
            }
            other.get_or_insert((path, sha256));
        }
        let recorded = last.best_sha256.unwrap_or_default();
        Err(match other {
            None => files::missing(&self.model()),
            Some((path, found)) => files::damaged(
                &path,
                &format!(
                    "it does not hold the weights of epoch {epoch}, the best one: its SHA-256 is \
                     {found}, checkpoints/last.json says {recorded}"
                ),
            ),
        })
    }

    fn no_weights(&self) -> Error {
        let path = self.path().display();
        let members = self.read::<Summary>().unwrap_or_default().members;
        Error::user(match members.as_slice() {
            [] => format!("{path}: this run has no weights yet: it must train at least one epoch"),
            members => format!(
                "{path}: an average of runs has no weights of its own: name one of its runs, {}",
                members.join(", ")
            ),
        })
    }
}

impl Checkpoints {
    /// Keeps them in `run`, which is to train so many epochs.
    pub fn new(run: Arc<RunDir>, epochs: u32) -> Self {
        Self { run, epochs }
    }

    fn folder(&self, epoch: u32) -> PathBuf {
        self.run.checkpoints().join(format!("epoch-{epoch}"))
    }

    fn part(&self, epoch: u32, part: Part) -> PathBuf {
        self.folder(epoch).join(part.file())
    }

    /// Writes one part of the checkpoint of an epoch.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn save_part(&self, epoch: u32, part: Part, bytes: &[u8]) -> Result<()> {
        self.run.check_hold()?;
        let folder = self.folder(epoch);
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "cannot create"))?;
        files::write(&self.part(epoch, part), bytes)
    }

    /// Reads it back.
    ///
    /// # Errors
    /// When it is missing.
    pub fn load_part(&self, epoch: u32, part: Part) -> Result<Vec<u8>> {
        let path = self.part(epoch, part);
        files::read_any(&path)?.ok_or_else(|| files::missing(&path))
    }

    /// Keeps weights that beat the best, which `save` writes; they count once they are committed.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn keep_best(&self, save: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
        self.run.check_hold()?;
        files::write_with(&self.run.file(STAGED), save)
    }

    /// Makes an epoch's parts the ones to resume from, with all that was recorded until then.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn commit(&self, progress: &Progressed) -> Result<()> {
        let mut parts = Vec::new();
        for part in Part::ALL {
            let path = self.part(progress.epoch, part);
            if let Some(bytes) = files::read_any(&path)? {
                parts.push((part.file(), sha256(&bytes)));
            }
        }
        self.run.write(&progress.rows)?;
        self.run.write(&progress.times)?;
        let best = progress.best.map(|(epoch, _)| epoch);
        // An epoch since the last that was committed.
        let is_new = best > self.run.committed_epoch();
        let best_sha256 = match (best, is_new) {
            (None, _) => None,
            (Some(_), true) => Some(sha256_of_file(&self.run.file(STAGED))?),
            (Some(_), false) => find::<Last>(self.run.path())?.and_then(|last| last.best_sha256),
        };
        let last = Last { epoch: progress.epoch, best, best_sha256, parts };
        self.run.check_hold()?;
        store(self.run.path(), &last)?;
        if is_new {
            self.put_in_place(&self.run.file(STAGED))?;
        }
        self.clear(&last);
        self.run.write_status(&Status {
            state: RunState::Running,
            epoch: progress.epoch,
            epochs: self.epochs,
            ..Status::default()
        })
    }

    /// How far the run came, if it has a checkpoint to resume from.
    ///
    /// # Errors
    /// If a part or the best weights are missing or not what was written.
    pub fn last(&self) -> Result<Option<Progressed>> {
        let Some(last) = find::<Last>(self.run.path())? else { return Ok(None) };
        for (name, expected) in &last.parts {
            if !is_part(name) {
                let why = format!("it names `{name}`, which is no part of a checkpoint");
                return Err(files::damaged(&self.run.file(Last::FILE), &why));
            }
            let path = self.folder(last.epoch).join(name);
            let bytes = files::read_any(&path)?.ok_or_else(|| files::missing(&path))?;
            if sha256(&bytes) != *expected {
                return Err(files::damaged(&path, "its checksum is not the one in last.json"));
            }
        }
        if last.best.is_some() {
            self.put_in_place(&self.run.best_weights()?.path)?;
        }
        let (rows, times) = self.run.committed_epochs()?;
        Ok(Some(Progressed { epoch: last.epoch, best: None, rows, times }))
    }

    /// Moves committed weights to where people look for them.
    fn put_in_place(&self, weights: &Path) -> Result<()> {
        if weights == self.run.model() {
            return Ok(());
        }
        files::rename(weights, &self.run.model())
    }

    /// Removes the checkpoints of epochs that are neither the last nor the best; files of a person stay.
    fn clear(&self, last: &Last) {
        let kept = [Some(last.epoch), last.best].map(|epoch| epoch.map(|epoch| self.folder(epoch)));
        for entry in fs::read_dir(self.run.checkpoints()).into_iter().flatten().flatten() {
            let path = entry.path();
            let is_own = is_epoch(&format!("checkpoints/{}", entry.file_name().to_string_lossy()));
            if !is_own || !path.is_dir() || kept.contains(&Some(path.clone())) {
                continue;
            }
            // What stays costs disk space only.
            for part in fs::read_dir(&path).into_iter().flatten().flatten() {
                if is_part(&part.file_name().to_string_lossy()) {
                    let _ = files::remove(&part.path());
                }
            }
            if files::is_empty(&path) {
                let _ = files::remove(&path);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::Record;
    use super::super::files::steps::moments;
    use super::*;
    use crate::split_name::SplitName;

    fn checkpoints(folder: &Path, epochs: u32) -> Checkpoints {
        Checkpoints::new(Arc::new(RunDir::open_write(folder).unwrap()), epochs)
    }

    /// What the weights of an epoch are here.
    fn weights(epoch: u32) -> Vec<u8> {
        format!("weights of epoch {epoch}").into_bytes()
    }

    /// How far a run is after an epoch, of which some improve.
    fn progressed(epoch: u32, improves: &[bool]) -> Progressed {
        let row = |epoch| EpochRow { epoch, split: SplitName::Valid, ..EpochRow::default() };
        let best = (1..=epoch).rev().find(|&epoch| improves[epoch as usize - 1]);
        Progressed {
            epoch,
            best: best.map(|epoch| (epoch, 0.5)),
            rows: (1..=epoch).map(row).collect(),
            times: (1..=epoch).map(|epoch| TimesRow { epoch, ..TimesRow::default() }).collect(),
        }
    }

    /// What a run does with a keeper from an epoch on.
    fn train(checkpoints: &Checkpoints, from: u32, improves: &[bool]) {
        let (state, epochs) = (RunState::Running, improves.len() as u32);
        let begun = Status { state, epoch: from - 1, epochs, ..Status::default() };
        checkpoints.run.write_status(&begun).unwrap();
        for epoch in from..=improves.len() as u32 {
            for part in [Part::Model, Part::Optimizer, Part::Rate] {
                let bytes = format!("{} of epoch {epoch}", part.name());
                checkpoints.save_part(epoch, part, bytes.as_bytes()).unwrap();
            }
            if improves[epoch as usize - 1] {
                let save = |path: &Path| {
                    fs::write(path, weights(epoch)).map_err(Error::io(path, "cannot write"))
                };
                checkpoints.keep_best(save).unwrap();
            }
            checkpoints.commit(&progressed(epoch, improves)).unwrap();
        }
    }

    /// A killed run reads as an epoch that was committed, with the best weights as of it.
    fn assert_whole(run: &Path, improves: &[bool]) {
        let directory = RunDir::open_read(run).unwrap();
        let epochs = Record::read(run).unwrap().epochs.len() as u32;
        let last: Option<Last> = find(run).unwrap();
        let Some(last) = last else {
            let none = directory.best_weights().unwrap_err();
            assert!(none.to_string().contains("no weights yet"), "{none}");
            return;
        };
        assert_eq!(epochs, last.epoch, "figures of the epochs that count");
        let expected = progressed(last.epoch, improves).best;
        assert_eq!(last.best, expected.map(|(epoch, _)| epoch));
        match expected {
            None => assert!(directory.best_weights().is_err()),
            Some((epoch, _)) => {
                let found = directory.best_weights().unwrap();
                assert_eq!((found.epoch, fs::read(found.path).unwrap()), (epoch, weights(epoch)));
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2))]

        /// Whichever epochs improve and whenever the process is killed.
        #[test]
        fn a_run_killed_at_any_moment_is_an_epoch_with_its_weights_and_goes_on(
            improves in proptest::collection::vec(any::<bool>(), 1..4)
        ) {
            let folder = tempfile::tempdir().unwrap();
            let (run, copies) = (folder.path().join("run"), folder.path().join("copies"));
            let epochs = improves.len() as u32;
            let kept = checkpoints(&run, epochs);
            let sequence = improves.clone();
            let count = moments(&run, &copies, move || train(&kept, 1, &sequence));
            prop_assert!(count > 10);
            for moment in 0..count {
                let killed = copies.join(moment.to_string());
                assert_whole(&killed, &improves);
                let resumed = checkpoints(&killed, epochs);
                let from = resumed.last().unwrap();
                train(&resumed, from.map_or(0, |from| from.epoch) + 1, &improves);
                drop(resumed);
                assert_whole(&killed, &improves);
                prop_assert_eq!(Record::read(&killed).unwrap().epochs, Record::read(&run).unwrap().epochs);
                let best = progressed(epochs, &improves).best;
                let model = fs::read(killed.join("model.safetensors")).ok();
                prop_assert_eq!(model, best.map(|(epoch, _)| weights(epoch)));
            }
        }
    }

    #[test]
    fn damaged_and_missing_weights_name_their_remedy() {
        let folder = tempfile::tempdir().unwrap();
        let kept = checkpoints(folder.path(), 1);
        train(&kept, 1, &[true]);
        let model = folder.path().join("model.safetensors");
        let of = || RunDir::open_read(folder.path()).unwrap().best_weights();
        assert_eq!(of().unwrap().epoch, 1);
        fs::write(&model, "others").unwrap();
        let message = of().unwrap_err().to_string();
        for part in ["model.safetensors", "epoch 1", "SHA-256", "--force"] {
            assert!(message.contains(part), "{message}");
        }
        fs::remove_file(&model).unwrap();
        let message = of().unwrap_err().to_string();
        assert!(message.contains("missing") && message.contains("--force"), "{message}");
        fs::write(&model, weights(1)).unwrap();
        fs::remove_file(folder.path().join("checkpoints/epoch-1/optimizer.burnpack")).unwrap();
        let message = kept.last().unwrap_err().to_string();
        assert!(message.contains("optimizer.burnpack") && message.contains("--force"), "{message}");
        fs::remove_file(folder.path().join("checkpoints/last.json")).unwrap();
        assert!(
            of().unwrap_err().to_string().contains("last.json: this file of the run is missing")
        );
    }

    #[test]
    fn weights_of_an_earlier_version_are_read_without_a_checksum() {
        let folder = tempfile::tempdir().unwrap();
        train(&checkpoints(folder.path(), 1), 1, &[true]);
        let last = folder.path().join("checkpoints/last.json");
        fs::write(&last, r#"{"epoch": 1, "best": 1, "parts": []}"#).unwrap();
        let found = RunDir::open_read(folder.path()).unwrap().best_weights().unwrap();
        assert_eq!(found.path, folder.path().join("model.safetensors"));
    }
}
