//! What made a run: git, machine, device, versions.

use std::process::Command;

use crate::device::Kind;
use crate::plan::{EVALUATION_ENGINE, Plan, TRAINING_ENGINE};
use crate::record::{Git, Host, Provenance, Session, Versions, now};
use crate::spec::Precision;

/// The Burn release this was built with; kept equal to Cargo.toml by a test.
const BURN: &str = "0.22.1";

/// The provenance of a run that starts now, with the command line that made it and the commands that reproduce it.
pub fn of(plan: &Plan, command: &[String], again: Vec<String>, device: &Kind) -> Provenance {
    Provenance {
        run_id: plan.decisions.run_id.clone(),
        training_id: plan.decisions.training_id.clone(),
        seed: plan.decisions.seed,
        command: command.to_vec(),
        again,
        spec_path: plan.spec_path.display().to_string(),
        git: git(),
        tool: tool(),
        engine: plan.decisions.engine.clone(),
        engine_parts: plan.decisions.engine_parts.clone(),
        evaluation_engine: plan.decisions.evaluation_engine.clone(),
        sessions: Vec::new(),
        parent: plan.decisions.parent.clone(),
        taken_from: None,
        weights_sha256: None,
        host: host(),
        device: with_precision(device, plan.decisions.spec.schedule.precision),
        versions: versions(),
        started: now(),
        finished: None,
        data_fingerprint: plan.decisions.data_fingerprint.clone(),
        determinism: None,
    }
}

/// A device, and of GPUs the number format of products.
fn with_precision(device: &Kind, precision: Option<Precision>) -> String {
    match (device, precision) {
        (Kind::Cuda(_), Some(precision)) => format!("{device}, products in {}", precision.name()),
        _ => device.to_string(),
    }
}

/// This process, which works on a run after so many epochs.
pub fn session(device: &Kind, after_epoch: u32) -> Session {
    Session {
        started: now(),
        after_epoch,
        device: device.to_string(),
        host: host(),
        engines: [TRAINING_ENGINE, EVALUATION_ENGINE].map(String::from),
        peak_memory_bytes: None,
    }
}

/// The commit that this binary was built from; `None` if it was built outside of its repository.
pub fn tool() -> Option<Git> {
    let commit = env!("TOOL_COMMIT");
    (!commit.is_empty()).then(|| Git { commit: commit.into(), dirty: env!("TOOL_DIRTY") == "true" })
}

/// Versions of the software.
pub fn versions() -> Versions {
    Versions {
        oncospec: env!("CARGO_PKG_VERSION").into(),
        burn: BURN.into(),
        rustc: env!("ENGINE_RUSTC").into(),
    }
}

/// The machine.
pub fn host() -> Host {
    let cpuinfo = crate::file::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let cpu =
        model.map_or(std::env::consts::ARCH, |name| name.trim_start_matches(['\t', ' ', ':']));
    Host {
        cpu: cpu.into(),
        cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
        os: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
    }
}

/// The commit of the repository of the working folder.
fn git() -> Option<Git> {
    let ask = |arguments: &[&str]| {
        let output = Command::new("git").args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
    };
    let commit = ask(&["rev-parse", "HEAD"])?;
    let dirty = !ask(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(Git { commit, dirty })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burn_version_is_the_one_in_cargo_toml() {
        let manifest = include_str!("../Cargo.toml");
        assert!(manifest.contains(&format!("burn = {{ version = \"={BURN}\"")));
    }
}
