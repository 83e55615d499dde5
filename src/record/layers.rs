//! `layers.json`: the layer table.

use super::artefact::json_file;
use crate::layer::Layer;

json_file!(Vec<Layer>, "layers.json");
