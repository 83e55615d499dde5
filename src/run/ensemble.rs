//! The networks of finished runs, whose probabilities are averaged.

use std::path::{Path, PathBuf};

use super::net;
use crate::device::Chosen;
use crate::error::{Error, Result};
use crate::evaluate::Predictor;
use crate::plan::{Decisions, Plan};
use crate::record::{Record, RunState};

/// The directories of the runs whose average a run directory records, which lie beside it.
pub fn members_of(average: &Path, ids: &[String]) -> Vec<PathBuf> {
    // A path such as `.` does not name its folder.
    let whole = average.file_name().is_none().then(|| average.canonicalize().ok()).flatten();
    let average = whole.as_deref().unwrap_or(average);
    ids.iter().map(|id| average.with_file_name(id)).collect()
}

/// The networks of the runs that a plan averages, each with the steps that its run has settled.
///
/// # Errors
/// If one of the runs is not there or not finished.
pub(super) fn average(plan: &Plan, device: &Chosen) -> Result<Predictor> {
    let mut members = Vec::new();
    for path in members_of(&plan.folder(), &plan.members) {
        let record = Record::read(&path)?;
        if record.status.state != RunState::Finished {
            let state = record.status.state;
            return Err(Error::failed(format!(
                "{}, which is averaged, is {state}",
                path.display()
            )));
        }
        let decisions = Decisions::from_toml(&record.plan)?;
        let settled = record.settled(&decisions.spec.evaluation);
        members.push(net::predictor(&path, &decisions, settled, device)?);
    }
    let mut members = members.into_iter();
    let first = members.next().ok_or_else(|| Error::failed("an average of no run"))?;
    Ok(Predictor { others: members.collect(), ..first })
}
