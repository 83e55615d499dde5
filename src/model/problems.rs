//! What can be wrong with a model that its schema cannot say.

use std::path::Path;

use super::ModelSpec;
use super::catalogue::WeightsSpec;

/// What height and width of an image must be multiples of: 2 to the power of the depth.
pub fn size_divisor(spec: &ModelSpec) -> u32 {
    2u32.saturating_pow(spec.halvings())
}

/// What is wrong with a model and the height and width of images, beyond the ranges of its schema: each the path of a key,
/// and what would be right.
pub fn problems(model: &ModelSpec, sides: [usize; 2]) -> Vec<(String, String)> {
    let mut found = Problems(Vec::new());
    model.own_problems(sides, &mut found);
    found.weights("model.weights.path", model.weights());
    match sides {
        [height, width] if height == width => found.side("", "size", height, model),
        [height, width] => {
            found.side(".height", "height", height, model);
            found.side(".width", "width", width, model);
        }
    }
    found.0
}

/// Problems found: each the path of a key, and what would be right.
pub struct Problems(Vec<(String, String)>);

impl Problems {
    /// One at a key.
    pub(super) fn push(&mut self, key: &str, message: String) {
        self.0.push((key.to_string(), message));
    }

    /// Widths of convolutions.
    pub(super) fn kernels(&mut self, kernels: &[u32]) {
        if let Some(wrong) = kernels.iter().find(|kernel| *kernel % 2 == 0) {
            self.push("model.kernels", format!("{wrong} is no odd number from 1 to 31"));
        }
    }

    /// Channels are shared out equally among heads or groups.
    pub(super) fn divisor(&mut self, key: &str, parts: u32, filters: &[u32]) {
        if let Some(filters) = filters.iter().find(|filters| !filters.is_multiple_of(parts)) {
            self.push(key, format!(
                "{filters} channels of `filters` cannot be shared out among {parts}; give a number \
                 that divides them"
            ));
        }
    }

    /// How many of the stages are frozen.
    pub(super) fn stages(&mut self, frozen: u32, stages: u32) {
        if frozen > stages {
            let message = format!("{frozen} of {stages} stages cannot stay as they are");
            self.push("model.frozen-stages", message);
        }
    }

    /// Probabilities of dropout, one for each level and one for the bottleneck.
    pub(super) fn dropouts(&mut self, dropouts: &[f64], levels: usize) {
        let key = "model.dropout";
        if dropouts.len() != levels + 1 {
            self.push(key, format!(
                "has {} values for the {levels} of `filters`; give {}, one for each and one more for \
                 the bottleneck",
                dropouts.len(),
                levels + 1
            ));
        }
    }

    /// A file of weights to start from.
    pub(super) fn weights(&mut self, key: &str, weights: Option<&WeightsSpec>) {
        let Some(weights) = weights else { return };
        let path = weights.path();
        if super::weights::Format::of(path).is_none() {
            self.push(
                key,
                format!(
                    "{}: not a `.pth`, `.pt` or `.safetensors` file by its name",
                    path.display()
                ),
            );
        } else if let (Some(name), false) = (weights.name, path.is_file()) {
            let entry = name.entry();
            let folder = path.parent().unwrap_or(Path::new("."));
            self.push(
                key,
                format!(
                    "{} is not there: `oncospec weights get {}` downloads it ({:.1} MiB from {}; {}). If you have \
                     it, put it into {}, or name its folder in `run.weights`",
                    path.display(),
                    name.name(),
                    entry.mib,
                    entry.url,
                    entry.licence,
                    folder.display()
                ),
            );
        } else if !path.is_file() {
            self.push(key, format!("{}: no such file", path.display()));
        }
    }

