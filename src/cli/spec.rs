//! Arguments that name a spec, and what overrides it.

use std::path::{Path, PathBuf};
use std::sync::Once;

use clap::Args;
use serde::{Deserialize, Serialize};

use super::Output;
use crate::device::{Chosen, Family, Kind, Request, choose};
use crate::error::{Error, Result};
use crate::finding::Findings;
use crate::plan::{Checked, Depth, Opened, check_on};
use crate::run::Again;
use crate::spec::{Loaded, Precision, ScheduleSpec, Spec, environment, folds, load, spec_files};

/// What overrides a spec.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
pub(super) struct Overrides {
    /// Override a key, such as `schedule.epochs=3`; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Override a key of the segmentation that guides a spec; may be given several times.
    #[arg(long = "set-guide", value_name = "KEY=VALUE")]
    pub guide_sets: Vec<String>,
    /// auto, cpu, cuda, cuda:INDEX or several of these; overrides run.device.
    #[arg(long)]
    pub device: Option<String>,
}

impl Overrides {
    /// Loads and checks one of several specs: each fold of its division, where it declares all of them.
    ///
    /// # Errors
    /// Everything wrong with it, or else with its first fold with a mistake.
    fn check_one(&self, path: &Path, depth: Depth, opened: &mut Opened) -> Result<Vec<Checked>> {
        let loaded = self.load(path)?;
        let folds = folds(&loaded);
        if folds.is_empty() {
            return Ok(vec![check_on(loaded, depth, opened)?]);
        }
        folds.iter().map(|fold| Ok(check_on(loaded.with(fold)?, depth, opened)?)).collect()
    }

    /// Loads a spec with these overrides.
    ///
    /// # Errors
    /// Everything wrong with it.
    pub(super) fn load(&self, path: &Path) -> Result<Loaded> {
        let mut loaded = load(path, &self.sets, environment())?;
        if let Some(guide) = loaded.spec.task.guide()
            && !self.guide_sets.is_empty()
        {
            let overrides = guide.overrides.iter().chain(&self.guide_sets).cloned();
            let overrides = toml::Value::Array(overrides.map(toml::Value::String).collect());
            let set = format!("task.guide.overrides={overrides}");
            let sets: Vec<String> = self.sets.iter().cloned().chain([set]).collect();
            loaded = load(path, &sets, environment())?;
        }
        Ok(loaded)
    }

    /// What makes runs of a spec again that was loaded with these overrides.
    pub(super) fn again(&self, loaded: &Loaded) -> Again {
        let option = |name: &str, said: &[String]| {
            said.iter().flat_map(|said| [name.to_string(), said.clone()]).collect::<Vec<_>>()
        };
        Again {
            folder: std::env::current_dir().unwrap_or_default(),
            environment: loaded.environment(),
            spec: loaded.path.clone(),
            overrides: [
                option("--set", &self.sets),
                option("--set", &loaded.member_sets()),
                option("--set-guide", &self.guide_sets),
            ]
            .concat(),
            extend_epochs: None,
        }
    }

    /// Overrides of a guide must find one.
    ///
    /// # Errors
    /// If no spec has a guide.
    fn find_guides(&self, checked: &[Checked]) -> Result<()> {
        if self.guide_sets.is_empty() || checked.iter().any(|one| one.guide.is_some()) {
            return Ok(());
        }
        Err(Error::user(format!(
            "--set-guide {}: no spec has a `task.guide`; --set overrides the spec itself",
            self.guide_sets[0]
        )))
    }

    /// Loads and checks the only spec of a command: each fold of its division, where it declares all of them.
    ///
    /// # Errors
    /// Everything wrong with it, or if overrides are for a guide and it has none.
    pub(super) fn check(&self, path: &Path, depth: Depth, output: Output) -> Result<Vec<Checked>> {
        let checked = self.check_one(path, depth, &mut Opened::default())?;
        self.find_guides(&checked)?;
        report_all(&checked, output);
        Ok(checked)
    }

    /// The kind of device on the nodes of a cluster: what the command line or the spec asks for, of `auto` a GPU where
    /// `run.slurm` has one.
    ///
    /// # Errors
    /// If more GPUs are asked for than a node gives.
    pub(super) fn device_on_cluster(&self, spec: &Spec) -> Result<Family> {
        let asked = self.device.as_deref().unwrap_or(&spec.run.device);
        let gpus = spec.run.slurm.as_ref().map_or(0, |slurm| slurm.gpus);
        let family = match asked.parse()? {
            Request::Cpu => Family::Cpu,
            Request::Auto if gpus == 0 => Family::Cpu,
            Request::Auto => Family::Cuda(1),
            Request::Cuda(indices) => Family::Cuda(indices.len()),
        };
        match family {
            Family::Cuda(needed) if needed > gpus as usize => Err(Error::user(format!(
                "{}: run.slurm.gpus is {gpus}, and `{asked}` computes on {needed}: set `run.slurm.gpus = {needed}`",
                spec.name
            ))),
            family => Ok(family),
        }
    }

