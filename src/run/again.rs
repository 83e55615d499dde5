//! Shell commands that reproduce a run.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::plan::Plan;
use crate::provenance::tool;
use crate::record::Git;
use crate::shell::{quoted, shell};

/// The command of a run: the spec and the layers above it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Again {
    /// The working directory, from which relative paths start.
    pub folder: PathBuf,
    /// The environment variables that set keys, with their values.
    pub environment: Vec<(String, String)>,
    /// The spec.
    pub spec: PathBuf,
    /// The arguments that override it.
    pub overrides: Vec<String>,
    /// Epochs that are added to a finished run.
    pub extend_epochs: Option<u32>,
}

impl Again {
    /// The commands that reproduce the run of a plan from the same spec files, with the same overrides, on the same kind
    /// of device, with the data in the same place.
    pub fn lines(&self, plan: &Plan) -> Vec<String> {
        let mut lines =
            vec![comment(plan), format!("cd {}", quoted(&self.folder.display().to_string()))];
        lines.push(self.command(plan, None));
        if self.extend_epochs.is_some() {
            lines.push(self.command(plan, self.extend_epochs));
        }
        lines
    }

    fn command(&self, plan: &Plan, extend_epochs: Option<u32>) -> String {
        let environment = self.environment.iter();
        let environment: String =
            environment.map(|(name, value)| format!("{name}={} ", quoted(value))).collect();
        let mut words = vec!["oncospec".into(), "run".into(), self.spec.display().to_string()];
        words.extend(self.overrides.iter().cloned());
        let spec = &plan.decisions.spec;
        // The runs that guide another have a spec and seeds of their own.
        if plan.spec_path == self.spec && spec.seeds.len() > 1 && !plan.is_average() {
            words.extend(["--set".into(), format!("seeds=[{}]", plan.decisions.seed)]);
            if spec.evaluation.ensemble {
                words.extend(["--set".into(), "evaluation.ensemble=false".into()]);
            }
        }
        if let Some(root) = spec.dataset.source.source().root() {
            let root = self.folder.join(root);
            let root = root.canonicalize().unwrap_or(root).display().to_string();
            words.extend(["--set".into(), format!("dataset.root={}", toml::Value::String(root))]);
        }
        words.extend(["--device".into(), plan.decisions.device.to_string()]);
        words.extend(
            extend_epochs.into_iter().flat_map(|n| ["--extend-epochs".into(), n.to_string()]),
        );
        format!("{environment}{}", shell(&words))
    }
}

/// The version of oncospec, as a comment.
fn comment(plan: &Plan) -> String {
    let decisions = &plan.decisions;
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let engines =
        format!("engine {}, {}", short(&decisions.engine), short(&decisions.evaluation_engine));
    let from = match tool() {
        Some(Git { commit, dirty: false }) => format!("git checkout {commit}"),
        Some(Git { commit, dirty: true }) => {
            format!("built from {commit} with uncommitted changes")
        }
        None => "built outside of its repository".into(),
    };
    format!("# oncospec {}, {engines}: {from}", env!("CARGO_PKG_VERSION"))
}