    /// One side of an image, at a key below that of its size.
    fn side(&mut self, key: &str, what: &str, side: usize, spec: &ModelSpec) {
        let divisor = size_divisor(spec) as usize;
        if side != 0 && side.is_multiple_of(divisor) {
            return;
        }
        let below = side / divisor * divisor;
        let above = below.saturating_add(divisor);
        let near = if below == 0 { above.to_string() } else { format!("{below} or {above}") };
        self.push(&format!("dataset.image-size{key}"), format!(
            "the network halves the image {} times, so its {what} must be a multiple of {divisor}: \
             {side} is not, {near} would be",
            spec.halvings()
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::attention_unet::AttentionUnetSpec;
    use crate::model::blocks::NormKind;
    use crate::model::encoder::{EncoderSpec, PlainEncoderSpec};
    use crate::model::mobile_uvit::MobileUvitSpec;
    use crate::model::resnet::ResnetEncoderSpec;
    use crate::model::rgu_net::RguNetSpec;
    use crate::model::unet::UnetSpec;

    fn unet(encoder: EncoderSpec) -> ModelSpec {
        ModelSpec::Unet(UnetSpec { encoder, weights: None })
    }

    fn only(spec: &ModelSpec, size: usize) -> (String, String) {
        let mut found = problems(spec, [size; 2]);
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }

    #[test]
    fn a_size_that_cannot_be_halved_often_enough_names_the_sizes_near_it_that_can() {
        let spec = unet(EncoderSpec::Resnet34(ResnetEncoderSpec::default()));
        assert_eq!(size_divisor(&spec), 32);
        assert_eq!(problems(&spec, [224; 2]), []);
        let (key, message) = only(&spec, 250);
        assert_eq!(key, "dataset.image-size");
        assert_eq!(
            message,
            "the network halves the image 5 times, so its size must be a multiple of 32: 250 is \
             not, 224 or 256 would be"
        );
        let (_, message) = only(&ModelSpec::AttentionUnet(AttentionUnetSpec::default()), 7);
        assert!(message.ends_with("multiple of 16: 7 is not, 16 would be"), "{message}");
        assert!(only(&unet(EncoderSpec::default()), 0).1.ends_with("0 is not, 16 would be"));
    }

    #[test]
    fn each_of_two_sides_must_be_halved() {
        let spec = unet(EncoderSpec::Resnet34(ResnetEncoderSpec::default()));
        assert_eq!(problems(&spec, [192, 256]), []);
        let found = problems(&spec, [100, 256]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].0, "dataset.image-size.height");
        assert!(
            found[0].1.contains("so its height must be a multiple of 32: 100 is not, 96 or 128")
        );
        let keys: Vec<String> = problems(&spec, [90, 80]).into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, ["dataset.image-size.height", "dataset.image-size.width"]);
    }

    #[test]
    fn attention_dropout_needs_one_value_more_than_filters() {
        let spec = AttentionUnetSpec { filters: vec![8, 16], ..Default::default() };
        let (key, message) = only(&ModelSpec::AttentionUnet(spec), 64);
        assert_eq!(key, "model.dropout");
        assert!(message.starts_with("has 5 values for the 2 of `filters`; give 3,"), "{message}");
    }

    #[test]
    fn instance_norm_of_a_single_pixel_is_refused() {
        let plain = PlainEncoderSpec { norm: NormKind::Instance, ..PlainEncoderSpec::default() };
        let spec = unet(EncoderSpec::Plain(plain));
        assert_eq!(only(&spec, 16).0, "model.encoder.norm");
        assert_eq!(problems(&spec, [32; 2]), []);
        assert_eq!(problems(&spec, [16, 32]), []);
    }

    #[test]
    fn channels_must_be_shared_out_equally_among_heads_and_groups() {
        let spec = MobileUvitSpec { heads: 3, ..Default::default() };
        assert_eq!(only(&ModelSpec::MobileUvit(spec), 64).0, "model.heads");
        for groups in [0, 3] {
            let spec = RguNetSpec { filters: vec![6, 8], groups, weights: None };
            let (key, message) = only(&ModelSpec::RguNet(spec), 64);
            assert_eq!(key, "model.groups");
            let ends =
                format!("cannot be shared out among {groups}; give a number that divides them");
            assert!(message.ends_with(&ends), "{message}");
        }
    }

    #[test]
    fn weights_must_be_a_file_of_a_known_kind() {
        let weights = |path: &str| {
            ModelSpec::AttentionUnet(AttentionUnetSpec {
                weights: Some(WeightsSpec::at(path)),
                ..Default::default()
            })
        };
        let (key, message) = only(&weights("no/such/net.pth"), 64);
        assert_eq!(key, "model.weights.path");
        assert_eq!(message, "no/such/net.pth: no such file");
        assert!(only(&weights("Cargo.toml"), 64).1.contains("`.safetensors`"));
    }
}