    /// The same, which name the kind of device that the nodes of a cluster have.
    ///
    /// # Errors
    /// As [`Self::device_on_cluster`].
    pub(super) fn on_cluster(&self, spec: &Spec) -> Result<Self> {
        let device = match self.device.as_deref().unwrap_or(&spec.run.device) {
            "auto" => self.device_on_cluster(spec)?.to_string(),
            named => named.into(),
        };
        Ok(Self { device: Some(device), ..self.clone() })
    }

    /// The device that the command line or the spec asks for.
    ///
    /// # Errors
    /// If it is not there.
    pub(super) fn device(&self, spec: &Spec, output: Output) -> Result<Chosen> {
        let request: Request = self.device.as_deref().unwrap_or(&spec.run.device).parse()?;
        let chosen = choose(request)?;
        fits(&spec.schedule, &chosen.kind)?;
        if let Some(note) = &chosen.note {
            // The same for each of several specs.
            static SAID: Once = Once::new();
            SAID.call_once(|| output.say(note));
        }
        Ok(chosen)
    }
}

/// Checks what a schedule asks of the devices that were chosen.
///
/// # Errors
/// If they have not the number format of its products, or do not divide its batches.
fn fits(schedule: &ScheduleSpec, kind: &Kind) -> Result<()> {
    let Kind::Cuda(gpus) = kind else { return Ok(()) };
    if !(schedule.batch_size as usize).is_multiple_of(gpus.len()) {
        return Err(Error::user(format!(
            "schedule.batch-size: batches of {} cannot be parted over {} GPUs; use a multiple of {}",
            schedule.batch_size,
            gpus.len(),
            gpus.len()
        )));
    }
    let without = gpus.iter().find(|gpu| !gpu.has_tf32());
    match (schedule.precision, without) {
        (Some(Precision::F32), _) if kind.has_tf32() => Err(Error::user(format!(
            "schedule.precision: on this GPU ({kind}) Burn may round the factors of products to TF32, and \"f32\" \
             cannot be promised; write \"tf32\" or leave the key out"
        ))),
        (Some(Precision::Bf16), Some(gpu)) => Err(Error::user(format!(
            "schedule.precision: bf16 needs a GPU of compute capability 8.0, and {} has {}.{}; write \"tf32\" or leave \
             the key out",
            gpu.name, gpu.capability[0], gpu.capability[1]
        ))),
        _ => Ok(()),
    }
}

/// Reports statements of layers that have no effect, and findings about the data, once for data that several specs have.
fn report_all(checked: &[Checked], output: Output) {
    let mut reported: Vec<&Findings> = Vec::new();
    for one in checked {
        report_notes(one, output);
        if !reported.contains(&&one.findings) {
            report_findings(&one.findings, &one.loaded.spec.name, output);
            reported.push(&one.findings);
        }
    }
}

/// Reports statements of the layers of a spec, and of its guide, that have no effect; what is about no key, once.
fn report_notes(checked: &Checked, output: Output) {
    static SAID: Once = Once::new();
    let of_spec = &checked.loaded;
    SAID.call_once(|| {
        for note in of_spec.notes.iter().filter(|note| note.key.is_empty()) {
            output.say(note.to_string());
        }
    });
    let guide = checked.guide.as_ref().map(|guide| &guide.loaded);
    for loaded in std::iter::once(of_spec).chain(guide) {
        for note in loaded.notes.iter().filter(|note| !note.key.is_empty()) {
            output.say(format!("{}: {note}", loaded.spec.name));
        }
    }
}

/// Prints findings about data: one line for each kind.
pub(super) fn report_findings(findings: &Findings, of: &str, output: Output) {
    for finding in findings {
        output.warn(finding.level, format!("{of}: {finding}"));
    }
}

/// Spec files, or suites of them.
#[derive(Clone, Debug, Args, Serialize, Deserialize)]
pub(super) struct Specs {
    /// Spec files, or suites of them.
    #[arg(required = true, value_name = "SPEC")]
    pub paths: Vec<PathBuf>,
    #[command(flatten)]
    pub overrides: Overrides,
}

impl Specs {
    /// Loads and checks all of them; mistakes of all files are reported together.
    ///
    /// # Errors
    /// Everything wrong with any of them.
    pub(super) fn check(&self, depth: Depth, output: Output) -> Result<Vec<Checked>> {
        let mut opened = Opened::default();
        let results: Vec<Result<Vec<Checked>>> = spec_files(&self.paths)?
            .iter()
            .map(|path| self.overrides.check_one(path, depth, &mut opened))
            .collect();
        let mistakes: Vec<String> = results
            .iter()
            .filter_map(|result| result.as_ref().err())
            .map(ToString::to_string)
            .collect();
        if mistakes.is_empty() {
            let checked = results.into_iter().collect::<Result<Vec<_>>>()?.concat();
            self.overrides.find_guides(&checked)?;
            report_all(&checked, output);
            return Ok(checked);
        }
        Err(Error::user(mistakes.join("\n\n")))
    }
}
