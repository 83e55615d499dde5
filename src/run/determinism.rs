//! Some steps of a training, and what the weights are after them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use safetensors::SafeTensors;

use super::training::training;
use crate::cache_folder::cache_folder;
use crate::device::{Chosen, Kind};
use crate::digest::{Hasher, sha256};
use crate::error::{Error, Result};
use crate::model::{Model, save_weights};
use crate::plan::Plan;
use crate::provenance::host;
use crate::record::{Determinism, Part, Progressed, write_file};
use crate::train::{Ending, Keeper, Progress, Stop, train};

/// SHA-256 of tensors, by their names.
pub type TensorHashes = BTreeMap<String, String>;

/// SHA-256 of each tensor of the network of a plan after so many of its first steps, or all of an epoch if it has fewer, and
/// how many steps were made. Nothing is recorded.
///
/// # Errors
/// If training fails.
pub fn hashes_after(plan: &Plan, chosen: &Chosen, steps: u32) -> Result<(TensorHashes, usize)> {
    let mut plan = plan.clone();
    let schedule = &mut plan.decisions.spec.schedule;
    let batch = schedule.batch_size as usize;
    schedule.epochs = 1;
    let cases = (steps as usize) * batch * schedule.accumulate as usize;
    plan.split.train.truncate(cases);
    plan.split.valid.truncate(batch);
    plan.split.test.truncate(batch);
    let made = plan.split.train.len().div_ceil(batch * schedule.accumulate as usize);
    let kept = Arc::new(Hashed::default());
    let keeper: Arc<dyn Keeper> = Arc::clone(&kept) as Arc<dyn Keeper>;
    let (training, progress) = (training(&plan, chosen)?, Progress::new(true));
    let trained = train(training, None, keeper, progress, Stop::default())?;
    if let Ending::Failed(why) | Ending::Interrupted(why) = trained.ending {
        return Err(Error::failed(why));
    }
    let hashes = kept.0.lock().unwrap_or_else(PoisonError::into_inner);
    Ok((hashes.clone(), made))
}

/// The name under which is kept what is found of a plan on a device: of the sources that train it, the device and the processor.
pub fn determinism_key(plan: &Plan, device: &Kind) -> String {
    let decisions = &plan.decisions;
    let mut key = Hasher::new(b"determinism");
    key.text(&decisions.engine);
    decisions
        .engine_parts
        .iter()
        .flat_map(|(name, digest)| [name, digest])
        .for_each(|part| key.text(part));
    key.text(&device.to_string());
    key.text(&host().cpu);
    key.finish()
}

/// Keeps in the user's cache folder what was found, for the records of later runs; nothing where there is no such folder.
///
/// # Errors
/// If the disk refuses.
pub fn keep_determinism(key: &str, found: &Determinism) -> Result<()> {
    let Some(path) = kept_at(key) else { return Ok(()) };
    let unwritable = |error| Error::failed(format!("{}: {error}", path.display()));
    let bytes = serde_json::to_vec_pretty(found).map_err(unwritable)?;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(Error::io(folder, "cannot create"))?;
    }
    write_file(&path, &bytes)
}

/// What was found of a plan on a device, where it was tried; what cannot be read was not.
pub(super) fn kept_determinism(plan: &Plan, device: &Kind) -> Option<Determinism> {
    let bytes = crate::file::read(kept_at(&determinism_key(plan, device))?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

fn kept_at(key: &str) -> Option<PathBuf> {
    Some(cache_folder()?.join("determinism").join(format!("{key}.json")))
}

/// Hashes the weights of an epoch, and keeps nothing else.
#[derive(Default)]
struct Hashed(Mutex<TensorHashes>);

impl Keeper for Hashed {
    fn save_part(&self, _epoch: u32, _part: Part, _bytes: &[u8]) -> Result<()> {
        Ok(())
    }

    fn load_part(&self, epoch: u32, _part: Part) -> Result<Vec<u8>> {
        Err(Error::failed(format!("no checkpoint of epoch {epoch} was kept")))
    }

    fn keep_best(&self, _net: &Model) -> Result<()> {
        Ok(())
    }

    fn see(&self, _epoch: u32, net: &Model) -> Result<()> {
        let folder =
            tempfile::tempdir().map_err(Error::io(std::env::temp_dir(), "cannot write into"))?;
        let path = folder.path().join("model.safetensors");
        save_weights(net, &path)?;
        let bytes = crate::file::read_any(&path).map_err(Error::io(&path, "cannot read"))?;
        let tensors = SafeTensors::deserialize(&bytes)
            .map_err(|error| Error::failed(format!("{}: {error}", path.display())))?;
        let hashes = tensors.iter().map(|(name, tensor)| (name.to_string(), sha256(tensor.data())));
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = hashes.collect();
        Ok(())
    }

    fn commit(&self, _progress: &Progressed) -> Result<()> {
        Ok(())
    }
}
