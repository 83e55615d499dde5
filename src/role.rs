//! What a key of a spec decides, which is said beside the key: `#[schemars(extend("x-role" = Role::Execution))]`.

use serde::{Deserialize, Serialize};

/// What a key decides, with all that is below it that has no role of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// The weights: what every key decides that has no role.
    #[default]
    Training,
    /// The figures of given weights.
    Evaluation,
    /// The cases, masks or initial weights that it leads to, which are hashed in its place.
    Resolved,
    /// Which run of the recipe it is, or where its data lie; hashed in its place are the run's seed and the data.
    Instance,
    /// Words and bounds.
    Presentation,
    /// Pictures, which are drawn while a run is made.
    Pictures,
    /// Where and how fast.
    Execution,
}
