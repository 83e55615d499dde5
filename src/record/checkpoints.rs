//! Checkpoints: parts of an epoch in a folder of its own, and one file that says which epoch counts.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{RunDir, RunState, Status, files};
use crate::error::{Error, Result};
use crate::model::{Model, save_weights};
use crate::train::{Keeper, Part, Progressed};

/// Keeps what training gives in a run directory.
///
/// ```text
/// checkpoints/last.json      which epoch to resume from, which was best, checksums of the parts
/// checkpoints/epoch-7/       model, optimizer and learning-rate state after epoch 7
/// ```
pub struct Checkpoints {
    run: Arc<RunDir>,
    epochs: u32,
}

/// `last.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Last {
    /// The epoch to resume from.
    epoch: u32,
    /// The best epoch.
    best: Option<u32>,
    /// Name of each part and the SHA-256 of its file.
    parts: Vec<(String, String)>,
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
        self.folder(epoch).join(format!("{}.burnpack", part.name()))
    }

    /// How far the run came, if it has a checkpoint to resume from.
    ///
    /// # Errors
    /// If a part is missing or is not what was written.
    pub fn last(&self) -> Result<Option<Progressed>> {
        let path = self.run.checkpoints().join("last.json");
        let Some(last) = files::read_json::<Last>(&path)? else { return Ok(None) };
        for (name, expected) in &last.parts {
            let path = self.folder(last.epoch).join(name);
            let bytes = fs::read(&path).map_err(Error::io(&path, "cannot read"))?;
            if checksum(&bytes) != *expected {
                return Err(files::damaged(&path, "its checksum is not the one in last.json"));
            }
        }
        let mut rows = super::tables::read_epochs(&self.run.file("epochs.parquet"))?;
        let mut times = super::tables::read_times(&self.run.file("times.parquet"))?;
        rows.retain(|row| row.epoch <= last.epoch);
        times.retain(|row| row.epoch <= last.epoch);
        Ok(Some(Progressed { epoch: last.epoch, best: None, rows, times }))
    }

    /// Removes folders of epochs that are neither the last nor the best.
    fn clear(&self, last: &Last) {
        let kept = [Some(last.epoch), last.best].map(|epoch| epoch.map(|epoch| self.folder(epoch)));
        for entry in fs::read_dir(self.run.checkpoints()).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() && !kept.contains(&Some(path.clone())) {
                // A folder that stays costs room and nothing else.
                let _ = fs::remove_dir_all(path);
            }
        }
    }
}

impl Keeper for Checkpoints {
    fn save_part(&self, epoch: u32, part: Part, bytes: &[u8]) -> Result<()> {
        let folder = self.folder(epoch);
        fs::create_dir_all(&folder).map_err(Error::io(&folder, "cannot create"))?;
        files::write(&self.part(epoch, part), bytes)
    }

    fn load_part(&self, epoch: u32, part: Part) -> Result<Vec<u8>> {
        let path = self.part(epoch, part);
        fs::read(&path).map_err(Error::io(&path, "cannot read"))
    }

    fn keep_best(&self, net: &Model) -> Result<()> {
        self.run.write_with("model.safetensors", |path| save_weights(net, path))
    }

    fn commit(&self, progress: &Progressed) -> Result<()> {
        let mut parts = Vec::new();
        for part in Part::ALL {
            let path = self.part(progress.epoch, part);
            if let Some(bytes) = files::read(&path)? {
                parts.push((format!("{}.burnpack", part.name()), checksum(&bytes)));
            }
        }
        self.run.write_epochs(&progress.rows)?;
        self.run.write_times(&progress.times)?;
        let best = progress.best.map(|(epoch, _)| epoch);
        let last = Last { epoch: progress.epoch, best, parts };
        files::write_json(&self.run.checkpoints().join("last.json"), &last)?;
        self.clear(&last);
        self.run.write_status(&Status {
            state: RunState::Running,
            epoch: progress.epoch,
            epochs: self.epochs,
            ..Status::default()
        })
    }
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
