//! Checkpoints through burn-train's background writers, handed to a [`Keeper`] part by part.

use std::marker::PhantomData;
use std::sync::{Arc, Condvar, Mutex};

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Bytes;
use burn_train::checkpoint::{
    Checkpoint, Checkpointer, CheckpointerError, CheckpointingAction, CheckpointingStrategy,
};
use burn_train::metric::store::EventStoreClient;

use super::ema::Ema;
use super::keeper::Keeper;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::record::Part;

/// Saves whenever it is asked; when that is, the loop decides, and which to delete, the keeper.
pub(super) struct Always;

impl CheckpointingStrategy for Always {
    fn checkpointing(&mut self, _: usize, _: &EventStoreClient) -> Vec<CheckpointingAction> {
        vec![CheckpointingAction::Save]
    }
}

/// Counts the parts that background writers have finished, so that the epoch can be committed.
#[derive(Clone, Default)]
pub(super) struct Saved(Arc<(Mutex<Outcomes>, Condvar)>);

/// The outcome of each part.
type Outcomes = Vec<Result<(), String>>;

impl Saved {
    fn add(&self, outcome: Result<(), String>) {
        let (parts, changed) = &*self.0;
        parts.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(outcome);
        changed.notify_all();
    }

    /// Waits until `count` parts are written.
    pub(super) fn wait(&self, count: usize) -> Result<()> {
        let (parts, changed) = &*self.0;
        let mut parts = parts.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        while parts.len() < count {
            parts = changed.wait(parts).unwrap_or_else(|poisoned| poisoned.into_inner());
        }
        parts.drain(..).collect::<Result<Vec<()>, String>>().map(|_| ()).map_err(Error::Failed)
    }
}

/// Writes one part of each checkpoint.
pub(super) struct PartKeeper<R> {
    part: Part,
    keeper: Arc<dyn Keeper>,
    saved: Saved,
    record: PhantomData<fn() -> R>,
}

impl<R> PartKeeper<R> {
    /// A writer of `part` that notifies `saved` when it is done.
    pub(super) fn new(part: Part, keeper: Arc<dyn Keeper>, saved: Saved) -> Self {
        Self { part, keeper, saved, record: PhantomData }
    }
}

impl<R: Checkpoint> Checkpointer<R> for PartKeeper<R> {
    fn save(&self, epoch: usize, record: R) -> Result<(), CheckpointerError> {
        let outcome = record
            .checkpoint_into_bytes()
            .map_err(|error| format!("cannot write the {}: {error}", self.part.name()))
            .and_then(|bytes| {
                let saved = self.keeper.save_part(epoch as u32, self.part, &bytes);
                saved.map_err(|error| error.to_string())
            });
        self.saved.add(outcome);
        Ok(())
    }

    fn delete(&self, _epoch: usize) -> Result<(), CheckpointerError> {
        Ok(())
    }

    fn restore(&self, epoch: usize) -> Result<R, CheckpointerError> {
        let bytes = self
            .keeper
            .load_part(epoch as u32, self.part)
            .map_err(|error| CheckpointerError::Unknown(error.to_string()))?;
        R::checkpoint_from_bytes(Bytes::from_bytes_vec(bytes)).map_err(CheckpointerError::Record)
    }
}

/// The bytes of a moving average.
pub(super) fn average_bytes(average: &Ema<Model>) -> Result<Bytes> {
    let record: ModuleRecord = average.model().into_record();
    record
        .into_bytes()
        .map_err(|error| Error::failed(format!("cannot write the moving average: {error}")))
}

/// A moving average from its bytes.
pub(super) fn restore_average(decay: f64, net: &Model, bytes: Vec<u8>) -> Result<Ema<Model>> {
    let record = ModuleRecord::from_bytes(Bytes::from_bytes_vec(bytes)).map_err(|error| {
        Error::failed(format!("cannot read the moving average of the checkpoint: {error}"))
    })?;
    let net = net.valid().try_load_record(record).map_err(|error| {
        Error::failed(format!("the moving average of the checkpoint does not fit: {error}"))
    })?;
    Ok(Ema::new(decay, &net))
}
