//! Some steps of a training, and what the weights are after them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use safetensors::SafeTensors;

use super::training::training;
use crate::device::Chosen;
use crate::digest::sha256;
use crate::error::{Error, Result};
use crate::model::{Model, save_weights};
use crate::plan::Plan;
use crate::record::{Part, Progressed};
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
        let bytes = crate::file::read(&path).map_err(Error::io(&path, "cannot read"))?;
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
