//! `oncospec compare`.

use std::path::PathBuf;

use clap::Args;

use super::{Output, pretty, print};
use crate::error::{Error, Result};
use crate::inference::find_runs;
use crate::record::Record;
use crate::report::side_by_side;

/// Arguments of `compare`.
#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Run directory, run id or name of an experiment, of which the last finished run of each seed counts.
    #[arg(value_name = "A")]
    first: String,
    /// What it is compared with.
    #[arg(value_name = "B")]
    second: String,
    /// Folder of the run directories, for ids and names.
    #[arg(long, value_name = "DIR", default_value = "runs")]
    root: PathBuf,
}

/// Prints in what two runs or experiments differ: specs, data, sources, figures, and the paired test.
pub(super) fn execute(args: CompareArgs, output: Output) -> Result<u8> {
    let (first, second) = (args.side(&args.first)?, args.side(&args.second)?);
    let paths = |side: &[Record]| side.iter().map(|run| run.path.clone()).collect::<Vec<_>>();
    if paths(&first) == paths(&second) {
        return Err(Error::user(format!(
            "`{}` and `{}` mean the same run: name two",
            args.first, args.second
        )));
    }
    let compared = side_by_side(&first, &second)?;
    print(&if output.json { pretty(&compared)? } else { compared.text() })
}

impl CompareArgs {
    /// The records that a name means: of one experiment and seed the run that finished last.
    fn side(&self, name: &str) -> Result<Vec<Record>> {
        let mut records: Vec<Record> = Vec::new();
        for path in find_runs(&[name.to_string()], &self.root)? {
            let record = Record::read(path)?;
            let key = |record: &Record| {
                let Record { summary, provenance, .. } = record;
                (summary.experiment.clone(), provenance.seed, summary.is_average())
            };
            match records.iter_mut().find(|other| key(other) == key(&record)) {
                Some(other) if record.provenance.finished > other.provenance.finished => {
                    *other = record;
                }
                Some(_) => {}
                None => records.push(record),
            }
        }
        Ok(records)
    }
}
