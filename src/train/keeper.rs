//! Where results of training go.

use crate::error::Result;
use crate::model::Model;
use crate::record::{Part, Progressed};

/// Where results of training go.
pub trait Keeper: Send + Sync {
    /// Writes one part of the checkpoint of an epoch.
    fn save_part(&self, epoch: u32, part: Part, bytes: &[u8]) -> Result<()>;
    /// Reads it back.
    fn load_part(&self, epoch: u32, part: Part) -> Result<Vec<u8>>;
    /// Keeps weights as the best so far.
    fn keep_best(&self, net: &Model) -> Result<()>;
    /// Notes that an epoch is about to read the test split, where that chooses.
    fn note_test_reading(&self, _epoch: u32) -> Result<()> {
        Ok(())
    }
    /// Observes the network after an epoch; changes nothing of training.
    fn see(&self, _epoch: u32, _net: &Model) -> Result<()> {
        Ok(())
    }
    /// Makes an epoch's parts the ones to resume from, with all that was recorded until then.
    fn commit(&self, progress: &Progressed) -> Result<()>;
}
