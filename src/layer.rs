//! The layer table: what a network is made of.

use serde::{Deserialize, Serialize};

/// A row of the layer table.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Path of the layer in the network, such as `encoder.layer1.0.conv1`.
    pub name: String,
    /// Kind, such as `Conv2d`.
    pub kind: String,
    /// Shape of its input, batch first.
    pub input: Vec<usize>,
    /// Shape of its output, batch first.
    pub output: Vec<usize>,
    /// Number of parameters.
    pub parameters: u64,
    /// Whether training changes them.
    pub trainable: bool,
    /// Multiply-adds of one forward pass at that batch size.
    pub multiply_adds: u64,
}
